"""Settlement: what accept() and its like do to a delivery, its index, the queue and the tally (§2.6.12)."""

from typing import Any

import pytest

from amqp10._codec import (
    Delivery,
    DispositionQueue,
    FrameReader,
    FrameWriter,
    IncomingIndex,
    ReceiverTally,
    Settlement,
    new_delivery,
)
from amqp10.errors import EncodeError, InvalidState
from amqp10.outcomes import ACCEPTED, RELEASED, Accepted, Modified, Rejected
from amqp10.performatives import Disposition, Error
from amqp10.types import Symbol


class Link:
    """A receiver with what the settlement calls, and a record of the calls."""

    def __init__(self, due_at: int = -1) -> None:
        self.calls: list[object] = []
        self.index = IncomingIndex()
        self.queue = DispositionQueue(True)
        self.tally = ReceiverTally()
        self.tally.due_at = due_at
        self.settlement = Settlement(
            self.tally,
            self.index,
            self.queue,
            on_queued=lambda: self.calls.append("queued"),
            on_due=lambda: self.calls.append("due"),
            otherwise=self._otherwise,
        )
        self._settle: Any = self.settlement

    def _otherwise(self, delivery: Delivery, state: object) -> None:
        self.calls.append((delivery.delivery_id, state))

    def deliver(self, *numbers: int) -> list[Delivery]:
        deliveries = [new_delivery(Delivery, self, number, b"tag", 0, False, [b""]) for number in numbers]
        self.index.extend(deliveries)
        self.tally.outstanding += len(deliveries)
        return deliveries

    def flushed(self) -> list[Any]:
        writer = FrameWriter()
        self.queue.flush(writer, 0, 512)
        reader = FrameReader()
        reader.feed(b"AMQP\x00\x01\x00\x00")
        return [item.performative for item in reader.feed(writer.take())]  # type: ignore[union-attr]


def accepted(first: int, last: int | None = None) -> Disposition:
    return Disposition(role=True, first=first, last=last, settled=True, state=ACCEPTED)


def test_accepting_settles_takes_out_and_queues() -> None:
    link = Link()
    deliveries = link.deliver(7, 8, 9)
    for delivery in deliveries[:2]:
        delivery.accept()
    assert [(delivery.settled, delivery.state) for delivery in deliveries] == [(True, ACCEPTED)] * 2 + [(False, None)]
    assert (len(link.index), link.tally.outstanding) == (1, 1)
    assert link.flushed() == [accepted(7, 8)]


def test_only_the_first_in_the_queue_is_announced() -> None:
    link = Link()
    first, second, third = link.deliver(1, 2, 3)
    first.accept()
    second.release()
    assert link.calls == ["queued"]
    link.flushed()
    third.settle()
    assert link.calls == ["queued", "queued"]
    assert link.flushed() == [Disposition(role=True, first=3, settled=True)]


def test_credit_is_due_at_the_count_and_below() -> None:
    link = Link(due_at=1)
    for delivery in link.deliver(1, 2, 3):
        delivery.accept()
    assert link.calls == ["queued", "due", "due"]


@pytest.mark.parametrize(
    "state", [Rejected(), Rejected(error=Error(condition=Symbol("a:b"))), Modified(delivery_failed=True), Accepted]
)
def test_any_other_state_is_for_the_engine_to_judge(state: object) -> None:
    link = Link()
    (delivery,) = link.deliver(1)
    delivery.settle(state)
    assert link.calls == [(1, state)]
    assert (delivery.settled, len(link.index), len(link.queue), link.tally.outstanding) == (False, 1, 0, 1)


def test_the_engine_settles_with_any_state() -> None:
    link = Link()
    (delivery,) = link.deliver(1)
    link.settlement.settle(delivery, Rejected())
    assert (delivery.settled, delivery.state, len(link.index), link.tally.outstanding) == (True, Rejected(), 0, 0)
    assert link.flushed() == [Disposition(role=True, first=1, settled=True, state=Rejected())]


def test_a_state_that_cannot_be_encoded_does_nothing() -> None:
    link = Link()
    (delivery,) = link.deliver(1)
    with pytest.raises(EncodeError):
        link.settlement.settle(delivery, Rejected(error=Error(condition=Symbol("a:b"), description="\ud800")))
    assert (delivery.settled, delivery.state, len(link.index), link.tally.outstanding) == (False, None, 1, 1)
    assert (link.calls, link.flushed()) == ([], [])


def test_an_accepted_of_ones_own_is_the_same() -> None:
    link = Link()
    (delivery,) = link.deliver(1)
    delivery.settle(Accepted())
    delivery.accept()
    assert delivery.settled
    with pytest.raises(InvalidState):
        delivery.release()
    assert link.flushed() == [accepted(1)]


def test_it_is_a_hook_like_any_other() -> None:
    link = Link()
    (delivery,) = link.deliver(1)
    link.settlement(delivery, RELEASED)
    assert (delivery.settled, delivery.state) == (True, RELEASED)
    with pytest.raises(TypeError):
        link.settlement(object(), RELEASED)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        link.settlement(None, RELEASED)  # type: ignore[arg-type]


def test_one_that_was_never_initialized_refuses() -> None:
    settlement = Settlement.__new__(Settlement)
    link = Link()
    (delivery,) = link.deliver(1)
    with pytest.raises(RuntimeError):
        settlement(delivery, ACCEPTED)
    assert not delivery.settled


def test_what_the_engine_raises_reaches_the_caller() -> None:
    def refuse() -> None:
        raise OSError("no")

    link = Link()
    link._settle = Settlement(
        link.tally, link.index, link.queue, on_queued=refuse, on_due=refuse, otherwise=link._otherwise
    )
    (delivery,) = link.deliver(1)
    with pytest.raises(OSError, match="no"):
        delivery.accept()
