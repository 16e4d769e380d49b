"""Two engines joined in memory, each run as a driver runs it: told when there is output, woken by events alone.

Nothing here decides anything of the protocol. An operation goes on only when the endpoint it waits on has changed, and
bytes are taken only after `on_output` was called: an engine that forgets to say so stands still here as it would in a
driver.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from amqp10._codec import OutgoingDelivery
from amqp10.engine import Connection, Link, Operation, Receiver, Sender, Session
from amqp10.engine.events import (
    DeliveriesArrived,
    EndpointChanged,
    Event,
    LinkRequested,
    SessionRequested,
)
from amqp10.engine.sasl import Anonymous, AnonymousServer, SaslClient, SaslNegotiation, SaslServer
from amqp10.errors import AMQPError
from amqp10.options import ConnectionOptions, ReceiverOptions, SenderOptions, SessionOptions
from amqp10.terminus import Source, Target

__all__ = [
    "Pair",
    "Running",
    "Side",
    "accept_link",
    "accept_receiver",
    "accept_session",
    "arrivals",
    "iterate",
    "sasl_pair",
    "send",
    "take_all",
]

T = TypeVar("T")

_MAX_ROUNDS = 500_000


class Running(Generic[T]):
    """An operation under way.

    Attributes:
        done: whether it has ended.
        error: with what it ended, or None.
    """

    def __init__(self, operation: Operation[T]) -> None:
        self.operation = operation
        self.done = False
        self.error: AMQPError | None = None
        self._result: T | None = None
        self._endpoint: Any = None
        self.step()

    @property
    def result(self) -> T | None:
        """What it returned.

        Raises:
            AMQPError: what it raised.
        """
        assert self.done, "the operation has not ended"
        if self.error is not None:
            raise self.error
        return self._result

    def step(self) -> None:
        """Go on until the next wait."""
        self._stop_waiting()
        try:
            self._endpoint = next(self.operation)
        except StopIteration as stop:
            self.done = True
            self._result = stop.value
        except AMQPError as error:
            self.done = True
            self.error = error
        else:
            self._endpoint.watchers.append(self)

    def cancel(self) -> None:
        """Close it, as a driver does that is cancelled."""
        self._stop_waiting()
        self.operation.close()
        self.done = True

    def _stop_waiting(self) -> None:
        if self._endpoint is not None:
            self._endpoint.watchers.remove(self)
            self._endpoint = None


class Side:
    """One engine and the least of a driver.

    Args:
        options: of the connection.
        sasl: its negotiation.
        now: the time.
        runs: whether transfers come in runs.

    Attributes:
        connection: the engine.
        now: the time that the engine is told.
        events: what happened, but for requests; the oldest first.
        sessions: those the peer began.
        links: those the peer attached.
        on_session: what is done about a session that the peer begins; None lets it wait.
        on_link: what is done about a link that the peer attaches; None lets it wait.
        wants_output: whether the engine has called since the output was last taken.
        calls: how often it called.
    """

    def __init__(
        self,
        options: ConnectionOptions | None = None,
        *,
        sasl: SaslNegotiation | None = None,
        now: float = 0.0,
        runs: bool = True,
    ) -> None:
        self.connection = Connection(options or ConnectionOptions(container_id="side"), sasl=sasl, now=now)
        self.connection.reader.runs = runs
        self.connection.on_output = self._on_output
        self.now = now
        self.events: list[Event] = []
        self.sessions: list[Session] = []
        self.links: list[Any] = []
        self.on_session: Callable[[Session], object] | None = accept_session
        self.on_link: Callable[[Any], object] | None = accept_link
        self.wants_output = False
        self.calls = 0

    def _on_output(self) -> None:
        self.wants_output = True
        self.calls += 1

    # --- running ------------------------------------------------------------------------------------------------------

    def start(self, operation: Operation[T]) -> Running[T]:
        """Begin an operation; what it waits for has yet to come."""
        running = Running(operation)
        self.settle_down()
        return running

    def settle_down(self) -> None:
        """Act on events until there are no more."""
        while events := self.connection.events():
            for event in events:
                self._act(event)

    def _act(self, event: Event) -> None:
        if isinstance(event, EndpointChanged):
            for watcher in list(event.endpoint.watchers):
                watcher.step()
        elif isinstance(event, SessionRequested):
            self.sessions.append(event.session)
            if self.on_session is not None:
                self.on_session(event.session)
            return
        elif isinstance(event, LinkRequested):
            self.links.append(event.link)
            if self.on_link is not None:
                self.on_link(event.link)
            return
        self.events.append(event)

    def take_events(self, kind: type[Any]) -> list[Any]:
        """Take the events of a kind that have come, and forget the others."""
        self.settle_down()
        found = [event for event in self.events if isinstance(event, kind)]
        self.events.clear()
        return found

    # --- bytes and time -----------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Give the engine bytes."""
        buffer = bytearray(data)
        self.connection.receive_data(memoryview(buffer), self.now)
        buffer[:] = bytes(len(buffer))  # a driver reads into the same memory again
        self.settle_down()

    def take_output(self) -> bytes:
        """Take what there is, if the engine has called for it."""
        if not self.wants_output:
            return b""
        self.wants_output = False
        parts = []
        while data := self.connection.data_to_send(self.now):
            parts.append(data)
        self.settle_down()
        return b"".join(parts)

    def tick(self, now: float) -> float | None:
        """Tell the engine the time; return its next deadline."""
        self.now = now
        deadline = self.connection.tick(now)
        self.settle_down()
        return deadline

    # --- shorthands ---------------------------------------------------------------------------------------------------

    def link(self, name: str) -> Any:
        """Return the link of that name that the peer attached last."""
        return next(link for link in reversed(self.links) if link.name == name)


def accept_session(session: Session) -> None:
    """Take a session that the peer begins, if it is still wanted."""
    if session.error is None:
        session.accept(SessionOptions())


def accept_link(link: Link) -> None:
    """Take a link that the peer attaches, with the termini that it asks for, if it is still wanted."""
    if link.error is not None:
        return
    attach = link.remote_attach
    assert attach is not None
    if isinstance(link, Receiver):
        link.accept(ReceiverOptions(name=link.name, source=attach.source, target=attach.target, credit=0))
    else:
        link.accept(SenderOptions(name=link.name, source=attach.source, target=attach.target))


def sasl_pair() -> tuple[SaslNegotiation, SaslNegotiation]:
    """Make both halves of an exchange by ANONYMOUS."""
    return SaslClient([Anonymous()]), SaslServer([AnonymousServer()])


class Pair:
    """A client and a server, joined by a wire without loss.

    Args:
        client: options of the client.
        server: options of the server.
        sasl: the two halves of the negotiation; None for none.
        chunk: the most bytes that arrive at once, their number drawn by `seed`; None brings all there is.
        seed: of the sizes of chunks, and of whose turn it is.
        runs: whether transfers come in runs.
        opened: whether to open the connection.

    Attributes:
        client: the side that asks.
        server: the side that answers.
        now: the time.
        sent: bytes that each side has sent so far, client first.
    """

    def __init__(
        self,
        client: ConnectionOptions | None = None,
        server: ConnectionOptions | None = None,
        *,
        sasl: tuple[SaslNegotiation, SaslNegotiation] | None = None,
        chunk: int | None = None,
        seed: int = 0,
        runs: bool = True,
        opened: bool = True,
    ) -> None:
        self.now = 0.0
        halves = sasl or (None, None)
        self.client = Side(client or ConnectionOptions(container_id="client"), sasl=halves[0], runs=runs)
        self.server = Side(server or ConnectionOptions(container_id="server"), sasl=halves[1], runs=runs)
        self.sent = [b"", b""]
        self._wires = [bytearray(), bytearray()]  # what is under way from the client, and from the server
        self._ended = [False, False]  # who has heard that the transport is closed
        self._chunk = chunk
        self._random = random.Random(seed)
        if opened:
            self.open()

    @property
    def sides(self) -> tuple[Side, Side]:
        """Both, the client first."""
        return self.client, self.server

    def open(self) -> None:
        """Open the connection from both ends."""
        running = [side.start(side.connection.open()) for side in self.sides]
        self.pump()
        for operation in running:
            _ = operation.result

    # --- the wire -----------------------------------------------------------------------------------------------------

    def pump(self) -> None:
        """Carry bytes until both ends are quiet.

        Raises:
            AssertionError: they never are.
        """
        for _ in range(_MAX_ROUNDS):
            moved = [self.step(index) for index in self._turns()]
            if not any(moved):
                return
        raise AssertionError(f"after {_MAX_ROUNDS} rounds the two ends still talk")

    def _turns(self) -> list[int]:
        return [0, 1] if self._chunk is None else self._random.sample([0, 1], 2)

    def step(self, index: int) -> bool:
        """Take what one side has to send, and bring the other a piece; tell whether anything moved."""
        source, target = self.sides[index], self.sides[1 - index]
        wire = self._wires[index]
        data = source.take_output()
        self.sent[index] += data
        wire += data
        size = len(wire) if self._chunk is None else self._random.randint(1, self._chunk)
        piece = bytes(wire[:size])
        del wire[:size]
        if piece:
            target.receive(piece)
        elif source.connection.finished and not self._ended[1 - index]:
            self._ended[1 - index] = True
            target.connection.receive_eof()
            target.settle_down()
            return True
        return bool(data or piece)

    def advance(self, seconds: float) -> None:
        """Let time pass, stopping at every deadline."""
        until = self.now + seconds
        while self.now < until:
            due = [side.tick(self.now) for side in self.sides]
            self.pump()
            self.now = min([until, *(max(at, self.now + 1e-3) for at in due if at is not None)])
        for side in self.sides:
            side.tick(self.now)
        self.pump()

    # --- operations ---------------------------------------------------------------------------------------------------

    def run(self, operation: Operation[T], *, by: Side | None = None) -> T | None:
        """Run an operation to its end; return its result.

        Args:
            operation: of the client, unless `by` says otherwise.
            by: whose it is.
        """
        running = (by or self.client).start(operation)
        self.pump()
        return running.result

    def begin(self, options: SessionOptions | None = None, *, accept: SessionOptions | None = None) -> Session:
        """Begin a session of the client's."""
        if accept is not None:
            self.server.on_session = lambda session: session.accept(accept)
        session = self.client.connection.new_session(options)
        self.run(session.begin())
        return session

    def open_sender(self, session: Session | None = None, *, credit: int = 0, **fields: Any) -> tuple[Sender, Receiver]:
        """Attach a sender of the client's; return both ends.

        Args:
            session: in which; None begins one.
            credit: what the server's end gives, automatically; 0 for none.
            fields: of SenderOptions.
        """
        options = SenderOptions(**{"name": f"to-{len(self.server.links)}", "target": Target(address="q"), **fields})
        sender = (session or self.begin()).new_sender(options)
        self.server.on_link = lambda link: accept_receiver(link, credit)
        self.run(sender.attach())
        remote = self.server.link(options.name)
        assert isinstance(remote, Receiver)
        return sender, remote

    def open_receiver(self, session: Session | None = None, **fields: Any) -> tuple[Receiver, Sender]:
        """Attach a receiver of the client's; return both ends.

        Args:
            session: in which; None begins one.
            fields: of ReceiverOptions.
        """
        options = ReceiverOptions(**{"name": f"from-{len(self.server.links)}", "source": Source(address="q"), **fields})
        receiver = (session or self.begin()).new_receiver(options)
        self.server.on_link = accept_link
        self.run(receiver.attach())
        remote = self.server.link(options.name)
        assert isinstance(remote, Sender)
        return receiver, remote


def accept_receiver(link: Any, credit: int, **fields: Any) -> None:
    """Take a link on which the peer wants to send."""
    attach = link.remote_attach
    options = {"name": link.name, "source": attach.source, "target": attach.target, "credit": credit}
    link.accept(ReceiverOptions(**{**options, **fields}))


def send(sender: Sender, content: object = b"hello", *, settled: bool = False, tag: bytes | None = None) -> Any:
    """Send a message now; return its delivery."""
    delivery = OutgoingDelivery(sender.tally, content, tag, settled)
    sender.send(delivery)
    return delivery


def take_all(receiver: Receiver) -> list[Any]:
    """Take all deliveries that are there."""
    return list(iterate(receiver))


def iterate(receiver: Receiver) -> Iterator[Any]:
    """Take deliveries until there are none."""
    while (delivery := receiver.take()) is not None:
        yield delivery


def arrivals(side: Side) -> int:
    """Count the events that announce deliveries, and forget all events."""
    return len(side.take_events(DeliveriesArrived))
