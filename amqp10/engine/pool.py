"""Numbers to give out, lowest first: channels and handles."""

from __future__ import annotations

import heapq

__all__ = ["NumberPool"]


class NumberPool:
    """Gives the lowest number that is free, up to a highest one that may change."""

    __slots__ = ("_returned", "_next", "highest")

    def __init__(self, highest: int) -> None:
        self._returned: list[int] = []  # a heap
        self._next = 0  # every number from here on was never given
        self.highest = highest

    def take(self) -> int | None:
        """Give a number, or None where all are in use."""
        number = self._returned[0] if self._returned else self._next
        if number > self.highest:
            return None
        if self._returned:
            return heapq.heappop(self._returned)
        self._next += 1
        return number

    def give_back(self, number: int) -> None:
        """Take back a number that `take` gave."""
        heapq.heappush(self._returned, number)
