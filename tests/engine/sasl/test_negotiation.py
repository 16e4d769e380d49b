"""The exchange of SASL frames, from both ends."""

from __future__ import annotations

from typing import Any

import pytest

from amqp10.engine.sasl.anonymous import Anonymous, AnonymousServer
from amqp10.engine.sasl.mechanism import ClientMechanism, Exchange, ServerMechanism, Verdict
from amqp10.engine.sasl.negotiation import SaslClient, SaslServer, UnexpectedSaslFrame
from amqp10.engine.sasl.plain import Plain, PlainServer
from amqp10.performatives import SaslChallenge, SaslInit, SaslMechanisms, SaslOutcome, SaslResponse
from amqp10.types import Symbol


def offer(*names: str) -> SaslMechanisms:
    """Make the server's offer."""
    return SaslMechanisms(sasl_server_mechanisms=[Symbol(name) for name in names])


def test_the_client_takes_the_first_of_its_mechanisms_that_is_offered() -> None:
    client = SaslClient([Plain("u", "p"), Anonymous()], "host")
    (init,) = client.receive(offer("EXTERNAL", "ANONYMOUS"))
    assert init == SaslInit(mechanism=Symbol("ANONYMOUS"), initial_response=b"anonymous", hostname="host")
    assert client.receive(SaslOutcome(code=0)) == []
    assert client.done
    assert client.mechanism == "ANONYMOUS"


def test_the_client_says_what_was_offered_where_nothing_fits() -> None:
    client = SaslClient([Plain("u", "p")])
    assert client.receive(offer("EXTERNAL", "GSSAPI")) == []
    assert str(client.error) == "the server offers the mechanisms EXTERNAL, GSSAPI; we have PLAIN"
    assert client.error is not None
    assert (client.error.code, client.error.mechanism, client.error.retryable) == (None, None, False)


@pytest.mark.parametrize(
    ("code", "text", "retryable"),
    [
        (1, "the credentials were refused", False),
        (2, "a system error at the server", False),
        (3, "a permanent system error at the server", False),
        (4, "a passing system error at the server", True),
        (9, "code 9", False),
    ],
)
def test_a_refusal_says_why_and_whether_to_try_again(code: int, text: str, retryable: bool) -> None:
    client = SaslClient([Plain("u", "p")])
    client.receive(offer("PLAIN"))
    client.receive(SaslOutcome(code=code, additional_data=b"try \xff later"))
    assert not client.done
    assert client.error is not None
    assert str(client.error) == f"SASL PLAIN failed: {text}: try � later"
    assert (client.error.code, client.error.mechanism, client.error.retryable) == (code, "PLAIN", retryable)


@pytest.mark.parametrize(
    ("before", "frame"),
    [
        ([], SaslOutcome(code=0)),
        ([], SaslChallenge(challenge=b"")),
        ([offer("PLAIN")], offer("PLAIN")),
        ([], SaslInit(mechanism=Symbol("PLAIN"))),
        ([offer("PLAIN")], SaslResponse(response=b"")),
    ],
)
def test_the_client_takes_no_frame_out_of_order(before: list[Any], frame: Any) -> None:
    client = SaslClient([Plain("u", "p")])
    for each in before:
        client.receive(each)
    with pytest.raises(UnexpectedSaslFrame, match="out of order"):
        client.receive(frame)


def test_no_mechanism_at_all_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="at least one mechanism"):
        SaslClient([])


class Riddle(ClientMechanism):
    """Answers a challenge backwards, and wants proof at the end."""

    name = "RIDDLE"

    def start(self) -> Exchange:
        return RiddleExchange()


class RiddleExchange(Exchange):
    def initial_response(self) -> None:
        return None

    def respond(self, challenge: bytes) -> bytes:
        if not challenge:
            raise ValueError("there is no riddle")
        return challenge[::-1]

    def finish(self, additional_data: bytes | None) -> None:
        if additional_data != b"proof":
            raise ValueError("the server gave no proof")


def riddling_client() -> SaslClient:
    """Make a client that has chosen the riddle."""
    client = SaslClient([Riddle()])
    assert client.receive(offer("RIDDLE")) == [SaslInit(mechanism=Symbol("RIDDLE"))]
    return client


def test_challenges_are_answered() -> None:
    client = riddling_client()
    assert client.receive(SaslChallenge(challenge=b"abc")) == [SaslResponse(response=b"cba")]
    client.receive(SaslOutcome(code=0, additional_data=b"proof"))
    assert client.done


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (SaslChallenge(challenge=b""), "there is no riddle"),
        (SaslOutcome(code=0), "the server gave no proof"),
    ],
)
def test_a_mechanism_that_is_not_content_fails_the_exchange(frame: Any, text: str) -> None:
    client = riddling_client()
    assert client.receive(frame) == []
    assert not client.done
    assert str(client.error) == f"SASL RIDDLE failed: {text}"


def test_the_server_offers_and_lets_in() -> None:
    server = SaslServer([PlainServer(lambda *words: words == ("u", "p")), AnonymousServer()])
    assert server.start() == [offer("PLAIN", "ANONYMOUS")]
    assert server.receive(SaslInit(mechanism=Symbol("PLAIN"), initial_response=b"\0u\0p")) == [SaslOutcome(code=0)]
    assert (server.done, server.identity, server.mechanism) == (True, "u", "PLAIN")


@pytest.mark.parametrize(
    "init",
    [
        SaslInit(mechanism=Symbol("PLAIN"), initial_response=b"\0u\0wrong"),
        SaslInit(mechanism=Symbol("EXTERNAL"), initial_response=b""),
    ],
)
def test_the_server_refuses(init: SaslInit) -> None:
    server = SaslServer([PlainServer(lambda *words: words == ("u", "p"))])
    assert server.receive(init) == [SaslOutcome(code=1)]
    assert not server.done
    assert server.error is not None
    assert server.error.code == 1


def test_the_server_asks_for_a_response_that_was_left_out() -> None:
    server = SaslServer([PlainServer(lambda *_: True)])
    assert server.receive(SaslInit(mechanism=Symbol("PLAIN"))) == [SaslChallenge(challenge=b"")]
    assert server.receive(SaslResponse(response=b"\0u\0p")) == [SaslOutcome(code=0)]
    assert server.identity == "u"


class Endless(ServerMechanism):
    """Never has enough."""

    name = "ENDLESS"

    def step(self, response: bytes | None) -> Verdict:
        return Verdict(challenge=b"again")


def test_a_server_does_not_ask_for_ever() -> None:
    server = SaslServer([Endless()])
    (answer,) = server.receive(SaslInit(mechanism=Symbol("ENDLESS")))
    asked = 0
    while isinstance(answer, SaslChallenge):
        asked += 1
        assert asked < 100
        (answer,) = server.receive(SaslResponse(response=b""))
    assert answer == SaslOutcome(code=1)


@pytest.mark.parametrize("frame", [SaslResponse(response=b""), SaslOutcome(code=0), offer("PLAIN")])
def test_the_server_takes_no_frame_out_of_order(frame: Any) -> None:
    with pytest.raises(UnexpectedSaslFrame, match="out of order"):
        SaslServer([AnonymousServer()]).receive(frame)
