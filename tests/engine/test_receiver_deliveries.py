"""Receivers: what arrives, in one frame or several, and what is made of it."""

from __future__ import annotations

from typing import Any

import pytest

from amqp10._codec import Delivery
from amqp10.engine.events import DeliveriesArrived
from amqp10.errors import (
    Condition,
    PeerViolation,
)
from amqp10.options import ConnectionOptions, ReceiverOptions, SessionOptions
from amqp10.outcomes import ACCEPTED, RELEASED, Received
from amqp10.performatives import Attach, Detach, Disposition, End, Flow, Transfer
from amqp10.terminus import Source, Target
from amqp10.testing.wire import data_section
from tests.engine.receiving import deliver, flows, receiver_of, take
from tests.engine.rig import Rig, attach, flow, transfer
from tests.pair import Pair, iterate, send

# --- deliveries -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("runs", [True, False])
def test_deliveries_wait_in_order_and_are_announced_by_runs(runs: bool) -> None:
    rig, receiver = receiver_of(10, runs=runs)
    rig.say(*(transfer(0, number) for number in range(5)))
    assert len(rig.take_events(DeliveriesArrived)) == (1 if runs else 5)
    assert [delivery.delivery_id for delivery in iterate(receiver)] == [0, 1, 2, 3, 4]
    assert receiver.take() is None


def test_a_drivers_class_is_used() -> None:
    class Mine(Delivery):
        __slots__ = ()

    rig = Rig().open()
    receiver = rig.begin().new_receiver(ReceiverOptions(name="r", source=Source(), credit=5))
    receiver.delivery_class = Mine
    rig.start(receiver.attach())
    rig.say(attach("r", 0, role=False, initial_delivery_count=0))
    rig.hear()
    deliver(rig, receiver, 0)
    rig.transfer(receiver, 1, more=True)
    rig.say(Transfer(handle=0))
    assert [type(delivery) for delivery in iterate(receiver)] == [Mine, Mine]


def test_what_is_put_back_is_next() -> None:
    rig, receiver = receiver_of(10)
    deliver(rig, receiver, 0, 3)
    first = take(receiver)
    receiver.put_back(first)
    assert take(receiver) is first


def test_putting_back_what_came_settled_takes_its_credit_back() -> None:
    rig, receiver = receiver_of(10)
    deliver(rig, receiver, 0, 3, settled=True)
    assert receiver.credit.outstanding == 3
    delivery = take(receiver)
    assert receiver.credit.outstanding == 2
    receiver.put_back(delivery)
    assert receiver.credit.outstanding == 3


def test_what_was_not_taken_is_released() -> None:
    rig, receiver = receiver_of(10)
    deliver(rig, receiver, 0, 3)
    deliver(rig, receiver, 3, settled=True)
    take(receiver).accept()
    assert receiver.release_untaken() == 3
    assert [(said.first, said.last, said.state) for said in rig.hear() if isinstance(said, Disposition)] == [
        (0, None, ACCEPTED),
        (1, 2, RELEASED),
    ]
    assert receiver.credit.outstanding == 0


# --- messages of several frames ---------------------------------------------------------------------------------------


def test_frames_are_put_together() -> None:
    rig, receiver = receiver_of(5)
    payload = data_section(bytes(range(200)) * 3)
    rig.say(transfer(0, 0, more=True), payload=payload[:100])
    rig.say(Transfer(handle=0, more=True), payload=payload[100:101])
    rig.say(Transfer(handle=0, delivery_id=0, delivery_tag=bytes(4), message_format=0), payload=payload[101:])
    delivery = take(receiver)
    assert delivery.payload == payload
    assert delivery.message.body == bytes(range(200)) * 3
    assert (receiver.credit.link_credit, receiver.session.incoming_window.next_id) == (4, 3)


def test_messages_of_two_links_may_interleave() -> None:
    rig = Rig().open()
    session = rig.begin()
    receivers = [rig.attach_receiver(session, handle=number, credit=5) for number in range(2)]
    rig.hear()
    whole = data_section(b"0123456789")
    for start in range(0, len(whole), 3):
        for handle in range(2):
            first: dict[str, Any] = {"delivery_id": handle, "delivery_tag": b"t"} if not start else {}
            more = start + 3 < len(whole)
            rig.say(Transfer(handle=handle, more=more, **first), payload=whole[start : start + 3])
    assert [take(receiver).message.body for receiver in receivers] == [b"0123456789"] * 2


@pytest.mark.parametrize("settled", [[True, None], [None, True], [False, True], [True, False]])
def test_settled_on_any_frame_is_settled(settled: list[bool | None]) -> None:
    rig, receiver = receiver_of(5)
    rig.transfer(receiver, 0, more=True, settled=settled[0])
    rig.say(Transfer(handle=0, settled=settled[1]))
    delivery = take(receiver)
    assert (delivery.settled, delivery.presettled) == (True, True)
    assert len(receiver.session.incoming) == 0


def test_an_aborted_message_leaves_nothing_and_gives_its_credit_back() -> None:
    rig, receiver = receiver_of(1)
    rig.transfer(receiver, 0, more=True)
    rig.say(Transfer(handle=0, more=True), payload=bytes(100))
    rig.say(Transfer(handle=0, aborted=True, more=True), payload=bytes(100))
    assert not receiver.deliveries
    assert flows(rig) == [(1, 1)]
    deliver(rig, receiver, 1)
    assert take(receiver).message.body == b"1"


@pytest.mark.parametrize(
    "fields",
    [{"delivery_id": 1}, {"delivery_tag": b"other"}, {"message_format": 1}],
    ids=lambda fields: next(iter(fields)),
)
def test_a_continuation_that_contradicts_the_first_frame(fields: dict[str, Any]) -> None:
    rig, receiver = receiver_of(5)
    rig.transfer(receiver, 0, more=True)
    rig.say(Transfer(handle=0, **fields))
    assert rig.hear_one(Detach).error.condition == Condition.NOT_ALLOWED
    assert not receiver.deliveries


@pytest.mark.parametrize("fields", [{"delivery_id": None}, {"delivery_tag": None}, {"delivery_tag": b"t" * 33}])
def test_a_first_frame_that_does_not_name_its_delivery(fields: dict[str, Any]) -> None:
    rig, receiver = receiver_of(5)
    rig.say(Transfer(**{"handle": 0, "delivery_id": 0, "delivery_tag": b"t", **fields}))
    assert rig.hear_one(Detach).error.condition in (Condition.NOT_ALLOWED, Condition.INVALID_FIELD)
    rig.say(Detach(handle=0, closed=True))
    again = rig.attach_receiver(receiver.session, name="r0", credit=5)
    rig.hear()
    deliver(rig, again, 5)
    assert take(again).delivery_id == 5, "name and handle serve again"


@pytest.mark.parametrize("pieces", [[50, 51], [101], [101, 5]])
@pytest.mark.parametrize("answer", [None, 0, 10_000])
def test_max_message_size_is_ours_whatever_the_peer_says(pieces: list[int], answer: int | None) -> None:
    """Parity §3.3: the peer's 0, for no limit, once replaced the limit of the receiver."""
    rig, receiver = receiver_of(5, max_message_size=100, answer={"max_message_size": answer})
    deliver(rig, receiver, 0)
    for number, size in enumerate(pieces):
        first: dict[str, Any] = {"delivery_id": 1, "delivery_tag": b"t"} if not number else {}
        rig.say(Transfer(handle=0, more=number < len(pieces) - 1, **first), payload=bytes(size))
    assert rig.hear_one(Detach).error.condition == Condition.MESSAGE_SIZE_EXCEEDED
    assert [delivery.delivery_id for delivery in iterate(receiver)] == [0]


def test_a_message_of_just_the_limit_is_taken() -> None:
    rig, receiver = receiver_of(5, max_message_size=100)
    rig.say(Transfer(handle=0, delivery_id=0, delivery_tag=b"t", more=True), payload=bytes(60))
    rig.say(Transfer(handle=0), payload=bytes(40))
    rig.say(Transfer(handle=0, delivery_id=1, delivery_tag=b"u", settled=True), payload=bytes(100))
    assert len(receiver.deliveries) == 2


def test_the_senders_state_comes_with_the_transfer() -> None:
    rig, receiver = receiver_of(5)
    rig.transfer(receiver, 0, state=Received(section_number=0, section_offset=0))
    assert take(receiver).remote_state == Received(section_number=0, section_offset=0)


def test_resumed_deliveries_that_we_do_not_know_are_ignored() -> None:
    """§2.7.5: "the receiver MUST ignore resumed deliveries that are not in its local unsettled map"."""
    rig, receiver = receiver_of(1)
    rig.transfer(receiver, 0, resume=True, more=True)
    rig.say(Transfer(handle=0), payload=b"xyz")
    assert not receiver.deliveries
    assert flows(rig) == [(1, 1)]
    deliver(rig, receiver, 1)
    assert len(receiver.deliveries) == 1


def test_a_private_window_is_held_by_every_frame_that_waits() -> None:
    rig = Rig().open()
    session = rig.begin(SessionOptions(incoming_window=10, private=True))
    receiver = rig.attach_receiver(session, credit=100)
    rig.hear()
    rig.transfer(receiver, 0, more=True)
    rig.say(*(Transfer(handle=0, more=number < 8) for number in range(9)))
    rig.say(flow(session, echo=True))
    assert rig.hear_one(Flow).incoming_window == 0
    take(receiver)
    assert rig.hear_one(Flow).incoming_window == 10


def test_a_shared_window_is_not_held_by_what_waits() -> None:
    rig = Rig().open()
    session = rig.begin(SessionOptions(incoming_window=4))
    slow = rig.attach_receiver(session, handle=0, credit=100)
    other = rig.attach_receiver(session, handle=1, credit=100)
    rig.hear()
    for number in range(40):
        deliver(rig, slow, number)
        rig.hear()
    deliver(rig, other, 40)
    assert (len(slow.deliveries), len(other.deliveries)) == (40, 1)


def test_a_window_is_renewed_without_a_storm() -> None:
    rig = Rig().open()
    session = rig.begin(SessionOptions(incoming_window=100))
    receiver = rig.attach_receiver(session, credit=10_000)
    rig.hear()
    said = 0
    for number in range(1000):
        deliver(rig, receiver, number)
        said += len(flows(rig))
    assert 10 <= said <= 20


# --- the accepting side -----------------------------------------------------------------------------------------------


def test_accepting_takes_the_options_over() -> None:
    rig = Rig().open()
    rig.begin_remote()
    options = ReceiverOptions(name="x", source=Source(), target=Target(address="t"), credit=3, max_message_size=50)
    rig.on_link = lambda link: link.accept(options)
    rig.say(attach("l", 0, role=False, initial_delivery_count=9))
    heard = rig.hear()
    assert [type(performative) for performative in heard] == [Attach, Flow]
    assert (heard[0].name, heard[0].max_message_size, heard[0].target) == ("l", 50, Target(address="t"))
    assert (heard[1].delivery_count, heard[1].link_credit) == (9, 3)
    rig.transfer(rig.links[0], 0, bytes(60))
    assert rig.hear_one(Detach).error.condition == Condition.MESSAGE_SIZE_EXCEEDED


def test_transfers_before_we_answered_have_no_credit_to_come_by() -> None:
    rig = Rig().open()
    rig.begin_remote()
    rig.on_link = None
    rig.say(attach("l", 0, role=False, initial_delivery_count=0), transfer(0, 0))
    assert rig.hear_kinds() == [Attach, Detach]


def test_a_senders_attach_without_its_count() -> None:
    rig = Rig().open()
    session = rig.begin()
    receiver = session.new_receiver(ReceiverOptions(name="r", source=Source()))
    running = rig.start(receiver.attach())
    rig.hear()
    rig.say(attach("r", 0, role=False))
    assert rig.hear_one(End).error.condition == Condition.INVALID_FIELD
    assert isinstance(running.error, PeerViolation)


def test_a_large_message_through_a_small_window_in_memory() -> None:
    pair = Pair(*(ConnectionOptions(container_id=name, max_frame_size=512) for name in "ab"), chunk=1000)
    session = pair.begin(SessionOptions(incoming_window=3))
    receiver, sender = pair.open_receiver(session, credit=2)
    bodies = [bytes([number]) * 50_000 for number in range(5)]
    got = []
    for body in bodies:
        send(sender, body)
        pair.pump()
        for delivery in iterate(receiver):
            got.append(delivery.message.body)
            delivery.accept()
    assert got == bodies
