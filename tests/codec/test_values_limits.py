"""The limits of decoding and encoding, one by one; that sizes and counts which lie cost nothing."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from amqp10._codec import DEFAULT_MAX_DEPTH, DEFAULT_MAX_ELEMENTS, decode, encode
from amqp10.errors import DecodeError, EncodeError
from amqp10.types import Array, Described, Map, Symbol, UInt

DEEPEST = 256


def nested_lists(depth: int) -> Any:
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


def nested_maps(depth: int) -> Any:
    value: Any = {}
    for _ in range(depth - 1):
        value = {"k": value}
    return value


def nested_arrays(depth: int) -> Any:
    value = Array("uint")
    for _ in range(depth - 1):
        value = Array("array", [value])
    return value


def nested_described(depth: int) -> Any:
    value: Any = None
    for _ in range(depth):
        value = Described(1, value)
    return value


def nested_descriptors(depth: int) -> Any:
    value: Any = Symbol("x")
    for _ in range(depth):
        value = Described(value, None)
    return value


def nested_keys(depth: int) -> Any:
    value: Any = Map([([], 1)])
    for _ in range(depth - 2):
        value = Map([(value, 1)])
    return value


def array_descriptors(depth: int) -> Any:
    descriptors = tuple(Symbol(str(index)) for index in range(depth - 1))
    return Array("uint", [], descriptors if len(descriptors) > 1 else descriptors[0])


NESTINGS = [
    nested_lists, nested_maps, nested_arrays, nested_described, nested_descriptors, nested_keys, array_descriptors,
]  # fmt: skip


@pytest.mark.parametrize("nest", NESTINGS)
@pytest.mark.parametrize("depth", [2, 7, DEFAULT_MAX_DEPTH])
def test_depth_is_limited_both_ways_alike(nest: Callable[[int], Any], depth: int) -> None:
    value = nest(depth)
    encoded = encode(value, max_depth=depth)
    assert decode(encoded, max_depth=depth) == value
    with pytest.raises(EncodeError, match="nested too deep"):
        encode(value, max_depth=depth - 1)
    with pytest.raises(DecodeError, match="nested too deep") as caught:
        decode(encoded, max_depth=depth - 1)
    assert caught.value.offset is not None
    assert 0 < caught.value.offset < len(encoded)


@pytest.mark.parametrize("nest", NESTINGS)
def test_depth_has_a_default(nest: Callable[[int], Any]) -> None:
    value = nest(DEFAULT_MAX_DEPTH)
    assert decode(encode(value)) == value
    with pytest.raises(EncodeError, match="nested too deep"):
        encode(nest(DEFAULT_MAX_DEPTH + 1))
    with pytest.raises(DecodeError, match="nested too deep"):
        decode(encode(nest(DEFAULT_MAX_DEPTH + 1), max_depth=DEEPEST))


def test_scalar_needs_no_depth() -> None:
    assert decode(encode("a", max_depth=0), max_depth=0) == "a"
    empties: list[Any] = [[], {}, Array("uint")]
    for empty in empties:
        with pytest.raises(EncodeError):
            encode(empty, max_depth=0)
    for encoded in (b"\x45", b"\xc0\x01\x00", b"\xc1\x01\x00", b"\xe0\x02\x00\x40", b"\x00\x44\x40"):
        with pytest.raises(DecodeError):
            decode(encoded, max_depth=0)


@pytest.mark.parametrize("nest", NESTINGS)
def test_greatest_depth_fits_a_small_stack(nest: Callable[[int], Any]) -> None:
    """Threads have 512 KiB of stack on some platforms; compared are bytes, for == recurses in Python."""
    value = nest(DEEPEST)
    results: list[bool] = []

    def there_and_back() -> None:
        encoded = encode(value, max_depth=DEEPEST)
        results.append(encode(decode(encoded, max_depth=DEEPEST), max_depth=DEEPEST) == encoded)

    before = threading.stack_size(512 * 1024)
    try:
        thread = threading.Thread(target=there_and_back)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    assert results == [True]


@pytest.mark.parametrize("depth", [-1, DEEPEST + 1, 2**31, 2**62])
def test_depth_has_bounds_of_its_own(depth: int) -> None:
    with pytest.raises(ValueError, match="max_depth"):
        decode(b"\x40", max_depth=depth)
    with pytest.raises(ValueError, match="max_depth"):
        encode(None, max_depth=depth)


def test_many_nested_descriptors_are_refused() -> None:
    with pytest.raises(DecodeError, match="nested too deep"):
        decode(b"\x00" * 1_000_000)


# --- elements ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", [[None] * 10, Array("ubyte", range(10)), dict.fromkeys(range(5)), Array("null", [None] * 10)]
)
def test_one_count_is_limited(value: Any) -> None:
    encoded = encode(value)
    assert decode(encoded, max_elements=10) == value
    with pytest.raises(DecodeError, match="a count of 10, more than 9"):
        decode(encoded, max_elements=9)


def test_counts_are_not_added_up() -> None:
    value = [[1] * 10, [2] * 10]
    assert decode(encode(value), max_elements=10) == value


@pytest.mark.parametrize("code", ["40", "41", "42", "43", "44", "45"])
def test_elements_without_bytes_are_added_up(code: str) -> None:
    """Five bytes may make as many of them as they like."""
    array = bytes.fromhex(f"e0 02 06 {code}")
    encoded = bytes([0xC0, 2 * len(array) + 1, 2]) + array * 2
    assert len(decode(encoded, max_elements=12)) == 2
    with pytest.raises(DecodeError, match="6 elements without bytes, 5 more allowed") as caught:
        decode(encoded, max_elements=11)
    assert caught.value.offset == len(encoded)


def test_elements_have_a_default() -> None:
    encoded = encode([None] * DEFAULT_MAX_ELEMENTS)
    assert len(decode(encoded)) == DEFAULT_MAX_ELEMENTS
    with pytest.raises(DecodeError, match="a count of"):
        decode(encode([None] * (DEFAULT_MAX_ELEMENTS + 1)))
    decode(encode([None] * (DEFAULT_MAX_ELEMENTS + 1)), max_elements=DEFAULT_MAX_ELEMENTS + 1)


def test_elements_may_not_be_negative() -> None:
    with pytest.raises(ValueError, match="max_elements"):
        decode(b"\x40", max_elements=-1)


@pytest.mark.parametrize("text", [f"f0 00000005 {0x10000:08x} 40", f"d0 {0x10004:08x} {0x10000:08x}" + "40" * 0x10000])
def test_65536_elements_are_accepted(text: str) -> None:
    assert len(decode(bytes.fromhex(text))) == 65536


# --- size -------------------------------------------------------------------------------------------------------------


def test_size_is_limited() -> None:
    encoded = encode("a" * 10)
    assert decode(encoded, max_size=12) == "a" * 10
    assert decode(encoded, max_size=None) == "a" * 10
    with pytest.raises(DecodeError, match="12 bytes, more than 11") as caught:
        decode(encoded, max_size=11)
    assert caught.value.offset == 0


# --- what only claims to be large -------------------------------------------------------------------------------------

# Elements and bytes that are not there: refused whatever the limits.
CLAIMS = [
    "f0 00000009 7fffffff 70 00000000",
    "f0 00000009 3fffffff d0 00000000",
    "f0 00000005 ffffffff 50",
    "d0 00000005 7fffffff 40",
    "d0 ffffffff 7fffffff 40",
    "d0 7fffffff 00000001 40",
    "d1 00000006 7ffffffe 40 40",
    "d1 00000006 fffffffe 40 40",
    "b0 7fffffff 00",
    "b1 ffffffff 00",
    "b3 ffffffff 00",
    "e0 05 c8 50 01 02 03",
    "e0 06 ff e0 03 01 50 00",
    "c0 04 ff c0 ff ff",
]
# Elements that need no bytes: refused by the limit.
WIDTHLESS = [
    *(f"f0 00000005 {count} {code}" for code in (40, 41, 43, 44, 45) for count in ("7fffffff", "00100001")),
    "e0 0c ff f0 00000007 ffffffff 40 0000",
    "f0 00000010 00000003 f0 00000007 ffffffff 40 0000",
]


def peak_of_refusal(encoded: bytes, **limits: int) -> int:
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError):
            decode(encoded, **limits)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("text", CLAIMS)
def test_claim_costs_nothing(text: str) -> None:
    assert peak_of_refusal(bytes.fromhex(text), max_elements=2**32) < 50_000


@pytest.mark.parametrize("text", WIDTHLESS)
def test_elements_without_bytes_cost_nothing_beyond_the_limit(text: str) -> None:
    assert peak_of_refusal(bytes.fromhex(text)) < 50_000


def test_nested_arrays_are_encoded_in_linear_time() -> None:
    """Were an element tried in the narrow form first, each level would double the work."""
    value = Array("binary", [b"x" * 300])
    for _ in range(50):
        value = Array("array", [value])
    assert decode(encode(value)) == value


def test_memory_of_a_large_value_is_given_back() -> None:
    tracemalloc.start()
    try:
        encode(b"x" * 10_000_000)
        encode(UInt(1))
        current, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert current < 1_000_000
