"""Senders and receivers for asyncio, and what passes through them.

The engine's links know the rules; here are the waiting and its order. A send never overtakes an earlier one that waits,
and deliveries go to receives in the order of the calls.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, Callable, Generator, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from amqp10 import _codec, engine
from amqp10.asyncio.driver import Deadline, Driver, wait_for_delivery, wake
from amqp10.asyncio.opening import Enterable
from amqp10.errors import (
    AMQPError,
    BufferFull,
    ConnectionClosed,
    DeliverySendState,
    InvalidState,
    LinkClosed,
    OperationTimeout,
    SessionClosed,
)
from amqp10.options import DEFAULT, Timeout, is_lasting
from amqp10.outcomes import Modified, Outcome, Rejected
from amqp10.performatives import Error
from amqp10.summary import SendSummary, delivery_error, unread_error
from amqp10.types import Symbol

if TYPE_CHECKING:
    from amqp10.asyncio.connection import Session

__all__ = ["Delivery", "Receipt", "Receiver", "Sender"]

L = TypeVar("L", bound=engine.Link)


class Receipt(_codec.OutgoingDelivery):
    """A message that was sent: its tag and, in time, its outcome.

    An outcome other than accepted that nobody reads here is raised by the sender's `flush` or `close`, or goes to its
    `on_outcome`.
    """

    __slots__ = ()

    @property
    def done(self) -> bool:
        """Whether the outcome is known, or the link ended before it came."""
        return self.settled or self.error is not None

    async def outcome(self, *, timeout: Timeout = DEFAULT) -> Outcome | None:
        """Wait for the outcome.

        Args:
            timeout: seconds; None for no limit; left out, the connection's for sends.

        Returns:
            What the peer decided, whatever it is; None for a message that was sent settled.

        Raises:
            OperationTimeout: no outcome came in time. It may still come; the message stays unsettled and counted.
            AMQPError: why the link ended before; `delivery_state` is IN_DOUBT.

        Cancelling it leaves the delivery as it is.
        """
        if not self.settled and self.error is None:
            sender: Sender = self.tally.owner.owner
            sender._driver.pump()
            deadline = Deadline(sender._seconds("send", timeout), "waiting for an outcome")
            try:
                while not self.settled and self.error is None:
                    await wait_for_delivery(self, deadline)
            except OperationTimeout as error:
                error.delivery_state = DeliverySendState.IN_DOUBT
                raise
        self.read = True
        if self.error is not None:
            error = delivery_error(self)
            assert error is not None
            raise error
        outcome: Outcome | None = self.state
        return outcome

    def raise_for_outcome(self) -> None:
        """Raise unless the message was accepted, or sent settled.

        Raises:
            DeliveryError: its outcome, as MessageRejected, MessageReleased or MessageModified.
            InvalidState: there is no outcome yet.
        """
        if not self.done:
            raise InvalidState("the outcome is not known yet: await the receipt first", level="delivery")
        self.read = True
        error = delivery_error(self)
        if error is not None:
            raise error

    def __await__(self) -> Generator[Any, None, Outcome | None]:
        """Wait for the outcome, as `outcome` does."""
        return self.outcome().__await__()


class Delivery(_codec.Delivery):
    """A message that came, to be settled by `accept`, `reject`, `release` or `modify`: plain calls.

    What is settled together leaves as one frame for a whole range.
    """

    __slots__ = ()

    async def wait_settled(self, *, timeout: Timeout = DEFAULT) -> Outcome | None:
        """Wait until the sender has settled, after we gave an outcome in rcv-settle-mode second (§2.6.12).

        Args:
            timeout: seconds; None for no limit; left out, the connection's for settling.

        Returns:
            The sender's final state, or None where it named none.

        Raises:
            OperationTimeout: it did not settle in time.
            AMQPError: why the link ended before.

        Cancelling it leaves the delivery as it is.
        """
        receiver: Receiver = self.receiver.owner
        deadline = Deadline(receiver._seconds("settle", timeout), "waiting for the sender to settle")
        receiver._settling.add(self)
        try:
            while not self.settled:
                self.receiver.check()
                await wait_for_delivery(self, deadline)
        finally:
            receiver._settling.discard(self)
        state: Outcome | None = self.remote_state if self.remote_settled else self.state
        return state


class _Link(Enterable, Generic[L]):
    """What sender and receiver have in common."""

    def __init__(
        self,
        driver: Driver,
        session: Session,
        link: L,
        owns_session: bool,
        on_link_state: Callable[[Mapping[Any, Any]], None] | None,
    ) -> None:
        self._driver = driver
        self._session = session
        self._engine: L = link
        self._owns_session = owns_session
        self._on_link_state = on_link_state
        link.owner = self

    @property
    def session(self) -> Session:
        """The session of the link."""
        return self._session

    @property
    def name(self) -> str:
        """The link's name."""
        return self._engine.name

    @property
    def snd_settle_mode(self) -> int:
        """As agreed: 0 unsettled, 1 settled, 2 mixed."""
        return self._engine.snd_settle_mode

    @property
    def rcv_settle_mode(self) -> int:
        """As agreed: 0 first, 1 second."""
        return self._engine.rcv_settle_mode

    @property
    def closed(self) -> bool:
        """Whether the link is over, from whichever end."""
        return self._engine.error is not None

    @property
    def error(self) -> AMQPError | None:
        """Why the link is over, or None."""
        return self._engine.error

    @property
    def remote_properties(self) -> Mapping[Any, Any]:
        """The properties in the peer's attach."""
        return self._engine.remote_properties

    @property
    def remote_source(self) -> Any:
        """The source in the peer's attach."""
        attach = self._engine.remote_attach
        return None if attach is None else attach.source

    @property
    def remote_target(self) -> Any:
        """The target in the peer's attach."""
        attach = self._engine.remote_attach
        return None if attach is None else attach.target

    @property
    def offered_capabilities(self) -> tuple[str, ...]:
        """What the peer's attach offers."""
        attach = self._engine.remote_attach
        return tuple((attach.offered_capabilities if attach else None) or ())

    def _seconds(self, kind: str, timeout: Timeout) -> float | None:
        return self._session._connection._seconds(kind, timeout)

    def _link_state_received(self, properties: Mapping[Any, Any]) -> None:
        if self._on_link_state is not None:
            self._driver.loop.call_soon(self._on_link_state, properties)

    def _changed(self) -> None:
        """The link may be over: whoever waits must know."""

    async def _detach(self, closed: bool, deadline: Deadline, error: Error | None = None) -> None:
        try:
            await self._driver.run(self._engine.detach(closed=closed, error=error), deadline)
        finally:
            if self._owns_session:
                await self._driver.run(self._session._engine.end(), deadline)

    def __repr__(self) -> str:
        """Name connection, channel, name and state."""
        return repr(self._engine).replace("<", "<asyncio ", 1)


class Sender(_Link[engine.Sender]):
    """Sends messages over a link. Made by `open_sender`."""

    def __init__(
        self,
        driver: Driver,
        session: Session,
        link: engine.Sender,
        owns_session: bool,
        on_link_state: Callable[[Mapping[Any, Any]], None] | None,
        on_outcome: Callable[[Receipt], None] | None,
    ) -> None:
        super().__init__(driver, session, link, owns_session, on_link_state)
        self._on_outcome = on_outcome
        self._waiting: dict[asyncio.Future[None], Receipt] = {}  # sends that wait for their turn, oldest first

    @property
    def address(self) -> str | None:
        """The target's address, which the peer gave where the node is dynamic."""
        return getattr(self.remote_target, "address", None)

    @property
    def link_credit(self) -> int:
        """How many messages the peer would take now."""
        return self._engine.link_credit

    @property
    def unsettled(self) -> int:
        """How many messages have no outcome yet."""
        return self._engine.tally.count

    @property
    def unsettled_bytes(self) -> int:
        """How many bytes they have."""
        return self._engine.tally.size

    @property
    def delivery_count(self) -> int:
        """How many deliveries were sent, modulo 2**32, from where the link started counting."""
        return self._engine.delivery_count

    @property
    def max_message_size(self) -> int | None:
        """The largest message that the peer takes, in bytes; None for no limit."""
        return self._engine.max_message_size

    # --- sending ------------------------------------------------------------------------------------------------------

    async def send(
        self,
        message: object,
        *,
        delivery_tag: bytes | None = None,
        settled: bool = False,
        timeout: Timeout = DEFAULT,
    ) -> None:
        """Send a message and wait for its outcome.

        Args:
            message: a Message, or a body: bytes-like for a data section, Data, AmqpSequence or AmqpValue for just that,
                anything else for an amqp-value section.
            delivery_tag: up to 32 bytes that no other unsettled message of this sender has; made here where left out.
            settled: send it settled: no outcome comes.
            timeout: seconds for all of it; None for no limit; left out, the connection's for sends.

        Raises:
            DeliveryError: the outcome is not accepted.
            EncodeError, MessageTooLarge: it cannot be sent; nothing left.
            OperationTimeout: neither credit nor outcome came in time.
            AMQPError: why the link ended. `delivery_state` of each error says whether the message may have left.

        Cancelling it before the first byte leaves nothing behind; in mid-message the transfer is aborted; after that the
        message stays sent, unsettled and counted.
        """
        deadline = Deadline(self._seconds("send", timeout), "sending")
        receipt = await self._submit(message, delivery_tag, settled, deadline)
        try:
            while not receipt.settled and receipt.error is None:
                await wait_for_delivery(receipt, deadline)
        except OperationTimeout as error:
            error.delivery_state = self._give_up(receipt)
            raise
        except BaseException:
            self._give_up(receipt)
            raise
        receipt.raise_for_outcome()

    async def submit(
        self,
        message: object,
        *,
        delivery_tag: bytes | None = None,
        settled: bool = False,
        timeout: Timeout = DEFAULT,
    ) -> Receipt:
        """Send a message and return without waiting for its outcome: only for credit and room.

        Args:
            message: as for `send`.
            delivery_tag: as for `send`.
            settled: as for `send`.
            timeout: seconds for credit and room; None for no limit; left out, the connection's for sends.

        Returns:
            The receipt, which gives the outcome when it comes.

        Raises:
            EncodeError, MessageTooLarge: it cannot be sent; nothing left.
            OperationTimeout: no credit or room came in time; nothing left.
            AMQPError: why the link is over.

        Cancelling it while it waits leaves nothing behind.
        """
        if self._waiting or self._driver.is_pace_due:
            return await self._submit(message, delivery_tag, settled, self._send_deadline(timeout))
        receipt = self._make(message, delivery_tag, settled)
        if self._engine.can_send(receipt.size):
            self._engine.send(receipt)
            self._driver.flush_if_large()
        else:
            await self._wait_turn(receipt, self._send_deadline(timeout))
        return receipt

    def send_nowait(self, message: object, *, delivery_tag: bytes | None = None, settled: bool = False) -> Receipt:
        """Send a message if that needs no waiting.

        Args:
            message: as for `send`.
            delivery_tag: as for `send`.
            settled: as for `send`.

        Returns:
            The receipt, which gives the outcome when it comes.

        Raises:
            NoCredit: the peer gave no credit, or the session's window is closed.
            BufferFull: a bound of ours is reached, or other sends wait.
            EncodeError, MessageTooLarge: it cannot be sent.
            AMQPError: why the link is over.
        """
        receipt = self._make(message, delivery_tag, settled)
        if self._waiting:
            raise BufferFull(f"{len(self._waiting)} sends wait before it")
        self._engine.send(receipt)
        self._driver.flush_if_large()
        return receipt

    async def send_many(
        self,
        messages: Iterable[object] | AsyncIterable[object],
        *,
        on_outcome: Callable[[Receipt], None] | None = None,
        timeout: Timeout = DEFAULT,
    ) -> SendSummary:
        """Send messages one after the other, many under way at once, and wait for all outcomes.

        What is under way stays within the sender's max_unsettled and max_unsettled_bytes, however many there are.

        Args:
            messages: each as for `send`.
            on_outcome: called with each receipt whose outcome came, in the order of sending.
            timeout: seconds that one message may wait for credit, room or its outcome; None for no limit; left out, the
                connection's for sends.

        Returns:
            How many were accepted and how many not; `raise_for_failures` raises for these.

        Raises:
            OperationTimeout, AMQPError: as `send` does; and what the iterable raises. The exception's attribute `summary`
                then says how many were accepted, failed, not sent or in doubt.

        Cancelling it stops after the message under way; CancelledError has the `summary` too.
        """
        batch = _Batch(self, on_outcome, self._seconds("send", timeout))
        try:
            if isinstance(messages, AsyncIterable):
                async for message in messages:
                    await batch.send(message)
            else:
                for message in messages:
                    await batch.send(message)
            await batch.finish()
        except BaseException as error:
            error.summary = batch.break_off()  # type: ignore[attr-defined]
            raise
        return batch.summary

    async def flush(self, *, timeout: Timeout = DEFAULT) -> None:
        """Wait until everything sent so far has its outcome.

        Args:
            timeout: seconds; None for no limit; left out, the connection's for sends.

        Raises:
            DeliveryError: an outcome is not accepted, and nobody had read it; a note says how many there are.
            OperationTimeout: they did not all come in time.
            AMQPError: why the link ended before.

        Cancelling it leaves all as it is.
        """
        await self._driver.run(self._engine.flush(), self._send_deadline(timeout, "flushing"))
        self._raise_unread()

    # --- closing ------------------------------------------------------------------------------------------------------

    async def close(self, *, error: Error | None = None, timeout: Timeout = DEFAULT) -> None:
        """Wait for outstanding outcomes, then close the link.

        Args:
            error: why, where it is not the normal end.
            timeout: seconds for all of it; None for no limit; left out, the connection's for closing.

        Raises:
            DeliveryError: an outcome is not accepted, and nobody had read it. The link is closed then.
            OperationTimeout: outcomes, or the peer's answer, did not come in time. The link is closed then.

        Harmless on a link that is over. Cancelled, the link is closed without waiting.
        """
        await self._close(True, Deadline(self._seconds("close", timeout), "closing the sender"), error)

    async def detach(self, *, timeout: Timeout = DEFAULT) -> None:
        """Wait for outstanding outcomes, then detach the link: the peer keeps its terminus as far as it is to last.

        Args:
            timeout: seconds for all of it; None for no limit; left out, the connection's for closing.

        Raises:
            DeliveryError: an outcome is not accepted, and nobody had read it. The link is detached then.
            OperationTimeout: outcomes, or the peer's answer, did not come in time. The link is detached then.

        Harmless on a link that is over. Cancelled, the link is detached without waiting.
        """
        await self._close(False, Deadline(self._seconds("close", timeout), "detaching the sender"), None)

    async def _close(self, closed: bool, deadline: Deadline, error: Error | None) -> None:
        try:
            if self._engine.error is None:
                await self._driver.run(self._engine.flush(), deadline)
        except AMQPError:
            if self._engine.error is None:
                raise
        finally:
            if self._engine.error is None:
                self._engine.start_detach(closed=closed, error=error)
            await self._detach(closed, deadline, error)
        self._raise_unread()

    async def _leave(self, failed: bool) -> None:
        closed = not is_lasting(self._engine.options.target)
        deadline = Deadline(self._seconds("close", DEFAULT), "closing the sender")
        if not failed:
            await self._close(closed, deadline, None)
            return
        with suppress(AMQPError):
            await self._detach(closed, deadline)

    # --- waiting ------------------------------------------------------------------------------------------------------

    def _send_deadline(self, timeout: Timeout, what: str = "waiting for credit") -> Deadline:
        return Deadline(self._seconds("send", timeout), what)

    def _make(self, message: object, delivery_tag: bytes | None, settled: bool) -> Receipt:
        link = self._engine
        tag = link.next_tag() if delivery_tag is None else delivery_tag
        receipt = Receipt(link.tally, message, tag, settled or link.presettles, link.options.header)
        link.check_size(receipt)
        return receipt

    async def _submit(self, message: object, delivery_tag: bytes | None, settled: bool, deadline: Deadline) -> Receipt:
        receipt = self._make(message, delivery_tag, settled)
        await self._place(receipt, deadline)
        return receipt

    async def _place(self, receipt: Receipt, deadline: Deadline) -> None:
        """Send a receipt's message in its turn."""
        if not self._waiting and self._driver.is_pace_due:
            await self._driver.give_turn()
        if not self._waiting and self._engine.can_send(receipt.size):
            self._engine.send(receipt)
            self._driver.flush_if_large()
        else:
            await self._wait_turn(receipt, deadline)

    async def _wait_turn(self, receipt: Receipt, deadline: Deadline) -> None:
        try:
            self._engine.check()
        except AMQPError as error:
            error.delivery_state = DeliverySendState.NOT_SENT
            raise
        future: asyncio.Future[None] = self._driver.loop.create_future()
        self._waiting[future] = receipt
        self._engine.available = len(self._waiting)
        try:
            await deadline.wait(future)
        except AMQPError as error:
            error.delivery_state = DeliverySendState.NOT_SENT
            raise
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._give_up(receipt)  # it was sent while the cancellation was under way
            raise
        finally:
            if self._waiting.pop(future, None) is not None:
                self._serve()  # the turn goes on to the next

    def _serve(self) -> None:
        """Send for those who wait, oldest first, as many as can go."""
        link = self._engine
        waiting = self._waiting
        while waiting:
            future = next(iter(waiting))
            receipt = waiting[future]
            if not link.can_send(receipt.size):
                break
            del waiting[future]
            try:
                link.send(receipt, bool(waiting))
            except AMQPError as error:
                if not future.done():
                    future.set_exception(error)
            else:
                if not future.done():
                    future.set_result(None)
        link.available = len(waiting)

    def _give_up(self, receipt: Receipt) -> DeliverySendState:
        if not receipt.settled and receipt.error is None and self._engine.abandon(receipt):
            return DeliverySendState.NOT_SENT
        return DeliverySendState.IN_DOUBT

    def _changed(self) -> None:
        error = self._engine.error
        if error is None:
            return
        while self._waiting:
            future = next(iter(self._waiting))
            del self._waiting[future]
            if not future.done():
                future.set_exception(error.again())

    def _outcomes_arrived(self, watched: list[Any]) -> None:
        for receipt in watched:
            if receipt.waiter is not None:
                wake(receipt)
            elif self._on_outcome is not None and receipt.done and not receipt.read:
                receipt.read = True
                self._driver.loop.call_soon(self._on_outcome, receipt)
        if self._waiting:
            self._serve()

    def _raise_unread(self) -> None:
        link = self._engine
        error = unread_error(link.take_unread(), link.unread_dropped)
        link.unread_dropped = 0
        if error is not None:
            raise error


class _Batch:
    """What a `send_many` has under way."""

    __slots__ = ("_current", "_on_outcome", "_pending", "_sender", "_timeout", "summary")

    def __init__(self, sender: Sender, on_outcome: Callable[[Receipt], None] | None, timeout: float | None) -> None:
        self._sender = sender
        self._on_outcome = on_outcome
        self._timeout = timeout
        self._pending: deque[Receipt] = deque()  # sent and not counted, oldest first
        self._current = 0  # 1 while a message was taken from the iterable and has not left
        self.summary = SendSummary()

    async def send(self, message: object) -> None:
        sender = self._sender
        self._current = 1
        receipt = sender._make(message, None, False)
        if not sender._waiting and not sender._driver.is_pace_due and sender._engine.can_send(receipt.size):
            sender._engine.send(receipt)
            sender._driver.flush_if_large()
        else:
            await sender._place(receipt, Deadline(self._timeout, "waiting for credit"))
        self._current = 0
        self._pending.append(receipt)
        self._reap()
        if len(self._pending) > 4 * sender._engine.options.max_unsettled:
            await self._wait_first()  # one without an outcome must not make us keep all that came after it

    async def finish(self) -> None:
        self._reap()
        while self._pending:
            await self._wait_first()
            self._reap()

    async def _wait_first(self) -> None:
        receipt = self._pending[0]
        deadline = Deadline(self._timeout, "waiting for an outcome")
        try:
            while not receipt.settled and receipt.error is None:
                await wait_for_delivery(receipt, deadline)
        except OperationTimeout as error:
            error.delivery_state = DeliverySendState.IN_DOUBT
            raise
        if receipt.error is not None:
            error = delivery_error(receipt)
            assert error is not None
            raise error

    def _reap(self) -> None:
        """Count the oldest that have their outcome."""
        pending = self._pending
        while pending and pending[0].settled:
            receipt = pending.popleft()
            receipt.read = True
            self.summary.count(receipt)
            if self._on_outcome is not None:
                self._on_outcome(receipt)

    def break_off(self) -> SendSummary:
        """Count everything as it stands."""
        self._reap()
        for receipt in self._pending:
            receipt.read = True
            if receipt.settled:
                self.summary.count(receipt)
            else:
                self.summary.in_doubt += 1
        self._pending.clear()
        self.summary.not_sent += self._current
        return self.summary


class Receiver(_Link[engine.Receiver]):
    """Receives messages over a link. Made by `open_receiver`.

    Iterating yields deliveries until the link is closed here; a detach of the peer raises its error once the deliveries
    that came before are taken.
    """

    def __init__(
        self,
        driver: Driver,
        session: Session,
        link: engine.Receiver,
        owns_session: bool,
        on_link_state: Callable[[Mapping[Any, Any]], None] | None,
    ) -> None:
        super().__init__(driver, session, link, owns_session, on_link_state)
        self._waiting: dict[asyncio.Future[Any], None] = {}  # receives that wait, oldest first
        self._settling: set[Delivery] = set()  # deliveries somebody waits for to be settled by the sender

    @property
    def address(self) -> str | None:
        """The source's address, which the peer gave where the node is dynamic."""
        return getattr(self.remote_source, "address", None)

    @property
    def filter(self) -> Mapping[Any, Any]:
        """The filters that the peer says it applies; one that is missing here is not applied (§3.5.8)."""
        return getattr(self.remote_source, "filter", None) or {}

    @property
    def link_credit(self) -> int:
        """How many messages the peer may still send."""
        return self._engine.credit.link_credit

    @property
    def queued(self) -> int:
        """How many deliveries came and were not taken."""
        return len(self._engine.deliveries)

    @property
    def unsettled(self) -> int:
        """How many deliveries hold their credit: queued, or taken and unsettled."""
        return self._engine.credit.outstanding

    # --- receiving ----------------------------------------------------------------------------------------------------

    async def receive(self, *, timeout: Timeout = DEFAULT) -> Delivery:
        """Return the next delivery, waiting for it if there is none.

        Args:
            timeout: seconds; None for no limit; left out, the connection's for receiving.

        Raises:
            OperationTimeout: none came in time.
            AMQPError: why the link is over; deliveries that came before are given first.

        Cancelling it loses no delivery.
        """
        link = self._engine
        if not self._waiting and link.deliveries:
            delivery: Any = link.take()
            if self._driver.is_pace_due:
                await self._turn_with(delivery)
            return delivery
        return await self._wait(Deadline(self._seconds("receive", timeout), "receiving"))

    def receive_nowait(self) -> Delivery | None:
        """Return the next delivery, or None where there is none.

        Raises:
            AMQPError: why the link is over, once the deliveries that came before are taken.
        """
        if self._waiting:
            return None
        delivery: Any = self._engine.take()
        if delivery is None:
            self._engine.check()
        return delivery

    async def receive_many(self, max_count: int, *, timeout: Timeout = DEFAULT) -> list[Delivery]:
        """Wait for a delivery, then return it with what else is there.

        Args:
            max_count: how many at most, 1 or more.
            timeout: seconds for the first; None for no limit; left out, the connection's for receiving.

        Raises:
            OperationTimeout: none came in time.
            AMQPError: why the link is over; deliveries that came before are given first.

        Cancelling it loses no delivery.
        """
        if max_count < 1:
            raise ValueError(f"max_count must be 1 or more, not {max_count}")
        deliveries = [await self.receive(timeout=timeout)]
        while len(deliveries) < max_count and not self._waiting:
            delivery: Any = self._engine.take()
            if delivery is None:
                break
            deliveries.append(delivery)
        return deliveries

    def __aiter__(self) -> Self:
        """Iterate over the deliveries."""
        return self

    async def __anext__(self) -> Delivery:
        """Return the next delivery; stop where the link was closed here."""
        link = self._engine
        if not self._waiting and link.deliveries:
            delivery: Any = link.take()
            if self._driver.is_pace_due:
                await self._turn_with(delivery)
            return delivery
        try:
            return await self._wait(Deadline(self._seconds("receive", DEFAULT), "receiving"))
        except (LinkClosed, SessionClosed, ConnectionClosed):
            raise StopAsyncIteration from None

    # --- settling many ------------------------------------------------------------------------------------------------

    def accept(self, deliveries: Iterable[Delivery]) -> None:
        """Accept many deliveries: as `Delivery.accept` on each."""
        for delivery in deliveries:
            delivery.accept()

    def reject(
        self,
        deliveries: Iterable[Delivery],
        condition: str | None = None,
        description: str | None = None,
        info: Mapping[Any, Any] | None = None,
    ) -> None:
        """Reject many deliveries: as `Delivery.reject` on each."""
        error = None
        if condition is not None:
            error = Error(condition=Symbol(condition), description=description, info=None if info is None else dict(info))
        self._settle_all(deliveries, Rejected(error=error))

    def release(self, deliveries: Iterable[Delivery]) -> None:
        """Release many deliveries: as `Delivery.release` on each."""
        for delivery in deliveries:
            delivery.release()

    def modify(
        self,
        deliveries: Iterable[Delivery],
        *,
        delivery_failed: bool = False,
        undeliverable_here: bool = False,
        message_annotations: Mapping[Any, Any] | None = None,
    ) -> None:
        """Modify many deliveries: as `Delivery.modify` on each."""
        annotations = None if message_annotations is None else dict(message_annotations)
        state = Modified(
            delivery_failed=delivery_failed, undeliverable_here=undeliverable_here, message_annotations=annotations
        )
        self._settle_all(deliveries, state)

    def settle(self, deliveries: Iterable[Delivery], state: Outcome | None = None) -> None:
        """Settle many deliveries with one state: as `Delivery.settle` on each."""
        self._settle_all(deliveries, state)

    def _settle_all(self, deliveries: Iterable[Delivery], state: Outcome | None) -> None:
        for delivery in deliveries:
            delivery.settle(state)

    # --- credit -------------------------------------------------------------------------------------------------------

    def add_credit(self, count: int) -> None:
        """Let the peer send so many more, on a receiver with credit=0; go on with automatic credit after a drain.

        Args:
            count: deliveries, 1 or more.

        Raises:
            ValueError: the count is not positive, or the credit would exceed 2**31-1.
            InvalidState: credit is automatic, or a drain is under way.
            AMQPError: why the link is over.
        """
        self._engine.add_credit(count)

    def pause(self) -> None:
        """Stop giving automatic credit and take back what is unused: what is under way still comes.

        Raises:
            AMQPError: why the link is over.
        """
        self._engine.pause()

    def resume(self) -> None:
        """Go on giving automatic credit.

        Raises:
            AMQPError: why the link is over.
        """
        self._engine.resume()

    async def drain(self, *, timeout: Timeout = DEFAULT) -> int:
        """Have the peer send what it has up to the credit and give the rest back (§2.6.7).

        Automatic credit stops until `add_credit`.

        Args:
            timeout: seconds; None for no limit; left out, the connection's for draining.

        Returns:
            How many deliveries came meanwhile.

        Raises:
            OperationTimeout: the peer did not answer in time (RabbitMQ 3.10 never does).
            InvalidState: a drain is under way.
            AMQPError: why the link is over.

        Cancelling it leaves credit unanswered; a later drain asks anew.
        """
        return await self._driver.run(self._engine.drain(), Deadline(self._seconds("drain", timeout), "draining"))

    # --- closing ------------------------------------------------------------------------------------------------------

    async def close(self, *, error: Error | None = None, timeout: Timeout = DEFAULT) -> None:
        """Release what came and was not taken, then close the link.

        Args:
            error: why, where it is not the normal end.
            timeout: seconds; None for no limit; left out, the connection's for closing.

        Raises:
            OperationTimeout: the peer's answer did not come in time. The link is closed then.

        Harmless on a link that is over. Cancelled, the link is closed without waiting.
        """
        await self._close(True, Deadline(self._seconds("close", timeout), "closing the receiver"), error)

    async def detach(self, *, timeout: Timeout = DEFAULT) -> None:
        """Release what came and was not taken, then detach: the peer keeps its terminus as far as it is to last.

        Args:
            timeout: seconds; None for no limit; left out, the connection's for closing.

        Raises:
            OperationTimeout: the peer's answer did not come in time. The link is detached then.

        Harmless on a link that is over. Cancelled, the link is detached without waiting.
        """
        await self._close(False, Deadline(self._seconds("close", timeout), "detaching the receiver"), None)

    async def _close(self, closed: bool, deadline: Deadline, error: Error | None) -> None:
        if self._engine.error is None:
            self._engine.release_untaken()
        await self._detach(closed, deadline, error)

    async def _leave(self, failed: bool) -> None:
        closed = not is_lasting(self._engine.options.source)
        deadline = Deadline(self._seconds("close", DEFAULT), "closing the receiver")
        if not failed:
            await self._close(closed, deadline, None)
            return
        with suppress(AMQPError):
            await self._close(closed, deadline, None)

    # --- waiting ------------------------------------------------------------------------------------------------------

    async def _turn_with(self, delivery: Delivery) -> None:
        """Give the loop its turn while a delivery is in hand; cancelled there, it is put back."""
        try:
            await self._driver.give_turn()
        except BaseException:
            self._put_back(delivery)
            raise

    async def _wait(self, deadline: Deadline) -> Delivery:
        self._engine.check()
        future: asyncio.Future[Delivery] = self._driver.loop.create_future()
        self._waiting[future] = None
        try:
            return await deadline.wait(future)
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._put_back(future.result())
            raise
        finally:
            self._waiting.pop(future, None)

    def _put_back(self, delivery: Delivery) -> None:
        self._engine.put_back(delivery)
        self._deliveries_arrived()

    def _deliveries_arrived(self) -> None:
        waiting = self._waiting
        while waiting and self._engine.deliveries:
            future = next(iter(waiting))
            del waiting[future]
            if not future.done():
                future.set_result(self._engine.take())

    def _changed(self) -> None:
        error = self._engine.error
        if error is None:
            return
        while self._waiting:
            future = next(iter(self._waiting))
            del self._waiting[future]
            if not future.done():
                future.set_exception(error.again())
        for delivery in self._settling:
            wake(delivery)

