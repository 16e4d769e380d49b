"""Receivers for asyncio, and the deliveries they give.

The engine's receiver knows the rules; here are the waiting and its order: deliveries go to receives in the order of the
calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from amqp10 import _codec, engine
from amqp10.asyncio.driver import Deadline, Driver, wait_for_delivery, wake
from amqp10.asyncio.link import Link
from amqp10.errors import AMQPError, ConnectionClosed, LinkClosed, SessionClosed
from amqp10.options import DEFAULT, Timeout, is_lasting
from amqp10.outcomes import Modified, Outcome, Rejected
from amqp10.performatives import Error
from amqp10.types import Symbol

if TYPE_CHECKING:
    from amqp10.asyncio.session import Session

__all__ = ["Delivery", "Receiver"]


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
        deadline = Deadline(receiver._seconds("settle", timeout), "waiting for the sender to settle", "delivery")
        receiver._settling.add(self)
        try:
            while not self.settled:
                self.receiver.check()
                await wait_for_delivery(self, deadline)
        finally:
            if self.waiter is None:
                receiver._settling.discard(self)
        state: Outcome | None = self.remote_state if self.remote_settled else self.state
        return state


class Receiver(Link[engine.Receiver]):
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
    def available(self) -> int | None:
        """How many messages the peer said are waiting at its end; None where it did not say."""
        return self._engine.available

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
            delivery = self._take()
            if self._driver.is_pace_due:
                await self._turn_with(delivery)
            return delivery
        return await self._wait(self._receive_deadline(timeout))

    def receive_nowait(self) -> Delivery | None:
        """Return the next delivery, or None where there is none.

        Raises:
            AMQPError: why the link is over, once the deliveries that came before are taken.
        """
        if self._waiting:
            return None
        if not self._engine.deliveries:
            self._engine.check()
            return None
        return self._take()

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
        while len(deliveries) < max_count and self._engine.deliveries and not self._waiting:
            deliveries.append(self._take())
        return deliveries

    def __aiter__(self) -> Self:
        """Iterate over the deliveries."""
        return self

    async def __anext__(self) -> Delivery:
        """Return the next delivery; stop where the link was closed here."""
        link = self._engine
        if not self._waiting and link.deliveries:
            delivery = self._take()
            if self._driver.is_pace_due:
                await self._turn_with(delivery)
            return delivery
        try:
            return await self._wait(self._receive_deadline(DEFAULT))
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
            error = Error(
                condition=Symbol(condition), description=description, info=None if info is None else dict(info)
            )
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
            OperationTimeout: the peer did not answer in time.
            InvalidState: a drain is under way.
            AMQPError: why the link is over; RabbitMQ 3.10 ends the session where there is credit left to give back.

        Cancelling it leaves credit unanswered; a later drain asks anew.
        """
        return await self._driver.run(
            self._engine.drain(), Deadline(self._seconds("drain", timeout), "draining", "link")
        )

    # --- closing ------------------------------------------------------------------------------------------------------

    async def close(self, *, error: Error | None = None, timeout: Timeout = DEFAULT) -> None:
        """Release what came and was not taken, then close the link.

        Args:
            error: why, where it is not the normal end.
            timeout: seconds; None for no limit; left out, the connection's for closing.

        Raises:
            EncodeError: the error cannot be encoded; the link goes on.
            OperationTimeout: the peer's answer did not come in time. The link is closed then.

        Harmless on a link that is over. Cancelled, the link is closed without waiting.
        """
        await self._detach(True, self._close_deadline("closing the receiver", timeout), error)

    async def detach(self, *, timeout: Timeout = DEFAULT) -> None:
        """Release what came and was not taken, then detach: the peer keeps its terminus as far as it is to last.

        Args:
            timeout: seconds; None for no limit; left out, the connection's for closing.

        Raises:
            OperationTimeout: the peer's answer did not come in time. The link is detached then.

        Harmless on a link that is over. Cancelled, the link is detached without waiting.
        """
        await self._detach(False, self._close_deadline("detaching the receiver", timeout), None)

    async def _finish_work(self, deadline: Deadline) -> None:
        self._release_untaken()

    def _release_untaken(self) -> None:
        if self._engine.error is None:
            self._engine.release_untaken()

    def _drop(self, closed: bool, error: Error | None) -> None:
        self._release_untaken()
        super()._drop(closed, error)

    async def _leave(self, failed: bool) -> None:
        closed = not is_lasting(self._engine.options.source)
        deadline = self._close_deadline("closing the receiver")
        if not failed:
            await self._detach(closed, deadline, None)
            return
        with suppress(AMQPError):
            await self._detach(closed, deadline, None)

    def _take(self) -> Delivery:
        delivery = self._engine.take()
        assert type(delivery) is Delivery
        return delivery

    # --- waiting ------------------------------------------------------------------------------------------------------

    def _receive_deadline(self, timeout: Timeout) -> Deadline:
        return Deadline(self._seconds("receive", timeout), "receiving", "link")

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
                future.set_result(self._take())

    def _wake_all(self, error: AMQPError) -> None:
        while self._waiting:
            future = next(iter(self._waiting))
            del self._waiting[future]
            if not future.done():
                future.set_exception(error.again())
        for delivery in self._settling:
            wake(delivery)
