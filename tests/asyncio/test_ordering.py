"""Many tasks on one link: in the order of their calls, without lost wake-ups; and turns for everybody else."""

import asyncio
import random
import time
from contextlib import suppress
from typing import Self

import pytest

import amqp10
from tests.asyncio.broker import Behavior, Broker, hold
from tests.asyncio.harness import LoopName, eventually, run

TASKS = 500


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_sends_leave_in_the_order_of_their_calls(seed: int, loop: LoopName) -> None:
    """500 tasks, little credit, small bounds, random cancellation: no send overtakes, none waits for ever."""
    chance = random.Random(seed)
    called: list[int] = []
    done: list[int] = []
    cancelled = 0

    async def work(sender: amqp10.Sender) -> None:
        for _ in range(3):
            number = len(called)
            called.append(number)  # nothing suspends between here and the call
            if chance.random() < 0.5:
                await sender.send(number)
            else:
                await (await sender.submit(number))
            done.append(number)

    async def main() -> None:
        nonlocal cancelled
        async with Broker(Behavior(credit=7, decide=hold, delay=0.001)) as broker:
            async with amqp10.connect(broker.url()) as connection:
                sender = await connection.open_sender("in", max_unsettled=5)
                tasks = [asyncio.create_task(work(sender)) for _ in range(TASKS)]
                while running := [task for task in tasks if not task.done()]:
                    victim = chance.choice(running)
                    if chance.random() < 0.4 and len(running) > TASKS // 2:
                        victim.cancel()
                        cancelled += 1
                    await asyncio.sleep(chance.choice([0, 0, 0.0005]))
                await sender.flush(timeout=5)
                assert sender.unsettled == 0
                assert not sender._waiting
            arrived = broker.bodies("in")
            assert arrived == sorted(arrived)
            assert set(done) <= set(arrived) <= set(called)

    run(main, loop=loop, debug=False)
    assert cancelled > 50
    assert len(done) > TASKS


def test_a_send_that_does_not_wait_never_overtakes_one_that_does() -> None:
    async def main() -> None:
        async with Broker() as broker, amqp10.connect(broker.url()) as connection:
            sender = await connection.open_sender("in")
            sender._driver._count = 10_000  # the next has to give way
            first = asyncio.create_task(sender.send("first"))
            await asyncio.sleep(0)
            with pytest.raises(amqp10.BufferFull, match="1 sends wait before it") as caught:
                _ = sender.send_nowait("second")
            assert caught.value.delivery_state is amqp10.DeliverySendState.NOT_SENT
            await first
            _ = sender.send_nowait("second")
            await sender.flush()
            assert broker.bodies("in") == ["first", "second"]

    run(main)


def test_who_lets_the_loop_have_its_turn_keeps_its_place() -> None:
    """Every submit gives way now and then; others that come meanwhile stay behind."""

    async def work(sender: amqp10.Sender, called: list[int]) -> None:
        for _ in range(300):
            called.append(len(called))
            _ = await sender.submit(called[-1])

    async def main() -> None:
        async with Broker(Behavior(credit=10_000)) as broker, amqp10.connect(broker.url()) as connection:
            sender = await connection.open_sender("in")
            called: list[int] = []
            await asyncio.gather(*(work(sender, called) for _ in range(7)))
            await sender.flush()
            assert connection.counters.yields >= 7 * 300 // 256
            assert broker.bodies("in") == called

    run(main)


def test_turns_that_are_given_up_do_not_hold_up_others() -> None:
    """The first of those that wait for the loop's turn is cancelled there."""

    async def main() -> None:
        async with Broker() as broker, amqp10.connect(broker.url()) as connection:
            sender = await connection.open_sender("in")
            sender._driver._count = 10_000  # the next has to give way
            tasks = [asyncio.create_task(sender.send(number)) for number in range(3)]
            await asyncio.sleep(0)
            assert len(sender._waiting) == 3
            tasks[0].cancel()
            await asyncio.wait(tasks, timeout=5)
            assert tasks[0].cancelled()
            assert broker.bodies("in") == [1, 2]

    run(main)


@pytest.mark.parametrize("how", ["cancelled", "timed out"])
def test_a_send_given_up_before_credit_comes_is_not_sent(how: str) -> None:
    """The end of its time, or its cancellation, comes in the same turn of the loop as the credit, just before it."""

    async def main() -> None:
        async with Broker(Behavior(credit=0)) as broker, amqp10.connect(broker.url()) as connection:
            sender = await connection.open_sender("in")
            tasks = [asyncio.create_task(sender.send(number)) for number in range(3)]
            await asyncio.sleep(0)
            serve = sender._serve

            def give_up_first() -> None:
                if how == "cancelled":
                    tasks[1].cancel()
                else:
                    second = list(sender._waiting)[1]
                    if not second.done():
                        second.set_exception(amqp10.OperationTimeout("now"))
                del sender._serve
                serve()

            sender._serve = give_up_first  # type: ignore[method-assign]
            broker.give_credit("in", 3)
            await asyncio.wait(tasks, timeout=5)
            assert [task.cancelled() or task.exception() is not None for task in tasks] == [False, True, False]
            assert broker.bodies("in") == [0, 2]
            assert sender._engine.delivery_count == 2

    run(main)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_receives_lose_nothing_when_some_are_cancelled(seed: int, loop: LoopName) -> None:
    chance = random.Random(seed)
    got: list[int] = []

    async def work(receiver: amqp10.Receiver) -> None:
        delivery = await receiver.receive()
        got.append(delivery.message.body)
        delivery.accept()

    async def main() -> None:
        async with Broker() as broker, amqp10.connect(broker.url()) as connection:
            receiver = await connection.open_receiver("out", credit=20)
            tasks = [asyncio.create_task(work(receiver)) for _ in range(TASKS)]
            await asyncio.sleep(0)
            put = 0
            while running := [task for task in tasks if not task.done()]:
                if chance.random() < 0.3 and len(running) > TASKS // 3:
                    chance.choice(running).cancel()
                burst = chance.randrange(4)
                if put < len(got) + len(running):
                    broker.put("out", *range(put, put + burst))
                    put += burst
                await asyncio.sleep(chance.choice([0, 0, 0.0005]))
            while len(got) < put:  # what is left after cancelled ones
                await work(receiver)
            assert receiver.receive_nowait() is None
            await eventually(lambda: len(broker.outcomes) == put)

    run(main, loop=loop, debug=False)
    assert sorted(got) == list(range(len(got)))
    assert len(got) > TASKS // 3


def test_deliveries_go_to_receives_in_order() -> None:
    async def main() -> None:
        async with Broker() as broker, amqp10.connect(broker.url()) as connection:
            receiver = await connection.open_receiver("out", credit=TASKS)
            tasks = [asyncio.create_task(receiver.receive()) for _ in range(TASKS)]
            await asyncio.sleep(0)
            assert receiver.receive_nowait() is None
            broker.put("out", *range(TASKS))
            deliveries = await asyncio.gather(*tasks)
            assert [delivery.message.body for delivery in deliveries] == list(range(TASKS))
            receiver.accept(deliveries)
            await eventually(lambda: len(broker.outcomes) == TASKS)

    run(main)


# --- turns for others -------------------------------------------------------------------------------------------------


class Ticker:
    """A task that wants to run every 5 ms; notes for how long at worst others were busy between two of its turns.

    Busy is what the thread's own clock counts: how busy the machine is does not matter.
    """

    def __init__(self) -> None:
        self.worst = 0.0
        self.ticks = 0

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._tick())
        await asyncio.sleep(0.02)
        self.worst = 0.0
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _tick(self) -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.005)
            self.worst = max(self.worst, time.thread_time() - before - 0.005)
            self.ticks += 1


def work(seconds: float) -> None:
    """Keep the processor busy."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


MESSAGES, WORK = 500, 0.002


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("how", ["receive", "iterate", "receive_many"])
def test_prefetched_messages_do_not_starve_the_loop(how: str, loop: LoopName) -> None:
    """500 messages are there, each takes 2 ms of work: timers are served meanwhile, and accepts leave."""

    async def consume(receiver: amqp10.Receiver, handle: "Handle") -> None:
        if how == "iterate":
            async for delivery in receiver:
                if handle(delivery):
                    break
            return
        done = False
        while not done:
            if how == "receive":
                done = handle(await receiver.receive())
            else:
                for delivery in await receiver.receive_many(5):
                    done = handle(delivery)

    class Handle:
        """What the application does with a message."""

        def __init__(self, broker: Broker) -> None:
            self.count = 0
            self.accepted_at: list[int] = []
            self._broker = broker

        def __call__(self, delivery: amqp10.Delivery) -> bool:
            work(WORK)
            delivery.accept()
            self.count += 1
            self.accepted_at.append(len(self._broker.outcomes))
            return self.count == MESSAGES

    async def main() -> float:
        async with Broker() as broker, amqp10.connect(broker.url()) as connection:
            receiver = await connection.open_receiver("out", credit=MESSAGES)
            broker.put("out", *range(MESSAGES))
            await eventually(lambda: receiver.queued == MESSAGES)
            handle = Handle(broker)
            async with Ticker() as ticker:
                await consume(receiver, handle)
            assert ticker.ticks > MESSAGES * WORK / 0.1
            behind = [at - accepted for at, accepted in enumerate(handle.accepted_at)]
            assert max(behind) < 100, "accepts leave while more is worked on"
            return ticker.worst

    assert run(main, loop=loop, debug=False) < 0.05 + WORK


@pytest.mark.parametrize("how", ["submit", "send_many"])
def test_sending_without_waiting_does_not_starve_the_loop(how: str) -> None:
    count = 3000

    async def main() -> None:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        async with Broker(Behavior(credit=count)) as broker, amqp10.connect(broker.url()) as connection:
            sender = await connection.open_sender("in")
            task = asyncio.create_task(other())
            if how == "submit":
                for number in range(count):
                    _ = await sender.submit(number)
                assert turns >= count // 256
            else:
                await sender.send_many(range(count))
            assert connection.counters.yields >= count // 256
            task.cancel()
            await sender.flush()
            assert broker.bodies("in") == list(range(count))
            await asyncio.wait([task])

    run(main)


def test_nothing_suspends_while_there_is_something_to_do() -> None:
    """Deliveries that are there and credit that is there need no turn of the loop, but for one in 256."""

    async def main() -> None:
        async with Broker() as broker, amqp10.connect(broker.url()) as connection:
            sender = await connection.open_sender("in")
            receiver = await connection.open_receiver("out", credit=100)
            broker.put("out", *range(100))
            await eventually(lambda: receiver.queued == 100)
            await asyncio.sleep(0)
            reads = connection.counters.reads
            suspended = False

            def note() -> None:
                nonlocal suspended
                suspended = True

            asyncio.get_running_loop().call_soon(note)
            for number in range(100):
                (await receiver.receive()).accept()
                _ = await sender.submit(number)
            assert not suspended or connection.counters.yields
            assert connection.counters.reads - reads <= connection.counters.yields
            await sender.flush()

    run(main)
