"""Senders for asyncio, and the receipts they give.

The engine's sender knows the rules; here are the waiting and its order: a send never overtakes an earlier one that
waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Generator, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from amqp10 import _codec, engine
from amqp10.asyncio.batch import Batch
from amqp10.asyncio.driver import Deadline, Driver, wait_for_delivery, wake
from amqp10.asyncio.link import Link
from amqp10.engine.counters import SenderCounters
from amqp10.errors import AMQPError, BufferFull, DeliverySendState, InvalidState, OperationTimeout, WouldBlock
from amqp10.options import DEFAULT, Timeout, is_lasting
from amqp10.outcomes import Outcome
from amqp10.performatives import Error
from amqp10.summary import SendSummary, delivery_error, unread_error

if TYPE_CHECKING:
    from amqp10.asyncio.session import Session

__all__ = ["Receipt", "Sender", "forget_doubts", "raise_unread"]


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
        if not self.done:
            sender: Sender = self.tally.owner.owner
            try:
                await sender._wait_done(self, sender._send_deadline(timeout, "waiting for an outcome"))
            except OperationTimeout as error:
                error.delivery_state = DeliverySendState.IN_DOUBT
                raise
        self.read = True
        if self.error is not None:
            raise self._failure()
        outcome: Outcome | None = self.state
        return outcome

    def _failure(self) -> AMQPError:
        error = delivery_error(self)
        assert error is not None
        return error

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


class Sender(Link[engine.Sender]):
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
    def counters(self) -> SenderCounters:
        """What was sent so far, and what became of it."""
        return self._engine.counters

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

        Cancelling it before the first byte leaves nothing behind; in mid-message the transfer is aborted (a RabbitMQ,
        which would take that for the message's end, gets the rest); after that the message stays sent, unsettled and
        counted.
        """
        deadline = self._send_deadline(timeout, "sending")
        receipt = self._make(message, delivery_tag, settled)
        await self._place(receipt, deadline)
        if self._engine.tally.count == 1:
            self._driver.flush()  # alone, it need not wait for others to share its write
        try:
            await self._wait_done(receipt, deadline)
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
        receipt = self._make(message, delivery_tag, settled)
        if self._waiting or self._driver.is_pace_due:
            await self._wait_turn(receipt, self._send_deadline(timeout))
            return receipt
        try:
            self._send(receipt)
        except WouldBlock:
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
            error = BufferFull(f"{len(self._waiting)} sends wait before it")
            error.delivery_state = DeliverySendState.NOT_SENT
            raise error
        self._send(receipt)
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
            OperationTimeout, AMQPError: as `send` does; and what the iterable raises. The exception's attribute
                `summary` then says how many were accepted, failed, not sent or in doubt.

        Cancelling it stops after the message under way; CancelledError has the `summary` too.
        """
        batch = Batch(self, on_outcome, self._seconds("send", timeout))
        try:
            if isinstance(messages, AsyncIterable):
                async for message in messages:
                    if (receipt := batch.send(message)) is not None:
                        await batch.wait_turn(receipt)
            else:
                for message in messages:
                    if (receipt := batch.send(message)) is not None:
                        await batch.wait_turn(receipt)
            await batch.finish()
        except BaseException as error:
            error.summary = batch.summary  # type: ignore[attr-defined]
            batch.break_off()
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
        await self._driver.run(self._engine.flush(), Deadline(self._seconds("send", timeout), "flushing", "link"))
        raise_unread([self])

    # --- closing ------------------------------------------------------------------------------------------------------

    async def close(self, *, error: Error | None = None, timeout: Timeout = DEFAULT) -> None:
        """Wait for outstanding outcomes, then close the link.

        Args:
            error: why, where it is not the normal end.
            timeout: seconds for all of it; None for no limit; left out, the connection's for closing.

        Raises:
            DeliveryError: an outcome is not accepted, and nobody had read it. The link is closed then.
            EncodeError: the error cannot be encoded; the link goes on.
            OperationTimeout: outcomes, or the peer's answer, did not come in time. The link is closed then.

        Harmless on a link that is over. Cancelled, the link is closed without waiting.
        """
        await self._detach(True, self._close_deadline("closing the sender", timeout), error)
        raise_unread([self])

    async def detach(self, *, timeout: Timeout = DEFAULT) -> None:
        """Wait for outstanding outcomes, then detach the link: the peer keeps its terminus as far as it is to last.

        Args:
            timeout: seconds for all of it; None for no limit; left out, the connection's for closing.

        Raises:
            DeliveryError: an outcome is not accepted, and nobody had read it. The link is detached then.
            OperationTimeout: outcomes, or the peer's answer, did not come in time. The link is detached then.

        Harmless on a link that is over. Cancelled, the link is detached without waiting.
        """
        await self._detach(False, self._close_deadline("detaching the sender", timeout), None)
        raise_unread([self])

    async def _finish_work(self, deadline: Deadline) -> None:
        """Wait for outstanding outcomes; that the link ends before is no error of who is leaving it."""
        try:
            await self._driver.run(self._engine.flush(), deadline)
        except AMQPError:
            if self._engine.error is None:
                raise

    def _give_up_all(self, closed: bool, error: Error | None) -> None:
        """Detach now: that what is on its way stays in doubt is told by the exception which is the cause."""
        link = self._engine
        if link.error is None:
            link.start_detach(closed=closed, error=error)
            forget_doubts([self], link.error)

    def _drop(self, closed: bool, error: Error | None) -> None:
        self._give_up_all(closed, error)
        super()._drop(closed, error)

    async def _leave(self, failed: bool) -> None:
        closed = not is_lasting(self._engine.options.target)
        deadline = self._close_deadline("closing the sender")
        if not failed:
            await self._detach(closed, deadline, None)
            raise_unread([self])
            return
        self._give_up_all(closed, None)
        with suppress(AMQPError):
            await self._detach(closed, deadline, None)

    # --- waiting ------------------------------------------------------------------------------------------------------

    def _send_deadline(self, timeout: Timeout, what: str = "waiting for credit") -> Deadline:
        return Deadline(self._seconds("send", timeout), what, "delivery")

    def _make(self, message: object, delivery_tag: bytes | None, settled: bool) -> Receipt:
        link = self._engine
        try:
            return Receipt(link.tally, message, delivery_tag, link.presettles(settled), link.options.header)
        except AMQPError as error:
            error.delivery_state = DeliverySendState.NOT_SENT
            raise

    def _send(self, receipt: Receipt) -> None:
        """Send a receipt's message, or say that nothing of it left."""
        try:
            self._engine.send(receipt)
        except AMQPError as error:
            error.delivery_state = DeliverySendState.NOT_SENT
            raise
        self._driver.flush_if_large()

    async def _place(self, receipt: Receipt, deadline: Deadline) -> None:
        """Send a receipt's message in its turn."""
        if self._waiting or self._driver.is_pace_due or not self._engine.can_send(receipt.size):
            await self._wait_turn(receipt, deadline)
        else:
            self._send(receipt)

    async def _wait_turn(self, receipt: Receipt, deadline: Deadline) -> None:
        """Wait for credit and room behind those who wait already, or let the loop have its turn.

        Raises:
            asyncio.CancelledError: its `delivery_state` says whether the message may have left nevertheless.
        """
        try:
            self._engine.check_size(receipt)
        except AMQPError as error:
            error.delivery_state = DeliverySendState.NOT_SENT
            raise
        future: asyncio.Future[None] = self._driver.loop.create_future()
        self._waiting[future] = receipt
        self._engine.available = len(self._waiting)
        if len(self._waiting) == 1 and self._engine.can_send(receipt.size):
            self._driver.call_after_turn(self._serve)
        try:
            await deadline.wait(future)
        except AMQPError as error:
            error.delivery_state = DeliverySendState.NOT_SENT
            raise
        except asyncio.CancelledError as error:
            if future.done() and not future.cancelled() and future.exception() is None:
                # It was sent while the cancellation was under way.
                self._remember(receipt)
                error.delivery_state = self._give_up(receipt)  # type: ignore[attr-defined]
            raise
        finally:
            if self._waiting.pop(future, None) is not None:
                self._serve()  # the turn goes on to the next

    async def _wait_done(self, receipt: Receipt, deadline: Deadline) -> None:
        """Wait for an outcome; who is broken off just when it came has not read it."""
        try:
            while not receipt.done:
                await wait_for_delivery(receipt, deadline)
        except BaseException:
            self._remember(receipt)
            raise

    def _serve(self) -> None:
        """Send for those who wait, oldest first, as many as can go."""
        link = self._engine
        waiting = self._waiting
        while waiting:
            future = next(iter(waiting))
            receipt = waiting[future]
            if future.done():  # cancelled, or out of time, and about to find out
                del waiting[future]
                continue
            if not link.can_send(receipt.size):
                break
            del waiting[future]
            try:
                link.send(receipt, bool(waiting))
            except AMQPError as error:
                future.set_exception(error)
            else:
                future.set_result(None)
        link.available = len(waiting)

    def _give_up(self, receipt: Receipt) -> DeliverySendState:
        if not receipt.done and self._engine.abandon(receipt):
            return DeliverySendState.NOT_SENT
        return DeliverySendState.IN_DOUBT

    def _wake_all(self, error: AMQPError) -> None:
        while self._waiting:
            future = next(iter(self._waiting))
            del self._waiting[future]
            if not future.done():
                future.set_exception(error.again())

    @property
    def _is_owed(self) -> bool:
        return bool(self._engine.unread)

    def _remember(self, receipt: Receipt) -> None:
        """Keep an outcome that its reader will not read, for flush and close to tell."""
        if receipt.done and not receipt.read and delivery_error(receipt) is not None:
            self._engine.remember(receipt)
            self._session._connection._links.add(self)

    def _outcomes_arrived(self, watched: list[Any]) -> None:
        for receipt in watched:
            if receipt.waiter is not None:
                wake(receipt)
            elif self._on_outcome is not None and receipt.done and not receipt.read:
                receipt.read = True
                self._driver.loop.call_soon(self._on_outcome, receipt)
        if self._waiting:
            self._serve()


def forget_doubts(senders: Iterable[Sender], cause: AMQPError | None) -> None:
    """Let go of deliveries that are in doubt since something was ended: the exception that ended it tells so.

    Args:
        senders: whose deliveries.
        cause: the error that ending it left.
    """
    for sender in senders:
        link = sender._engine
        link.unread = [delivery for delivery in link.unread if delivery.error is not cause]


def raise_unread(senders: Iterable[Sender]) -> None:
    """Raise for the first outcome, if there is one, that is not accepted and that nobody has read."""
    unread: list[Any] = []
    dropped = 0
    for sender in senders:
        link = sender._engine
        unread += link.take_unread()
        dropped += link.unread_dropped
        link.unread_dropped = 0
        if link.error is not None:
            sender._session._connection._links.discard(sender)
    error = unread_error(unread, dropped)
    if error is not None:
        raise error
