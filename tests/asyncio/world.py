"""A connection with a link each way, for tests that break a call off and then look whether everything is as it was."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import amqp10
from amqp10.engine import Receiver, Sender
from tests.asyncio.broker import Behavior, Broker, hold
from tests.asyncio.harness import eventually

__all__ = ["World", "open_world"]


@dataclass
class World:
    """What a call is tried in.

    Attributes:
        broker: the peer.
        connection: with the two links on it, each in a session of its own.
        sender: to the broker's queue "in".
        receiver: from the broker's queue "out".
        put: bodies that were queued in "out".
        taken: bodies of what came from there.
        maybe: bodies whose send was begun.
        sure: bodies whose send succeeded.
        announced: calls of `queue_later` whose time has not come.
    """

    broker: Broker
    connection: amqp10.Connection
    sender: amqp10.Sender
    receiver: amqp10.Receiver
    put: list[int] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)
    maybe: list[Any] = field(default_factory=list)
    sure: list[Any] = field(default_factory=list)
    announced: int = 0

    def queue(self, count: int) -> None:
        """Have the broker queue messages in "out"."""
        first = len(self.put)
        self.put += range(first, first + count)
        self.broker.put("out", *range(first, first + count))

    def queue_later(self, count: int) -> None:
        """Have the broker queue messages when everybody waits."""

        def put() -> None:
            self.announced -= 1
            self.queue(count)

        self.announced += 1
        asyncio.get_running_loop().call_later(0.003, put)

    def take(self, *deliveries: amqp10.Delivery) -> None:
        """Note what came, and accept it."""
        for delivery in deliveries:
            self.taken.append(delivery.message.body)
            delivery.accept()

    def message(self) -> int:
        """Return the body of the next message to send."""
        body = len(self.maybe)
        self.maybe.append(body)
        return body

    async def check(self) -> None:
        """See that all is as it was before the call, and that link and connection still work."""
        await eventually(lambda: not self.announced, "what is queued later is queued")
        await self._check_links()
        await self._check_settled()
        await self._check_receiving()
        await self._check_sending()
        assert self.connection._engine.watchers == []
        assert not self.connection.closed

    async def _check_settled(self) -> None:
        sender, broker = self.sender, self.broker
        if not sender.closed:
            assert not sender._waiting
            await eventually(lambda: sender.unsettled == 0, "outcomes come")
            link = broker.link("in")
            assert isinstance(link, Receiver)
            await eventually(lambda: sender.link_credit == link.credit.link_credit, "both know the sender's credit")
            assert sender._engine.watchers == []
            assert sender._engine.available == 0
        receiver = self.receiver
        if not receiver.closed:
            assert not receiver._waiting
            assert not receiver._settling
            assert receiver._engine.watchers == []

    async def _check_links(self) -> None:
        """Channels and handles are those of the links that are open, at both ends."""
        engine = self.connection._engine
        open_links = [link for link in (self.sender, self.receiver) if not link.closed]
        count = len(open_links)
        await eventually(lambda: len(engine.sessions) == count, "sessions are gone")
        assert sorted(len(session.links) for session in engine.sessions) == [1] * count
        (peer,) = self.broker.open_connections
        await eventually(lambda: len(peer.sessions) == count, "the broker's sessions are gone")
        await eventually(lambda: len(self.broker.links) == count, "the broker's links are gone")
        assert self.connection._links == set(open_links)
        async with self.connection.open_session() as session:  # the lowest free channel is used again
            assert session._engine.channel <= count
            async with session.open_sender("other") as sender:
                assert sender._engine.handle == 0
                await sender.send(b"x", timeout=5)

    async def _check_receiving(self) -> None:
        """Every message that was queued comes once, and the credit is whole again."""
        if self.receiver.closed:
            await eventually(lambda: len(self.broker.bodies("out")) + len(self.taken) >= len(self.put))
            async with self.connection.open_receiver("out") as receiver:
                await self._take_all(receiver)
            return
        self.queue(1)
        await self._take_all(self.receiver)
        credit = self.receiver._engine.credit
        await eventually(lambda: credit.outstanding == 0, "what was taken is settled")
        link = self.broker.link("out")
        assert isinstance(link, Sender)
        await eventually(lambda: link.link_credit == credit.link_credit, "both know the receiver's credit")
        if credit.automatic:
            await eventually(lambda: credit.link_credit * 2 > credit.window, "credit went out again")

    async def _take_all(self, receiver: amqp10.Receiver) -> None:
        while len(self.taken) < len(self.put):
            self.take(await receiver.receive(timeout=5))
        assert sorted(self.taken) == self.put
        assert receiver.receive_nowait() is None

    async def _check_sending(self) -> None:
        """What was sent arrived once, what was surely sent did arrive; and there is more where that came from."""
        if not self.sender.closed:
            await self.sender.send(self.message(), timeout=5)
            self.sure.append(self.maybe[-1])
        arrived = self.broker.bodies("in")
        assert len(set(arrived)) == len(arrived)
        assert set(self.sure) <= set(arrived) <= set(self.maybe)


@asynccontextmanager
async def open_world(
    *,
    credit: int = 1000,
    delay: float | None = None,
    receiver: dict[str, Any] | None = None,
    sender: dict[str, Any] | None = None,
    **options: Any,
) -> AsyncIterator[World]:
    """Make a world.

    Args:
        credit: what the sender is given.
        delay: seconds until outcomes come, where they do not come at once.
        receiver: options of the receiver.
        sender: options of the sender.
        options: of the connection.
    """
    behavior = Behavior(credit=credit)
    if delay is not None:
        behavior.delay, behavior.decide = delay, hold
    async with Broker(behavior) as broker, amqp10.connect(broker.url(), **options) as connection:
        yield World(
            broker,
            connection,
            await connection.open_sender("in", **(sender or {})),
            await connection.open_receiver("out", **(receiver or {"credit": 10})),
        )
