"""The trace of frames: what passes, in words, on the logger `amqp10.frames` at level DEBUG.

Bytes are read a second time for it, so it costs nothing where it is off and shows what is on the wire where it is on.
What SASL frames carry stays out, and of payloads only their length is shown.
"""

from __future__ import annotations

import logging

from amqp10._codec import Frame, FrameReader, ProtocolHeader

__all__ = ["FrameTrace", "describe", "frame_trace"]

_log = logging.getLogger("amqp10.frames")
_ANY_SIZE = 0xFFFFFFFF


class FrameTrace:
    """Logs the frames of one connection.

    Args:
        name: the connection's.
    """

    __slots__ = ("_incoming", "_name", "_outgoing")

    def __init__(self, name: str) -> None:
        self._name = name
        self._incoming = FrameReader(max_frame_size=_ANY_SIZE, runs=False)
        self._outgoing = FrameReader(max_frame_size=_ANY_SIZE, runs=False)

    def incoming(self, data: bytes | bytearray | memoryview) -> None:
        """Log what came."""
        self._log("<-", self._incoming, data)

    def outgoing(self, data: bytes) -> None:
        """Log what goes."""
        self._log("->", self._outgoing, data)

    def _log(self, arrow: str, reader: FrameReader, data: bytes | bytearray | memoryview) -> None:
        broken = reader.error
        for item in reader.feed(data):
            _log.debug("%s %s %s", self._name, arrow, describe(item))
        if reader.error is not None and broken is None:
            _log.debug("%s %s broken frame: %s", self._name, arrow, reader.error)


def frame_trace(name: str) -> FrameTrace | None:
    """Return a trace if the logger wants one now, else None."""
    return FrameTrace(name) if _log.isEnabledFor(logging.DEBUG) else None


def describe(item: object) -> str:
    """Put a frame or a protocol header into words."""
    if isinstance(item, ProtocolHeader):
        return f"header {item.protocol_id} {item.major}.{item.minor}.{item.revision}"
    assert isinstance(item, Frame)
    text = f"[{item.channel}] {item.performative!r}"
    return f"{text} +{len(item.payload)} bytes" if item.payload else text
