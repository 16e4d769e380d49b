"""Two ends joined in memory: bytes go both ways until nothing moves, and time passes when told to."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Protocol

from amqp10.testing.faults import Break, Fault, Lane
from amqp10.testing.peer import ScriptedPeer

__all__ = ["Endpoint", "Pump", "pump"]

_MAX_ROUNDS = 100_000


class Endpoint(Protocol):
    """What can be joined: an engine's connection, or a scripted peer."""

    @property
    def finished(self) -> bool:
        """Whether it wants the transport closed once its output is taken."""

    def receive_data(self, data: bytes, /) -> None:
        """Take bytes."""

    def receive_eof(self, cause: BaseException | None = None, /) -> None:
        """Learn that the transport is closed."""

    def data_to_send(self) -> bytes:
        """Give bytes; none when there is nothing."""

    def tick(self, now: float, /) -> float | None:
        """Learn the time, and say when to be told again."""


class _Direction:
    """One way: from an end, through a lane, to the other."""

    def __init__(self, source: Endpoint, target: Endpoint, lane: Lane) -> None:
        self.source = source
        self.target = target
        self.lane = lane

    def collect(self, now: float) -> bool:
        """Take what the source has; tell whether it had something."""
        moved = False
        while not self.lane.is_full and (data := self.source.data_to_send()):
            self.lane.push(data, now)
            moved = True
        if self.source.finished and not self.lane.broken and not self.lane.is_full:
            self.lane.end(now, reset=getattr(self.source, "resets", False))
            moved = True
        return moved

    def deliver(self, now: float, limit: int | None) -> bool:
        """Bring the target one piece; tell whether there was one."""
        if not getattr(self.target, "reading", True):
            return False
        piece = self.lane.pop(now, limit)
        if piece is None:
            return False
        if isinstance(piece, Break):
            self.target.receive_eof(ConnectionResetError("the connection was reset") if piece.reset else None)
        else:
            self.target.receive_data(piece)
        return True


class Pump:
    """Carries bytes between two ends, by a clock of its own.

    ::

        wire = Pump(connection, peer, max_chunk=7, seed=3)
        wire.run()  # until nothing moves
        wire.advance(30)  # half a minute passes

    The failure of a scripted peer is raised as soon as it happens.

    Args:
        subject: the end under test.
        peer: the other end, usually a `ScriptedPeer`.
        max_chunk: bytes come in chunks of random size, up to this; None brings all at once.
        seed: of the sizes, and of the order in which the two directions take turns.
        to_subject: faults in what the peer sends.
        to_peer: faults in what the subject sends.
        capacity: from how many bytes on the way on an end's output is not taken; None is without limit.
        now: what the clock starts with, in seconds.

    Attributes:
        now: the clock.
    """

    def __init__(
        self,
        subject: Endpoint,
        peer: Endpoint,
        *,
        max_chunk: int | None = None,
        seed: int = 0,
        to_subject: Iterable[Fault] = (),
        to_peer: Iterable[Fault] = (),
        capacity: int | None = None,
        now: float = 0.0,
    ) -> None:
        self.now = now
        self._ends = (subject, peer)
        self._directions = [
            _Direction(subject, peer, Lane(to_peer, capacity)),
            _Direction(peer, subject, Lane(to_subject, capacity)),
        ]
        self._max_chunk = max_chunk
        self._random = random.Random(seed)

    def run(self) -> None:
        """Carry bytes until nothing moves any more. No time passes.

        Raises:
            AssertionError: a scripted peer failed, or the two never come to rest.
        """
        for _ in range(_MAX_ROUNDS):
            self._tick()
            if not self._round():
                return
        raise AssertionError(f"after {_MAX_ROUNDS} rounds the two ends still talk")

    def advance(self, seconds: float) -> None:
        """Let time pass, stopping wherever an end or a delay wants to be looked at.

        Args:
            seconds: how much.

        Raises:
            AssertionError: as for `run`.
        """
        until = self.now + seconds
        self.run()
        while (due := self._next_due()) is not None and due < until:
            # A deadline that does not move when it is reached must not stop the clock.
            self.now = max(due, self.now + 1e-6)
            self.run()
        self.now = until
        self.run()

    def _next_due(self) -> float | None:
        times = [end.tick(self.now) for end in self._ends]
        times += [direction.lane.next_due for direction in self._directions]
        return min((time for time in times if time is not None), default=None)

    def _tick(self) -> None:
        for end in self._ends:
            end.tick(self.now)

    def _round(self) -> bool:
        moved = False
        for direction in self._in_turn():
            moved = direction.collect(self.now) or moved
            moved = direction.deliver(self.now, self._chunk()) or moved
            for end in self._ends:
                if isinstance(end, ScriptedPeer):
                    end.check()
        return moved

    def _in_turn(self) -> list[_Direction]:
        if self._max_chunk is None:
            return self._directions
        return self._random.sample(self._directions, 2)

    def _chunk(self) -> int | None:
        return None if self._max_chunk is None else self._random.randint(1, self._max_chunk)


def pump(
    subject: Endpoint,
    peer: Endpoint,
    *,
    max_chunk: int | None = None,
    seed: int = 0,
    to_subject: Iterable[Fault] = (),
    to_peer: Iterable[Fault] = (),
) -> None:
    """Carry bytes between two ends until nothing moves. May be called again and again; the clock stands at 0.

    Args:
        subject: the end under test.
        peer: the other end, usually a `ScriptedPeer`.
        max_chunk: as for `Pump`.
        seed: as for `Pump`.
        to_subject: as for `Pump`.
        to_peer: as for `Pump`.

    Raises:
        AssertionError: a scripted peer failed, or the two never come to rest.
    """
    Pump(subject, peer, max_chunk=max_chunk, seed=seed, to_subject=to_subject, to_peer=to_peer).run()
