"""An engine in the middle of its work, as the thing that hostile bytes are thrown at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amqp10._codec import Frame, FrameReader, ProtocolHeader
from amqp10.engine import Connection, Link, Receiver, Sender, Session
from amqp10.engine.states import ConnectionState
from amqp10.options import Limits, ReceiverOptions, SessionOptions
from amqp10.performatives import Close
from tests.engine.rig import Rig
from tests.pair import send

__all__ = ["FIRST_ID", "Subject", "check_output", "finish", "link_state", "snapshot"]

FIRST_ID = 0xFFFFFFFC
"""Where the peer's ids start: they wrap soon."""


@dataclass(slots=True)
class Subject:
    """An engine with links of every kind, in the state that a peer's frames meet.

    Its session is on channel 0 both ways, with these handles of the peer's: 0 a sender of ours with credit and
    unsettled deliveries, 1 a receiver with automatic credit, 2 one with credit by hand that is being drained, 3 one
    that settles second. On channel 1 is a session with nothing in it, on channel 2 one that we have ended; an attach
    and a begin are unanswered.
    """

    rig: Rig

    @classmethod
    def make(cls, *, runs: bool = True, passive: bool = False) -> Subject:
        """Bring one up.

        Args:
            runs: whether transfers come in runs.
            passive: whether what the peer begins and attaches is left unanswered.
        """
        rig = Rig(runs=runs, limits=Limits(max_output=4096)).open(max_frame_size=1024)
        session = rig.begin(SessionOptions(incoming_window=40, next_outgoing_id=FIRST_ID), next_outgoing_id=FIRST_ID)
        sender = rig.attach_sender(session, handle=0, credit=100)
        for number in range(6):
            send(sender, b"%d" % number, settled=number == 3)
        one = rig.attach_receiver(session, handle=1, credit=8, max_message_size=500)
        by_hand = rig.attach_receiver(session, handle=2, credit=0)
        by_hand.add_credit(5)
        second = rig.attach_receiver(session, handle=3, credit=4, rcv_settle_mode=1, answer={"rcv_settle_mode": 1})
        rig.hear()  # with it the credit leaves
        for number, receiver in enumerate((one, by_hand, second)):
            rig.transfer(receiver, (FIRST_ID + number) & 0xFFFFFFFF)
        for delivery in (one.take(), second.take()):
            assert delivery is not None
            delivery.accept()
        rig.hear()
        rig.start(by_hand.drain())
        rig.begin(channel=1)
        rig.start(rig.begin(channel=2).end())
        rig.start(session.new_receiver(ReceiverOptions(name="asked", source=None)).attach())
        rig.start(rig.connection.new_session().begin())
        rig.hear()
        if passive:
            rig.on_session = rig.on_link = None
        return cls(rig)

    @property
    def connection(self) -> Connection:
        """The engine."""
        return self.rig.connection


def check_output(data: bytes, *, max_frame_size: int = 1024) -> list[Frame | ProtocolHeader]:
    """Check that what an engine has sent since its open is frames that the peer takes, and that a close is the last.

    Args:
        data: what it sent.
        max_frame_size: the peer's.
    """
    reader = FrameReader(max_frame_size, runs=False)
    reader.feed(b"AMQP\x00\x01\x00\x00")
    items: list[Any] = reader.feed(data)
    assert reader.error is None, (reader.error, data)
    assert not reader.buffered, data
    closes = [
        number for number, item in enumerate(items) if isinstance(item, Frame) and isinstance(item.performative, Close)
    ]
    assert closes in ([], [len(items) - 1]), items
    return items


def snapshot(connection: Connection) -> Any:
    """Say all about a connection that may not depend on how its input was cut."""
    error = connection.error
    return (
        connection.state,
        connection.finished,
        type(error),
        str(error),
        [_session_state(session) for session in connection.sessions],
    )


def _session_state(session: Session) -> Any:
    common = (session.channel, session.remote_channel, session.state, str(session.error))
    if session.error is not None:
        return common  # what it counted in its last moment concerns nobody
    incoming, outgoing = session.incoming_window, session.outgoing_window
    return (
        common,
        (incoming.next_id, incoming.remaining, outgoing.next_id, outgoing.remaining, session.next_delivery_id),
        (len(session.unsettled), len(session.incoming)),
        [link_state(link) for link in session.links],
    )


def link_state(link: Link) -> Any:
    """Say all about a link."""
    common = (link.name, link.role, link.handle, link.remote_handle, link.state, str(link.error))
    if link.error is not None:
        return common, len(getattr(link, "deliveries", ()))
    if isinstance(link, Sender):
        return common, link.link_credit, link.delivery_count, link.draining, link.tally.count, len(link.unread)
    assert isinstance(link, Receiver)
    credit = link.credit
    numbers = (
        credit.delivery_count,
        credit.link_credit,
        credit.outstanding,
        credit.received,
        credit.highest_limit,
        credit.draining,
        credit.automatic,
        credit.uncertain,
    )
    return common, numbers, [_delivery_state(delivery) for delivery in link.deliveries], link.held_frames


def _delivery_state(delivery: Any) -> Any:
    return (
        (delivery.delivery_id, delivery.delivery_tag, delivery.payload, delivery.message_format),
        (delivery.settled, delivery.presettled, delivery.remote_settled, delivery.state, delivery.remote_state),
        delivery.receiver.name,
    )


def finish(subject: Subject) -> None:
    """Close what is left, as a driver does: that must not raise either."""
    rig = subject.rig
    for session in rig.connection.sessions:
        for link in session.links:
            rig.start(link.detach(closed=True))
        rig.start(session.end())
    rig.start(rig.connection.close())
    rig.take_output()
    rig.connection.receive_eof()
    rig.settle_down()
    assert rig.connection.state is ConnectionState.END
