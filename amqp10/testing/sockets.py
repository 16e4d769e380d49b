"""Scripted peers behind real sockets: a thread serves them, so that drivers of any kind can be tested against them.

Everything is on the loopback interface, every wait has an end, and leaving the `with` block leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from amqp10.testing.faults import Fault
from amqp10.testing.line import Line, Tls
from amqp10.testing.peer import ScriptedPeer
from amqp10.testing.script import Expectation

__all__ = ["PeerCarrier", "PeerServer", "connect_peer", "serve_peer"]

_TIMEOUT = 5.0
_POLL = 0.001  # seconds between two looks at a script; no lock is held, so that one that blocks is found out


@dataclass(frozen=True, slots=True)
class _Plan:
    """A peer for a connection that is yet to come."""

    peer: ScriptedPeer
    to_subject: tuple[Fault, ...]
    to_peer: tuple[Fault, ...]


class PeerCarrier:
    """Carries scripted peers over sockets, in a thread of its own.

    It is a context manager, with `with` and with `async with`. Leaving it waits until every script has come to its
    end, then closes all sockets, ends the thread and raises what went wrong; leaving it by an error closes at once, and
    adds to that error, as a note, how each exchange went. In a coroutine use `async with`: the other one blocks the
    loop while it waits.

    Args:
        timeout: how long any wait may take, in seconds.
    """

    def __init__(self, *, timeout: float = _TIMEOUT) -> None:
        self.timeout = timeout
        self._peers: list[ScriptedPeer] = []
        self._lines: list[Line] = []
        self._errors: list[BaseException] = []
        self._selector = selectors.DefaultSelector()
        self._watched: dict[Line, int] = {}  # what the selector waits for
        self._lock = threading.RLock()
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_receiver.setblocking(False)
        self._wake_sender.setblocking(False)
        self._selector.register(self._wake_receiver, selectors.EVENT_READ)
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="scripted-peer", daemon=True)

    # --- with ---------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.wait()
        finally:
            self._stop(error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:
                await self.wait_async()
        finally:
            self._stop(error)

    # --- waiting ------------------------------------------------------------------------------------------------------

    def wait(self, until: Expectation[Any] | Callable[[], bool] | None = None, *, timeout: float | None = None) -> None:
        """Wait until an expectation came true, or all did.

        Args:
            until: an expectation that must be fulfilled, or a predicate that must be true; None is the end of
                every script.
            timeout: in seconds; None is the carrier's own.

        Raises:
            AssertionError: a peer failed, or it did not come to that in time.
        """
        condition = self._condition(until)
        deadline = time.monotonic() + (timeout or self.timeout)
        while not (self._failed or condition()) and time.monotonic() < deadline:
            time.sleep(_POLL)
        self._judge(in_time=condition(), until=until)

    async def wait_async(
        self, until: Expectation[Any] | Callable[[], bool] | None = None, *, timeout: float | None = None
    ) -> None:
        """Wait as `wait` does, in a coroutine.

        Args:
            until: as for `wait`.
            timeout: as for `wait`.

        Raises:
            AssertionError: as for `wait`.
        """
        condition = self._condition(until)
        deadline = time.monotonic() + (timeout or self.timeout)
        while not (self._failed or condition()) and time.monotonic() < deadline:  # noqa: ASYNC110 - a thread tells
            await asyncio.sleep(_POLL)
        self._judge(in_time=condition(), until=until)

    def _condition(self, until: Expectation[Any] | Callable[[], bool] | None) -> Callable[[], bool]:
        if until is None:
            return lambda: all(peer.done for peer in self._peers)
        if isinstance(until, Expectation):
            expectation = until
            return lambda: not expectation.holds_up
        return until

    @property
    def _failed(self) -> bool:
        return bool(self._errors) or any(peer.failure is not None for peer in self._peers)

    def _judge(self, *, in_time: bool, until: object) -> None:
        for peer in self._peers:
            peer.check()
        for error in self._errors:
            raise error
        if not in_time:
            for peer in self._peers:
                peer.assert_done()
            raise AssertionError(f"waited in vain for {until}")

    # --- peers --------------------------------------------------------------------------------------------------------

    def _adopt(self, peer: ScriptedPeer) -> None:
        """Make a peer one that another thread plays."""
        with self._lock:
            peer.lock = self._lock
            peer.on_output = self._wake
            self._peers.append(peer)

    def _attach(self, line: Line) -> None:
        with self._lock:
            self._lines.append(line)
        self._wake()

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        if threading.current_thread() is not self._thread:
            try:
                self._wake_sender.send(b"\0")
            except OSError:
                pass  # full: it wakes already; closed: nobody sleeps there any more

    def _run(self) -> None:
        try:
            readable: set[object] = set()
            while not self._stopping:
                readable = self._wait_for_sockets(self._work(readable))
        except BaseException as error:  # noqa: BLE001 - a thread has nobody to raise to: leaving `with` raises it
            self._errors.append(error)

    def _work(self, readable: set[object]) -> float | None:
        with self._lock:
            self._take_connections(readable)
            now = time.monotonic()
            dues = [line.work(now, readable=line.sock in readable) for line in self._lines if not line.over]
        due = min((due for due in dues if due is not None), default=None)
        return None if due is None else max(0.0, due - now)

    def _take_connections(self, readable: set[object]) -> None:
        """Accept what wants to connect; nothing does where this end connects."""

    def _wait_for_sockets(self, timeout: float | None) -> set[object]:
        with self._lock:
            for line in self._lines:
                self._watch(line)
        selected = self._selector.select(timeout)
        ready: set[object] = {key.fileobj for key, events in selected if events & selectors.EVENT_READ}
        if self._wake_receiver in ready:
            self._wake_receiver.recv(4096)
        return ready

    def _watch(self, line: Line) -> None:
        """Tell the selector what a line waits for; a closed socket first, before its number is given to another."""
        known, events = self._watched.pop(line, 0), 0 if line.over else line.events
        if events and known:
            self._selector.modify(line.sock, events)
        elif events:
            self._selector.register(line.sock, events)
        elif known:
            self._selector.unregister(line.sock)
        if events:
            self._watched[line] = events

    def _stop(self, error: BaseException | None) -> None:
        """End the thread, close everything, and raise what is to be raised."""
        self._stopping = True
        self._wake()
        self._thread.join(self.timeout)
        stuck = self._thread.is_alive()
        for line in self._lines:
            if not stuck and error is None:
                line.drain(time.monotonic())
            line.abort()
        self._close_sockets()
        if stuck:
            raise RuntimeError("the thread of the scripted peer does not end: something in its script blocks")
        self._raise(error)

    def _close_sockets(self) -> None:
        self._selector.close()
        self._wake_receiver.close()
        self._wake_sender.close()

    def _raise(self, error: BaseException | None) -> None:
        for peer in self._peers:
            if error is None:
                peer.assert_done()
            elif error is not peer.failure:
                error.add_note(peer.story())
        for own in self._errors:
            if error is None:
                raise own
            error.add_note(f"in the thread of the scripted peer: {own!r}")


class PeerServer(PeerCarrier):
    """A server on the loopback interface, each of whose connections meets one scripted peer.

    Made by `serve_peer`.

    Args:
        tls: the context to speak TLS with; None for none.
        receive_buffer: SO_RCVBUF of the connections, in bytes; None leaves it to the system.
        timeout: how long any wait may take, in seconds.

    Attributes:
        host: the address it listens on.
        port: the port.
    """

    def __init__(
        self, *, tls: ssl.SSLContext | None = None, receive_buffer: int | None = None, timeout: float = _TIMEOUT
    ) -> None:
        super().__init__(timeout=timeout)
        self._tls = tls
        self._plans: deque[_Plan] = deque()
        self._listener = socket.socket()
        if receive_buffer is not None:
            # On the listener: the window is agreed on before accept returns.
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self.host, self.port = self._listener.getsockname()

    @property
    def url(self) -> str:
        """The address as a URL."""
        return f"amqp{'s' if self._tls is not None else ''}://{self.host}:{self.port}"

    def add(self, peer: ScriptedPeer, *, to_subject: Iterable[Fault] = (), to_peer: Iterable[Fault] = ()) -> None:
        """Have the next connection that has no peer yet meet this one.

        Args:
            peer: whose script is played.
            to_subject: faults in what the peer sends.
            to_peer: faults in what the tested end sends.
        """
        self._adopt(peer)
        with self._lock:
            self._plans.append(_Plan(peer, tuple(to_subject), tuple(to_peer)))

    def _take_connections(self, readable: set[object]) -> None:
        if self._listener not in readable:
            return
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return  # gone again before it was accepted
        if not self._plans:
            sock.close()
            raise AssertionError("one connection more than there are scripted peers")
        plan = self._plans.popleft()
        tls = None if self._tls is None else Tls(self._tls)
        self._attach(Line(plan.peer, sock, tls, plan.to_subject, plan.to_peer))

    def _close_sockets(self) -> None:
        super()._close_sockets()
        self._listener.close()


def serve_peer(
    *peers: ScriptedPeer,
    tls: ssl.SSLContext | None = None,
    receive_buffer: int | None = None,
    timeout: float = _TIMEOUT,
    to_subject: Iterable[Fault] = (),
    to_peer: Iterable[Fault] = (),
) -> PeerServer:
    """Serve scripted peers on the loopback interface.

    ::

        with serve_peer(peer) as server:
            client = connect(server.url)
            ...

    Args:
        peers: one for each connection, in the order in which they come.
        tls: the context to speak TLS with; None for none.
        receive_buffer: SO_RCVBUF of the connections, in bytes: a small one makes a peer that stops reading felt soon.
        timeout: how long any wait may take, in seconds.
        to_subject: faults in what the first peer sends.
        to_peer: faults in what the first peer's other end sends.

    Returns:
        The server, to be entered by `with` or `async with`.
    """
    server = PeerServer(tls=tls, receive_buffer=receive_buffer, timeout=timeout)
    faults = (to_subject, to_peer)
    for peer in peers:
        server.add(peer, to_subject=faults[0], to_peer=faults[1])
        faults = ((), ())
    return server


def connect_peer(
    peer: ScriptedPeer,
    host: str,
    port: int,
    *,
    tls: ssl.SSLContext | None = None,
    timeout: float = _TIMEOUT,
    to_subject: Iterable[Fault] = (),
    to_peer: Iterable[Fault] = (),
) -> PeerCarrier:
    """Connect a scripted peer to a server under test.

    ::

        peer = ScriptedPeer(role="client")
        peer.handshake()
        with connect_peer(peer, "127.0.0.1", port):
            ...

    Args:
        peer: whose script is played.
        host: where to connect to; also the name that TLS asks for.
        port: the port there.
        tls: the context to speak TLS with; None for none.
        timeout: how long any wait may take, in seconds.
        to_subject: faults in what the peer sends.
        to_peer: faults in what the tested end sends.

    Returns:
        What carries the peer, to be entered by `with` or `async with`.
    """
    carrier = PeerCarrier(timeout=timeout)
    sock = socket.create_connection((host, port), timeout)
    carrier._adopt(peer)
    carrier._attach(Line(peer, sock, None if tls is None else Tls(tls, host), to_subject, to_peer))
    return carrier
