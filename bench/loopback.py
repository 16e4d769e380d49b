"""The asyncio client over loopback against `bench.peer`, beside bare asyncio with the same bytes.

Every run is a connection of its own on a loop of its own; the bare stream that follows moves as many bytes each way,
in pieces as large as the client's mean write, or read. Round trips of `await sender.send()` and of a bare echo take
turns on one loop, with frames and answers of the same sizes.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import perf_counter
from types import TracebackType
from typing import Any, Self

import amqp10
from bench import bare, client
from bench.measure import MICRO, LoopCounts, Sample, quantile, watch_loop
from bench.report import Table
from bench.settings import Settings
from bench.workload import WrongBodyError, make_bodies

Loop = Callable[[], asyncio.AbstractEventLoop]

_ROUND = 100  # round trips of one kind before the other has its turn
_PATIENCE = 120.0  # seconds after which a run hangs

_SPEED = ["messages/s", "MB/s", "CPU µs", "bare messages/s", "bare CPU µs", "of bare rate", "peer CPU µs"]
_MECHANISMS = ["run length", "dispositions", "writes", "reads", "yields", "tasks", "timers"]


class PeerProcess:
    """The peer, in a process of its own. Leaving the `with` block ends it.

    Args:
        core: the one it is to run on; None leaves that to the system.
    """

    def __init__(self, core: int | None = None) -> None:
        with on_core(core):  # which a child inherits
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bench.peer"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        self.port = int(self._read())

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the peer ended")
        return line

    def report(self) -> dict[str, Any]:
        """Return what the peer counted on the link that was closed last."""
        figures: dict[str, Any] = json.loads(self._read())
        return figures

    @property
    def url(self) -> str:
        """Where the peer listens."""
        return f"amqp://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.communicate()


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Keep this process, and the children it starts meanwhile, on one core; None leaves that to the system."""
    if core is None:
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def placements() -> dict[str, tuple[int | None, int | None]]:
    """Return how client and peer are put on cores for round trips: it matters more than all else they do."""
    if not hasattr(os, "sched_getaffinity"):
        return {"anywhere": (None, None)}
    first, *others = sorted(os.sched_getaffinity(0))
    found: dict[str, tuple[int | None, int | None]] = {"one core": (first, first)}
    if others:
        found["two cores"] = (first, others[0])
    return found


def loops() -> dict[str, Loop]:
    """Return the event loops that are installed, by name."""
    found: dict[str, Loop] = {"asyncio": asyncio.new_event_loop}
    try:
        import uvloop
    except ModuleNotFoundError:
        return found
    return {**found, "uvloop": uvloop.new_event_loop}


def run(settings: Settings) -> list[Table]:
    """Measure throughput both ways and round trips, on every loop that is installed."""
    count = settings.messages(200_000, smoke=2_000)
    trips = settings.messages(4_000, smoke=200) if settings.count is None else min(settings.count, 4_000)
    title = f"loopback, {count:,} messages of 100 bytes, at most {client.UNSETTLED:,} unsettled, credit"
    speed = Table(f"{title} {settings.credit:,}", _SPEED)
    mechanisms = Table("the same runs: how, per 1,000 messages; run length is a mean", _MECHANISMS)
    latency = Table(
        f"round trips, {trips:,}: await sender.send(), and a bare echo of the same sizes",
        ["p50 µs", "p99 µs", "echo p50 µs", "echo p99 µs", "p50 ratio", "p99 ratio"],
    )
    actions: dict[str, Callable[..., Any]] = {
        "send_many": client.send_many,
        "submit + outcome": client.submit,
        "iterate + accept": partial(client.iterate, credit=settings.credit),
        "receive_many + accept": partial(client.receive_many, credit=settings.credit),
    }
    with PeerProcess() as peer:
        for _ in range(settings.repeat):
            for loop_name, loop in loops().items():
                for name, action in actions.items():
                    _throughput(speed, mechanisms, f"{loop_name}: {name}", peer, loop, action, count)
    for name, (own, other) in placements().items():
        with PeerProcess(other) as peer, on_core(own):
            for _ in range(settings.repeat):
                for loop_name, loop in loops().items():
                    latency.add(f"{loop_name}, {name}", in_loop(loop, partial(_round_trips, peer, trips)))
                    peer.report()
    speed.notes.append("CPU µs: of the client, per message; bare: asyncio moving the same bytes in the same run")
    return [speed, mechanisms, latency]


def in_loop(loop: Loop, main: Callable[[LoopCounts], Any]) -> Any:
    """Run a coroutine function on a fresh loop whose Tasks and timers are counted."""
    with asyncio.Runner(loop_factory=loop) as runner:
        counts = watch_loop(runner.get_loop())
        return runner.run(_bounded(main(counts)))


async def _bounded(work: Any) -> Any:
    async with asyncio.timeout(_PATIENCE):
        return await work


def _throughput(
    speed: Table, mechanisms: Table, row: str, peer: PeerProcess, loop: Loop, action: Callable[..., Any], count: int
) -> None:
    sample: Sample = in_loop(loop, partial(_connect_and, peer, action, count))
    report = peer.report()
    warm_up = count // 10
    if report["messages"] != count + warm_up:
        raise WrongBodyError(f"of {count + warm_up} messages the peer counts {report['messages']} done")
    stream = in_loop(loop, partial(_bare, peer.port, sample))
    figures = sample.speed()
    figures["bare messages/s"] = count / stream.wall
    figures["bare CPU µs"] = stream.cpu * MICRO / count
    figures["of bare rate"] = stream.wall / sample.wall
    figures["peer CPU µs"] = report["cpu"] * MICRO / report["messages"]
    speed.add(row, figures)
    mechanisms.add(row, sample.mechanisms())


async def _connect_and(peer: PeerProcess, action: Callable[..., Any], count: int, counts: LoopCounts) -> Sample:
    async with amqp10.connect(peer.url, sasl=None) as connection:
        sample: Sample = await action(connection, counts, "loopback", count, count // 10)
    return sample


async def _bare(port: int, sample: Sample, _counts: LoopCounts) -> bare.BareSample:
    """Move the bytes of a run, in pieces of its mean size on the larger way."""
    up, down = sample.counters["bytes_out"], sample.counters["bytes_in"]
    pieces = sample.counters["writes"] if up >= down else sample.counters["reads"]
    return await bare.stream(port, up, down, max(up, down) // pieces)


async def _round_trips(peer: PeerProcess, trips: int, _counts: LoopCounts) -> dict[str, float]:
    body = make_bodies()
    ours: list[float] = []
    echoes: list[float] = []
    async with (
        amqp10.connect(peer.url, sasl=None) as connection,
        connection.open_sender("loopback") as sender,
    ):
        sent = 0

        async def send() -> None:
            nonlocal sent
            await sender.send(body[sent % len(body)])
            sent += 1

        await _time(send, _ROUND)
        counters = connection.counters
        before = (counters.bytes_out, counters.bytes_in)
        await _time(send, _ROUND)
        request, answer = ((counters.bytes_out - before[0]) // _ROUND, (counters.bytes_in - before[1]) // _ROUND)
        echo = await bare.open_echo(peer.port, request, answer)
        await _time(echo.ask, _ROUND)
        while len(ours) < trips:
            ours += await _time(send, _ROUND)
            echoes += await _time(echo.ask, _ROUND)
        echo.close()
    figures = {
        "p50 µs": quantile(ours, 0.5) * MICRO,
        "p99 µs": quantile(ours, 0.99) * MICRO,
        "echo p50 µs": quantile(echoes, 0.5) * MICRO,
        "echo p99 µs": quantile(echoes, 0.99) * MICRO,
    }
    figures["p50 ratio"] = figures["p50 µs"] / figures["echo p50 µs"]
    figures["p99 ratio"] = figures["p99 µs"] / figures["echo p99 µs"]
    return figures


async def _time(action: Callable[[], Any], times: int) -> list[float]:
    """Await something so many times; return the seconds of each."""
    taken = []
    for _ in range(times):
        start = perf_counter()
        await action()
        taken.append(perf_counter() - start)
    return taken
