"""Transport: sessions (§2.5) and their flow control (§2.5.6)."""

from __future__ import annotations

import pytest

from amqp10._codec import OutgoingDelivery
from amqp10.engine.states import SessionState
from amqp10.errors import PeerViolation, SessionEndedByPeer
from amqp10.testing.wire import hex_bytes
from tests.spec.wire import ATTACH_RECEIVER, BEGIN, Wire, frame, spoken

END = frame("02 00 00 00  00 53 17 45")


def ended_with(sent: list[bytes], condition: str) -> bool:
    """Tell whether the last frame sent is an end with that condition."""
    return sent[-1][4:11] == hex_bytes("02 00 00 00  00 53 17") and condition.encode() in sent[-1]


def transfer(number: int, *, more: bool = False, handle: int = 0) -> bytes:
    """Spell a transfer frame of the peer's, unsettled, with the body x."""
    body = b"x" if more else hex_bytes("00 53 75 a0 01 'x'")
    fields = (f"52 {handle:02x}", f"70 {number:08x}", "a0 01 't'", "43", "42", "41" if more else "42")
    return spoken("14", *fields, payload=body)


def test_2_5_1_a_session_begins_on_the_lowest_free_channel() -> None:
    """Each end assigns its own channel; ours is the lowest that is free, and free again after the end."""
    wire = Wire().open()
    session = wire.connection.new_session()
    wire.start(session.begin())
    assert wire.hear() == [
        spoken("11", "40", "43", "70 00 00 08 00", "70 00 00 08 00", "70 00 00 ff ff"),
    ]
    wire.say(BEGIN)
    assert wire.connection.new_session().channel == 1
    wire.start(session.end())
    assert wire.say(END) == [END]
    assert wire.connection.new_session().channel == 0


def test_2_5_1_an_answer_names_the_remote_channel() -> None:
    """The remote-channel field MUST be set in the answer, to the channel of the begin that it answers."""
    wire = Wire().open()
    assert wire.say(spoken("11", "40", "43", "52 64", "52 64", channel=7)) == [
        spoken("11", "60 00 07", "43", "70 00 00 08 00", "70 00 00 08 00", "70 00 00 ff ff"),
    ]


def test_2_5_4_an_end_is_answered_by_an_end() -> None:
    """Sessions end automatically when the connection is closed, or by an exchange of end frames."""
    wire = Wire().open()
    session = wire.begin()
    assert wire.say(END) == [END]
    assert session.state is SessionState.ENDED
    assert isinstance(session.error, SessionEndedByPeer)


def test_2_5_4_frames_under_way_after_our_end_do_no_harm() -> None:
    """An endpoint ... SHOULD continue to accept incoming frames ... until it receives the remote end."""
    wire = Wire().open()
    session = wire.begin()
    receiver = wire.receiver(session)
    session.start_end()
    assert wire.say(transfer(0), transfer(1)) == [END]
    assert not receiver.deliveries
    assert wire.say(END) == []
    assert wire.connection.error is None


def test_2_5_5_after_an_end_with_an_error_frames_are_discarded() -> None:
    """DISCARDING: a variant of END SENT where the end is triggered by an error."""
    wire = Wire().open()
    session = wire.begin()
    assert ended_with(wire.say(spoken("16", "52 09")), "amqp:session:unattached-handle")
    assert session.state.name == "DISCARDING"
    assert wire.say(transfer(0)) == []
    assert isinstance(session.error, PeerViolation)
    assert wire.say(END) == []
    assert session.state.name == "ENDED"


def test_2_5_6_the_incoming_window_counts_frames_not_messages() -> None:
    """The incoming-window defines the maximum number of incoming transfer frames."""
    wire = Wire().open()
    session = wire.begin(incoming_window=4)
    receiver = wire.receiver(session, credit=100)
    wire.hear()
    wire.receive(transfer(0, more=True) + transfer(0, more=True) + transfer(0, more=True) + transfer(0))
    assert len(receiver.deliveries) == 1
    assert session.incoming_window.next_id == 4


def test_2_5_6_more_frames_than_the_window_end_the_session() -> None:
    """The peer violated incoming window for the session: amqp:session:window-violation."""
    wire = Wire().open()
    session = wire.begin(incoming_window=4)
    wire.receiver(session, credit=100)
    wire.hear()
    wire.receive(b"".join(transfer(number) for number in range(5)))
    assert ended_with(wire.hear(), "amqp:session:window-violation")


def test_2_5_6_the_window_is_widened_before_the_peer_starves() -> None:
    """A flow restores the window once half of it is used: not earlier, and once."""
    wire = Wire().open()
    session = wire.begin(incoming_window=4)
    wire.receiver(session, credit=100)
    wire.hear()
    assert wire.say(transfer(0)) == []
    assert wire.say(transfer(1)) == [
        spoken("13", "52 02", "52 04", "43", "70 00 00 08 00"),
    ]


def test_2_5_6_our_transfers_stop_at_the_peers_window() -> None:
    """Remote-incoming-window ... reflects the maximum number of outgoing transfers that can be sent."""
    wire = Wire().open()
    session = wire.connection.new_session()
    wire.start(session.begin())
    wire.say(spoken("11", "60 00 00", "43", "52 02", "52 64"))  # incoming-window 2
    sender = wire.sender(session)
    wire.say(spoken("13", "43", "52 02", "43", "52 64", "43", "43", "52 0a"))  # link-credit 10
    for _ in range(2):
        sender.send(OutgoingDelivery(sender.tally, b"x"))
    assert not sender.can_send(1)
    assert len(wire.hear()) == 2
    wire.say(spoken("13", "52 02", "52 02", "43", "52 64"))  # it has seen both, and takes two more
    assert sender.can_send(1)


@pytest.mark.parametrize("seen", ["52 03", "70 ff ff ff fe"])
def test_2_5_6_a_flow_that_acknowledges_what_was_never_sent_ends_the_session(seen: str) -> None:
    """Next-incoming-id is the expected transfer-id of the next incoming transfer frame: no transfer of ours had it."""
    wire = Wire().open()
    wire.begin()
    sent = wire.say(spoken("13", seen, "52 02", "43", "52 64"))
    if seen.startswith("52"):
        assert ended_with(sent, "amqp:session:window-violation")
    else:
        assert sent == []  # before our first transfer: the peer had not seen our begin


def test_2_5_6_an_echo_is_answered() -> None:
    """If set to true then the receiver SHOULD send its state at the earliest convenient opportunity."""
    wire = Wire().open()
    wire.begin()
    assert wire.say(spoken("13", "43", "52 64", "43", "52 64", "40", "40", "40", "40", "42", "41")) == [
        spoken("13", "43", "70 00 00 08 00", "43", "70 00 00 08 00"),
    ]


def test_2_5_7_an_attach_on_a_handle_in_use_ends_the_session() -> None:
    """Amqp:session:handle-in-use: An attach was received using a handle that is already in use."""
    wire = Wire().open()
    session = wire.begin()
    wire.sender(session)
    again = ATTACH_RECEIVER.replace(b"\xa1\x01s", b"\xa1\x01t")
    assert ended_with(wire.say(again), "amqp:session:handle-in-use")


def test_2_7_2_a_handle_beyond_handle_max_is_a_framing_error() -> None:
    """MUST close the connection with the framing-error error-code."""
    wire = Wire().open()
    wire.begin(handle_max=3)
    sent = wire.say(spoken("12", "a1 01 's'", "52 04", "41"))
    assert sent[-1][8:11] == hex_bytes("00 53 18")
    assert b"amqp:connection:framing-error" in sent[-1]
