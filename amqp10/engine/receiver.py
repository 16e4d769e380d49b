"""The receiving end of a link: credit given, deliveries taken, settlement (§2.6.7, §2.6.12).

Owns the queue of deliveries that the application has not taken, and the assembly of those that come in several frames.
What credit is, is in `windows`; how dispositions leave, in the session.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from amqp10._codec import Delivery, Settlement, encode_composite, new_delivery
from amqp10.engine.endpoint import Operation, Violation
from amqp10.engine.events import DeliveriesArrived
from amqp10.engine.link import ATTACHED, DETACH_SENT, Link
from amqp10.engine.serial import difference
from amqp10.engine.windows import IncomingCredit
from amqp10.errors import AMQPError, Condition, EncodeError, InvalidState
from amqp10.outcomes import RELEASED, Accepted, DeliveryState, Released
from amqp10.types import ReceiverSettleMode

if TYPE_CHECKING:
    from amqp10._codec import TransferRun
    from amqp10.engine.session import Session
    from amqp10.options import ReceiverOptions
    from amqp10.performatives import Attach, Flow, Transfer

__all__ = ["Receiver"]

_MAX_TAG = 32  # bytes of a delivery-tag (§2.8.7)
_MAX_CREDIT = 0x7FFFFFFF
_WINDOW_STEP = 127  # a mask: how often, in deliveries taken, a private session's window is looked at
_QUIRK_SLACK = 1000  # deliveries
_DISPOSITION_OVERHEAD = 48  # bytes of a disposition frame beside its state, at most
_PLAIN_OUTCOMES = (Accepted, Released)


@dataclass(slots=True)
class _Partial:
    """A delivery of which frames are still to come."""

    delivery_id: int
    delivery_tag: bytes
    message_format: int
    resumed: bool  # an unsettled delivery of an earlier link, which we do not know
    settles_first: bool  # whatever the link's rcv-settle-mode says
    state: Any = None  # the sender's
    settled: bool = False
    counted: bool = False  # a flow of the sender counted it already
    frames: int = 0
    size: int = 0
    payload: list[bytes] = field(default_factory=list)

    def add(self, transfer: Transfer, payload: bytes) -> None:
        """Take a frame."""
        self.frames += 1
        self.settled = self.settled or bool(transfer.settled)
        self.state = self.state if transfer.state is None else transfer.state
        if not self.resumed:
            self.size += len(payload)
            self.payload.append(payload)


class Receiver(Link):
    """The receiving end of a link. Made by `Session.new_receiver`.

    Attributes:
        deliveries: what came and was not taken, oldest first.
        available: messages that the sender said are waiting at its end, or None.
        credit: the arithmetic of what the peer may send.
        delivery_class: what deliveries are made as; a driver sets its own before the attach.
    """

    __slots__ = (
        "_extra_frames",
        "_first",
        "_large",
        "_max_message_size",
        "_partial",
        "_paused",
        "_second",
        "_settle",
        "_settlement",
        "available",
        "credit",
        "deliveries",
        "delivery_class",
    )

    kind = "receiver"
    role = True

    options: ReceiverOptions

    def __init__(self, session: Session, options: ReceiverOptions) -> None:
        super().__init__(session, options)
        self.deliveries: deque[Delivery] = deque()
        self.delivery_class: type[Delivery] = Delivery
        self.credit = IncomingCredit(options.credit)
        self.available: int | None = None
        self._partial: _Partial | None = None
        self._paused = 0  # the automatic credit that pause() suspended
        self._second = False  # rcv-settle-mode second was agreed
        self._first: set[int] = set()  # deliveries that settle first all the same
        self._large: dict[int, int] = {}  # of deliveries that wait: how many frames beyond one they came in
        self._extra_frames = 0  # the sum of these
        self._max_message_size = options.max_message_size or 0
        # What a delivery calls to be settled; a driver that must lock puts itself in between.
        self._settle: Callable[[Delivery, Any], None] = self.settle
        self._settlement: Settlement | None = None

    # --- deliveries in ------------------------------------------------------------------------------------------------

    def admits(self, run: TransferRun) -> bool:
        """Whether a run can be taken as a whole."""
        return (
            self.state is ATTACHED
            and self._partial is None
            and run.count <= self.credit.allowance
            and not 0 < self._max_message_size < run.largest
            and run.deliveries[0].receiver is self
        )

    def receive_run(self, run: TransferRun) -> None:
        """Take a run that `admits` let in."""
        self.session.take_delivery_ids(run.first, run.count)
        self.credit.receive(run.count)
        if not run.settled:
            self.session.incoming.extend(run.deliveries)
        self.deliveries.extend(run.deliveries)
        self._announce()

    def receive_delivery(self, delivery: Delivery) -> None:
        """Take a delivery of one frame."""
        if self.state is DETACH_SENT:
            return
        if self._partial is not None:
            raise Violation(self, Condition.NOT_ALLOWED, "a delivery began before the one before it was complete")
        self._check_credit()
        self._check_size(len(delivery.payload))
        self.session.take_delivery_ids(delivery.delivery_id, 1)
        delivery.receiver = self
        self.credit.receive(1)
        self._take_in(delivery)

    def receive_transfer(self, transfer: Transfer, payload: bytes) -> None:
        """Take a transfer frame: a delivery, or a part of one."""
        if self.state is DETACH_SENT:
            return
        partial = self._partial
        if partial is None:
            partial = self._begin_delivery(transfer)
        else:
            self._check_continuation(partial, transfer)
        if transfer.aborted:
            self._partial = None
            self.credit.uncertain += 1  # ends differ on whether an aborted delivery counts
            self._pass_over(partial)
            return
        self._partial = partial
        partial.add(transfer, payload)
        self._check_size(partial.size)
        if not transfer.more:
            self._partial = None
            self._complete(partial)

    def _begin_delivery(self, transfer: Transfer) -> _Partial:
        if transfer.delivery_id is None or transfer.delivery_tag is None:
            # §2.7.5: both are to be there on the first transfer of a delivery.
            raise Violation(self, Condition.NOT_ALLOWED, "the first transfer of a delivery without delivery-id or tag")
        if len(transfer.delivery_tag) > _MAX_TAG:
            raise Violation(self, Condition.INVALID_FIELD, "a delivery-tag of more than 32 bytes")
        if transfer.state is not None and not isinstance(transfer.state, DeliveryState):
            raise Violation(self, Condition.INVALID_FIELD, "transfer.state is no delivery state")
        self._check_credit()
        first = self._check_mode(transfer)
        self.session.take_delivery_ids(transfer.delivery_id, 1)
        tag, message_format = transfer.delivery_tag, transfer.message_format or 0
        return _Partial(transfer.delivery_id, tag, message_format, transfer.resume, first)

    def _check_mode(self, transfer: Transfer) -> bool:
        """§2.7.5, rcv-settle-mode: tell whether the delivery settles first though the link's mode is second."""
        mode = transfer.rcv_settle_mode
        if mode is None or transfer.settled:
            return False
        if mode not in (0, 1) or (mode == ReceiverSettleMode.SECOND and not self._second):
            raise Violation(self, Condition.INVALID_FIELD, f"transfer.rcv-settle-mode {mode} against the link's")
        return self._second and mode == ReceiverSettleMode.FIRST

    def _check_continuation(self, partial: _Partial, transfer: Transfer) -> None:
        """§2.7.5: what a continuation repeats must be what the first transfer said."""
        pairs = (
            (transfer.delivery_id, partial.delivery_id),
            (transfer.delivery_tag, partial.delivery_tag),
            (transfer.message_format, partial.message_format),
        )
        if any(given is not None and given != known for given, known in pairs):
            raise Violation(self, Condition.NOT_ALLOWED, "a transfer contradicts the delivery that it continues")

    def _check_credit(self) -> None:
        if self.credit.allowance <= 0:
            raise Violation(self, Condition.TRANSFER_LIMIT_EXCEEDED, "more deliveries than there was credit for")

    def _check_size(self, size: int) -> None:
        if 0 < self._max_message_size < size:
            self._partial = None
            raise Violation(
                self,
                Condition.MESSAGE_SIZE_EXCEEDED,
                f"a message of more than {self._max_message_size} bytes (max-message-size)",
            )

    def _pass_over(self, partial: _Partial) -> None:
        """Count a delivery that the application will not see: it uses its credit, and gives it back at once."""
        self._count(partial)
        self._give_back()

    def _count(self, partial: _Partial) -> None:
        if partial.counted:
            self.credit.complete()
        else:
            self.credit.receive(1)

    def _complete(self, partial: _Partial) -> None:
        if partial.resumed:
            # §2.7.5: resumed deliveries that are not in our unsettled map, which is always empty, are ignored.
            self._pass_over(partial)
            return
        delivery = new_delivery(
            self.delivery_class,
            self,
            partial.delivery_id,
            partial.delivery_tag,
            partial.message_format,
            partial.settled,
            partial.payload,
        )
        delivery.remote_state = partial.state
        if partial.settles_first:
            self._first.add(partial.delivery_id)
        if partial.frames > 1:
            self._large[partial.delivery_id] = partial.frames - 1
            self._extra_frames += partial.frames - 1
        self._count(partial)
        self._take_in(delivery)

    def _take_in(self, delivery: Delivery) -> None:
        if not delivery.settled:
            self.session.incoming.add(delivery)
        self.deliveries.append(delivery)
        self._announce()

    def _announce(self) -> None:
        self.connection.emit(DeliveriesArrived(self))
        if self.watchers:
            self.connection.changed(self)  # a drain may be over

    # --- deliveries out -----------------------------------------------------------------------------------------------

    def take(self) -> Delivery | None:
        """Take the oldest delivery, or None where there is none."""
        deliveries = self.deliveries
        if not deliveries:
            return None
        delivery = deliveries.popleft()
        if delivery.settled:
            self._give_back()
        if self._large:
            self._let_go(delivery)
        if not len(deliveries) & _WINDOW_STEP:
            self.session.refresh_window()
        return delivery

    def _let_go(self, delivery: Delivery) -> None:
        """Count the room that a delivery leaves, beyond the one frame that every delivery has."""
        frames = self._large.pop(delivery.delivery_id, 0)
        if frames:
            self._extra_frames -= frames
            self.session.refresh_window()

    @property
    def held_frames(self) -> int:
        """The frames of the deliveries that wait to be taken."""
        return len(self.deliveries) + self._extra_frames

    def put_back(self, delivery: Delivery) -> None:
        """Undo the last `take`: the delivery is the next again."""
        if delivery.settled:
            self.credit.outstanding += 1
        self.deliveries.appendleft(delivery)

    def release_untaken(self) -> int:
        """Release what came and was not taken, give no credit for it, and return how many there were."""
        self.credit.stop()
        count = len(self.deliveries)
        while self.deliveries:
            delivery = self.deliveries.popleft()
            if delivery.settled:
                self._give_back()
            elif self.state is ATTACHED:
                self.settle(delivery, RELEASED)
        self._large.clear()
        self._extra_frames = 0
        return count

    # --- settlement ---------------------------------------------------------------------------------------------------

    def settle(self, delivery: Delivery, state: Any) -> None:
        """Settle a delivery with a state, or give it the state and wait for the sender to settle (mode second).

        Args:
            delivery: one of this receiver's.
            state: the outcome; None settles without one.

        Raises:
            InvalidState: it has another state already.
            AMQPError: why the link is over; the delivery stays unsettled.
        """
        if self.error is not None:
            raise self.error.again()
        if state is not None and type(state) not in _PLAIN_OUTCOMES:
            self._check_state(state)
        if self._second and state is not None and not self._settles_first(delivery):
            self._settle_second(delivery, state)
        else:
            assert self._settlement is not None
            self._settlement.settle(delivery, state)

    def _check_state(self, state: Any) -> None:
        """Find now what could not be encoded when the disposition leaves."""
        if not isinstance(state, DeliveryState):
            raise TypeError(f"a delivery state is needed, not {state!r}")
        size = len(encode_composite(state)) + _DISPOSITION_OVERHEAD
        if size > self.connection.max_frame_size:
            raise EncodeError(
                f"the state makes a disposition of {size} bytes; the peer's max-frame-size is "
                f"{self.connection.max_frame_size}"
            )

    def _settle_second(self, delivery: Delivery, state: Any) -> None:
        if delivery.state is not None:
            if delivery.state == state:
                return
            raise InvalidState(f"the delivery's state is {delivery.state!r}", level="delivery")
        delivery.state = state
        self.session.dispositions.add(delivery.delivery_id, state, False)
        self.session.mark_dirty()

    def _settles_first(self, delivery: Delivery) -> bool:
        if delivery.delivery_id not in self._first:
            return False
        self._first.discard(delivery.delivery_id)
        return True

    def settled_by_sender(self, delivery: Delivery) -> None:
        """Learn that the sender settled a delivery: its credit comes back, if it does not wait to be taken."""
        self._first.discard(delivery.delivery_id)
        queue = self.deliveries
        if not queue or difference(delivery.delivery_id, queue[0].delivery_id) < 0:
            self._give_back()

    def _give_back(self) -> None:
        self.credit.outstanding -= 1
        if self.credit.outstanding <= self.credit.due_at:
            self._renew_credit()

    def _renew_credit(self) -> None:
        """Have the credit that was freed go out, at once where the peer may be waiting for it."""
        if not self._paused:
            self.session.request_flow(self)
            urgent = self.credit.is_urgent
            self.credit.expect_flow()
            if urgent:
                self.connection.notify_urgently()

    # --- credit -------------------------------------------------------------------------------------------------------

    def add_credit(self, count: int) -> None:
        """Let the peer send so many more; ends automatic credit's rest after a drain.

        Args:
            count: deliveries, 1 or more.

        Raises:
            ValueError: the count is not positive, or the credit would exceed 2**31-1.
            InvalidState: credit is automatic, or the link is not attached.
        """
        self._check_attached()
        if self.credit.automatic or self._paused:
            raise InvalidState("credit is automatic: open the receiver with credit=0 to give it by hand", level="link")
        if count < 1 or count + self.credit.link_credit > _MAX_CREDIT:
            raise ValueError(f"credit must be positive and at most 2147483647 in all, not {count}")
        if self.credit.draining:
            raise InvalidState("the credit is being drained", level="link")
        if self.credit.window:
            self.credit.restart()  # as before the drain
        self.credit.grant(count)
        self.session.request_flow(self)

    def pause(self) -> None:
        """Give no more credit, and take back what can be: what is under way still comes. Harmless when paused."""
        self._check_attached()
        if not self._paused and self.credit.automatic:
            self._paused = self.credit.window
            self.credit.revoke()
            self.session.request_flow(self)

    def resume(self) -> None:
        """Go on giving automatic credit. Harmless when not paused."""
        self._check_attached()
        if self._paused:
            self._paused = 0
            self.credit.restart()
            self.session.request_flow(self)

    def drain(self) -> Operation[int]:
        """Have the peer use up its credit, or give it back, and wait until it has (§2.6.7).

        Automatic credit stops until `add_credit`.

        Returns:
            How many deliveries came meanwhile.

        Raises:
            InvalidState: a drain is under way.
        """
        self._check_attached()
        credit = self.credit
        if credit.draining:
            raise InvalidState("the credit is being drained", level="link")
        credit.stop()
        self._paused = 0
        before = credit.received
        if credit.unused > 0 or self._partial is not None:
            credit.start_drain()
            self.session.request_flow(self)
            try:
                while self.credit.draining:
                    self.check()
                    yield self
            finally:
                credit.draining = False
        return credit.received - before

    def _check_attached(self) -> None:
        self.check()
        if self.state is not ATTACHED:
            raise InvalidState(f"the receiver is in state {self.state.name}", level="link")

    def _take_flow(self, flow: Flow) -> None:
        """Take the sender's count: it moves past what we saw when the sender drained."""
        self.available = flow.available
        known = self.credit.delivery_count
        count = known if flow.delivery_count is None else flow.delivery_count
        partial = self._partial
        drained = flow.drain and not flow.link_credit
        if not self.credit.confirm(count, drained=drained, in_delivery=partial is not None):
            raise Violation(self, Condition.TRANSFER_LIMIT_EXCEEDED, "flow counts deliveries beyond the credit")
        if partial is not None and difference(count, known) > 0:
            partial.counted = True  # some senders count a delivery with its first frame, some with its last
        self.connection.changed(self)
        if not self._paused and self.credit.is_due:
            self.session.request_flow(self)

    def fill_flow(self, flow: Flow) -> None:
        """Add the receiver's state; freed credit goes out with it."""
        credit = self.credit
        if credit.automatic:
            credit.grant()
        flow.handle = self.handle
        flow.delivery_count = credit.delivery_count
        flow.link_credit = credit.link_credit
        flow.drain = credit.draining
        # What was under way when the credit was taken back is waited for too: only an answer tells that it has come.
        flow.echo = credit.draining and not credit.link_credit

    # --- attach and detach --------------------------------------------------------------------------------------------

    def _take_options(self) -> None:
        self._max_message_size = self.options.max_message_size or 0
        count = self.credit.delivery_count
        self.credit = IncomingCredit(self.options.credit)
        self.credit.start(count)

    def _fill_attach(self, attach: Attach) -> None:
        attach.max_message_size = self._max_message_size or None

    def _is_refusal(self, attach: Attach) -> bool:
        return attach.source is None

    def _take_attach(self, attach: Attach) -> None:
        if attach.initial_delivery_count is None:
            # §2.7.3: it must be there when the role is sender.
            raise Violation(self.session, Condition.INVALID_FIELD, "a sender's attach without initial-delivery-count")
        self.credit.start(attach.initial_delivery_count)

    def _begin_work(self) -> None:
        assert self.remote_handle is not None
        assert self.session.remote_channel is not None
        self._second = self.rcv_settle_mode == ReceiverSettleMode.SECOND
        if self.connection.quirks.overruns_credit:
            self.credit.slack = max(self.credit.window, _QUIRK_SLACK)
        self._settlement = Settlement(
            self.credit,
            self.session.incoming,
            self.session.dispositions,
            on_queued=self.session.mark_dirty,
            on_due=self._renew_credit,
            otherwise=self.settle,
        )
        if not self._second:
            self._settle = self._settlement  # once per message: accept() need not come by here
        self.connection.reader.bind(self.session.remote_channel, self.remote_handle, self.delivery_class, self)
        if self.credit.automatic:
            self.session.request_flow(self)

    def _end_work(self, error: AMQPError) -> None:
        self._partial = None
        self._settle = self.settle  # which raises the error
        self._first.clear()
        self.session.incoming.take_all(self)
        if self.session.remote_channel is not None and self.remote_handle is not None:
            self.connection.reader.unbind(self.session.remote_channel, self.remote_handle)
