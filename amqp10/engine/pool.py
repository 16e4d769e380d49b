"""Numbers to give out, lowest first: channels and handles."""

from __future__ import annotations

import heapq
from collections import deque

__all__ = ["NumberPool"]


class NumberPool:
    """Gives the lowest number that is free, up to a highest one that may change.

    Attributes:
        highest: the highest number that may be given.
        rests: whether a number that came back is given again only when there is no fresh one; the one that has rested
            longest goes first then.
    """

    __slots__ = ("_next", "_resting", "_returned", "highest", "rests")

    def __init__(self, highest: int) -> None:
        self._returned: list[int] = []  # a heap
        self._resting: deque[int] = deque()
        self._next = 0  # every number from here on was never given
        self.highest = highest
        self.rests = False

    def take(self) -> int | None:
        """Give a number, or None where all are in use."""
        if self._returned and self._returned[0] <= self.highest:
            return heapq.heappop(self._returned)
        if not self._returned and self._next <= self.highest:
            self._next += 1
            return self._next - 1
        return self._resting.popleft() if self._resting else None

    def give_back(self, number: int) -> None:
        """Take back a number that `take` gave."""
        if self.rests:
            self._resting.append(number)
        else:
            heapq.heappush(self._returned, number)
