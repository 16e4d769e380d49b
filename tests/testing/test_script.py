"""Steps of a script: what they compare, how they describe themselves."""

from math import inf
from typing import Any

import pytest

from amqp10.performatives import Attach, Close, Flow, Open, SaslOutcome
from amqp10.terminus import Source
from amqp10.testing import ANY, AtLeast, HasAddress, ScriptedPeer
from amqp10.testing.script import (
    Act,
    AnyOrder,
    Arrival,
    BytesPattern,
    EmptyPattern,
    EndPattern,
    Expectation,
    FramePattern,
    HeaderPattern,
    Pattern,
    Wait,
    compare,
    origin,
)
from amqp10.testing.wire import AMQP_HEADER, EMPTY_FRAME, frame_bytes
from tests.testing.hand import attach, flow, opened

CLOSE = frame_bytes("02 00 00 00  00 53 18 45")


class Silent:
    """Sends nothing."""

    def answer(self, arrival: Arrival, kind: Any, fields: Any) -> None:
        raise NotImplementedError

    def react(self, reaction: Any, arrival: Arrival) -> None:
        raise NotImplementedError


def expectation(pattern: Pattern) -> Expectation[Any]:
    return Expectation(pattern, Silent())


def arrivals() -> dict[str, Arrival]:
    """Returns one arrival of each sort, as a listener makes them."""
    peer, hand = opened()
    expected = peer.expect(Flow)
    hand.say(flow(), channel=3)
    fresh = ScriptedPeer()
    header = fresh.expect_header()
    fresh.receive_data(AMQP_HEADER)
    return {
        "end": Arrival(b""),
        "empty": Arrival(EMPTY_FRAME),
        "flow": expected.arrival,
        "header": header.arrival,
    }


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        (FramePattern(Flow, ANY, ANY, {}), "flow"),
        (HeaderPattern(0), "header"),
        (EmptyPattern(), "empty"),
        (EndPattern(), "end"),
        (BytesPattern(AMQP_HEADER), "header"),
        (BytesPattern(EMPTY_FRAME), "empty"),
    ],
)
def test_patterns_match_what_they_mean_and_nothing_else(pattern: Pattern, meant: str) -> None:
    found = [name for name, arrival in arrivals().items() if expectation(pattern).matches(arrival)]
    assert found == [meant]


def test_frames_are_compared_field_by_field() -> None:
    peer, hand = opened()
    seen = peer.expect_attach()
    hand.say(attach("x", role=True), channel=3, payload=b"")
    pattern = FramePattern(Attach, 3, b"", {"name": "y", "handle": AtLeast(0), "source": HasAddress("q")})
    differences = pattern.compare(seen.arrival)
    assert differences is not None
    assert [(item.name, item.agrees) for item in differences] == [
        ("channel", True),
        ("name", False),
        ("handle", True),
        ("source", True),
        ("payload", True),
    ]
    assert FramePattern(Flow, ANY, ANY, {}).compare(seen.arrival) is None


def test_classes_and_predicates_stand_for_values() -> None:
    peer, hand = opened()
    seen = peer.expect_attach(source=Source, name=lambda name: name.startswith("x"), target=ANY, role=bool)
    hand.say(attach("xy", role=True), channel=3)
    assert seen.count == 1


def test_compare() -> None:
    difference = compare("n", [1, ANY], [1, 2])
    assert (difference.agrees, difference.expected, difference.received) == (True, "[1, ANY]", "[1, 2]")


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (expectation(FramePattern(Flow, ANY, ANY, {"echo": True})), "expect Flow(echo=True)"),
        (expectation(FramePattern(Close, 3, b"x", {})), "expect Close(channel=3, payload=b'x')"),
        (expectation(HeaderPattern(3)), "expect header of protocol 3"),
        (expectation(EmptyPattern()).optional(), "expect empty frame, 0 to 1 times"),
        (expectation(EndPattern()).times(2), "expect end of the connection, 2 times"),
        (expectation(EndPattern()).times(1, inf), "expect end of the connection, 1 to inf times"),
        (expectation(BytesPattern(b"\x01\xff")), "expect exactly 01 ff"),
        (Act(lambda: None, "send it"), "send it"),
        (Wait(0.5), "wait 0.5 s"),
    ],
)
def test_steps_describe_themselves(step: object, text: str) -> None:
    assert str(step) == text
    assert repr(step).startswith(f"<{text} (test_script.py:")


def test_any_order_describes_what_is_left() -> None:
    group = AnyOrder()
    group.expectations = [expectation(EmptyPattern()), expectation(EndPattern())]
    assert str(group) == "in any order: expect empty frame; expect end of the connection"
    group.expectations[0].take(Arrival(EMPTY_FRAME))
    assert str(group) == "in any order: expect end of the connection"
    assert (group.holds_up, group.is_done) == (True, False)
    group.expectations[1].take(Arrival(b""))
    assert (group.holds_up, group.is_done) == (False, True)


def test_steps_know_where_they_were_written() -> None:
    line = test_steps_know_where_they_were_written.__code__.co_firstlineno
    assert origin() == f"test_script.py:{line + 2}"
    assert ScriptedPeer().expect_sender().origin == f"test_script.py:{line + 3}"
    assert Wait(1).origin == f"test_script.py:{line + 4}"


def test_an_expectation_counts() -> None:
    step = expectation(EmptyPattern()).times(2, 3)
    states = []
    for _ in range(4):
        states.append((step.count, step.holds_up, step.is_done, len(list(step.open_expectations()))))
        step.take(Arrival(EMPTY_FRAME))
    assert states == [(0, True, False, 1), (1, True, False, 1), (2, False, False, 1), (3, False, True, 0)]


def test_an_expectation_does_not_keep_everything() -> None:
    step = expectation(EmptyPattern()).times(0, inf)
    for _ in range(1001):
        step.take(Arrival(EMPTY_FRAME))
    assert (step.count, len(step.arrivals)) == (1001, 1000)


def test_an_expectation_of_no_frame_has_no_channel() -> None:
    step = expectation(EmptyPattern())
    step.take(Arrival(EMPTY_FRAME))
    for ask in ("channel", "payload", "link", "session"):
        with pytest.raises(AssertionError, match="expect empty frame"):
            getattr(step, ask)
    assert step.frame is None


def test_what_has_no_answer_is_said_at_once() -> None:
    with pytest.raises(TypeError, match="no answer to SaslOutcome is known"):
        ScriptedPeer().expect(SaslOutcome).respond()
    with pytest.raises(TypeError, match="Close has no field"):
        ScriptedPeer().expect(Open).respond(Close, name="x")
