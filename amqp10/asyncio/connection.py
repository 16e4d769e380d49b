"""Connections for asyncio, and `connect`."""

from __future__ import annotations

import asyncio
import socket
import ssl as ssl_module
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, Literal

from amqp10 import engine
from amqp10.asyncio.driver import Deadline, Driver
from amqp10.asyncio.opening import Enterable, Opening
from amqp10.asyncio.receiver import Receiver
from amqp10.asyncio.sender import Receipt, Sender, forget_doubts, raise_unread
from amqp10.asyncio.session import Session
from amqp10.engine.counters import Counters
from amqp10.engine.sasl import Anonymous, ClientMechanism, Plain, SaslClient
from amqp10.errors import AMQPError, TransportError
from amqp10.messaging import Header
from amqp10.options import (
    CREDIT,
    DEFAULT,
    MAX_UNSETTLED,
    MAX_UNSETTLED_BYTES,
    ConnectionOptions,
    Default,
    Limits,
    SessionOptions,
    Timeout,
    Timeouts,
    new_name,
    receiver_options,
    sender_options,
)
from amqp10.performatives import Error, Open
from amqp10.terminus import Source, Target
from amqp10.transport.address import Address, parse_url
from amqp10.transport.tls import check_clear_text, client_context

__all__ = ["Connection", "connect"]


def connect(
    url: str,
    *,
    container_id: str | None = None,
    hostname: str | None = None,
    sasl: Sequence[ClientMechanism] | Literal[Default.DEFAULT] | None = DEFAULT,
    ssl: ssl_module.SSLContext | None = None,
    server_hostname: str | None = None,
    max_frame_size: int = 65_536,
    channel_max: int = 65_535,
    idle_timeout: float | None = 60.0,
    properties: Mapping[str, Any] | None = None,
    desired_capabilities: Sequence[str] | None = None,
    offered_capabilities: Sequence[str] | None = None,
    limits: Limits | None = None,
    timeouts: Timeouts | None = None,
    sock: socket.socket | None = None,
    timeout: Timeout = DEFAULT,
) -> Opening[Connection]:
    """Open a connection to an AMQP 1.0 peer: await it, or enter it with ``async with``.

    Args:
        url: ``amqp[s]://[user[:password]@]host[:port]``.
        container_id: our name; made here where left out.
        hostname: the virtual host, which open and SASL name; left out, the URL's host.
        sasl: mechanisms in order of preference; None for no SASL layer; left out, PLAIN with the URL's user and
            password if it has them, else ANONYMOUS.
        ssl: the context for amqps; left out, one that verifies the peer by the system's authorities. Given with amqp,
            TLS is spoken there too.
        server_hostname: the name TLS checks in the certificate; left out, the URL's host.
        max_frame_size: the largest frame we take, in bytes: 512 to 2**32-1.
        channel_max: the highest channel number either end may use: 0 to 65535.
        idle_timeout: seconds of silence after which the peer counts as gone; half of it is advertised; None for never.
        properties: of the connection, for the peer to see.
        desired_capabilities: extensions that we would use.
        offered_capabilities: extensions that we support.
        limits: what the peer may make us hold or do.
        timeouts: how long calls of each kind may take where they do not say.
        sock: a connected stream socket to use; it belongs to the connection from then on.
        timeout: seconds for all of connecting and opening; None for no limit; left out, ``timeouts.open``.

    Raises (when awaited or entered):
        ValueError: the URL or an option is not valid.
        TransportError: the peer cannot be reached, TLS failed, or the connection broke; `__cause__` is the OSError.
        AuthenticationError: SASL failed.
        ConnectionClosedByPeer: the peer opened and closed at once.
        PeerViolation: what answers does not speak AMQP 1.0.
        InvalidState: a password would leave this machine in clear text.
        OperationTimeout: it took too long.

    Cancelled, nothing stays open. §2.4, §5.3.
    """
    limits = limits or Limits()
    timeouts = timeouts or Timeouts()

    async def open_() -> Connection:
        address = parse_url(url)
        options = ConnectionOptions(
            container_id=container_id or new_name(),
            hostname=address.host if hostname is None else hostname,
            max_frame_size=max_frame_size,
            channel_max=channel_max,
            idle_timeout=idle_timeout,
            properties=properties,
            desired_capabilities=desired_capabilities,
            offered_capabilities=offered_capabilities,
            limits=limits,
        )
        mechanisms = _mechanisms(address) if sasl is DEFAULT else sasl
        seconds = timeouts.open if timeout is DEFAULT else timeout
        deadline = Deadline(seconds, f"connecting to {address.host} port {address.port}", "connection")
        context = (ssl or client_context()) if address.encrypted else ssl
        driver = await _reach(address, options, mechanisms, context, server_hostname, sock, deadline)
        return await _open(driver, mechanisms, context is not None, timeouts, deadline)

    return Opening("amqp10.connect()", open_)


def _mechanisms(address: Address) -> list[ClientMechanism]:
    if address.username is None:
        return [Anonymous()]
    return [Plain(address.username, address.password or "")]


async def _reach(
    address: Address,
    options: ConnectionOptions,
    mechanisms: Sequence[ClientMechanism] | None,
    context: ssl_module.SSLContext | None,
    server_hostname: str | None,
    sock: socket.socket | None,
    deadline: Deadline,
) -> Driver:
    """Connect the transport: the one place where the operating system's errors become ours."""
    loop = asyncio.get_running_loop()
    negotiation = None if mechanisms is None else SaslClient(mechanisms, options.hostname)
    connection = engine.Connection(options, sasl=negotiation, now=monotonic())
    tls: dict[str, Any] = {}
    if context is not None:
        tls = {"ssl": context, "server_hostname": server_hostname or address.host}
    where: dict[str, Any] = {"host": address.host, "port": address.port}
    if sock is not None:
        sock.setblocking(False)
        where = {"sock": sock}
    try:
        async with asyncio.timeout(deadline.left()) as limit:
            _, driver = await loop.create_connection(lambda: Driver(connection, loop), **where, **tls)
    except OSError as error:
        if limit.expired():
            raise deadline.error() from None
        failure = TransportError(f"cannot connect to {address.host} port {address.port}: {error}")
        failure.retryable = not isinstance(error, ssl_module.SSLCertVerificationError)
        raise failure from error
    transport = driver.transport
    assert transport is not None
    if (plain := transport.get_extra_info("socket")) is not None and plain.family != socket.AF_UNIX:
        with suppress(OSError):  # a connection that broke already says so when it is used
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return driver


async def _open(
    driver: Driver,
    mechanisms: Sequence[ClientMechanism] | None,
    encrypted: bool,
    timeouts: Timeouts,
    deadline: Deadline,
) -> Connection:
    assert driver.transport is not None
    connection = Connection(driver, timeouts)
    try:
        if not encrypted:
            for mechanism in mechanisms or ():
                check_clear_text(mechanism, driver.transport.get_extra_info("peername"))
        await driver.run(driver.engine.open(), deadline)
    except BaseException:
        driver.flush()
        driver.abort()
        raise
    return connection


class Connection(Enterable):
    """A connection to a peer. Made by `connect`."""

    def __init__(self, driver: Driver, timeouts: Timeouts) -> None:
        self._driver = driver
        self._engine = driver.engine
        self._timeouts = timeouts
        self._links: set[Any] = set()  # senders and receivers that were not closed here
        driver.engine.owner = self

    # --- what there is to know ----------------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether the connection is over, from whichever end."""
        return self._engine.error is not None

    @property
    def error(self) -> AMQPError | None:
        """Why the connection is over, or None."""
        return self._engine.error

    @property
    def container_id(self) -> str:
        """Our name."""
        return self._engine.options.container_id

    @property
    def remote_open(self) -> Open:
        """All that the peer's open said."""
        assert self._engine.remote_open is not None
        return self._engine.remote_open

    @property
    def remote_container_id(self) -> str:
        """The peer's name."""
        return self.remote_open.container_id

    @property
    def remote_properties(self) -> Mapping[Any, Any]:
        """The connection properties in the peer's open."""
        return self.remote_open.properties or {}

    @property
    def remote_offered_capabilities(self) -> tuple[str, ...]:
        """What the peer's open offers."""
        return tuple(self.remote_open.offered_capabilities or ())

    @property
    def max_frame_size(self) -> int:
        """The largest frame that the peer takes, in bytes."""
        return self._engine.max_frame_size

    @property
    def channel_max(self) -> int:
        """The highest channel that may be used, as negotiated."""
        return self._engine.negotiated_channel_max

    @property
    def counters(self) -> Counters:
        """Counts of what passed."""
        return self._engine.counters

    # --- opening ------------------------------------------------------------------------------------------------------

    def open_session(
        self,
        *,
        incoming_window: int = 2048,
        outgoing_window: int = 2048,
        handle_max: int = 65_535,
        properties: Mapping[str, Any] | None = None,
        desired_capabilities: Sequence[str] | None = None,
        offered_capabilities: Sequence[str] | None = None,
        timeout: Timeout = DEFAULT,
    ) -> Opening[Session]:
        """Begin a session for several links to share: await it, or enter it with ``async with``.

        Args:
            incoming_window: transfer frames that the peer may send before we widen the window.
            outgoing_window: transfer frames that we announce.
            handle_max: the highest handle either end may use.
            properties: of the session.
            desired_capabilities: extensions that we would use.
            offered_capabilities: extensions that we support.
            timeout: seconds; None for no limit; left out, the connection's for opening.

        Raises (when awaited or entered):
            InvalidState: all channels are in use.
            OperationTimeout: the peer did not answer in time.
            AMQPError: why the connection is over, or the peer ended the session at once.

        Cancelled, the session is ended as soon as the peer has begun it. §2.5.
        """
        options = SessionOptions(
            incoming_window=incoming_window,
            outgoing_window=outgoing_window,
            handle_max=handle_max,
            properties=properties,
            desired_capabilities=desired_capabilities,
            offered_capabilities=offered_capabilities,
        )
        return Opening(
            "open_session()",
            lambda: self._begin(options, Deadline(self._seconds("open", timeout), "beginning a session", "session")),
        )

    async def _begin(self, options: SessionOptions, deadline: Deadline) -> Session:
        session = Session(self, self._engine.new_session(options))
        await self._driver.run(session._engine.begin(), deadline)
        return session

    def open_sender(
        self,
        address: str | Target | None,
        *,
        name: str | None = None,
        dynamic: bool = False,
        source: str | Source | None = None,
        snd_settle_mode: int | None = None,
        rcv_settle_mode: int | None = None,
        max_unsettled: int = MAX_UNSETTLED,
        max_unsettled_bytes: int = MAX_UNSETTLED_BYTES,
        header: Header | None = None,
        properties: Mapping[str, Any] | None = None,
        desired_capabilities: Sequence[str] | None = None,
        offered_capabilities: Sequence[str] | None = None,
        on_outcome: Callable[[Receipt], None] | None = None,
        on_link_state: Callable[[Mapping[Any, Any]], None] | None = None,
        timeout: Timeout = DEFAULT,
    ) -> Opening[Sender]:
        """Open a sender in a session of its own: see `Session.open_sender`."""
        options = sender_options(
            address,
            name=name,
            dynamic=dynamic,
            source=source,
            snd_settle_mode=snd_settle_mode,
            rcv_settle_mode=rcv_settle_mode,
            max_unsettled=max_unsettled,
            max_unsettled_bytes=max_unsettled_bytes,
            header=header,
            properties=properties,
            desired_capabilities=desired_capabilities,
            offered_capabilities=offered_capabilities,
        )

        async def open_() -> Sender:
            deadline = Deadline(self._seconds("attach", timeout), "opening a sender", "link")
            session = await self._begin(SessionOptions(private=True), deadline)
            return await session._attach_sender(options, True, on_outcome, on_link_state, deadline)

        return Opening("open_sender()", open_)

    def open_receiver(
        self,
        address: str | Source | None,
        *,
        credit: int = CREDIT,
        name: str | None = None,
        dynamic: bool = False,
        filter: Mapping[Any, Any] | None = None,  # noqa: A002 - the specification's word
        target: str | Target | None = None,
        snd_settle_mode: int | None = None,
        rcv_settle_mode: int | None = None,
        max_message_size: int | None = None,
        properties: Mapping[str, Any] | None = None,
        desired_capabilities: Sequence[str] | None = None,
        offered_capabilities: Sequence[str] | None = None,
        on_link_state: Callable[[Mapping[Any, Any]], None] | None = None,
        timeout: Timeout = DEFAULT,
    ) -> Opening[Receiver]:
        """Open a receiver in a session of its own: see `Session.open_receiver`."""
        options = receiver_options(
            address,
            credit=credit,
            name=name,
            dynamic=dynamic,
            filter=filter,
            target=target,
            snd_settle_mode=snd_settle_mode,
            rcv_settle_mode=rcv_settle_mode,
            max_message_size=max_message_size,
            properties=properties,
            desired_capabilities=desired_capabilities,
            offered_capabilities=offered_capabilities,
        )

        async def open_() -> Receiver:
            deadline = Deadline(self._seconds("attach", timeout), "opening a receiver", "link")
            session = await self._begin(SessionOptions(private=True), deadline)
            return await session._attach_receiver(options, True, on_link_state, deadline)

        return Opening("open_receiver()", open_)

    # --- closing ------------------------------------------------------------------------------------------------------

    async def close(self, *, error: Error | None = None, timeout: Timeout = DEFAULT) -> None:
        """Wait for outstanding outcomes, then close the connection and all that is open on it.

        Args:
            error: why, where it is not the normal end.
            timeout: seconds for all of it; None for no limit; left out, the connection's for closing.

        Raises:
            DeliveryError: an outcome is not accepted, and nobody had read it. The connection is closed then.
            EncodeError: the error cannot be encoded; the connection goes on.
            OperationTimeout: outcomes, or the peer's close, did not come in time. The connection is closed then.

        Harmless on a connection that is over. Cancelled, it is closed without waiting.
        """
        senders = [link for link in self._links if isinstance(link, Sender)]
        await self._shut(senders, error, self._close_deadline(timeout))
        raise_unread(senders)

    async def _shut(self, senders: list[Sender], error: Error | None, deadline: Deadline) -> None:
        """Close once these senders have their outcomes, and wait until the transport is gone; by force if need be."""
        driver = self._driver
        driver.check_reason(error)
        try:
            for sender in senders:
                await sender._finish_work(deadline)
            self._release_untaken()
            await driver.run(self._engine.close(error), deadline)
            driver.flush()
            driver.close_transport()
            await deadline.wait(asyncio.shield(driver.closed))
        except BaseException:
            self._drop(error)
            raise

    def _drop(self, error: Error | None) -> None:
        """Close without waiting."""
        self._release_untaken()
        if self._engine.error is None:
            senders = [link for link in self._links if isinstance(link, Sender)]
            self._engine.start_close(error)
            forget_doubts(senders, self._engine.error)
        self._driver.flush()
        self._driver.abort()
        self._driver.pump()

    def _release_untaken(self) -> None:
        for link in list(self._links):
            if isinstance(link, Receiver):
                link._release_untaken()

    async def wait_closed(self, *, timeout: Timeout = None) -> None:
        """Wait until the connection is over, from whichever end.

        Args:
            timeout: seconds; None for no limit.

        Raises:
            OperationTimeout: it is not over in time.

        `error` then says why. Cancelling it leaves the connection as it is.
        """
        deadline = Deadline(self._seconds("close", timeout), "waiting for the connection's end", "connection")
        await deadline.wait(asyncio.shield(self._driver.closed))

    async def _leave(self, failed: bool) -> None:
        if not failed:
            await self.close()
            return
        with suppress(AMQPError):
            await self._shut([], None, self._close_deadline())

    def _close_deadline(self, timeout: Timeout = DEFAULT) -> Deadline:
        return Deadline(self._seconds("close", timeout), "closing the connection", "connection")

    def _seconds(self, kind: str, timeout: Timeout) -> float | None:
        if timeout is DEFAULT:
            seconds: float | None = getattr(self._timeouts, kind)
            return seconds
        return timeout

    def _changed(self) -> None:
        """Nobody waits here but operations."""

    def __repr__(self) -> str:
        """Name the containers and the state."""
        return repr(self._engine).replace("<", "<asyncio ", 1)
