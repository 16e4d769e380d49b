"""Sessions: begin and end, windows, handles, and what passes before and after."""

from __future__ import annotations

from typing import Any

import pytest

from amqp10.engine import Receiver, Sender
from amqp10.engine.events import LinkStateReceived, SenderReady
from amqp10.engine.states import LinkState, SessionState
from amqp10.errors import (
    Condition,
    ConnectionClosedByPeer,
    InvalidState,
    PeerViolation,
    SessionClosed,
    SessionEndedByPeer,
    TransportError,
)
from amqp10.options import Limits, ReceiverOptions, SenderOptions, SessionOptions
from amqp10.outcomes import ACCEPTED
from amqp10.performatives import (
    Attach,
    Begin,
    Close,
    Detach,
    Disposition,
    End,
    Error,
    Flow,
    Transfer,
)
from amqp10.terminus import Source, Target
from amqp10.testing.wire import data_section
from amqp10.types import Symbol
from tests.engine.rig import Rig, attach, begin, flow, transfer
from tests.pair import Pair, accept_link, accept_receiver, iterate, send, take_all

ERROR = Error(condition=Symbol("amqp:not-found"), description="why")


def opened() -> Rig:
    return Rig().open()


# --- begin ------------------------------------------------------------------------------------------------------------


def test_begin_says_what_the_options_say() -> None:
    rig = opened()
    options = SessionOptions(
        incoming_window=7,
        outgoing_window=9,
        handle_max=3,
        next_outgoing_id=0xFFFFFFFE,
        properties={"k": 1},
        offered_capabilities=["a"],
        desired_capabilities=["b"],
    )
    rig.start(rig.connection.new_session(options).begin())
    assert rig.hear_one(Begin) == Begin(
        next_outgoing_id=0xFFFFFFFE,
        incoming_window=7,
        outgoing_window=9,
        handle_max=3,
        properties={Symbol("k"): 1},
        offered_capabilities=[Symbol("a")],
        desired_capabilities=[Symbol("b")],
    )


def test_begin_waits_for_the_peers_begin() -> None:
    rig = opened()
    session = rig.connection.new_session()
    running = rig.start(session.begin())
    assert session.state is SessionState.BEGIN_SENT
    rig.say(begin(remote_channel=0), channel=5)
    assert running.result is None
    assert (session.state, session.remote_channel) == (SessionState.MAPPED, 5)


def test_a_session_needs_an_open_connection() -> None:
    with pytest.raises(InvalidState, match="open connection"):
        Rig().connection.new_session()


def test_lowest_free_channel_is_taken_and_taken_again() -> None:
    rig = opened()
    sessions = [rig.begin(channel=number) for number in (7, 8, 9)]
    assert [session.channel for session in sessions] == [0, 1, 2]
    rig.start(sessions[1].end())
    assert rig.connection.new_session().channel == 3, "not free before the peer has ended it too"
    rig.say(End(), channel=8)
    assert rig.begin(channel=8).channel == 1


def test_channels_run_out_at_the_lower_channel_max() -> None:
    rig = Rig(channel_max=5).open(channel_max=1)
    rig.begin(channel=0)
    rig.begin(channel=1)
    with pytest.raises(InvalidState, match="all 2 channels"):
        rig.connection.new_session()


def test_a_begin_that_cannot_be_encoded_leaves_nothing() -> None:
    rig = opened()
    session = rig.connection.new_session(SessionOptions(properties={"k": "\ud800"}))
    with pytest.raises(ValueError, match="surrogate"):
        _ = rig.start(session.begin()).result
    assert rig.connection.new_session().channel == 0
    assert rig.hear_raw() == b""


def test_begin_that_was_given_up_is_ended_once_it_is_answered() -> None:
    rig = opened()
    session = rig.connection.new_session()
    rig.start(session.begin()).cancel()
    assert rig.connection.new_session().channel == 1, "the channel is in use until the peer has answered"
    rig.hear()
    rig.say(begin(remote_channel=0))
    rig.hear_one(End)
    rig.say(End())
    assert (session.state, session.error is None) == (SessionState.ENDED, False)
    assert rig.connection.new_session().channel == 0


def test_ending_a_session_that_is_being_begun_waits_for_both() -> None:
    rig = opened()
    session = rig.connection.new_session()
    beginning = rig.start(session.begin())
    ending = rig.start(session.end())
    rig.hear()
    assert not ending.done
    rig.say(begin(remote_channel=0))
    assert isinstance(beginning.error, SessionClosed)
    rig.hear_one(End)
    assert not ending.done
    rig.say(End())
    assert ending.done


@pytest.mark.parametrize("channel", [0, 3])
def test_begin_that_answers_nobody_closes_the_connection(channel: int) -> None:
    rig = opened()
    rig.say(begin(remote_channel=channel))
    assert rig.hear_one(Close).error.condition == Condition.NOT_ALLOWED


def test_begin_on_a_channel_that_is_in_use() -> None:
    rig = opened()
    rig.begin()
    rig.say(begin())
    assert rig.hear_one(Close).error.condition == Condition.NOT_ALLOWED


# --- the accepting side -----------------------------------------------------------------------------------------------


def test_a_session_of_the_peers_is_answered_with_its_channel() -> None:
    rig = opened()
    session = rig.begin_remote(SessionOptions(incoming_window=11, next_outgoing_id=5), channel=9, next_outgoing_id=77)
    answer = rig.heard
    assert answer
    assert (session.state, session.channel, session.remote_channel) == (SessionState.MAPPED, 0, 9)
    assert (session.incoming_window.next_id, session.incoming_window.remaining) == (77, 11)
    assert session.outgoing_window.next_id == session.next_delivery_id == 5


def test_a_session_can_be_refused() -> None:
    rig = opened()
    rig.on_session = lambda session: session.refuse(ERROR)
    rig.say(begin(), channel=4)
    assert rig.hear() == [
        Begin(remote_channel=4, next_outgoing_id=0, incoming_window=2048, outgoing_window=2048, handle_max=65535),
        End(error=ERROR),
    ]
    rig.say(End(), channel=4)
    assert rig.connection.sessions == []


def test_more_sessions_than_we_take() -> None:
    rig = Rig(limits=Limits(max_sessions=2)).open()
    for channel in range(3):
        rig.say(begin(), channel=channel)
    assert rig.hear_kinds() == [Begin, Begin, Close]


def test_what_the_peer_pipelines_behind_its_begin_is_kept_for_after_ours() -> None:
    """§2.4.2 and §2.5.5: nothing obliges who begins a session to wait before it attaches, and gives credit."""
    rig = opened()
    rig.on_session = rig.on_link = None
    rig.say(begin(), attach("l", 0, role=True), flow(handle=0, delivery_count=0, link_credit=5, next_incoming_id=None))
    assert rig.hear_raw() == b""
    rig.sessions[0].accept()
    rig.settle_down()
    rig.hear_one(Begin)
    sender = rig.links[0]
    assert sender.link_credit == 0
    accept_link(sender)
    rig.hear_one(Attach)
    assert sender.link_credit == 5
    assert [event.sender for event in rig.take_events(SenderReady)] == [sender]


def test_a_session_that_the_peer_begins_and_ends_at_once() -> None:
    rig = opened()
    rig.say(begin(), attach("l", 0, role=True), End())
    assert rig.hear_kinds() == [Begin, End]
    assert rig.connection.sessions == []
    assert isinstance(rig.sessions[0].error, SessionEndedByPeer)


def test_a_refused_session_drops_what_was_pipelined() -> None:
    rig = opened()
    rig.on_session = lambda session: session.refuse(ERROR)
    rig.say(begin(), attach("l", 0, role=True), Detach(handle=0, closed=True), End())
    assert rig.hear_kinds() == [Begin, End]
    assert rig.links == []
    assert rig.connection.sessions == []


def test_a_transfer_before_our_begin_has_no_window_to_come_by() -> None:
    rig = opened()
    rig.on_session = None
    rig.say(begin(), attach("l", 0, role=False, initial_delivery_count=0), transfer(0, 0))
    assert rig.hear_one(Close).error.condition == Condition.ILLEGAL_STATE


def test_not_for_ever_is_kept_what_comes_before_our_begin() -> None:
    rig = opened()
    rig.on_session = None
    rig.say(begin(), *(flow(next_incoming_id=None) for _ in range(1001)))
    assert rig.hear_one(Close).error.condition == Condition.ILLEGAL_STATE


def test_ending_a_session_that_was_not_answered_yet() -> None:
    rig = opened()
    rig.on_session = None
    rig.say(begin())
    ending = rig.start(rig.sessions[0].end())
    assert rig.hear_kinds() == [Begin, End]
    rig.say(End())
    assert ending.done


def test_accepting_twice_is_a_misuse_and_refusing_later_harmless() -> None:
    rig = opened()
    session = rig.begin_remote()
    with pytest.raises(InvalidState):
        session.accept()
    session.refuse(ERROR)
    assert rig.hear_raw() == b""


# --- end --------------------------------------------------------------------------------------------------------------


def test_end_and_the_peers_end() -> None:
    rig = opened()
    session = rig.begin()
    ending = rig.start(session.end())
    assert rig.hear_one(End) == End()
    assert session.state is SessionState.END_SENT
    rig.say(flow(session))  # was under way
    assert not ending.done
    rig.say(End())
    assert ending.result is None
    assert isinstance(session.error, SessionClosed)
    assert rig.hear_raw() == b""


def test_end_with_an_error_discards_until_the_peers_end() -> None:
    rig = opened()
    session = rig.begin()
    rig.start(session.end(ERROR))
    assert rig.hear_one(End) == End(error=ERROR)
    assert session.state is SessionState.DISCARDING
    rig.say(transfer(77, 1), Detach(handle=3), attach("x", 4, role=True), flow(handle=9))
    assert rig.hear_raw() == b""
    rig.say(End())
    assert session.state.name == "ENDED"


@pytest.mark.parametrize("error", [None, ERROR])
def test_the_peers_end_is_answered_and_told_to_all(error: Error | None) -> None:
    rig = opened()
    session = rig.begin()
    sender = rig.attach_sender(session, credit=5)
    receiver = rig.attach_receiver(session, handle=1)
    delivery = send(sender)
    attaching = rig.start(session.new_receiver(ReceiverOptions(name="z", source=Source())).attach())
    rig.hear()
    rig.say(End(error=error))
    assert rig.hear_one(End) == End()
    cause = session.error
    assert isinstance(cause, SessionEndedByPeer)
    assert (cause.condition, cause.description) == ((None, None) if error is None else ("amqp:not-found", "why"))
    assert sender.error is receiver.error is delivery.error is cause
    assert str(attaching.error) == str(cause)
    assert type(attaching.error) is SessionEndedByPeer
    assert (sender.state, receiver.state) == (LinkState.DETACHED, LinkState.DETACHED)
    assert rig.connection.new_session().channel == 0


def test_settlements_leave_before_the_answer_to_an_end() -> None:
    rig = opened()
    receiver = rig.attach_receiver(credit=5)
    rig.hear()
    rig.transfer(receiver, 0)
    for delivery in iterate(receiver):
        delivery.accept()
    rig.say(End())
    assert rig.hear_kinds()[0] is Disposition


def test_simultaneous_ends() -> None:
    pair = Pair()
    session = pair.begin()
    ends = [pair.client.start(session.end()), pair.server.start(pair.server.sessions[0].end())]
    pair.pump()
    assert all(end.done for end in ends)
    assert pair.client.connection.sessions == pair.server.connection.sessions == []


def test_end_of_a_session_that_never_began() -> None:
    rig = opened()
    session = rig.connection.new_session()
    assert rig.start(session.end()).done
    assert rig.hear_raw() == b""
    assert rig.connection.new_session().channel == 0


def test_end_twice_sends_one() -> None:
    rig = opened()
    session = rig.begin()
    first, second = rig.start(session.end()), rig.start(session.end())
    rig.hear_one(End)
    rig.say(End())
    assert first.done
    assert second.done
    assert rig.start(session.end(ERROR)).done
    assert rig.hear_raw() == b""


def test_a_lost_connection_ends_what_waits() -> None:
    rig = opened()
    session = rig.begin()
    ending = rig.start(session.end())
    cause = ConnectionResetError("gone")
    rig.connection.receive_eof(cause)
    rig.settle_down()
    assert ending.done
    beginning = rig.connection.error
    assert isinstance(beginning, TransportError)
    assert beginning.__cause__ is cause


def test_the_connections_error_reaches_sessions_links_and_deliveries() -> None:
    rig = opened()
    sender = rig.attach_sender(credit=5)
    session = sender.session
    delivery = send(sender)
    flushing = rig.start(sender.flush())
    rig.say(Close(error=ERROR))
    cause = rig.connection.error
    assert isinstance(cause, ConnectionClosedByPeer)
    assert session.error is sender.error is delivery.error is cause
    assert type(flushing.error) is ConnectionClosedByPeer
    with pytest.raises(ConnectionClosedByPeer):
        session.new_sender(SenderOptions(name="x", target=Target()))


# --- frames for links -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "frame",
    [flow(handle=6), transfer(6, 0), Detach(handle=6, closed=True)],
    ids=["flow", "transfer", "detach"],
)
def test_a_handle_that_is_not_attached_ends_the_session(frame: Any) -> None:
    rig = opened()
    session = rig.begin()
    rig.say(frame)
    assert rig.hear_one(End).error.condition == Condition.UNATTACHED_HANDLE
    assert session.state is SessionState.DISCARDING
    assert isinstance(session.error, PeerViolation)
    assert session.error.level == "session"
    assert rig.connection.error is None


def test_a_handle_that_is_in_use_ends_the_session() -> None:
    rig = opened()
    session = rig.begin()
    rig.attach_sender(session, handle=3)
    rig.say(attach("other", 3, role=True))
    assert rig.hear_one(End).error.condition == Condition.HANDLE_IN_USE


def test_a_handle_beyond_handle_max_closes_the_connection() -> None:
    rig = opened()
    rig.begin(SessionOptions(handle_max=4))
    rig.say(attach("x", 5, role=True))
    assert rig.hear_one(Close).error.condition == Condition.FRAMING_ERROR


def test_more_links_of_the_peers_than_the_peer_lets_us_have_handles() -> None:
    rig = opened()
    rig.begin_remote(handle_max=0)
    rig.say(attach("a", 0, role=True), attach("b", 1, role=True))
    heard = rig.hear()
    assert [type(performative) for performative in heard] == [End]
    assert heard[0].error.condition == Condition.RESOURCE_LIMIT_EXCEEDED


def test_handles_are_the_lowest_free_and_bounded_by_the_peer() -> None:
    rig = opened()
    session = rig.begin(handle_max=2)
    senders = [rig.attach_sender(session, handle=number) for number in range(3)]
    assert [sender.handle for sender in senders] == [0, 1, 2]
    with pytest.raises(InvalidState, match="all 3 handles"):
        session.new_sender(SenderOptions(name="x", target=Target()))
    rig.start(senders[1].detach(closed=True))
    with pytest.raises(InvalidState, match="all 3 handles"):
        session.new_sender(SenderOptions(name="x", target=Target()))
    rig.say(Detach(handle=1, closed=True))
    assert rig.attach_sender(session, handle=1).handle == 1


def test_names_are_unique_for_each_direction() -> None:
    rig = opened()
    session = rig.begin()
    rig.attach_sender(session, handle=0, name="n")
    rig.attach_receiver(session, handle=1, name="n")
    with pytest.raises(InvalidState, match="sender named 'n'"):
        session.new_sender(SenderOptions(name="n", target=Target()))
    with pytest.raises(InvalidState, match="receiver named 'n'"):
        session.new_receiver(ReceiverOptions(name="n", source=Source()))


def test_links_need_a_session_that_has_begun() -> None:
    rig = opened()
    with pytest.raises(InvalidState, match="begun"):
        rig.connection.new_session().new_sender(SenderOptions(name="n", target=Target()))


# --- flows ------------------------------------------------------------------------------------------------------------


def test_an_echo_without_a_handle_is_answered_by_the_session() -> None:
    rig = opened()
    session = rig.begin(next_outgoing_id=40)
    rig.say(flow(session, echo=True))
    assert rig.hear_one(Flow) == Flow(
        next_incoming_id=40, incoming_window=2048, next_outgoing_id=0, outgoing_window=2048
    )


def test_an_echo_with_a_handle_is_answered_by_the_link() -> None:
    rig = opened()
    sender = rig.attach_sender(handle=7, initial_delivery_count=9)
    rig.say(flow(sender.session, handle=7, delivery_count=9, link_credit=3, echo=True))
    answer = rig.hear_one(Flow)
    assert (answer.handle, answer.delivery_count, answer.link_credit, answer.echo) == (0, 9, 3, False)


def test_link_state_properties_are_told() -> None:
    rig = opened()
    sender = rig.attach_sender(handle=7)
    rig.say(flow(sender.session, handle=7, delivery_count=0, link_credit=0, properties={Symbol("a"): 1}))
    (event,) = rig.take_events(LinkStateReceived)
    assert (event.link, event.properties) == (sender, {Symbol("a"): 1})


def test_the_session_hears_from_the_flow_what_the_peer_sent() -> None:
    """§2.5.6: on a flow "the next-incoming-id MUST be updated directly from the next-outgoing-id"."""
    rig = opened()
    session = rig.begin(next_outgoing_id=40)
    rig.say(flow(session, next_outgoing_id=43, echo=True))
    assert rig.hear_one(Flow).next_incoming_id == 43


def test_a_flow_tells_senders_only_what_concerns_them() -> None:
    rig = opened()
    session = rig.begin()
    senders = [rig.attach_sender(session, handle=number) for number in range(3)]
    rig.take_events(SenderReady)
    rig.say(flow(session, handle=1, delivery_count=0, link_credit=3))
    assert [event.sender for event in rig.take_events(SenderReady)] == [senders[1]]


def test_a_window_that_opens_tells_all_senders_another_one_first_each_time() -> None:
    rig = opened()
    session = rig.begin()
    senders = [rig.attach_sender(session, handle=number) for number in range(3)]
    first = []
    for _ in range(3):
        rig.say(flow(session, incoming_window=0))
        rig.take_events(SenderReady)
        rig.say(flow(session))
        ready = [event.sender for event in rig.take_events(SenderReady)]
        assert set(ready) == set(senders)
        first.append(ready[0])
    assert set(first) == set(senders)


def test_a_session_flow_is_not_lost_with_a_links_that_is_gone() -> None:
    """The window is used up, a link wants a flow too, and then that link is detached: the window must open."""
    rig = opened()
    session = rig.begin(SessionOptions(incoming_window=4))
    receiver = rig.attach_receiver(session, credit=4)
    rig.hear()
    first = [transfer(0, number) for number in range(4)]
    rig.say(*first, payload=data_section(b"x"))
    for delivery in iterate(receiver):
        delivery.accept()
    rig.say(Detach(handle=0, closed=True))
    flows = [performative for performative in rig.hear() if type(performative) is Flow]
    assert [said.incoming_window for said in flows] == [4]


# --- dispositions -----------------------------------------------------------------------------------------------------


def test_a_disposition_with_a_state_that_is_none() -> None:
    rig = opened()
    rig.begin()
    rig.say(Disposition(role=True, first=0, settled=True, state=Target()))
    assert rig.hear_one(End).error.condition == Condition.INVALID_FIELD


def test_a_disposition_of_ids_that_are_not_there_does_no_harm() -> None:
    rig = opened()
    session = rig.begin()
    for role in (False, True):
        rig.say(Disposition(role=role, first=0, last=0xFFFFFFFF, settled=True, state=ACCEPTED))
        rig.say(Disposition(role=role, first=5, last=2, settled=True, state=ACCEPTED))
    assert session.error is None
    assert rig.hear_raw() == b""


def test_one_disposition_settles_deliveries_of_several_senders() -> None:
    rig = opened()
    session = rig.begin(SessionOptions(next_outgoing_id=0xFFFFFFFE))
    senders = [rig.attach_sender(session, handle=number, credit=5) for number in range(2)]
    deliveries = [send(senders[number % 2]) for number in range(6)]
    rig.say(Disposition(role=True, first=0xFFFFFFFF, last=2, settled=True, state=ACCEPTED))
    assert [delivery.settled for delivery in deliveries] == [False, True, True, True, True, False]
    assert [sender.tally.count for sender in senders] == [1, 1]


def test_delivery_ids_do_not_come_twice() -> None:
    rig = opened()
    session = rig.begin()
    one = rig.attach_receiver(session, handle=0, credit=10)
    other = rig.attach_receiver(session, handle=1, credit=10)
    rig.hear()
    rig.transfer(one, 5)
    rig.transfer(other, 6)
    assert session.error is None
    rig.transfer(one, 6)
    assert rig.hear_one(End).error.condition == Condition.INVALID_FIELD


def test_sessions_stand_for_themselves() -> None:
    pair = Pair()
    sessions = [pair.begin() for _ in range(3)]
    ends = []
    for session in sessions:
        sender, receiver = pair.open_sender(session, credit=10)
        send(sender, b"x")
        ends.append((sender, receiver))
    pair.pump()
    pair.run(sessions[1].end())
    assert [len(take_all(receiver)) for _, receiver in ends] == [1, 1, 1]
    assert [sender.error is None for sender, _ in ends] == [True, False, True]


def test_kinds_of_links_that_the_peer_attaches() -> None:
    rig = opened()
    rig.begin_remote()
    rig.on_link = lambda link: accept_receiver(link, 3) if isinstance(link, Receiver) else accept_link(link)
    rig.say(attach("a", 0, role=True), attach("b", 1, role=False, initial_delivery_count=4))
    kinds = [type(link) for link in rig.links]
    assert kinds == [Sender, Receiver]
    heard = rig.hear()
    assert [type(performative) for performative in heard] == [Attach, Attach, Flow]
    assert (heard[2].delivery_count, heard[2].link_credit) == (4, 3)


def test_an_aborted_message_and_the_next() -> None:
    rig = opened()
    receiver = rig.attach_receiver(credit=3)
    rig.hear()
    rig.transfer(receiver, 0, more=True)
    rig.say(Transfer(handle=0, aborted=True))
    rig.transfer(receiver, 1)
    assert [delivery.delivery_id for delivery in take_all(receiver)] == [1]
