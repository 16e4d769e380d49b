"""What can go wrong between two ends: frames and bytes dropped, doubled, damaged, delayed, cut, held back.

A fault is a filter of one direction; several are applied in their order. They change bytes and know no clock: what
carries the bytes (the memory pump, a socket) lets time pass, ends the connection, and stops reading.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from amqp10._codec import CompositeBase
from amqp10.performatives import (
    Attach,
    Begin,
    Close,
    Detach,
    Disposition,
    End,
    Flow,
    Open,
    SaslChallenge,
    SaslInit,
    SaslMechanisms,
    SaslOutcome,
    SaslResponse,
    Transfer,
)
from amqp10.testing.wire import Splitter, descriptor_code

__all__ = [
    "Break",
    "Corrupt",
    "Cut",
    "Delay",
    "Drop",
    "Duplicate",
    "Fault",
    "FrameFault",
    "Lane",
    "Pause",
    "Piece",
    "Replace",
    "Split",
    "Stall",
    "Truncate",
]

_CODES: dict[type[CompositeBase], int] = {
    Open: 0x10,
    Begin: 0x11,
    Attach: 0x12,
    Flow: 0x13,
    Transfer: 0x14,
    Disposition: 0x15,
    Detach: 0x16,
    End: 0x17,
    Close: 0x18,
    SaslMechanisms: 0x40,
    SaslInit: 0x41,
    SaslChallenge: 0x42,
    SaslResponse: 0x43,
    SaslOutcome: 0x44,
}


@dataclass(frozen=True, slots=True)
class Pause:
    """A gap in time, among bytes.

    Attributes:
        seconds: how long nothing passes; None is for ever, while nothing more is taken either.
    """

    seconds: float | None


@dataclass(frozen=True, slots=True)
class Break:
    """The end of the connection, among bytes.

    Attributes:
        reset: whether it is abrupt, so that the other end meets an error.
    """

    reset: bool


Piece = bytes | Pause | Break


class Fault:
    """A filter of one direction of a connection. It keeps state: use one in one place."""

    def apply(self, data: bytes) -> Iterable[Piece]:
        """Return what becomes of some bytes.

        Args:
            data: what came, any number of bytes.
        """
        raise NotImplementedError


class Split(Fault):
    """Passes bytes on in small chunks.

    Args:
        size: bytes in each.
    """

    def __init__(self, size: int) -> None:
        self._size = size

    def apply(self, data: bytes) -> Iterable[Piece]:
        """Cut."""
        return [data[start : start + self._size] for start in range(0, len(data), self._size)]


class Truncate(Fault):
    """Passes the first bytes on, then ends the connection.

    Args:
        keep: how many bytes pass.
        reset: whether the end is abrupt.
    """

    def __init__(self, keep: int, *, reset: bool = False) -> None:
        self._left = keep
        self._reset = reset

    def apply(self, data: bytes) -> Iterable[Piece]:
        """Count, and cut."""
        part = data[: self._left]
        self._left -= len(part)
        return [part] if len(part) == len(data) else [part, Break(self._reset)]


class FrameFault(Fault):
    """Does something to one frame, and passes the rest on as it is.

    Args:
        kind: which frames are counted: those with this performative; None counts all, and protocol headers too.
        nth: which of them it is, the first being 1; None is every one.
    """

    def __init__(self, kind: type[CompositeBase] | None = None, *, nth: int | None = 1) -> None:
        self._code = None if kind is None else _CODES[kind]
        self._nth = nth
        self._seen = 0
        self._splitter = Splitter()

    def apply(self, data: bytes) -> Iterable[Piece]:
        """Find the frame."""
        pieces: list[Piece] = []
        for unit in self._splitter.feed(data):
            pieces += self.harm(unit) if self._is_meant(unit) else [unit]
        return pieces

    def _is_meant(self, unit: bytes) -> bool:
        if self._code is not None and descriptor_code(unit) != self._code:
            return False
        self._seen += 1
        return self._nth is None or self._seen == self._nth

    def harm(self, frame: bytes) -> Sequence[Piece]:
        """Return what becomes of the frame.

        Args:
            frame: the whole of it; or a protocol header.
        """
        raise NotImplementedError


class Drop(FrameFault):
    """Loses a frame. Args as for `FrameFault`."""

    def harm(self, frame: bytes) -> Sequence[Piece]:
        """Pass nothing."""
        return []


class Duplicate(FrameFault):
    """Passes a frame twice. Args as for `FrameFault`."""

    def harm(self, frame: bytes) -> Sequence[Piece]:
        """Pass it, and pass it again."""
        return [frame, frame]


class Replace(FrameFault):
    """Passes other bytes in place of a frame.

    Args:
        replacement: any bytes.
        kind: as for `FrameFault`.
        nth: as for `FrameFault`.
    """

    def __init__(self, replacement: bytes, kind: type[CompositeBase] | None = None, *, nth: int | None = 1) -> None:
        super().__init__(kind, nth=nth)
        self._replacement = replacement

    def harm(self, frame: bytes) -> Sequence[Piece]:
        """Pass the replacement."""
        return [self._replacement]


class Corrupt(FrameFault):
    """Changes a byte of a frame.

    Args:
        offset: of the byte; negative from the frame's end.
        value: what the byte becomes; None inverts it.
        kind: as for `FrameFault`.
        nth: as for `FrameFault`.
    """

    def __init__(
        self, offset: int, value: int | None = None, kind: type[CompositeBase] | None = None, *, nth: int | None = 1
    ) -> None:
        super().__init__(kind, nth=nth)
        self._offset = offset
        self._value = value

    def harm(self, frame: bytes) -> Sequence[Piece]:
        """Change it."""
        changed = bytearray(frame)
        changed[self._offset] = changed[self._offset] ^ 0xFF if self._value is None else self._value
        return [bytes(changed)]


class Delay(FrameFault):
    """Holds a frame up, and with it all that follows.

    Args:
        seconds: for how long.
        kind: as for `FrameFault`.
        nth: as for `FrameFault`.
    """

    def __init__(self, seconds: float, kind: type[CompositeBase] | None = None, *, nth: int | None = 1) -> None:
        super().__init__(kind, nth=nth)
        self._seconds = seconds

    def harm(self, frame: bytes) -> Sequence[Piece]:
        """Pause before it."""
        return [Pause(self._seconds), frame]


class Cut(FrameFault):
    """Ends the connection within a frame.

    Args:
        kind: as for `FrameFault`.
        nth: as for `FrameFault`.
        keep: how many bytes of the frame still pass.
        reset: whether the end is abrupt.
    """

    def __init__(
        self, kind: type[CompositeBase] | None = None, *, nth: int | None = 1, keep: int = 0, reset: bool = False
    ) -> None:
        super().__init__(kind, nth=nth)
        self._keep = keep
        self._reset = reset

    def harm(self, frame: bytes) -> Sequence[Piece]:
        """Pass a part of it, then the end."""
        return [frame[: self._keep], Break(self._reset)]


class Stall(FrameFault):
    """Passes nothing from a frame on, without ending the connection: soon the sending end cannot write any more.

    Args as for `FrameFault`.
    """

    def harm(self, frame: bytes) -> Sequence[Piece]:
        """Pause for ever."""
        return [Pause(None), frame]


class Lane:
    """One direction of a connection: bytes on their way, through faults.

    Args:
        faults: applied to what is pushed, in their order.
        capacity: from how many bytes on the lane is full; None is never, unless it is stalled.

    Attributes:
        stalled: whether nothing passes any more.
        broken: whether the end of the connection is on its way or past; what is pushed then is lost.
    """

    def __init__(self, faults: Iterable[Fault] = (), capacity: int | None = None) -> None:
        self._faults = list(faults)
        self._capacity = capacity
        self._pieces: deque[tuple[float, bytes | Break]] = deque()
        self._size = 0
        self._last_due = float("-inf")
        self.stalled = False
        self.broken = False

    @property
    def is_full(self) -> bool:
        """Whether nothing should be pushed now."""
        return self.stalled or (self._capacity is not None and self._size >= self._capacity)

    def push(self, data: bytes, now: float) -> None:
        """Put bytes on their way.

        Args:
            data: what the sending end sent.
            now: the time, in seconds.
        """
        pieces: list[Piece] = [data]
        for fault in self._faults:
            pieces = [out for piece in pieces for out in (fault.apply(piece) if isinstance(piece, bytes) else [piece])]
        for piece in pieces:
            self._enqueue(piece, now)

    def end(self, now: float, *, reset: bool = False) -> None:
        """Put the end of the connection on its way.

        Args:
            now: the time, in seconds.
            reset: whether it is abrupt; then it overtakes what is on its way.
        """
        if reset:
            self._pieces.clear()
            self._size = 0
        self._enqueue(Break(reset), now)

    def _enqueue(self, piece: Piece, now: float) -> None:
        if self.broken:
            return
        if isinstance(piece, Pause):
            self._last_due = max(self._last_due, now) + (float("inf") if piece.seconds is None else piece.seconds)
            self.stalled = self.stalled or piece.seconds is None
        elif piece:
            self._last_due = max(self._last_due, now)
            self._pieces.append((self._last_due, piece))
            self._size += len(piece) if isinstance(piece, bytes) else 0
            self.broken = isinstance(piece, Break)

    @property
    def next_due(self) -> float | None:
        """When the next piece is due; None where there is none, or not ever."""
        due = self._pieces[0][0] if self._pieces else float("inf")
        return None if due == float("inf") else due

    def pop(self, now: float, limit: int | None = None) -> bytes | Break | None:
        """Take what arrives next; None where nothing does now.

        Args:
            now: the time, in seconds.
            limit: at most so many bytes.
        """
        if not self._pieces or self._pieces[0][0] > now:
            return None
        due, piece = self._pieces.popleft()
        if isinstance(piece, bytes):
            if limit is not None and len(piece) > limit:
                self._pieces.appendleft((due, piece[limit:]))
                piece = piece[:limit]
            self._size -= len(piece)
        return piece
