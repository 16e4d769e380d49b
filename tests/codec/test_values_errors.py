"""What cannot be encoded, and where in the value; what is no value, and where in the bytes."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest

from amqp10._codec import decode, encode
from amqp10.errors import AMQPError, Condition, DecodeError, EncodeError
from amqp10.types import Array, Described, Map, Symbol, UInt

NAIVE = dt.datetime(2020, 1, 1)  # noqa: DTZ001 - it is what is refused


class NoOffset(dt.tzinfo):
    def utcoffset(self, when: dt.datetime | None) -> None:
        return None

    def dst(self, when: dt.datetime | None) -> None:
        return None

    def tzname(self, when: dt.datetime | None) -> None:
        return None


class Color(enum.Enum):
    RED = 1


# --- encoding ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (2**64, "18446744073709551616 is out of the range of ulong"),
        (-(2**63) - 1, "-9223372036854775809 is out of the range of long"),
        pytest.param(10**5000, "an int of 16610 bits is out of the range", id="huge"),
        ("\ud800", "a lone surrogate at character 0"),
        ("abc\udfff", "a lone surrogate at character 3"),
        (NAIVE, "needs a datetime with a time zone"),
        (NAIVE.replace(tzinfo=NoOffset()), "needs a datetime with a time zone"),
        (Decimal("1" * 35), "Decimal128 cannot hold 1+ exactly"),
        (Decimal("1E-6177"), "cannot hold 1E-6177 exactly"),
        (Decimal("1E+6145"), r"cannot hold 1E\+6145 exactly"),
        (Decimal("NaN" + "1" * 34), "a payload of 33 digits"),
        (object(), "no AMQP type for object"),
        ({1, 2}, "no AMQP type for set"),
        (1j, "no AMQP type for complex"),
        (Color.RED, "no AMQP type for Color"),
        (dt.date(2020, 1, 1), "no AMQP type for date"),
        (range(3), "no AMQP type for range"),
        (type, "no AMQP type for type"),
    ],
)
def test_value_without_amqp_type_is_refused(value: Any, message: str) -> None:
    with pytest.raises(EncodeError, match=message) as caught:
        encode(value)
    assert caught.value.path == ""
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("element_type", "item", "message"),
    [
        ("null", 0, "int where null belongs"),
        ("boolean", 1, "int where boolean belongs"),
        ("ubyte", 256, "256 is out of the range of ubyte"),
        ("ubyte", -1, "-1 is out of the range of ubyte"),
        ("ushort", 65536, "65536 is out of the range of ushort"),
        ("uint", 2**32, "is out of the range of uint"),
        ("ulong", 2**64, "is out of the range of ulong"),
        ("ulong", -1, "is out of the range of ulong"),
        ("byte", 128, "is out of the range of byte"),
        ("short", -32769, "is out of the range of short"),
        ("int", 2**31, "is out of the range of int"),
        ("long", 2**63, "is out of the range of long"),
        ("long", True, "bool where long belongs"),
        ("long", 1.0, "float where long belongs"),
        ("float", 1, "int where float belongs"),
        ("float", 1e39, r"1e\+39 is out of the range of float"),
        ("double", "1", "str where double belongs"),
        ("decimal32", 1, "int where decimal32 belongs"),
        ("decimal32", Decimal(12345678), "Decimal32 cannot hold 12345678 exactly"),
        ("char", "ab", "a char is one character"),
        ("char", "", "a char is one character"),
        ("char", "\ud800", "cannot be a surrogate"),
        ("char", 65, "int where char belongs"),
        ("timestamp", NAIVE, "needs a datetime with a time zone"),
        ("timestamp", "now", "str where timestamp belongs"),
        ("timestamp", 2**63, "out of the range of timestamp"),
        ("uuid", "00112233-4455-6677-8899-aabbccddeeff", "str where uuid belongs"),
        ("binary", "a", "str where binary belongs"),
        ("string", b"a", "bytes where string belongs"),
        ("string", "\ud800", "a lone surrogate"),
        ("symbol", "é", "a symbol is ASCII only"),
        ("symbol", None, "NoneType where symbol belongs"),
        ("list", {}, "dict where list belongs"),
        ("list", Array("uint"), "Array where list belongs"),
        ("map", [], "list where map belongs"),
        ("array", [1], "list where array belongs"),
    ],
)
def test_element_that_its_type_cannot_hold_is_refused(element_type: str, item: Any, message: str) -> None:
    with pytest.raises(EncodeError, match=message) as caught:
        encode({"key": Array(element_type, [item])})
    assert caught.value.path == "['key'][0]"


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ([1, object()], "[1]"),
        ([[], [[], object()]], "[1][1]"),
        ((1, (object(),)), "[1][0]"),
        ({"a": object()}, "['a']"),
        ({Symbol("a"): [object()]}, "[Symbol('a')][0]"),
        ({1: {UInt(2): object()}}, "[1][UInt(2)]"),
        ({object(): 1}, ".keys()[0]"),
        ({"a": 1, (1, object()): 1}, ".keys()[1][1]"),
        (Map([("a", 1), (Symbol("a"), object())]), "[Symbol('a')]"),
        ({"x" * 100: object()}, "['" + "x" * 59 + "]"),
        (Described(1, object()), ".value"),
        (Described(object(), 1), ".descriptor"),
        (Described(1, [Described(2, {"k": object()})]), ".value[0].value['k']"),
        (Array("uint", [1, 2, -1]), "[2]"),
        (Array("list", [[1], [1, object()]]), "[1][1]"),
        (Array("map", [{}, {"k": [object()]}]), "[1]['k'][0]"),
        (Array("array", [Array("uint", [1]), Array("string", ["a", 1])]), "[1][1]"),
        (Array("uint", [1], object()), ".descriptor"),
        ([1, 2, [3, {"key": Described(4, object())}]], "[2][1]['key'].value"),
    ],
)
def test_error_names_the_place(value: Any, path: str) -> None:
    with pytest.raises(EncodeError) as caught:
        encode(value)
    assert caught.value.path == path
    assert str(caught.value).startswith(f"{path}: ")


def test_element_type_that_is_none_is_refused() -> None:
    array = Array("uint", [1])
    array.element_type = "sint"
    with pytest.raises(EncodeError, match="no type of the specification: 'sint'"):
        encode(array)


def test_released_memoryview_is_refused() -> None:
    view = memoryview(b"abc")
    view.release()
    with pytest.raises(EncodeError, match=r"\[0\]: a memoryview must be contiguous and open"):
        encode([view])
    with pytest.raises(EncodeError, match="contiguous"):
        encode(memoryview(b"abcd")[::2])


def test_cycle_is_found_by_its_depth() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    for value in (cycle, {"k": cycle}, Described(1, cycle), Array("list", [cycle]), [Map([([], cycle)])]):
        with pytest.raises(EncodeError, match="nested too deep, or a cycle"):
            encode(value)


def test_two_times_of_one_millisecond_are_one_key() -> None:
    when = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    with pytest.raises(EncodeError, match=r"^\.keys\(\)\[1\]: the same key twice in a map$"):
        encode({when: 1, when.replace(microsecond=1): 2})


class Growing(Mapping[str, int]):
    """Changes what it is in while it is encoded."""

    def __init__(self, container: Any) -> None:
        self.container = container

    def __getitem__(self, key: str) -> int:
        return 1

    def __iter__(self) -> Iterator[str]:
        if isinstance(self.container, dict):
            self.container[len(self.container)] = 1
        else:
            self.container.append(1)
        return iter("a")

    def __len__(self) -> int:
        return 1


@pytest.mark.parametrize("container", [[], {}, Array("map")])
def test_container_that_changes_is_refused(container: Any) -> None:
    inner = Growing(container)
    if isinstance(container, dict):
        container["k"] = inner
    else:
        container.append(inner)
    with pytest.raises(EncodeError, match=r"was changed while it was encoded|int where map belongs"):
        encode(container)


class Clearing(Growing):
    def __iter__(self) -> Iterator[str]:
        self.container.clear()
        return iter("a")


@pytest.mark.parametrize("container", [[], {}, Array("map")])
def test_container_that_is_emptied_is_refused(container: Any) -> None:
    inner = Clearing(container)
    if isinstance(container, dict):
        container.update(a=b"x" * 1000, k=inner, z=b"y" * 1000)
    else:
        container.extend([{}, inner, {}])
    del inner
    with pytest.raises(EncodeError, match="was changed while it was encoded"):
        encode(container)


class Raising(Growing):
    def __iter__(self) -> Iterator[str]:
        raise ZeroDivisionError


def test_exception_of_a_mapping_passes_and_leaves_nothing() -> None:
    with pytest.raises(ZeroDivisionError):
        encode([1, Raising([])])
    assert encode(5) == b"\x55\x05"


def test_encoding_within_an_encoding() -> None:
    class Nested(Growing):
        def __iter__(self) -> Iterator[str]:
            assert encode(["inner"]) == b"\xc0\x08\x01\xa1\x05inner"
            return iter("a")

    assert encode(["x", Nested([])]) == encode(["x", {"a": 1}])


# --- decoding ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        ("", 0, "1 bytes needed, 0 left"),
        ("57", 0, "unknown constructor 0x57"),
        ("c0 02 01 46", 3, "unknown constructor 0x46"),
        ("e0 02 00 4f", 3, "unknown constructor 0x4f"),
        ("40 40", 1, "1 bytes beyond the value"),
        ("56 02", 1, "a boolean is 0 or 1, not 2"),
        ("e0 04 02 56 00 ff", 5, "a boolean is 0 or 1, not 255"),
        ("73 0000d800", 1, "no Unicode character: 0xd800"),
        ("73 0000dfff", 1, "no Unicode character: 0xdfff"),
        ("73 00110000", 1, "no Unicode character: 0x110000"),
        ("73 ffffffff", 1, "no Unicode character: 0xffffffff"),
        ("a1 03 eda080", 2, "not UTF-8"),
        ("a1 02 c080", 2, "not UTF-8"),
        ("a1 04 f4908080", 2, "not UTF-8"),
        ("a1 03 6161c3", 4, "not UTF-8"),
        ("a3 02 61c3", 3, "a symbol is ASCII only"),
        ("a3 01 80", 2, "a symbol is ASCII only"),
        ("a1 05 6162", 2, "5 bytes needed, 2 left"),
        ("b0 ffffffff 00", 5, "4294967295 bytes needed, 1 left"),
        ("80 00", 1, "8 bytes needed, 1 left"),
        ("c0", 1, "2 bytes needed, 0 left"),
        ("c0 00 00", 1, "a size of 0 with 1 bytes left"),
        ("c0 05 01 40", 1, "a size of 5 with 2 bytes left"),
        ("d0 00000003 00000000", 1, "a size of 3 with 4 bytes left"),
        ("c0 02 02 40", 3, "a count of 2 in 1 bytes"),
        ("c0 03 01 40 40", 4, "1 bytes beyond the last element"),
        ("c0 03 02 a1 01 61", 5, "1 bytes needed, 0 left"),
        ("c1 02 01 40", 0, "a map of 1 items: a key without a value"),
        ("e0 01 00", 3, "1 bytes needed, 0 left"),
        ("e0 04 02 50 01", 1, "a size of 4 with 3 bytes left"),
        ("e0 03 02 50 01", 4, "a count of 2 in 1 bytes"),
        ("e0 04 01 50 01 02", 5, "1 bytes beyond the last element"),
        ("e0 03 01 a1 02", 5, "2 bytes needed, 0 left"),
        ("00", 1, "1 bytes needed"),
        ("00 53 01", 3, "1 bytes needed"),
        ("e0 02 00 00", 4, "1 bytes needed"),
        ("e0 03 00 00 40", 5, "1 bytes needed"),
    ],
)
def test_malformed_value_is_refused_at_its_offset(text: str, offset: int, message: str) -> None:
    with pytest.raises(DecodeError, match=message) as caught:
        decode(bytes.fromhex(text))
    assert caught.value.offset == offset
    assert str(caught.value).endswith(f"at offset {offset}")
    assert caught.value.condition is Condition.DECODE_ERROR
    assert isinstance(caught.value, AMQPError)


@pytest.mark.parametrize("buffer", ["text", 5, None, [1]])
def test_what_is_no_buffer_is_a_type_error(buffer: Any) -> None:
    with pytest.raises(TypeError):
        decode(buffer)
