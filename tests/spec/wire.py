"""Engines and bytes for the tests of the specification: what goes in and comes out is spelled byte by byte."""

from __future__ import annotations

from amqp10.engine import Receiver, Sender, Session
from amqp10.engine.sasl import SaslNegotiation
from amqp10.options import ConnectionOptions, ReceiverOptions, SenderOptions, SessionOptions
from amqp10.terminus import Source, Target
from amqp10.testing.wire import AMQP_HEADER, Splitter, frame_bytes, hex_bytes
from tests.pair import Side

__all__ = [
    "ATTACH_RECEIVER",
    "ATTACH_SENDER",
    "BEGIN",
    "OPEN",
    "Wire",
    "frame",
    "listed",
    "spoken",
]

frame = frame_bytes


def listed(code: str, *fields: str) -> str:
    """Spell a composite: its descriptor, then a list of fields, each spelled; its sizes are counted here.

    Args:
        code: the descriptor's code, two hex digits.
        fields: each field's bytes.
    """
    size = len(hex_bytes(" ".join(fields))) + 1
    return f"00 53 {code}  c0 {size:02x} {len(fields):02x}  {'  '.join(fields)}"


def spoken(code: str, *fields: str, channel: int = 0, payload: bytes = b"") -> bytes:
    """Return a frame with a performative of these fields."""
    return frame(f"02 00 {channel >> 8:02x} {channel & 0xFF:02x}  {listed(code, *fields)}", payload)


OPEN = spoken("10", "a1 02 's1'")
"""The peer's open: container-id only."""

BEGIN = spoken("11", "60 00 00", "43", "52 64", "52 64")
"""The peer's begin on its channel 0, in answer to our channel 0: next-outgoing-id 0, windows of 100."""

ATTACH_SENDER = spoken("12", "a1 01 'r'", "43", "42", "50 02", "50 00", "00 53 28 45", "00 53 29 45", "40", "42", "43")
"""The peer's attach, as the sender of our receiver "r": its handle 0, initial-delivery-count 0."""

ATTACH_RECEIVER = spoken("12", "a1 01 's'", "43", "41", "50 02", "50 00", "00 53 28 45", "00 53 29 45")
"""The peer's attach, as the receiver of our sender "s": its handle 0."""


class Wire(Side):
    """An engine whose peer is written in bytes.

    Args:
        sasl: the engine's half of the negotiation.
        fields: of ConnectionOptions.
    """

    def __init__(self, *, sasl: SaslNegotiation | None = None, **fields: object) -> None:
        options = ConnectionOptions(**{"container_id": "c1", "idle_timeout": None, **fields})  # type: ignore[arg-type]
        super().__init__(options, sasl=sasl)

    def hear(self) -> list[bytes]:
        """Take what the engine sends: its protocol headers and frames, one by one."""
        return list(Splitter().feed(self.take_output()))

    def say(self, *pieces: bytes | str) -> list[bytes]:
        """Give the engine bytes, or text that spells them, and return what it answers."""
        self.receive(b"".join(hex_bytes(piece) if isinstance(piece, str) else piece for piece in pieces))
        self.settle_down()
        return self.hear()

    def open(self) -> Wire:
        """Open the connection."""
        self.start(self.connection.open())
        self.say(AMQP_HEADER, OPEN)
        return self

    def begin(self, **fields: int) -> Session:
        """Begin a session."""
        session = self.connection.new_session(SessionOptions(**fields))  # type: ignore[arg-type]
        self.start(session.begin())
        self.say(BEGIN)
        return session

    def sender(self, session: Session | None = None, **fields: object) -> Sender:
        """Attach a sender named "s"; the peer gives no credit."""
        session = session or self.begin()
        options = SenderOptions(**{"name": "s", "target": Target(address="q"), **fields})  # type: ignore[arg-type]
        sender = session.new_sender(options)
        self.start(sender.attach())
        self.say(ATTACH_RECEIVER)
        return sender

    def receiver(self, session: Session | None = None, **fields: object) -> Receiver:
        """Attach a receiver named "r"."""
        session = session or self.begin()
        options = ReceiverOptions(**{"name": "r", "source": Source(address="q"), **fields})  # type: ignore[arg-type]
        receiver = session.new_receiver(options)
        self.start(receiver.attach())
        self.say(ATTACH_SENDER)
        return receiver
