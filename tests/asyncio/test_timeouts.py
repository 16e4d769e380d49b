"""Every call that waits, out of time: at once and soon. The peer hears it later, and all is as it was."""

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import amqp10
from amqp10 import DeliverySendState, OperationTimeout, Timeouts
from tests.asyncio.broker import Behavior, Broker, hold
from tests.asyncio.harness import LoopName, eventually, run
from tests.asyncio.world import World, open_world

Call = Callable[[World, float], Coroutine[Any, Any, object]]
CASES: dict[str, tuple[Call, str, DeliverySendState | None, dict[str, Any]]] = {}
NOT_SENT, IN_DOUBT = DeliverySendState.NOT_SENT, DeliverySendState.IN_DOUBT


def case(level: str, state: DeliverySendState | None = None, **options: Any) -> Callable[[Call], Call]:
    """Add a call to those that are tried: in a world with these options, whose peer stopped reading.

    Args:
        level: of the error.
        state: its delivery_state.
        options: of the world.
    """

    def add(call: Call) -> Call:
        CASES[call.__name__] = (call, level, state, options)
        return call

    return add


@case("session")
async def open_session(world: World, timeout: float) -> None:
    await world.connection.open_session(timeout=timeout)


@case("link")
async def open_sender(world: World, timeout: float) -> None:
    await world.connection.open_sender("more", timeout=timeout)


@case("link")
async def open_receiver(world: World, timeout: float) -> None:
    await world.connection.open_receiver("more", timeout=timeout)


@case("delivery", IN_DOUBT)
async def send(world: World, timeout: float) -> None:
    await world.sender.send(world.message(), timeout=timeout)


@case("delivery", NOT_SENT, credit=0)
async def send_without_credit(world: World, timeout: float) -> None:
    await world.sender.send(world.message(), timeout=timeout)


@case("delivery", NOT_SENT, credit=0)
async def submit(world: World, timeout: float) -> None:
    _ = await world.sender.submit(world.message(), timeout=timeout)


@case("delivery", IN_DOUBT)
async def outcome(world: World, timeout: float) -> None:
    await world.sender.send_nowait(world.message()).outcome(timeout=timeout)


@case("delivery", IN_DOUBT)
async def send_many(world: World, timeout: float) -> None:
    await world.sender.send_many([world.message() for _ in range(5)], timeout=timeout)


@case("delivery", NOT_SENT, credit=3)
async def send_many_without_credit(world: World, timeout: float) -> None:
    await world.sender.send_many([world.message() for _ in range(5)], timeout=timeout)


@case("link")
async def flush(world: World, timeout: float) -> None:
    _ = world.sender.send_nowait(world.message())
    await world.sender.flush(timeout=timeout)


@case("link")
async def receive(world: World, timeout: float) -> None:
    await world.receiver.receive(timeout=timeout)


@case("link")
async def receive_many(world: World, timeout: float) -> None:
    await world.receiver.receive_many(5, timeout=timeout)


@case("link", receiver={"credit": 0})
async def drain(world: World, timeout: float) -> None:
    world.receiver.add_credit(3)
    await world.receiver.drain(timeout=timeout)


@case("link")
async def close_sender(world: World, timeout: float) -> None:
    await world.sender.close(timeout=timeout)


@case("link")
async def close_sender_with_outcomes_missing(world: World, timeout: float) -> None:
    _ = world.sender.send_nowait(world.message())
    await world.sender.close(timeout=timeout)


@case("link")
async def detach_receiver(world: World, timeout: float) -> None:
    await world.receiver.detach(timeout=timeout)


@case("connection")
async def wait_closed(world: World, timeout: float) -> None:
    await world.connection.wait_closed(timeout=timeout)


@pytest.mark.parametrize("timeout", [0, 0.01])
@pytest.mark.parametrize("name", CASES)
def test_every_call(name: str, timeout: float) -> None:
    call, level, state, options = CASES[name]

    async def main() -> None:
        async with open_world(**options) as world:
            acceptor = world.broker.acceptors[0]
            acceptor.stop_reading()
            began = time.monotonic()
            with pytest.raises(OperationTimeout, match=f"took longer than {timeout:g} s") as caught:
                await call(world, timeout)
            assert time.monotonic() - began < 5
            assert caught.value.level == level
            assert caught.value.delivery_state is state
            assert caught.value.retryable
            assert isinstance(caught.value, TimeoutError)
            acceptor.read_on()
            world.broker.behavior.credit = 1000
            if not world.sender.closed and not options.get("credit", 1):
                world.broker.give_credit("in", 1000)
            if world.receiver._engine.credit.window == 0:
                world.receiver.add_credit(10)
            await world.check()

    run(main)


def test_what_a_send_many_says_of_itself_when_time_is_up() -> None:
    async def main() -> None:
        async with open_world(credit=3) as world:
            world.broker.acceptors[0].stop_reading()
            with pytest.raises(OperationTimeout) as caught:
                await world.sender.send_many([world.message() for _ in range(5)], timeout=0.01)
            summary = caught.value.summary  # type: ignore[attr-defined]
            assert (summary.accepted, summary.failed, summary.not_sent, summary.in_doubt) == (0, 0, 1, 3)
            world.broker.acceptors[0].read_on()
            await world.check()

    run(main)


@pytest.mark.parametrize("timeout", [0, 0.01])
def test_the_end_of_a_session_that_is_not_answered(timeout: float) -> None:
    async def main() -> None:
        async with open_world() as world:
            session = await world.connection.open_session()
            world.broker.acceptors[0].stop_reading()
            with pytest.raises(OperationTimeout, match="ending the session") as caught:
                await session.close(timeout=timeout)
            assert caught.value.level == "session"
            assert session.closed
            world.broker.acceptors[0].read_on()
            await world.check()

    run(main)


@pytest.mark.parametrize("timeout", [0, 0.01])
def test_the_end_of_a_connection_that_is_not_answered(timeout: float) -> None:
    async def main() -> None:
        async with Broker() as broker:
            connection = await amqp10.connect(broker.url())
            broker.acceptors[0].stop_reading()
            with pytest.raises(OperationTimeout, match="closing the connection") as caught:
                await connection.close(timeout=timeout)
            assert caught.value.level == "connection"
            assert connection.closed
            await connection.wait_closed(timeout=5)

    run(main)


@pytest.mark.parametrize("timeout", [0, 0.01])
def test_a_settlement_that_is_not_confirmed(timeout: float) -> None:
    async def main() -> None:
        async with open_world(receiver={"credit": 5, "rcv_settle_mode": 1}) as world:
            world.queue(1)
            delivery = await world.receiver.receive()
            world.broker.acceptors[0].stop_reading()
            world.take(delivery)
            with pytest.raises(OperationTimeout) as caught:
                await delivery.wait_settled(timeout=timeout)
            assert caught.value.level == "delivery"
            world.broker.acceptors[0].read_on()
            assert await delivery.wait_settled() == amqp10.Accepted()
            await world.check()

    run(main)


@pytest.mark.parametrize("timeout", [0, 0.01])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_connecting_to_who_says_nothing(timeout: float, loop: LoopName) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            with pytest.raises(OperationTimeout, match=f"connecting to 127.0.0.1 port {port} took longer") as caught:
                await amqp10.connect(f"amqp://127.0.0.1:{port}", timeout=timeout)
            assert caught.value.level == "connection"
            assert not isinstance(caught.value, amqp10.TransportError)

    run(main, loop=loop)


def test_a_peer_that_says_nothing_is_not_waited_for_beyond_the_idle_timeout() -> None:
    """Even where opening has no limit of its own."""

    async def main(port: int, **options: Any) -> None:
        with pytest.raises(amqp10.TransportError, match=r"silent for 0\.05 seconds"):
            await amqp10.connect(f"amqp://127.0.0.1:{port}", timeout=None, idle_timeout=0.05, **options)

    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        run(lambda: main(port))
        run(lambda: main(port, sasl=None))


def test_what_is_there_is_given_even_without_time() -> None:
    async def main() -> None:
        async with open_world() as world:
            world.queue(2)
            await eventually(lambda: world.receiver.queued == 2)
            world.take(await world.receiver.receive(timeout=0))
            world.take(*await world.receiver.receive_many(5, timeout=0))
            receipt = await world.sender.submit(world.message(), timeout=0)
            await receipt
            assert await receipt.outcome(timeout=0) == amqp10.Accepted()
            await world.sender.flush(timeout=0)
            await world.check()

    run(main)


def test_one_budget_for_all_the_waits_of_a_call() -> None:
    """Credit comes when most of the time is gone; the outcome never does."""

    async def main() -> None:
        async with open_world(credit=0) as world:
            world.broker.behavior.decide = hold
            loop = asyncio.get_running_loop()
            loop.call_later(0.15, world.broker.give_credit, "in", 1000)
            began = loop.time()
            with pytest.raises(OperationTimeout) as caught:
                await world.sender.send(world.message(), timeout=0.2)
            assert 0.15 < loop.time() - began < 0.32
            assert caught.value.delivery_state is IN_DOUBT
            world.broker.settle_held()
            world.broker.behavior = Behavior()
            await world.check()

    run(main)


def test_defaults_of_the_connection() -> None:
    """Each kind of call takes its own where it does not say; None overrides."""
    timeouts = Timeouts(open=0.01, attach=0.02, drain=0.03, settle=0.04, close=0.05, send=0.06, receive=0.07)

    async def main() -> None:
        behavior = Behavior(ignore=frozenset({"nobody"}))
        async with Broker(behavior) as broker:
            connection = await amqp10.connect(broker.url(), timeouts=timeouts, timeout=10)
            sender = await connection.open_sender("in", timeout=10)
            receiver = await connection.open_receiver("out", credit=0, timeout=10)
            receiver.add_credit(1)
            behavior.decide = hold
            waits: dict[float, Coroutine[Any, Any, object]] = {
                0.02: open_it(connection.open_sender("nobody")),
                0.06: sender.send(b"x"),
                0.07: receiver.receive(),
            }
            for seconds, wait in waits.items():
                with pytest.raises(OperationTimeout, match=f"longer than {seconds} s"):
                    await wait
            broker.acceptors[0].stop_reading()
            waits = {
                0.01: open_it(connection.open_session()),
                0.03: receiver.drain(),
                0.05: sender.close(),
            }
            for seconds, wait in waits.items():
                with pytest.raises(OperationTimeout, match=f"longer than {seconds} s"):
                    await wait
            with pytest.raises(TimeoutError):  # asyncio's own, as ours has no limit
                await asyncio.wait_for(receiver.receive(timeout=None), 0.1)
            with pytest.raises(OperationTimeout, match=r"longer than 0\.05 s"):
                await connection.close()

    async def open_it(opening: amqp10.Opening[Any]) -> object:
        return await opening

    run(main)
