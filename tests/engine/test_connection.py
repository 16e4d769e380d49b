"""Connections: opening, closing, time, and how the output is taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from amqp10.engine.events import EndpointChanged, SenderReady
from amqp10.engine.sasl import Anonymous, AnonymousServer, Plain, PlainServer, SaslClient, SaslServer
from amqp10.engine.states import ConnectionState
from amqp10.errors import (
    AuthenticationError,
    BufferFull,
    Condition,
    ConnectionClosed,
    ConnectionClosedByPeer,
    EncodeError,
    InvalidState,
    PeerViolation,
    TransportError,
)
from amqp10.options import ConnectionOptions, Limits
from amqp10.performatives import Close, Error, Flow, Open, Transfer
from amqp10.testing.wire import AMQP_HEADER, EMPTY_FRAME, SASL_HEADER, frame_bytes
from amqp10.types import Symbol
from tests.engine.rig import Rig, flow
from tests.pair import Pair, Side, sasl_pair, send, take_all

ERROR = Error(condition=Symbol("amqp:connection:forced"), description="why")
OPEN = frame_bytes("02 00 00 00  00 53 10 c0 07 01 a1 04 'test'")
CLOSE = frame_bytes("02 00 00 00  00 53 18 45")

# --- open -------------------------------------------------------------------------------------------------------------


def test_header_and_open_leave_together() -> None:
    rig = Rig(container_id="me", max_frame_size=1024, channel_max=7, idle_timeout=10.0, hostname="vhost")
    rig.start(rig.connection.open())
    assert rig.hear_raw() == AMQP_HEADER + frame_bytes(
        "02 00 00 00  00 53 10 c0 19 05 a1 02 'me' a1 05 'vhost' 70 00 00 04 00 60 00 07 70 00 00 13 88"
    )


@pytest.mark.parametrize(
    "pieces", [[AMQP_HEADER + OPEN], [AMQP_HEADER, OPEN], [AMQP_HEADER[:5], AMQP_HEADER[5:] + OPEN]]
)
def test_open_ends_with_the_peers_open(pieces: list[bytes]) -> None:
    rig = Rig()
    running = rig.start(rig.connection.open())
    for piece in pieces:
        assert not running.done
        rig.receive(piece)
    assert running.result is None
    assert rig.connection.state is ConnectionState.OPENED
    assert rig.connection.remote_open == Open(container_id="test")


def test_frames_behind_the_open_may_be_large_once_ours_is_out() -> None:
    rig = Rig(max_frame_size=2000).open()
    rig.begin()
    rig.say(flow(properties={Symbol("k"): "v" * 1500}))
    assert rig.connection.error is None


def test_a_frame_beyond_our_max_frame_size() -> None:
    rig = Rig(max_frame_size=512).open()
    rig.begin()
    rig.say(flow(properties={Symbol("k"): "v" * 600}))
    assert rig.hear_one(Close).error.condition == Condition.FRAMING_ERROR


def test_we_keep_to_the_peers_max_frame_size() -> None:
    rig = Rig().open(max_frame_size=512)
    session = rig.begin()
    with pytest.raises(EncodeError, match="512"):
        session.start_end(Error(condition=Symbol("x"), description="d" * 600))
    assert rig.hear() == []
    assert session.error is None


@pytest.mark.parametrize("fields", [{"container_id": "\ud800"}, {"properties": {"k": "v" * 600}}])
def test_an_open_that_cannot_be_sent_is_refused_at_the_call(fields: dict[str, Any]) -> None:
    rig = Rig(ConnectionOptions(**{"container_id": "x", **fields}))
    with pytest.raises(EncodeError):
        _ = rig.start(rig.connection.open()).result
    assert rig.hear_raw() == b""


def test_opening_twice_is_a_misuse() -> None:
    rig = Rig().open()
    with pytest.raises(InvalidState):
        _ = rig.start(rig.connection.open()).result


def test_two_ends_that_open_at_once() -> None:
    pair = Pair(opened=False, chunk=1)
    pair.open()
    assert [side.connection.state.name for side in pair.sides] == ["OPENED", "OPENED"]


FAILURES: list[tuple[Callable[[Rig], object], type[Exception]]] = [
    (lambda rig: rig.receive(b"HTTP/1.1 400 Bad Request"), PeerViolation),
    (lambda rig: rig.connection.receive_eof(), TransportError),
    (lambda rig: rig.receive(AMQP_HEADER + OPEN + CLOSE), ConnectionClosedByPeer),
    (lambda rig: rig.receive(AMQP_HEADER + CLOSE), PeerViolation),
    (lambda rig: rig.connection.start_close(), ConnectionClosed),
]


@pytest.mark.parametrize(("fail", "kind"), FAILURES)
def test_the_waiting_open_learns_why_it_fails(fail: Callable[[Rig], object], kind: type[Exception]) -> None:
    rig = Rig()
    running = rig.start(rig.connection.open())
    fail(rig)
    rig.settle_down()
    assert type(running.error) is kind


def test_a_lost_connection_says_when_it_was_lost() -> None:
    texts = []
    for sasl, data in ((None, b""), (SaslClient([Anonymous()]), b""), (None, AMQP_HEADER + OPEN)):
        rig = Rig(sasl=sasl)
        rig.start(rig.connection.open())
        rig.receive(data)
        rig.connection.receive_eof(OSError("reset"))
        texts.append(str(rig.connection.error))
    assert texts == [
        "connection lost while opening: reset",
        "connection lost while authenticating by SASL: reset",
        "connection lost while open: reset",
    ]


# --- SASL -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [None, 1])
def test_sasl_and_open_in_memory(chunk: int | None) -> None:
    pair = Pair(sasl=sasl_pair(), chunk=chunk)
    assert pair.server.connection.sasl.identity == "anonymous"
    assert pair.sent[0].startswith(SASL_HEADER)
    assert pair.sent[0].count(b"AMQP") == pair.sent[1].count(b"AMQP") == 2


def test_the_first_mechanism_of_ours_that_the_peer_offers_is_used() -> None:
    halves = (
        SaslClient([Plain("user", "secret"), Anonymous()]),
        SaslServer([AnonymousServer(), PlainServer(lambda user, password: (user, password) == ("user", "secret"))]),
    )
    pair = Pair(sasl=halves)
    assert pair.server.connection.sasl.identity == "user"
    assert halves[0].mechanism == "PLAIN"


def test_refused_credentials_end_both_ends() -> None:
    pair = Pair(
        sasl=(SaslClient([Plain("user", "wrong")]), SaslServer([PlainServer(lambda user, password: False)])),
        opened=False,
    )
    running = [side.start(side.connection.open()) for side in pair.sides]
    pair.pump()
    for operation in running:
        assert isinstance(operation.error, AuthenticationError)
        assert operation.error.code == 1
    assert "wrong" not in str(running[0].error)
    assert all(side.connection.finished for side in pair.sides)


def test_no_mechanism_in_common() -> None:
    pair = Pair(sasl=(SaslClient([Anonymous()]), SaslServer([PlainServer(lambda user, password: True)])), opened=False)
    running = [side.start(side.connection.open()) for side in pair.sides]
    pair.pump()
    assert isinstance(running[0].error, AuthenticationError)
    assert "PLAIN" in str(running[0].error)
    assert isinstance(running[1].error, TransportError)


# --- close ------------------------------------------------------------------------------------------------------------


def test_close_waits_for_the_peers_close() -> None:
    rig = Rig().open()
    running = rig.start(rig.connection.close())
    assert rig.hear_raw() == CLOSE
    assert not running.done
    rig.receive(CLOSE)
    assert running.result is None
    assert rig.connection.finished
    assert isinstance(rig.connection.error, ConnectionClosed)


@pytest.mark.parametrize("error", [None, ERROR])
def test_the_peers_close_is_answered_and_told(error: Error | None) -> None:
    rig = Rig().open()
    rig.say(Close(error=error))
    assert rig.hear_raw() == CLOSE
    assert rig.connection.finished
    cause = rig.connection.error
    assert isinstance(cause, ConnectionClosedByPeer)
    if error is None:
        assert (cause.condition, cause.retryable) == (None, False)
    else:
        assert (cause.condition, cause.description, cause.retryable) == ("amqp:connection:forced", "why", True)


def test_closes_that_cross() -> None:
    pair = Pair()
    running = [side.start(side.connection.close()) for side in pair.sides]
    pair.pump()
    assert all(operation.done for operation in running)
    assert all(isinstance(side.connection.error, ConnectionClosed) for side in pair.sides)


def test_close_may_be_pipelined_behind_open() -> None:
    """§2.4.6: OPEN_PIPE, OC_PIPE, CLOSE_PIPE, CLOSE_SENT, END."""
    rig = Rig()
    rig.start(rig.connection.open())
    running = rig.start(rig.connection.close())
    raw = rig.hear_raw()
    assert raw.startswith(AMQP_HEADER)
    assert raw.endswith(CLOSE)
    states = [rig.connection.state.name]
    for piece in (AMQP_HEADER, OPEN, CLOSE):
        rig.receive(piece)
        states.append(rig.connection.state.name)
    assert states == ["OC_PIPE", "CLOSE_PIPE", "CLOSE_SENT", "END"]
    assert running.done


def test_nothing_is_written_after_a_close() -> None:
    rig = Rig(now=0.0).open(idle_time_out=1000)
    receiver = rig.attach_receiver(credit=5)
    sender = rig.attach_sender(receiver.session, handle=1, credit=5)
    rig.hear()
    rig.transfer(receiver, 0)
    rig.start(rig.connection.close())
    assert rig.hear_kinds() == [Close]
    rig.tick(5.0)
    receiver.take()
    with pytest.raises(ConnectionClosed):
        send(sender)
    with pytest.raises(ConnectionClosed):
        rig.connection.new_session()
    assert rig.hear_raw() == b""


def test_closing_twice_sends_one_and_waits_twice() -> None:
    rig = Rig().open()
    running = [rig.start(rig.connection.close()), rig.start(rig.connection.close(ERROR))]
    assert rig.hear_raw() == CLOSE
    rig.receive(CLOSE)
    assert all(operation.done for operation in running)


def test_closing_what_never_opened() -> None:
    rig = Rig()
    assert rig.start(rig.connection.close()).done
    assert rig.hear_raw() == b""
    assert rig.connection.finished


def test_a_close_with_an_error_does_not_wait_for_ever() -> None:
    rig = Rig(now=10.0).open()
    running = rig.start(rig.connection.close(ERROR))
    assert rig.connection.state is ConnectionState.DISCARDING
    deadline = rig.tick(10.0)
    assert deadline is not None
    assert deadline <= 12
    rig.tick(deadline)
    assert running.done
    assert rig.connection.finished


def test_bytes_after_the_end_are_not_looked_at() -> None:
    rig = Rig().open()
    rig.receive(CLOSE + b"garbage")
    rig.receive(b"more garbage")
    assert isinstance(rig.connection.error, ConnectionClosedByPeer)


def test_a_close_before_eof_is_the_cause_that_stays() -> None:
    rig = Rig().open()
    rig.say(Close(error=ERROR))
    cause = rig.connection.error
    rig.connection.receive_eof(OSError("reset"))
    assert rig.connection.error is cause


# --- time -------------------------------------------------------------------------------------------------------------


def test_half_of_what_we_enforce_is_advertised() -> None:
    for seconds, milliseconds in ((60.0, 30_000), (0.001, 1), (None, None)):
        rig = Rig(idle_timeout=seconds)
        rig.start(rig.connection.open())
        assert rig.hear()[0].idle_time_out == milliseconds


def test_a_silent_peer_is_closed_after_the_whole_time() -> None:
    rig = Rig(idle_timeout=10.0, now=100.0).open()
    assert rig.tick(100.0) == 110.0
    rig.now = 105.0
    rig.receive(EMPTY_FRAME)
    assert rig.tick(114.9) == 115.0
    assert rig.hear_raw() == b""
    rig.tick(115.0)
    error = rig.connection.error
    assert isinstance(error, TransportError)
    assert error.retryable
    assert rig.hear_one(Close).error.condition == Condition.RESOURCE_LIMIT_EXCEEDED


def test_bytes_that_came_at_no_told_time_count_from_the_next_tick() -> None:
    rig = Rig(idle_timeout=10.0).open()
    rig.connection.receive_data(EMPTY_FRAME)
    assert rig.tick(9.0) == 19.0


def test_a_peer_that_never_opens_is_silent_too() -> None:
    rig = Rig(idle_timeout=10.0)
    running = rig.start(rig.connection.open())
    rig.tick(10.0)
    assert isinstance(running.error, TransportError)


def test_no_time_out_no_deadline() -> None:
    assert Rig(idle_timeout=None).open().tick(1e9) is None


def test_empty_frames_leave_at_half_of_what_the_peer_bears() -> None:
    rig = Rig(idle_timeout=None).open(idle_time_out=10_000)
    sent = []
    now = 0.0
    for _ in range(10):
        deadline = rig.tick(now)
        assert deadline is not None
        assert now < deadline <= now + 5.0
        sent.append((now, rig.hear_raw()))
        now = deadline
    assert [raw for _, raw in sent[1:]] == [EMPTY_FRAME] * 9


def test_what_is_sent_anyhow_puts_the_empty_frame_off() -> None:
    rig = Rig(idle_timeout=None).open(idle_time_out=10_000)
    rig.now = 4.0
    rig.start(rig.connection.new_session().begin())
    rig.hear()
    assert rig.tick(6.0) == 9.0
    assert rig.hear_raw() == b""


@pytest.mark.parametrize("idle_time_out", [None, 0])
def test_a_peer_without_time_out_gets_no_empty_frames(idle_time_out: int | None) -> None:
    rig = Rig(idle_timeout=None).open(idle_time_out=idle_time_out)
    assert rig.tick(1e6) is None
    assert rig.hear_raw() == b""


def test_two_ends_keep_each_other_alive() -> None:
    pair = Pair(*(ConnectionOptions(container_id=name, idle_timeout=2.0) for name in "ab"))
    pair.advance(60)
    assert [side.connection.error for side in pair.sides] == [None, None]
    frames = [len(sent) for sent in pair.sent]
    assert max(frames) < 200 + 8 * 130, "empty frames, twice a second at most"


# --- output -----------------------------------------------------------------------------------------------------------


def test_on_output_is_called_once_until_the_output_is_taken() -> None:
    rig = Rig().open()
    sender = rig.attach_sender(credit=100)
    calls = rig.calls
    for _ in range(50):
        send(sender)
    assert rig.calls == calls + 1
    rig.hear()
    send(sender)
    assert rig.calls == calls + 2


def test_a_full_output_turns_sends_away_until_it_is_taken() -> None:
    rig = Rig(limits=Limits(max_output=1000)).open()
    sender = rig.attach_sender(credit=1000)
    while sender.can_send(50):
        send(sender, bytes(50))
    assert 8 < sender.tally.count < 20
    with pytest.raises(BufferFull):
        send(sender, bytes(50))
    rig.take_events(SenderReady)
    rig.hear()
    assert [event.sender for event in rig.take_events(SenderReady)] == [sender]
    send(sender)


def test_large_messages_share_the_output_and_let_others_through() -> None:
    pair = Pair(server=ConnectionOptions(container_id="server", max_frame_size=1000))
    session = pair.begin()
    links = [pair.open_sender(session, credit=5) for _ in range(3)]
    for sender, _ in links[:2]:
        send(sender, bytes(3_000_000))
    send(links[2][0], b"small")
    rounds = 0
    while not links[2][1].deliveries and rounds < 20:
        pair.server.receive(pair.client.connection.data_to_send())
        pair.client.receive(pair.server.take_output())
        rounds += 1
    assert rounds <= 2
    assert len(pair.client.connection.writer) == 0
    pair.client.wants_output = True
    pair.pump()
    assert [len(take_all(receiver)) for _, receiver in links] == [1, 1, 1]


def test_the_frames_of_large_messages_take_turns() -> None:
    rig = Rig().open(max_frame_size=1000)
    session = rig.begin(incoming_window=10_000)
    senders = [rig.attach_sender(session, handle=number, credit=1) for number in range(2)]
    for sender in senders:
        send(sender, bytes(400_000))
    handles = [frame.handle for frame in rig.hear() if isinstance(frame, Transfer)]
    assert handles.count(0) == handles.count(1)
    half = handles[: len(handles) // 2]
    assert abs(half.count(0) - half.count(1)) <= len(half) // 4


def test_no_output_holds_a_large_message_whole() -> None:
    rig = Rig(limits=Limits(max_output=40_000)).open(max_frame_size=1000)
    sender = rig.attach_sender(rig.begin(incoming_window=100_000), credit=1)
    send(sender, bytes(5_000_000))
    largest = 0
    while data := rig.connection.data_to_send():
        largest = max(largest, len(data))
    assert largest < 200_000


def test_an_urgent_flow_says_so() -> None:
    rig = Rig().open()
    receiver = rig.attach_receiver(credit=2)
    rig.hear()
    rig.transfer(receiver, 0)
    rig.transfer(receiver, 1)
    urgent = [rig.connection.urgent]
    for delivery in take_all(receiver):
        delivery.accept()
    urgent.append(rig.connection.urgent)
    assert any(isinstance(performative, Flow) for performative in rig.hear())
    urgent.append(rig.connection.urgent)
    assert urgent == [False, True, False]


def test_data_may_come_in_any_kind_of_buffer() -> None:
    side = Side()
    side.start(side.connection.open())
    for data in (AMQP_HEADER, bytearray(OPEN[:7]), memoryview(OPEN[7:])):
        side.connection.receive_data(data)
    assert side.connection.state is ConnectionState.OPENED


def test_changes_are_told_as_events() -> None:
    rig = Rig()
    rig.start(rig.connection.open())
    rig.receive(AMQP_HEADER + OPEN)
    assert rig.connection in [event.endpoint for event in rig.take_events(EndpointChanged)]
    assert rig.connection.events() == []


def test_a_connection_says_who_it_is() -> None:
    assert repr(Rig(container_id="me").open().connection) == "<Connection me OPENED>"
