"""What a peer does wrong on a connection is answered, never raised."""

import pytest

from amqp10.engine.sasl import Plain, PlainServer, SaslClient, SaslServer
from amqp10.engine.states import ConnectionState
from amqp10.errors import Condition, ConnectionClosed, PeerViolation, TransportError
from amqp10.options import Limits
from amqp10.performatives import Close, Detach, End, Error, Transfer
from amqp10.testing.wire import AMQP_HEADER, SASL_HEADER, frame_bytes
from amqp10.types import Symbol
from tests.engine.rig import Rig, attach, begin
from tests.pair import Pair, send, take_all

INIT = frame_bytes("02 01 00 00  00 53 41 c0 10 02 a3 05 'PLAIN' a0 06 00 'u' 00 'pwd'")
RESPONSE = frame_bytes("02 01 00 00  00 53 43 c0 09 01 a0 06 00 'u' 00 'pwd'")
OPEN = frame_bytes("02 00 00 00  00 53 10 c0 07 01 a1 04 'test'")
CLOSE = frame_bytes("02 00 00 00  00 53 18 45")


def server() -> SaslServer:
    return SaslServer([PlainServer(lambda user, password: True)])


def test_sasl_frames_that_come_before_open_is_called() -> None:
    rig = Rig(sasl=server())
    rig.receive(SASL_HEADER + INIT)
    assert isinstance(rig.connection.error, PeerViolation)
    assert rig.connection.finished


def test_the_mechanisms_follow_our_header_even_where_the_client_was_faster() -> None:
    rig = Rig(sasl=server())
    rig.receive(SASL_HEADER)
    assert rig.hear_raw() == b""
    rig.start(rig.connection.open())
    assert rig.hear_raw() == SASL_HEADER + frame_bytes("02 01 00 00  00 53 40 c0 0b 01 e0 08 01 a3 05 'PLAIN'")


def test_a_response_after_the_outcome_gets_no_second_outcome() -> None:
    rig = Rig(sasl=server())
    rig.start(rig.connection.open())
    rig.receive(SASL_HEADER + INIT)
    rig.hear_raw()
    rig.receive(RESPONSE)
    assert rig.connection.error is not None
    assert b"\x00\x53\x44" not in rig.hear_raw()


@pytest.mark.parametrize("sasl", [False, True])
def test_a_server_answers_what_is_no_header_with_its_own(sasl: bool) -> None:
    rig = Rig(sasl=server() if sasl else None)
    rig.receive(b"GET / HTTP/1.1\r\n")
    assert rig.hear_raw() == (SASL_HEADER if sasl else AMQP_HEADER)
    assert rig.connection.finished


def test_an_open_while_discarding_is_discarded() -> None:
    rig = Rig().open()
    rig.start(rig.connection.close(Error(condition=Symbol("amqp:internal-error"))))
    rig.receive(OPEN)
    assert rig.connection.state is ConnectionState.DISCARDING
    rig.receive(CLOSE)
    assert rig.connection.finished


def test_open_on_another_channel_than_0() -> None:
    rig = Rig()
    rig.start(rig.connection.open())
    rig.receive(AMQP_HEADER + frame_bytes("02 00 00 01  00 53 10 c0 07 01 a1 04 'test'"))
    close = rig.hear()[-1]
    assert (type(close), close.error.condition) == (Close, Condition.FRAMING_ERROR)


def test_a_channel_beyond_channel_max_is_a_framing_error_whatever_comes_on_it() -> None:
    rig = Rig(channel_max=7).open()
    rig.say(End(), channel=8)
    assert rig.hear_one(Close).error.condition == Condition.FRAMING_ERROR


def test_a_name_that_the_peer_cannot_take_back_ends_the_connection() -> None:
    rig = Rig().open(max_frame_size=512)
    rig.on_link = None
    session = rig.begin_remote()
    name = "n" * 1000
    rig.say(attach(name, 0, role=False, initial_delivery_count=0))
    rig.say(Transfer(handle=0, delivery_id=0, delivery_tag=b"t"), payload=b"\0\x53\x75\xa0\0")  # without credit
    assert rig.hear_one(Close).error.condition == Condition.TRANSFER_LIMIT_EXCEEDED
    assert session.error is rig.connection.error


def test_a_peer_that_makes_us_answer_and_never_reads_is_cut_off() -> None:
    rig = Rig(limits=Limits(max_output=1000)).open()
    count = 0
    while not rig.connection.finished and count < 10_000:
        count += 1
        rig.say(begin())
        rig.say(attach("x", 0, role=True))
        rig.say(Detach(handle=0, closed=True))
        rig.say(End())
    assert 10 < count < 1000
    error = rig.connection.error
    assert isinstance(error, PeerViolation)
    assert error.condition == Condition.RESOURCE_LIMIT_EXCEEDED
    assert rig.hear()[-1].error.condition == Condition.RESOURCE_LIMIT_EXCEEDED


def test_what_we_ask_for_ourselves_does_not_cut_the_peer_off() -> None:
    rig = Rig(limits=Limits(max_output=100)).open()
    for _ in range(100):
        rig.start(rig.connection.new_session().begin())
    rig.say(begin(remote_channel=0))
    assert rig.connection.error is None


def test_the_wait_for_the_peers_close_is_reckoned_from_the_error() -> None:
    rig = Rig(now=100.0).open()
    rig.now = 130.0
    rig.say(End())  # for no session
    assert rig.connection.state is ConnectionState.DISCARDING
    assert rig.tick(130.5) is not None
    assert not rig.connection.finished
    rig.tick(132.0)
    assert rig.connection.finished


def test_a_close_that_cannot_be_encoded_leaves_a_large_message_going() -> None:
    pair = Pair()
    sender, receiver = pair.open_sender(credit=5)
    send(sender, bytes(1_000_000))
    with pytest.raises(ValueError, match="frame"):
        pair.client.connection.start_close(Error(condition=Symbol("x"), description="d" * 100_000))
    pair.pump()
    assert [len(delivery.payload) for delivery in take_all(receiver)] == [1_000_008]
    assert pair.client.connection.error is None


def test_names_for_closed_and_lost() -> None:
    rig = Rig().open()
    rig.connection.start_close()
    assert isinstance(rig.connection.error, ConnectionClosed)
    lost = Rig().open()
    lost.connection.receive_eof()
    assert isinstance(lost.connection.error, TransportError)


def test_credentials_that_cannot_be_encoded_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        Plain("\ud800", "x")
    with pytest.raises(ValueError, match="surrogates"):
        SaslClient([Plain("u", "p")], hostname="\ud800")
