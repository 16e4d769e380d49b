"""Messages of many frames: through each broker, beyond its limit, over the smallest frames, and given up midway."""

import asyncio
import random
from collections.abc import Callable

import pytest

import amqp10
from amqp10.asyncio import Receipt, Sender
from tests.brokers.conftest import FreshBroker
from tests.brokers.scenario import PATIENCE, contents, error_of, frozen, put, scenario, take
from tests.brokers.servers import Broker

MIB = 1 << 20
LIMIT_OF_RABBITMQ_4 = 16 * MIB


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


async def goes_through(url: str, address: str, *sizes: int) -> None:
    """Send messages of these sizes, all under way at once, and compare what comes."""
    sent = [noise(size, seed) for seed, size in enumerate(sizes)]
    async with (
        amqp10.connect(url) as connection,
        connection.open_sender(address) as sender,
        connection.open_receiver(address, credit=2) as receiver,
    ):
        receipts = [await sender.submit(body, timeout=PATIENCE) for body in sent]
        for body in sent:
            delivery = await receiver.receive(timeout=PATIENCE)
            assert delivery.message.body == body
            delivery.accept()
        for receipt in receipts:
            assert await receipt.outcome(timeout=PATIENCE) == amqp10.Accepted()
        assert (sender.unsettled, sender.unsettled_bytes, receiver.unsettled) == (0, 0, 0)


@scenario()
async def test_messages_of_a_mebibyte(broker: Broker, new_queue: Callable[[Broker], str], loop: str) -> None:
    await goes_through(broker.url, new_queue(broker), *[MIB] * 10, 5, 70_000, MIB - 1, 0)


@scenario()
async def test_messages_of_20_mebibytes(broker: Broker, new_queue: Callable[[Broker], str], loop: str) -> None:
    """Sent where the broker takes them; RabbitMQ 4 says at the attach that it does not, and then nothing is sent."""
    address = new_queue(broker)
    if broker.name != "rabbitmq4":
        await goes_through(broker.url, address, 20 * MIB, 5, 20 * MIB)
        return
    async with amqp10.connect(broker.url) as connection:
        async with connection.open_sender(address) as sender:
            assert sender.max_message_size == LIMIT_OF_RABBITMQ_4
            transfers = connection.counters.writes
            error = await error_of(sender.send(bytes(20 * MIB)))
            assert connection.counters.writes == transfers
            assert type(error) is amqp10.MessageTooLarge
            assert (error.level, error.condition) == ("delivery", amqp10.Condition.MESSAGE_SIZE_EXCEEDED)
            assert type(await error_of(sender.submit(bytes(LIMIT_OF_RABBITMQ_4)))) is amqp10.MessageTooLarge
            overhead = len(amqp10.Message(b"").encode()) + 3  # a section of data of more than 255 bytes
            await sender.send(bytes(LIMIT_OF_RABBITMQ_4 - overhead), timeout=PATIENCE)
        (largest,) = await take(connection, address, 1)
        assert largest.body == bytes(LIMIT_OF_RABBITMQ_4 - overhead)


@scenario(90)
async def test_20_mebibytes_where_rabbitmq_4_is_told_to_take_them(fresh_broker: FreshBroker) -> None:
    broker = fresh_broker("rabbitmq4", settings={"max_message_size": 64 * MIB})
    address = broker.address("q1")
    async with amqp10.connect(broker.url) as connection, connection.open_sender(address) as sender:
        assert sender.max_message_size == 64 * MIB
    await goes_through(broker.url, address, 20 * MIB, 5, 20 * MIB)


@scenario()
async def test_our_own_limit_keeps_a_message_out(broker: Broker, new_queue: Callable[[Broker], str]) -> None:
    """RabbitMQ 4 ends the session rather than send it; of the others we close the link. The message stays there."""
    address, message = new_queue(broker), noise(100_000)
    async with amqp10.connect(broker.url) as connection:
        await put(connection, address, message)
        async with connection.open_receiver(address, max_message_size=50_000) as receiver:
            error = await error_of(receiver.receive(timeout=PATIENCE))
        if broker.name == "rabbitmq4":
            assert (type(error), error.level) == (amqp10.SessionEndedByPeer, "session")
        else:
            assert (type(error), error.level) == (amqp10.PeerViolation, "link")
        assert error.condition == amqp10.Condition.MESSAGE_SIZE_EXCEEDED
        assert [message.body for message in await contents(connection, address)] == [message]


@scenario()
async def test_messages_over_frames_of_512_bytes(artemis: Broker, loop: str) -> None:
    url = artemis.url.replace(str(artemis.port), str(artemis.ports["small"]))
    async with amqp10.connect(url, max_frame_size=512) as connection:
        assert connection.max_frame_size == 512
    await goes_through(url, f"small-frames-{loop}", 100, 440, 441, 500, 511, 512, 513, 20_000, MIB, 0)


@scenario()
async def test_a_small_frame_size_of_ours_is_kept(broker: Broker, new_queue: Callable[[Broker], str]) -> None:
    """The broker cuts what it sends into frames of our max-frame-size: a larger one would end the connection."""
    address = new_queue(broker)
    async with amqp10.connect(broker.url, max_frame_size=512) as connection:
        sent = [noise(size) for size in (0, 400, 512, 513, 20_000)]
        await put(connection, address, *sent)
        assert [message.body for message in await take(connection, address, len(sent))] == sent


async def begin_large(sender: Sender, message: bytes) -> Receipt:
    """Send a message to a broker that does not read, and return when no more of it can be written."""
    receipt = await sender.submit(message)
    left = -1
    while left != receipt.remaining:
        left = receipt.remaining
        await asyncio.sleep(0.05)
    assert 0 < left < receipt.size
    return receipt


@scenario()
async def test_a_send_cancelled_in_mid_message_leaves_no_part_of_it(
    broker: Broker, new_queue: Callable[[Broker], str], loop: str
) -> None:
    """Artemis takes the aborted transfer; a RabbitMQ, which would store what it has, gets the whole message."""
    address, large = new_queue(broker), noise(15 * MIB)
    async with amqp10.connect(broker.url) as connection:
        async with connection.open_sender(address) as sender:
            with frozen(broker):
                sending = asyncio.create_task(sender.send(large))
                await asyncio.sleep(0.2)
                sending.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await sending
            await sender.send(b"after", timeout=PATIENCE)
            await sender.flush(timeout=PATIENCE)
        expected = [b"after"] if broker.name == "artemis" else [large, b"after"]
        assert [message.body for message in await contents(connection, address)] == expected


@scenario()
async def test_a_link_left_in_mid_message_leaves_no_part_of_it(
    broker: Broker, new_queue: Callable[[Broker], str], loop: str
) -> None:
    """Left by an exception, the link ends at once; the broker drops what it has of the message."""
    address = new_queue(broker)
    async with amqp10.connect(broker.url) as connection:
        receipts: list[Receipt] = []

        async def leave() -> None:
            async with connection.open_sender(address) as sender:
                with frozen(broker):
                    receipts.append(await begin_large(sender, noise(15 * MIB)))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await leave()
        error = await error_of(receipts[0].outcome(timeout=PATIENCE))
        assert type(error) is amqp10.LinkClosed
        assert error.delivery_state is amqp10.DeliverySendState.IN_DOUBT
        await put(connection, address, b"after")
        assert [message.body for message in await contents(connection, address)] == [b"after"]
