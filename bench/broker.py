"""The asyncio client against real brokers: one queue is filled and emptied, 100-byte bodies, unsettled and pipelined.

What bounds the rate is the broker; the figure of interest beside it is what the client costs.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import Any

import amqp10
from bench import client
from bench.loopback import Loop, in_loop, loops
from bench.measure import LoopCounts, Sample
from bench.report import Table
from bench.settings import Settings
from tests.brokers import servers

_COLUMNS = [
    "messages/s",
    "MB/s",
    "CPU µs",
    "run length",
    "dispositions",
    "writes",
    "reads",
    "yields",
    "tasks",
    "timers",
]


def run(settings: Settings) -> list[Table]:
    """Measure each broker that is installed, or all that were asked for."""
    return [_run(kind, settings) for kind in settings.brokers or _installed()]


def _installed() -> list[str]:
    """Return the brokers that can run here; say which cannot, an error where AMQP10_REQUIRE=all."""
    found = []
    for kind in servers.KINDS:
        reason = servers.missing(kind)
        if reason is None:
            found.append(kind)
        elif os.environ.get("AMQP10_REQUIRE") == "all":
            raise servers.NotInstalled(reason)
        else:
            print(f"skipped: {reason}", file=sys.stderr)
    return found


def _run(kind: str, settings: Settings) -> Table:
    count = settings.messages(20_000, smoke=500)
    with servers.start(kind) as broker:
        table = Table(
            f"{broker.name} {broker.version}, {count:,} messages of 100 bytes through one queue, "
            f"credit {settings.credit:,}; the mechanisms per 1,000 messages",
            _COLUMNS,
        )
        address = broker.address("q1")
        for _ in range(settings.repeat):
            for name, loop in loops().items():
                for action, sample in _fill_and_empty(loop, broker.url, address, count, settings.credit).items():
                    table.add(f"{name}: {action}", {**sample.speed(), **sample.mechanisms()})
    return table


def _fill_and_empty(loop: Loop, url: str, address: str, count: int, credit: int) -> dict[str, Sample]:
    """Send everything, then receive it all on another connection."""
    actions: dict[str, Any] = {
        "send_many": client.send_many,
        "iterate + accept": partial(client.iterate, credit=credit),
    }
    return {name: in_loop(loop, partial(_connect_and, url, action, address, count)) for name, action in actions.items()}


async def _connect_and(url: str, action: Any, address: str, count: int, counts: LoopCounts) -> Sample:
    async with amqp10.connect(url) as connection:
        sample: Sample = await action(connection, counts, address, count, 0)
    return sample
