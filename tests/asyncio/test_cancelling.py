"""Every call that waits, cancelled at each of its suspensions: nothing is left behind, lost, or out of order."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import amqp10
from tests.asyncio.broker import Broker, hold
from tests.asyncio.harness import Moment, eventually, interrupt, report, run
from tests.asyncio.world import World, open_world

Act = Callable[[World], Coroutine[Any, Any, None]]
CASES: dict[str, tuple[Act, dict[str, Any]]] = {}


def case(**options: Any) -> Callable[[Act], Act]:
    """Add a call to those that are tried, in a world with these options."""

    def add(act: Act) -> Act:
        CASES[act.__name__] = (act, options)
        return act

    return add


def every_suspension(attempt: Callable[[int], bool]) -> int:
    """Try 1, 2, 3 … until the attempt ends uncancelled; return how many were cancelled."""
    at = 1
    while attempt(at):
        at += 1
        assert at < 200, "this never ends"
    return at - 1


@pytest.mark.parametrize("moment", ["waiting", "ready"])
@pytest.mark.parametrize("name", ["connect", "connect_and_work"])
def test_connecting(name: str, moment: Moment) -> None:
    async def connect(broker: Broker) -> None:
        connection = await amqp10.connect(broker.url())
        await connection.close()

    async def connect_and_work(broker: Broker) -> None:
        async with amqp10.connect(broker.url()) as connection, connection.open_sender("in") as sender:
            await sender.send(b"x")

    act = connect if name == "connect" else connect_and_work

    def attempt(at: int) -> bool:
        async def main() -> bool:
            async with Broker() as broker:
                cancelled = await interrupt(act(broker), at, moment)
                await eventually(lambda: not broker.open_connections, "the connection is gone")
                await connect(broker)
                return cancelled

        return run(main)

    count = every_suspension(attempt)
    report(f"{name}, {moment}: cancelled at {count} points")
    assert count >= 3


# --- opening ----------------------------------------------------------------------------------------------------------


@case()
async def open_session(world: World) -> None:
    session = await world.connection.open_session()
    await session.close()


@case()
async def open_sender(world: World) -> None:
    sender = await world.connection.open_sender("more")
    await sender.close()


@case()
async def open_receiver(world: World) -> None:
    receiver = await world.connection.open_receiver("more")
    await receiver.close()


@case()
async def with_session_and_links(world: World) -> None:
    async with (
        world.connection.open_session() as session,
        session.open_sender("more") as sender,
        session.open_receiver("more") as receiver,
    ):
        await sender.send(b"x")
        (await receiver.receive()).accept()


@case()
async def with_links(world: World) -> None:
    async with world.connection.open_sender("more") as sender, world.connection.open_receiver("more") as receiver:
        await sender.send(b"x")
        (await receiver.receive()).accept()


# --- sending ----------------------------------------------------------------------------------------------------------


@case(credit=1, delay=0.001)
async def send(world: World) -> None:
    for _ in range(3):
        body = world.message()
        await world.sender.send(body)
        world.sure.append(body)


@case(credit=2, delay=0.001)
async def submit(world: World) -> None:
    receipts = [(body := world.message(), await world.sender.submit(body)) for _ in range(6)]
    for body, receipt in receipts:
        await receipt
        world.sure.append(body)


@case(delay=0.003)
async def outcome(world: World) -> None:
    body = world.message()
    receipt = world.sender.send_nowait(body)
    await receipt.outcome()
    world.sure.append(body)


@case(credit=3, delay=0.001)
async def send_many(world: World) -> None:
    bodies = [world.message() for _ in range(10)]
    summary = await world.sender.send_many(bodies)
    assert summary.accepted == len(bodies)
    world.sure += bodies


@case(credit=3, delay=0.001)
async def send_many_async(world: World) -> None:
    bodies = [world.message() for _ in range(10)]

    async def slowly() -> Any:
        for body in bodies:
            await asyncio.sleep(0)
            yield body

    generator = slowly()
    try:
        await world.sender.send_many(generator)
    finally:
        await generator.aclose()
    world.sure += bodies


@case(delay=0.003)
async def flush(world: World) -> None:
    bodies = [world.message() for _ in range(5)]
    for body in bodies:
        _ = world.sender.send_nowait(body)
    await world.sender.flush()
    world.sure += bodies


@case()
async def send_large(world: World) -> None:
    world.maybe.append(b"x" * 3_000_000)
    await world.sender.send(world.maybe[-1])
    world.sure.append(world.maybe[-1])


# --- receiving --------------------------------------------------------------------------------------------------------


@case()
async def receive(world: World) -> None:
    world.queue_later(3)
    for _ in range(3):
        world.take(await world.receiver.receive())


@case()
async def iterate(world: World) -> None:
    world.queue_later(30)
    async for delivery in world.receiver:
        world.take(delivery)
        if len(world.taken) == 30:
            break


@case()
async def receive_many(world: World) -> None:
    world.queue_later(30)
    while len(world.taken) < 30:
        world.take(*await world.receiver.receive_many(7))


@case(receiver={"credit": 600})
async def receive_without_waiting(world: World) -> None:
    """Deliveries that are there are given without suspension, but for the loop's turns."""
    world.queue(550)
    await eventually(lambda: world.receiver.queued == 550)
    for _ in range(550):
        world.take(await world.receiver.receive())


@case(receiver={"credit": 0})
async def drain(world: World) -> None:
    world.queue(2)
    world.receiver.add_credit(5)
    assert await world.receiver.drain() == 2


@case(receiver={"credit": 10, "rcv_settle_mode": 1})
async def wait_settled(world: World) -> None:
    world.queue_later(1)
    delivery = await world.receiver.receive()
    world.take(delivery)
    await delivery.wait_settled()


# --- leaving ----------------------------------------------------------------------------------------------------------


@case(delay=0.003)
async def close_sender(world: World) -> None:
    _ = world.sender.send_nowait(world.message())
    await world.sender.close()


@case(delay=0.003)
async def detach_sender(world: World) -> None:
    _ = world.sender.send_nowait(world.message())
    await world.sender.detach()


@case()
async def close_receiver(world: World) -> None:
    world.queue(5)
    await eventually(lambda: world.receiver.queued == 5)
    await world.receiver.close()


@case()
async def detach_receiver(world: World) -> None:
    world.queue(5)
    await eventually(lambda: world.receiver.queued == 5)
    world.take(await world.receiver.receive())
    await world.receiver.detach()


@case(delay=0.003)
async def close_session(world: World) -> None:
    async with world.connection.open_session() as session:
        sender = await session.open_sender("in")
        await session.open_receiver("out")
        _ = sender.send_nowait(world.message())


@pytest.mark.parametrize("moment", ["waiting", "ready"])
@pytest.mark.parametrize("name", CASES)
def test_every_call(name: str, moment: Moment) -> None:
    act, options = CASES[name]

    def attempt(at: int) -> bool:
        async def main() -> bool:
            async with open_world(**options) as world:
                if world.receiver._engine.credit.window == 0:
                    world.receiver.add_credit(1)  # for the check
                tasks = asyncio.all_tasks()
                cancelled = await interrupt(act(world), at, moment)
                assert asyncio.all_tasks() == tasks
                if world.receiver._engine.credit.window == 0:
                    world.receiver.add_credit(10)
                await world.check()
                return cancelled

        return run(main)

    count = every_suspension(attempt)
    report(f"{name}, {moment}: cancelled at {count} points")
    assert count >= 1


@pytest.mark.parametrize("moment", ["waiting", "ready"])
@pytest.mark.parametrize("name", ["close", "wait_closed"])
def test_the_connection_itself(name: str, moment: Moment) -> None:
    async def close(world: World) -> None:
        _ = world.sender.send_nowait(world.message())
        await world.connection.close()

    async def wait_closed(world: World) -> None:
        asyncio.get_running_loop().call_later(0.003, world.broker.kill)
        await world.connection.wait_closed()

    act = close if name == "close" else wait_closed

    def attempt(at: int) -> bool:
        async def main() -> bool:
            async with open_world(delay=0.003) as world:
                cancelled = await interrupt(act(world), at, moment)
                await eventually(lambda: world.connection.closed, "the connection is over")
                await world.connection.wait_closed(timeout=5)
                await eventually(lambda: not world.broker.open_connections)
                if act is wait_closed:  # what was cancelled left the connection alone
                    assert isinstance(world.connection.error, amqp10.TransportError)
                return cancelled

        return run(main)

    count = every_suspension(attempt)
    report(f"{name}, {moment}: cancelled at {count} points")
    assert count >= 1


def test_closing_cancelled_does_not_wait() -> None:
    """The peer answers nothing; cancelled, every close is over there and then, and what ends the thing has left."""

    async def main() -> None:
        async with open_world() as world:
            session = await world.connection.open_session()
            world.broker.behavior.decide = hold
            _ = world.sender.send_nowait(world.message())
            await eventually(lambda: world.broker.held)
            acceptor = world.broker.acceptors[0]
            acceptor.stop_reading()
            loop = asyncio.get_running_loop()
            for close in (world.sender.close, world.receiver.detach, session.close, world.connection.close):
                task = asyncio.create_task(close())
                await asyncio.sleep(0.01)
                began = loop.time()
                task.cancel()
                await asyncio.wait([task], timeout=5)
                assert task.cancelled()
                assert loop.time() - began < 1
            assert world.sender.closed
            assert world.receiver.closed
            assert session.closed
            assert world.connection.closed
            acceptor.read_on()
            await eventually(lambda: acceptor.engine.error is not None)
            assert isinstance(acceptor.engine.error, amqp10.ConnectionClosedByPeer)

    run(main)
