"""Sequence arithmetic modulo 2**32."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqp10.engine.serial import MASK, add, difference

NUMBERS = st.integers(0, MASK)


@pytest.mark.parametrize(
    ("number", "other", "apart"),
    [
        (0, 0, 0),
        (1, 0, 1),
        (0, 1, -1),
        (0, MASK, 1),
        (MASK, 0, -1),
        (3, 0xFFFFFFFC, 7),
        (0x7FFFFFFF, 0, 0x7FFFFFFF),
        (0x80000001, 0, -0x7FFFFFFF),
    ],
)
def test_differences_are_small_across_the_wrap(number: int, other: int, apart: int) -> None:
    assert difference(number, other) == apart


@given(NUMBERS, st.integers(-0x7FFFFFFF, 0x7FFFFFFF))
def test_what_is_added_is_the_difference(number: int, step: int) -> None:
    assert difference(add(number, step), number) == step
    assert 0 <= add(number, step) <= MASK
