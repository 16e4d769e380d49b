"""What the scenarios with real brokers share: running them within a bound, and looking into queues."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from typing import Any, ParamSpec

import amqp10
from amqp10.types import Decimal128
from tests.asyncio.harness import LoopName, eventually, run
from tests.brokers.servers import Broker

__all__ = [
    "PATIENCE",
    "QUIET",
    "browse",
    "contents",
    "error_of",
    "frozen",
    "put",
    "running_link",
    "same",
    "scenario",
    "take",
]

P = ParamSpec("P")

PATIENCE = 15.0  # seconds for what ought to happen at once
QUIET = 0.4  # seconds without a message after which there is none


def scenario(
    limit: float = 40.0,
) -> Callable[[Callable[P, Coroutine[Any, Any, None]]], Callable[P, None]]:
    """Make a test of a coroutine function: bounded, in a loop of its own, which must be left clean.

    Args:
        limit: seconds it may take. If it has an argument `loop`, that names the loop.
    """

    def decorate(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
        @functools.wraps(test)
        def run_it(*args: P.args, **kwargs: P.kwargs) -> None:
            async def bounded() -> None:
                async with asyncio.timeout(limit):
                    await test(*args, **kwargs)

            loop: Any = kwargs.get("loop", "asyncio")
            name: LoopName = loop
            run(bounded, loop=name, debug=False)

        return run_it

    return decorate


async def put(connection: amqp10.Connection, address: str, *messages: object, **options: Any) -> None:
    """Send messages to an address, each accepted."""
    async with connection.open_sender(address, **options) as sender:
        summary = await sender.send_many(messages, timeout=PATIENCE)
        summary.raise_for_failures()


async def take(connection: amqp10.Connection, address: str, count: int) -> list[amqp10.Message]:
    """Receive so many messages and accept them."""
    taken: list[amqp10.Message] = []
    async with connection.open_receiver(address, credit=count) as receiver:
        while len(taken) < count:
            delivery = await receiver.receive(timeout=PATIENCE)
            taken.append(delivery.message)
            delivery.accept()
    return taken


async def browse(connection: amqp10.Connection, address: str, *, quiet: float = QUIET) -> list[amqp10.Message]:
    """Look at all that is in a queue and leave it there."""
    seen: list[amqp10.Message] = []
    async with connection.open_receiver(amqp10.Source(address=address, distribution_mode="copy")) as receiver:
        try:
            while True:
                seen.append((await receiver.receive(timeout=quiet)).message)
        except amqp10.OperationTimeout:
            return seen


async def contents(
    connection: amqp10.Connection, address: str, *, quiet: float = QUIET, **options: Any
) -> list[amqp10.Message]:
    """Take all that is in a queue: until nothing has come for a while."""
    taken: list[amqp10.Message] = []
    async with connection.open_receiver(address, **options) as receiver:
        try:
            while True:
                delivery = await receiver.receive(timeout=quiet)
                taken.append(delivery.message)
                delivery.accept()
        except amqp10.OperationTimeout:
            return taken


async def error_of(waiting: Any) -> amqp10.AMQPError:
    """Await what must fail, and return its error."""
    try:
        result = await waiting
    except amqp10.AMQPError as error:
        return error
    raise AssertionError(f"it did not fail, but gave {result!r}")


def same(sent: object, came: object) -> bool:
    """Whether a value came as it was sent, in value and in every type within: a NaN is a NaN, an int no long.

    A plain Decimal is a decimal128 on the wire, and comes back as one.
    """
    kind = Decimal128 if type(sent) is Decimal else type(sent)
    return type(came) is kind and amqp10.encode(came) == amqp10.encode(sent)


@contextmanager
def frozen(broker: Broker) -> Iterator[None]:
    """Stop a broker's process meanwhile: it neither reads nor answers, and what is sent to it waits in the socket."""
    os.kill(broker.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        if broker.process.running:
            os.kill(broker.process.pid, signal.SIGCONT)


@asynccontextmanager
async def running_link(connection: amqp10.Connection, address: str) -> AsyncIterator[None]:
    """Have messages go round through a queue meanwhile, and see that they still do after that."""
    rounds = 0
    stopping = False

    async def go_round() -> None:
        nonlocal rounds
        async with connection.open_sender(address) as sender, connection.open_receiver(address, credit=5) as receiver:
            while not stopping:
                await sender.send(rounds, timeout=PATIENCE)
                delivery = await receiver.receive(timeout=PATIENCE)
                assert delivery.message.body == rounds
                delivery.accept()
                rounds += 1
                await asyncio.sleep(0.001)

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(go_round())
        try:
            await eventually(lambda: rounds or task.done(), within=PATIENCE)
            yield
            before = rounds
            await eventually(lambda: rounds > before + 10 or task.done(), within=PATIENCE)
        finally:
            stopping = True
    assert rounds > before + 10
