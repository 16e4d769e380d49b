"""A small broker for the drivers' tests: the engine's accepting side over loopback sockets, with faults to order.

Queues live in memory, come into being by their name and are shared by all connections. What is given out stays with
the broker until its outcome: released, modified or left without one, it goes back to the front of its queue.

`Broker` lives in the event loop of the test; `BrokerThread` runs one in a thread, for a test that blocks.
"""

import asyncio
import socket
import ssl as ssl_module
import struct
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self, cast

from amqp10._codec import Delivery, Message, OutgoingDelivery
from amqp10.engine import Connection, Link, Operation, Receiver, Sender
from amqp10.engine.events import (
    DeliveriesArrived,
    Event,
    LinkRequested,
    OutcomesArrived,
    SenderReady,
    SessionRequested,
)
from amqp10.engine.sasl import AnonymousServer, PlainServer, SaslServer
from amqp10.errors import AMQPError
from amqp10.options import ConnectionOptions, Limits, ReceiverOptions, SenderOptions, SessionOptions
from amqp10.outcomes import ACCEPTED, Modified, Released
from amqp10.performatives import Error, Open
from amqp10.terminus import Source, Target
from tests.asyncio.harness import eventually

USER, PASSWORD = "user", "p@ss:w/rd"
FIRST_ID = 2**32 - 4  # so that ids wrap within a few frames


@dataclass(kw_only=True)
class Behavior:
    """What a broker does, and may be told anew at any time.

    Attributes:
        credit: what it gives to who sends to it.
        decide: what becomes of a message that came: called with its address and itself, returns the state to settle
            it with, or None to leave it for `Broker.settle_held`; left out, it is accepted.
        delay: seconds after which what was left is settled without being told; None for never.
        keep: whether messages that came are kept in the queues.
        refuse: addresses whose links are refused, with the reason.
        ignore: addresses whose attach is never answered.
        max_frame_size: of the broker's open.
        max_message_size: of the links to the broker.
        idle_timeout: of the broker, in seconds.
        incoming_window: of its sessions.
        snd_settle_mode: of the links from the broker; None takes what the client asks for.
        watch: whether the outcomes of what it gives out are kept in `Broker.outcomes`.
        sasl: whether there is a SASL layer; ANONYMOUS, and PLAIN for USER with PASSWORD.
    """

    credit: int = 1000
    decide: Callable[[str, Delivery], object] | None = None
    delay: float | None = None
    keep: bool = True
    refuse: Mapping[str, Error] = field(default_factory=dict)
    ignore: frozenset[str] = frozenset()
    max_frame_size: int = 65_536
    max_message_size: int | None = None
    idle_timeout: float | None = None
    incoming_window: int = 2048
    snd_settle_mode: int | None = None
    watch: bool = True
    sasl: bool = True


class Outcome(NamedTuple):
    """What the client said of a message that it was given."""

    address: str
    payload: bytes
    state: object


class GivenOut(OutgoingDelivery):
    """A message on its way to a client."""

    __slots__ = ("payload",)

    payload: bytes


class Broker:
    """A broker in the running loop; entering starts it.

    Args:
        behavior: what it does.
        ssl: the context of its TLS, if it has any.
        receive_buffer: SO_RCVBUF of its sockets.

    Attributes:
        behavior: as given; writable.
        acceptors: its connections, those that ended too.
        queues: encoded messages by address.
        outcomes: what the clients said of what they were given.
        held: deliveries that `decide` left unsettled.
        received: how many messages came.
    """

    def __init__(
        self,
        behavior: Behavior | None = None,
        *,
        ssl: ssl_module.SSLContext | None = None,
        receive_buffer: int | None = None,
    ) -> None:
        self.behavior = behavior or Behavior()
        self.acceptors: list[Acceptor] = []
        self.queues: defaultdict[str, deque[bytes]] = defaultdict(deque)
        self.outcomes: list[Outcome] = []
        self.held: list[Delivery] = []
        self.received = 0
        self.port = 0
        self._ssl = ssl
        self._receive_buffer = receive_buffer
        self._dynamic = 0

    async def __aenter__(self) -> Self:
        listening = socket.create_server(("127.0.0.1", 0))
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio does so for proto=6 alone
        if self._receive_buffer is not None:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._make_acceptor, sock=listening, ssl=self._ssl)
        self.port = listening.getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await eventually(lambda: not accepting(), "asyncio has accepted who tried to connect")
        self._server.close()
        self.kill()
        for acceptor in self.acceptors:
            if acceptor.transport is not None:  # its TLS came about
                await acceptor.gone

    def _make_acceptor(self) -> "Acceptor":
        self.acceptors.append(Acceptor(self))
        return self.acceptors[-1]

    async def adopt(self, sock: socket.socket) -> None:
        """Take a socket that is connected already."""
        await asyncio.get_running_loop().connect_accepted_socket(self._make_acceptor, sock, ssl=self._ssl)

    async def opened(self) -> Open:
        """Return the open of the last connection once it came."""
        await eventually(lambda: self.acceptors and self.acceptors[-1].engine.remote_open)
        remote_open = self.acceptors[-1].engine.remote_open
        assert remote_open is not None
        return remote_open

    # --- what a test says and asks ------------------------------------------------------------------------------------

    def url(self, userinfo: str = "", host: str = "127.0.0.1") -> str:
        """Return the URL to reach it by."""
        scheme = "amqp" if self._ssl is None else "amqps"
        return f"{scheme}://{userinfo}{'@' if userinfo else ''}{host}:{self.port}"

    def put(self, address: str, *bodies: object) -> None:
        """Queue messages, and give out what can be."""
        self.queues[address].extend(Message(body).encode() for body in bodies)
        self.hand_out(address)

    def bodies(self, address: str) -> list[Any]:
        """Return the bodies of what is queued."""
        return [Message.decode(payload).body for payload in self.queues[address]]

    def settle_held(self, state: object = None) -> int:
        """Accept what was left unsettled, or give it another state; return how many there were."""
        held, self.held = self.held, []
        for delivery in held:
            with suppress(AMQPError):  # whose link is over
                delivery.settle(ACCEPTED if state is None else state)
        return len(held)

    def credit_from(self, address: str) -> int | None:
        """Return the credit that who takes from an address has given; None while there is nobody."""
        links = [link for link in self.links if isinstance(link, Sender) and address_of(link) == address]
        return links[0].link_credit if links else None

    def give_credit(self, address: str, count: int) -> None:
        """Give who sends to an address, on a link that was given none, so much credit."""
        link = self.link(address)
        assert isinstance(link, Receiver)
        link.add_credit(count)

    def kill(self, *, reset: bool = False) -> None:
        """Drop every connection; with a TCP reset if asked for."""
        for acceptor in self.acceptors:
            acceptor.kill(reset)

    @property
    def open_connections(self) -> list[Connection]:
        """The engine's connections that are not over."""
        return [acceptor.engine for acceptor in self.acceptors if acceptor.engine.error is None]

    @property
    def links(self) -> list[Link]:
        """All links of all connections that are not detached."""
        return [
            link
            for connection in self.open_connections
            for session in connection.sessions
            for link in session.links
            if link.error is None
        ]

    def link(self, address: str) -> Link:
        """Return the link to or from an address."""
        (link,) = [link for link in self.links if address_of(link) == address]
        return link

    # --- what its connections ask -------------------------------------------------------------------------------------

    def take_in(self, receiver: Receiver) -> None:
        """Take what came over a link."""
        address = address_of(receiver)
        behavior = self.behavior
        while (delivery := receiver.take()) is not None:
            self.received += 1
            if behavior.keep:
                self.queues[address].append(delivery.payload)
            if receiver.error is not None:
                continue  # the sender is gone: it will not learn what became of it
            if behavior.decide is None:
                delivery.accept()
            elif (state := behavior.decide(address, delivery)) is None:
                self._hold(delivery)
            else:
                delivery.settle(state)
        if behavior.keep:
            self.hand_out(address)

    def _hold(self, delivery: Delivery) -> None:
        self.held.append(delivery)
        if self.behavior.delay is not None:
            asyncio.get_running_loop().call_later(self.behavior.delay, self.settle_held)

    def hand_out(self, address: str) -> None:
        """Give out what the takers of a queue have credit and room for."""
        messages = self.queues[address]
        for link in self.links:
            if isinstance(link, Sender) and link.is_attached and address_of(link) == address:
                while messages and link.can_send(len(messages[0])):
                    self._give(link, messages.popleft())

    def _give(self, link: Sender, payload: bytes) -> None:
        delivery = GivenOut(link.tally, Message.decode(payload), None, link.presettles(False))
        delivery.payload = payload
        if self.behavior.watch:
            delivery.waiter = True
        link.send(delivery)

    def note_outcomes(self, sender: Sender, deliveries: Iterable[OutgoingDelivery]) -> None:
        """Learn what a client said, or that its link is over."""
        address = address_of(sender)
        back = []
        for delivery in deliveries:
            assert isinstance(delivery, GivenOut)
            if delivery.error is None and not delivery.settled:
                continue
            if delivery.error is None:
                self.outcomes.append(Outcome(address, delivery.payload, delivery.state))
            if delivery.error is not None or isinstance(delivery.state, (Released, Modified)):
                back.append(delivery.payload)
        self.queues[address].extendleft(reversed(back))
        self.hand_out(address)

    def new_address(self) -> str:
        """Name a dynamic node."""
        self._dynamic += 1
        return f"dynamic-{self._dynamic}"


def accepting() -> bool:
    """Tell whether asyncio is about to accept a connection: a task of its own does."""
    return any("_accept_connection" in repr(task.get_coro()) for task in asyncio.all_tasks())


def address_of(link: Link) -> str:
    """Return the address that a client gave, or was given, for a link."""
    options = link.options
    terminus = options.source if isinstance(link, Sender) else options.target
    if terminus is None:  # not accepted
        attach = link.remote_attach
        assert attach is not None
        terminus = attach.source if isinstance(link, Sender) else attach.target
    return "" if terminus is None else str(terminus.address)


class Acceptor(asyncio.Protocol):
    """One connection of the broker.

    Attributes:
        engine: its engine.
        gone: done when the transport is.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._loop = asyncio.get_running_loop()
        self.gone: asyncio.Future[None] = self._loop.create_future()
        behavior = broker.behavior
        options = ConnectionOptions(
            container_id="broker",
            idle_timeout=behavior.idle_timeout,
            max_frame_size=behavior.max_frame_size,
            limits=Limits(max_output=4 * 1024 * 1024),
        )
        plain = PlainServer(lambda user, password: (user, password) == (USER, PASSWORD))
        sasl = SaslServer([AnonymousServer(), plain]) if behavior.sasl else None
        self.engine = Connection(options, sasl=sasl, now=self._loop.time())
        self.transport: asyncio.Transport | None = None
        self._paused = False
        self._opening: Operation[None] = self.engine.open()
        self._timer: asyncio.TimerHandle | None = None
        self._in_pump = False

    # --- the transport's calls ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start with the header."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's do not derive from asyncio's
        self.engine.on_output = self._schedule_flush
        next(self._opening)
        self._flush()
        self._tick()

    def data_received(self, data: bytes) -> None:
        """Feed the engine, and answer what the client asks for."""
        self.engine.receive_data(data, self._loop.time())
        self._pump()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let the engine know."""
        if self._timer is not None:
            self._timer.cancel()
        self.engine.receive_eof(exc)
        self._pump()
        self.gone.set_result(None)

    def pause_writing(self) -> None:
        """Stop taking output."""
        self._paused = True

    def resume_writing(self) -> None:
        """Go on taking output."""
        self._paused = False
        self._flush()

    # --- faults -------------------------------------------------------------------------------------------------------

    def kill(self, reset: bool = False) -> None:
        """Drop the connection, if there still is one."""
        if self.transport is None or self.gone.done():
            return
        if reset:
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def stop_reading(self) -> None:
        """Read no more, until `read_on`."""
        assert self.transport is not None
        self.transport.pause_reading()

    def read_on(self) -> None:
        """Read again."""
        assert self.transport is not None
        self.transport.resume_reading()

    def freeze(self) -> None:
        """Do nothing more at all, not even by the clock."""
        self.stop_reading()
        self._paused = True

    def send_raw(self, data: bytes) -> None:
        """Send bytes past the engine."""
        assert self.transport is not None
        self._flush()
        self.transport.write(data)

    # --- the engine ---------------------------------------------------------------------------------------------------

    def _schedule_flush(self) -> None:
        self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._pump()
        self._flush()

    def _flush(self) -> None:
        assert self.transport is not None
        while not self._paused and (data := self.engine.data_to_send(self._loop.time())):
            if not self.transport.is_closing():
                self.transport.write(data)
        self._pump()
        if self.engine.finished:
            self.transport.close()

    def _tick(self) -> None:
        deadline = self.engine.tick(self._loop.time())
        self._turn()
        if deadline is not None and not self.gone.done():
            self._timer = self._loop.call_at(deadline, self._tick)
        elif self.engine.remote_open is None and not self.gone.done():
            self._timer = self._loop.call_later(0.005, self._tick)

    def _pump(self) -> None:
        if self._in_pump:
            return
        self._in_pump = True
        while events := self.engine.events():
            for event in events:
                self._handle(event)
        self._in_pump = False

    def _handle(self, event: Event) -> None:
        match event:
            case SessionRequested(session):
                if session.error is None:
                    window = self._broker.behavior.incoming_window
                    session.accept(SessionOptions(incoming_window=window, next_outgoing_id=FIRST_ID))
            case LinkRequested(link):
                if link.error is None:
                    self._accept(link)
            case DeliveriesArrived(receiver):
                self._broker.take_in(receiver)
            case SenderReady(sender):
                self._broker.hand_out(address_of(sender))
            case OutcomesArrived(sender, watched):
                self._broker.note_outcomes(sender, watched)

    def _accept(self, link: Link) -> None:
        behavior = self._broker.behavior
        attach = link.remote_attach
        assert attach is not None
        address = address_of(link)
        if address in behavior.ignore:
            return
        if address in behavior.refuse:
            link.refuse(behavior.refuse[address])
            return
        source, target = attach.source, attach.target
        if isinstance(link, Receiver):
            if target is not None and target.dynamic:
                target = Target(address=self._broker.new_address(), dynamic=True)
            link.accept(
                ReceiverOptions(
                    name=link.name,
                    source=source,
                    target=target,
                    credit=behavior.credit,
                    max_message_size=behavior.max_message_size,
                )
            )
            return
        assert isinstance(link, Sender)
        if source is not None and source.dynamic:
            source = Source(address=self._broker.new_address(), dynamic=True)
        link.accept(
            SenderOptions(
                name=link.name,
                source=source,
                target=target,
                snd_settle_mode=behavior.snd_settle_mode,
                initial_delivery_count=FIRST_ID,
                max_unsettled=1_000_000,
                max_unsettled_bytes=1 << 40,
            )
        )


class BrokerThread:
    """A broker in a thread of its own; entering starts it. `call` does something with it in its thread."""

    def __init__(self, behavior: Behavior | None = None, **options: Any) -> None:
        self._broker = Broker(behavior, **options)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="broker")

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._broker.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._broker.__aexit__())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _run(self, coroutine: Any) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def url(self, userinfo: str = "", host: str = "127.0.0.1") -> str:
        """Return the URL to reach it by."""
        return self._broker.url(userinfo, host)

    def call(self, what: Callable[[Broker], Any]) -> Any:
        """Return what `what(broker)` returns in the broker's thread."""
        answer: Future[Any] = Future()

        def act() -> None:
            try:
                answer.set_result(what(self._broker))
            except BaseException as error:  # noqa: BLE001 - it is raised where `call` was called
                answer.set_exception(error)

        self._loop.call_soon_threadsafe(act)
        return answer.result(10)


def hold(address: str, delivery: Delivery) -> object:
    """Decide nothing: for `Behavior.decide`."""
    return None


def settled_states(broker: Broker, address: str) -> list[object]:
    """Return the states that clients gave to what came from an address, in order."""
    return [outcome.state for outcome in broker.outcomes if outcome.address == address]


def errors_of(broker: Broker) -> list[AMQPError]:
    """Return why its connections ended, those that did."""
    return [acceptor.engine.error for acceptor in broker.acceptors if acceptor.engine.error is not None]
