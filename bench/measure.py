"""Clocks, and counters of what an event loop was made to do."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable
from dataclasses import dataclass, fields
from time import perf_counter, process_time
from typing import Any

from amqp10.engine.counters import Counters

MICRO = 1e6


def cpu_seconds(who: int = resource.RUSAGE_SELF) -> float:
    """Return the processor time that this process, or thread, has used: its own and the system's for it."""
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


class Stopwatch:
    """Adds up the time between `start` and `stop`, as seconds gone by and seconds of processor.

    Attributes:
        wall: seconds that went by.
        cpu: seconds of processor time of this process.
    """

    __slots__ = ("_cpu", "_wall", "cpu", "wall")

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0
        self._wall = self._cpu = 0.0

    def start(self) -> None:
        """Begin to count."""
        self._cpu = process_time()
        self._wall = perf_counter()

    def stop(self) -> None:
        """Add what went by since `start`."""
        self.wall += perf_counter() - self._wall
        self.cpu += process_time() - self._cpu


@dataclass(slots=True)
class LoopCounts:
    """What an event loop was asked for.

    Attributes:
        tasks: Tasks created.
        timers: timers started.
    """

    tasks: int = 0
    timers: int = 0


def watch_loop(loop: asyncio.AbstractEventLoop) -> LoopCounts:
    """Count from here on the Tasks and timers of a loop."""
    counts = LoopCounts()

    def make_task(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        counts.tasks += 1
        return asyncio.Task(coroutine, loop=loop, **options)

    loop.set_task_factory(make_task)
    inside = False

    def counted(method: Callable[..., asyncio.TimerHandle]) -> Callable[..., asyncio.TimerHandle]:
        def wrapper(*arguments: Any, **options: Any) -> asyncio.TimerHandle:
            nonlocal inside
            if inside:  # one of the two methods calls the other
                return method(*arguments, **options)
            counts.timers += 1
            inside = True
            try:
                return method(*arguments, **options)
            finally:
                inside = False

        return wrapper

    for name in ("call_later", "call_at"):
        setattr(loop, name, counted(getattr(loop, name)))
    return counts


def copy_counters(counters: Counters) -> dict[str, int]:
    """Return the present values of a connection's counters."""
    return {field.name: getattr(counters, field.name) for field in fields(counters)}


@dataclass(slots=True)
class Sample:
    """One timed run of a client.

    Attributes:
        messages: how many.
        body_bytes: bytes of their bodies.
        wall: seconds that went by.
        cpu: seconds of processor time of the client.
        counters: what its connection counted meanwhile.
        tasks: Tasks created.
        timers: timers started.
    """

    messages: int
    body_bytes: int
    wall: float
    cpu: float
    counters: dict[str, int]
    tasks: int
    timers: int

    def speed(self) -> dict[str, float]:
        """Return the figures of speed."""
        return {
            "messages/s": self.messages / self.wall,
            "MB/s": self.body_bytes / self.wall / 1e6,
            "CPU µs": self.cpu * MICRO / self.messages,
        }

    def mechanisms(self) -> dict[str, float]:
        """Return what shows how the work was done, per 1000 messages."""
        per_thousand = {
            "reads": self.counters["reads"],
            "writes": self.counters["writes"],
            "dispositions": self.counters["dispositions"],
            "yields": self.counters["yields"],
            "tasks": self.tasks,
            "timers": self.timers,
        }
        figures = {name: value * 1000 / self.messages for name, value in per_thousand.items()}
        if self.counters["runs"]:
            figures["run length"] = self.counters["run_deliveries"] / self.counters["runs"]
        return figures


class Meter:
    """Takes a Sample of what a connection does between making it and `sample`.

    Args:
        counters: the connection's.
        counts: the loop's.
    """

    def __init__(self, counters: Counters, counts: LoopCounts) -> None:
        self._counters = counters
        self._counts = counts
        self._before = copy_counters(counters)
        self._tasks = counts.tasks
        self._timers = counts.timers
        self._cpu = cpu_seconds()
        self._wall = perf_counter()

    def sample(self, messages: int, body_bytes: int) -> Sample:
        """Stop, and return what happened."""
        wall = perf_counter() - self._wall
        cpu = cpu_seconds() - self._cpu
        after = copy_counters(self._counters)
        return Sample(
            messages=messages,
            body_bytes=body_bytes,
            wall=wall,
            cpu=cpu,
            counters={name: value - self._before[name] for name, value in after.items()},
            tasks=self._counts.tasks - self._tasks,
            timers=self._counts.timers - self._timers,
        )


def quantile(values: list[float], share: float) -> float:
    """Return the value below which that share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
