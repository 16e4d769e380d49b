"""Every value comes back as it went, in value and in type."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqp10._codec import decode, encode
from amqp10.types import Array, Decimal128, ULong
from tests.codec.values import SAMPLES, SCALARS, anything, arrays, assert_same, fixed_decimals, maps, scalars


@given(anything)
def test_value_keeps_value_and_type(value: Any) -> None:
    encoded = encode(value)
    decoded = decode(encoded)
    assert_same(decoded, value)
    assert encode(decoded) == encoded


@given(maps(scalars))
def test_map_keeps_keys_and_their_order(value: Any) -> None:
    assert_same(decode(encode(value)), value)


@given(arrays(scalars))
def test_array_keeps_element_type_and_descriptor(value: Any) -> None:
    encoded = encode(value)
    assert_same(decode(encoded), value)
    assert encode(decode(encoded)) == encoded


@pytest.mark.parametrize("name", SCALARS)
@given(data=st.data())
def test_element_is_the_value_it_is_alone(name: str, data: st.DataObject) -> None:
    value = data.draw(SCALARS[name])
    assert_same(decode(encode(Array(name, [value]))), Array(name, [decode(encode(value))]))


@pytest.mark.parametrize("index", range(len(SAMPLES)))
def test_sample_keeps_value_and_type(index: int) -> None:
    assert_same(decode(encode(SAMPLES[index])), SAMPLES[index])


@given(st.integers(2**63, 2**64 - 1))
def test_int_beyond_long_is_a_ulong(value: int) -> None:
    assert_same(decode(encode(value)), ULong(value))


@given(fixed_decimals(Decimal128).map(Decimal))
def test_plain_decimal_is_a_decimal128(value: Decimal) -> None:
    assert_same(decode(encode(value)), Decimal128(value))


@given(anything, st.sampled_from((bytes, bytearray, memoryview)))
def test_any_buffer_can_be_decoded(value: Any, make: Any) -> None:
    assert_same(decode(make(encode(value))), value)


@given(anything)
def test_nothing_decoded_shares_the_buffer(value: Any) -> None:
    buffer = bytearray(encode(value))
    decoded = decode(buffer)
    buffer[:] = bytes(len(buffer))
    buffer.clear()
    assert_same(decoded, value)
