"""A broker that is killed as by kill -9: everyone who waits learns it at once, and what was accepted is still there."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import amqp10
from amqp10 import Header
from amqp10.asyncio import Receipt
from tests.asyncio.harness import eventually
from tests.brokers.conftest import FreshBroker
from tests.brokers.scenario import PATIENCE, contents, error_of, frozen, scenario
from tests.brokers.servers import Broker

ROOT = Path(__file__).parents[2]
BOUND = 5.0  # seconds from the kill to the last waiter's error
SENT = ("send", "send in mid-message", "flow: send_many", "outcome", "await receipt", "outcome of what blocks")
NOT_SENT = ("send that waits for room", "submit that waits for room", "send_many that waits for room")


class Program:
    """A process of waiters.py."""

    def __init__(self, broker: Broker, number: int, *arguments: str) -> None:
        addresses = [broker.address(f"q{3 * number + index}") for index in (1, 2, 3)]
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.brokers.waiters", broker.url, *addresses, *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        """Read what it says next."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def go_on(self) -> None:
        """Let it go on."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> tuple[int, str]:
        """Wait for its end; return its status and what it complained of."""
        _, errors = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, errors

    def kill(self) -> None:
        """End it if it has not ended."""
        self.process.kill()
        self.process.communicate()


def check(ends: dict[str, dict[str, Any]], killed: float) -> None:
    """See that each call ended in time with the right error."""
    late = {name: end["at"] - killed for name, end in ends.items() if not 0 <= end["at"] - killed < BOUND}
    assert not late
    assert ends.pop("close")["error"] is None, "what is over anyhow may be closed"
    wrong = {
        name: end for name, end in ends.items() if (end["error"], end.get("level")) != ("TransportError", "connection")
    }
    assert not wrong
    assert {name: ends[name]["state"] for name in SENT} == dict.fromkeys(SENT, "in-doubt")
    assert {name: ends[name]["state"] for name in NOT_SENT} == dict.fromkeys(NOT_SENT, "not-sent")
    assert len(ends) >= 20


@pytest.mark.timeout(180)
def test_everyone_who_waits_gets_a_transport_error(fresh_broker: FreshBroker, kind: str) -> None:
    """On either loop; the processes end by themselves, with status 0 and without a word of complaint."""
    broker = fresh_broker(kind)
    programs = [Program(broker, 0), Program(broker, 1, "uvloop")]
    try:
        assert [program.line() for program in programs] == ["flowing", "flowing"]
        with frozen(broker):
            for program in programs:
                program.go_on()
            assert [program.line() for program in programs] == ["waiting", "waiting"]
            for program in programs:
                program.go_on()
            killed = time.monotonic()
            broker.kill()
        for program in programs:
            check(json.loads(program.line()), killed)
            assert program.end() == (0, "")
    finally:
        for program in programs:
            program.kill()


@pytest.mark.timeout(180)
@scenario(150)
async def test_what_was_accepted_survives(fresh_broker: FreshBroker, kind: str) -> None:
    """Killed in the middle of durable messages and started again, the broker has every one that it accepted."""
    broker = fresh_broker(kind, persistent=True)
    address = broker.address("q1")
    accepted: set[int] = set()

    def note(receipt: Receipt) -> None:
        assert receipt.state == amqp10.Accepted()
        accepted.add(int.from_bytes(receipt.delivery_tag, "big"))

    connection = await amqp10.connect(broker.url)
    sender = await connection.open_sender(address, header=Header(durable=True), max_unsettled=1_000)
    sending = asyncio.create_task(sender.send_many((str(number) for number in range(10**9)), on_outcome=note))
    await eventually(lambda: len(accepted) > 3_000, within=PATIENCE)
    await asyncio.to_thread(broker.kill)
    error = await error_of(sending)
    assert type(error) is amqp10.TransportError
    summary: amqp10.SendSummary = error.summary  # type: ignore[attr-defined]
    assert summary.accepted == len(accepted)
    assert summary.in_doubt + summary.not_sent > 0
    await asyncio.to_thread(broker.restart)
    async with amqp10.connect(broker.url) as connection:
        came = [int(message.body) for message in await contents(connection, address, quiet=1.0, credit=1_000)]
    assert len(came) == len(set(came))
    assert accepted <= set(came)
    assert len(came) <= summary.accepted + summary.in_doubt


@pytest.mark.timeout(180)
@scenario(150)
async def test_durable_messages_survive_a_restart_of_artemis(fresh_broker: FreshBroker) -> None:
    """By the sender's header, or by the message's own; what is not durable is gone."""
    broker = fresh_broker("artemis", persistent=True)
    async with amqp10.connect(broker.url) as connection:
        async with connection.open_sender("kept", header=Header(durable=True)) as sender:
            await sender.send_many(range(100))
            await sender.send(amqp10.Message("not this one", header=Header(durable=False)))
        async with connection.open_sender("kept") as sender:
            await sender.send("nor this one")
            await sender.send(amqp10.Message("but this", header=Header(durable=True)))
        await asyncio.to_thread(broker.restart)
        await connection.wait_closed(timeout=PATIENCE)
    async with amqp10.connect(broker.url) as connection:
        came = [message.body for message in await contents(connection, "kept", quiet=1.0)]
    assert came == [*range(100), "but this"]


STOPPED = {
    "rabbitmq4": (amqp10.ConnectionClosedByPeer, amqp10.Condition.INTERNAL_ERROR),
    "artemis": (amqp10.ConnectionClosedByPeer, amqp10.Condition.CONNECTION_FORCED),
}


@pytest.mark.timeout(180)
@scenario(150)
async def test_a_broker_that_is_shut_down_says_so(fresh_broker: FreshBroker, kind: str) -> None:
    """RabbitMQ 3.10 in words that depend on which of its processes ends first."""
    broker = fresh_broker(kind)
    connection = await amqp10.connect(broker.url)
    receiver = await connection.open_receiver(broker.address("q1"))
    receiving = asyncio.create_task(receiver.receive())
    await asyncio.to_thread(broker.shut_down)
    error = await error_of(receiving)
    if kind == "rabbitmq3":
        assert isinstance(error, (amqp10.SessionEndedByPeer, amqp10.ConnectionClosedByPeer, amqp10.TransportError))
    else:
        assert (type(error), error.condition) == STOPPED[kind]
    assert error.retryable
    await connection.wait_closed(timeout=PATIENCE)
    assert connection.closed
    refused = await error_of(amqp10.connect(broker.url))
    assert isinstance(refused.__cause__, ConnectionRefusedError)
