"""Values that equal more than one value."""

import pytest

from amqp10.performatives import Error, Flow
from amqp10.terminus import Source, Target
from amqp10.testing import (
    ANY,
    PRESENT,
    AtLeast,
    AtMost,
    Contains,
    Has,
    HasAddress,
    HasBody,
    Matcher,
    OneOf,
    data_section,
)
from amqp10.testing.matchers import InstanceOf, Satisfies, check_fields, matcher_of
from amqp10.types import Symbol

NOT_FOUND = Error(condition=Symbol("amqp:not-found"), description="no such queue")


@pytest.mark.parametrize(
    ("matcher", "good", "bad"),
    [
        (ANY, [None, 1, "x", Source()], []),
        (PRESENT, [0, "", False], [None]),
        (AtLeast(3), [3, 4], [2, None, "4"]),
        (AtMost(3), [3, -1], [4, None]),
        (OneOf(1, None, AtLeast(9), str), [1, None, 9, "x"], [2, b"x"]),
        (Contains("a", "b"), ["abc", ["b", "a"], {"a": 1, "b": 2}], ["a", [], None, 7]),
        (Has(Error, condition="amqp:not-found"), [NOT_FOUND], [Error(condition=Symbol("x")), None, Source()]),
        (Has(Error), [NOT_FOUND], [None]),
        (Has(Error, description=Contains("queue"), info=None), [NOT_FOUND], [Error(condition=Symbol("x"))]),
        (HasAddress("q"), [Source(address="q"), Target(address="q")], [Source(), Source(address="Q"), None]),
        (HasAddress(Contains("x")), [Source(address="xy")], [Source(address="y"), Source()]),
        (HasBody(b"hi"), [data_section(b"hi")], [data_section(b"ho"), b"hi", None, b""]),
        (HasBody(None), [bytes.fromhex("00537740")], [data_section(b"")]),
        (InstanceOf(Source), [Source()], [Target(), None]),
        (Satisfies(lambda value: value == 2), [2], [3, None]),
    ],
    ids=repr,
)
def test_matchers(matcher: Matcher, good: list[object], bad: list[object]) -> None:
    assert [value for value in good if matcher != value] == []
    assert [value for value in bad if matcher == value] == []


def test_matchers_within_values() -> None:
    assert Source(address=ANY, durable=2) == Source(address="q", durable=2)
    assert Source(address=ANY, durable=3) != Source(address="q", durable=2)
    assert [1, ANY] == [1, 2]
    assert {"a": AtMost(1)} != {"a": 2}


def test_a_matcher_of_ones_own() -> None:
    class Even(Matcher):
        def matches(self, value: object) -> bool:
            return isinstance(value, int) and value % 2 == 0

    assert Even() == 4
    assert Even() != 3
    assert repr(Even()) == "Even()"


def test_what_stands_for_a_matcher() -> None:
    assert repr(matcher_of(Source)) == "InstanceOf(Source)"
    assert repr(matcher_of(test_matchers)).startswith("Satisfies(test_matchers at test_matchers.py:")
    source = Source()
    assert matcher_of(source) is source
    assert matcher_of(ANY) is ANY


@pytest.mark.parametrize(
    ("matcher", "text"),
    [
        (ANY, "ANY"),
        (PRESENT, "PRESENT"),
        (AtLeast(3), "AtLeast(3)"),
        (OneOf("a", None), "OneOf('a', None)"),
        (Has(Error, condition="x", info=ANY), "Has(Error, condition='x', info=ANY)"),
        (HasAddress("q"), "HasAddress('q')"),
    ],
)
def test_texts(matcher: Matcher, text: str) -> None:
    assert repr(matcher) == text


def test_fields_are_checked_by_name() -> None:
    check_fields(Flow, {"link_credit": 1})
    with pytest.raises(TypeError, match="Flow has no field 'credit'; it has next_incoming_id, "):
        check_fields(Flow, {"credit": 1})
    with pytest.raises(TypeError, match="Error has no field 'code'"):
        Has(Error, code=1)
