"""What became of many messages sent in one call."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from amqp10.errors import (
    AMQPError,
    DeliveryError,
    DeliverySendState,
    MessageModified,
    MessageRejected,
    MessageReleased,
)
from amqp10.outcomes import Accepted, Modified, Rejected, Released

if TYPE_CHECKING:
    from amqp10._codec import OutgoingDelivery

__all__ = ["SendSummary", "delivery_error", "unread_error"]

_KEPT = 1000


@dataclass(slots=True)
class SendSummary:
    """What became of the messages of a `send_many`.

    Attributes:
        accepted: how many were accepted, or sent settled.
        failed: how many got another outcome.
        not_sent: how many were taken from the iterable and did not leave.
        in_doubt: how many left and have no outcome.
        failures: the receipts of the first 1000 that failed, oldest first.
    """

    accepted: int = 0
    failed: int = 0
    not_sent: int = 0
    in_doubt: int = 0
    failures: list[Any] = field(default_factory=list, repr=False)

    def count(self, delivery: OutgoingDelivery) -> None:
        """Count a delivery that is settled."""
        if type(delivery.state) is Accepted or delivery.presettled:
            self.accepted += 1
            return
        self.failed += 1
        if len(self.failures) < _KEPT:
            self.failures.append(delivery)

    def raise_for_failures(self) -> None:
        """Raise the error of the first message that was not accepted, if there is one.

        Raises:
            DeliveryError: its outcome.
        """
        if self.failures:
            error = delivery_error(self.failures[0])
            assert error is not None
            raise _with_count(error, self.failed)


def delivery_error(delivery: OutgoingDelivery) -> AMQPError | None:
    """Make the error that tells why a delivery was not accepted; None where it was, or was sent settled."""
    if delivery.error is not None:
        assert isinstance(delivery.error, AMQPError)
        error = delivery.error.again()
        error.delivery_state = DeliverySendState.IN_DOUBT
        return error
    state = delivery.state
    if type(state) is Accepted or delivery.presettled:
        return None
    tag = delivery.delivery_tag
    if type(state) is Rejected:
        reason = state.error
        text = "the peer rejected the message"
        if reason is not None:
            text += f": {reason.condition}" + (f" ({reason.description})" if reason.description else "")
        condition = None if reason is None else str(reason.condition)
        return MessageRejected(text, outcome=state, delivery_tag=tag, condition=condition)
    if type(state) is Released:
        return MessageReleased("the peer released the message: it did not take it", outcome=state, delivery_tag=tag)
    if type(state) is Modified:
        text = "the peer gave the message back modified: it did not take it"
        return MessageModified(text, outcome=state, delivery_tag=tag)
    return DeliveryError(f"the peer settled the message as {state!r}", outcome=state, delivery_tag=tag)


def _with_count(error: AMQPError, count: int) -> AMQPError:
    if count > 1:
        error.add_note(f"{count} messages were not accepted; this is the first")
    return error


def unread_error(unread: list[OutgoingDelivery], dropped: int) -> AMQPError | None:
    """Make the error for outcomes that nobody has looked at: of the first, with their number in a note."""
    errors = [error for error in map(delivery_error, unread) if error is not None]
    if not errors:
        return None
    return _with_count(errors[0], len(errors) + dropped)
