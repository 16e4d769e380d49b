"""The timed client of the loopback and broker benchmarks: the public API, every body and outcome looked at.

Each function opens its link, warms up, and times the rest: from the first message until the last outcome, or the last
settlement, has left or come.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterator

import amqp10
from bench.measure import LoopCounts, Meter, Sample
from bench.workload import WrongBodyError, body_stream, make_bodies

UNSETTLED = 10_000
"""Messages without an outcome, at most."""

_BATCH = 256  # deliveries that receive_many may return

Action = Callable[[amqp10.Connection, LoopCounts, str, int, int], Awaitable[Sample]]


class Stream:
    """The bodies of a run, the warm-up included: what one end sends, the other expects.

    Args:
        count: messages that are timed.
        warm_up: messages before them.
    """

    def __init__(self, count: int, warm_up: int) -> None:
        self.count = count
        self.warm_up = warm_up
        bodies = make_bodies()
        self.bytes = count * len(bodies[0])
        self._bodies = body_stream(bodies, warm_up + count)

    def take(self, count: int) -> Iterator[bytes]:
        """Yield the next bodies."""
        bodies = self._bodies
        for _ in range(count):
            yield next(bodies)

    @property
    def rest(self) -> Iterator[bytes]:
        """What was not taken."""
        return self._bodies


async def send_many(
    connection: amqp10.Connection, counts: LoopCounts, address: str, count: int, warm_up: int
) -> Sample:
    """Send by one `send_many`, which reads every outcome."""
    stream = Stream(count, warm_up)
    async with connection.open_sender(address, max_unsettled=UNSETTLED) as sender:
        _check_accepted(await sender.send_many(stream.take(warm_up)), warm_up)
        meter = Meter(connection.counters, counts)
        summary = await sender.send_many(stream.rest)
        sample = meter.sample(count, stream.bytes)
        _check_accepted(summary, count)
    return sample


def _check_accepted(summary: amqp10.SendSummary, count: int) -> None:
    if summary.accepted != count:
        raise WrongBodyError(f"of {count} messages not all were accepted: {summary}")


async def submit(connection: amqp10.Connection, counts: LoopCounts, address: str, count: int, warm_up: int) -> Sample:
    """Send by `submit`, message by message, and read the outcome of each receipt, oldest first."""
    stream = Stream(count, warm_up)
    async with connection.open_sender(address, max_unsettled=UNSETTLED) as sender:
        await _submit_all(sender, stream.take(warm_up))
        meter = Meter(connection.counters, counts)
        await _submit_all(sender, stream.rest)
        return meter.sample(count, stream.bytes)


async def _submit_all(sender: amqp10.Sender, bodies: Iterator[bytes]) -> None:
    receipts: deque[amqp10.Receipt] = deque()
    for body in bodies:
        receipts.append(await sender.submit(body))
        while receipts and receipts[0].done:
            receipts.popleft().raise_for_outcome()
    while receipts:
        receipt = receipts.popleft()
        if not receipt.done:
            await receipt.outcome()
        receipt.raise_for_outcome()


async def iterate(
    connection: amqp10.Connection, counts: LoopCounts, address: str, count: int, warm_up: int, *, credit: int
) -> Sample:
    """Receive by iterating, and accept one by one."""
    stream = Stream(count, warm_up)
    async with connection.open_receiver(address, credit=credit) as receiver:
        await _iterate(receiver, stream.take(warm_up), warm_up)
        meter = Meter(connection.counters, counts)
        await _iterate(receiver, stream.rest, count)
        sample = meter.sample(count, stream.bytes)
        _check_settled(receiver)
    return sample


async def _iterate(receiver: amqp10.Receiver, bodies: Iterator[bytes], count: int) -> None:
    left = count
    if not left:
        return
    async for delivery in receiver:
        if delivery.message.body != next(bodies):
            raise WrongBodyError(f"not the next body: {delivery.message!r}")
        delivery.accept()
        left -= 1
        if not left:
            return


async def receive_many(
    connection: amqp10.Connection, counts: LoopCounts, address: str, count: int, warm_up: int, *, credit: int
) -> Sample:
    """Receive what is there at once, and accept it at once."""
    stream = Stream(count, warm_up)
    async with connection.open_receiver(address, credit=credit) as receiver:
        await _receive_many(receiver, stream.take(warm_up), warm_up)
        meter = Meter(connection.counters, counts)
        await _receive_many(receiver, stream.rest, count)
        sample = meter.sample(count, stream.bytes)
        _check_settled(receiver)
    return sample


async def _receive_many(receiver: amqp10.Receiver, bodies: Iterator[bytes], count: int) -> None:
    left = count
    while left:
        deliveries = await receiver.receive_many(min(left, _BATCH))
        for delivery, body in zip(deliveries, bodies, strict=False):
            if delivery.message.body != body:
                raise WrongBodyError(f"not the next body: {delivery.message!r}")
        receiver.accept(deliveries)
        left -= len(deliveries)


def _check_settled(receiver: amqp10.Receiver) -> None:
    taken = receiver.unsettled - receiver.queued
    if taken:
        raise WrongBodyError(f"{taken} messages were taken and not settled")
