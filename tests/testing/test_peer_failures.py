"""How the scripted peer fails: what is wrong, shown so that it can be seen."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amqp10.performatives import (
    Attach,
    Close,
    Disposition,
    End,
    Flow,
    Open,
    Transfer,
)
from amqp10.testing import (
    AMQP,
    AMQP_HEADER,
    EMPTY_FRAME,
    SASL,
    ScriptedPeer,
    ScriptFailure,
    data_section,
    frame_bytes,
)
from tests.testing.hand import Hand, attach, flow, opened, transfer

OPEN = frame_bytes("02 00 00 00  00 53 10 c0 07 01 a1 04 'hand'")
CLOSE = frame_bytes("02 00 00 00  00 53 18 45")


SAMPLES = {
    "open": OPEN,
    "begin": frame_bytes("02 00 00 03  00 53 11 c0 08 04 40 52 07 52 64 52 64"),
    "attach": frame_bytes("02 00 00 03  00 53 12 c0 06 03 a1 01 'x' 43 42"),
    "flow": frame_bytes("02 00 00 03  00 53 13 c0 08 04 40 52 64 52 07 52 64"),
    "transfer": frame_bytes("02 00 00 03  00 53 14 c0 06 03 43 43 a0 01 00", b"payload"),
    "disposition": frame_bytes("02 00 00 03  00 53 15 c0 04 02 41 52 fc"),
    "detach": frame_bytes("02 00 00 03  00 53 16 c0 02 01 43"),
    "end": frame_bytes("02 00 00 03  00 53 17 45"),
    "close": CLOSE,
    "empty": EMPTY_FRAME,
    "header": AMQP_HEADER,
}


def message_of(peer: ScriptedPeer) -> str:
    """Returns why the peer failed."""
    assert isinstance(peer.failure, ScriptFailure)
    return str(peer.failure)


def test_wrong_field() -> None:
    peer, hand = opened()
    peer.expect_attach(name="orders", role=True)
    peer.expect_end()
    assert hand.say(attach("other", role=True), channel=3) == []
    text = message_of(peer)
    assert "unexpected Attach" in text
    assert "✗ name  'orders'  'other'" in text
    assert "  role  True      True" in text
    assert "test_peer_failures.py:" in text
    assert "the script from here on:\n  expect Attach(" in text
    assert "\n  expect End()  (test_peer_failures.py:" in text
    assert "→ ch 100  Begin(remote_channel=3, next_outgoing_id=4294967292" in text
    assert "← ch 3  Attach(name='other', handle=0, role=True" in text.splitlines()[-1]


def test_another_frame() -> None:
    peer, hand = opened()
    peer.expect_attach(name="orders")
    hand.say(flow(), channel=3)
    assert "unexpected Flow" in message_of(peer)
    assert "expect Attach(name='orders')  (test_peer_failures.py:" in message_of(peer)


def test_frame_too_many() -> None:
    peer, hand = opened()
    hand.say(flow(), channel=3)
    assert "unexpected Flow: the script expects nothing more" in message_of(peer)


def test_wrong_channel() -> None:
    peer, hand = opened()
    peer.expect_flow(channel=4)
    hand.say(flow(), channel=3)
    assert "✗ channel  4         3" in message_of(peer)


def test_wrong_payload() -> None:
    peer, hand = opened()
    peer.expect_sender()
    peer.expect_transfer(data_section(b"a"))
    hand.say(attach(role=False), channel=3)
    hand.say(transfer(), channel=3, payload=data_section(b"b"))
    assert r"✗ payload  b'\x00Su\xa0\x01a'  b'\x00Su\xa0\x01b'" in message_of(peer)


def test_wrong_header() -> None:
    peer = ScriptedPeer()
    peer.expect_header(SASL)
    Hand(peer).header(AMQP)
    assert "✗ protocol_id  3          0" in message_of(peer)
    assert "  version      [1, 0, 0]  [1, 0, 0]" in message_of(peer)


def test_wrong_bytes() -> None:
    peer = ScriptedPeer()
    peer.expect_header()
    peer.expect_bytes(OPEN)
    peer.receive_data(AMQP_HEADER + frame_bytes("02 00 00 00  00 53 10 c0 07 01 a1 04 'Hand'"))
    text = message_of(peer)
    assert "expected:\n      ch 0  Open(container_id='hand'" in text
    assert "came:\n      ch 0  Open(container_id='Hand'" in text
    assert "00 00 00 14 02 00 00 00 00 53 10 c0 07 01 a1 04  .........S......" in text


def test_bytes_must_be_one_frame() -> None:
    peer = ScriptedPeer()
    for data in (OPEN[:-1], OPEN + OPEN, b""):
        with pytest.raises(ValueError, match="one frame or one header"):
            peer.expect_bytes(data)


def test_missing_frame() -> None:
    peer, _ = opened()
    peer.expect_attach(name="orders")
    with pytest.raises(ScriptFailure, match="did not come to its end") as caught:
        peer.assert_done()
    assert "expect Attach(name='orders')" in str(caught.value)


def test_connection_that_ends_too_early() -> None:
    peer, _ = opened()
    peer.expect_close()
    peer.receive_eof(ConnectionResetError("reset"))
    assert "unexpected end of the connection" in message_of(peer)
    assert "← connection lost: reset" in message_of(peer)


def test_connection_that_ends_when_it_may() -> None:
    peer, _ = opened()
    peer.receive_eof()
    peer.assert_done()
    peer, _ = opened()
    peer.expect_disconnect()
    assert not peer.done
    peer.receive_eof()
    peer.assert_done()


def test_what_is_no_frame() -> None:
    peer = ScriptedPeer()
    peer.expect_header()
    peer.receive_data(b"HTTP/1.1 400 Bad Request")
    assert "what came is no AMQP" in message_of(peer)
    assert "48 54 54 50" in message_of(peer)


def test_frame_above_what_the_open_allows() -> None:
    peer = ScriptedPeer(max_frame_size=600)
    hand = Hand(peer)
    peer.handshake(sasl=False, session=False)
    hand.header()
    hand.say(Open(container_id="x" * 550))
    assert "what came is no AMQP" in message_of(peer)  # 512 before any open (§2.4.1)
    peer, hand = opened(max_frame_size=600)
    peer.expect_sender()
    peer.expect_transfer()
    peer.expect_transfer()
    hand.say(attach(role=False), channel=3)
    hand.say(transfer(), channel=3, payload=b"x" * 550)
    assert peer.failure is None
    hand.say(transfer(1), channel=3, payload=b"x" * 650)
    assert "what came is no AMQP" in message_of(peer)


def test_a_failed_peer_is_silent_and_says_why_to_everyone() -> None:
    peer, hand = opened()
    peer.expect_end().respond()
    hand.say(flow(), channel=3)
    assert hand.say(End(), channel=3) == []
    assert peer.finished
    for ask in (peer.check, peer.assert_done, peer.send_end, peer.expect_end):
        with pytest.raises(ScriptFailure, match="unexpected Flow"):
            ask()


def test_error_in_a_callable() -> None:
    peer, hand = opened()
    peer.expect_flow().then(lambda body: 1 // 0)
    hand.say(flow(), channel=3)
    assert "the script raised ZeroDivisionError" in message_of(peer)
    assert isinstance(peer.failure and peer.failure.__cause__, ZeroDivisionError)


def test_assertion_in_a_callable() -> None:
    def judge(body: Flow) -> None:
        assert body.echo, "no echo"

    peer, hand = opened()
    peer.expect_flow().then(judge)
    hand.say(flow(), channel=3)
    with pytest.raises(AssertionError, match="no echo"):
        peer.check()


def test_misspelled_fields_are_seen_at_once() -> None:
    peer = ScriptedPeer()
    for write in (peer.expect_open, peer.send_open, peer.expect_open().respond):
        with pytest.raises(TypeError, match="Open has no field 'container'"):
            write(container="x")
    with pytest.raises(TypeError, match="End has no field"):
        peer.expect_attach().respond(End, handle=1)
    with pytest.raises(TypeError, match="takes no fields"):
        peer.send(Close(), error=None)


def test_what_cannot_be_known_must_be_said() -> None:
    peer = ScriptedPeer()
    with pytest.raises(AssertionError, match="the flow needs a session"):
        peer.send_flow()
    peer, _ = opened()
    with pytest.raises(AssertionError, match="the detach needs a link"):
        peer.send_detach()
    peer, _ = opened()
    with pytest.raises(AssertionError, match="there was no link 'x'"):
        peer.send_detach(link="x")


@settings(max_examples=300)
@given(
    st.lists(st.one_of(st.binary(max_size=20), st.sampled_from(sorted(SAMPLES)).map(SAMPLES.__getitem__)), max_size=8)
)
def test_no_bytes_raise_out_of_the_peer(parts: list[bytes]) -> None:
    peer = ScriptedPeer()
    peer.handshake(sasl=False)
    peer.ignore(Attach, Flow, Transfer, Disposition)
    peer.receive_data(AMQP_HEADER)
    for part in parts:
        peer.receive_data(part)
    peer.receive_eof()
    assert peer.finished
    assert peer.failure is None or "the exchange so far" in str(peer.failure)
