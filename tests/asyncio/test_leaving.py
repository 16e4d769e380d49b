"""What leaving `async with` promises, normally and by an exception, and how the end of things reaches who uses them."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import amqp10
from amqp10 import DeliverySendState
from amqp10.outcomes import ACCEPTED, Rejected, Released
from amqp10.performatives import Error
from amqp10.terminus import Source, Target
from amqp10.types import Symbol
from tests.asyncio.broker import Behavior, Broker, hold, settled_states
from tests.asyncio.harness import eventually, run

Scenario = Callable[[Broker, amqp10.Connection], Coroutine[Any, Any, None]]
GONE = Error(condition=Symbol("amqp:resource-deleted"), description="the queue is gone")


class Upset(Exception):
    """What the application raises."""


def play(scenario: Scenario, **behavior: Any) -> None:
    """Run a scenario with a broker and a connection to it."""

    async def main() -> None:
        async with Broker(Behavior(**behavior)) as broker, amqp10.connect(broker.url()) as connection:
            await scenario(broker, connection)

    run(main)


# --- senders ----------------------------------------------------------------------------------------------------------


def test_leaving_a_sender_waits_for_its_outcomes() -> None:
    async def scenario(broker: Broker, connection: amqp10.Connection) -> None:
        async with connection.open_sender("q") as sender:
            receipts = [await sender.submit(b"x") for _ in range(5)]
        assert [receipt.state for receipt in receipts] == [ACCEPTED] * 5

    play(scenario, decide=hold, delay=0.05)


def test_leaving_a_sender_by_an_exception_waits_for_nothing() -> None:
    async def scenario(broker: Broker, connection: amqp10.Connection) -> None:
        try:
            async with connection.open_sender("q") as sender:
                receipt = await sender.submit(b"x")
                await eventually(lambda: broker.received == 1)
                raise Upset
        except Upset:
            assert sender.closed
        assert not receipt.settled
        with pytest.raises(amqp10.LinkClosed) as caught:
            await receipt.outcome()
        assert caught.value.delivery_state is DeliverySendState.IN_DOUBT

    play(scenario, decide=hold)


@pytest.mark.parametrize("read", [True, False])
def test_an_outcome_that_nobody_read_is_raised_on_leaving(read: bool) -> None:
    async def scenario(broker: Broker, connection: amqp10.Connection) -> None:
        async def send() -> None:
            async with connection.open_sender("q") as sender:
                receipts = [await sender.submit(b"x") for _ in range(3)]
                if read:
                    assert {type(await receipt.outcome()) for receipt in receipts} == {Rejected}

        if read:
            await send()
            return
        with pytest.raises(amqp10.MessageRejected, match="amqp:resource-deleted") as caught:
            await send()
        assert caught.value.__notes__ == ["3 messages were not accepted; this is the first"]

    play(scenario, decide=lambda *_: Rejected(error=GONE))


def test_outcomes_go_to_on_outcome_where_there_is_one() -> None:
    async def scenario(broker: Broker, connection: amqp10.Connection) -> None:
        told: list[amqp10.Receipt] = []
        async with connection.open_sender("q", on_outcome=told.append) as sender:
            receipt = await sender.submit(b"x")
        await eventually(lambda: told == [receipt])
        assert type(receipt.state) is Released

    play(scenario, decide=lambda *_: Released())


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (Rejected(error=GONE), amqp10.MessageRejected),
        (Rejected(), amqp10.MessageRejected),
        (Released(), amqp10.MessageReleased),
        (amqp10.Modified(delivery_failed=True), amqp10.MessageModified),
    ],
)
def test_send_raises_unless_accepted_and_the_link_goes_on(
    state: amqp10.Outcome, kind: type[amqp10.DeliveryError]
) -> None:
    async def scenario(broker: Broker, connection: amqp10.Connection) -> None:
        async with connection.open_sender("q") as sender:
            with pytest.raises(kind) as caught:
                await sender.send(b"x")
            error = caught.value
            assert error.outcome == state
            assert (error.level, error.delivery_state) == ("delivery", DeliverySendState.SETTLED)
            broker.behavior.decide = None
            await sender.send(b"y")

    play(scenario, decide=lambda *_: state)


@pytest.mark.parametrize("lasting", [True, False])
def test_a_terminus_that_lasts_is_detached_and_any_other_closed(lasting: bool) -> None:
    async def scenario(broker: Broker, connection: amqp10.Connection) -> None:
        fields: dict[str, Any] = {"durable": 2, "expiry_policy": "never"} if lasting else {}
        seen = []
        async with connection.open_receiver(Source(address="r", **fields)):
            seen.append(broker.link("r"))
        async with connection.open_sender(Target(address="s", **fields)):
            seen.append(broker.link("s"))
        for link in seen:
            assert ("detached" if lasting else "closed") in str(link.error)

    play(scenario)


# --- receivers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("upset", [False, True])
def test_leaving_a_receiver_settles_what_was_said_and_releases_what_was_not_taken(upset: bool) -> None:
    async def scenario(broker: Broker, connection: amqp10.Connection) -> None:
        broker.put("q", *range(10))
        try:
            async with connection.open_receiver("q", credit=10) as receiver:
                await eventually(lambda: receiver.queued == 10)
                for _ in range(3):
                    (await receiver.receive()).accept()
                if upset:
                    raise Upset
        except Upset:
            assert upset
        await eventually(lambda: len(settled_states(broker, "q")) == 10)
        assert [type(state) for state in settled_states(broker, "q")] == [amqp10.Accepted] * 3 + [Released] * 7
        assert broker.bodies("q") == list(range(3, 10))

    play(scenario)


def test_iterating_ends_where_the_receiver_is_closed_here() -> None:
    async def scenario(broker: Broker, connection: amqp10.Connection) -> None:
        broker.put("q", 1, 2)
        taken = []
        async with connection.open_receiver("q") as receiver:
            async for delivery in receiver:
                delivery.accept()
                taken.append(delivery.message.body)
                if len(taken) == 2:
                    asyncio.get_running_loop().call_soon(lambda: closing.append(asyncio.create_task(receiver.close())))
        assert taken == [1, 2]
        await closing[0]

    closing: list[asyncio.Task[None]] = []
    play(scenario)


def test_a_detach_of_the_peer_comes_after_what_was_delivered_before() -> None:
    async def scenario(broker: Broker, connection: amqp10.Connection) -> None:
        broker.put("q", 1, 2)
        receiver = await connection.open_receiver("q", credit=10)
        await eventually(lambda: receiver.queued == 2)
        broker.link("q").start_detach(closed=True, error=GONE)
        await eventually(lambda: receiver.closed)
        taken = [await anext(receiver), await anext(receiver)]
        with pytest.raises(amqp10.LinkDetachedByPeer, match="the queue is gone") as caught:
            await anext(receiver)
        assert [delivery.message.body for delivery in taken] == [1, 2]
        assert (caught.value.condition, caught.value.level) == ("amqp:resource-deleted", "link")
        with pytest.raises(amqp10.LinkDetachedByPeer):
            taken[0].accept()
        await receiver.close()

    play(scenario)


# --- connections ------------------------------------------------------------------------------------------------------


def test_closing_a_connection_waits_for_outcomes_and_releases() -> None:
    async def main() -> None:
        async with Broker(
            Behavior(decide=lambda address, _: ACCEPTED if address == "r" else None, delay=0.05)
        ) as broker:
            broker.put("r", 1)
            async with amqp10.connect(broker.url()) as connection:
                sender = await connection.open_sender("s")
                receiver = await connection.open_receiver("r")
                receipt = await sender.submit(b"x")
                await eventually(lambda: receiver.queued == 1)
            assert receipt.state == ACCEPTED
            assert [type(state) for state in settled_states(broker, "r")] == [Released]
            assert isinstance(sender.error, amqp10.ConnectionClosed)

    run(main)


def test_a_connection_left_by_an_exception_closes_at_once() -> None:
    async def main() -> None:
        async with Broker(Behavior(decide=hold)) as broker:
            try:
                async with amqp10.connect(broker.url()) as connection:
                    sender = await connection.open_sender("s")
                    receipt = await sender.submit(b"x")
                    raise Upset
            except Upset:
                assert connection.closed
            assert receipt.done
            assert not broker.open_connections

    run(main)


@pytest.mark.parametrize("how", ["kill", "close", "end", "detach"])
def test_who_ended_it_and_at_which_level(how: str) -> None:
    async def scenario(broker: Broker, connection: amqp10.Connection) -> None:
        sender = await connection.open_sender("q")
        receiver = await connection.open_receiver("r")
        waiting = [asyncio.create_task(each) for each in (sender.send(b"x"), receiver.receive(), sender.flush())]
        await eventually(lambda: broker.received == 1)
        link = broker.link("q")
        if how == "kill":
            broker.kill()
        elif how == "close":
            link.connection.start_close(GONE)
        elif how == "end":
            link.session.start_end(GONE)
        else:
            link.start_detach(closed=True, error=GONE)
        send_error, receive_error, flush_error = await asyncio.gather(
            *(
                asyncio.wait_for(task, 5) if index != 1 or how in ("kill", "close") else asyncio.sleep(0, None)
                for index, task in enumerate(waiting)
            ),
            return_exceptions=True,
        )
        kind, level = {
            "kill": (amqp10.TransportError, "connection"),
            "close": (amqp10.ConnectionClosedByPeer, "connection"),
            "end": (amqp10.SessionEndedByPeer, "session"),
            "detach": (amqp10.LinkDetachedByPeer, "link"),
        }[how]
        for error in (send_error, flush_error):
            assert isinstance(error, kind)
            assert getattr(error, "level", None) == level
        assert isinstance(send_error, amqp10.AMQPError)
        assert send_error.delivery_state is DeliverySendState.IN_DOUBT
        if how in ("kill", "close"):
            assert isinstance(receive_error, kind)
        else:
            broker.put("r", 5)  # the other link is undisturbed
            came = await asyncio.wait_for(waiting[1], 5)
            assert came is not None
            assert came.message.body == 5
        if how != "kill":
            assert send_error.condition == "amqp:resource-deleted"
        with pytest.raises(kind):
            await sender.send(b"y")

    play(scenario, decide=hold)


def test_closing_what_is_over_is_harmless() -> None:
    async def scenario(broker: Broker, connection: amqp10.Connection) -> None:
        session = await connection.open_session()
        sender = await session.open_sender("q")
        receiver = await session.open_receiver("r")
        for _ in range(2):
            await sender.close()
            await receiver.detach()
            await session.close()
        await connection.close()
        await connection.close()
        await connection.wait_closed()

    play(scenario)


def test_a_refused_link_says_why_and_leaves_others_alone() -> None:
    async def scenario(broker: Broker, connection: amqp10.Connection) -> None:
        async with connection.open_session() as session, session.open_sender("q") as sender:
            for opening in (session.open_sender("no"), session.open_receiver("no"), connection.open_receiver("no")):
                with pytest.raises(amqp10.LinkRefused, match="the queue is gone") as caught:
                    await opening
                assert (caught.value.condition, caught.value.level) == ("amqp:resource-deleted", "link")
            await sender.send(b"x")

    play(scenario, refuse={"no": GONE})
