"""A peer on loopback that keeps what it is sent and hands it out again, for programs that need no more of a broker.

It is the engine's accepting side under a few lines of asyncio, in a thread of its own. Queues come into being by their
name, are shared by all connections and end with the peer; what is given out is gone, whatever its outcome.
"""

import asyncio
import threading
from collections import defaultdict, deque
from types import TracebackType

from amqp10._codec import Message, OutgoingDelivery
from amqp10.engine.connection import Connection
from amqp10.engine.endpoint import Operation
from amqp10.engine.events import DeliveriesArrived, Event, LinkRequested, SenderReady, SessionRequested
from amqp10.engine.link import Link
from amqp10.engine.receiver import Receiver
from amqp10.engine.sasl import AnonymousServer, PlainServer, SaslServer
from amqp10.engine.sender import Sender
from amqp10.options import ConnectionOptions, ReceiverOptions, SenderOptions

USER, PASSWORD = "guest", "guest"
CREDIT = 1000


class Queues:
    """Messages by the address they were sent to, and the links that take them."""

    def __init__(self) -> None:
        self._messages: defaultdict[str, deque[bytes]] = defaultdict(deque)
        self._takers: defaultdict[str, list[Sender]] = defaultdict(list)

    def put(self, address: str, message: bytes) -> None:
        """Keeps an encoded message."""
        self._messages[address].append(message)

    def attach(self, address: str, sender: Sender) -> None:
        """Adds a link that takes from a queue."""
        self._takers[address].append(sender)

    def hand_out(self, address: str) -> None:
        """Sends what the takers of a queue have credit and room for."""
        messages = self._messages[address]
        takers = self._takers[address] = [sender for sender in self._takers[address] if sender.is_attached]
        for sender in takers:
            while messages and sender.can_send(len(messages[0])):
                content = Message.decode(messages.popleft())
                sender.send(OutgoingDelivery(sender.tally, content, None, sender.presettles))


class Acceptor(asyncio.Protocol):
    """One connection of the peer."""

    def __init__(self, queues: Queues) -> None:
        self._queues = queues
        self._loop = asyncio.get_running_loop()
        mechanisms = [PlainServer(lambda user, password: (user, password) == (USER, PASSWORD)), AnonymousServer()]
        options = ConnectionOptions(container_id="queues", idle_timeout=None)
        self._connection = Connection(options, sasl=SaslServer(mechanisms))
        self._opening: Operation[None] = self._connection.open()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Starts with the header."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._connection.on_output = self._schedule_flush
        next(self._opening)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Feeds the engine, and answers what the client asks for."""
        self._connection.receive_data(data, self._loop.time())
        for event in self._connection.events():
            self._handle(event)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Lets the engine know."""
        self._connection.receive_eof(exc)

    def abort(self) -> None:
        """Drops the connection, if there still is one."""
        if self._transport is not None:
            self._transport.abort()

    def _schedule_flush(self) -> None:
        self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        assert self._transport is not None
        while data := self._connection.data_to_send():
            self._transport.write(data)
        if self._connection.finished:
            self._transport.close()

    def _handle(self, event: Event) -> None:
        match event:
            case SessionRequested(session):
                session.accept()
            case LinkRequested(link):
                self._accept(link)
            case DeliveriesArrived(receiver):
                self._take_in(receiver)
            case SenderReady(sender):
                self._queues.hand_out(self._address(sender))

    def _accept(self, link: Link) -> None:
        attach = link.remote_attach
        assert attach is not None
        if isinstance(link, Receiver):
            link.accept(ReceiverOptions(name=link.name, source=attach.source, target=attach.target, credit=CREDIT))
        elif isinstance(link, Sender):
            link.accept(SenderOptions(name=link.name, source=attach.source, target=attach.target))
            self._queues.attach(self._address(link), link)

    def _take_in(self, receiver: Receiver) -> None:
        address = self._address(receiver)
        while (delivery := receiver.take()) is not None:
            self._queues.put(address, delivery.payload)
            delivery.accept()
        self._queues.hand_out(address)

    def _address(self, link: Link) -> str:
        attach = link.remote_attach
        assert attach is not None
        terminus = attach.source if isinstance(link, Sender) else attach.target
        return str(terminus.address)


class QueuePeer:
    """The peer and its thread; entering starts it and gives "host:port"."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="queues")
        self._queues = Queues()
        self._acceptors: list[Acceptor] = []

    def __enter__(self) -> str:
        self._thread.start()
        starting = self._loop.create_server(self._make_acceptor, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result(10)
        host, port = self._server.sockets[0].getsockname()
        return f"{host}:{port}"

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _make_acceptor(self) -> Acceptor:
        self._acceptors.append(Acceptor(self._queues))
        return self._acceptors[-1]

    async def _stop(self) -> None:
        self._server.close()
        for acceptor in self._acceptors:
            acceptor.abort()
        await asyncio.sleep(0)
