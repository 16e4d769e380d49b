"""Peers that do not read, or are slow: everything else goes on, and memory stays within the bounds."""

import asyncio
import socket
import tracemalloc
from collections.abc import AsyncIterator, Iterator

import pytest

import amqp10
from amqp10 import Limits, OperationTimeout
from tests.asyncio.broker import Acceptor, Behavior, Broker, hold
from tests.asyncio.harness import LoopName, eventually, report, run

LOOPS = ["asyncio", "uvloop"]
MAX_OUTPUT = 65_536
TRANSPORT = 65_536  # asyncio's high-water mark: what comes once it is passed waits with us


def written(connection: amqp10.Connection) -> int:
    """Count the bytes that wait to be taken by the socket."""
    transport = connection._driver.transport
    assert transport is not None
    return len(connection._engine.writer) + transport.get_write_buffer_size()


async def fill(connection: amqp10.Connection, sender: amqp10.Sender, acceptor: Acceptor) -> "asyncio.Task[object]":
    """Have the peer read no more, and send until nothing goes."""
    acceptor.stop_reading()

    def endless() -> Iterator[bytes]:
        while True:
            yield b"x" * 1000

    task: asyncio.Task[object] = asyncio.create_task(sender.send_many(endless()))
    await eventually(lambda: connection._driver._paused, "the transport takes no more")
    await eventually(lambda: sender._waiting, "the sender waits")
    return task


@pytest.mark.parametrize("loop", LOOPS)
def test_a_peer_that_stops_reading(loop: LoopName) -> None:
    async def main() -> None:
        behavior = Behavior(credit=100_000, incoming_window=1_000_000)
        limits = Limits(max_output=MAX_OUTPUT)
        async with Broker(behavior, receive_buffer=4096) as broker:
            opening = amqp10.connect(broker.url(), limits=limits, idle_timeout=0.4)
            connection = await opening
            sender = await connection.open_sender("in")
            receiver = await connection.open_receiver("out", credit=20)
            manual = await connection.open_receiver("other", credit=0)
            manual.add_credit(5)
            acceptor = broker.acceptors[0]
            await eventually(lambda: broker.credit_from("out") == 20)
            flood = await fill(connection, sender, acceptor)
            assert written(connection) < 2 * (MAX_OUTPUT + TRANSPORT)

            # What comes is received and settled; the credit for more stays here as long as it cannot be sent.
            broker.put("out", *range(50))
            deliveries = [await receiver.receive(timeout=5) for _ in range(20)]
            assert [delivery.message.body for delivery in deliveries] == list(range(20))
            receiver.accept(deliveries)
            assert receiver.receive_nowait() is None

            # Time-outs come when they should, whatever is waited for.
            asyncio_loop = asyncio.get_running_loop()
            for call in (sender.flush, receiver.receive, manual.drain, connection.open_session):
                began = asyncio_loop.time()
                with pytest.raises(OperationTimeout):
                    await call(timeout=0.05)
                assert asyncio_loop.time() - began < 2

            # The peer's heartbeats are heard: ours would have ended the connection twice by now.
            await asyncio.sleep(0.8)
            assert not connection.closed
            assert written(connection) < 2 * (MAX_OUTPUT + TRANSPORT)

            # When it reads on, all goes on.
            acceptor.read_on()
            deliveries = [await receiver.receive(timeout=5) for _ in range(20)]
            receiver.accept(deliveries)
            await eventually(lambda: broker.received > 1000)
            flood.cancel()
            await asyncio.wait([flood])
            await sender.flush(timeout=10)
            await connection.close()

    run(main, loop=loop, debug=False)


@pytest.mark.parametrize("loop", LOOPS)
def test_closing_while_the_peer_does_not_read(loop: LoopName) -> None:
    async def main() -> None:
        behavior = Behavior(credit=100_000, incoming_window=1_000_000)
        async with Broker(behavior, receive_buffer=4096) as broker:
            connection = await amqp10.connect(broker.url())
            sender = await connection.open_sender("in")
            other = await connection.open_receiver("out")
            flood = await fill(connection, sender, broker.acceptors[0])
            began = asyncio.get_running_loop().time()
            with pytest.raises(OperationTimeout):
                await other.close(timeout=0.1)
            with pytest.raises(OperationTimeout):
                await sender.close(timeout=0.1)
            with pytest.raises(amqp10.LinkClosed) as caught:
                await flood
            assert caught.value.summary.in_doubt > 0  # type: ignore[attr-defined]
            with pytest.raises(OperationTimeout):
                await connection.close(timeout=0.1)
            assert asyncio.get_running_loop().time() - began < 2
            await connection.wait_closed(timeout=2)

    run(main, loop=loop, debug=False)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_peer_that_does_not_read_for_longer_than_it_speaks(loop: LoopName) -> None:
    """Neither reading nor heartbeats: the idle time-out ends the connection, full buffers or not."""

    async def main() -> None:
        behavior = Behavior(credit=100_000, incoming_window=1_000_000)
        async with Broker(behavior, receive_buffer=4096) as broker:
            connection = await amqp10.connect(broker.url(), idle_timeout=0.2)
            sender = await connection.open_sender("in")
            broker.acceptors[0].freeze()
            flood = await fill(connection, sender, broker.acceptors[0])
            with pytest.raises(amqp10.TransportError, match="silent for"):
                await flood
            await connection.wait_closed(timeout=5)

    run(main, loop=loop, debug=False)


class SlowlyAccepting:
    """Has a broker accept what it holds, little by little."""

    def __init__(self, broker: Broker, count: int, every: float) -> None:
        self._broker = broker
        self._count = count
        self._every = every

    async def run(self) -> None:
        """Go on for ever."""
        while True:
            await asyncio.sleep(self._every)
            held, self._broker.held = self._broker.held[: self._count], self._broker.held[self._count :]
            for delivery in held:
                delivery.accept()


@pytest.mark.parametrize("kind", ["iterable", "async iterable"])
def test_ten_million_messages_to_a_slow_peer(kind: str) -> None:
    """What is under way stays within the sender's bounds, in bytes and in number."""
    max_bytes, max_count, size = 400_000, 700, 1000
    taken = 0

    def many() -> Iterator[bytes]:
        nonlocal taken
        for _ in range(10_000_000):
            taken += 1
            yield b"x" * size

    async def many_async() -> AsyncIterator[bytes]:
        for message in many():
            yield message

    async def main() -> None:
        async with Broker(Behavior(credit=100_000, decide=hold, keep=False)) as broker:  # noqa: SIM117
            async with amqp10.connect(broker.url()) as connection:
                sender = await connection.open_sender(
                    "in", max_unsettled=max_count, max_unsettled_bytes=max_bytes, timeout=None
                )
                slow = asyncio.create_task(SlowlyAccepting(broker, 40, 0.002).run())
                task = asyncio.create_task(sender.send_many(many() if kind == "iterable" else many_async()))
                await eventually(lambda: taken > 1000)
                tracemalloc.start()
                most_bytes = most = 0
                while taken < 15_000:
                    await asyncio.sleep(0.003)
                    most_bytes = max(most_bytes, sender.unsettled_bytes)
                    most = max(most, sender.unsettled)
                    assert written(connection) < 1_000_000
                grown, _ = tracemalloc.get_traced_memory()
                tracemalloc.stop()
                assert max_bytes // 2 < most_bytes <= max_bytes
                assert most <= max_bytes // size
                assert grown < 4 * max_bytes
                task.cancel()
                await asyncio.wait([task])
                with pytest.raises(asyncio.CancelledError) as caught:
                    task.result()
                summary = caught.value.summary  # type: ignore[attr-defined]
                assert summary.failed == 0
                assert summary.accepted + summary.in_doubt + summary.not_sent == taken
                assert summary.in_doubt <= max_count
                assert summary.not_sent <= 1
                await sender.flush(timeout=10)
                slow.cancel()
                await asyncio.wait([slow])

    run(main, debug=False)


def test_the_bound_on_their_number() -> None:
    async def main() -> None:
        async with Broker(Behavior(decide=hold)) as broker, amqp10.connect(broker.url()) as connection:
            sender = await connection.open_sender("in", max_unsettled=5)
            for number in range(5):
                _ = sender.send_nowait(number)
            with pytest.raises(amqp10.BufferFull, match="max_unsettled"):
                _ = sender.send_nowait(5)
            waiting = asyncio.create_task(sender.submit(5))
            await eventually(lambda: len(broker.held) == 5)
            assert not waiting.done()
            broker.held.pop(0).accept()
            receipt = await waiting
            await eventually(lambda: len(broker.held) == 5)
            broker.settle_held()
            assert await receipt == amqp10.Accepted()
            await sender.flush()

    run(main)


def test_who_gives_up_a_place_lets_the_next_go_on() -> None:
    """A large message waits for room that a small one behind it would have."""

    async def main() -> None:
        async with Broker(Behavior(decide=hold)) as broker, amqp10.connect(broker.url()) as connection:
            sender = await connection.open_sender("in", max_unsettled_bytes=1000)
            _ = sender.send_nowait(b"a" * 600)
            large = asyncio.create_task(sender.submit(b"b" * 900))
            small = asyncio.create_task(sender.submit(b"c" * 100))
            await asyncio.sleep(0.01)
            assert not small.done()
            large.cancel()
            _ = await asyncio.wait_for(small, 5)
            await eventually(lambda: len(broker.held) == 2)
            broker.settle_held()
            await sender.flush()
            assert [len(body) for body in broker.bodies("in")] == [600, 100]

    run(main)


def test_a_message_beyond_the_bound_goes_alone() -> None:
    async def main() -> None:
        async with Broker() as broker, amqp10.connect(broker.url()) as connection:
            sender = await connection.open_sender("in", max_unsettled_bytes=1000)
            await sender.send(b"x" * 5000)
            summary = await sender.send_many([b"x" * 5000] * 3)
            assert summary.accepted == 3
            assert len(broker.bodies("in")) == 4

    run(main)


# --- large messages ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("size", [1 << 20, 20 << 20])
def test_a_large_message_lets_others_have_their_turn(size: int, loop: LoopName) -> None:
    """In frames of 4 KiB, while small messages pass on another link; it is never copied whole into the output."""
    large = bytes(range(256)) * (size // 256)

    async def main() -> None:
        behavior = Behavior(max_frame_size=4096)
        async with Broker(behavior, receive_buffer=32_768) as broker:
            # What the kernel has taken has had its turn: let that be little.
            sock = socket.create_connection(("127.0.0.1", broker.port))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32_768)
            connection = await amqp10.connect(broker.url(), max_frame_size=4096, sock=sock)
            sender = await connection.open_sender("large")
            small = await connection.open_sender("small")
            sending = asyncio.create_task(sender.send(large))
            passed = most = 0
            while not sending.done():
                await small.send(passed)
                passed += 1
                most = max(most, written(connection))
            await sending
            assert passed >= size >> 19
            assert most < 1_000_000
            assert broker.bodies("large") == [large]

            receiver = await connection.open_receiver("large")
            others = await connection.open_receiver("small")
            taken = 0
            receiving = asyncio.create_task(receiver.receive())
            while not receiving.done() and taken < passed:
                (await others.receive()).accept()
                taken += 1
            delivery = await receiving
            assert delivery.message.body == large
            delivery.accept()
            await eventually(lambda: len(broker.outcomes) > taken)
            report(f"{size} bytes: {passed} messages passed it, {taken} the other way")
            await connection.close()

    run(main, loop=loop, debug=False)


def test_a_large_message_that_is_cancelled_is_aborted() -> None:
    """The peer stops reading in its midst; given up, the rest never leaves, and the link goes on."""

    async def main() -> None:
        async with Broker(receive_buffer=4096) as broker, amqp10.connect(broker.url()) as connection:
            sender = await connection.open_sender("in")
            acceptor = broker.acceptors[0]
            acceptor.stop_reading()
            credit = sender.link_credit
            task = asyncio.create_task(sender.send(b"x" * 20_000_000))
            await eventually(lambda: connection._driver._paused)
            waiting = asyncio.create_task(sender.send(b"small"))
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            assert sender.unsettled == 0
            acceptor.read_on()
            await waiting
            assert broker.bodies("in") == [b"small"]
            await eventually(lambda: sender.link_credit == broker.link("in").credit.link_credit)  # type: ignore[attr-defined]
            assert sender.link_credit >= credit - 2

    run(main)


def test_a_large_message_out_of_time_was_not_sent() -> None:
    async def main() -> None:
        async with Broker(receive_buffer=4096) as broker, amqp10.connect(broker.url()) as connection:
            sender = await connection.open_sender("in")
            broker.acceptors[0].stop_reading()
            with pytest.raises(OperationTimeout) as caught:
                await sender.send(b"x" * 20_000_000, timeout=0.05)
            assert caught.value.delivery_state is amqp10.DeliverySendState.NOT_SENT
            broker.acceptors[0].read_on()
            await sender.send(b"small")
            assert broker.bodies("in") == [b"small"]

    run(main)
