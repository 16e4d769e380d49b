"""What `connect` and `open_…` give: it can be awaited, or entered with `async with`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from amqp10.errors import InvalidState

__all__ = ["Enterable", "Opening"]


class Enterable:
    """What an opening opens: entered again or for the first time, it is left in the same way."""

    async def _leave(self, failed: bool) -> None:
        """Close; politely, or as fast as can be where the block was left by an exception."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        """Enter: nothing is to be done, it is open."""
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave: see `close`."""
        await self._leave(exc_type is not None)


class _Leavable(Protocol):
    async def _leave(self, failed: bool) -> None: ...


T = TypeVar("T", bound=_Leavable)


class Opening(Generic[T]):
    """Something that is about to be opened: await it, or enter it with `async with`, once.

    Awaited, what it gives is yours to close. Entered, it is closed when the block is left. Forgotten, it warns; nothing
    was opened then.
    """

    __slots__ = ("_open", "_opened", "_used", "_what")

    def __init__(self, what: str, open_: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._what = what
        self._open = open_
        self._used = False
        self._opened: T | None = None

    def __await__(self) -> Generator[Any, None, T]:
        """Open, and return what was opened."""
        return self._use().__await__()

    async def __aenter__(self) -> T:
        """Open, and return what was opened."""
        self._opened = await self._use()
        return self._opened

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close what was opened."""
        assert self._opened is not None
        await self._opened._leave(exc_type is not None)

    def _use(self) -> Coroutine[Any, Any, T]:
        if self._used:
            raise InvalidState(f"{self._what} was awaited or entered before: it opens one thing, once")
        self._used = True
        return self._open()

    def __del__(self) -> None:
        if not self._used:
            warnings.warn(f"{self._what} was neither awaited nor entered", RuntimeWarning, stacklevel=2)

    def __repr__(self) -> str:
        """Name what it would open."""
        return f"<Opening of {self._what}>"
