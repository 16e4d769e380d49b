"""The sending end of a link: credit, transfers, outcomes (§2.6.7, §2.6.12).

Owns what a message passes from `send` to its outcome. What does not fit into the output or the window at once stays as
the link's partial delivery; the connection has it continued a few frames at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amqp10._codec import OutgoingDelivery, Outlet, SenderTally
from amqp10.engine.counters import SenderCounters
from amqp10.engine.endpoint import Operation, Violation
from amqp10.engine.events import OutcomesArrived, SenderReady
from amqp10.engine.link import ATTACHED, DETACHED, Link
from amqp10.engine.serial import MASK, difference
from amqp10.errors import (
    AMQPError,
    BufferFull,
    Condition,
    InvalidState,
    MessageTooLarge,
    NoCredit,
)
from amqp10.outcomes import ACCEPTED
from amqp10.performatives import Transfer
from amqp10.types import SenderSettleMode

if TYPE_CHECKING:
    from amqp10.engine.session import Session
    from amqp10.options import SenderOptions
    from amqp10.performatives import Attach, Flow

__all__ = ["Sender"]

_MAX_UNREAD = 1000  # outcomes kept for who has not looked
_NO_LIMIT = 0x7FFFFFFFFFFFFFFF
_MAX_FRAME = 131_072  # bytes of a frame of ours, however large the peer would take them: others want their turn
_BURST = 65_536  # bytes of a large message that are written in one turn, or one frame


class Sender(Link):
    """The sending end of a link. Made by `Session.new_sender`.

    Attributes:
        tally: count and bytes of what is unsettled.
        link_credit: messages that the peer would take now.
        delivery_count: where the link's count of deliveries is.
        draining: whether the peer wants the credit used up or given back.
        available: what our flows say is waiting to be sent; the driver keeps it.
        max_message_size: the peer's limit, or None.
    """

    __slots__ = (
        "_aborting",
        "_burst",
        "_frame_size",
        "_outlet",
        "_partial",
        "_writer",
        "available",
        "delivery_count",
        "draining",
        "link_credit",
        "max_message_size",
        "tally",
        "unread",
        "unread_dropped",
    )

    kind = "sender"
    role = False

    options: SenderOptions

    def __init__(self, session: Session, options: SenderOptions) -> None:
        super().__init__(session, options)
        self.tally = SenderTally(self)
        self.link_credit = 0
        self.delivery_count = options.initial_delivery_count
        self.draining = False
        self.available = 0
        self.max_message_size: int | None = None
        self.unread: list[OutgoingDelivery] = []  # outcomes other than accepted that nobody has looked at
        self.unread_dropped = 0  # how many of them were let go to bound the list
        self._writer = session.connection.writer
        self._partial: OutgoingDelivery | None = None  # a message of which frames are still to be written
        self._aborting = False  # the partial message was given up
        self._frame_size = min(self.connection.max_frame_size, _MAX_FRAME)
        self._burst = max(1, _BURST // self._frame_size)  # frames of one message in one turn
        # What numbers, indexes and writes a message, and knows the bounds, once there is credit.
        self._outlet = Outlet(
            self.tally, session.unsettled, self._writer, channel=session.channel, max_frame_size=self._frame_size
        )

    # --- sending ------------------------------------------------------------------------------------------------------

    @property
    def counters(self) -> SenderCounters:
        """What was sent so far, and what became of it."""
        tally = self.tally
        return SenderCounters(tally.sent, tally.accepted, tally.refused, tally.count, tally.size)

    def can_send(self, size: int) -> bool:
        """Tell whether a message of `size` encoded bytes could go now."""
        return self._obstacle(size) is None

    def send(self, delivery: OutgoingDelivery, batchable: bool = False) -> None:
        """Number a delivery and write its first frames.

        Args:
            delivery: fresh, with its content encoded.
            batchable: whether more follow at once, so that the peer may delay its disposition (§2.7.5).

        Raises:
            NoCredit: the peer gave no credit, or the session's window is closed.
            BufferFull: the output, or a bound on what is unsettled, is reached.
            MessageTooLarge: the message exceeds the peer's max-message-size.
            AMQPError: why the link is over.
        """
        # Once per message: hence the attributes read once, and the one call into the codec, which knows the bounds.
        window = self.session.outgoing_window
        remaining = window.remaining
        if self.link_credit <= 0 or remaining <= 0 or self._partial is not None:  # no credit where it is not attached
            self._check_send(delivery)
        frames = self._outlet.put(delivery, remaining, batchable)
        if frames <= 0:
            if not frames:
                self._check_send(delivery)
            self._note_written(delivery)
            frames = -frames
        self.link_credit -= 1
        self.delivery_count = (self.delivery_count + 1) & MASK
        window.next_id = (window.next_id + frames) & MASK
        window.remaining = remaining - frames
        connection = self.connection
        if not connection.output_pending:
            connection.notify()

    def _note_written(self, delivery: OutgoingDelivery) -> None:
        """Note what is left of a delivery after some of its frames were written."""
        if delivery.remaining:
            if self._partial is None:
                self._partial = delivery
                self.connection.add_partial(self)
        elif delivery.presettled:
            delivery.settled = True

    def _check_send(self, delivery: OutgoingDelivery) -> None:
        """Raise what keeps a message from being sent, if it is so."""
        self.check_size(delivery)
        if self.state is not ATTACHED:
            raise InvalidState(f"a sender in state {self.state.name} cannot send")
        obstacle = self._obstacle(delivery.size)
        if obstacle is not None:
            raise obstacle

    def check_size(self, delivery: OutgoingDelivery) -> None:
        """Raise what will keep the delivery from ever being sent: it is too large, or the link is over.

        Raises:
            MessageTooLarge: it exceeds the peer's max-message-size.
            AMQPError: why the link is over.
        """
        self.check()
        limit = self.max_message_size
        if limit is not None and delivery.size > limit:
            raise MessageTooLarge(
                f"the message has {delivery.size} bytes; the peer takes {limit} (max-message-size)",
                condition=Condition.MESSAGE_SIZE_EXCEEDED,
            )

    def _obstacle(self, size: int) -> NoCredit | BufferFull | None:
        if self.state is not ATTACHED or self.link_credit <= 0:
            return NoCredit("the peer has given no credit")
        if self.session.outgoing_window.remaining <= 0:
            return NoCredit("the peer's session window is closed")
        if self._partial is not None:
            return BufferFull("a large message before it is not yet written")
        tally = self.tally
        if tally.count >= self._outlet.max_unsettled:
            return BufferFull(f"{tally.count} deliveries are unsettled (max_unsettled)")
        if tally.count and tally.size + size > self._outlet.max_unsettled_bytes:
            return BufferFull(f"{tally.size} bytes are unsettled (max_unsettled_bytes)")
        if not self.connection.has_room:
            return BufferFull("the transport does not take what is written")
        return None

    # --- large messages -----------------------------------------------------------------------------------------------

    @property
    def has_partial(self) -> bool:
        """Whether frames of a message are still to be written."""
        return self._partial is not None

    @property
    def may_continue(self) -> bool:
        """Whether the window lets the partial message go on."""
        return self._partial is not None and self.session.outgoing_window.remaining > 0

    def continue_partial(self) -> int:
        """Write further frames of the partial message, as many as one turn has; return how many."""
        delivery = self._partial
        if delivery is None or self.session.outgoing_window.remaining <= 0:
            return 0
        if self._aborting:
            self._write_abort()
            return 1
        window = self.session.outgoing_window
        budget = min(self._burst, window.remaining)
        channel = self.session.channel
        frames = self._writer.write_transfer(delivery, channel, self.handle, self._frame_size, budget, False)
        window.spend(frames)
        self._note_written(delivery)
        if not delivery.remaining:
            self._partial = None
            if delivery.presettled and delivery.waiter is not None:
                self.connection.emit(OutcomesArrived(self, [delivery]))
            if self.draining:
                self.session.request_flow(self)  # it was waiting for the message to be whole
            self._partial_is_over()
        return frames

    def abandon(self, delivery: OutgoingDelivery) -> bool:
        """Stop a delivery whose sending was cancelled.

        In the midst of its frames it is aborted and forgotten; after them, or where the peer does not know of aborting
        (then the rest of it goes out), it stays unsettled and counted.

        Returns:
            Whether it was aborted.
        """
        if delivery is not self._partial or self.connection.quirks.ignores_aborts:
            return False
        self._forget(delivery)
        self._aborting = True
        if self.may_continue:
            self._write_abort()
        return True

    def _forget(self, delivery: OutgoingDelivery) -> None:
        self.session.unsettled.remove(delivery)
        delivery.settled = True

    def _write_abort(self) -> None:
        self._write_aborted_transfer()
        self._drop_partial()
        # Ends differ on whether an aborted delivery uses credit: say where our count is.
        self.session.request_flow(self)
        self._partial_is_over()

    def _write_aborted_transfer(self) -> None:
        self.connection.write(self.session.channel, Transfer(handle=self.handle, aborted=True))
        self.session.outgoing_window.spend(1)

    def _partial_is_over(self) -> None:
        """Tell who waits for the large message to be out of the way."""
        self.notify_ready()
        if self.watchers:
            self.connection.changed(self)

    def _drop_partial(self) -> None:
        if self._partial is not None:
            self._partial.discard()
        self._partial = None
        self._aborting = False
        self.connection.drop_partial(self)

    # --- outcomes -----------------------------------------------------------------------------------------------------

    def outcomes_arrived(self, watched: list[OutgoingDelivery]) -> None:
        """Learn that deliveries of ours have changed.

        Args:
            watched: those that somebody waits for, or whose outcome is not accepted.
        """
        partial = self._partial
        if partial is not None and partial.settled and not self._aborting and not self.connection.quirks.ignores_aborts:
            # The peer has heard enough: the rest of the message would be sent in vain.
            self._aborting = True
            if self.may_continue:
                self._write_abort()
        self._keep_unread(watched)
        self.connection.emit(OutcomesArrived(self, watched))
        if self.watchers:
            self.connection.changed(self)

    def _keep_unread(self, watched: list[OutgoingDelivery]) -> None:
        failed = [d for d in watched if d.settled and not d.read and d.waiter is None and d.state != ACCEPTED]
        if failed:
            self._remember(failed)

    def _remember(self, deliveries: list[OutgoingDelivery]) -> None:
        self.unread.extend(deliveries)
        if len(self.unread) > 2 * _MAX_UNREAD:
            self.unread = [delivery for delivery in self.unread if not delivery.read]
            self.unread_dropped += max(0, len(self.unread) - _MAX_UNREAD)
            del self.unread[_MAX_UNREAD:]

    def remember(self, delivery: OutgoingDelivery) -> None:
        """Keep an outcome for `take_unread`: whoever waited for it has gone without reading it."""
        if delivery not in self.unread:
            self._remember([delivery])

    def take_unread(self) -> list[OutgoingDelivery]:
        """Take the deliveries that were not accepted, or got no outcome, and which nobody has looked at."""
        unread = [delivery for delivery in self.unread if not delivery.read]
        self.unread = []
        return unread

    def flush(self) -> Operation[None]:
        """Wait until every delivery has its outcome.

        Raises:
            AMQPError: why the link ended before.
        """
        while self.tally.count or self._partial is not None:
            self.check()
            yield self
        self.check()

    # --- credit -------------------------------------------------------------------------------------------------------

    def notify_ready(self) -> None:
        """Tell the driver that sends which wait may go on."""
        if self.state is ATTACHED:
            self.connection.emit(SenderReady(self))

    def _take_flow(self, flow: Flow) -> None:
        if flow.link_credit is None:
            return
        known = self.options.initial_delivery_count if flow.delivery_count is None else flow.delivery_count
        # §2.6.7: link-credit_snd := delivery-count_rcv + link-credit_rcv - delivery-count_snd
        self.link_credit = max(0, flow.link_credit + difference(known, self.delivery_count))
        self.draining = flow.drain
        self.notify_ready()
        if flow.drain:
            # Written after what waits to be sent has had its chance.
            self.session.request_flow(self)

    def fill_flow(self, flow: Flow) -> None:
        """Add the sender's state; drained, what is left of the credit is given back."""
        if self.draining:
            if self._partial is None:
                self.delivery_count = (self.delivery_count + self.link_credit) & MASK
                self.link_credit = 0
            flow.drain = True
        flow.handle = self.handle
        flow.delivery_count = self.delivery_count
        flow.link_credit = self.link_credit
        flow.available = self.available

    # --- attach and detach --------------------------------------------------------------------------------------------

    def _take_options(self) -> None:
        self.delivery_count = self.options.initial_delivery_count

    def _fill_attach(self, attach: Attach) -> None:
        attach.initial_delivery_count = self.delivery_count

    def _is_refusal(self, attach: Attach) -> bool:
        return attach.target is None

    def _take_attach(self, attach: Attach) -> None:
        self.max_message_size = attach.max_message_size or None  # zero is no limit (§2.7.3)

    def _begin_work(self) -> None:
        outlet = self._outlet
        outlet.handle = self.handle
        outlet.burst = self._burst
        outlet.max_unsettled = self.options.max_unsettled
        outlet.max_unsettled_bytes = self.options.max_unsettled_bytes
        outlet.max_output = self.connection.options.limits.max_output
        if self.max_message_size is not None:
            outlet.max_message_size = min(self.max_message_size, _NO_LIMIT)

    def _before_detach(self) -> None:
        if self.may_continue and not self.connection.quirks.ignores_aborts:
            self._write_aborted_transfer()  # the delivery itself ends with the link, in doubt

    def _end_work(self, error: AMQPError) -> None:
        left = self.session.unsettled.take_all(self.tally)
        if self._partial is not None:
            if self._partial.presettled and not self._aborting:
                left.append(self._partial)
            self._drop_partial()
        for delivery in left:
            delivery.error = error
        self.link_credit = 0
        if left:
            self._remember([delivery for delivery in left if delivery.waiter is None and not delivery.read])
            self.connection.emit(OutcomesArrived(self, left))

    def receive_delivery(self, delivery: Any) -> None:
        """Refuse a transfer: we are the sender."""
        raise Violation(self, Condition.NOT_ALLOWED, "a transfer to the sending end of a link")

    def receive_transfer(self, transfer: Transfer, payload: bytes) -> None:
        """Refuse a transfer: we are the sender."""
        raise Violation(self, Condition.NOT_ALLOWED, "a transfer to the sending end of a link")

    def presettles(self, asked: bool) -> bool:
        """Tell whether a message goes out settled.

        Args:
            asked: whether the caller wants it settled.

        Raises:
            InvalidState: the link's snd-settle-mode is unsettled.
        """
        if asked and self.snd_settle_mode == SenderSettleMode.UNSETTLED:
            raise InvalidState("the link's snd-settle-mode is unsettled: nothing can be sent settled", level="link")
        return asked or self.snd_settle_mode == SenderSettleMode.SETTLED

    @property
    def is_over(self) -> bool:
        """Whether the link is detached at both ends."""
        return self.state is DETACHED
