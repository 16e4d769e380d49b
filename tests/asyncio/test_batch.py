"""What `send_many` tells of its messages where it is broken off."""

import asyncio

import pytest

import amqp10
from amqp10.outcomes import ACCEPTED
from tests.asyncio.broker import Behavior, Broker
from tests.asyncio.harness import eventually, run

# The first message gets no outcome, those after it do.
OVERTAKING = Behavior(decide=lambda _, delivery: ACCEPTED if delivery.message.body else None)


async def break_when_all_but_one_are_settled(broker: Broker, sender: amqp10.Sender) -> None:
    await eventually(lambda: broker.received == 10 and sender.unsettled == 1)
    broker.kill()


async def broken_off(told: list[int], *, failing: bool = False) -> BaseException:
    """Send ten messages, break the connection, and return what send_many raised."""

    def tell(receipt: amqp10.Receipt) -> None:
        told.append(int.from_bytes(receipt.delivery_tag, "big"))
        if failing:
            raise ZeroDivisionError

    async with Broker(OVERTAKING) as broker, amqp10.connect(broker.url()) as connection:
        sender = await connection.open_sender("q")
        breaking = asyncio.create_task(break_when_all_but_one_are_settled(broker, sender))
        with pytest.raises((amqp10.TransportError, ZeroDivisionError)) as caught:
            await sender.send_many(range(10), on_outcome=tell)
        await breaking
    return caught.value


def test_outcomes_that_overtook_another_are_told() -> None:
    """on_outcome hears of every outcome that came, and the summary counts the same."""
    told: list[int] = []
    error = run(lambda: broken_off(told))
    assert isinstance(error, amqp10.TransportError)
    assert told == list(range(1, 10))
    summary: amqp10.SendSummary = error.summary  # type: ignore[attr-defined]
    assert (summary.accepted, summary.in_doubt, summary.not_sent) == (9, 1, 0)


def test_who_raises_when_told_is_not_told_again() -> None:
    told: list[int] = []
    error = run(lambda: broken_off(told, failing=True))
    assert isinstance(error, ZeroDivisionError)
    assert isinstance(error.__context__, amqp10.TransportError)
    assert told == [1]
