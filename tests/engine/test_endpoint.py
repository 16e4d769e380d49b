"""Errors as the endpoints keep and tell them."""

from __future__ import annotations

import pytest

from amqp10.engine.endpoint import Endpoint, Violation, local_error, remote_error
from amqp10.errors import Condition, ConnectionClosed, ConnectionClosedByPeer, LinkDetachedByPeer
from amqp10.performatives import Error
from amqp10.types import Symbol


def test_check_raises_a_copy_of_the_error_each_time() -> None:
    endpoint = Endpoint()
    endpoint.check()
    cause = OSError("the wire")
    endpoint.error = ConnectionClosed("over")
    endpoint.error.__cause__ = cause
    raised = []
    for _ in range(2):
        with pytest.raises(ConnectionClosed, match="over") as caught:
            endpoint.check()
        assert caught.value.__cause__ is cause
        raised.append(caught.value)
    assert raised[0] is not raised[1]
    assert endpoint.error not in raised


def test_a_violation_becomes_the_error_of_its_endpoints_level() -> None:
    violation = Violation(Endpoint(), Condition.NOT_ALLOWED, "it did what it must not")
    error = violation.as_error()
    assert (error.level, error.condition) == ("connection", "amqp:not-allowed")
    assert str(error) == "the peer broke the protocol: it did what it must not"


def test_what_the_peer_said_is_in_the_error() -> None:
    said = Error(condition=Symbol("amqp:not-found"), description="no such queue", info={Symbol("queue"): "q"})
    error = remote_error(LinkDetachedByPeer, "the peer closed the link", said)
    assert str(error) == "the peer closed the link: amqp:not-found (no such queue)"
    assert (error.condition, error.description, dict(error.info)) == (
        "amqp:not-found",
        "no such queue",
        {Symbol("queue"): "q"},
    )
    assert (error.level, error.retryable) == ("link", False)


def test_a_peer_that_gives_no_error_is_told_apart() -> None:
    error = remote_error(ConnectionClosedByPeer, "the peer closed the connection", None)
    assert str(error) == "the peer closed the connection without an error"
    assert (error.condition, error.description, error.info) == (None, None, {})


def test_what_we_say_fits_the_smallest_frame_whatever_it_quotes() -> None:
    error = local_error(Condition.NOT_FOUND, "x" * 10_000)
    assert error.condition == Symbol("amqp:not-found")
    assert error.description is not None
    assert len(error.description.encode()) <= 400
