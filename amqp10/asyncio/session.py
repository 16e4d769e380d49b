"""Sessions for asyncio, which links may share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from amqp10 import engine
from amqp10.asyncio.driver import Deadline
from amqp10.asyncio.opening import Enterable, Opening
from amqp10.asyncio.receiver import Delivery, Receiver
from amqp10.asyncio.sender import Receipt, Sender, forget_doubts, raise_unread
from amqp10.errors import AMQPError
from amqp10.messaging import Header
from amqp10.options import (
    CREDIT,
    DEFAULT,
    MAX_UNSETTLED,
    MAX_UNSETTLED_BYTES,
    ReceiverOptions,
    SenderOptions,
    Timeout,
    receiver_options,
    sender_options,
)
from amqp10.performatives import Error
from amqp10.terminus import Source, Target

if TYPE_CHECKING:
    from amqp10.asyncio.connection import Connection

__all__ = ["Session"]


class Session(Enterable):
    """A session, which links may share. Made by `Connection.open_session`."""

    def __init__(self, connection: Connection, session: engine.Session) -> None:
        self._connection = connection
        self._driver = connection._driver
        self._engine = session
        session.owner = self

    @property
    def connection(self) -> Connection:
        """The session's connection."""
        return self._connection

    @property
    def closed(self) -> bool:
        """Whether the session is over, from whichever end."""
        return self._engine.error is not None

    @property
    def error(self) -> AMQPError | None:
        """Why the session is over, or None."""
        return self._engine.error

    @property
    def remote_properties(self) -> Mapping[Any, Any]:
        """The session properties in the peer's begin."""
        begin = self._engine.remote_begin
        return (begin.properties if begin else None) or {}

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
        """Open a sender: await it, or enter it with ``async with``.

        Args:
            address: where the messages go: an address, a whole Target, or None for the anonymous relay or a dynamic
                node.
            name: of the link; made here where left out.
            dynamic: whether the peer is to make a node, whose address is then in `Sender.address`.
            source: where the messages come from: an address or a whole Source.
            snd_settle_mode: 0 unsettled, 1 settled, 2 mixed; left out, what the peer answers to mixed.
            rcv_settle_mode: 0 first, 1 second; left out, what the peer answers to first.
            max_unsettled: messages that may await their outcome; further sends wait.
            max_unsettled_bytes: their bytes; a single larger message may go alone.
            header: for messages that have none, for instance ``Header(durable=True)``.
            properties: of the link.
            desired_capabilities: extensions that we would use.
            offered_capabilities: extensions that we support.
            on_outcome: called with each receipt whose outcome is not accepted and that nobody waits for.
            on_link_state: called with the link state properties that the peer's flows carry.
            timeout: seconds; None for no limit; left out, the connection's for attaching.

        Raises (when awaited or entered):
            LinkRefused: the peer refused the link, or did not give a settle mode that was asked for.
            OperationTimeout: the peer did not answer in time.
            InvalidState: the name, or every handle, is in use.
            EncodeError: something in the attach cannot be encoded.
            AMQPError: why session or connection is over; some brokers end the session of a link that they refuse.

        Cancelled, the link is closed as soon as the peer has attached it. §2.6.
        """
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
        return Opening(
            "open_sender()",
            lambda: self._attach_sender(options, False, on_outcome, on_link_state, self._attach_deadline(timeout)),
        )

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
        """Open a receiver: await it, or enter it with ``async with``.

        Args:
            address: where the messages come from: an address, a whole Source, or None for a dynamic node.
            credit: deliveries that may be queued here or unsettled at once: the credit is given and renewed by itself.
                0 leaves it to `Receiver.add_credit`.
            name: of the link; made here where left out.
            dynamic: whether the peer is to make a node, whose address is then in `Receiver.address`.
            filter: a filter set, for instance ``selector_filter("color = 'blue'")``.
            target: where the messages go: an address or a whole Target.
            snd_settle_mode: 0 unsettled, 1 settled, 2 mixed; left out, what the peer answers to mixed.
            rcv_settle_mode: 0 first, 1 second; left out, what the peer answers to first.
            max_message_size: bytes; a larger message closes the link. None or 0: no limit.
            properties: of the link.
            desired_capabilities: extensions that we would use.
            offered_capabilities: extensions that we support.
            on_link_state: called with the link state properties that the peer's flows carry.
            timeout: seconds; None for no limit; left out, the connection's for attaching.

        Raises (when awaited or entered):
            LinkRefused: the peer refused the link, or did not give a settle mode that was asked for.
            OperationTimeout: the peer did not answer in time.
            InvalidState: the name, or every handle, is in use.
            EncodeError: something in the attach cannot be encoded.
            AMQPError: why session or connection is over; some brokers end the session of a link that they refuse.

        Cancelled, the link is closed as soon as the peer has attached it. §2.6.
        """
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
        return Opening(
            "open_receiver()",
            lambda: self._attach_receiver(options, False, on_link_state, self._attach_deadline(timeout)),
        )

    def _attach_deadline(self, timeout: Timeout) -> Deadline:
        return Deadline(self._connection._seconds("attach", timeout), "attaching a link", "link")

    async def _attach_sender(
        self,
        options: SenderOptions,
        owns_session: bool,
        on_outcome: Callable[[Receipt], None] | None,
        on_link_state: Callable[[Mapping[Any, Any]], None] | None,
        deadline: Deadline,
    ) -> Sender:
        with _EndingOnFailure(self, owns_session):
            link = self._engine.new_sender(options)
            sender = Sender(self._driver, self, link, owns_session, on_link_state, on_outcome)
            await self._driver.run(link.attach(), deadline)
        self._connection._links.add(sender)
        return sender

    async def _attach_receiver(
        self,
        options: ReceiverOptions,
        owns_session: bool,
        on_link_state: Callable[[Mapping[Any, Any]], None] | None,
        deadline: Deadline,
    ) -> Receiver:
        with _EndingOnFailure(self, owns_session):
            link = self._engine.new_receiver(options)
            link.delivery_class = Delivery
            receiver = Receiver(self._driver, self, link, owns_session, on_link_state)
            await self._driver.run(link.attach(), deadline)
        self._connection._links.add(receiver)
        return receiver

    async def close(self, *, error: Error | None = None, timeout: Timeout = DEFAULT) -> None:
        """Wait for outstanding outcomes, then end the session and its links.

        Args:
            error: why, where it is not the normal end.
            timeout: seconds for all of it; None for no limit; left out, the connection's for closing.

        Raises:
            DeliveryError: an outcome is not accepted, and nobody had read it. The session is ended then.
            EncodeError: the error cannot be encoded; the session goes on.
            OperationTimeout: outcomes, or the peer's end, did not come in time. The session is ended then.

        Harmless on a session that is over. Cancelled, it is ended without waiting.
        """
        senders = [link.owner for link in self._engine.links if isinstance(link.owner, Sender)]
        await self._end(senders, error, self._close_deadline(timeout))
        raise_unread(senders)

    async def _end(self, senders: list[Sender], error: Error | None, deadline: Deadline) -> None:
        """End the session once these senders have their outcomes; where that is broken off, at once."""
        self._driver.check_reason(error)
        try:
            for sender in senders:
                await sender._finish_work(deadline)
            self._release_untaken()
            await self._driver.run(self._engine.end(error), deadline)
        except BaseException:
            self._drop(error)
            raise

    def _drop(self, error: Error | None = None) -> None:
        """End the session without waiting."""
        self._release_untaken()
        if self._engine.error is None:
            senders = [link.owner for link in self._engine.links if isinstance(link.owner, Sender)]
            self._engine.start_end(error)
            forget_doubts(senders, self._engine.error)
        self._driver.pump()

    def _release_untaken(self) -> None:
        for link in self._engine.links:
            if isinstance(link.owner, Receiver):
                link.owner._release_untaken()

    async def _leave(self, failed: bool) -> None:
        if not failed:
            await self.close()
            return
        with suppress(AMQPError):
            await self._end([], None, self._close_deadline())

    def _close_deadline(self, timeout: Timeout = DEFAULT) -> Deadline:
        return Deadline(self._connection._seconds("close", timeout), "ending the session", "session")

    def _changed(self) -> None:
        """Nobody waits here but operations."""

    def __repr__(self) -> str:
        """Name connection, channel and state."""
        return repr(self._engine).replace("<", "<asyncio ", 1)


class _EndingOnFailure:
    """Ends a link's own session where the link does not come about."""

    def __init__(self, session: Session, owned: bool) -> None:
        self._session = session
        self._owned = owned

    def __enter__(self) -> None:
        pass

    def __exit__(self, exc_type: type[BaseException] | None, *_: object) -> None:
        if exc_type is not None and self._owned:
            self._session._drop()
