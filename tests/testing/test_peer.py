"""The scripted peer: what it lets pass, what it answers, when it acts."""

import pytest

from amqp10.outcomes import Accepted, Released
from amqp10.performatives import (
    Attach,
    Begin,
    Close,
    Detach,
    Disposition,
    End,
    Error,
    Flow,
    Open,
    Transfer,
)
from amqp10.terminus import Source, Target
from amqp10.testing import (
    AMQP_HEADER,
    ANY,
    EMPTY_FRAME,
    FIRST_ID,
    ScriptedPeer,
    ScriptFailure,
    data_section,
    frame_bytes,
)
from amqp10.types import Symbol
from tests.testing.hand import Hand, attach, begin, flow, opened, transfer

OPEN = frame_bytes("02 00 00 00  00 53 10 c0 07 01 a1 04 'hand'")
CLOSE = frame_bytes("02 00 00 00  00 53 18 45")


def message_of(peer: ScriptedPeer) -> str:
    """Returns why the peer failed."""
    assert isinstance(peer.failure, ScriptFailure)
    return str(peer.failure)


# --- an exchange, byte by byte ----------------------------------------------------------------------------------------


def test_literal_bytes_both_ways() -> None:
    peer = ScriptedPeer()
    peer.expect_header().respond()
    peer.expect_bytes(OPEN).then(frame_bytes("02 00 00 00  00 53 10 c0 07 01 a1 04 'peer'"))
    peer.expect_close().respond()
    peer.receive_data(AMQP_HEADER + OPEN)
    assert peer.data_to_send() == AMQP_HEADER + frame_bytes("02 00 00 00  00 53 10 c0 07 01 a1 04 'peer'")
    peer.receive_data(CLOSE)
    assert peer.data_to_send() == CLOSE
    peer.assert_done()
    assert peer.data_to_send() == b""


def test_bytes_one_at_a_time() -> None:
    peer = ScriptedPeer()
    peer.expect_header().respond()
    peer.expect_open().respond()
    peer.expect_close().respond()
    for byte in AMQP_HEADER + OPEN + EMPTY_FRAME + CLOSE:
        peer.receive_data(bytes([byte]))
    peer.assert_done()
    assert peer.finished


def test_finished_after_close_both_ways() -> None:
    peer, hand = opened()
    peer.send_close()
    assert hand.hear() == [Close()]
    assert not peer.finished
    peer.expect_close()
    hand.say(Close())
    assert peer.finished


def test_answers_take_over_what_they_should() -> None:
    peer, hand = opened()
    peer.expect_attach().respond()
    peer.expect_flow().respond()
    peer.expect_detach().respond()
    peer.expect_end().respond()
    source, target = Source(address="a", durable=2), Target(address="b", capabilities=[Symbol("queue")])
    answer = hand.say(attach("x", role=True, snd_settle_mode=1, source=source, target=target), channel=3)
    assert answer == [
        Attach(
            name="x",
            handle=200,
            role=False,
            snd_settle_mode=1,
            source=source,
            target=target,
            initial_delivery_count=FIRST_ID,
        )
    ]
    (echo,) = hand.say(flow(handle=0, link_credit=5, echo=True), channel=3)
    assert isinstance(echo, Flow)
    assert (echo.handle, echo.delivery_count, echo.link_credit, echo.echo) == (200, FIRST_ID, 5, False)
    assert (echo.next_incoming_id, echo.next_outgoing_id) == (7, FIRST_ID)
    assert hand.say(Detach(handle=0, closed=False), channel=3) == [Detach(handle=200, closed=False)]
    assert hand.say(End(), channel=3) == [End()]
    peer.assert_done()


def test_begin_is_answered_on_another_channel() -> None:
    peer = ScriptedPeer(next_outgoing_id=11, incoming_window=5)
    hand = Hand(peer)
    peer.handshake(sasl=False)
    hand.header()
    hand.say(Open(container_id="hand"))
    peer.receive_data(b"")
    answer = hand.say(begin(), channel=3)
    assert answer == [Begin(remote_channel=3, next_outgoing_id=11, incoming_window=5, outgoing_window=2**31 - 1)]
    assert (peer.sessions[0].remote_channel, peer.sessions[0].local_channel) == (3, 100)


def test_channels_and_handles_stay_within_what_the_other_end_bears() -> None:
    peer = ScriptedPeer()
    hand = Hand(peer)
    peer.handshake(sasl=False)
    hand.header()
    hand.say(Open(container_id="hand", channel_max=1))
    hand.say(begin(handle_max=0), channel=0)
    peer.expect_attach().respond()
    peer.expect_attach().respond()
    assert hand.say(attach("a", role=True), channel=0) != []
    assert (peer.sessions[0].local_channel, peer.links[0].local_handle) == (0, 0)
    hand.say(attach("b", role=True, handle=1), channel=0)
    assert "no number up to 0 is free" in str(peer.failure)


def test_deliveries_are_numbered_from_where_they_wrap() -> None:
    peer, hand = opened()
    peer.expect_receiver(credit=9)
    hand.say(attach(role=True), flow(handle=0, link_credit=9), channel=3)
    for _ in range(5):
        peer.send_transfer(data_section(b"x"))
    heard = hand.hear()
    assert [body.delivery_id for body in heard if isinstance(body, Transfer)] == [2**32 - 4 + n for n in range(4)] + [0]
    assert peer.sessions[0].next_outgoing_id == 1
    assert peer.link("link").delivery_count == 1
    assert peer.link("link").link_credit == 4


def test_a_delivery_in_parts() -> None:
    peer, hand = opened()
    peer.expect_receiver()
    hand.say(attach(role=True), channel=3)
    peer.send_transfer(b"abcde", frames=2)
    peer.send_transfer(b"x", more=True)
    peer.send_transfer(b"y", aborted=True)
    peer.send_transfer(b"z", settled=True)
    heard = hand.hear()
    assert [(body.delivery_id, body.more, body.aborted) for body in heard if isinstance(body, Transfer)] == [
        (FIRST_ID, True, False),
        (None, False, False),
        (FIRST_ID + 1, True, False),
        (None, False, True),
        (FIRST_ID + 2, False, False),
    ]
    assert [delivery.presettled for delivery in peer.sessions[0].sent.values()] == [False, True, True]


def test_deliveries_are_accepted_with_their_last_transfer() -> None:
    peer, hand = opened()
    peer.expect_sender(credit=10)
    assert isinstance(hand.say(attach(role=False), channel=3)[1], Flow)
    peer.whenever(Transfer).respond()
    assert hand.say(transfer(0, more=True), channel=3, payload=b"a") == []
    accepted = [Disposition(role=True, first=0, settled=True, state=Accepted())]
    assert hand.say(Transfer(handle=0), channel=3, payload=b"b") == accepted
    assert hand.say(transfer(1, settled=True), channel=3) == []
    assert hand.say(transfer(2, more=True), Transfer(handle=0, aborted=True), channel=3) == []
    first, second, third = peer.link("link").deliveries
    assert (first.payload, first.frames, first.answered, first.state) == (b"ab", 2, True, Accepted())
    assert (second.settled, second.answered) == (True, False)
    assert (third.aborted, third.complete, third.settled) == (True, True, True)
    assert peer.count(Transfer) == 5


def test_dispositions_are_booked_by_range() -> None:
    peer, hand = opened()
    peer.expect_receiver()
    hand.say(attach(role=True), channel=3)
    for _ in range(6):
        peer.send_transfer(b"x")
    peer.expect_disposition(last=1, state=Accepted)
    hand.say(Disposition(role=True, first=2**32 - 3, last=1, settled=True, state=Accepted()), channel=3)
    peer.assert_done()
    states = [(delivery.state, delivery.settled) for delivery in peer.sessions[0].sent.values()]
    assert states == [(None, False)] + [(Accepted(), True)] * 5


def test_second_mode_is_answered_by_settling() -> None:
    peer, hand = opened()
    peer.expect_receiver()
    peer.send_transfer(b"x")
    peer.expect_disposition(settled=False).respond()
    hand.say(attach(role=True, rcv_settle_mode=1), channel=3)
    answer = hand.say(Disposition(role=True, first=FIRST_ID, state=Released()), channel=3)
    assert answer == [Disposition(role=False, first=FIRST_ID, settled=True, state=Released())]


def test_drain_uses_up_the_credit() -> None:
    peer, hand = opened()
    peer.expect_receiver()
    peer.send_transfer(b"x")
    peer.expect_flow(drain=True).respond()
    hand.say(attach(role=True), channel=3)
    (drained,) = hand.say(flow(handle=0, link_credit=10, drain=True, delivery_count=FIRST_ID), channel=3)
    assert isinstance(drained, Flow)
    assert (drained.delivery_count, drained.link_credit, drained.drain) == (6, 0, True)


def test_dynamic_address_is_made_up() -> None:
    peer, hand = opened()
    peer.expect_attach().respond()
    (answer,) = hand.say(attach(role=True, source=Source(dynamic=True)), channel=3)
    assert isinstance(answer, Attach)
    assert answer.source.address == "dynamic-address"


def test_refused_attach() -> None:
    peer, hand = opened()
    refusal = Error(condition=Symbol("amqp:not-found"))
    peer.expect_attach().respond(source=None).respond(Detach, error=refusal)
    attached, detached = hand.say(attach(role=True), channel=3)
    assert isinstance(attached, Attach)
    assert attached.source is None
    assert detached == Detach(handle=200, closed=True, error=refusal)


def test_session_ended_instead_of_an_answer() -> None:
    peer, hand = opened()
    peer.expect_attach().respond(End)
    assert hand.say(attach(role=True), channel=3) == [End()]
    assert not peer.sessions[0].is_open_here


# --- what is sent, and when -------------------------------------------------------------------------------------------


def test_what_is_sent_waits_for_what_is_expected_before_it() -> None:
    peer, hand = opened()
    peer.expect_attach().respond()
    peer.send_flow(link_credit=3)
    assert hand.hear() == []
    answers = hand.say(attach(role=False), channel=3)
    assert [type(answer) for answer in answers] == [Attach, Flow]


def test_with_nothing_to_wait_for_it_is_sent_at_once() -> None:
    peer, hand = opened()
    peer.send_begin()
    assert hand.hear() == [Begin(next_outgoing_id=FIRST_ID, incoming_window=2**31 - 1, outgoing_window=2**31 - 1)]
    peer.send(Close(), channel=5)
    peer.send_empty()
    peer.send_raw(b"\x01\x02")
    assert peer.data_to_send() == frame_bytes("02 00 00 05  00 53 18 45") + EMPTY_FRAME + b"\x01\x02"


def test_what_a_callable_adds_comes_next() -> None:
    peer, hand = opened()

    def more(body: Attach) -> None:
        peer.send_flow(link_credit=body.handle)
        peer.expect_flow()

    peer.expect_attach().respond().then(more)
    peer.send_detach()
    assert [type(body) for body in hand.say(attach(role=False, handle=4), channel=3)] == [Attach, Flow]
    assert [type(body) for body in hand.say(flow(), channel=3)] == [Detach]


def test_whoever_carries_the_bytes_is_told_of_output() -> None:
    peer, hand = opened()
    calls: list[int] = []
    peer.on_output = lambda: calls.append(len(calls))
    peer.expect_flow()
    peer.expect_flow().respond()
    calls.clear()
    hand.say(flow(), channel=3)
    assert calls == []
    hand.say(flow(), channel=3)
    assert calls == [0]
    peer.send_flow()
    assert len(calls) > 1


def test_call_runs_in_its_place() -> None:
    peer, hand = opened()
    seen: list[int] = []
    peer.expect_flow()
    peer.call(lambda: seen.append(peer.count(Flow)))
    assert seen == []
    hand.say(flow(), channel=3)
    assert seen == [1]


def test_literal_frames_are_booked_too() -> None:
    peer, hand = opened()
    peer.send(attach("own", role=True, handle=9), channel=100)
    hand.hear()
    peer.expect_attach()
    hand.say(attach("own", role=False, handle=1), channel=3)
    peer.send_flow(link_credit=1)
    (heard,) = hand.hear()
    assert isinstance(heard, Flow)
    assert (heard.handle, heard.delivery_count) == (9, 50)


def test_frames_name_the_link_they_mean() -> None:
    peer, hand = opened()
    first = peer.expect_attach(name="a").respond()
    peer.expect_attach(name="b").respond()
    hand.say(attach("a", role=False), attach("b", role=False, handle=1), channel=3)
    peer.send_flow(link_credit=1)
    peer.send_flow(link=first, link_credit=1)
    peer.send_flow(link="b", link_credit=1)
    peer.send_flow(link=peer.link("a"), link_credit=1)
    peer.send_flow(handle=77, link_credit=1)
    peer.send_flow()
    heard = [body for body in hand.hear() if isinstance(body, Flow)]
    assert [body.handle for body in heard] == [201, 200, 201, 200, 77, None]


# --- what may come ----------------------------------------------------------------------------------------------------


def test_optional_may_come_or_not() -> None:
    for comes in (True, False):
        peer, hand = opened()
        seen = peer.expect_flow().optional()
        peer.expect_end().respond()
        if comes:
            hand.say(flow(), channel=3)
        assert hand.say(End(), channel=3) == [End()]
        assert seen.count == comes
        peer.assert_done()


def test_optional_holds_nothing_up() -> None:
    peer, hand = opened()
    peer.expect_flow().optional()
    peer.send_end()
    assert hand.hear() == [End()]


def test_optional_is_over_when_the_next_came() -> None:
    peer, hand = opened()
    peer.expect_flow(echo=True).optional()
    peer.expect_flow(echo=False)
    peer.expect_end()
    hand.say(flow(), channel=3)
    hand.say(flow(echo=True), channel=3)
    assert "unexpected Flow" in message_of(peer)


def test_what_is_optional_may_come_in_any_order_before_what_must() -> None:
    peer, hand = opened()
    peer.expect_flow(echo=True).optional().respond()
    peer.expect_flow(echo=False).optional()
    peer.expect_end()
    assert hand.say(flow(), channel=3) == []
    assert [type(body) for body in hand.say(flow(echo=True), channel=3)] == [Flow]
    hand.say(End(), channel=3)
    peer.assert_done()


def test_times() -> None:
    peer, hand = opened()
    flows = peer.expect_flow().times(2, 3)
    peer.expect_end()
    hand.say(flow(), channel=3)
    assert not peer.done
    hand.say(flow(), flow(), End(), channel=3)
    assert flows.count == 3
    peer.assert_done()


def test_whenever_answers_wherever_it_comes() -> None:
    peer, hand = opened()
    flows = peer.whenever(Flow).respond()
    peer.expect_end()
    assert [type(body) for body in hand.say(flow(), flow(), channel=3)] == [Flow, Flow]
    hand.say(End(), channel=3)
    peer.assert_done()
    assert flows.count == 2


def test_the_script_goes_before_whenever() -> None:
    peer, hand = opened()
    peer.ignore(Flow)
    expected = peer.expect_flow()
    hand.say(flow(), flow(), channel=3)
    assert expected.count == 1
    peer.assert_done()


def test_any_order() -> None:
    peer, hand = opened()
    with peer.any_order():
        peer.expect_attach(name="a").respond()
        peer.expect_attach(name="b").respond()
    peer.expect_end()
    assert hand.say(attach("b", role=True), channel=3) != []
    assert not peer.done
    hand.say(attach("a", role=True, handle=1), End(), channel=3)
    peer.assert_done()


def test_empty_frames_pass_or_are_expected() -> None:
    peer, _ = opened()
    peer.receive_data(EMPTY_FRAME)
    peer.assert_done()
    peer.expect_empty()
    with pytest.raises(ScriptFailure, match="expect empty frame"):
        peer.assert_done()
    peer.receive_data(EMPTY_FRAME)
    peer.assert_done()


def test_an_expectation_tells_what_came() -> None:
    peer, hand = opened()
    expected = peer.expect_attach().respond()
    with pytest.raises(AssertionError, match=r"expect Attach\(\) has not come"):
        _ = expected.frame
    hand.say(attach("x", role=False), channel=3)
    peer.send_flow(link_credit=1)
    transfers = peer.expect_transfer(payload=ANY)
    hand.say(transfer(), channel=3, payload=b"abc")
    assert expected.frame.name == "x"
    assert (expected.channel, expected.link.name, expected.session.remote_channel) == (3, "x", 3)
    assert (transfers.payload, transfers.frame.delivery_id, transfers.link) == (b"abc", 0, expected.link)


def test_frames_are_told_apart_by_their_link() -> None:
    peer, hand = opened()
    first = peer.expect_sender(name="a")
    second = peer.expect_sender(name="b")
    hand.say(attach("a", role=False), channel=3)
    hand.say(attach("b", role=False, handle=1), channel=3)
    with peer.any_order():
        on_first = peer.expect_transfer(link=first)
        on_second = peer.expect_transfer(link="b")
        again = peer.expect_transfer(link=first.link)
    hand.say(transfer(0, handle=1), transfer(1), transfer(2), channel=3)
    assert [item.frame.delivery_id for item in (on_first, on_second, again)] == [1, 0, 2]
    peer.expect_detach(link=second)
    hand.say(Detach(handle=0), channel=3)
    assert "✗ link  <Link 'b' in <Session on channel 3 (theirs) and 100 (ours)>>  <Link 'a' in " in message_of(peer)


def test_a_link_that_is_not_there_yet_matches_nothing() -> None:
    peer, hand = opened()
    peer.expect_flow(link=peer.expect_attach().optional())
    hand.say(flow(), channel=3)
    assert "✗ link  None      None" in message_of(peer)


# --- time, reading, ends ----------------------------------------------------------------------------------------------


def test_wait() -> None:
    peer, hand = opened()
    peer.tick(3.0)
    peer.wait(2.5)
    peer.send_end()
    assert peer.tick(10.0) == 12.5  # from the first moment at which the time is known
    assert peer.tick(12.4) == 12.5
    assert hand.hear() == []
    assert not peer.done
    assert peer.tick(12.5) is None
    peer.wait(1)
    peer.disconnect()
    assert [peer.tick(20), peer.tick(21), peer.finished] == [21, None, True]
    assert hand.hear() == [End()]


def test_what_comes_during_a_wait_is_looked_at_afterwards() -> None:
    peer, hand = opened()
    peer.wait(1)
    peer.expect_flow().respond()
    peer.expect_end()
    peer.tick(0)
    assert hand.say(flow(), End(), channel=3) == []
    assert peer.failure is None
    peer.tick(1)
    assert [type(body) for body in hand.hear()] == [Flow]
    peer.assert_done()


def test_what_is_held_back_stays_in_order() -> None:
    peer, hand = opened()
    taken = peer.expect_flow().times(0, 2)
    peer.wait(1)
    peer.expect_attach()
    peer.expect_flow()
    peer.tick(0)
    hand.say(flow(), channel=3)
    assert taken.count == 1  # what may come before the wait is not held back
    hand.say(attach(role=True), flow(), channel=3)
    peer.tick(1)
    peer.assert_done()


def test_disconnect_and_reading() -> None:
    peer, hand = opened()
    readings = [peer.reading]
    for change in (peer.stop_reading, peer.resume_reading):
        change()
        readings.append(peer.reading)
    assert readings == [True, False, True]
    peer.disconnect(reset=True)
    assert peer.finished
    assert peer.resets
    hand.say(flow(), channel=3)
    peer.assert_done()


def test_leaving_with_asserts() -> None:
    with pytest.raises(ScriptFailure, match="did not come to its end"), ScriptedPeer() as peer:
        peer.expect_header()


def test_an_error_that_leaves_with_is_told_the_exchange() -> None:
    def break_off(peer: ScriptedPeer) -> str:
        with pytest.raises(KeyError) as caught, peer:
            raise KeyError("broken off")
        (note,) = caught.value.__notes__
        return str(note)

    peer = ScriptedPeer()
    peer.expect_header()
    assert break_off(peer).startswith("<ScriptedPeer server 1 steps to go>")
    Hand(peer).say(Close())
    assert break_off(peer).startswith("<ScriptedPeer server failed>\n\nwhat came is no AMQP")
    with pytest.raises(ScriptFailure) as caught, peer:
        peer.check()
    assert not hasattr(caught.value, "__notes__")
