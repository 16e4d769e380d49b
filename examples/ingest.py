"""Moves messages through a broker, checks that each one comes back once and unharmed, and prints the rates.

A sender and a receiver of the same queue run side by side. The queue must be empty at the start and nobody else's.

    python examples/ingest.py --start-broker --count 100000
    python examples/ingest.py --url amqp://user:password@host --address /queues/q1

With the extra "demo" (rich) and a terminal there is a progress bar, else a line now and then.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import amqp10

BROKERS = ("rabbitmq3", "rabbitmq4", "artemis")
INDEX_BYTES = 8
PATTERN = bytes(range(256))
REFRESH = 0.1
# A broker that moves nothing for so many seconds is not going to.
PATIENCE = 60.0


class IngestError(Exception):
    """A message was lost, came twice, came changed, or did not come at all."""


class Settings(argparse.Namespace):
    """What the command line says."""

    url: str
    address: str
    count: int
    size: int
    credit: int
    in_flight: int
    start_broker: str | None


@dataclass(slots=True)
class Tally:
    """What was sent and what came back.

    Attributes:
        size: bytes of each body: its index, then a pattern that depends on it.
        seen: a flag for each message that came.
        sent: messages handed to the sender.
        received: messages that came, each for the first time.
        sending: seconds until every outcome was in.
        receiving: seconds until every message was in.
    """

    count: int
    size: int
    sent: int = 0
    received: int = 0
    sending: float = 0.0
    receiving: float = 0.0
    seen: bytearray = field(init=False)
    _tails: list[bytes] = field(init=False)

    def __post_init__(self) -> None:
        length = self.size - INDEX_BYTES
        self.seen = bytearray(self.count)
        repeated = PATTERN * (length // len(PATTERN) + 2)
        self._tails = [repeated[start : start + length] for start in range(min(len(PATTERN), self.count))]

    def body(self, index: int) -> bytes:
        """Returns the body of a message."""
        return index.to_bytes(INDEX_BYTES, "big") + self._tails[index % len(PATTERN)]

    def bodies(self) -> Iterator[bytes]:
        """Yields all bodies, and counts them."""
        for index in range(self.count):
            self.sent += 1
            yield self.body(index)

    def check_in(self, body: object) -> None:
        """Takes note of a message that came; raises IngestError unless it is one of ours and new."""
        index = int.from_bytes(body[:INDEX_BYTES], "big") if isinstance(body, bytes) else -1
        if not 0 <= index < self.count or body != self.body(index):
            raise IngestError(f"a body came that was not sent: {body!r:.60} (was the queue empty?)")
        if self.seen[index]:
            raise IngestError(f"message {index} came twice (was the queue empty?)")
        self.seen[index] = 1
        self.received += 1


async def send(sender: amqp10.Sender, tally: Tally) -> None:
    """Sends everything, pipelined up to the sender's bounds."""
    start = time.perf_counter()
    summary = await sender.send_many(tally.bodies())
    tally.sending = time.perf_counter() - start
    if summary.accepted != tally.count:
        raise IngestError(f"not every message was accepted: {summary}")


async def receive(receiver: amqp10.Receiver, tally: Tally) -> None:
    """Receives, checks and accepts until everything is there."""
    start = time.perf_counter()
    async for delivery in receiver:
        tally.check_in(delivery.message.body)
        delivery.accept()
        if tally.received == tally.count:
            break
    tally.receiving = time.perf_counter() - start


async def watch(tally: Tally, display: "Display") -> None:
    """Shows how far it is until it is done; raises IngestError when nothing moves any more."""
    last, since = (-1, -1), time.monotonic()
    while tally.received < tally.count:
        display.show(tally.sent, tally.received)
        if (tally.sent, tally.received) != last:
            last, since = (tally.sent, tally.received), time.monotonic()
        elif time.monotonic() - since > PATIENCE:
            raise IngestError(
                f"nothing moved for {PATIENCE:.0f} s; {tally.count - tally.received} messages are missing"
            )
        await asyncio.sleep(REFRESH)
    display.show(tally.sent, tally.received)


async def ingest(settings: Settings, tally: Tally, display: "Display") -> None:
    """Moves all messages over one connection."""
    async with (
        amqp10.connect(settings.url) as connection,
        connection.open_receiver(settings.address, credit=settings.credit) as receiver,
        connection.open_sender(settings.address, max_unsettled=settings.in_flight) as sender,
        asyncio.TaskGroup() as tasks,
    ):
        tasks.create_task(watch(tally, display))
        tasks.create_task(receive(receiver, tally))
        tasks.create_task(send(sender, tally))


class Display(Protocol):
    """Shows how many messages were sent and received."""

    def show(self, sent: int, received: int) -> None:
        """Brings what is shown up to date."""

    def close(self) -> None:
        """Leaves the terminal as it should be."""


class LineDisplay:
    """A line for each tenth of the way, for logs and pipes."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._tenths = 0

    def show(self, sent: int, received: int) -> None:
        """Prints a line when another tenth has come."""
        tenths = received * 10 // self._count
        if tenths > self._tenths:
            self._tenths = tenths
            print(f"{tenths * 10:3d} %  sent {sent}, received {received}", flush=True)

    def close(self) -> None:
        """Does nothing."""


class BarDisplay:
    """Two progress bars, by rich."""

    def __init__(self, count: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description:>8}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns)
        self._sent = self._progress.add_task("sent", total=count)
        self._received = self._progress.add_task("received", total=count)
        self._progress.start()

    def show(self, sent: int, received: int) -> None:
        """Moves the bars."""
        self._progress.update(self._sent, completed=sent)
        self._progress.update(self._received, completed=received)

    def close(self) -> None:
        """Gives the cursor back."""
        self._progress.stop()


def make_display(count: int) -> Display:
    """Returns bars where they can be seen and rich is there, else lines."""
    if sys.stdout.isatty():
        try:
            return BarDisplay(count)
        except ModuleNotFoundError:
            pass
    return LineDisplay(count)


def rate(what: str, tally: Tally, seconds: float) -> str:
    """Returns a line about one direction."""
    per_second = tally.count / seconds
    return f"{what:>8}: {per_second:9,.0f} messages/s, {per_second * tally.size / 1e6:7.2f} MB/s, in {seconds:.2f} s"


def report(tally: Tally) -> None:
    """Prints the rates of a run that went well."""
    print(f"{tally.count} messages of {tally.size} bytes: all accepted, each received once, every body right")
    print(rate("sent", tally, tally.sending))
    print(rate("received", tally, tally.receiving))


def leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """Yields the exceptions in a group of groups."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        else:
            yield error


def run(settings: Settings) -> bool:
    """Moves the messages and prints how that went; tells whether it went well."""
    tally = Tally(settings.count, settings.size)
    display = make_display(settings.count)
    failures: list[BaseException] = []
    try:
        asyncio.run(ingest(settings, tally, display))
    except* (IngestError, amqp10.AMQPError) as group:
        failures += leaves(group)
    finally:
        display.close()
        if tally.received < tally.count or failures:
            print(f"of {tally.count} messages {tally.sent} were sent, {tally.received} received", file=sys.stderr)
    for failure in failures:
        print(f"{type(failure).__name__}: {failure}", file=sys.stderr)
    if not failures:
        report(tally)
    return not failures


def start_broker(kind: str, settings: Settings, stack: ExitStack) -> None:
    """Starts a broker of our own on a free port of loopback, to be stopped by the stack."""
    # Behind everything else: an installed amqp10 comes before the one in the checkout.
    sys.path.append(str(Path(__file__).resolve().parents[1]))
    from tests.brokers.process import BrokerError
    from tests.brokers.servers import start

    print(f"starting {kind} ...", flush=True)
    try:
        broker = stack.enter_context(start(kind))
    except BrokerError as error:
        sys.exit(str(error))
    print(f"{broker.name} {broker.version} runs on {broker.host}:{broker.port}")
    settings.url, settings.address = broker.url, broker.address("q1")


def parse(arguments: Sequence[str] | None) -> Settings:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--url", help="where the broker is: amqp://user:password@host:port or amqps://...")
    where.add_argument(
        "--start-broker",
        nargs="?",
        const=BROKERS[0],
        choices=BROKERS,
        metavar="NAME",
        help=f"start one of {', '.join(BROKERS)} (default {BROKERS[0]}), installed by tests/brokers/install",
    )
    parser.add_argument("--address", help="the queue, as the broker spells it: /queue/q, /queues/q, q")
    parser.add_argument("--count", type=positive, default=100_000, help="messages (default %(default)s)")
    parser.add_argument("--size", type=positive, default=100, help="bytes of a body, 8 or more (default %(default)s)")
    parser.add_argument("--credit", type=positive, default=1000, help="of the receiver (default %(default)s)")
    parser.add_argument(
        "--in-flight", type=positive, default=5000, help="messages without an outcome, at most (default %(default)s)"
    )
    settings = parser.parse_args(arguments, namespace=Settings())
    if settings.size < INDEX_BYTES:
        parser.error(f"--size must be {INDEX_BYTES} or more")
    if settings.url and not settings.address:
        parser.error("--url needs --address")
    return settings


def positive(text: str) -> int:
    """Converts an argument to a number of 1 or more."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is less than 1")
    return value


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line, and returns the exit status."""
    settings = parse(arguments)
    try:
        with ExitStack() as stack:
            if settings.start_broker:
                start_broker(settings.start_broker, settings, stack)
            return 0 if run(settings) else 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
