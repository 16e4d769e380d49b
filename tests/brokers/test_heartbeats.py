"""Idle time-outs: heartbeats keep a connection alive in both directions, and silence ends it."""

import asyncio
import time
from collections.abc import Callable

import amqp10
from tests.brokers.scenario import PATIENCE, error_of, frozen, scenario
from tests.brokers.servers import Broker

NewQueue = Callable[[Broker], str]


def small_url(artemis: Broker) -> str:
    """The URL of the port that announces an idle time-out of a second, and frames of 512 bytes."""
    return artemis.url.replace(str(artemis.port), str(artemis.ports["small"]))


def sleeping(url: str) -> amqp10.AMQPError | None:
    """Open a connection whose loop then stands still for three seconds, and return its error."""

    async def sleep() -> amqp10.AMQPError | None:
        async with amqp10.connect(url) as connection:
            time.sleep(3)  # noqa: ASYNC251 - that is the point
            await asyncio.sleep(0.2)
            return connection.error

    return asyncio.run(sleep())


@scenario()
async def test_heartbeats_keep_an_idle_link_alive(artemis: Broker) -> None:
    """Over five seconds, with a peer that waits for one at most; a program that sends none is cut off meanwhile."""
    url = small_url(artemis)
    silent = asyncio.create_task(asyncio.to_thread(sleeping, url))
    async with amqp10.connect(url, idle_timeout=2.0) as connection:
        assert connection.remote_open.idle_time_out == 1_000
        async with connection.open_sender("idle") as sender, connection.open_receiver("idle") as receiver:
            writes = connection.counters.writes
            await asyncio.sleep(5.2)
            assert 5 <= connection.counters.writes - writes <= 25, "at half its time-out each, and not many more"
            await sender.send("alive", timeout=PATIENCE)
            delivery = await receiver.receive(timeout=PATIENCE)
            assert delivery.message.body == "alive"
            delivery.accept()
    error = await silent
    assert isinstance(error, (amqp10.ConnectionClosedByPeer, amqp10.TransportError))


@scenario()
async def test_brokers_keep_our_idle_timeout(broker: Broker, new_queue: NewQueue) -> None:
    """We advertise half of it, and they send as often."""
    address = new_queue(broker)
    async with (
        amqp10.connect(broker.url, idle_timeout=2.0) as connection,
        connection.open_receiver(address) as receiver,
    ):
        reads = connection.counters.reads
        assert type(await error_of(receiver.receive(timeout=3.0))) is amqp10.OperationTimeout
        assert connection.counters.reads - reads >= 2
        assert not connection.closed


@scenario()
async def test_a_broker_that_falls_silent(broker: Broker, new_queue: NewQueue) -> None:
    """After the idle time-out the connection is given up, and who waits is told."""
    connection = await amqp10.connect(broker.url, idle_timeout=2.0)
    receiver = await connection.open_receiver(new_queue(broker))
    start = time.monotonic()
    with frozen(broker):
        error = await error_of(receiver.receive(timeout=PATIENCE))
        passed = time.monotonic() - start
        assert (type(error), error.level, error.retryable) == (amqp10.TransportError, "connection", True)
        assert "idle time-out" in str(error)
        assert 0.9 <= passed < 10.0
        await connection.close()
    assert connection.closed
