"""Transport: links (§2.6), transfers and settlement (§2.6.12, §2.7.3 to §2.7.7)."""

from __future__ import annotations

import pytest

from amqp10._codec import OutgoingDelivery
from amqp10.engine.states import LinkState
from amqp10.errors import LinkDetachedByPeer, LinkRefused, PeerViolation
from amqp10.options import ReceiverOptions, SenderOptions
from amqp10.outcomes import ACCEPTED
from amqp10.terminus import Source, Target
from amqp10.testing.wire import hex_bytes
from tests.spec.wire import ATTACH_RECEIVER, ATTACH_SENDER, Wire, listed, spoken

X = hex_bytes("00 53 75 a0 01 'x'")
ACCEPTED_BYTES = "00 53 24 45"
SESSION = ("43", "52 64", "43", "52 64")  # of a flow: next-incoming-id, window, next-outgoing-id, window


def credit(count: int, *more: str, delivery_count: int = 0) -> bytes:
    """Spell a flow that gives our sender credit."""
    return spoken("13", *SESSION, "43", f"52 {delivery_count:02x}", f"52 {count:02x}", *more)


def incoming(number: int, *rest: str, payload: bytes = X) -> bytes:
    """Spell a transfer to our receiver."""
    return spoken("14", "43", f"70 {number:08x}", f"a0 01 {number & 0xFF:02x}", "43", *rest, payload=payload)


def detached_with(sent: list[bytes], condition: str) -> bool:
    """Tell whether the last frame sent is a detach that closes with that condition."""
    return sent[-1][8:11] == hex_bytes("00 53 16") and condition.encode() in sent[-1]


def test_2_6_1_a_sender_attaches_with_its_initial_delivery_count() -> None:
    """Initial-delivery-count MUST NOT be null if role is sender, and it is ignored if the role is receiver."""
    wire = Wire().open()
    sender = wire.begin().new_sender(
        SenderOptions(name="s", target=Target(address="q"), initial_delivery_count=0xFFFFFFFF)
    )
    wire.start(sender.attach())
    target = listed("29", "a1 01 'q'")
    assert wire.hear() == [
        spoken("12", "a1 01 's'", "43", "42", "40", "40", "40", target, "40", "40", "70 ff ff ff ff"),
    ]


def test_2_6_1_links_pair_by_name_and_role_not_by_handle() -> None:
    """Each end names its own handle: the peer's 0 here answers our 1."""
    wire = Wire().open()
    session = wire.begin()
    receiver = session.new_receiver(ReceiverOptions(name="r", source=Source(address="q")))
    sender = session.new_sender(SenderOptions(name="s", target=Target(address="q")))
    for link in (receiver, sender):
        wire.start(link.attach())
    wire.say(ATTACH_RECEIVER)
    assert (sender.handle, sender.remote_handle, sender.state) == (1, 0, LinkState.ATTACHED)
    assert receiver.state is LinkState.ATTACH_SENT


def test_2_6_3_a_refused_attach_gives_the_reason_of_the_detach_that_follows() -> None:
    """A peer that will not create the terminus attaches without one, and detaches with an error."""
    wire = Wire().open()
    session = wire.begin()
    sender = session.new_sender(SenderOptions(name="s", target=Target(address="q")))
    attaching = wire.start(sender.attach())
    assert len(wire.hear()) == 1
    assert wire.say(spoken("12", "a1 01 's'", "43", "41")) == []
    assert not attaching.done
    reason = listed("1d", "a3 0e 'amqp:not-found'", "a1 04 'gone'")
    assert wire.say(spoken("16", "43", "41", reason)) == [spoken("16", "43", "41")]
    error = attaching.error
    assert isinstance(error, LinkRefused)
    assert (error.condition, error.description) == ("amqp:not-found", "gone")


@pytest.mark.parametrize("closed", [True, False])
def test_2_6_4_a_detach_is_answered_in_kind(closed: bool) -> None:
    """If closed was set, the partner MUST destroy the link endpoint and reply with its own detach."""
    wire = Wire().open()
    sender = wire.sender()
    flag = ("41",) if closed else ()
    assert wire.say(spoken("16", "43", *flag)) == [spoken("16", "43", *flag)]
    assert isinstance(sender.error, LinkDetachedByPeer)


def test_2_6_4_any_detach_answers_ours() -> None:
    """A close of ours is answered by a detach, though the peer left out closed."""
    wire = Wire().open()
    sender = wire.sender()
    closing = wire.start(sender.detach(closed=True))
    assert wire.hear() == [spoken("16", "43", "41")]
    assert sender.state.name == "DETACH_SENT"
    wire.say(spoken("16", "43"))
    assert closing.done
    assert sender.state.name == "DETACHED"


def test_2_6_7_credit_is_the_sum_of_the_receivers_count_and_credit_less_ours() -> None:
    """Link-credit_snd := delivery-count_rcv + link-credit_rcv - delivery-count_snd."""
    wire = Wire().open()
    sender = wire.sender()
    wire.say(credit(5))
    for _ in range(3):
        sender.send(OutgoingDelivery(sender.tally, b"x"))
    wire.say(credit(5, delivery_count=1))  # it had seen one
    assert (sender.link_credit, sender.delivery_count) == (3, 3)
    wire.say(credit(1, delivery_count=1))  # less than is under way
    assert sender.link_credit == 0


def test_2_6_7_a_drained_sender_uses_its_credit_up_and_says_so() -> None:
    """Drained, it MUST advance the delivery-count until the credit is consumed, and send its flow state."""
    wire = Wire().open()
    sender = wire.sender()
    sent = wire.say(credit(4, "40", "41"))
    assert sent == [
        spoken("13", "43", "70 00 00 08 00", "43", "70 00 00 08 00", "43", "52 04", "43", "43", "41"),
    ]
    assert (sender.link_credit, sender.delivery_count) == (0, 4)


def test_2_6_7_a_receiver_gives_credit_by_flow() -> None:
    """The first flow of a receiver tells what it takes."""
    wire = Wire().open()
    session = wire.begin()
    receiver = session.new_receiver(ReceiverOptions(name="r", source=Source(address="q"), credit=7))
    wire.start(receiver.attach())
    wire.hear()
    assert wire.say(ATTACH_SENDER) == [
        spoken("13", "43", "70 00 00 08 00", "43", "70 00 00 08 00", "43", "43", "52 07"),
    ]


def test_2_6_7_more_deliveries_than_credit_close_the_link() -> None:
    """Amqp:link:transfer-limit-exceeded: The peer sent more message transfers than currently allowed on the link."""
    wire = Wire().open()
    receiver = wire.receiver(credit=2)
    sent = wire.say(incoming(0), incoming(1), incoming(2))
    assert detached_with(sent, "amqp:link:transfer-limit-exceeded")
    assert isinstance(receiver.error, PeerViolation)
    assert receiver.error.level == "link"
    assert len(receiver.deliveries) == 2


def test_2_6_9_a_drain_asks_by_flow_and_ends_when_the_sender_has_moved_on() -> None:
    """Synchronous get: the drain flag has the sender answer even where it has nothing."""
    wire = Wire().open()
    receiver = wire.receiver(credit=0)
    receiver.add_credit(3)
    wire.hear()
    draining = wire.start(receiver.drain())
    assert wire.hear() == [
        spoken("13", "43", "70 00 00 08 00", "43", "70 00 00 08 00", "43", "43", "52 03", "40", "41"),
    ]
    wire.say(incoming(0))
    assert not draining.done
    wire.say(spoken("13", "43", "52 64", "52 01", "52 64", "43", "52 03", "43", "43", "41"))
    assert draining.result == 1
    assert receiver.credit.link_credit == 0


def test_2_6_12_a_message_is_one_transfer_where_it_fits() -> None:
    """Handle, delivery-id, delivery-tag, message-format, settled; then the message."""
    wire = Wire().open()
    sender = wire.sender()
    wire.say(credit(1))
    sender.send(OutgoingDelivery(sender.tally, b"x", b"tag"))
    (sent,) = wire.hear()
    assert sent.endswith(hex_bytes("a0 03 'tag'  43  42") + X)
    assert sent[8:11] == hex_bytes("00 53 14")


def test_2_6_12_a_settled_disposition_gives_the_outcome_and_takes_the_delivery_off() -> None:
    """The receiver settles: the sender need not answer."""
    wire = Wire().open()
    sender = wire.sender()
    wire.say(credit(2))
    deliveries = [OutgoingDelivery(sender.tally, b"x") for _ in range(2)]
    for delivery in deliveries:
        sender.send(delivery)
    wire.hear()
    assert wire.say(spoken("15", "41", "43", "52 01", "41", ACCEPTED_BYTES)) == []
    assert [(delivery.settled, delivery.state) for delivery in deliveries] == [(True, ACCEPTED)] * 2
    assert sender.tally.count == 0


def test_2_6_12_an_unsettled_outcome_is_settled_by_the_sender() -> None:
    """Rcv-settle-mode second: The receiver will only settle after sending the disposition and receiving ... settled."""
    wire = Wire().open()
    sender = wire.sender()
    wire.say(credit(1))
    delivery = OutgoingDelivery(sender.tally, b"x")
    sender.send(delivery)
    wire.hear()
    assert wire.say(spoken("15", "41", "43", "40", "42", ACCEPTED_BYTES)) == [
        spoken("15", "42", "43", "40", "41", ACCEPTED_BYTES),
    ]
    assert (delivery.settled, delivery.state) == (True, ACCEPTED)


def test_2_6_12_a_range_of_equal_outcomes_is_one_disposition() -> None:
    """First ... last: contiguous deliveries of equal state share a frame, across the wrap of the ids too."""
    wire = Wire().open()
    receiver = wire.receiver(credit=10)
    wire.hear()
    wire.receive(incoming(0xFFFFFFFF) + incoming(0) + incoming(1))
    while (delivery := receiver.take()) is not None:
        delivery.accept()
    assert wire.hear() == [spoken("15", "41", "70 ff ff ff ff", "52 01", "41", ACCEPTED_BYTES)]


def test_2_6_14_an_aborted_delivery_is_discarded() -> None:
    """Aborted messages SHOULD be discarded by the recipient."""
    wire = Wire().open()
    receiver = wire.receiver(credit=10)
    wire.say(incoming(0, "42", "41"))
    wire.say(spoken("14", "43", "40", "40", "40", "40", "42", "40", "40", "40", "41"))
    wire.say(incoming(1))
    assert [delivery.delivery_id for delivery in receiver.deliveries] == [1]


def test_2_7_3_a_message_beyond_max_message_size_closes_the_link() -> None:
    """Amqp:link:message-size-exceeded; that the peer's own attach has no limit lifts nothing of ours."""
    wire = Wire().open()
    receiver = wire.receiver(credit=10, max_message_size=8)
    sent = wire.say(incoming(0), incoming(1, payload=hex_bytes("00 53 75 a0 04 'four'")))
    assert detached_with(sent, "amqp:link:message-size-exceeded")
    assert len(receiver.deliveries) == 1


def test_2_7_5_the_first_transfer_needs_id_and_tag() -> None:
    """The delivery-id MUST be supplied on the first transfer of a multi-transfer delivery; so must the tag."""
    wire = Wire().open()
    wire.receiver(credit=10)
    assert detached_with(wire.say(spoken("14", "43", payload=X)), "amqp:not-allowed")


@pytest.mark.parametrize("other", [("70 00 00 00 05",), ("40", "a0 01 'z'"), ("40", "40", "52 09")])
def test_2_7_5_a_continuation_may_not_contradict_what_it_continues(other: tuple[str, ...]) -> None:
    """It is an error if the delivery-id on a continuation transfer differs from the delivery-id on the first."""
    wire = Wire().open()
    wire.receiver(credit=10)
    wire.say(incoming(0, "42", "41"))
    assert detached_with(wire.say(spoken("14", "43", *other, payload=X)), "amqp:not-allowed")


def test_2_7_6_a_disposition_of_the_whole_circle_settles_what_there_is() -> None:
    """A range costs what is unsettled, whatever its ends claim."""
    wire = Wire().open()
    sender = wire.sender()
    wire.say(credit(3))
    for _ in range(3):
        sender.send(OutgoingDelivery(sender.tally, b"x"))
    wire.say(spoken("15", "41", "43", "70 ff ff ff ff", "41", ACCEPTED_BYTES))
    assert sender.tally.count == 0
