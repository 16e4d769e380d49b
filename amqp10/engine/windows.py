"""The arithmetic of session windows and of a receiver's credit; knows numbers, not frames (§2.5.6, §2.6.7)."""

from __future__ import annotations

from amqp10._codec import ReceiverTally
from amqp10.engine.serial import MASK, difference

__all__ = ["IncomingCredit", "IncomingWindow", "OutgoingWindow"]


_NEVER = -1 << 62


class IncomingWindow:
    """How many transfer frames the peer may still send.

    Args:
        capacity: the frames a full window has.
    """

    __slots__ = ("capacity", "low", "next_id", "remaining")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.low = capacity // 2  # above it no flow can be due
        self.next_id: int | None = None  # next-incoming-id: unknown until the peer's begin
        self.remaining = capacity  # of what our last begin or flow allowed

    def receive(self, frames: int) -> bool:
        """Count frames that came; False where they exceed the window."""
        if frames > self.remaining or self.next_id is None:
            return False
        self.remaining -= frames
        self.next_id = (self.next_id + frames) & MASK
        return True

    def is_due(self, held: int) -> bool:
        """Tell whether a flow should widen the window.

        Args:
            held: frames that came and still take up room.
        """
        return (self.capacity - held - self.remaining) * 2 >= self.capacity

    def widen(self, held: int) -> int:
        """Open the window as far as the room goes, and return it: what a flow says. It never narrows."""
        self.remaining = max(self.remaining, self.capacity - held)
        return self.remaining


class OutgoingWindow:
    """How many transfer frames we may still send.

    Args:
        next_id: the next-outgoing-id to start from.
    """

    __slots__ = ("initial_id", "next_id", "remaining")

    def __init__(self, next_id: int) -> None:
        self.initial_id = next_id
        self.next_id = next_id
        self.remaining = 0  # remote-incoming-window

    def spend(self, frames: int) -> None:
        """Count frames that were written."""
        self.next_id = (self.next_id + frames) & MASK
        self.remaining -= frames

    def update(self, next_incoming_id: int | None, incoming_window: int) -> bool:
        """Take the peer's flow; False where it speaks of frames that we never sent.

        Args:
            next_incoming_id: the peer's, or None where it had not seen our begin.
            incoming_window: the peer's.
        """
        expected = self.initial_id if next_incoming_id is None else next_incoming_id
        in_flight = difference(self.next_id, expected)
        self.remaining = max(0, incoming_window - in_flight)
        return in_flight >= 0


class IncomingCredit(ReceiverTally):
    """The credit that a receiver gives, and what of it is used.

    With automatic credit, deliveries queued or unsettled plus the link-credit never exceed `window`; what is freed goes
    out again once it is as much as the peer still has, so neither starves the peer nor sends a flow per message.

    Credit given cannot be taken back from transfers under way (§2.6.7): what the peer may send is judged by the
    highest delivery-limit given. A flow of the peer does not lower it, since it does not say which of ours the peer had
    seen.

    Args:
        window: deliveries at once; 0 for manual credit.
    """

    __slots__ = (
        "automatic",
        "delivery_count",
        "drained",
        "draining",
        "highest_limit",
        "link_credit",
        "received",
        "slack",
        "uncertain",
        "window",
    )

    def __init__(self, window: int) -> None:
        self.window = window
        self.automatic = window > 0
        self.delivery_count = 0  # the sender's, as far as known
        self.link_credit = 0  # what our last flow left the sender
        self.outstanding = 0  # deliveries that came and have not given their credit back; counted down by the codec
        self.received = 0  # deliveries that came in all
        self.highest_limit = 0  # of the delivery-limits that were given
        self.draining = False
        self.drained = False  # the sender has said that it has drained
        self.slack = 0  # deliveries beyond the credit that are borne
        self.uncertain = 0  # deliveries since the sender's last flow that it may not have counted
        self.due_at = _NEVER  # the `outstanding` down from which freed credit should go out
        self._set_due()

    def start(self, delivery_count: int) -> None:
        """Take the sender's initial delivery-count."""
        self.delivery_count = delivery_count
        self.highest_limit = (delivery_count + self.link_credit) & MASK

    @property
    def unused(self) -> int:
        """How many deliveries may come by the credit that was given, reduced since or not."""
        return difference(self.highest_limit, self.delivery_count)

    @property
    def allowance(self) -> int:
        """How many deliveries may come before the peer exceeds every credit it was given."""
        return self.unused + self.slack

    def receive(self, count: int) -> None:
        """Count deliveries that came, within the allowance."""
        self.delivery_count = (self.delivery_count + count) & MASK
        self.link_credit = max(0, self.link_credit - count)
        self.outstanding += count
        self.received += count
        self._set_due()
        self._end_drain()

    def complete(self) -> None:
        """Count a delivery that is whole now, and which the sender's flow has counted already."""
        self.outstanding += 1
        self.received += 1
        self._end_drain()

    def _end_drain(self) -> None:
        if self.draining and (self.drained or self.unused <= 0):
            self.draining = False

    def start_drain(self) -> None:
        """Have the sender use up what it has, or give it back; `draining` tells when that is over."""
        self.draining = True
        self.drained = False

    def _set_due(self) -> None:
        # Free credit is window - outstanding: due once it is twice, and more than, what the peer still has.
        link_credit = self.link_credit
        self.due_at = self.window - max(2 * link_credit, link_credit + 1) if self.automatic else _NEVER

    @property
    def is_due(self) -> bool:
        """Whether freed credit should go out."""
        return self.outstanding <= self.due_at

    @property
    def is_urgent(self) -> bool:
        """Whether the peer has so little left that it may be waiting, and half the window could be given to it."""
        return (self.window - self.outstanding - self.link_credit) * 2 >= self.window

    def expect_flow(self) -> None:
        """Have nothing be due until the flow that was asked for is written, unless it becomes urgent before."""
        self.due_at = _NEVER if self.is_urgent else min(self.due_at, self.window // 2 - self.link_credit)

    def grant(self, count: int | None = None) -> None:
        """Give credit: `count` more, or all that is free where it is None."""
        if count is None:
            self.link_credit = max(self.link_credit, self.window - self.outstanding)
        else:
            self.link_credit += count
        self._set_due()
        limit = (self.delivery_count + self.link_credit) & MASK
        if difference(limit, self.highest_limit) > 0:
            self.highest_limit = limit

    def revoke(self) -> None:
        """Ask for an end: no credit from here on, though what was given may be used until the sender confirms."""
        self.link_credit = 0
        self.draining = False
        self.stop()

    def stop(self) -> None:
        """Give no more credit by itself."""
        self.automatic = False
        self._set_due()

    def restart(self) -> None:
        """Give credit by itself again."""
        self.automatic = True
        self._set_due()

    def confirm(self, delivery_count: int, *, drained: bool = False, in_delivery: bool = False) -> bool:
        """Take the sender's view from its flow; False where it claims deliveries beyond what it was given.

        Args:
            delivery_count: the sender's.
            drained: whether it says that it has drained, and has no credit.
            in_delivery: whether frames of a delivery are still to come: a drain does not end before them.
        """
        advance = difference(delivery_count, self.delivery_count)
        if not -self.uncertain <= advance <= self.allowance:
            return False
        self.uncertain = self.uncertain + 1 if in_delivery and self.uncertain else 0
        self.delivery_count = delivery_count
        self.link_credit = max(0, self.link_credit - advance)
        self.drained = drained and not self.link_credit
        self._set_due()
        if not in_delivery:
            self._end_drain()
        return True
