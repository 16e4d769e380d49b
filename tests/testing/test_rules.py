"""Rules of the specification that the peer checks beside its script: each one broken, and each one just kept."""

from collections.abc import Callable

import pytest

from amqp10._codec import CompositeBase
from amqp10.outcomes import ACCEPTED
from amqp10.performatives import (
    Attach,
    Begin,
    Close,
    Detach,
    Disposition,
    End,
    Flow,
    Open,
    SaslInit,
    Transfer,
)
from amqp10.testing import FIRST_ID, ScriptedPeer
from tests.testing.hand import Hand, attach, begin, flow, opened, transfer

EVERYTHING = (Open, Begin, Attach, Flow, Transfer, Disposition, Detach, End, Close)
WRAP = 1 << 32


def tolerant(**options: int) -> tuple[ScriptedPeer, Hand]:
    """Returns a peer with a session that lets every frame pass that no rule forbids."""
    peer, hand = opened(**options)
    peer.ignore(*EVERYTHING)
    return peer, hand


def sending(
    credit: int | None = 10, attach_fields: dict[str, object] | None = None, **answer: object
) -> tuple[ScriptedPeer, Hand]:
    """Returns a peer to which a sender is attached under handle 0, with the delivery-count 50."""
    peer, hand = opened()
    peer.expect_sender(credit=credit, **answer)
    hand.say(attach(role=False, **attach_fields or {}), channel=3)  # type: ignore[arg-type]
    peer.ignore(*EVERYTHING)
    return peer, hand


def receiving(deliveries: int = 0) -> tuple[ScriptedPeer, Hand]:
    """Returns a peer to which a receiver is attached under handle 0, and what it sent."""
    peer, hand = opened()
    peer.expect_receiver()
    for _ in range(deliveries):
        peer.send_transfer(b"x")
    hand.say(attach(role=True), channel=3)
    peer.ignore(*EVERYTHING)
    return peer, hand


def verdict(peer: ScriptedPeer) -> str | None:
    """Returns the rule that was broken, or None; another failure fails the test."""
    if peer.failure is None:
        return None
    text = str(peer.failure)
    assert text.startswith("the specification forbids what came: "), text
    assert "the exchange so far" in text
    return text.partition(": ")[2].partition("\n")[0]


Situation = Callable[[], tuple[ScriptedPeer, Hand]]
BROKEN: list[tuple[Situation, list[CompositeBase], str]] = [
    (tolerant, [Open(container_id="again")], "a second open (§2.4.1)"),
    (tolerant, [Close(), flow()], "nothing may follow a close (§2.4.3)"),
    (tolerant, [begin()], "this channel has a session already (§2.5.1)"),
    (tolerant, [End(), flow()], "no session is begun on channel 3 (§2.5.1)"),
    (tolerant, [attach(role=True), attach("b", role=True)], "handle 0 is attached already (§2.7.3)"),
    (
        tolerant,
        [attach(role=True), attach(role=True, handle=1)],
        "a link 'link' in this role is attached already (§2.6.1)",
    ),
    (
        tolerant,
        [attach(role=False, initial_delivery_count=None)],
        "the attach of a sender needs an initial-delivery-count (§2.7.3)",
    ),
    (tolerant, [Detach(handle=4)], "no link is attached under handle 4 (§2.6.2)"),
    (receiving, [Detach(handle=0), Detach(handle=0)], "no link is attached under handle 0 (§2.6.2)"),
    (tolerant, [flow(handle=4)], "no link is attached under handle 4 (§2.6.2)"),
    (tolerant, [transfer()], "no link is attached under handle 0 (§2.6.2)"),
    (tolerant, [flow(next_outgoing_id=8)], "next-outgoing-id is 8, but by its transfers it is 7 (§2.5.6)"),
    (
        tolerant,
        [flow(next_incoming_id=FIRST_ID + 1)],
        f"next-incoming-id is {FIRST_ID + 1}, but our next transfer is {FIRST_ID} (§2.5.6)",
    ),
    (
        tolerant,
        [flow(next_incoming_id=FIRST_ID - 1)],
        f"next-incoming-id is {FIRST_ID - 1}, but our next transfer is {FIRST_ID} (§2.5.6)",
    ),
    (tolerant, [flow(link_credit=1)], "link_credit without a handle (§2.7.4)"),
    (tolerant, [flow(delivery_count=1)], "delivery_count without a handle (§2.7.4)"),
    (tolerant, [flow(available=1)], "available without a handle (§2.7.4)"),
    (sending, [flow(handle=0)], "a sender's flow needs the delivery-count (§2.7.4)"),
    (
        sending,
        [flow(handle=0, delivery_count=61)],
        "delivery-count is 61, but by its transfers it is 50 (§2.6.7)",
    ),
    (
        sending,
        [flow(handle=0, delivery_count=49)],
        "delivery-count is 49, but by its transfers it is 50 (§2.6.7)",
    ),
    (
        receiving,
        [flow(handle=0, delivery_count=FIRST_ID + 1, link_credit=1)],
        f"delivery-count is {FIRST_ID + 1}, but only {FIRST_ID} was sent (§2.6.7)",
    ),
    (
        tolerant,
        [attach(role=True), flow(handle=0, delivery_count=0)],
        "a receiver's delivery-count before the attach of the sender came (§2.7.4)",
    ),
    (receiving, [transfer()], "a transfer from the link's receiver (§2.6)"),
    (lambda: sending(credit=None), [transfer()], "a delivery without credit (§2.6.7)"),
    (lambda: sending(credit=2), [transfer(0), transfer(1), transfer(2)], "a delivery without credit (§2.6.7)"),
    (
        sending,
        [transfer(delivery_id=None)],
        "the first transfer of a delivery needs delivery-id and delivery-tag (§2.7.5)",
    ),
    (
        sending,
        [transfer(delivery_tag=None)],
        "the first transfer of a delivery needs delivery-id and delivery-tag (§2.7.5)",
    ),
    (sending, [transfer(delivery_tag=bytes(33))], "a delivery-tag of 33 bytes (§2.8.7)"),
    (
        sending,
        [transfer(5), transfer(7)],
        "delivery-id is 7, next in the session's sequence is 6 (§2.6.12)",
    ),
    (
        sending,
        [transfer(5, more=True), transfer(6)],
        "delivery_id 6 on a transfer that continues the delivery of 5 (§2.7.5)",
    ),
    (
        sending,
        [transfer(5, more=True), Transfer(handle=0, delivery_tag=b"x")],
        "delivery_tag b'x' on a transfer that continues the delivery of b'5' (§2.7.5)",
    ),
    (
        sending,
        [transfer(5, more=True, message_format=0), Transfer(handle=0, message_format=1)],
        "message_format 1 on a transfer that continues the delivery of 0 (§2.7.5)",
    ),
    (
        lambda: sending(attach_fields={"snd_settle_mode": 0}),
        [transfer(settled=True)],
        "a settled transfer where snd-settle-mode is unsettled (§2.7.5)",
    ),
    (
        lambda: sending(attach_fields={"snd_settle_mode": 1}),
        [transfer()],
        "an unsettled transfer where snd-settle-mode is settled (§2.7.5)",
    ),
    (
        lambda: sending(attach_fields={"snd_settle_mode": 1}),
        [transfer(more=True), Transfer(handle=0)],
        "an unsettled transfer where snd-settle-mode is settled (§2.7.5)",
    ),
    (
        lambda: receiving(2),
        [Disposition(role=True, first=FIRST_ID, last=FIRST_ID + 2)],
        f"as the receiver, for delivery-id {FIRST_ID + 2}, which was never sent (§2.7.6)",
    ),
    (
        sending,
        [Disposition(role=False, first=0)],
        "as the sender, for delivery-id 0, which was never sent (§2.7.6)",
    ),
    (
        lambda: receiving(2),
        [Disposition(role=True, first=FIRST_ID + 1, last=FIRST_ID)],
        f"a range that ends before it starts: {FIRST_ID + 1} to {FIRST_ID} (§2.7.6)",
    ),
]


@pytest.mark.parametrize(("situation", "bodies", "rule"), BROKEN)
def test_a_broken_rule(situation: Situation, bodies: list[CompositeBase], rule: str) -> None:
    peer, hand = situation()
    for body in bodies[:-1]:
        hand.say(body, channel=3)
        assert verdict(peer) is None
    hand.say(bodies[-1], channel=3)
    assert verdict(peer) == rule


def test_nothing_is_broken_where_nobody_looks() -> None:
    for situation, bodies, _ in BROKEN:
        peer, hand = situation()
        peer._listener._strict = False
        hand.say(*bodies, channel=3)
        assert peer.failure is None


KEPT: list[tuple[Situation, list[CompositeBase]]] = [
    (tolerant, [flow(), flow(next_incoming_id=FIRST_ID, echo=True)]),
    (
        tolerant,
        [attach(role=True), attach(role=False, handle=1), Detach(handle=0), attach(role=True), Detach(handle=0)],
    ),
    (sending, [transfer(WRAP - 1), transfer(0), transfer(1, settled=True)]),
    (sending, [transfer(5, more=True), transfer(5, more=True), Transfer(handle=0, aborted=True), transfer(6)]),
    (lambda: sending(credit=1), [transfer(5, more=True), Transfer(handle=0, more=True), Transfer(handle=0)]),
    (sending, [transfer(), flow(next_outgoing_id=8, handle=0, delivery_count=51)]),
    (sending, [flow(handle=0, delivery_count=60, link_credit=0, drain=True)]),
    (lambda: sending(attach_fields={"snd_settle_mode": 1}), [transfer(more=True), Transfer(handle=0, settled=True)]),
    (lambda: sending(attach_fields={"snd_settle_mode": 0}), [transfer(more=True), Transfer(handle=0, aborted=True)]),
    (
        lambda: sending(attach_fields={"snd_settle_mode": 1}),
        [transfer(more=True, settled=True), Transfer(handle=0), transfer(1, aborted=True)],
    ),
    (lambda: sending(attach_fields={"snd_settle_mode": 0}), [transfer(aborted=True, settled=True)]),
    (sending, [transfer(3), Disposition(role=False, first=3, settled=True)]),
    (lambda: receiving(6), [Disposition(role=True, first=FIRST_ID, last=1, settled=True, state=ACCEPTED)]),
    (lambda: receiving(6), [flow(handle=0, link_credit=1), flow(handle=0, delivery_count=FIRST_ID, link_credit=9)]),
    (lambda: receiving(6), [flow(handle=0, delivery_count=2, link_credit=9, next_incoming_id=2)]),
    (receiving, [Detach(handle=0, closed=True), End(), begin(), Close()]),
]


@pytest.mark.parametrize(("situation", "bodies"), KEPT)
def test_a_kept_rule(situation: Situation, bodies: list[CompositeBase]) -> None:
    peer, hand = situation()
    for body in bodies:
        hand.say(body, channel=3)
        assert verdict(peer) is None, body


def test_the_first_frame_must_be_an_open() -> None:
    peer = ScriptedPeer()
    peer.expect_header()
    peer.ignore(*EVERYTHING)
    hand = Hand(peer)
    hand.header()
    hand.say(begin())
    assert verdict(peer) == "the first frame must be an open (§2.7)"


def test_sasl_comes_before_all_rules() -> None:
    peer = ScriptedPeer()
    peer.expect_sasl_anonymous()
    hand = Hand(peer)
    hand.header(3)
    hand.say(SaslInit(mechanism="ANONYMOUS"))
    peer.assert_done()


def test_channel_max() -> None:
    for channel, rule in ((1, None), (2, "channel 2 is above the channel-max of 1 (§2.7.1)")):
        peer = ScriptedPeer()
        peer.handshake(sasl=False, session=False, channel_max=1)
        peer.ignore(*EVERYTHING)
        hand = Hand(peer)
        hand.header()
        hand.say(Open(container_id="hand"))
        hand.say(begin(), channel=channel)
        assert verdict(peer) == rule


def test_handle_max() -> None:
    for handle, rule in ((1, None), (2, "handle 2 is above the handle-max of 1 (§2.7.2)")):
        peer = ScriptedPeer()
        peer.handshake(sasl=False, begin={"handle_max": 1})
        peer.ignore(*EVERYTHING)
        hand = Hand(peer)
        hand.header()
        hand.say(Open(container_id="hand"))
        hand.say(begin())
        hand.say(attach(role=True, handle=handle))
        assert verdict(peer) == rule


def test_remote_channel() -> None:
    peer, hand = tolerant()
    peer.send_begin()
    hand.say(begin(remote_channel=101), channel=4)
    assert verdict(peer) is None
    hand.say(begin(remote_channel=101), channel=5)
    assert verdict(peer) == "remote-channel 101 has no begin that waits for an answer (§2.7.2)"
    peer, hand = tolerant()
    hand.say(begin(remote_channel=99), channel=4)
    assert verdict(peer) == "remote-channel 99 has no begin that waits for an answer (§2.7.2)"


def test_incoming_window() -> None:
    peer, hand = opened(incoming_window=2)
    peer.expect_sender()
    hand.say(attach(role=False), channel=3)
    peer.ignore(Transfer)
    hand.say(transfer(0), transfer(1, more=True), channel=3)
    assert verdict(peer) is None
    peer.send_flow(incoming_window=1)
    hand.say(Transfer(handle=0, more=True), channel=3)
    assert verdict(peer) is None
    hand.say(Transfer(handle=0), channel=3)
    assert verdict(peer) == "transfer 10 exceeds the incoming-window (§2.5.6)"


def test_no_transfer_before_a_window() -> None:
    peer = ScriptedPeer()
    peer.handshake(sasl=False, session=False)
    peer.ignore(*EVERYTHING)
    hand = Hand(peer)
    hand.header()
    hand.say(Open(container_id="hand"))
    hand.say(begin(), attach(role=False))
    hand.say(flow(next_incoming_id=0))
    assert verdict(peer) == "next-incoming-id is set before a begin came (§2.7.4)"
    peer, hand = opened()
    peer.ignore(*EVERYTHING)
    hand.say(begin(), attach(role=False), transfer(), channel=4)
    assert verdict(peer) == "a transfer before the begin that gives it a window (§2.5.6)"


def test_credit_once_given_stays() -> None:
    """Transfers may be in flight when credit is reduced (§2.6.7)."""
    peer, hand = sending(credit=2)
    peer.send_flow(link_credit=0)
    hand.say(transfer(0), transfer(1), channel=3)
    assert verdict(peer) is None
    hand.say(transfer(2), channel=3)
    assert verdict(peer) == "a delivery without credit (§2.6.7)"


def test_max_message_size() -> None:
    for parts, rule in (
        ([60, 40], None),
        ([60, 41], "a message of 101 bytes exceeds the max-message-size of 100 (§2.7.3)"),
    ):
        peer, hand = sending(max_message_size=100)
        hand.say(transfer(0, more=True), channel=3, payload=bytes(parts[0]))
        hand.say(Transfer(handle=0), channel=3, payload=bytes(parts[1]))
        assert verdict(peer) == rule
    peer, hand = sending(max_message_size=0)  # no limit
    hand.say(transfer(0), channel=3, payload=bytes(1000))
    assert verdict(peer) is None
