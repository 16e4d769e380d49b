"""What the scripted peer hears: bytes cut into frames, read by the codec, judged by the rules, entered in the books."""

from __future__ import annotations

from collections import Counter
from collections.abc import MutableSequence

from amqp10._codec import CompositeBase, Frame, FrameReader, ProtocolHeader
from amqp10.performatives import SaslFrame
from amqp10.testing.ledger import Ledger, Link, Session
from amqp10.testing.report import TraceEntry
from amqp10.testing.rules import violation
from amqp10.testing.script import Arrival
from amqp10.testing.text import ScriptFailure, hex_text
from amqp10.testing.wire import Splitter

__all__ = ["Listener"]

_MIN_MAX_FRAME_SIZE = 512  # what every end must take before an open says more (§2.4.1)


class Listener:
    """Reads what the tested end sends.

    Args:
        ledger: where it is recorded.
        trace: where it is noted.
        strict: whether the rules of the specification are checked.

    Attributes:
        counts: how many frames of each kind came.
    """

    def __init__(self, ledger: Ledger, trace: MutableSequence[TraceEntry], *, strict: bool) -> None:
        self.counts: Counter[type[CompositeBase]] = Counter()
        self._ledger = ledger
        self._trace = trace
        self._strict = strict
        self._splitter = Splitter(_MIN_MAX_FRAME_SIZE)
        self._reader = FrameReader(max_frame_size=_MIN_MAX_FRAME_SIZE, runs=False)

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes, and return the frames and headers that are complete.

        Args:
            data: any number of bytes.
        """
        if self._ledger.local_open is not None:
            self._reader.max_frame_size = self._ledger.local_open.max_frame_size
        self._splitter.max_frame_size = self._reader.max_frame_size
        return self._splitter.feed(data)

    def read(self, unit: bytes) -> Arrival:
        """Read one frame or header.

        Args:
            unit: the whole of it.

        Raises:
            ScriptFailure: it is malformed, or forbidden.
        """
        items = self._reader.feed(unit)
        if self._reader.error is not None or self._reader.buffered:
            self._trace.append(TraceEntry(False, label=f"{len(unit)} bytes that are no frame"))
            reason = self._reader.error or "its size is wrong"
            raise ScriptFailure(f"what came is no AMQP: {reason}\n\n{hex_text(unit)}")
        item = items[0] if items else None
        assert item is None or isinstance(item, ProtocolHeader | Frame)
        arrival = Arrival(unit, item)
        if isinstance(item, Frame):
            self._record(item, arrival)
        else:
            self._trace.append(TraceEntry(False, label=str(arrival)))
        return arrival

    def end(self, cause: BaseException | None) -> Arrival:
        """Note the end of the connection.

        Args:
            cause: the error that said so, if any.
        """
        self._trace.append(TraceEntry(False, label=f"connection lost: {cause}" if cause else "end of the connection"))
        return Arrival(b"")

    def _record(self, frame: Frame, arrival: Arrival) -> None:
        channel, body, payload = frame.channel, frame.performative, frame.payload
        self._trace.append(TraceEntry.of_frame(body, channel, payload, sent=False))
        self.counts[type(body)] += 1
        broken = violation(self._ledger, channel, body, payload) if self._strict else None
        if broken is not None:
            raise ScriptFailure(f"the specification forbids what came: {broken}\n\n  {arrival}")
        before = self._belongings(channel, body)
        self._ledger.received(channel, body, payload)
        # A detach or an end belongs to what was there before it, an attach or a begin to what is there after it.
        after = self._belongings(channel, body)
        arrival.session, arrival.link = after[0] or before[0], after[1] or before[1]

    def _belongings(self, channel: int, body: CompositeBase) -> tuple[Session | None, Link | None]:
        session = None if isinstance(body, SaslFrame) else self._ledger.session_by_remote_channel(channel)
        handle = getattr(body, "handle", None)
        return session, session.link_by_remote_handle(handle) if session and handle is not None else None
