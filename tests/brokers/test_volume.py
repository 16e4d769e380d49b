"""Many messages through one queue: none lost, none twice, none changed, and in order where one link takes them."""

import asyncio
import ssl
from collections.abc import Callable, Iterator

import pytest

import amqp10
from amqp10.asyncio import Receiver
from tests.asyncio.harness import eventually
from tests.brokers.scenario import PATIENCE, contents, scenario
from tests.brokers.servers import Broker

COUNT = 20_000
PATTERN = bytes(range(256)) * 2


def body(index: int) -> bytes:
    """Make a body of 100 bytes, unlike its neighbors'."""
    return index.to_bytes(8, "big") + PATTERN[index % 256 :][:92]


def bodies(count: int = COUNT) -> Iterator[bytes]:
    return map(body, range(count))


async def receive_in_order(receiver: Receiver, count: int = COUNT) -> None:
    """Receive and accept them all; each is the next."""
    expected = 0
    async for delivery in receiver:
        assert delivery.message.body == body(expected)
        assert not delivery.settled
        delivery.accept()
        expected += 1
        if expected == count:
            return


@scenario(120)
async def test_every_message_arrives_once_and_in_order(
    broker: Broker, new_queue: Callable[[Broker], str], loop: str
) -> None:
    address = new_queue(broker)
    async with amqp10.connect(broker.url) as connection:
        async with (
            connection.open_sender(address) as sender,
            connection.open_receiver(address, credit=500) as receiver,
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(receive_in_order(receiver))
            summary = await sender.send_many(bodies())
        assert (summary.accepted, summary.failed) == (COUNT, 0)
        assert await contents(connection, address) == []
    counters = connection.counters
    assert counters.dispositions < COUNT / 4, "outcomes leave in ranges"


class Arrivals:
    """Which messages came, by the id in their properties, and ways to have them come."""

    def __init__(self) -> None:
        self.seen = bytearray(COUNT)

    def message(self, index: int) -> amqp10.Message:
        return amqp10.Message(body(index), application_properties={"id": index, "text": f"number {index}"})

    def check_in(self, delivery: amqp10.Delivery) -> None:
        index = delivery.message.application_properties["id"]
        sent = self.message(index)
        assert delivery.message.application_properties == sent.application_properties
        assert delivery.message.body == sent.body
        self.seen[index] += 1
        delivery.accept()

    async def iterate(self, receiver: Receiver) -> None:
        async for delivery in receiver:
            self.check_in(delivery)

    async def one_by_one(self, receiver: Receiver) -> None:
        while True:
            self.check_in(await receiver.receive())

    async def many(self, receiver: Receiver) -> None:
        while True:
            for delivery in await receiver.receive_many(7):
                self.check_in(delivery)

    async def without_waiting(self, receiver: Receiver) -> None:
        while True:
            while (delivery := receiver.receive_nowait()) is not None:
                self.check_in(delivery)
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("shared", [False, True], ids=["own sessions", "one session"])
@scenario(120)
async def test_several_receivers_with_small_credit_share_a_queue(
    broker: Broker, new_queue: Callable[[Broker], str], shared: bool
) -> None:
    """Each message goes to one of them, whichever way that one asks for it."""
    address, arrivals = new_queue(broker), Arrivals()
    ways = (arrivals.iterate, arrivals.one_by_one, arrivals.many, arrivals.without_waiting)
    async with amqp10.connect(broker.url) as connection, connection.open_session() as session:
        parent = session if shared else connection
        receivers = [await parent.open_receiver(address, credit=credit) for credit in (1, 7, 40, 100)]
        tasks = [asyncio.create_task(way(receiver)) for way, receiver in zip(ways, receivers, strict=True)]
        async with parent.open_sender(address, max_unsettled=500) as sender:
            summary = await sender.send_many(map(arrivals.message, range(COUNT)))
        assert summary.accepted == COUNT
        await eventually(lambda: all(arrivals.seen) or any(task.done() for task in tasks), within=PATIENCE)
        for receiver in receivers:
            await receiver.close()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result).__name__ for result in results] == ["NoneType", "LinkClosed", "LinkClosed", "LinkClosed"]
        assert await contents(connection, address) == []
    assert arrivals.seen == b"\x01" * COUNT


@scenario(60)
async def test_settled_messages_go_through_in_both_directions(
    broker: Broker, new_queue: Callable[[Broker], str], loop: str
) -> None:
    """snd-settle-mode settled: no outcomes, and yet none is lost while the broker keeps up."""
    address, count = new_queue(broker), 5_000
    async with amqp10.connect(broker.url) as connection:
        async with connection.open_sender(address, snd_settle_mode=1) as sender:
            assert sender.snd_settle_mode == 1
            summary = await sender.send_many(bodies(count))
            assert summary.accepted == count
        async with connection.open_receiver(address, snd_settle_mode=1, credit=300) as receiver:
            for index in range(count):
                delivery = await receiver.receive(timeout=PATIENCE)
                assert delivery.presettled
                assert delivery.message.body == body(index)
        assert connection.counters.dispositions == 0
        assert await contents(connection, address) == []


@scenario(60)
async def test_a_link_may_mix_settled_and_unsettled(broker: Broker, new_queue: Callable[[Broker], str]) -> None:
    address = new_queue(broker)
    async with amqp10.connect(broker.url) as connection:
        async with connection.open_sender(address) as sender:
            receipts = [await sender.submit(body(index), settled=index % 2 == 0) for index in range(100)]
            outcomes = [await receipt.outcome(timeout=PATIENCE) for receipt in receipts]
        assert outcomes == [None, amqp10.Accepted()] * 50
        assert [message.body for message in await contents(connection, address)] == list(bodies(100))


@scenario(60)
async def test_messages_of_all_sizes_over_tls(broker: Broker, new_queue: Callable[[Broker], str], loop: str) -> None:
    """Several TLS records in a read, several frames in a record, frames over several records."""
    address = new_queue(broker)
    sent = [PATTERN * (index % 31) + body(index) for index in range(2_000)] + [PATTERN * 4_000]
    context = ssl.create_default_context(cafile=broker.ca_file)
    async with amqp10.connect(broker.tls_url, ssl=context) as connection:
        async with connection.open_sender(address) as sender:
            (await sender.send_many(sent)).raise_for_failures()
        async with connection.open_receiver(address, credit=200) as receiver:
            for expected in sent:
                delivery = await receiver.receive(timeout=PATIENCE)
                assert delivery.message.body == expected
                delivery.accept()


@scenario(60)
async def test_each_send_waits_for_its_outcome_in_many_tasks(
    broker: Broker, new_queue: Callable[[Broker], str], loop: str
) -> None:
    """Fifty tasks share a sender, each awaiting every outcome; a few cancelled ones lose nothing of the others'."""
    address, sent = new_queue(broker), set[bytes]()
    async with amqp10.connect(broker.url) as connection:
        async with connection.open_sender(address, max_unsettled=20) as sender:

            async def send(first: int) -> None:
                for index in range(first, first + 20):
                    await sender.send(body(index), timeout=PATIENCE)
                    sent.add(body(index))

            async with asyncio.TaskGroup() as tasks:
                made = [tasks.create_task(send(20 * number)) for number in range(50)]
                await asyncio.sleep(0)
                for task in made[::10]:
                    task.cancel()
            assert sum(task.cancelled() for task in made) == 5
            await sender.flush(timeout=PATIENCE)
        came = [message.body for message in await contents(connection, address)]
    assert len(came) == len(set(came))
    assert sent <= set(came)
    assert len(sent) == 900
    assert len(came) <= 905, "of a cancelled task the message under way may have gone"
