"""Sources and targets beyond a plain queue: dynamic, anonymous, filtered, browsed, shared and durable ones."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

import amqp10
from amqp10 import Message, Properties, Source, Target
from amqp10.asyncio import Receiver
from amqp10.types import Symbol
from tests.brokers.scenario import PATIENCE, QUIET, browse, contents, error_of, put, running_link, scenario, take
from tests.brokers.servers import Broker

NewQueue = Callable[[Broker], str]
REFUSAL = {
    "rabbitmq3": (amqp10.SessionEndedByPeer, "session"),
    "rabbitmq4": (amqp10.SessionEndedByPeer, "session"),
    "artemis": (amqp10.LinkRefused, "link"),
}


def is_refused(broker: Broker, error: amqp10.AMQPError, condition: str) -> bool:
    """Whether a broker refused a link in its manner: the RabbitMQs end the session for it."""
    return (type(error), error.level, error.condition) == (*REFUSAL[broker.name], condition)


# --- dynamic nodes ----------------------------------------------------------------------------------------------------


@scenario()
async def test_a_dynamic_source(broker: Broker, loop: str) -> None:
    """The broker makes a node and names it; others send to it; it goes away with its link."""
    async with amqp10.connect(broker.url) as connection:
        if broker.name != "artemis":
            error = await error_of(connection.open_receiver(None, dynamic=True))
            assert is_refused(broker, error, amqp10.Condition.NOT_IMPLEMENTED)
            return
        async with connection.open_receiver(None, dynamic=True) as receiver:
            address = receiver.address
            assert address
            assert receiver.remote_source.dynamic
            async with amqp10.connect(broker.url) as other:
                await put(other, address, "to the dynamic node")
            delivery = await receiver.receive(timeout=PATIENCE)
            assert delivery.message.body == "to the dynamic node"
            delivery.accept()
        async with connection.open_receiver(None, dynamic=True) as another:
            assert another.address not in (None, address)


@scenario()
async def test_a_dynamic_target(broker: Broker) -> None:
    async with amqp10.connect(broker.url) as connection:
        if broker.name != "artemis":
            error = await error_of(connection.open_sender(None, dynamic=True))
            assert is_refused(broker, error, amqp10.Condition.NOT_IMPLEMENTED)
            return
        async with connection.open_sender(None, dynamic=True) as sender:
            assert sender.address
            assert sender.remote_target.dynamic
            await sender.send("held there")
            assert [message.body for message in await contents(connection, sender.address)] == ["held there"]


# --- the anonymous relay ----------------------------------------------------------------------------------------------


@scenario()
async def test_the_anonymous_relay(broker: Broker, new_queue: NewQueue) -> None:
    """Each message goes where its `to` says."""
    one, other = new_queue(broker), new_queue(broker)
    async with amqp10.connect(broker.url) as connection:
        if broker.name == "rabbitmq3":
            error = await error_of(connection.open_sender(None))
            assert is_refused(broker, error, amqp10.Condition.INVALID_FIELD)
            return
        assert "ANONYMOUS-RELAY" in connection.remote_offered_capabilities
        async with connection.open_sender(None) as sender:
            for number in range(10):
                to = one if number % 2 else other
                await sender.send(Message(number, properties=Properties(to=to)))
        assert [message.body for message in await take(connection, one, 5)] == [1, 3, 5, 7, 9]
        assert [message.body for message in await take(connection, other, 5)] == [0, 2, 4, 6, 8]


@pytest.mark.parametrize("broker", ["rabbitmq4", "artemis"], indirect=True)
@scenario()
async def test_the_anonymous_relay_rejects_what_has_no_address(broker: Broker, new_queue: NewQueue) -> None:
    """The outcome says so, and the link goes on. RabbitMQ 4 releases what it has no queue for; Artemis makes one."""
    address = new_queue(broker)
    async with amqp10.connect(broker.url) as connection, connection.open_sender(None) as sender:
        error = await error_of(sender.send(b"without properties"))
        condition = amqp10.Condition.PRECONDITION_FAILED if broker.name == "rabbitmq4" else "failed"
        assert (type(error), error.level, error.condition) == (amqp10.MessageRejected, "delivery", condition)
        if broker.name == "rabbitmq4":
            nowhere = Message(b"", properties=Properties(to=broker.address("nowhere")))
            assert type(await error_of(sender.send(nowhere))) is amqp10.MessageReleased
        await sender.send(Message(b"goes on", properties=Properties(to=address)))
        assert [message.body for message in await take(connection, address, 1)] == [b"goes on"]


# --- filters ----------------------------------------------------------------------------------------------------------


@scenario()
async def test_a_selector(broker: Broker, new_queue: NewQueue, loop: str) -> None:
    """Artemis applies it. The RabbitMQs say that they do (§3.5.8), and do not."""
    address = new_queue(broker)
    selector = amqp10.selector_filter("color = 'blue' AND number > 2")
    async with amqp10.connect(broker.url) as connection:
        for number in range(6):
            color = ("red", "blue")[number % 2]
            await put(connection, address, Message(number, application_properties={"color": color, "number": number}))
        async with connection.open_receiver(address, filter=selector) as receiver:
            assert list(receiver.filter) == list(selector)
        selected = [message.body for message in await contents(connection, address, filter=selector)]
        left = [message.body for message in await contents(connection, address)]
    if broker.name == "artemis":
        assert (selected, left) == ([3, 5], [0, 1, 2, 4])
    else:
        assert (selected, left) == ([0, 1, 2, 3, 4, 5], [])


@scenario()
async def test_a_selector_that_is_wrong(broker: Broker, new_queue: NewQueue) -> None:
    address = new_queue(broker)
    async with amqp10.connect(broker.url) as connection:
        opening = connection.open_receiver(address, filter=amqp10.selector_filter("color = = "))
        if broker.name == "artemis":
            assert is_refused(broker, await error_of(opening), amqp10.Condition.INVALID_FIELD)
        else:
            async with opening as receiver:
                assert receiver.filter


# --- browsing ---------------------------------------------------------------------------------------------------------


@scenario()
async def test_browsing_leaves_everything_there(broker: Broker, new_queue: NewQueue, loop: str) -> None:
    address = new_queue(broker)
    async with amqp10.connect(broker.url) as connection:
        await put(connection, address, *range(5))
        for _ in range(2):
            assert [message.body for message in await browse(connection, address)] == list(range(5))
        assert sorted(message.body for message in await contents(connection, address)) == list(range(5))


@scenario()
async def test_what_is_accepted_while_browsing(broker: Broker, new_queue: NewQueue) -> None:
    """It stays with Artemis, which copies; the RabbitMQs only echo distribution-mode copy, and it is gone."""
    address = new_queue(broker)
    async with amqp10.connect(broker.url) as connection:
        await put(connection, address, "looked at")
        async with connection.open_receiver(Source(address=address, distribution_mode="copy")) as receiver:
            assert receiver.remote_source.distribution_mode == "copy"
            delivery = await receiver.receive(timeout=PATIENCE)
            delivery.accept()
        left = [message.body for message in await contents(connection, address)]
        assert left == (["looked at"] if broker.name == "artemis" else [])


# --- topics and durable subscriptions ---------------------------------------------------------------------------------


def topic_of(broker: Broker) -> str:
    """Make the address of a topic that nobody else uses."""
    name = uuid.uuid4().hex
    return {"rabbitmq3": "/topic/", "rabbitmq4": "/exchanges/amq.topic/", "artemis": "topic."}[broker.name] + name


@scenario()
async def test_a_topic_goes_to_everybody(broker: Broker) -> None:
    """RabbitMQ 4 has no source for it: there, queues are bound to exchanges by management."""
    address = topic_of(broker)
    async with amqp10.connect(broker.url) as connection:
        if broker.name == "rabbitmq4":
            error = await error_of(connection.open_receiver(address))
            assert is_refused(broker, error, amqp10.Condition.INVALID_FIELD)
            return
        async with connection.open_receiver(address) as one, connection.open_receiver(address) as other:
            await put(connection, address, "news")
            for receiver in (one, other):
                delivery = await receiver.receive(timeout=PATIENCE)
                assert delivery.message.body == "news"
                delivery.accept()


class Subscriber:
    """A durable subscription to a topic of Artemis, by container and link name."""

    def __init__(self, connection: amqp10.Connection, address: str) -> None:
        self._connection = connection
        self._address = address

    def open(self, **fields: Any) -> amqp10.Opening[Receiver]:
        source = Source(address=self._address, durable=2, expiry_policy=Symbol("never"), **fields)
        return self._connection.open_receiver(source, name="subscription")

    async def waiting(self) -> list[Any]:
        """Look what waits for the subscriber, and stay subscribed."""
        came: list[Any] = []
        async with self.open() as receiver:
            try:
                while True:
                    delivery = await receiver.receive(timeout=QUIET)
                    came.append(delivery.message.body)
                    delivery.accept()
            except amqp10.OperationTimeout:
                return came


@scenario()
async def test_a_durable_subscription_outlives_detach_and_not_close(artemis: Broker, loop: str) -> None:
    """Leaving `with` detaches a durable link; close() ends the subscription."""
    address, container = topic_of(artemis), uuid.uuid4().hex
    async with amqp10.connect(artemis.url, container_id=container) as connection:
        subscriber = Subscriber(connection, address)
        assert await subscriber.waiting() == []
        await put(connection, address, 1, 2)
        receiver = await subscriber.open()
        await receiver.detach()
        assert receiver.closed
    async with amqp10.connect(artemis.url, container_id=container) as connection:
        subscriber = Subscriber(connection, address)
        await put(connection, address, 3)
        assert await subscriber.waiting() == [1, 2, 3]
        await put(connection, address, 4)
        receiver = await subscriber.open()
        await receiver.close()
        assert await subscriber.waiting() == []
        await put(connection, address, 5)
        assert await subscriber.waiting() == [5]
        await (await subscriber.open()).close()


@scenario()
async def test_another_container_has_a_subscription_of_its_own(artemis: Broker) -> None:
    address = topic_of(artemis)
    connections = [await amqp10.connect(artemis.url, container_id=uuid.uuid4().hex) for _ in range(2)]
    subscribers = [Subscriber(connection, address) for connection in connections]
    for subscriber in subscribers:
        assert await subscriber.waiting() == []
    await put(connections[0], address, "to both")
    for subscriber in subscribers:
        assert await subscriber.waiting() == ["to both"]
        await (await subscriber.open()).close()
    for connection in connections:
        await connection.close()


@scenario()
async def test_a_shared_subscription(artemis: Broker) -> None:
    """Two links share what comes; each message goes to one of them."""
    address = topic_of(artemis)
    source = Source(address=address, capabilities=[Symbol("topic"), Symbol("shared"), Symbol("global")])
    async with amqp10.connect(artemis.url) as one, amqp10.connect(artemis.url) as other:
        assert "SHARED-SUBS" in one.remote_offered_capabilities
        async with (
            one.open_receiver(source, name="shared|1", credit=3) as first,
            other.open_receiver(source, name="shared|2", credit=3) as second,
        ):
            await put(one, address, *range(6))
            came = []
            for receiver in (first, second) * 3:
                delivery = await receiver.receive(timeout=PATIENCE)
                came.append(delivery.message.body)
                delivery.accept()
            assert sorted(came) == list(range(6))


@pytest.mark.parametrize("broker", ["rabbitmq3", "rabbitmq4"], indirect=True)
@scenario()
async def test_the_rabbitmqs_echo_a_durable_source_and_keep_nothing(broker: Broker, new_queue: NewQueue) -> None:
    """A queue outlives its links in any case; what we are told of durability is only what we said."""
    address = new_queue(broker)
    async with amqp10.connect(broker.url) as connection:
        source = Source(address=address, durable=2, expiry_policy=Symbol("never"))
        receiver = await connection.open_receiver(source, name="subscription")
        assert (receiver.remote_source.durable, receiver.remote_source.expiry_policy) == (2, "never")
        await receiver.detach()
        await put(connection, address, "waits in the queue")
        async with connection.open_receiver(source, name="subscription") as receiver:
            delivery = await receiver.receive(timeout=PATIENCE)
            assert delivery.message.body == "waits in the queue"
            delivery.accept()


# --- what attach may say ----------------------------------------------------------------------------------------------


@scenario()
async def test_settle_modes_as_asked(broker: Broker, new_queue: NewQueue) -> None:
    """Every broker gives each snd-settle-mode that is asked for, to either end."""
    address = new_queue(broker)
    async with amqp10.connect(broker.url) as connection:
        for mode in (0, 1, 2):
            async with connection.open_sender(address, snd_settle_mode=mode) as sender:
                assert sender.snd_settle_mode == mode
        for mode in (0, 1):
            async with connection.open_receiver(address, snd_settle_mode=mode) as receiver:
                assert receiver.snd_settle_mode == mode
        mixed = connection.open_receiver(address, snd_settle_mode=2)
        if broker.name == "artemis":
            async with mixed as receiver:
                assert receiver.snd_settle_mode == 2
        else:
            error = await error_of(mixed)
            assert (type(error), error.condition) == (amqp10.LinkRefused, None)
            assert "answered unsettled" in str(error)


@scenario()
async def test_properties_capabilities_and_termini(broker: Broker, new_queue: NewQueue) -> None:
    """What is unknown to a broker does no harm."""
    address = new_queue(broker)
    extras: dict[str, Any] = {
        "name": f"name {uuid.uuid4().hex} ä€",
        "properties": {"x-text": "text", "x-list": [1, 2]},
        "desired_capabilities": ["x:one", "x:two"],
        "offered_capabilities": ["x:three"],
    }
    options: dict[str, Any] = {
        "properties": {"x-connection": 1},
        "desired_capabilities": ["x:one"],
        "offered_capabilities": ["x:two", "x:three"],
        "channel_max": 5,
        "container_id": "container ä€",
    }
    async with (
        amqp10.connect(broker.url, **options) as connection,
        connection.open_session(incoming_window=10, handle_max=3, properties={"x-session": 1}) as session,
        session.open_sender(Target(address=address, capabilities=[Symbol("queue")]), **extras) as sender,
        session.open_receiver(address, target="me", **{**extras, "name": "another"}) as receiver,
    ):
        for number in range(50):
            await sender.send(number)
        for number in range(50):
            delivery = await receiver.receive(timeout=PATIENCE)
            assert delivery.message.body == number
            delivery.accept()


@scenario()
async def test_links_come_and_go_on_one_connection(broker: Broker, new_queue: NewQueue, loop: str) -> None:
    """Channels and handles are used again, more often than there are of them, beside a running link."""
    address, busy = new_queue(broker), new_queue(broker)
    async with amqp10.connect(broker.url) as connection, running_link(connection, busy):
        for number in range(80):
            async with connection.open_sender(address) as sender, connection.open_receiver(address) as receiver:
                await sender.send(number)
                delivery = await receiver.receive(timeout=PATIENCE)
                assert delivery.message.body == number
                delivery.accept()
        async with connection.open_session() as session:
            for number in range(80):
                async with session.open_sender(address) as sender:
                    await sender.send(number)
        assert len(await contents(connection, address)) == 80
