"""What each mechanism puts on the wire, and whom it lets in."""

from __future__ import annotations

from typing import Any

import pytest

from amqp10.engine.sasl import Plain
from amqp10.engine.sasl.anonymous import Anonymous, AnonymousServer
from amqp10.engine.sasl.external import External, ExternalServer
from amqp10.engine.sasl.mechanism import Exchange, Verdict
from amqp10.engine.sasl.plain import PlainServer


def test_anonymous_sends_its_trace() -> None:
    assert Anonymous().start().initial_response() == b"anonymous"
    assert Anonymous("who@where").start().initial_response() == b"who@where"


def test_anonymous_lets_everybody_in() -> None:
    assert AnonymousServer().step(None) == Verdict(identity="anonymous")


def test_plain_is_written_as_rfc_4616_says() -> None:
    assert Plain("tim", "tanstaaftanstaaf").start().initial_response() == b"\0tim\0tanstaaftanstaaf"
    assert Plain("Kurt", "xipj3plmq", "Ursel").start().initial_response() == b"Ursel\0Kurt\0xipj3plmq"
    assert Plain("ä", "ß").start().initial_response() == "\0ä\0ß".encode()


@pytest.mark.parametrize("words", [("", "p"), ("u\0", "p"), ("u", "p\0"), ("u", "p", "\0")])
def test_plain_refuses_what_it_cannot_write(words: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match=r"user name"):
        Plain(*words)


def test_plain_never_shows_its_password() -> None:
    mechanism = Plain("user", "hush-hush")
    assert "hush" not in repr(mechanism) + str(mechanism) + repr(mechanism.start())


def test_plain_needs_encryption_unless_it_was_allowed_without() -> None:
    assert Plain("u", "p").needs_encryption
    assert not Plain("u", "p", allow_clear_text=True).needs_encryption
    assert not Anonymous().needs_encryption
    assert not External().needs_encryption


@pytest.mark.parametrize(
    ("response", "verdict"),
    [
        (b"\0user\0right", Verdict(identity="user")),
        (b"boss\0user\0right", Verdict(identity="boss")),
        (b"\0user\0wrong", Verdict()),
        (b"\0\0right", Verdict()),
        (b"user\0right", Verdict()),
        (b"\0user\0right\0", Verdict()),
        (b"\0\xff\0right", Verdict()),
        (None, Verdict(challenge=b"")),
    ],
)
def test_plain_lets_in_whom_the_callable_knows(response: bytes | None, verdict: Verdict) -> None:
    server = PlainServer(lambda user, password: (user, password) == ("user", "right"))
    assert server.step(response) == verdict


def test_external_sends_an_empty_response_rather_than_none() -> None:
    assert External().start().initial_response() == b""
    assert External("boss").start().initial_response() == b"boss"


@pytest.mark.parametrize(
    ("response", "verdict"),
    [
        (b"", Verdict(identity="certificate")),
        (b"boss", Verdict()),
        (b"\xff", Verdict()),
        (None, Verdict(challenge=b"")),
    ],
)
def test_external_asks_who_the_transport_says_it_is(response: bytes | None, verdict: Verdict) -> None:
    assert ExternalServer(lambda asked: None if asked else "certificate").step(response) == verdict


class Plainest(Exchange):
    """An exchange with nothing of its own."""

    def initial_response(self) -> None:
        """Have none."""


def test_an_exchange_without_challenges_refuses_them_and_asks_nothing_of_the_outcome() -> None:
    with pytest.raises(ValueError, match="no challenges"):
        Plainest().respond(b"")
    Plainest().finish(b"whatever")
