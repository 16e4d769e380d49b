"""Receivers: credit, draining, settlement."""

from __future__ import annotations

import pytest

from amqp10._codec import Delivery
from amqp10.engine.events import DeliveriesSettled
from amqp10.errors import (
    Condition,
    EncodeError,
    InvalidState,
    LinkClosed,
    LinkDetachedByPeer,
    PeerViolation,
    SessionEndedByPeer,
)
from amqp10.outcomes import ACCEPTED, RELEASED, Accepted, Modified, Rejected
from amqp10.performatives import Detach, Disposition, End, Error, Flow, Transfer
from amqp10.terminus import Target
from amqp10.testing.wire import data_section
from amqp10.types import Symbol
from tests.engine.receiving import SECOND, deliver, flows, receiver_of, sender_says, take
from tests.engine.rig import Rig, transfer
from tests.pair import iterate, take_all

# --- automatic credit -------------------------------------------------------------------------------------------------


def test_credit_is_given_at_once() -> None:
    rig = Rig().open()
    rig.attach_receiver(credit=7, answer={"initial_delivery_count": 40})
    assert flows(rig) == [(40, 7)]


def test_credit_comes_back_when_a_delivery_is_settled_not_when_it_is_taken() -> None:
    rig, receiver = receiver_of(2)
    deliver(rig, receiver, 0, 2)
    deliveries = take_all(receiver)
    assert flows(rig) == []
    deliveries[0].accept()
    assert flows(rig) == [(2, 1)]
    deliveries[1].release()
    assert flows(rig) == [(2, 2)]


def test_credit_for_what_came_settled_comes_back_when_it_is_taken() -> None:
    rig, receiver = receiver_of(2)
    deliver(rig, receiver, 0, 2, settled=True)
    assert flows(rig) == []
    delivery = take(receiver)
    assert (delivery.settled, delivery.presettled) == (True, True)
    assert flows(rig) == [(2, 1)]
    delivery.accept()
    assert rig.hear() == [], "there is nobody to hear it"


def test_what_is_queued_and_unsettled_never_exceeds_the_credit() -> None:
    rig, receiver = receiver_of(4)
    held: list[Delivery] = []
    number = 0
    for step in range(200):
        while receiver.credit.allowance:
            deliver(rig, receiver, number)
            number += 1
        assert len(receiver.deliveries) + len(held) <= 4
        if receiver.deliveries and step % 3:
            held.append(take(receiver))
        elif held:
            held.pop(0).accept()
        rig.hear()
    assert number > 50


def test_credit_is_renewed_in_halves_not_one_by_one() -> None:
    rig, receiver = receiver_of(100)
    said = 0
    for number in range(1000):
        deliver(rig, receiver, number)
        take(receiver).accept()
        said += len(flows(rig))
    assert 10 <= said <= 21


def test_credit_of_one_works() -> None:
    rig, receiver = receiver_of(1)
    for number in range(5):
        deliver(rig, receiver, number)
        take(receiver).accept()
        assert flows(rig) == [(number + 1, 1)]


def test_pause_takes_credit_back_and_resume_gives_it_again() -> None:
    rig, receiver = receiver_of(4)
    receiver.pause()
    assert flows(rig) == [(0, 0)]
    deliver(rig, receiver, 0, 3)  # were under way
    assert receiver.error is None
    for delivery in iterate(receiver):
        delivery.accept()
    receiver.pause()
    assert flows(rig) == []
    receiver.resume()
    receiver.resume()
    assert flows(rig) == [(3, 4)]


def test_more_than_ever_was_given_is_too_much_even_after_a_pause() -> None:
    rig, receiver = receiver_of(4)
    receiver.pause()
    rig.hear()
    deliver(rig, receiver, 0, 5)
    assert rig.hear()[-1].error.condition == Condition.TRANSFER_LIMIT_EXCEEDED


def test_automatic_and_manual_credit_do_not_mix() -> None:
    _, receiver = receiver_of(4)
    with pytest.raises(InvalidState, match="automatic"):
        receiver.add_credit(1)
    receiver.pause()
    with pytest.raises(InvalidState):
        receiver.add_credit(1)


# --- manual credit ----------------------------------------------------------------------------------------------------


def test_manual_credit_adds_up_and_is_told_once_a_turn() -> None:
    rig, receiver = receiver_of(0)
    receiver.add_credit(1)
    receiver.add_credit(100)
    assert flows(rig) == [(0, 101)]
    deliver(rig, receiver, 0, 3)
    for delivery in iterate(receiver):
        delivery.accept()
    assert flows(rig) == []
    receiver.add_credit(2)
    assert flows(rig) == [(3, 100)]


@pytest.mark.parametrize("count", [0, -1, 0x80000000])
def test_credit_that_cannot_be(count: int) -> None:
    _, receiver = receiver_of(0)
    with pytest.raises(ValueError, match="credit"):
        receiver.add_credit(count)


# --- over-credit ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("runs", [True, False])
def test_more_than_the_credit_ends_the_link(runs: bool) -> None:
    rig, receiver = receiver_of(3, runs=runs)
    frames = [transfer(0, number) for number in range(6)]
    rig.say(*frames)
    detach = rig.hear_one(Detach)
    assert (detach.closed, detach.error.condition) == (True, Condition.TRANSFER_LIMIT_EXCEEDED)
    error = receiver.error
    assert isinstance(error, PeerViolation)
    assert error.level == "link"
    assert len(receiver.deliveries) == 3, "what came within the credit stays to be read"
    assert receiver.session.incoming_window.next_id == 6, "and all of it is counted by the session"
    assert receiver.session.error is None


def test_what_came_before_the_violation_can_be_read_but_not_settled() -> None:
    rig, receiver = receiver_of(1)
    rig.say(transfer(0, 0), transfer(0, 1), payload=data_section(b"x"))
    delivery = take(receiver)
    with pytest.raises(PeerViolation):
        delivery.accept()
    assert not delivery.settled


# --- drain ------------------------------------------------------------------------------------------------------------


def test_a_drain_ends_when_the_sender_gives_the_rest_back() -> None:
    rig, receiver = receiver_of(0)
    receiver.add_credit(5)
    rig.hear()
    running = rig.start(receiver.drain())
    said = rig.hear_one(Flow)
    assert (said.drain, said.link_credit, said.echo) == (True, 5, False)
    deliver(rig, receiver, 0, 2)
    assert not running.done
    sender_says(rig, receiver, delivery_count=5, link_credit=0, drain=True)
    assert running.result == 2
    assert (receiver.credit.link_credit, receiver.credit.delivery_count) == (0, 5)


def test_a_drain_ends_with_the_last_delivery_that_was_allowed() -> None:
    rig, receiver = receiver_of(2)
    running = rig.start(receiver.drain())
    deliver(rig, receiver, 0, 2)
    assert running.result == 2


def test_a_drain_of_nothing_is_done_at_once() -> None:
    rig, receiver = receiver_of(0)
    assert rig.start(receiver.drain()).result == 0
    assert rig.hear() == []


def test_a_drain_stops_automatic_credit_until_some_is_added() -> None:
    rig, receiver = receiver_of(2)
    running = rig.start(receiver.drain())
    deliver(rig, receiver, 0, 2)
    assert running.done
    for delivery in iterate(receiver):
        delivery.accept()
    assert all(credit == 0 or said == 0 for said, credit in flows(rig)), "no new credit"
    receiver.add_credit(1)
    assert flows(rig) == [(2, 2)], "automatic again, as far as the window goes"


def test_a_drain_that_is_given_up_leaves_the_link_working() -> None:
    """Parity §2.8: a cancelled drain once made every later call for credit fail."""
    rig, receiver = receiver_of(0)
    receiver.add_credit(5)
    rig.start(receiver.drain()).cancel()
    rig.hear()
    receiver.add_credit(1)
    assert flows(rig) == [(0, 6)]
    sender_says(rig, receiver, delivery_count=5, link_credit=0, drain=True)  # the late answer
    assert receiver.error is None
    assert receiver.credit.link_credit == 1
    running = rig.start(receiver.drain())
    deliver(rig, receiver, 0)
    assert running.result == 1


def test_one_drain_at_a_time() -> None:
    rig, receiver = receiver_of(3)
    rig.start(receiver.drain())
    with pytest.raises(InvalidState, match="drained"):
        _ = rig.start(receiver.drain()).result
    with pytest.raises(InvalidState, match="drained"):
        receiver.add_credit(1)


def test_a_drain_fails_with_its_link() -> None:
    rig, receiver = receiver_of(3)
    running = rig.start(receiver.drain())
    rig.say(Detach(handle=0, closed=True))
    assert type(running.error) is LinkDetachedByPeer


def test_a_drain_waits_for_what_a_pause_left_under_way() -> None:
    rig, receiver = receiver_of(4)
    receiver.pause()
    rig.hear()
    running = rig.start(receiver.drain())
    said = rig.hear_one(Flow)
    assert (said.drain, said.link_credit, said.echo) == (True, 0, True)
    deliver(rig, receiver, 0, 2)
    sender_says(rig, receiver, delivery_count=2, link_credit=0, drain=True)
    assert running.result == 2


def test_a_drain_waits_for_the_frames_of_a_delivery_under_way() -> None:
    rig, receiver = receiver_of(1)
    rig.transfer(receiver, 0, more=True)
    running = rig.start(receiver.drain())
    sender_says(rig, receiver, delivery_count=1, link_credit=0, drain=True)
    assert not running.done
    rig.say(Transfer(handle=0), payload=b"")
    assert running.result == 1


# --- the sender's flow ------------------------------------------------------------------------------------------------


def test_the_senders_count_is_adopted() -> None:
    """Parity §2.8: a receiver that does not adopt it hands out credit that is none."""
    rig, receiver = receiver_of(10)
    sender_says(rig, receiver, delivery_count=4, link_credit=6)
    assert (receiver.credit.delivery_count, receiver.credit.link_credit) == (4, 6)
    assert flows(rig) == []
    sender_says(rig, receiver, delivery_count=5, link_credit=5)
    assert flows(rig) == [(5, 10)]


@pytest.mark.parametrize("count", [11, 0xFFFFFFFF])
def test_a_count_beyond_the_credit_or_back_ends_the_link(count: int) -> None:
    rig, receiver = receiver_of(10)
    sender_says(rig, receiver, delivery_count=count, link_credit=0)
    assert rig.hear_one(Detach).error.condition == Condition.TRANSFER_LIMIT_EXCEEDED


@pytest.mark.parametrize("counts_first_frame", [True, False])
def test_a_flow_in_mid_message_counts_it_or_not(counts_first_frame: bool) -> None:
    rig, receiver = receiver_of(2)
    rig.transfer(receiver, 0, more=True)
    sender_says(rig, receiver, delivery_count=int(counts_first_frame), link_credit=2 - counts_first_frame)
    rig.say(Transfer(handle=0), payload=b"")
    assert (receiver.credit.delivery_count, receiver.credit.link_credit) == (1, 1)
    sender_says(rig, receiver, delivery_count=1, link_credit=1)
    deliver(rig, receiver, 1)
    assert receiver.error is None
    assert len(take_all(receiver)) == 2


@pytest.mark.parametrize("counts", [True, False])
def test_a_sender_counts_what_it_aborted_or_not(counts: bool) -> None:
    rig, receiver = receiver_of(2)
    rig.transfer(receiver, 0, more=True)
    rig.say(Transfer(handle=0, aborted=True))
    sender_says(rig, receiver, delivery_count=int(counts), link_credit=2 - counts)
    assert receiver.error is None
    assert receiver.credit.delivery_count == counts
    deliver(rig, receiver, 1, 2 - counts)
    assert receiver.error is None


def test_what_the_sender_has_waiting_is_known() -> None:
    rig, receiver = receiver_of(2)
    assert receiver.available is None
    sender_says(rig, receiver, delivery_count=0, link_credit=2, available=9)
    assert receiver.available == 9


# --- settlement -------------------------------------------------------------------------------------------------------


def test_outcomes_leave_as_the_fewest_dispositions() -> None:
    rig, receiver = receiver_of(100)
    deliver(rig, receiver, 0, 30)
    deliveries = take_all(receiver)
    for delivery in [*deliveries[:10], *reversed(deliveries[11:20])]:
        delivery.accept()
    deliveries[10].reject("amqp:decode-error", "no")
    for delivery in deliveries[20:]:
        delivery.release()
    rejected = Rejected(error=Error(condition=Symbol("amqp:decode-error"), description="no"))
    assert [said for said in rig.hear() if isinstance(said, Disposition)] == [
        Disposition(role=True, first=0, last=9, settled=True, state=ACCEPTED),
        Disposition(role=True, first=10, settled=True, state=rejected),
        Disposition(role=True, first=11, last=19, settled=True, state=ACCEPTED),
        Disposition(role=True, first=20, last=29, settled=True, state=RELEASED),
    ]


def test_ranges_go_on_over_the_wrap() -> None:
    rig, receiver = receiver_of(100)
    deliver(rig, receiver, 0xFFFFFFFD, 6)
    for delivery in iterate(receiver):
        delivery.accept()
    (said,) = [said for said in rig.hear() if isinstance(said, Disposition)]
    assert (said.first, said.last) == (0xFFFFFFFD, 2)


def test_dispositions_of_a_session_join_over_its_links() -> None:
    rig = Rig().open()
    session = rig.begin()
    receivers = [rig.attach_receiver(session, handle=number, credit=50) for number in range(2)]
    rig.hear()
    for number in range(10):
        deliver(rig, receivers[number % 2], number)
    for receiver in receivers:
        for delivery in iterate(receiver):
            delivery.accept()
    (said,) = [said for said in rig.hear() if isinstance(said, Disposition)]
    assert (said.first, said.last) == (0, 9)


def test_every_outcome_there_is() -> None:
    rig, receiver = receiver_of(100)
    deliver(rig, receiver, 0, 6)
    deliveries = take_all(receiver)
    deliveries[0].accept()
    deliveries[1].reject()
    deliveries[2].release()
    deliveries[3].modify(delivery_failed=True, undeliverable_here=True, message_annotations={Symbol("x-a"): 1})
    deliveries[4].settle()
    deliveries[5].settle(Accepted())
    states = [said.state for said in rig.hear() if isinstance(said, Disposition)]
    assert states == [
        ACCEPTED,
        Rejected(),
        RELEASED,
        Modified(delivery_failed=True, undeliverable_here=True, message_annotations={Symbol("x-a"): 1}),
        None,
        ACCEPTED,
    ]


def test_the_same_call_twice_is_harmless_and_another_is_not() -> None:
    rig, receiver = receiver_of(5)
    deliver(rig, receiver, 0)
    delivery = take(receiver)
    delivery.accept()
    delivery.accept()
    assert len([said for said in rig.hear() if isinstance(said, Disposition)]) == 1
    with pytest.raises(InvalidState):
        delivery.release()


def test_a_state_that_is_none_or_does_not_fit_is_refused_at_the_call() -> None:
    rig = Rig().open(max_frame_size=512)
    receiver = rig.attach_receiver(credit=5)
    rig.hear()
    deliver(rig, receiver, 0)
    delivery = take(receiver)
    with pytest.raises(TypeError, match="delivery state"):
        delivery.settle(Target())
    with pytest.raises(EncodeError, match="512"):
        delivery.reject("x", "d" * 500)
    with pytest.raises(EncodeError):
        delivery.reject("x", "\ud800")
    assert rig.hear() == []
    assert not delivery.settled
    delivery.accept()
    assert rig.hear_one(Disposition).state == ACCEPTED


def test_settling_after_the_end_says_why_and_settles_nothing() -> None:
    rig, receiver = receiver_of(5)
    deliver(rig, receiver, 0, 2)
    delivery = take(receiver)
    rig.say(End(error=Error(condition=Symbol("amqp:internal-error"))))
    with pytest.raises(SessionEndedByPeer):
        delivery.accept()
    assert not delivery.settled
    assert len(receiver.deliveries) == 1, "what came can still be read"


def test_what_was_settled_leaves_before_the_detach() -> None:
    rig, receiver = receiver_of(5)
    deliver(rig, receiver, 0)
    take(receiver).accept()
    receiver.start_detach(closed=True)
    kinds = rig.hear_kinds()
    assert kinds[0] is Disposition
    assert kinds[-1] is Detach
    assert isinstance(receiver.error, LinkClosed)


# --- settle mode second -----------------------------------------------------------------------------------------------


def test_second_waits_for_the_senders_settlement() -> None:
    rig, receiver = receiver_of(1, **SECOND)
    deliver(rig, receiver, 0)
    delivery = take(receiver)
    delivery.accept()
    delivery.accept()
    assert rig.hear_one(Disposition) == Disposition(role=True, first=0, settled=False, state=ACCEPTED)
    assert (delivery.settled, receiver.credit.outstanding, len(receiver.session.incoming)) == (False, 1, 1)
    with pytest.raises(InvalidState):
        delivery.release()
    rig.say(Disposition(role=False, first=0, settled=True, state=ACCEPTED))
    assert (delivery.settled, delivery.remote_settled, delivery.remote_state) == (True, True, ACCEPTED)
    assert [event.deliveries for event in rig.take_events(DeliveriesSettled)] == [[delivery]]
    assert flows(rig) == [(1, 1)]


def test_second_without_an_outcome_settles_at_once() -> None:
    rig, receiver = receiver_of(1, **SECOND)
    deliver(rig, receiver, 0)
    take(receiver).settle()
    assert rig.hear()[0] == Disposition(role=True, first=0, settled=True, state=None)


def test_ranges_of_the_sender_in_second_mode() -> None:
    rig, receiver = receiver_of(10, **SECOND)
    deliver(rig, receiver, 0xFFFFFFFE, 5)
    deliveries = take_all(receiver)
    for delivery in deliveries:
        delivery.accept()
    assert len(rig.hear()) == 1
    rig.say(Disposition(role=False, first=0xFFFFFFFF, last=1, settled=True, state=ACCEPTED))
    assert [delivery.settled for delivery in deliveries] == [False, True, True, True, False]
    assert receiver.credit.outstanding == 2


def test_a_transfer_may_ask_to_be_settled_first() -> None:
    rig, receiver = receiver_of(1, **SECOND)
    rig.transfer(receiver, 0, rcv_settle_mode=0)
    delivery = take(receiver)
    delivery.accept()
    assert delivery.settled
    assert rig.hear()[0] == Disposition(role=True, first=0, settled=True, state=ACCEPTED)


@pytest.mark.parametrize("mode", [1, 2])
def test_a_transfer_may_not_ask_to_be_settled_second_on_a_link_that_settles_first(mode: int) -> None:
    """§2.7.5, rcv-settle-mode: illegal where the link's is first."""
    rig, receiver = receiver_of(1)
    rig.transfer(receiver, 0, rcv_settle_mode=mode)
    assert rig.hear_one(Detach).error.condition == Condition.INVALID_FIELD


def test_a_transfer_that_comes_settled_may_say_what_it_likes() -> None:
    rig, receiver = receiver_of(1)
    rig.transfer(receiver, 0, settled=True, rcv_settle_mode=1)
    assert take(receiver).settled


# --- the sender settles -----------------------------------------------------------------------------------------------


def test_settling_what_the_sender_has_settled_is_harmless_and_unheard() -> None:
    rig, receiver = receiver_of(4)
    deliver(rig, receiver, 0)
    rig.say(Disposition(role=False, first=0, settled=True))
    delivery = take(receiver)
    assert delivery.settled
    delivery.accept()
    delivery.reject()
    assert rig.hear() == []


def test_what_both_settled_keeps_the_state_given_here() -> None:
    rig, receiver = receiver_of(4, **SECOND)
    deliver(rig, receiver, 0)
    delivery = take(receiver)
    delivery.accept()
    rig.say(Disposition(role=False, first=0, settled=True, state=ACCEPTED))
    delivery.accept()
    with pytest.raises(InvalidState):
        delivery.release()


def test_what_the_sender_settles_while_it_waits_holds_its_credit_until_it_is_taken() -> None:
    rig, receiver = receiver_of(2)
    deliver(rig, receiver, 0, 2)
    rig.say(Disposition(role=False, first=0, last=1, settled=True))
    assert (receiver.credit.outstanding, flows(rig)) == (2, [])
    take(receiver)
    assert receiver.credit.outstanding == 1
    take(receiver)
    assert receiver.credit.outstanding == 0


def test_what_the_sender_settles_after_it_was_taken_gives_its_credit_back_at_once() -> None:
    rig, receiver = receiver_of(3)
    deliver(rig, receiver, 0, 3)
    take(receiver)
    rig.say(Disposition(role=False, first=0, last=1, settled=True, state=RELEASED))
    assert receiver.credit.outstanding == 2
    assert take(receiver).remote_state == RELEASED
    assert receiver.credit.outstanding == 1


def test_a_state_of_the_senders_that_settles_nothing_is_told() -> None:
    rig, receiver = receiver_of(3)
    deliver(rig, receiver, 0)
    rig.say(Disposition(role=False, first=0, state=RELEASED))
    delivery = take(receiver)
    assert (delivery.remote_state, delivery.settled) == (RELEASED, False)
    assert [event.deliveries for event in rig.take_events(DeliveriesSettled)] == [[delivery]]
