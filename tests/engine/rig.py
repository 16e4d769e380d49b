"""One engine, and the test in the place of its peer."""

from __future__ import annotations

from typing import Any

from amqp10._codec import CompositeBase, Frame, FrameReader, FrameWriter, ProtocolHeader
from amqp10.engine import Receiver, Sender, Session
from amqp10.engine.sasl import SaslNegotiation
from amqp10.options import ConnectionOptions, Limits, ReceiverOptions, SenderOptions, SessionOptions
from amqp10.performatives import Attach, Begin, Flow, Open, Transfer
from amqp10.terminus import Source, Target
from amqp10.testing.wire import AMQP_HEADER, data_section
from tests.pair import Running, Side

__all__ = ["WINDOW", "Rig", "attach", "begin", "flow", "is_running", "transfer"]

WINDOW = 1000
"""The frames of the windows that the test's side announces, unless told otherwise."""


class Rig(Side):
    """An engine whose peer is the test: what is said and heard are performatives.

    Args:
        options: of the connection; left out, made of `limits` and `fields`.
        sasl: the engine's half of the negotiation.
        now: the time.
        runs: whether transfers come in runs.
        limits: of the connection.
        fields: of ConnectionOptions.
    """

    def __init__(
        self,
        options: ConnectionOptions | None = None,
        *,
        sasl: SaslNegotiation | None = None,
        now: float = 0.0,
        runs: bool = True,
        limits: Limits | None = None,
        **fields: Any,
    ) -> None:
        made = ConnectionOptions(**{"container_id": "rig", "limits": limits or Limits(), **fields})
        super().__init__(options or made, sasl=sasl, now=now, runs=runs)
        self._reader = FrameReader(0xFFFFFFFF, runs=False)
        self.heard = b""  # all the engine sent

    # --- talking ------------------------------------------------------------------------------------------------------

    def say(self, *performatives: CompositeBase, channel: int = 0, payload: bytes = b"") -> None:
        """Give the engine frames, all at once; the payload goes with the last."""
        writer = FrameWriter()
        for performative in performatives[:-1]:
            writer.write_frame(channel, performative)
        writer.write_frame(channel, performatives[-1], payload)
        self.receive(writer.take())

    def hear_items(self) -> list[Frame | ProtocolHeader]:
        """Take what the engine sends."""
        items: list[Any] = self._reader.feed(self.hear_raw())
        assert self._reader.error is None, self._reader.error
        return items

    def hear_raw(self) -> bytes:
        """Take what the engine sends, as bytes."""
        data = self.take_output()
        self.heard += data
        return data

    def hear_frames(self) -> list[Frame]:
        """Take the frames that the engine sends."""
        return [item for item in self.hear_items() if isinstance(item, Frame)]

    def hear(self) -> list[Any]:
        """Take the performatives that the engine sends."""
        return [frame.performative for frame in self.hear_frames()]

    def hear_kinds(self) -> list[type[Any]]:
        """Take what the engine sends, and say of which classes it is."""
        return [type(performative) for performative in self.hear()]

    def hear_one(self, kind: type[Any]) -> Any:
        """Take what the engine sends, which must be one performative of that kind."""
        heard = self.hear()
        assert [type(performative) for performative in heard] == [kind], heard
        return heard[0]

    # --- getting somewhere --------------------------------------------------------------------------------------------

    def open(self, **fields: Any) -> Rig:
        """Open the connection; `fields` are those of the peer's open."""
        running = self.start(self.connection.open())
        self.receive(AMQP_HEADER)
        self.say(Open(**{"container_id": "test", **fields}))
        _ = running.result
        self.hear_items()
        return self

    def begin(self, options: SessionOptions | None = None, *, channel: int = 0, **fields: Any) -> Session:
        """Begin a session of the engine's; the peer answers on `channel` with `fields`."""
        session = self.connection.new_session(options)
        running = self.start(session.begin())
        self.say(begin(remote_channel=session.channel, **fields), channel=channel)
        _ = running.result
        self.hear_items()
        return session

    def begin_remote(self, options: SessionOptions | None = None, *, channel: int = 0, **fields: Any) -> Session:
        """Begin a session of the peer's, which the engine takes."""
        self.on_session = lambda session: session.accept(options)
        self.say(begin(**fields), channel=channel)
        self.hear_items()
        return self.sessions[-1]

    def attach_sender(
        self, session: Session | None = None, *, handle: int = 0, credit: int = 0, answer: Any = None, **fields: Any
    ) -> Sender:
        """Attach a sender of the engine's; the peer answers with `handle` and the fields in `answer`, and gives credit.

        Args:
            session: in which; None begins one.
            handle: the peer's.
            credit: what the peer gives.
            answer: fields of the peer's attach.
            fields: of SenderOptions.
        """
        session = session or self.begin()
        sender = session.new_sender(SenderOptions(**{"name": f"s{handle}", "target": Target(address="q"), **fields}))
        running = self.start(sender.attach())
        channel = session.remote_channel
        assert channel is not None
        self.say(attach(sender.name, handle, role=True, **(answer or {})), channel=channel)
        _ = running.result
        if credit:
            count = sender.options.initial_delivery_count
            self.say(flow(session, handle=handle, delivery_count=count, link_credit=credit), channel=channel)
        self.hear_items()
        return sender

    def attach_receiver(
        self, session: Session | None = None, *, handle: int = 0, answer: Any = None, **fields: Any
    ) -> Receiver:
        """Attach a receiver of the engine's; the peer answers with `handle` and the fields in `answer`.

        Args:
            session: in which; None begins one.
            handle: the peer's.
            answer: fields of the peer's attach.
            fields: of ReceiverOptions.
        """
        session = session or self.begin()
        options = ReceiverOptions(**{"name": f"r{handle}", "source": Source(address="q"), **fields})
        receiver = session.new_receiver(options)
        running = self.start(receiver.attach())
        said = {"initial_delivery_count": 0, **(answer or {})}
        assert session.remote_channel is not None
        self.say(attach(receiver.name, handle, role=False, **said), channel=session.remote_channel)
        _ = running.result
        return receiver

    def transfer(self, receiver: Receiver, delivery_id: int, body: bytes = b"x", **fields: Any) -> None:
        """Send a delivery of one frame to a receiver, or with `more` the first frame of one."""
        channel = receiver.session.remote_channel
        assert channel is not None
        assert receiver.remote_handle is not None
        self.say(transfer(receiver.remote_handle, delivery_id, **fields), channel=channel, payload=data_section(body))


def begin(**fields: Any) -> Begin:
    """Make the peer's begin."""
    return Begin(**{"next_outgoing_id": 0, "incoming_window": WINDOW, "outgoing_window": WINDOW, **fields})


def attach(name: str, handle: int, *, role: bool, **fields: Any) -> Attach:
    """Make the peer's attach."""
    said = {"name": name, "handle": handle, "role": role, "source": Source(), "target": Target()}
    return Attach(**{**said, **fields})


def flow(session: Session | None = None, **fields: Any) -> Flow:
    """Make the peer's flow, with windows that fit the session so far."""
    said: dict[str, Any] = {"next_incoming_id": 0, "incoming_window": WINDOW, "next_outgoing_id": 0}
    if session is not None:
        said["next_incoming_id"] = session.outgoing_window.next_id
        said["next_outgoing_id"] = session.incoming_window.next_id
    return Flow(**{**said, "outgoing_window": WINDOW, **fields})


def transfer(handle: int, delivery_id: int | None, **fields: Any) -> Transfer:
    """Make the peer's transfer, the delivery-tag being the delivery-id."""
    tag = None if delivery_id is None else delivery_id.to_bytes(4, "big")
    said = {"handle": handle, "delivery_id": delivery_id, "delivery_tag": tag, "settled": False, "message_format": 0}
    return Transfer(**{**said, **fields})


def is_running(running: Running[Any]) -> bool:
    """Tell whether an operation still waits."""
    return not running.done
