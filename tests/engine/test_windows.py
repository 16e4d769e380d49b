"""Windows and credit as arithmetic: nothing is given twice, nothing starves, nothing wraps badly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqp10.engine.serial import MASK, add
from amqp10.engine.windows import IncomingCredit, IncomingWindow, OutgoingWindow

START = 0xFFFFFFFC


def test_an_incoming_window_is_closed_until_the_peer_has_begun() -> None:
    assert not IncomingWindow(10).receive(1)


def test_an_incoming_window_counts_frames_and_ids_across_the_wrap() -> None:
    window = IncomingWindow(10)
    window.next_id = START
    assert window.receive(6)
    assert (window.remaining, window.next_id) == (4, 2)
    assert not window.receive(5)
    assert (window.remaining, window.next_id) == (4, 2)
    assert window.receive(4)


@pytest.mark.parametrize(("received", "held", "due"), [(4, 0, False), (5, 0, True), (5, 1, False), (10, 5, True)])
def test_an_incoming_window_is_widened_when_half_of_it_could_be_given(received: int, held: int, due: bool) -> None:
    window = IncomingWindow(10)
    window.next_id = 0
    window.receive(received)
    assert window.is_due(held) is due


def test_an_incoming_window_never_narrows() -> None:
    window = IncomingWindow(10)
    window.next_id = 0
    assert window.widen(held=7) == 10
    window.receive(6)
    assert window.widen(held=3) == 7
    assert window.widen(held=9) == 7


def test_an_outgoing_window_reckons_with_what_is_under_way() -> None:
    window = OutgoingWindow(START)
    assert window.update(None, 10)
    assert window.remaining == 10
    window.spend(6)
    assert (window.next_id, window.remaining) == (2, 4)
    assert window.update(START, 10)  # the peer had seen nothing of it
    assert window.remaining == 4
    assert window.update(1, 10)
    assert window.remaining == 9


def test_an_outgoing_window_is_empty_not_negative_where_the_peer_shrank_it() -> None:
    window = OutgoingWindow(0)
    window.update(0, 10)
    window.spend(8)
    assert window.update(0, 2)
    assert window.remaining == 0


def test_an_outgoing_window_finds_acknowledgements_of_what_was_never_sent() -> None:
    window = OutgoingWindow(0)
    window.update(0, 10)
    window.spend(2)
    assert not window.update(3, 10)


def fresh_credit(window: int, start: int = START) -> IncomingCredit:
    """Make credit as an attached receiver has it, all of it given."""
    credit = IncomingCredit(window)
    credit.start(start)
    if window:
        credit.grant()
    return credit


def give_back(credit: IncomingCredit, count: int) -> None:
    """Settle so many deliveries, as the codec counts them."""
    credit.outstanding -= count


def due(credit: IncomingCredit) -> str:
    """Say whether freed credit should go out."""
    if not credit.is_due:
        return "no"
    return "at once" if credit.is_urgent else "yes"


def test_automatic_credit_bounds_what_is_queued_and_unsettled_together() -> None:
    credit = fresh_credit(10)
    credit.receive(10)
    assert (credit.link_credit, credit.allowance) == (0, 0)
    assert due(credit) == "no"
    give_back(credit, 3)
    assert due(credit) == "yes"
    credit.grant()
    assert (credit.link_credit, credit.allowance, credit.outstanding) == (3, 3, 7)


def test_automatic_credit_is_renewed_once_as_much_is_free_as_the_peer_has() -> None:
    credit = fresh_credit(10)
    credit.receive(4)
    give_back(credit, 4)
    assert due(credit) == "no"  # six left, four free
    credit.receive(1)
    give_back(credit, 1)
    assert due(credit) != "no"


def test_a_flow_that_was_asked_for_is_asked_for_again_only_when_urgent() -> None:
    credit = fresh_credit(10)
    credit.receive(10)
    give_back(credit, 1)
    assert due(credit) == "yes"
    credit.expect_flow()
    assert due(credit) == "no"
    give_back(credit, 3)
    assert due(credit) == "no"
    give_back(credit, 1)
    assert due(credit) == "at once"


def test_manual_credit_adds_up_and_is_never_due() -> None:
    credit = fresh_credit(0)
    credit.grant(5)
    credit.grant(2)
    assert (credit.link_credit, credit.allowance) == (7, 7)
    credit.receive(7)
    give_back(credit, 7)
    assert not credit.is_due


def test_revoked_credit_may_be_used_all_the_same() -> None:
    credit = fresh_credit(10)
    credit.receive(2)
    credit.revoke()
    assert credit.link_credit == 0
    assert credit.allowance == 8  # §2.6.7: transfers may be under way
    credit.receive(3)
    assert credit.allowance == 5
    assert credit.confirm(add(START, 5))  # as the sender may have said before it saw what was revoked
    assert credit.allowance == 5


def test_a_drain_of_revoked_credit_waits_for_the_senders_word() -> None:
    credit = fresh_credit(10)
    credit.revoke()
    credit.start_drain()
    credit.receive(2)
    assert credit.draining
    assert credit.confirm(add(START, 3))
    assert credit.draining
    assert credit.confirm(add(START, 3), drained=True)
    assert not credit.draining


def test_what_a_sender_said_of_an_earlier_drain_does_not_end_the_next() -> None:
    credit = fresh_credit(10)
    credit.stop()
    credit.start_drain()
    assert credit.confirm(START, drained=True)
    assert credit.draining


def test_a_drain_does_not_end_before_the_delivery_that_is_under_way() -> None:
    credit = fresh_credit(10)
    credit.stop()
    credit.start_drain()
    assert credit.confirm(add(START, 10), drained=True, in_delivery=True)
    assert credit.draining
    credit.complete()
    assert not credit.draining


def test_a_flow_that_was_sent_before_the_credit_takes_none_of_it_back() -> None:
    credit = fresh_credit(0)
    credit.grant(5)
    credit.grant(5)
    assert credit.confirm(START)  # the sender had seen the first five
    assert credit.allowance == 10


@pytest.mark.parametrize("moved_on", [True, False])
def test_a_drain_ends_when_the_sender_has_moved_on_or_used_the_credit(moved_on: bool) -> None:
    credit = fresh_credit(10)
    credit.stop()
    credit.start_drain()
    if moved_on:
        credit.confirm(add(START, 10))
    else:
        credit.receive(10)
    assert (credit.draining, credit.link_credit, credit.delivery_count) == (False, 0, add(START, 10))


@pytest.mark.parametrize("count", [add(START, 11), add(START, -1)])
def test_a_sender_cannot_count_beyond_its_credit_nor_back(count: int) -> None:
    assert not fresh_credit(10).confirm(count)


STEPS = st.lists(st.tuples(st.sampled_from(["receive", "settle", "flow", "confirm"]), st.integers(1, 20)), max_size=60)


@given(st.integers(1, 20), st.integers(0, MASK), STEPS)
def test_the_bound_holds_whatever_happens_and_nobody_starves(
    window: int, start: int, steps: list[tuple[str, int]]
) -> None:
    credit = fresh_credit(window, start)
    for step, count in steps:
        if step == "receive":
            credit.receive(min(count, credit.allowance))
        elif step == "settle":
            give_back(credit, min(count, credit.outstanding))
        elif step == "confirm":
            assert credit.confirm(credit.delivery_count)
        elif credit.is_due:
            credit.grant()
        assert credit.outstanding + credit.allowance <= window
        assert credit.link_credit == credit.allowance
        assert credit.link_credit or credit.outstanding == window or credit.is_due
