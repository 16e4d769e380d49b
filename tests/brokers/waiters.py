"""A program in which somebody waits in every way there is, for a broker that is about to be killed.

Run as `python -m tests.brokers.waiters URL EMPTY BUSY STUCK [uvloop]`, the last three being addresses of queues. It has
messages in full flow through BUSY, says "flowing", and after a line of input (the broker does not read any more then)
starts all the waiting calls, and says "waiting". When each has ended it prints as JSON how: for each call the error's
name, level and delivery-state, and when it came by the monotonic clock. Then it leaves its blocks and ends.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Awaitable
from typing import Any

import uvloop

import amqp10
from amqp10.asyncio import Receiver, Sender

__all__: list[str] = []

BODY = bytes(1_000)


async def ending(waiting: Awaitable[Any]) -> dict[str, Any]:
    """Wait for the end of a call, and tell how it came."""
    try:
        result = await waiting
    except amqp10.AMQPError as error:
        state = None if error.delivery_state is None else error.delivery_state.value
        summary: amqp10.SendSummary | None = getattr(error, "summary", None)
        if summary is not None:  # of all the messages of a send_many, not only the last
            state = "in-doubt" if summary.in_doubt else "not-sent"
        return {"error": type(error).__name__, "level": error.level, "state": state, "at": time.monotonic()}
    return {"error": None, "result": repr(result), "at": time.monotonic()}


async def closed(connection: amqp10.Connection) -> None:
    """Wait for the end of a connection, and raise why."""
    await connection.wait_closed()
    assert connection.error is not None
    raise connection.error


async def iterate(receiver: Receiver, flows: asyncio.Event | None = None) -> None:
    """Receive without end."""
    count = 0
    async for delivery in receiver:
        delivery.accept()
        count += 1
        if flows is not None and count == 2_000:
            flows.set()


async def send_on(sender: Sender) -> None:
    """Send without end."""
    await sender.send_many(itertools.repeat(BODY))


async def go_on(word: str) -> None:
    """Say how far we are, and wait for a line of input."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


async def main(url: str, empty: str, busy: str, stuck: str) -> None:
    """Run the program."""
    flows = asyncio.Event()
    async with (
        amqp10.connect(url) as flow,
        amqp10.connect(url) as connection,
        flow.open_sender(busy, max_unsettled=500) as flowing,
        flow.open_receiver(busy, credit=500) as taking,
        connection.open_receiver(empty) as one,
        connection.open_receiver(empty) as other,
        connection.open_receiver(empty, credit=0) as drained,
        connection.open_sender(stuck) as sender,
        connection.open_sender(stuck, max_unsettled=1) as full,
        connection.open_sender(stuck) as large,
        connection.open_session() as session,
        connection.open_session() as ended,
    ):
        calls: dict[str, Awaitable[Any]] = {
            "flow: send_many": send_on(flowing),
            "flow: iteration": iterate(taking, flows),
            "flow: wait_closed": closed(flow),
        }
        tasks = {name: asyncio.create_task(ending(call)) for name, call in calls.items()}
        await flows.wait()
        await go_on("flowing")
        drained.add_credit(5)
        receipt, blocking = await sender.submit(BODY), await full.submit(BODY)
        calls = {
            "receive": one.receive(),
            "receive_many": one.receive_many(5),
            "iteration": iterate(other),
            "drain": drained.drain(timeout=None),
            "send": sender.send(BODY),
            "send that waits for room": full.send(BODY),
            "submit that waits for room": full.submit(BODY),
            "send_many that waits for room": full.send_many([BODY] * 5),
            "flush": sender.flush(),
            "outcome": receipt.outcome(),
            "await receipt": receipt,
            "outcome of what blocks": blocking.outcome(),
            "open_session": connection.open_session(timeout=None),
            "open_sender": connection.open_sender(stuck, timeout=None),
            "open_receiver": session.open_receiver(empty, timeout=None),
            "wait_closed": closed(connection),
            "close": ended.close(timeout=None),
            "send in mid-message": large.send(bytes(12_000_000)),
        }
        tasks |= {name: asyncio.create_task(ending(call)) for name, call in calls.items()}
        await asyncio.sleep(0.3)
        early = [name for name, task in tasks.items() if task.done()]
        await go_on(f"waiting, but for {early}" if early else "waiting")
        await asyncio.wait(tasks.values())
        sys.stdout.write(json.dumps({name: task.result() for name, task in tasks.items()}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if "uvloop" in sys.argv else None) as runner:
        runner.run(main(*sys.argv[1:5]))
