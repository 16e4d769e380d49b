"""Senders: credit, transfers, outcomes, bounds."""

from __future__ import annotations

from typing import Any

import pytest

from amqp10._codec import Frame, OutgoingDelivery
from amqp10.engine import Sender
from amqp10.engine.events import OutcomesArrived, SenderReady
from amqp10.errors import (
    BufferFull,
    Condition,
    InvalidState,
    LinkClosed,
    LinkDetachedByPeer,
    MessageTooLarge,
    NoCredit,
)
from amqp10.options import ConnectionOptions, SenderOptions, SessionOptions
from amqp10.outcomes import ACCEPTED, RELEASED, Modified, Received, Rejected
from amqp10.performatives import Attach, Detach, Disposition, Error, Flow, Transfer
from amqp10.terminus import Target
from amqp10.testing.wire import data_section
from amqp10.types import Symbol
from tests.engine.rig import Rig, attach, flow
from tests.pair import Pair, Running, iterate, send, take_all

REJECTED = Rejected(error=Error(condition=Symbol("amqp:decode-error"), description="bad"))


def sender_of(credit: int = 10, *, window: int = 1000, max_frame_size: int = 512, **fields: Any) -> tuple[Rig, Sender]:
    """Make a sender with credit, on a session whose window is as large as told."""
    rig = Rig().open(max_frame_size=max_frame_size)
    sender = rig.attach_sender(rig.begin(incoming_window=window), **fields)
    give(rig, sender, credit, window=window)
    rig.take_events(SenderReady)
    return rig, sender


def give(rig: Rig, sender: Sender, credit: int, *, window: int = 1000, **fields: Any) -> None:
    """Say what the receiver has seen, and how much it takes."""
    said = {"delivery_count": sender.delivery_count, "link_credit": credit, **fields}
    rig.say(flow(sender.session, handle=sender.remote_handle, incoming_window=window, **said))


def settle(rig: Rig, first: int, last: int | None = None, state: Any = ACCEPTED, *, settled: bool = True) -> None:
    """Say what became of deliveries."""
    rig.say(Disposition(role=True, first=first, last=last, settled=settled, state=state))


def transfers(frames: list[Frame]) -> list[Frame]:
    return [frame for frame in frames if isinstance(frame.performative, Transfer)]


# --- transfers --------------------------------------------------------------------------------------------------------


def test_a_message_of_one_frame() -> None:
    rig, sender = sender_of()
    send(sender, b"hello", tag=b"tag")
    (frame,) = rig.hear_frames()
    assert frame.payload == data_section(b"hello")
    assert frame.performative == Transfer(
        handle=0, delivery_id=0, delivery_tag=b"tag", message_format=0, settled=False, more=False
    )


def test_tags_of_ours_do_not_repeat_and_ids_count_on_over_the_links_of_a_session() -> None:
    rig = Rig().open()
    session = rig.begin(SessionOptions(next_outgoing_id=0xFFFFFFFF))
    senders = [rig.attach_sender(session, handle=number, credit=9) for number in range(2)]
    for number in range(6):
        send(senders[number % 2])
    heard = rig.hear()
    assert [performative.delivery_id for performative in heard] == [0xFFFFFFFF, 0, 1, 2, 3, 4]
    for handle in range(2):
        tags = [performative.delivery_tag for performative in heard if performative.handle == handle]
        assert len(set(tags)) == 3
        assert all(len(tag) <= 32 for tag in tags)


def test_batchable_is_a_hint_of_the_callers() -> None:
    rig, sender = sender_of()
    for hint in (True, False):
        sender.send(OutgoingDelivery(sender.tally, b"x"), hint)
    assert [performative.batchable for performative in rig.hear()] == [True, False]


@pytest.mark.parametrize("max_frame_size", [512, 513, 700, 1024, 4096, 65_535, 65_536, 70_000])
def test_no_frame_is_larger_than_the_peer_takes_nor_smaller_than_it_could_be(max_frame_size: int) -> None:
    rig, sender = sender_of(10_000, window=10_000, max_frame_size=max_frame_size)
    near = range(max_frame_size - 60, max_frame_size + 1)
    for size in [*near, *(2 * size for size in near), 5 * max_frame_size]:
        sender.send(OutgoingDelivery(sender.tally, bytes(size), b"t" * (size % 33)))
        raw = rig.hear_raw()
        sizes, bodies = [], b""
        for frame in rig._reader.feed(raw):
            assert isinstance(frame, Frame)
            bodies += frame.payload
        while raw:
            length = int.from_bytes(raw[:4], "big")
            sizes.append(length)
            raw = raw[length:]
        assert bodies == data_section(bytes(size))
        assert max(sizes) <= max_frame_size
        assert all(length == max_frame_size for length in sizes[:-1]), "frames but the last are filled"


def test_only_the_first_frame_names_the_delivery() -> None:
    rig, sender = sender_of()
    send(sender, bytes(1500))
    heard = rig.hear()
    assert [performative.delivery_id for performative in heard] == [0, None, None, None]
    assert [performative.delivery_tag is None for performative in heard] == [False, True, True, True]
    assert [performative.message_format for performative in heard] == [0, None, None, None]
    assert [performative.more for performative in heard] == [True, True, True, False]


def test_an_empty_message_is_a_transfer_too() -> None:
    rig, sender = sender_of()
    send(sender, b"")
    (frame,) = rig.hear_frames()
    assert frame.payload == data_section(b"")


def test_a_message_counts_once_however_many_frames_it_has() -> None:
    """Parity §3.3, 15: credit by message, windows by frame."""
    rig, sender = sender_of(5, window=100)
    send(sender, bytes(1500))
    rig.hear()
    assert (sender.link_credit, sender.delivery_count) == (4, 1)
    assert (sender.session.outgoing_window.remaining, sender.session.outgoing_window.next_id) == (96, 4)


# --- credit -----------------------------------------------------------------------------------------------------------


def test_no_credit_no_transfer() -> None:
    rig, sender = sender_of(2)
    send(sender)
    send(sender)
    with pytest.raises(NoCredit):
        send(sender)
    assert len(rig.hear()) == 2
    assert sender.tally.count == 2, "what was turned away is not counted"


def test_what_was_turned_away_can_be_sent_later() -> None:
    rig, sender = sender_of(0)
    delivery = OutgoingDelivery(sender.tally, b"x", b"tag")
    with pytest.raises(NoCredit):
        sender.send(delivery)
    give(rig, sender, 1)
    assert [event.sender for event in rig.take_events(SenderReady)] == [sender]
    sender.send(delivery)
    assert rig.hear_one(Transfer).delivery_tag == b"tag"


@pytest.mark.parametrize("start", [0, 0xFFFFFFFE])
def test_credit_is_reckoned_from_what_the_receiver_had_seen(start: int) -> None:
    rig, sender = sender_of(5, initial_delivery_count=start)
    for _ in range(4):
        send(sender)
    give(rig, sender, 5, delivery_count=(start + 1) & 0xFFFFFFFF)
    assert sender.link_credit == 2
    give(rig, sender, 1, delivery_count=start)
    assert sender.link_credit == 0, "less than what is under way is none, not many"
    with pytest.raises(NoCredit):
        send(sender)


def test_a_receiver_that_has_not_seen_our_attach_counts_from_its_start() -> None:
    rig, sender = sender_of(0, initial_delivery_count=7)
    give(rig, sender, 3, delivery_count=None)
    assert sender.link_credit == 3


def test_a_flow_without_credit_changes_none() -> None:
    """Parity §2.7: a flow with a handle and no link-credit once ended go-amqp's process."""
    rig, sender = sender_of(3)
    give(rig, sender, 0, link_credit=None)
    assert sender.link_credit == 3


def test_a_drained_sender_sends_what_waits_and_gives_back_the_rest() -> None:
    rig, sender = sender_of(0)
    give(rig, sender, 5, drain=True)
    assert rig.take_events(SenderReady)
    send(sender)
    heard = rig.hear()
    assert [type(performative) for performative in heard] == [Transfer, Flow]
    assert (heard[1].delivery_count, heard[1].link_credit, heard[1].drain) == (5, 0, True)
    assert (sender.link_credit, sender.delivery_count) == (0, 5)


def test_a_drain_without_credit_is_answered_too() -> None:
    rig, sender = sender_of(0)
    give(rig, sender, 0, drain=True)
    answer = rig.hear_one(Flow)
    assert (answer.delivery_count, answer.link_credit, answer.drain) == (0, 0, True)


def test_credit_after_a_drain() -> None:
    rig, sender = sender_of(0)
    give(rig, sender, 5, drain=True)
    rig.hear()
    give(rig, sender, 2)
    assert (sender.link_credit, sender.draining) == (2, False)
    assert rig.hear() == []


def test_a_drain_in_mid_message_is_answered_when_it_is_whole() -> None:
    rig, sender = sender_of(3, window=2)
    send(sender, bytes(1500))
    give(rig, sender, 3, delivery_count=0, window=0, drain=True)
    assert [performative.link_credit for performative in rig.hear() if isinstance(performative, Flow)] == [2]
    give(rig, sender, 3, delivery_count=0, window=10, drain=True)
    heard = rig.hear()
    last = heard[-1]
    assert isinstance(last, Flow)
    assert (last.link_credit, last.delivery_count) == (0, 3)
    assert sum(isinstance(performative, Transfer) and not performative.more for performative in heard) == 1


def test_available_is_what_the_driver_says() -> None:
    rig, sender = sender_of(0)
    sender.available = 4
    give(rig, sender, 0, echo=True)
    assert rig.hear_one(Flow).available == 4


# --- windows ----------------------------------------------------------------------------------------------------------


def test_a_window_that_closes_in_mid_message_and_opens() -> None:
    rig, sender = sender_of(5, window=2)
    delivery = send(sender, bytes(1500))
    assert len(transfers(rig.hear_frames())) == 2
    assert delivery.remaining
    with pytest.raises(NoCredit, match="window"):
        send(sender)
    rig.say(flow(sender.session, incoming_window=1))
    assert len(transfers(rig.hear_frames())) == 1
    rig.say(flow(sender.session, incoming_window=5))
    (last,) = transfers(rig.hear_frames())
    assert last.performative.more is False
    assert not delivery.remaining
    assert rig.take_events(SenderReady)
    send(sender)


def test_a_window_is_what_is_left_of_it_under_way() -> None:
    rig, sender = sender_of(100, window=10)
    for _ in range(10):
        send(sender)
    with pytest.raises(NoCredit):
        send(sender)
    rig.say(flow(sender.session, next_incoming_id=4, incoming_window=10))
    assert sender.session.outgoing_window.remaining == 4
    rig.say(flow(sender.session, next_incoming_id=4, incoming_window=3))
    assert sender.session.outgoing_window.remaining == 0, "a window that shrinks below what is under way is closed"


def test_a_second_message_waits_for_the_first_to_be_written() -> None:
    rig, sender = sender_of(5, window=2)
    send(sender, bytes(1500))
    rig.say(flow(sender.session, incoming_window=1))
    with pytest.raises(BufferFull, match="large"):
        send(sender)
    assert not sender.can_send(1)


# --- bounds -----------------------------------------------------------------------------------------------------------


def test_deliveries_that_are_unsettled_are_bounded() -> None:
    rig, sender = sender_of(100, max_unsettled=3)
    for _ in range(3):
        send(sender)
    with pytest.raises(BufferFull, match="max_unsettled"):
        send(sender)
    settle(rig, 1)
    assert rig.take_events(OutcomesArrived)
    send(sender)
    with pytest.raises(BufferFull):
        send(sender)


def test_presettled_messages_do_not_count() -> None:
    _, sender = sender_of(100, max_unsettled=1)
    for _ in range(10):
        assert send(sender, settled=True).settled
    assert sender.tally.count == 0


def test_their_bytes_are_bounded_and_one_larger_may_go_alone() -> None:
    rig, sender = sender_of(100, max_unsettled_bytes=100, max_frame_size=4096)
    send(sender, bytes(500))
    with pytest.raises(BufferFull, match="bytes"):
        send(sender, b"")
    settle(rig, 0)
    send(sender, bytes(40))
    send(sender, bytes(40))
    with pytest.raises(BufferFull):
        send(sender, bytes(40))
    assert sender.tally.size == 90


@pytest.mark.parametrize("limit", [None, 0, 105])
def test_the_peers_max_message_size(limit: int | None) -> None:
    rig, sender = sender_of(answer={"max_message_size": limit})
    send(sender, bytes(100))
    if not limit:
        send(sender, bytes(101))
        return
    with pytest.raises(MessageTooLarge) as caught:
        send(sender, bytes(101))
    assert caught.value.condition == Condition.MESSAGE_SIZE_EXCEEDED
    assert len(rig.hear()) == 1
    assert sender.error is None


def test_a_tag_of_33_bytes_is_refused_before_anything_is_sent() -> None:
    rig, sender = sender_of()
    with pytest.raises(MessageTooLarge):
        send(sender, tag=b"t" * 33)
    assert rig.hear() == []


def test_settle_modes_bind() -> None:
    _, unsettled = sender_of(snd_settle_mode=0, answer={"snd_settle_mode": 0})
    with pytest.raises(InvalidState):
        unsettled.presettles(True)
    assert not unsettled.presettles(False)
    _, settled = sender_of(snd_settle_mode=1, answer={"snd_settle_mode": 1})
    assert settled.presettles(False)
    _, mixed = sender_of()
    assert [mixed.presettles(asked) for asked in (True, False)] == [True, False]


# --- outcomes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [ACCEPTED, RELEASED, REJECTED, Modified(delivery_failed=True), None])
def test_outcomes_reach_their_deliveries(state: Any) -> None:
    rig, sender = sender_of()
    deliveries = [send(sender) for _ in range(5)]
    settle(rig, 1, 3, state)
    assert [delivery.settled for delivery in deliveries] == [False, True, True, True, False]
    assert [delivery.state for delivery in deliveries] == [None, state, state, state, None]
    assert sender.tally.count == 2
    (event,) = rig.take_events(OutcomesArrived)
    assert event.sender is sender
    assert event.watched == ([] if state == ACCEPTED else deliveries[1:4])
    assert sender.error is None


def test_who_waits_is_named_even_where_all_is_well() -> None:
    rig, sender = sender_of()
    deliveries = [send(sender) for _ in range(3)]
    deliveries[1].waiter = object()
    settle(rig, 0, 2)
    assert rig.take_events(OutcomesArrived)[0].watched == [deliveries[1]]


def test_a_state_that_is_not_final_settles_nothing() -> None:
    """Parity §2.7: a first disposition that only says `received` was once taken for the outcome."""
    rig, sender = sender_of()
    delivery = send(sender)
    rig.hear()
    received = Received(section_number=0, section_offset=3)
    settle(rig, 0, state=received, settled=False)
    assert (delivery.settled, delivery.state) == (False, received)
    assert rig.hear() == []
    settle(rig, 0)
    assert (delivery.settled, delivery.state) == (True, ACCEPTED)


def test_outcomes_of_a_receiver_that_settles_second_are_settled_in_ranges() -> None:
    rig, sender = sender_of(rcv_settle_mode=1, answer={"rcv_settle_mode": 1})
    deliveries = [send(sender) for _ in range(6)]
    rig.hear()
    settle(rig, 0, 2, settled=False)
    settle(rig, 3, settled=False)
    settle(rig, 4, state=RELEASED, settled=False)
    assert [delivery.settled for delivery in deliveries] == [True] * 5 + [False]
    assert rig.hear() == [
        Disposition(role=False, first=0, last=3, settled=True, state=ACCEPTED),
        Disposition(role=False, first=4, settled=True, state=RELEASED),
    ]
    assert deliveries[4].state == RELEASED
    settle(rig, 0, 3, settled=False)  # once more: there is nothing left to settle
    assert rig.hear() == []


def test_outcomes_that_nobody_reads_are_kept_and_told_once() -> None:
    rig, sender = sender_of(1000)
    deliveries = [send(sender) for _ in range(4)]
    deliveries[1].read = True
    settle(rig, 0, 1, RELEASED)
    settle(rig, 2, 3)
    assert sender.take_unread() == [deliveries[0]]
    assert sender.take_unread() == []


def test_unread_outcomes_are_bounded() -> None:
    rig, sender = sender_of(5000, window=5000, max_frame_size=65_536)
    for number in range(5000):
        send(sender)
        rig.hear()
        settle(rig, number, state=RELEASED)
    assert len(sender.unread) <= 2000
    assert len(sender.take_unread()) + sender.unread_dropped == 5000


def test_flush_waits_for_every_outcome() -> None:
    rig, sender = sender_of()
    assert rig.start(sender.flush()).done
    send(sender)
    send(sender)
    running = rig.start(sender.flush())
    settle(rig, 0)
    assert not running.done
    settle(rig, 1, state=RELEASED)
    assert running.done


def test_flush_waits_for_the_last_frame_of_a_presettled_message() -> None:
    rig, sender = sender_of(window=1)
    delivery = send(sender, bytes(1000), settled=True)
    running = rig.start(sender.flush())
    for _ in range(3):
        assert not running.done
        assert not delivery.settled
        rig.hear()
        rig.say(flow(sender.session, incoming_window=1))
    rig.hear()
    assert running.done
    assert delivery.settled


# --- abandoned and broken off -----------------------------------------------------------------------------------------


def test_what_is_whole_cannot_be_aborted() -> None:
    rig, sender = sender_of()
    delivery = send(sender)
    assert not sender.abandon(delivery)
    assert sender.tally.count == 1
    assert rig.hear_one(Transfer).aborted is False


@pytest.mark.parametrize("window", [2, 3])
def test_what_is_given_up_in_mid_message_is_aborted(window: int) -> None:
    rig, sender = sender_of(5, window=window)
    first = send(sender, bytes(3000))
    rig.hear()
    running = rig.start(sender.flush())
    assert sender.abandon(first)
    assert (sender.tally.count, first.settled) == (0, True)
    rig.say(flow(sender.session, incoming_window=10))
    (aborted, said) = rig.hear()
    assert aborted == Transfer(handle=0, aborted=True)
    assert (said.delivery_count, said.next_outgoing_id) == (1, window + 1)
    assert running.done
    send(sender, b"next")
    assert rig.hear_one(Transfer).delivery_id == 1


def test_a_message_that_is_settled_in_its_midst_is_not_written_on() -> None:
    rig, sender = sender_of(5, window=2)
    delivery = send(sender, bytes(3000))
    rig.hear()
    settle(rig, 0, state=REJECTED)
    assert (delivery.settled, delivery.state) == (True, REJECTED)
    rig.say(flow(sender.session, incoming_window=100))
    kinds = [performative.aborted for performative in rig.hear() if isinstance(performative, Transfer)]
    assert kinds == [True]


def test_both_ends_agree_after_an_abort() -> None:
    pair = Pair(server=ConnectionOptions(container_id="server", max_frame_size=512))
    sender, receiver = pair.open_sender(credit=3)
    for number in range(20):
        delivery = send(sender, bytes(100_000))
        if number % 2:
            assert sender.abandon(delivery)
        pair.pump()
        for taken in iterate(receiver):
            taken.accept()
        pair.pump()
    assert sender.delivery_count == receiver.credit.delivery_count == 20
    assert receiver.credit.received == 20
    assert sender.link_credit + receiver.credit.outstanding <= 3


@pytest.mark.parametrize("settled", [False, True])
def test_deliveries_of_a_link_that_ends_learn_why(settled: bool) -> None:
    rig, sender = sender_of(5, window=3)
    whole = send(sender)
    broken = send(sender, bytes(3000), settled=settled)
    flushing = rig.start(sender.flush())
    rig.say(Detach(handle=0, closed=True, error=Error(condition=Symbol("amqp:link:detach-forced"))))
    cause = sender.error
    assert isinstance(cause, LinkDetachedByPeer)
    assert whole.error is broken.error is cause
    assert type(flushing.error) is LinkDetachedByPeer
    assert rig.take_events(OutcomesArrived)[-1].watched == [whole, broken]
    assert set(sender.take_unread()) == {whole, broken}
    assert sender.tally.count == 0
    with pytest.raises(LinkDetachedByPeer):
        send(sender)


@pytest.mark.parametrize("settled", [False, True])
def test_closing_in_mid_message_aborts_it(settled: bool) -> None:
    rig, sender = sender_of(5, window=3)
    broken = send(sender, bytes(3000), settled=settled)
    rig.say(flow(sender.session, incoming_window=1, next_incoming_id=3))
    sender.start_detach(closed=True)
    heard = rig.hear()
    assert [type(performative) for performative in heard[-2:]] == [Transfer, Detach]
    assert heard[-2].aborted
    assert isinstance(broken.error, LinkClosed)


def test_late_dispositions_for_a_link_that_is_gone() -> None:
    """Parity §2.7: a disposition that crossed our detach once ended the session."""
    rig, sender = sender_of()
    send(sender)
    rig.start(sender.detach(closed=True))
    rig.hear()
    settle(rig, 0)
    rig.say(Detach(handle=0, closed=True))
    settle(rig, 0)
    assert sender.session.error is None
    assert rig.hear() == []


def test_a_transfer_to_a_sender_ends_the_link() -> None:
    rig, sender = sender_of()
    rig.say(Transfer(handle=0, delivery_id=0, delivery_tag=b"t"))
    assert rig.hear_one(Detach).error.condition == Condition.NOT_ALLOWED
    assert sender.session.error is None


# --- the accepting side -----------------------------------------------------------------------------------------------


def test_accepting_takes_the_options_over() -> None:
    rig = Rig().open()
    rig.begin_remote()
    rig.on_link = lambda link: link.accept(
        SenderOptions(name="x", target=Target(address="t"), initial_delivery_count=9, max_unsettled=1)
    )
    rig.say(attach("l", 0, role=True))
    sender = rig.links[0]
    answer = rig.hear_one(Attach)
    assert (answer.name, answer.initial_delivery_count, answer.target) == ("l", 9, Target(address="t"))
    rig.say(flow(handle=0, delivery_count=None, link_credit=2))
    assert sender.link_credit == 2
    send(sender)
    with pytest.raises(BufferFull):
        send(sender)


def test_a_sender_hears_credit_that_comes_before_it_is_accepted() -> None:
    rig = Rig().open()
    rig.begin_remote()
    rig.on_link = None
    rig.say(attach("l", 0, role=True), flow(handle=0, delivery_count=None, link_credit=2))
    sender = rig.links[0]
    with pytest.raises(InvalidState, match="ATTACH_RCVD"):
        sender.send(OutgoingDelivery(sender.tally, b"x"))
    sender.accept(SenderOptions(name="l", target=Target()))
    rig.settle_down()
    assert [event.sender for event in rig.take_events(SenderReady)] == [sender]
    send(sender)
    assert [type(performative) for performative in rig.hear()] == [Attach, Transfer]


def test_senders_of_one_session_get_their_turn() -> None:
    pair = Pair()
    session = pair.begin()
    links = [pair.open_sender(session, credit=1000) for _ in range(3)]
    for _ in range(100):
        for sender, _ in links:
            send(sender)
    pair.pump()
    assert [len(take_all(receiver)) for _, receiver in links] == [100] * 3


def test_cancelling_a_flush_leaves_nothing() -> None:
    _, sender = sender_of()
    send(sender)
    running = Running(sender.flush())
    assert sender.watchers
    running.cancel()
    assert not sender.watchers
