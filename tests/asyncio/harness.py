"""How the asyncio driver's tests run: a loop that reports every stray, bounded waiting, cancelling where one likes."""

import asyncio
import gc
import os
import sys
from collections.abc import Callable, Coroutine, Generator
from functools import cache
from typing import Any, Literal, TypeVar

import uvloop

__all__ = ["Interrupted", "LoopName", "Moment", "eventually", "interrupt", "open_files", "report", "run"]

T = TypeVar("T")
LoopName = Literal["asyncio", "uvloop"]
Moment = Literal["waiting", "ready"]
"""When a task is cancelled: as soon as it waits, or once what it waits for is there and it has not run yet."""

BOUND = 10.0  # seconds that anything may take which ought to happen soon
_TURNS = 20  # of the loop, before polling gives way to others


def run(main: Callable[[], Coroutine[Any, Any, T]], *, loop: LoopName = "asyncio", debug: bool = True) -> T:
    """Run a scenario in a loop of its own, and see that it leaves nothing behind.

    Raises:
        AssertionError: something was reported to the loop's exception handler, or a task or a file descriptor is left.
    """
    if loop == "uvloop":
        _warm_up()
    before = open_files()
    problems: list[dict[str, Any]] = []

    async def guarded() -> T:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
        result = await main()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"tasks are left: {left}"
        return result

    factory = uvloop.new_event_loop if loop == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(debug=debug, loop_factory=factory) as runner:
        result = runner.run(guarded())
        gc.collect()  # what is collected may complain to the loop
    assert not problems, problems
    assert open_files() == before
    return result


@cache
def _warm_up() -> None:
    """Have libuv open what it keeps for the life of the process."""

    async def look_up() -> None:
        await asyncio.get_running_loop().getaddrinfo("127.0.0.1", 1)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(look_up())


def open_files() -> int:
    """Count the open file descriptors of this process."""
    return len(os.listdir("/proc/self/fd"))


def report(text: str) -> None:
    """Say something in the test's output."""
    sys.stdout.write(f"{text}\n")


async def eventually(condition: Callable[[], object], what: str = "", *, within: float = BOUND) -> None:
    """Wait until a condition holds, by short polls."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within
    turns = 0
    while not condition():
        assert loop.time() < end, f"not within {within} s: {what or condition}"
        await asyncio.sleep(0 if turns < _TURNS else 0.001)
        turns += 1


class Interrupted(Coroutine[Any, Any, T]):
    """A coroutine whose task is cancelled at one of its suspensions.

    Args:
        inner: the coroutine.
        at: at which suspension, the first being 1; 0 for never.
        moment: when exactly.

    Attributes:
        suspensions: how many there were so far.
        cancelled: whether the task was cancelled.
    """

    def __init__(self, inner: Coroutine[Any, Any, T], at: int, moment: Moment) -> None:
        self._inner = inner
        self._at = at
        self._moment = moment
        self.suspensions = 0
        self.cancelled = False

    def send(self, value: Any) -> Any:
        """Go on to the next suspension."""
        return self._suspended(self._inner.send(value))

    def throw(self, *args: Any) -> Any:
        """Go on with an exception."""
        return self._suspended(self._inner.throw(*args))

    def close(self) -> None:
        """Close the inner coroutine."""
        self._inner.close()

    def __await__(self) -> Generator[Any, Any, T]:
        """Is for tasks alone."""
        raise NotImplementedError

    def _suspended(self, waits_for: Any) -> Any:
        self.suspensions += 1
        if self.suspensions == self._at:
            task = asyncio.current_task()
            assert task is not None
            if self._moment == "waiting" or waits_for is None:
                self._cancel(task)
            else:
                waits_for.add_done_callback(lambda _: self._cancel(task))
        return waits_for

    def _cancel(self, task: "asyncio.Task[Any]") -> None:
        self.cancelled = True
        task.cancel()


async def interrupt(inner: Coroutine[Any, Any, Any], at: int, moment: Moment) -> bool:
    """Run a coroutine as a task that is cancelled at its suspension number `at`.

    Returns:
        Whether it was cancelled; False where it ended before it came so far.

    Raises:
        AssertionError: it swallowed the cancellation, or did not end soon.
        BaseException: what it raised itself.
    """
    coroutine = Interrupted(inner, at, moment)
    task = asyncio.get_running_loop().create_task(coroutine)
    await asyncio.wait([task], timeout=BOUND)
    assert task.done(), f"cancelled at suspension {at} ({moment}), it goes on"
    if coroutine.cancelled:
        assert task.cancelled(), f"the cancellation at suspension {at} ({moment}) was lost: {task}"
        return True
    task.result()
    return False
