"""The sections of a message through a broker: what is kept, what it adds, changes, drops or refuses."""

import asyncio
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

import amqp10
from amqp10 import Header, Message, Properties
from amqp10.types import Symbol, ULong
from tests.brokers.scenario import PATIENCE, browse, contents, error_of, put, same, scenario, take
from tests.brokers.servers import Broker

WHOLE = Properties(
    message_id="message 1",
    user_id=b"user",
    to="somewhere",
    subject="subject",
    reply_to="back",
    correlation_id=uuid.UUID("12345678-9abc-def0-1234-56789abcdef0"),
    content_type="text/plain",
    content_encoding="identity",
    absolute_expiry_time=datetime(2199, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC),
    creation_time=datetime(2024, 5, 6, 7, 8, 9, 123_000, tzinfo=UTC),
    group_id="group",
    group_sequence=2**32 - 1,
    reply_to_group_id="group back",
)
ANNOTATIONS: dict[Any, Any] = {
    "x-opt-int": 5,
    "x-opt-list": [1, {"map": Symbol("symbol")}],
    "x-id": uuid.UUID(int=7),
}


async def there_and_back(broker: Broker, address: str, *messages: Message) -> list[Message]:
    async with amqp10.connect(broker.url) as connection:
        await put(connection, address, *messages)
        return await take(connection, address, len(messages))


def name_of(address: str) -> str:
    return address.rpartition("/")[2]


@scenario()
async def test_nothing_but_a_body(broker: Broker, new_queue: Callable[[Broker], str]) -> None:
    address = new_queue(broker)
    (message,) = await there_and_back(broker, address, Message(b"bare"))
    added: dict[str, tuple[object, ...]] = {
        "rabbitmq3": (Header(first_acquirer=True), None, Properties(subject=name_of(address))),
        "rabbitmq4": (
            Header(durable=True, first_acquirer=True),
            {Symbol("x-exchange"): "", Symbol("x-routing-key"): name_of(address)},
            None,
        ),
        "artemis": (None, None, None),
    }
    assert (message.header, message.message_annotations, message.properties) == added[broker.name]
    assert (message.body, message.body_type) == (b"bare", "data")
    assert message.application_properties is None
    assert message.delivery_annotations is None
    assert message.footer is None


@scenario()
async def test_properties_with_all_fields(broker: Broker, new_queue: Callable[[Broker], str]) -> None:
    sent = [
        Message(b"", properties=WHOLE),
        Message(b"", properties=Properties(message_id=2**64 - 1, correlation_id=b"\x00binary", subject="s")),
        Message(b"", properties=Properties(message_id=uuid.UUID(int=1), correlation_id="", subject="s")),
    ]
    came = await there_and_back(broker, new_queue(broker), *sent)
    assert [message.properties for message in came] == [message.properties for message in sent]


@scenario()
async def test_a_user_id_that_is_not_ours(broker: Broker, new_queue: Callable[[Broker], str]) -> None:
    """The RabbitMQs hold it against who sends, and end the session."""
    address = new_queue(broker)
    message = Message(b"", properties=Properties(user_id=b"somebody else", subject="s"))
    async with amqp10.connect(broker.url) as connection:
        sender = await connection.open_sender(address)
        if broker.name == "artemis":
            await sender.send(message, timeout=PATIENCE)
            assert (await take(connection, address, 1))[0].properties == message.properties
            await sender.close()
            return
        error = await error_of(sender.send(message, timeout=PATIENCE))
        assert (type(error), error.level) == (amqp10.SessionEndedByPeer, "session")
        conditions = {
            "rabbitmq3": amqp10.Condition.PRECONDITION_FAILED,
            "rabbitmq4": amqp10.Condition.UNAUTHORIZED_ACCESS,
        }
        assert error.condition == conditions[broker.name]
        assert await contents(connection, address) == []


@scenario()
async def test_header(broker: Broker, new_queue: Callable[[Broker], str]) -> None:
    sent = [
        Message(b"", header=Header(durable=True, priority=7, ttl=60_000, first_acquirer=True, delivery_count=3)),
        Message(b"", header=Header(durable=False, priority=0)),
    ]
    one, other = [message.header for message in await there_and_back(broker, new_queue(broker), *sent)]
    if broker.name == "artemis":
        one, other = sorted((one, other), key=lambda header: -header.priority)
        assert one == Header(durable=True, priority=7, ttl=60_000, first_acquirer=True, delivery_count=3)
        assert other == Header(durable=False, priority=0)
    else:
        assert one == Header(durable=True, priority=7, ttl=60_000, first_acquirer=True)
        assert other == Header(durable=False, priority=0, first_acquirer=True)


@scenario()
async def test_header_of_the_sender(broker: Broker, new_queue: Callable[[Broker], str]) -> None:
    """It is filled in where a message has none."""
    address = new_queue(broker)
    async with amqp10.connect(broker.url) as connection:
        await put(connection, address, b"one", Message(b"two", header=Header(priority=5)), header=Header(durable=True))
        came = {message.body: message.header for message in await take(connection, address, 2)}
    assert (came[b"one"].durable, came[b"one"].priority) == (True, 4)
    assert (came[b"two"].durable, came[b"two"].priority) == (False, 5)


@scenario()
async def test_priority_decides_the_order_with_artemis(broker: Broker, new_queue: Callable[[Broker], str]) -> None:
    """A classic queue of RabbitMQ has no priorities unless it is declared with them."""
    sent = [Message(priority, header=Header(priority=priority)) for priority in (1, 9, 4)]
    came = [message.body for message in await there_and_back(broker, new_queue(broker), *sent)]
    assert came == ([9, 4, 1] if broker.name == "artemis" else [1, 9, 4])


@scenario()
async def test_messages_expire_with_their_ttl(broker: Broker, new_queue: Callable[[Broker], str]) -> None:
    """What nobody takes in time is dropped; Artemis keeps it in its expiry queue, with where it was."""
    address = new_queue(broker)
    expired = Message(f"expired {address}", header=Header(ttl=1))
    async with amqp10.connect(broker.url) as connection:
        await put(connection, address, expired, Message("kept", header=Header(ttl=600_000)))
        async with asyncio.timeout(PATIENCE):
            while [message.body for message in await browse(connection, address)] != ["kept"]:
                pass
        if broker.name == "artemis":
            found = {message.body: message for message in await contents(connection, "ExpiryQueue")}
            annotations = found[expired.body].message_annotations
            assert annotations[Symbol("x-opt-ORIG-ADDRESS")] == address


@scenario()
async def test_message_annotations(broker: Broker, new_queue: Callable[[Broker], str]) -> None:
    (message,) = await there_and_back(broker, new_queue(broker), Message(b"", message_annotations=ANNOTATIONS))
    came = message.message_annotations
    assert all(type(key) is Symbol for key in came)
    assert {key: same(value, came[Symbol(key)]) for key, value in ANNOTATIONS.items()} == dict.fromkeys(
        ANNOTATIONS, True
    )
    added = {key for key in came if key not in ANNOTATIONS}
    assert added == ({"x-exchange", "x-routing-key"} if broker.name == "rabbitmq4" else set())


@scenario()
async def test_an_annotation_of_null(broker: Broker, new_queue: Callable[[Broker], str]) -> None:
    """RabbitMQ 4.0 takes it and cannot give it out again: it closes the connection of who receives it."""
    address = new_queue(broker)
    async with amqp10.connect(broker.url) as connection:
        await put(connection, address, Message(b"", message_annotations={"x-none": None}))
        if broker.name == "rabbitmq4":
            error = await error_of(take(connection, address, 1))
            assert (type(error), error.level) == (amqp10.ConnectionClosedByPeer, "connection")
            assert error.condition == amqp10.Condition.INTERNAL_ERROR
        else:
            assert (await take(connection, address, 1))[0].message_annotations == {Symbol("x-none"): None}


@pytest.mark.parametrize("key", ["plain", ULong(5)], ids=["without x-", "ulong"])
@scenario()
async def test_reserved_keys_of_annotations(broker: Broker, new_queue: Callable[[Broker], str], key: Any) -> None:
    """Keys without x- and of type ulong are reserved (§3.2.10): RabbitMQ 4 takes neither, Artemis no ulong."""
    address = new_queue(broker)
    message = Message(b"", message_annotations={key: 1})
    async with amqp10.connect(broker.url) as connection:
        sender = await connection.open_sender(address)
        if broker.name == "rabbitmq3" or (broker.name == "artemis" and key == "plain"):
            await sender.send(message, timeout=PATIENCE)
            (came,) = await take(connection, address, 1)
            ((came_key, value),) = came.message_annotations.items()
            assert (came_key, value) == (key, 1)
            await sender.close()
            return
        error = await error_of(sender.send(message, timeout=PATIENCE))
        ended = amqp10.SessionEndedByPeer if broker.name == "rabbitmq4" else amqp10.ConnectionClosedByPeer
        level = "session" if broker.name == "rabbitmq4" else "connection"
        assert (type(error), error.level) == (ended, level)
        assert error.condition == amqp10.Condition.INTERNAL_ERROR
        assert connection.closed == (broker.name == "artemis")


@scenario()
async def test_delivery_annotations_end_with_the_hop(broker: Broker, new_queue: Callable[[Broker], str]) -> None:
    """They are for the broker, which keeps none (§3.2.2). RabbitMQ 3.10's session dies of them."""
    address = new_queue(broker)
    message = Message(b"hop", delivery_annotations={"x-opt-hop": 1})
    async with amqp10.connect(broker.url) as connection:
        sender = await connection.open_sender(address)
        if broker.name == "rabbitmq3":
            error = await error_of(sender.send(message, timeout=PATIENCE))
            assert (type(error), error.level) == (amqp10.TransportError, "connection")
            return
        await sender.send(message, timeout=PATIENCE)
        (came,) = await take(connection, address, 1)
        assert (came.body, came.delivery_annotations) == (b"hop", None)
        await sender.close()


@scenario()
async def test_footer_and_message_format(broker: Broker, new_queue: Callable[[Broker], str]) -> None:
    """A footer is kept; a message-format other than zero becomes zero with the RabbitMQs."""
    sent = Message(b"", footer={"x-sum": b"\x00\x01", "x-n": 2}, message_format=0x0000_0102)
    (came,) = await there_and_back(broker, new_queue(broker), sent)
    assert came.footer == {Symbol("x-sum"): b"\x00\x01", Symbol("x-n"): 2}
    assert came.message_format == (0x0000_0102 if broker.name == "artemis" else 0)


@scenario()
async def test_all_sections_at_once(broker: Broker, new_queue: Callable[[Broker], str]) -> None:
    sent = Message(
        amqp10.AmqpSequence([1, "two"]),
        header=Header(durable=True, priority=5),
        delivery_annotations=None if broker.name == "rabbitmq3" else {"x-opt-hop": 1},
        message_annotations={"x-opt-a": "a"},
        properties=WHOLE,
        application_properties={"a": "b", "n": None},
        footer={"x-f": 1},
    )
    (came,) = await there_and_back(broker, new_queue(broker), sent)
    assert (came.header.durable, came.header.priority) == (True, 5)
    assert came.message_annotations[Symbol("x-opt-a")] == "a"
    assert came.properties == WHOLE
    assert came.application_properties == {"a": "b", "n": None}
    assert (came.body, came.body_type) == ([1, "two"], "amqp-sequence")
    assert came.footer == {Symbol("x-f"): 1}
