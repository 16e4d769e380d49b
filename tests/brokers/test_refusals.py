"""Links that a broker refuses: its condition, at its level, and nothing else disturbed."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest

import amqp10
from amqp10 import Condition
from tests.brokers.scenario import PATIENCE, contents, error_of, put, running_link, scenario
from tests.brokers.servers import Broker

NewQueue = Callable[[Broker], str]


@dataclass(frozen=True)
class Refused:
    """An address that a broker refuses.

    Attributes:
        sender: the condition for a sender; None where it is taken.
        receiver: the condition for a receiver; None where it is taken.
    """

    address: str
    sender: str | None
    receiver: str | None


# RabbitMQ 3.10 takes any sender to a queue by its name: what it sends is accepted and lost.
REFUSED = {
    "rabbitmq3": [
        Refused("/amq/queue/nowhere", None, Condition.NOT_FOUND),
        Refused("/nonsense/address", Condition.INVALID_FIELD, Condition.INVALID_FIELD),
        Refused("/exchange/nowhere/key", Condition.NOT_FOUND, Condition.NOT_FOUND),
    ],
    "rabbitmq4": [
        Refused("/queues/nowhere", Condition.NOT_FOUND, Condition.NOT_FOUND),
        Refused("/nonsense/address", Condition.INVALID_FIELD, Condition.INVALID_FIELD),
        Refused("/queues/%zz", Condition.INVALID_FIELD, Condition.INVALID_FIELD),
        Refused("/exchanges/nowhere/key", Condition.NOT_FOUND, Condition.INVALID_FIELD),
    ],
    "artemis": [
        Refused("locked.address", Condition.INTERNAL_ERROR, Condition.UNAUTHORIZED_ACCESS),
        Refused("", None, Condition.INTERNAL_ERROR),
    ],
}
CASES = [
    pytest.param(broker, refused.address, role, condition, id=f"{broker} {role} {refused.address or 'empty'}")
    for broker, addresses in REFUSED.items()
    for refused in addresses
    for role, condition in (("sender", refused.sender), ("receiver", refused.receiver))
    if condition is not None
]


def level_of(broker: Broker) -> tuple[type[amqp10.AMQPError], str]:
    """At which level a broker refuses a link: Artemis the link, the RabbitMQs end its session."""
    if broker.name == "artemis":
        return amqp10.LinkRefused, "link"
    return amqp10.SessionEndedByPeer, "session"


@pytest.mark.parametrize(("broker", "address", "role", "condition"), CASES, indirect=["broker"])
@scenario()
async def test_a_bad_address(broker: Broker, new_queue: NewQueue, address: str, role: str, condition: str) -> None:
    """The error is the broker's, from the call that opens the link; a link beside it goes on undisturbed."""
    async with amqp10.connect(broker.url) as connection, running_link(connection, new_queue(broker)):
        for _ in range(3):
            opening = connection.open_sender(address) if role == "sender" else connection.open_receiver(address)
            error = await error_of(opening)
            assert isinstance(error, amqp10.RemoteError)
            assert (type(error), error.level) == level_of(broker)
            assert error.condition == condition
            assert error.description
            assert error.description in str(error)
            assert error.retryable == (condition == Condition.INTERNAL_ERROR)
        assert not connection.closed


@scenario()
async def test_what_a_refusal_does_to_a_shared_session(broker: Broker, new_queue: NewQueue) -> None:
    """With Artemis the other links of the session live on; with the RabbitMQs they end with it, and learn why."""
    address = new_queue(broker)
    refused = next(refused.address for refused in REFUSED[broker.name] if refused.receiver)
    async with amqp10.connect(broker.url) as connection:
        session = await connection.open_session()
        sender = await session.open_sender(address)
        receiver = await session.open_receiver(address)
        receiving = asyncio.create_task(receiver.receive())
        error = await error_of(session.open_receiver(refused))
        if broker.name == "artemis":
            await sender.send(b"goes on")
            (await receiving).accept()
            await session.close()
            return
        assert session.closed
        for waiting in (receiving, sender.send(b"too late"), session.open_sender(address)):
            other = await error_of(waiting)
            assert (type(other), other.condition) == (amqp10.SessionEndedByPeer, error.condition)
        await session.close()
        assert not connection.closed
        await put(connection, address, b"on a new session")
        assert [message.body for message in await contents(connection, address)] == [b"on a new session"]


@scenario()
async def test_rabbitmq_3_accepts_what_is_sent_to_a_queue_that_is_not_there(rabbitmq3: Broker) -> None:
    async with amqp10.connect(rabbitmq3.url) as connection:
        async with connection.open_sender("/amq/queue/nowhere") as sender:
            await sender.send(b"lost", timeout=PATIENCE)
        assert type(await error_of(connection.open_receiver("/amq/queue/nowhere"))) is amqp10.SessionEndedByPeer
