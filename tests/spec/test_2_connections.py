"""Transport: version negotiation (§2.2), framing (§2.3), connections (§2.4) and their frames (§2.7)."""

from __future__ import annotations

import pytest

from amqp10.engine.states import ConnectionState
from amqp10.errors import ConnectionClosedByPeer, PeerViolation, TransportError
from amqp10.testing.wire import AMQP_HEADER, EMPTY_FRAME, SASL_HEADER, hex_bytes
from tests.spec.wire import BEGIN, OPEN, Wire, frame, listed, spoken

CLOSE = frame("02 00 00 00  00 53 18 45")


def closed_with(sent: list[bytes], condition: str) -> bool:
    """Tell whether the last frame sent is a close with that condition."""
    last = sent[-1]
    return last[4:11] == hex_bytes("02 00 00 00  00 53 18") and condition.encode() in last


def test_2_2_each_peer_starts_by_sending_a_protocol_header() -> None:
    """Prior to sending any frames on a connection, each peer MUST start by sending a protocol header."""
    wire = Wire()
    wire.start(wire.connection.open())
    assert wire.hear()[0] == b"AMQP\0\1\0\0"


def test_2_2_another_version_ends_the_connection() -> None:
    """A peer that cannot go on with the header it got closes the socket, having said which version it speaks."""
    wire = Wire()
    wire.start(wire.connection.open())
    wire.hear()
    wire.receive(b"AMQP\0\0\x09\x01")
    assert wire.connection.finished
    assert isinstance(wire.connection.error, PeerViolation)


def test_2_2_an_accepting_peer_answers_a_version_it_does_not_speak_with_its_own() -> None:
    """MUST write a valid protocol header to the outgoing half of the socket and then close it."""
    wire = Wire()
    assert wire.say(b"AMQP\0\0\x09\x01") == [AMQP_HEADER]
    assert wire.connection.finished


@pytest.mark.parametrize(
    "broken",
    [
        "00 00 00 07 02 00 00",  # size below 8
        "00 00 00 08 01 00 00 00",  # DOFF below 2
        "00 00 00 0c 04 00 00 00 00 53 18 45",  # DOFF beyond the frame
        "00 00 00 0c 02 07 00 00 00 53 18 45",  # a type that does not exist
        "00 00 00 0c 02 01 00 00 00 53 18 45",  # a SASL frame after SASL
        "00 01 00 01 02 00 00 00",  # over our max-frame-size of 65536
    ],
)
def test_2_3_a_malformed_frame_closes_the_connection_with_an_error(broken: str) -> None:
    """The frame is malformed if the size is less than the required frame header (8 bytes), and the like."""
    wire = Wire().open()
    sent = wire.say(broken)
    assert closed_with(sent, "amqp:connection:framing-error") or closed_with(sent, "amqp:decode-error")
    assert isinstance(wire.connection.error, PeerViolation)


def test_2_3_the_extended_header_is_skipped() -> None:
    """The treatment of this area depends on the frame type: AMQP frames ignore it."""
    wire = Wire().open()
    assert wire.say("00 00 00 10  03 00 00 00  de ad be ef  00 53 18 45") == [CLOSE]


def test_2_4_1_the_open_frame_is_on_channel_0_and_names_the_container() -> None:
    """Open goes on channel 0 and says what its sender enforces, half of the idle time-out (§2.4.5)."""
    wire = Wire(hostname="h", idle_timeout=10.0, channel_max=255, max_frame_size=4096)
    wire.start(wire.connection.open())
    _, opened = wire.hear()
    assert opened == spoken("10", "a1 02 'c1'", "a1 01 'h'", "70 00 00 10 00", "60 00 ff", "70 00 00 13 88")


def test_2_4_1_frames_of_more_than_512_bytes_wait_for_the_open() -> None:
    """Prior to any explicit negotiation, the maximum frame size is 512."""
    wire = Wire()
    large = frame("02 00 00 00  00 53 10  d0 00 00 02 08 00 00 00 01  b1 00 00 01 ff" + " 61" * 511)
    assert len(large) > 512
    wire.receive(AMQP_HEADER + large)
    assert isinstance(wire.connection.error, PeerViolation)
    wire = Wire()
    wire.start(wire.connection.open())  # ours is out: it allows more
    wire.receive(AMQP_HEADER + large)
    assert wire.connection.state is ConnectionState.OPENED


def test_2_4_1_a_frame_before_open_closes_the_connection() -> None:
    """Each peer must send an open frame before sending any other frames."""
    wire = Wire()
    wire.start(wire.connection.open())
    wire.say(AMQP_HEADER)
    assert closed_with(wire.say(BEGIN), "amqp:illegal-state")


def test_2_4_3_a_close_is_answered_by_a_close() -> None:
    """Prior to closing a connection, each peer MUST write a close frame."""
    wire = Wire().open()
    assert wire.say(CLOSE) == [CLOSE]
    assert wire.connection.finished
    assert isinstance(wire.connection.error, ConnectionClosedByPeer)
    assert wire.connection.error.condition is None


def test_2_4_3_a_close_tells_its_reason() -> None:
    """The close frame carries a code indicating the reason for closing."""
    wire = Wire().open()
    reason = listed("1d", "a3 16 'amqp:connection:forced'", "a1 09 'good bye!'")
    assert wire.say(spoken("18", reason)) == [CLOSE]
    error = wire.connection.error
    assert isinstance(error, ConnectionClosedByPeer)
    assert (error.condition, error.description, error.retryable) == ("amqp:connection:forced", "good bye!", True)


def test_2_4_4_open_and_close_may_be_pipelined() -> None:
    """A peer may send header, open, begin and close at once; all are taken in their order."""
    wire = Wire()
    wire.start(wire.connection.open())
    wire.hear()
    assert wire.say(AMQP_HEADER, OPEN, CLOSE) == [CLOSE]
    assert wire.connection.state is ConnectionState.END


def test_2_4_5_an_empty_frame_leaves_before_the_peers_time_out() -> None:
    """If a peer needs to satisfy the need to send traffic ..., it MAY send an empty frame."""
    wire = Wire()
    wire.start(wire.connection.open())
    wire.say(AMQP_HEADER, spoken("10", "a1 02 's1'", "40", "70 00 01 00 00", "60 ff ff", "70 00 00 07 d0"))
    assert wire.tick(0.0) == 1.0  # half of the peer's 2000 ms
    wire.tick(1.0)
    assert wire.hear() == [EMPTY_FRAME]
    wire.tick(1.5)
    assert wire.hear() == []
    wire.tick(2.0)
    assert wire.hear() == [EMPTY_FRAME]


def test_2_4_5_a_silent_peer_is_closed_with_an_error() -> None:
    """If the threshold is exceeded, a peer SHOULD try to close gracefully, with an error."""
    wire = Wire(idle_timeout=10.0).open()
    wire.tick(9.9)
    assert wire.connection.error is None
    wire.tick(10.0)
    assert closed_with(wire.hear(), "amqp:resource-limit-exceeded")
    assert isinstance(wire.connection.error, TransportError)


def test_2_4_5_an_empty_frame_keeps_the_connection() -> None:
    """Any traffic counts, an empty frame too."""
    wire = Wire(idle_timeout=10.0).open()
    wire.tick(9.0)
    assert wire.say(EMPTY_FRAME) == []
    wire.tick(18.0)
    assert wire.connection.error is None


def test_2_4_6_after_a_close_with_an_error_all_but_the_close_is_dropped() -> None:
    """DISCARDING: any frames on the connection are silently discarded until the peer's close frame is received."""
    wire = Wire().open()
    assert closed_with(wire.say(frame("02 00 00 05  00 53 17 45")), "amqp:not-allowed")  # end where nothing began
    assert wire.connection.state.name == "DISCARDING"
    assert wire.say(BEGIN, frame("02 00 00 05  00 53 17 45")) == []
    assert wire.say(CLOSE) == []
    assert wire.connection.state.name == "END"


def test_2_7_1_a_channel_beyond_channel_max_is_a_framing_error() -> None:
    """A session begun outside of the supported channels closes the connection: framing-error."""
    wire = Wire(channel_max=1).open()
    begun = spoken("11", "40", "43", "52 64", "52 64", channel=2)
    assert closed_with(wire.say(begun), "amqp:connection:framing-error")


@pytest.mark.parametrize("size", ["70 00 00 01 ff", "43"])
def test_2_7_1_no_peer_may_take_less_than_512_bytes(size: str) -> None:
    """Both peers MUST accept frames of up to 512 (MIN-MAX-FRAME-SIZE) octets."""
    wire = Wire()
    wire.start(wire.connection.open())
    wire.say(AMQP_HEADER, spoken("10", "a1 02 's1'", "40", size))
    assert isinstance(wire.connection.error, PeerViolation)
    assert wire.connection.error.condition == "amqp:invalid-field"


def test_2_7_1_the_lower_channel_max_counts() -> None:
    """The maximum channel number that can be used on the connection is the lower of both."""
    wire = Wire(channel_max=5)
    wire.start(wire.connection.open())
    wire.say(AMQP_HEADER, spoken("10", "a1 02 's1'", "40", "40", "60 00 03"))
    assert wire.connection.negotiated_channel_max == 3


def test_5_3_1_a_header_of_another_layer_is_refused() -> None:
    """A peer that wants SASL where none was asked for is told what is spoken."""
    wire = Wire()
    assert wire.say(SASL_HEADER) == [AMQP_HEADER]
    assert wire.connection.finished
