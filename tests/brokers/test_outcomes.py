"""Outcomes given and taken, and what then becomes of the message with each broker."""

import socket
from collections.abc import Callable

import pytest

import amqp10
from amqp10 import Accepted, Header, Message, Rejected, Released
from amqp10.asyncio import Delivery, Receipt
from amqp10.types import Symbol
from tests.asyncio.harness import eventually
from tests.brokers.scenario import PATIENCE, QUIET, contents, error_of, put, scenario, take
from tests.brokers.servers import Broker

Settle = Callable[[Delivery], None]
NewQueue = Callable[[Broker], str]


class Fate:
    """What became of a message after its outcome.

    Attributes:
        again: the message as the same link got it once more, or None.
        left: the message as it was in the queue after the link was closed, or None.
        error: with what the receiver's link ended, or None.
    """

    def __init__(self) -> None:
        self.again: Message | None = None
        self.left: Message | None = None
        self.error: amqp10.AMQPError | None = None


async def fate(broker: Broker, address: str, settle: Settle) -> Fate:
    """Send a message, give it an outcome, and see what becomes of it."""
    found = Fate()
    async with amqp10.connect(broker.url) as connection:
        await put(connection, address, Message(address, header=Header(durable=True)))
        async with connection.open_receiver(address, credit=1) as receiver:
            delivery = await receiver.receive(timeout=PATIENCE)
            assert (delivery.message.body, delivery.delivery_count) == (address, 0)
            settle(delivery)
            try:
                second = await receiver.receive(timeout=QUIET)
            except amqp10.OperationTimeout:
                pass
            except amqp10.AMQPError as error:
                found.error = error
            else:
                found.again = second.message
                second.accept()
        left = await contents(connection, address)
        assert len(left) <= 1
        assert not left or left[0].body == address
        found.left = left[0] if left else None
    return found


async def dead_letter(broker: Broker, address: str) -> Message | None:
    """Return what Artemis has put into its dead letter queue from an address."""
    async with amqp10.connect(broker.url) as connection:
        return next((message for message in await contents(connection, "DLQ") if message.body == address), None)


def is_refused(found: Fate) -> bool:
    """Whether the broker does not know what it was told: it ends the session, and the message is back in the queue."""
    assert found.again is None
    assert found.left is not None
    assert type(found.error) is amqp10.SessionEndedByPeer
    return (found.error.level, found.error.condition) == ("session", amqp10.Condition.INVALID_FIELD)


def is_gone(found: Fate) -> bool:
    return (found.again, found.left, found.error) == (None, None, None)


# --- what we say of what came -----------------------------------------------------------------------------------------


@scenario()
async def test_accepted_is_gone(broker: Broker, new_queue: NewQueue, loop: str) -> None:
    assert is_gone(await fate(broker, new_queue(broker), Delivery.accept))


@scenario()
async def test_rejected_is_dropped_or_a_dead_letter(broker: Broker, new_queue: NewQueue, loop: str) -> None:
    address = new_queue(broker)
    found = await fate(broker, address, lambda delivery: delivery.reject("my:condition", "a text", {"key": 1}))
    assert is_gone(found)
    if broker.name == "artemis":
        letter = await dead_letter(broker, address)
        assert letter is not None
        assert letter.message_annotations[Symbol("x-opt-ORIG-ADDRESS")] == address


@scenario()
async def test_rejected_without_a_reason(broker: Broker, new_queue: NewQueue) -> None:
    address = new_queue(broker)
    assert is_gone(await fate(broker, address, Delivery.reject))
    assert broker.name != "artemis" or await dead_letter(broker, address) is not None


@scenario()
async def test_released_comes_back(broker: Broker, new_queue: NewQueue, loop: str) -> None:
    """Unchanged, but for a RabbitMQ's first-acquirer: the link that gave it back may get it again."""
    found = await fate(broker, new_queue(broker), Delivery.release)
    assert found.again is not None
    assert found.again.header == Header(durable=True)
    assert (found.left, found.error) == (None, None)


@scenario()
async def test_modified_comes_back(broker: Broker, new_queue: NewQueue) -> None:
    """RabbitMQ 3.10 does not know the outcome."""
    found = await fate(broker, new_queue(broker), Delivery.modify)
    if broker.name == "rabbitmq3":
        assert is_refused(found)
        return
    assert found.again is not None
    assert found.again.header == Header(durable=True)
    assert (found.left, found.error) == (None, None)


@scenario()
async def test_modified_as_failed_counts(broker: Broker, new_queue: NewQueue) -> None:
    """In delivery-count; not with a classic queue of RabbitMQ."""
    found = await fate(broker, new_queue(broker), lambda delivery: delivery.modify(delivery_failed=True))
    if broker.name == "rabbitmq3":
        assert is_refused(found)
        return
    assert found.again is not None
    assert found.again.header.delivery_count == (1 if broker.name == "artemis" else 0)
    assert (found.left, found.error) == (None, None)


@scenario()
async def test_modified_as_undeliverable_here_goes_elsewhere(broker: Broker, new_queue: NewQueue) -> None:
    """Artemis keeps it for another link; RabbitMQ 4 drops it, or makes it a dead letter where there is a policy."""
    found = await fate(broker, new_queue(broker), lambda delivery: delivery.modify(undeliverable_here=True))
    if broker.name == "rabbitmq3":
        assert is_refused(found)
    elif broker.name == "rabbitmq4":
        assert is_gone(found)
    else:
        assert (found.again, found.error) == (None, None)
        assert found.left is not None


@scenario()
async def test_modified_with_annotations(broker: Broker, new_queue: NewQueue) -> None:
    """Neither Artemis nor a classic queue of RabbitMQ keeps what modified adds."""
    annotations = {Symbol("x-opt-by"): "us"}
    found = await fate(broker, new_queue(broker), lambda delivery: delivery.modify(message_annotations=annotations))
    if broker.name == "rabbitmq3":
        assert is_refused(found)
        return
    assert found.again is not None
    assert Symbol("x-opt-by") not in (found.again.message_annotations or {})


@scenario()
async def test_settled_without_an_outcome(broker: Broker, new_queue: NewQueue) -> None:
    """With Artemis it stays with the link, and is back when that closes; the RabbitMQs want an outcome."""
    found = await fate(broker, new_queue(broker), Delivery.settle)
    if broker.name == "artemis":
        assert (found.again, found.error) == (None, None)
        assert found.left is not None
    else:
        assert is_refused(found)


@scenario()
async def test_what_a_quorum_queue_keeps_of_modified(rabbitmq4: Broker) -> None:
    """The count, and what is added to the annotations; what cannot be delivered is dropped here as well."""
    address = rabbitmq4.address("quorum")
    annotations = {Symbol("x-opt-by"): "us", Symbol("x-opt-n"): 5}

    def modify(delivery: Delivery) -> None:
        delivery.modify(delivery_failed=True, message_annotations=annotations)

    found = await fate(rabbitmq4, address, modify)
    assert found.again is not None
    assert found.again.header.delivery_count == 1
    assert annotations.items() <= found.again.message_annotations.items()
    assert is_gone(await fate(rabbitmq4, address, lambda delivery: delivery.modify(undeliverable_here=True)))


@scenario()
async def test_artemis_gives_up_after_ten_attempts(artemis: Broker, new_queue: NewQueue) -> None:
    address = new_queue(artemis)
    async with amqp10.connect(artemis.url) as connection:
        await put(connection, address, address)
        async with connection.open_receiver(address, credit=1) as receiver:
            for attempt in range(10):
                delivery = await receiver.receive(timeout=PATIENCE)
                assert delivery.delivery_count == attempt
                delivery.modify(delivery_failed=True)
            assert type(await error_of(receiver.receive(timeout=QUIET))) is amqp10.OperationTimeout
    assert await dead_letter(artemis, address) is not None


@scenario()
async def test_outcomes_in_any_order(broker: Broker, new_queue: NewQueue, loop: str) -> None:
    """Each message gets its own: the third ones are released and come again, the fifth rejected, the rest accepted."""
    address, count = new_queue(broker), 300
    came: list[int] = []
    async with amqp10.connect(broker.url) as connection:
        await put(connection, address, *range(count))
        async with connection.open_receiver(address, credit=count) as receiver:
            deliveries = [await receiver.receive(timeout=PATIENCE) for _ in range(count)]
            for delivery in reversed(deliveries):
                number = delivery.message.body
                if number % 3 == 0:
                    delivery.release()
                elif number % 5 == 0:
                    delivery.reject()
                else:
                    delivery.accept()
            for _ in range(0, count, 3):
                delivery = await receiver.receive(timeout=PATIENCE)
                came.append(delivery.message.body)
                delivery.accept()
            assert receiver.unsettled == 0
        assert await contents(connection, address) == []
    assert sorted(came) == list(range(0, count, 3))


@scenario()
async def test_settling_many_at_once(broker: Broker, new_queue: NewQueue) -> None:
    address = new_queue(broker)
    async with amqp10.connect(broker.url) as connection:
        await put(connection, address, *range(60))
        async with connection.open_receiver(address, credit=60) as receiver:
            deliveries = [await receiver.receive(timeout=PATIENCE) for _ in range(60)]
            receiver.accept(deliveries[:20])
            receiver.reject(deliveries[20:40], "my:condition")
            receiver.release(deliveries[40:])
            receiver.pause()
        assert connection.counters.dispositions <= 6
        assert sorted(message.body for message in await contents(connection, address)) == list(range(40, 60))


# --- what is left open ------------------------------------------------------------------------------------------------


@scenario()
async def test_what_was_not_taken_or_not_settled_is_back_when_the_link_closes(
    broker: Broker, new_queue: NewQueue, loop: str
) -> None:
    """Ten of a hundred prefetched ones were taken, five of them settled: the others are all there again."""
    address = new_queue(broker)
    async with amqp10.connect(broker.url) as connection:
        await put(connection, address, *range(100))
        async with connection.open_receiver(address, credit=100) as receiver:
            taken = [await receiver.receive(timeout=PATIENCE) for _ in range(10)]
            await eventually(lambda: receiver.queued == 90, within=PATIENCE)
            for delivery in taken[:5]:
                delivery.accept()
        left = [(message.body, message.header) for message in await contents(connection, address)]
    assert sorted(body for body, _ in left) == list(range(5, 100))
    assert all(header is None or header.delivery_count == 0 for body, header in left if body >= 10)


@scenario()
async def test_what_was_not_settled_is_back_when_the_connection_breaks(broker: Broker, new_queue: NewQueue) -> None:
    address = new_queue(broker)
    async with amqp10.connect(broker.url) as other:
        await put(other, address, *range(20))
        sock = socket.create_connection((broker.host, broker.port))
        connection = await amqp10.connect(broker.url, sock=sock)
        receiver = await connection.open_receiver(address, credit=20)
        deliveries = [await receiver.receive(timeout=PATIENCE) for _ in range(20)]
        deliveries[0].accept()
        await eventually(lambda: connection.counters.dispositions == 1)
        sock.shutdown(socket.SHUT_RDWR)
        await connection.wait_closed(timeout=PATIENCE)
        assert type(connection.error) is amqp10.TransportError
        async with other.open_receiver(address) as receiver:
            back = [await receiver.receive(timeout=PATIENCE) for _ in range(19)]
            receiver.accept(back)
        assert sorted(delivery.message.body for delivery in back)[1:] == list(range(2, 20))


# --- what is said of what we sent -------------------------------------------------------------------------------------


@scenario()
async def test_unroutable_is_released(rabbitmq4: Broker) -> None:
    """By RabbitMQ 4, where an exchange leads nowhere: each way to send tells it."""
    async with amqp10.connect(rabbitmq4.url) as connection:
        address = "/exchanges/amq.direct/nowhere"
        async with connection.open_sender(address) as sender:
            error = await error_of(sender.send(b"lost"))
            assert type(error) is amqp10.MessageReleased
            assert (error.level, error.outcome, error.retryable) == ("delivery", Released(), True)
            assert error.delivery_state is amqp10.DeliverySendState.SETTLED

            receipt = await sender.submit(b"lost")
            assert await receipt.outcome(timeout=PATIENCE) == Released()
            with pytest.raises(amqp10.MessageReleased):
                receipt.raise_for_outcome()

            summary = await sender.send_many([b"lost"] * 5, timeout=PATIENCE)
            assert (summary.accepted, summary.failed) == (0, 5)
            with pytest.raises(amqp10.MessageReleased):
                summary.raise_for_failures()

            _ = [await sender.submit(b"unread") for _ in range(2)]
            unread = await error_of(sender.flush(timeout=PATIENCE))
            assert type(unread) is amqp10.MessageReleased
            assert "2 messages" in unread.__notes__[0]
            await sender.flush(timeout=PATIENCE)

        told: list[Receipt] = []
        async with connection.open_sender(address, on_outcome=told.append) as sender:
            tag = (await sender.submit(b"lost", delivery_tag=b"my tag")).delivery_tag
            await eventually(lambda: told, within=PATIENCE)
            assert [receipt.delivery_tag for receipt in told] == [tag] == [b"my tag"]

        sender = await connection.open_sender(address)
        _ = await sender.submit(b"unread")
        assert type(await error_of(sender.close())) is amqp10.MessageReleased
        assert sender.closed


@scenario()
async def test_unroutable_is_accepted_and_lost_by_rabbitmq_3(rabbitmq3: Broker) -> None:
    address = "/exchange/amq.direct/nowhere"
    async with amqp10.connect(rabbitmq3.url) as connection, connection.open_sender(address) as sender:
        receipt = await sender.submit(b"lost")
        assert await receipt.outcome(timeout=PATIENCE) == Accepted()


@scenario()
async def test_a_full_address_rejects(artemis: Broker) -> None:
    """Artemis' address takes 100 kB: then come rejections, and no credit."""
    address = "limited.outcomes"
    async with amqp10.connect(artemis.url) as connection:
        async with connection.open_sender(address) as sender:
            accepted = 0
            try:
                for _ in range(40):
                    await sender.send(bytes(10_000), timeout=PATIENCE)
                    accepted += 1
            except amqp10.MessageRejected as error:
                rejected = error
            assert 1 <= accepted < 20
            assert isinstance(rejected.outcome, Rejected)
            assert (rejected.level, rejected.condition) == ("delivery", amqp10.Condition.RESOURCE_LIMIT_EXCEEDED)
        assert len(await contents(connection, address)) == accepted


# --- rcv-settle-mode second -------------------------------------------------------------------------------------------


@scenario()
async def test_nobody_settles_second(broker: Broker, new_queue: NewQueue) -> None:
    """Artemis answers first, which we do not take for what was asked; the RabbitMQs end the session."""
    address = new_queue(broker)
    async with amqp10.connect(broker.url) as connection:
        await put(connection, address, b"there")
        for opening in (
            connection.open_receiver(address, rcv_settle_mode=1),
            connection.open_sender(address, rcv_settle_mode=1),
        ):
            error = await error_of(opening)
            if broker.name == "artemis":
                assert (type(error), error.level, error.condition) == (amqp10.LinkRefused, "link", None)
                assert "answered first" in str(error)
            else:
                assert (type(error), error.level) == (amqp10.SessionEndedByPeer, "session")
                assert error.condition == amqp10.Condition.NOT_IMPLEMENTED
        assert [message.body for message in await take(connection, address, 1)] == [b"there"]


@scenario()
async def test_settled_first_is_settled_at_once(broker: Broker, new_queue: NewQueue) -> None:
    address = new_queue(broker)
    async with amqp10.connect(broker.url) as connection:
        await put(connection, address, b"x")
        async with connection.open_receiver(address, rcv_settle_mode=0, snd_settle_mode=0) as receiver:
            assert (receiver.rcv_settle_mode, receiver.snd_settle_mode) == (0, 0)
            delivery = await receiver.receive(timeout=PATIENCE)
            before = delivery.settled
            delivery.accept()
            assert (before, delivery.settled) == (False, True)
            assert await delivery.wait_settled(timeout=PATIENCE) == Accepted()
            delivery.accept()  # once more is harmless
            with pytest.raises(amqp10.InvalidState):
                delivery.release()
