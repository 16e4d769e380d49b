"""Millions of messages through one link each way: memory stays flat, and no outcome is lost among them."""

import asyncio
import gc
import tracemalloc
from pathlib import Path

import pytest

import amqp10
from amqp10 import Error
from amqp10._codec import Delivery
from amqp10.outcomes import ACCEPTED, Rejected
from amqp10.types import Symbol
from tests.asyncio.broker import Behavior, Broker
from tests.asyncio.harness import eventually, report, run

_PAGE = 4096
GROWTH = 6_000_000  # bytes of resident memory that may come and go


def resident() -> int:
    """Return the resident memory of this process, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


class Watch:
    """Watches that memory does not grow, once things are under way."""

    def __init__(self) -> None:
        self._base = 0
        self.most = 0

    def start(self) -> None:
        """Take what there is now for what there should be."""
        gc.collect()
        self._base = resident()

    def look(self) -> None:
        """Note how much more there is."""
        self.most = max(self.most, resident() - self._base)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_million_receipts_that_nobody_reads() -> None:
    """One of them is rejected: flush raises it, once."""
    count, bad = 2_000_000, 1_234_567
    seen = 0

    def decide(address: str, delivery: Delivery) -> object:
        nonlocal seen
        seen += 1
        if seen == bad:
            return Rejected(error=Error(condition=Symbol("test:bad"), description=f"number {delivery.message.body}"))
        return ACCEPTED

    async def main() -> None:
        behavior = Behavior(credit=20_000, keep=False, incoming_window=100_000, decide=decide)
        async with Broker(behavior) as broker, amqp10.connect(broker.url()) as connection:
            sender = await connection.open_sender("in")
            watch = Watch()
            for number in range(1, count + 1):
                _ = await sender.submit(number)
                if number == count // 20:
                    watch.start()
                elif number > count // 20 and number % 20_000 == 0:
                    watch.look()
            with pytest.raises(amqp10.MessageRejected) as caught:
                await sender.flush(timeout=60)
            assert caught.value.condition == "test:bad"
            assert f"number {bad}" in str(caught.value)
            assert caught.value.delivery_state is amqp10.DeliverySendState.SETTLED
            await sender.flush()
            assert seen == count
            report(f"resident memory grew by {watch.most} bytes at most")
            assert watch.most < GROWTH

            # The same by Python's own books: a tenth as many leave nothing at all.
            tracemalloc.start()
            for number in range(count // 20):
                _ = await sender.submit(number)
            await sender.flush(timeout=60)
            gc.collect()
            left, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            report(f"{left} bytes are left of {count // 20} messages")
            assert left < 300_000
            assert sender._engine.unread == []

    run(main, debug=False)


def test_many_messages_received() -> None:
    count = 200_000

    async def main() -> None:
        behavior = Behavior(watch=False)
        async with Broker(behavior) as broker, amqp10.connect(broker.url()) as connection:
            receiver = await connection.open_receiver("out", credit=1000)
            watch = Watch()
            taken = 0
            while taken < count:
                broker.put("out", *[b"x" * 100] * 1000)
                for _ in range(1000):
                    (await receiver.receive()).accept()
                taken += 1000
                if taken == count // 10:
                    watch.start()
                elif taken > count // 10:
                    watch.look()
            assert watch.most < GROWTH
            assert receiver.unsettled == 0

    run(main, debug=False)


def test_outcomes_that_nobody_reads_are_bounded() -> None:
    """All are rejected: the first is raised, with the number of all of them."""
    count = 10_000

    async def main() -> None:
        behavior = Behavior(credit=count, keep=False, decide=lambda *_: Rejected())
        async with Broker(behavior) as broker, amqp10.connect(broker.url()) as connection:
            sender = await connection.open_sender("in")
            first = await sender.submit(0)
            for number in range(1, count):
                _ = await sender.submit(number)
            with pytest.raises(amqp10.MessageRejected) as caught:
                await sender.flush()
            assert caught.value.delivery_tag == first.delivery_tag
            assert caught.value.__notes__ == [f"{count} messages were not accepted; this is the first"]
            assert len(sender._engine.unread) == 0
            await sender.flush()

    run(main, debug=False)


def test_links_and_sessions_that_come_and_go_leave_nothing() -> None:
    """Channels, handles and books are as before, from whichever end they went."""

    async def main() -> None:
        async with Broker() as broker, amqp10.connect(broker.url()) as connection:
            for number in range(60):
                sender = await connection.open_sender("in")
                receiver = await connection.open_receiver("out")
                async with connection.open_session() as session:
                    await session.open_sender("other")
                    await session.open_receiver("other")
                if number % 2:
                    await sender.close()
                    await receiver.detach()
                else:
                    for link in broker.links:
                        link.start_detach(closed=True)
                    await eventually(lambda s=sender, r=receiver: s.closed and r.closed)  # type: ignore[misc]
                assert connection._links == set()
                await eventually(lambda: not connection._engine.sessions)
            await eventually(lambda: not broker.links)
            assert not broker.open_connections[0].sessions

    run(main)


def test_connections_that_come_and_go_leave_nothing() -> None:
    async def main() -> None:
        async with Broker() as broker:
            for number in range(60):
                connection = await amqp10.connect(broker.url())
                if number % 2:
                    await connection.close()
                else:
                    broker.kill()
                    await connection.wait_closed()
                await eventually(lambda: not broker.open_connections)
            del connection
            gc.collect()
            left = [item for item in gc.get_objects() if isinstance(item, amqp10.Connection)]
            assert left == []
            assert len(asyncio.all_tasks()) == 1

    run(main)
