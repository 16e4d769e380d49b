"""What the peer says: written, and entered in the books."""

from collections import deque

import pytest

from amqp10.errors import EncodeError
from amqp10.performatives import Attach, Close, Detach, End, Error, Flow, Open
from amqp10.testing import FIRST_ID, PeerOptions
from amqp10.testing.ledger import Ledger
from amqp10.testing.report import TraceEntry
from amqp10.testing.script import Arrival
from amqp10.testing.speaker import Speaker
from amqp10.testing.text import ScriptFailure
from amqp10.testing.wire import AMQP_HEADER, EMPTY_FRAME, frame_bytes
from tests.testing.hand import attach, begin, opened

CLOSE = frame_bytes("02 00 00 05  00 53 18 45")


def speaker() -> tuple[Speaker, Ledger, deque[TraceEntry]]:
    books, trace = Ledger(0, 0), deque[TraceEntry]()
    return Speaker(books, trace, PeerOptions(container_id="peer")), books, trace


def test_what_is_written_is_recorded() -> None:
    mouth, books, trace = speaker()
    mouth.write_header(0)
    mouth.write(5, Close())
    mouth.write_raw(EMPTY_FRAME)
    mouth.write_raw(b"\x00")
    assert bytes(mouth.output) == AMQP_HEADER + CLOSE + EMPTY_FRAME + b"\x00"
    assert books.local_close == Close()
    assert [str(entry) for entry in trace] == [
        "→ header AMQP 1.0.0",
        "→ ch 5  Close()",
        "→ empty frame",
        r"→ raw b'\x00'",
    ]


def test_what_cannot_be_encoded_is_not_recorded() -> None:
    mouth, books, trace = speaker()
    with pytest.raises(EncodeError):
        mouth.write(0, Open(container_id=7))  # type: ignore[arg-type]
    assert (bytes(mouth.output), books.local_open, len(trace)) == (b"", None, 0)


def test_frames_are_completed_from_the_books() -> None:
    mouth, books, _ = speaker()
    mouth.say(Open, {"channel_max": 3}, channel=None, payload=b"", link=None, session=None)
    assert books.local_open == Open(container_id="peer", channel_max=3)
    with pytest.raises(ScriptFailure, match="the End needs a session, and none is begun: name a channel"):
        mouth.say(End, {}, channel=None, payload=b"", link=None, session=None)
    mouth.say(End, {}, channel=4, payload=b"", link=None, session=None)
    assert bytes(mouth.output).endswith(frame_bytes("02 00 00 04  00 53 17 45"))


def test_there_is_no_answer_to_everything() -> None:
    mouth, _, _ = speaker()
    with pytest.raises(ScriptFailure, match="no natural answer is known to: empty frame"):
        mouth.answer(Arrival(EMPTY_FRAME), None, {})


def test_the_latest_session_and_link_are_meant() -> None:
    peer, hand = opened()
    first = peer.expect_begin().respond()
    hand.say(begin(), channel=4)
    peer.expect_attach().respond()
    hand.say(attach("a", role=False), channel=3)
    peer.expect_attach().respond()
    hand.say(attach("b", role=False), channel=4)
    peer.send_flow()
    peer.send_flow(session=peer.sessions[0])
    peer.send_flow(link="a")
    peer.send_flow(session=first, link_credit=1)
    peer.send_detach()
    peer.send_end(session=first)
    peer.send_flow(link_credit=1)
    bodies = hand.hear()
    flows = [(body.next_outgoing_id, body.handle) for body in bodies if isinstance(body, Flow)]
    assert flows == [(FIRST_ID, None), (FIRST_ID, None), (FIRST_ID, 200), (FIRST_ID, 200), (FIRST_ID, 200)]
    sent = [entry.channel for entry in peer.trace if entry.sent and isinstance(entry.performative, Flow | Detach | End)]
    assert sent == [101, 100, 100, 101, 101, 101, 100]


def test_literal_frames_go_where_the_frame_came_from() -> None:
    peer, _ = opened()
    peer.expect_flow().then(Detach(handle=9, error=Error(condition="amqp:x")), b"\x01")  # type: ignore[arg-type]
    peer.receive_data(frame_bytes("02 00 00 03  00 53 13 c0 08 04 40 52 05 52 07 52 05"))
    assert peer.failure is None
    assert [entry.channel for entry in peer.trace if isinstance(entry.performative, Detach)] == [100]
    assert peer.data_to_send().endswith(b"\x01")


def test_a_link_that_is_detached_is_not_meant() -> None:
    peer, hand = opened()
    for name, handle in (("a", 0), ("b", 1)):
        peer.expect_attach().respond()
        hand.say(attach(name, role=False, handle=handle), channel=3)
    peer.send_detach()
    peer.send_flow(link_credit=1)
    assert [body.handle for body in hand.hear()] == [201, 200]  # type: ignore[attr-defined]


def test_transfers_go_where_the_peer_is_the_sender() -> None:
    peer, hand = opened()
    for name, handle, role in (("out", 0, True), ("in", 1, False)):
        peer.expect_attach().respond()
        hand.say(attach(name, role=role, handle=handle), channel=3)
    peer.send_transfer(b"x")
    peer.send_flow(link_credit=1)
    assert [body.handle for body in hand.hear()] == [200, 201]  # type: ignore[attr-defined]


def test_a_begin_answers_the_first_that_waits() -> None:
    peer, hand = opened()
    peer.expect_begin()
    peer.expect_begin()
    hand.say(begin(), channel=4)
    hand.say(begin(), channel=5)
    peer.send_begin()
    peer.send_begin()
    peer.send_begin()
    assert [body.remote_channel for body in hand.hear()] == [4, 5, None]  # type: ignore[attr-defined]


def test_literal_frames_go_in_the_latest_session() -> None:
    peer, hand = opened()
    peer.send(Detach(handle=1))
    peer.send(Close(), channel=9)
    assert peer.data_to_send()[6:8] == b"\x00\x64"
    peer, hand = opened()
    peer.send_end()
    hand.hear()
    peer.send(Close())
    assert peer.data_to_send() == frame_bytes("02 00 00 00  00 53 18 45")


def test_what_belongs_to_no_session_is_answered_in_the_latest() -> None:
    peer, hand = opened()
    peer.expect_close().respond(End).respond()
    assert hand.say(Close()) == [End(), Close()]
    assert [entry.channel for entry in peer.trace if entry.sent][-2:] == [100, 0]


def test_an_answer_is_natural_also_by_its_name() -> None:
    peer, hand = opened()
    peer.expect_attach().respond(Attach, max_message_size=9)
    (answer,) = hand.say(attach("x", role=True), channel=3)
    assert isinstance(answer, Attach)
    assert (answer.name, answer.role, answer.max_message_size) == ("x", False, 9)
