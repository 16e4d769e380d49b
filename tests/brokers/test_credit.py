"""Credit with each broker: given by hand, drained, paused, and never more than was given."""

import asyncio
from collections.abc import Callable

import pytest

import amqp10
from amqp10.asyncio import Receipt, Sender
from tests.asyncio.harness import eventually
from tests.brokers.scenario import PATIENCE, QUIET, contents, error_of, put, scenario
from tests.brokers.servers import Broker

NewQueue = Callable[[Broker], str]


@scenario()
async def test_credit_by_hand(broker: Broker, new_queue: NewQueue, loop: str) -> None:
    """Nothing comes without credit, and no more than there is."""
    address = new_queue(broker)
    async with amqp10.connect(broker.url) as connection:
        await put(connection, address, *range(10))
        async with connection.open_receiver(address, credit=0) as receiver:
            await asyncio.sleep(QUIET)
            counts = [receiver.queued]
            for credit in (2, 3):
                receiver.add_credit(credit)
                await asyncio.sleep(QUIET)
                counts.append(receiver.queued)
            assert counts == [0, 2, 5]
            assert receiver.link_credit == 0
            waiting = asyncio.create_task(receiver.receive_many(10))
            assert [delivery.message.body for delivery in await waiting] == list(range(5))
            receiver.accept(waiting.result())
            await asyncio.sleep(QUIET)
            assert receiver.queued == 0, "settling gives no credit back"
            receiver.add_credit(100)
            for number in range(5, 10):
                delivery = await receiver.receive(timeout=PATIENCE)
                assert delivery.message.body == number
                delivery.accept()
            assert receiver.link_credit == 95
        assert await contents(connection, address) == []


@scenario()
async def test_automatic_credit_bounds_what_is_unsettled(broker: Broker, new_queue: NewQueue) -> None:
    """Seven are outstanding at most, however long nobody settles; RabbitMQ 3.10 may go beyond credit, once."""
    address = new_queue(broker)
    async with amqp10.connect(broker.url) as connection:
        await put(connection, address, *range(30))
        async with connection.open_receiver(address, credit=7) as receiver:
            held = [await receiver.receive(timeout=PATIENCE) for _ in range(7)]
            assert type(await error_of(receiver.receive(timeout=QUIET))) is amqp10.OperationTimeout
            assert (receiver.unsettled, receiver.queued, receiver.link_credit) == (7, 0, 0)
            receiver.accept(held)
            for number in range(7, 30):
                delivery = await receiver.receive(timeout=PATIENCE)
                assert delivery.message.body == number
                assert receiver.unsettled <= 7
                delivery.accept()


@pytest.mark.parametrize("broker", ["rabbitmq4", "artemis"], indirect=True)
@scenario()
async def test_drain(broker: Broker, new_queue: NewQueue, loop: str) -> None:
    """The peer sends what it has and gives the rest of the credit back."""
    address = new_queue(broker)
    async with amqp10.connect(broker.url) as connection:
        await put(connection, address, *range(10))
        async with connection.open_receiver(address, credit=0) as receiver:
            assert await receiver.drain(timeout=PATIENCE) == 0, "there is nothing to give back"
            receiver.add_credit(4)
            receiver.add_credit(20)
            came = await receiver.drain(timeout=PATIENCE)
            assert came + receiver.queued >= 10
            assert receiver.queued == 10
            assert receiver.link_credit == 0
            receiver.add_credit(5)
            assert await receiver.drain(timeout=PATIENCE) == 0
            await put(connection, address, "later")
            await asyncio.sleep(QUIET)
            assert receiver.queued == 10, "no credit is left"
            receiver.add_credit(1)
            deliveries = [await receiver.receive(timeout=PATIENCE) for _ in range(11)]
            assert [delivery.message.body for delivery in deliveries] == [*range(10), "later"]
            receiver.accept(deliveries)
        assert await contents(connection, address) == []


@pytest.mark.parametrize("broker", ["rabbitmq4", "artemis"], indirect=True)
@scenario()
async def test_drain_of_automatic_credit(broker: Broker, new_queue: NewQueue) -> None:
    """It stops being renewed until add_credit; draining before closing leaves nothing prefetched."""
    address = new_queue(broker)
    async with amqp10.connect(broker.url) as connection, connection.open_receiver(address, credit=50) as receiver:
        await put(connection, address, *range(5))
        await receiver.drain(timeout=PATIENCE)
        assert receiver.queued == 5
        while (delivery := receiver.receive_nowait()) is not None:
            delivery.accept()
        await put(connection, address, "kept back")
        await asyncio.sleep(QUIET)
        assert receiver.queued == 0
        receiver.add_credit(1)
        delivery = await receiver.receive(timeout=PATIENCE)
        assert delivery.message.body == "kept back"
        delivery.accept()
        await put(connection, address, *range(100))
        for number in range(100):
            delivery = await receiver.receive(timeout=PATIENCE)
            assert delivery.message.body == number
            delivery.accept()


@scenario()
async def test_rabbitmq_3_breaks_when_it_is_drained(rabbitmq3: Broker, new_queue: NewQueue) -> None:
    """Its session ends where there is credit to give back; what came is taken still, and back in the queue."""
    address = new_queue(rabbitmq3)
    async with amqp10.connect(rabbitmq3.url) as connection:
        await put(connection, address, *range(3))
        async with connection.open_receiver(address, credit=0) as receiver:
            receiver.add_credit(10)
            error = await error_of(receiver.drain(timeout=PATIENCE))
            assert (type(error), error.level) == (amqp10.SessionEndedByPeer, "session")
            assert error.condition == amqp10.Condition.INTERNAL_ERROR
            assert "send_drained" in str(error)
            taken = [await receiver.receive(timeout=PATIENCE) for _ in range(receiver.queued)]
            assert type(await error_of(receiver.receive(timeout=PATIENCE))) is amqp10.SessionEndedByPeer
            assert [delivery.message.body for delivery in taken] == list(range(len(taken)))
        assert not connection.closed
        assert sorted(message.body for message in await contents(connection, address)) == [0, 1, 2]


@scenario()
async def test_pause_and_resume(broker: Broker, new_queue: NewQueue, loop: str) -> None:
    """Paused, nothing more comes; resumed, nothing was lost."""
    address = new_queue(broker)
    async with amqp10.connect(broker.url) as connection:
        async with connection.open_sender(address) as sender, connection.open_receiver(address, credit=10) as receiver:
            await sender.send("first")
            delivery = await receiver.receive(timeout=PATIENCE)
            delivery.accept()
            receiver.pause()
            receiver.pause()
            await asyncio.sleep(QUIET)
            for number in range(5):
                await sender.send(number)
            await asyncio.sleep(QUIET)
            assert (receiver.queued, receiver.link_credit) == (0, 0)
            receiver.resume()
            await eventually(lambda: receiver.queued == 5, within=PATIENCE)
            for number in range(5):
                delivery = await receiver.receive(timeout=PATIENCE)
                assert delivery.message.body == number
                delivery.accept()
        assert await contents(connection, address) == []


@scenario()
async def test_pausing_in_full_flow_loses_nothing(broker: Broker, new_queue: NewQueue) -> None:
    address, count = new_queue(broker), 2_000
    async with amqp10.connect(broker.url) as connection:
        async with connection.open_sender(address) as sender, connection.open_receiver(address, credit=50) as receiver:
            sending = asyncio.create_task(sender.send_many(range(count)))
            for number in range(count):
                delivery = await receiver.receive(timeout=PATIENCE)
                assert delivery.message.body == number
                delivery.accept()
                if number % 200 == 100:
                    receiver.pause()
                    await asyncio.sleep(0.005)
                    receiver.resume()
            assert (await sending).accepted == count
        assert await contents(connection, address) == []


def use_up(sender: Sender) -> list[Receipt]:
    """Send without waiting until there is no credit, or the session's window is closed."""
    receipts: list[Receipt] = []
    try:
        while len(receipts) < 100_000:
            receipts.append(sender.send_nowait(b""))
    except amqp10.NoCredit:
        return receipts
    raise AssertionError("the credit has no end")


@scenario()
async def test_what_senders_are_given(broker: Broker, new_queue: NewQueue) -> None:
    """The credit is what the broker gives, and send_nowait goes as far and no further."""
    given = {"rabbitmq3": 65_536, "rabbitmq4": 170, "artemis": 1_000}[broker.name]
    address = new_queue(broker)
    async with amqp10.connect(broker.url) as connection:
        async with connection.open_sender(address, max_unsettled=100_000) as sender:
            assert sender.link_credit == given
            receipts = use_up(sender)
            sent = len(receipts)
            assert sent <= given
            assert sender.link_credit == given - sent
            assert await receipts[-1].outcome(timeout=PATIENCE) == amqp10.Accepted()
            await sender.flush(timeout=PATIENCE)
            await eventually(lambda: sender.link_credit > 0, within=PATIENCE)
            assert sender.unsettled == 0
        async with connection.open_receiver(address, credit=2_000) as receiver:
            for _ in range(sent):
                (await receiver.receive(timeout=PATIENCE)).accept()


@scenario()
async def test_a_bound_on_what_is_unsettled(broker: Broker, new_queue: NewQueue) -> None:
    address = new_queue(broker)
    async with amqp10.connect(broker.url) as connection:
        async with connection.open_sender(address, max_unsettled=3) as sender:
            receipts = [sender.send_nowait(number) for number in range(3)]
            with pytest.raises(amqp10.BufferFull):
                _ = sender.send_nowait(3)
            receipts.append(await sender.submit(3, timeout=PATIENCE))
            for receipt in receipts:
                assert await receipt.outcome(timeout=PATIENCE) == amqp10.Accepted()
        assert [message.body for message in await contents(connection, address)] == [0, 1, 2, 3]
