"""Security: the SASL layer (§5.3)."""

from __future__ import annotations

import pytest

from amqp10.engine.sasl import Anonymous, AnonymousServer, Plain, PlainServer, SaslClient, SaslServer
from amqp10.errors import AuthenticationError, PeerViolation
from amqp10.testing.wire import AMQP_HEADER, SASL_HEADER, frame_bytes, hex_bytes
from tests.spec.wire import Wire, listed


def sasl(code: str, *fields: str) -> bytes:
    """Return a SASL frame."""
    return frame_bytes(f"02 01 00 00  {listed(code, *fields)}")


OFFER = sasl("40", "e0 12 02 a3 05 'PLAIN' 09 'ANONYMOUS'")


def client() -> Wire:
    """Make a client that has said its SASL header."""
    wire = Wire(sasl=SaslClient([Plain("u", "p")]))
    wire.start(wire.connection.open())
    assert wire.hear() == [SASL_HEADER]
    return wire


def test_5_3_2_the_exchange_of_a_client() -> None:
    """Header, mechanisms, init, outcome; then the AMQP header and open."""
    wire = client()
    assert wire.say(SASL_HEADER, OFFER) == [sasl("41", "a3 05 'PLAIN'", "a0 04 00 'u' 00 'p'")]
    header, opened = wire.say(sasl("44", "50 00"))
    assert header == AMQP_HEADER
    assert opened[4:11] == hex_bytes("02 00 00 00  00 53 10")


def test_5_3_2_the_exchange_of_a_server() -> None:
    """The same from the other end."""
    wire = Wire(sasl=SaslServer([PlainServer(lambda *words: words == ("u", "p")), AnonymousServer()]))
    wire.start(wire.connection.open())
    assert wire.say(SASL_HEADER) == [SASL_HEADER, OFFER]
    outcome, header, opened = wire.say(sasl("41", "a3 05 'PLAIN'", "a0 04 00 'u' 00 'p'"))
    assert outcome == sasl("44", "50 00")
    assert header == AMQP_HEADER
    assert opened[4:11] == hex_bytes("02 00 00 00  00 53 10")


@pytest.mark.parametrize("code", [1, 2, 3, 4])
def test_5_3_3_5_an_outcome_other_than_ok_ends_it(code: int) -> None:
    """The server will close the connection; and so does the client, with the code for its user."""
    wire = client()
    wire.say(SASL_HEADER, OFFER)
    assert wire.say(sasl("44", f"50 {code:02x}")) == []
    error = wire.connection.error
    assert isinstance(error, AuthenticationError)
    assert error.code == code
    assert wire.connection.finished


def test_5_3_3_1_one_mechanism_may_come_without_an_array() -> None:
    """Multiple fields hold one value as itself (types.xml, Composite Types)."""
    wire = Wire(sasl=SaslClient([Anonymous()]))
    wire.start(wire.connection.open())
    wire.hear()
    assert wire.say(SASL_HEADER, sasl("40", "a3 09 'ANONYMOUS'")) == [
        sasl("41", "a3 09 'ANONYMOUS'", "a0 09 'anonymous'"),
    ]


def test_5_3_1_a_sasl_frame_has_512_bytes_at_most() -> None:
    """The maximum size of a SASL frame is defined by MIN-MAX-FRAME-SIZE."""
    wire = client()
    wire.say(SASL_HEADER, frame_bytes("02 01 00 00 00 53 40 d0 00 00 02 08 00 00 00 01 b3 00 00 01 ff" + " 41" * 511))
    assert isinstance(wire.connection.error, PeerViolation)
    assert wire.connection.error.condition == "amqp:connection:framing-error"


def test_5_3_1_an_amqp_frame_has_no_place_in_sasl() -> None:
    """Until the outcome only frames of type 1 are exchanged."""
    wire = client()
    wire.say(SASL_HEADER, frame_bytes("02 00 00 00  00 53 18 45"))
    assert isinstance(wire.connection.error, PeerViolation)


def test_5_3_2_a_peer_without_sasl_is_told_apart() -> None:
    """A server that answers the SASL header with AMQP's cannot authenticate."""
    wire = client()
    wire.say(AMQP_HEADER)
    assert isinstance(wire.connection.error, PeerViolation)
    assert "the peer speaks AMQP 1.0.0; we need SASL 1.0.0" in str(wire.connection.error)
