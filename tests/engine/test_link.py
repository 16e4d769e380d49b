"""Attaching and detaching, for either role."""

from __future__ import annotations

from typing import Any

import pytest

from amqp10.engine.states import LinkState
from amqp10.errors import (
    EncodeError,
    InvalidState,
    LinkClosed,
    LinkDetachedByPeer,
    LinkRefused,
    SessionEndedByPeer,
)
from amqp10.options import ReceiverOptions, SenderOptions
from amqp10.performatives import Attach, Detach, End, Error, Flow
from amqp10.terminus import Source, Target
from amqp10.types import ReceiverSettleMode, SenderSettleMode, Symbol
from tests.engine.rig import Rig, attach, is_running
from tests.pair import Pair

NOT_FOUND = Error(condition=Symbol("amqp:not-found"), description="no q", info={Symbol("q"): 1})


def sender_options(**fields: Any) -> SenderOptions:
    """Make options of a sender named "s"."""
    return SenderOptions(**{"name": "s", "target": Target(address="q"), **fields})


def open_rig() -> tuple[Rig, Any]:
    """Open a connection with a session."""
    rig = Rig().open()
    return rig, rig.begin()


# --- attach -----------------------------------------------------------------------------------------------------------


def test_an_attach_says_what_the_options_say() -> None:
    rig, session = open_rig()
    sender = session.new_sender(
        sender_options(
            source=Source(address="from", durable=2),
            snd_settle_mode=0,
            rcv_settle_mode=1,
            properties={"a": 1},
            desired_capabilities=["want"],
            offered_capabilities=["have"],
            initial_delivery_count=7,
        )
    )
    rig.start(sender.attach())
    said = rig.hear_one(Attach)
    assert (said.name, said.handle, said.role, said.initial_delivery_count) == ("s", 0, False, 7)
    assert (said.snd_settle_mode, said.rcv_settle_mode) == (0, 1)
    assert (said.source, said.target) == (Source(address="from", durable=2), Target(address="q"))
    assert (said.properties, said.desired_capabilities, said.offered_capabilities) == ({"a": 1}, ["want"], ["have"])


def test_a_receivers_attach_says_its_limit_and_no_delivery_count() -> None:
    rig, session = open_rig()
    receiver = session.new_receiver(ReceiverOptions(name="r", source=Source(address="q"), max_message_size=99))
    rig.start(receiver.attach())
    said = rig.hear_one(Attach)
    assert (said.role, said.max_message_size, said.initial_delivery_count) == (True, 99, None)


def test_an_attach_that_cannot_be_encoded_leaves_nothing() -> None:
    rig, session = open_rig()
    for _ in range(2):
        sender = session.new_sender(sender_options(properties={"a": object()}))
        with pytest.raises(EncodeError, match="properties"):
            next(sender.attach())
    assert rig.hear() == []
    assert session.links == []
    assert session.new_sender(sender_options()).handle == 0


@pytest.mark.parametrize("cancelled_at", ["before the answer", "before the detach of a refusal"])
def test_an_attach_that_was_given_up_is_closed_once_it_is_answered(cancelled_at: str) -> None:
    rig, session = open_rig()
    sender = session.new_sender(sender_options())
    attaching = rig.start(sender.attach())
    rig.hear()
    if cancelled_at == "before the answer":
        attaching.cancel()
        rig.say(attach("s", 4, role=True))
        assert rig.hear_one(Detach).closed
        rig.say(Detach(handle=4, closed=True))
    else:
        rig.say(attach("s", 4, role=True, target=None))
        attaching.cancel()
        rig.say(Detach(handle=4, closed=True, error=NOT_FOUND))
        assert rig.hear_one(Detach).closed
    assert session.links == []
    assert session.error is None
    assert session.new_sender(sender_options()).handle == 0


@pytest.mark.parametrize(
    ("asked", "answered", "text"),
    [
        (
            {"rcv_settle_mode": 1},
            {"rcv_settle_mode": 0},
            "rcv-settle-mode second was asked for, the peer answered first",
        ),
        (
            {"snd_settle_mode": 1},
            {"snd_settle_mode": 2},
            "snd-settle-mode settled was asked for, the peer answered mixed",
        ),
    ],
)
def test_a_mode_that_was_asked_for_and_not_given_refuses_the_link(
    asked: dict[str, int], answered: dict[str, int], text: str
) -> None:
    rig, session = open_rig()
    sender = session.new_sender(sender_options(**asked))
    attaching = rig.start(sender.attach())
    rig.hear()
    rig.say(attach("s", 0, role=True, **answered))
    assert isinstance(attaching.error, LinkRefused)
    assert str(attaching.error) == text
    assert rig.hear_one(Detach).closed
    rig.say(Detach(handle=0, closed=True))
    assert session.links == []


def test_modes_that_were_left_open_are_the_peers() -> None:
    rig, session = open_rig()
    sender = rig.attach_sender(session, answer={"snd_settle_mode": 1, "rcv_settle_mode": 1})
    assert sender.snd_settle_mode == SenderSettleMode.SETTLED
    assert sender.rcv_settle_mode == ReceiverSettleMode.SECOND


def test_what_the_peer_said_can_be_read() -> None:
    rig, session = open_rig()
    sender = rig.attach_sender(session, answer={"properties": {Symbol("a"): 1}, "max_message_size": 100})
    assert dict(sender.remote_properties) == {Symbol("a"): 1}
    assert sender.max_message_size == 100
    assert rig.attach_sender(session, handle=1, answer={"max_message_size": 0}).max_message_size is None


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sending", [True, False])
def test_only_the_terminus_that_is_the_peers_to_fill_tells_a_refusal(sending: bool) -> None:
    rig, session = open_rig()
    if sending:
        link: Any = rig.attach_sender(session, answer={"source": None})
    else:
        link = rig.attach_receiver(session, answer={"target": None})
    assert link.state is LinkState.ATTACHED


def test_a_refusal_without_an_error_is_one_all_the_same() -> None:
    rig, session = open_rig()
    attaching = rig.start(session.new_sender(sender_options()).attach())
    rig.say(attach("s", 0, role=True, target=None), Detach(handle=0, closed=True))
    assert isinstance(attaching.error, LinkRefused)
    assert attaching.error.condition is None


def test_a_session_that_is_ended_instead_is_what_the_caller_sees() -> None:
    rig, session = open_rig()
    attaching = rig.start(session.new_sender(sender_options()).attach())
    rig.say(End(error=NOT_FOUND))
    error = attaching.error
    assert isinstance(error, SessionEndedByPeer)
    assert (error.condition, error.level, error.description, dict(error.info)) == (
        "amqp:not-found",
        "session",
        "no q",
        {"q": 1},
    )


def test_we_refuse_by_a_null_terminus_and_the_reason() -> None:
    rig, _ = open_rig()
    rig.on_link = lambda link: link.refuse(NOT_FOUND)
    rig.say(attach("theirs", 3, role=False, initial_delivery_count=0))
    answer, detach = rig.hear()
    assert isinstance(answer, Attach)
    assert (answer.name, answer.source, answer.target) == ("theirs", None, None)
    assert detach == Detach(handle=answer.handle, closed=True, error=NOT_FOUND)
    rig.say(Detach(handle=3, closed=True))
    assert rig.connection.sessions[0].links == []


def test_accepting_twice_is_a_misuse() -> None:
    rig, _ = open_rig()
    rig.say(attach("theirs", 3, role=True))
    (link,) = rig.links
    assert link.state is LinkState.ATTACHED
    with pytest.raises(InvalidState, match="no attach to answer"):
        link.accept(sender_options())


# --- detach -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("closed", [True, False])
def test_detach_and_close_are_told_apart(closed: bool) -> None:
    rig, session = open_rig()
    sender = rig.attach_sender(session, handle=5)
    detaching = rig.start(sender.detach(closed=closed))
    assert rig.hear_one(Detach).closed is closed
    assert is_running(detaching)
    rig.say(Detach(handle=5, closed=closed))
    assert detaching.done
    assert isinstance(sender.error, LinkClosed)
    assert session.links == []


def test_detaching_twice_sends_one() -> None:
    rig, session = open_rig()
    sender = rig.attach_sender(session)
    for _ in range(2):
        sender.start_detach(closed=True)
    assert len(rig.hear()) == 1
    rig.say(Detach(handle=0, closed=True))
    assert rig.start(sender.detach(closed=True)).done


def test_detaches_that_cross_answer_each_other() -> None:
    rig, session = open_rig()
    sender = rig.attach_sender(session)
    detaching = rig.start(sender.detach(closed=True))
    rig.say(Detach(handle=0, closed=True, error=NOT_FOUND))
    assert detaching.done
    assert [type(each) for each in rig.hear()] == [Detach]
    assert session.links == []


def test_a_link_that_never_attached_closes_in_silence() -> None:
    rig, session = open_rig()
    sender = session.new_sender(sender_options())
    assert rig.start(sender.detach(closed=True)).done
    assert rig.hear() == []
    assert session.links == []


def test_a_name_can_be_used_again_after_either_end_let_go() -> None:
    rig, session = open_rig()
    first = rig.attach_sender(session, handle=1, name="s")
    rig.say(Detach(handle=1, closed=True, error=NOT_FOUND))
    assert isinstance(first.error, LinkDetachedByPeer)
    second = rig.attach_sender(session, handle=1, name="s", credit=5)
    assert (second.handle, second.link_credit, second.error) == (0, 5, None)


def test_late_frames_for_a_link_that_detached_do_no_harm() -> None:
    rig, session = open_rig()
    receiver = rig.attach_receiver(session, handle=2, credit=10)
    other = rig.attach_receiver(session, handle=3, credit=10)
    receiver.start_detach(closed=True)
    rig.transfer(receiver, 0)
    rig.transfer(receiver, 1, more=True)
    rig.say(
        Flow(next_incoming_id=0, incoming_window=9, next_outgoing_id=2, outgoing_window=9, handle=2, delivery_count=2)
    )
    assert len(receiver.deliveries) == 0
    rig.say(Detach(handle=2, closed=True))
    rig.transfer(other, 2)
    assert len(other.deliveries) == 1
    assert session.error is None
    assert session.incoming_window.next_id == 3


def test_both_ends_learn_of_a_detach_and_the_session_lives() -> None:
    pair = Pair()
    sender, receiver = pair.open_sender(credit=5)
    pair.run(sender.detach(closed=False))
    assert receiver.detached_by_peer
    assert not sender.detached_by_peer
    assert isinstance(receiver.error, LinkDetachedByPeer)
    assert sender.session.error is receiver.session.error is None


def test_a_link_says_who_it_is() -> None:
    rig, session = open_rig()
    sender = rig.attach_sender(session, name="orders")
    assert repr(sender) == "<Sender rig/0/orders ATTACHED>"
