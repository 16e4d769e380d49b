"""What a `send_many` has under way, and the count of what became of it."""

from __future__ import annotations

from asyncio import CancelledError
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from amqp10.asyncio.driver import Deadline
from amqp10.errors import DeliverySendState, OperationTimeout, WouldBlock
from amqp10.summary import SendSummary

if TYPE_CHECKING:
    from amqp10.asyncio.sender import Receipt, Sender

__all__ = ["Batch"]


class Batch:
    """What a `send_many` has under way."""

    __slots__ = ("_current", "_max_pending", "_on_outcome", "_pending", "_sender", "_timeout", "summary")

    def __init__(self, sender: Sender, on_outcome: Callable[[Receipt], None] | None, timeout: float | None) -> None:
        self._sender = sender
        self._on_outcome = on_outcome
        self._timeout = timeout
        self._pending: deque[Receipt] = deque()  # sent and not counted, oldest first
        self._max_pending = 4 * sender._engine.options.max_unsettled
        self._current = 0  # 1 while a message was taken from the iterable and has not left
        self.summary = SendSummary()

    def send(self, message: object) -> Receipt | None:
        """Send the next message if that needs no waiting; else return what `wait_turn` is to wait with."""
        sender = self._sender
        self._current = 1
        receipt = sender._make(message, None, False)
        receipt.read = True  # here is where it is looked at
        pending = self._pending
        if sender._waiting or sender._driver.is_pace_due or len(pending) > self._max_pending:
            return receipt
        try:
            sender._send(receipt)
        except WouldBlock:
            return receipt
        self._current = 0
        pending.append(receipt)
        if pending[0].settled:
            self._reap()
        return None

    async def wait_turn(self, receipt: Receipt) -> None:
        """Send a message that has to wait."""
        if len(self._pending) > self._max_pending:
            await self._wait_first()  # one without an outcome must not make us keep all that came after it
        await self._wait_turn(receipt)
        self._current = 0
        self._pending.append(receipt)
        self._reap()

    async def _wait_turn(self, receipt: Receipt) -> None:
        try:
            await self._sender._wait_turn(receipt, Deadline(self._timeout, "waiting for credit", "delivery"))
        except CancelledError as error:
            if getattr(error, "delivery_state", None) is DeliverySendState.IN_DOUBT:
                self._current = 0
                self._pending.append(receipt)
            raise

    async def finish(self) -> None:
        """Wait for the outcomes that are missing."""
        self._reap()
        while self._pending:
            await self._wait_first()
            self._reap()

    async def _wait_first(self) -> None:
        receipt = self._pending[0]
        try:
            await self._sender._wait_done(receipt, Deadline(self._timeout, "waiting for an outcome", "delivery"))
        except OperationTimeout as error:
            error.delivery_state = DeliverySendState.IN_DOUBT
            raise
        if receipt.error is not None:
            raise receipt._failure()

    def _reap(self) -> None:
        """Count the oldest that have their outcome."""
        pending = self._pending
        while pending and pending[0].settled:
            self._count(pending.popleft())

    def _count(self, receipt: Receipt) -> None:
        self.summary.count(receipt)
        if self._on_outcome is not None:
            try:
                self._on_outcome(receipt)
            except BaseException:
                self._on_outcome = None  # it broke the call off, and is not to be asked again
                raise

    def break_off(self) -> None:
        """Count everything as it stands; an outcome that comes later is the sender's to tell."""
        for receipt in self._pending:
            if not receipt.settled:
                self.summary.in_doubt += 1
                receipt.read = receipt.error is not None
        self.summary.not_sent += self._current
        settled = [receipt for receipt in self._pending if receipt.settled]
        self._pending.clear()
        for receipt in settled:
            self._count(receipt)
