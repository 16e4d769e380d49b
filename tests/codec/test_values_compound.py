"""Lists, maps, arrays and described values (types.xml, "Compound Type Definitions"), by their bytes, both ways."""

from __future__ import annotations

import collections
import types as python_types
import uuid
from typing import Any

import pytest

from amqp10._codec import decode, encode
from amqp10.errors import DecodeError
from amqp10.types import (
    Array,
    Char,
    Decimal32,
    Described,
    Float32,
    Int,
    Map,
    Role,
    SaslCode,
    SenderSettleMode,
    StdDistMode,
    Symbol,
    TerminusDurability,
    UByte,
    UInt,
    ULong,
    UShort,
)
from tests.codec.values import assert_same

NAN = float("nan")

# What each value is written as, and read from.
WRITTEN: list[tuple[str, Any]] = [
    ("45", []),
    ("c0 02 01 40", [None]),
    ("c0 07 03 5501 a10161 42", [1, "a", False]),
    ("c0 05 01 c0 02 01 40", [[None]]),
    ("d0 00000104 00000100" + "40" * 256, [None] * 256),
    ("c0 ff 01 a0 fc" + "00" * 252, [b"\0" * 252]),
    ("d0 00000103 00000001 a0 fd" + "00" * 253, [b"\0" * 253]),
    ("c1 01 00", {}),
    ("c1 06 02 a10161 5501", {"a": 1}),
    ("c1 0b 04 a10162 5501 a30161 5502", {"b": 1, Symbol("a"): 2}),
    ("c1 0b 04 a10161 5501 a30161 5502", Map([("a", 1), (Symbol("a"), 2)])),
    ("00 53 24 45", Described(0x24, [])),
    ("00 a3 03 55524c a1 1e 687474703a2f2f6578616d706c652e6f72672f68656c6c6f2d776f726c64",
     Described("URL", "http://example.org/hello-world")),
    ("00 80 0000468c00000004 a1 01 61", Described(0x468C00000004, "a")),
    ("00 44 40", Described(0, None)),
    ("00 00 5301 a10161 41", Described(Described(1, "a"), True)),
    ("00 5301 00 5302 40", Described(1, Described(2, None))),
    # One constructor for all elements: the narrowest that holds every one and has bytes.
    ("e0 02 00 40", Array("null")),
    ("e0 02 03 40", Array("null", [None] * 3)),
    ("e0 04 02 56 01 00", Array("boolean", [True, False])),
    ("e0 03 01 56 01", Array("boolean", [True])),
    ("e0 04 02 50 00 ff", Array("ubyte", [UByte(0), UByte(255)])),
    ("e0 06 02 60 0001 ffff", Array("ushort", [UShort(1), UShort(65535)])),
    ("e0 04 02 52 00 ff", Array("uint", [UInt(0), UInt(255)])),
    ("e0 0a 02 70 00000000 00000100", Array("uint", [UInt(0), UInt(256)])),
    ("e0 03 01 53 00", Array("ulong", [ULong(0)])),
    ("e0 0a 01 80 ffffffffffffffff", Array("ulong", [ULong(2**64 - 1)])),
    ("e0 04 02 54 80 7f", Array("int", [Int(-128), Int(127)])),
    ("e0 06 01 71 00000080", Array("int", [Int(128)])),
    ("e0 05 03 55 81 00 7f", Array("long", [-127, 0, 127])),
    ("e0 12 02 81 0000000000000080 ffffffffffffffff", Array("long", [128, -1])),
    ("e0 06 01 72 3fc00000", Array("float", [Float32(1.5)])),
    ("e0 0a 01 82 3ff8000000000000", Array("double", [1.5])),
    ("e0 06 01 74 32800001", Array("decimal32", [Decimal32(1)])),
    ("e0 06 01 73 00000041", Array("char", [Char("A")])),
    ("e0 12 01 98 0000000000000000 0000000000000005", Array("uuid", [uuid.UUID(int=5)])),
    ("e0 05 02 a0 00 01 ff", Array("binary", [b"", b"\xff"])),
    ("e0 06 02 a1 01 61 01 62", Array("string", ["a", "b"])),
    ("e0 06 02 a3 01 61 01 62", Array("symbol", [Symbol("a"), Symbol("b")])),
    ("f0 0000010e 00000002 b1 00000001 61 00000100" + "62" * 256, Array("string", ["a", "b" * 256])),
    ("f0 00000205 00000002 a1 ff" + "61" * 255 + "ff" + "62" * 255, Array("string", ["a" * 255, "b" * 255])),
    ("e0 08 02 c0 01 00 03 01 55 01", Array("list", [[], [1]])),
    ("e0 08 01 c1 05 02 a10161 40", Array("map", [{"a": None}])),
    ("e0 0a 02 e0 03 01 50 05 03 01 56 01", Array("array", [Array("ubyte", [UByte(5)]), Array("boolean", [True])])),
    ("e0 07 01 00 5324 c0 01 00", Array("list", [[]], ULong(0x24))),
    ("e0 08 00 00 a3 03 612f62 40", Array("null", [], Symbol("a/b"))),
    ("e0 0a 02 00 5301 00 5302 55 05 06", Array("long", [5, 6], (ULong(1), ULong(2)))),
]  # fmt: skip

# Other forms, which peers may send.
READ: list[tuple[str, Any]] = [
    ("d0 00000006 00000002 40 41", [None, True]),
    ("d1 00000006 00000002 40 41", {None: True}),
    ("f0 00000006 00000001 50 05", Array("ubyte", [UByte(5)])),
    ("e0 02 02 43", Array("uint", [UInt(0), UInt(0)])),
    ("e0 02 02 44", Array("ulong", [ULong(0), ULong(0)])),
    ("e0 02 02 41", Array("boolean", [True, True])),
    ("e0 02 01 42", Array("boolean", [False])),
    ("e0 02 02 45", Array("list", [[], []])),
    ("e0 0a 02 70 00000001 00000002", Array("uint", [UInt(1), UInt(2)])),
    ("e0 06 01 b1 00000000", Array("string", [""])),
    ("e0 0a 01 d0 00000004 00000000", Array("list", [[]])),
    ("00 80 0000000000000024 45", Described(0x24, [])),
    ("00 b3 00000001 61 45", Described("a", [])),
]


def hexes(cases: list[tuple[str, Any]]) -> list[Any]:
    return [pytest.param(bytes.fromhex(text), value, id=text[:30].replace(" ", "")) for text, value in cases]


@pytest.mark.parametrize(("encoded", "value"), hexes(WRITTEN))
def test_value_is_written_in_its_shortest_form(encoded: bytes, value: Any) -> None:
    assert encode(value).hex() == encoded.hex()


@pytest.mark.parametrize(("encoded", "value"), hexes(WRITTEN + READ))
def test_constructor_is_read(encoded: bytes, value: Any) -> None:
    assert_same(decode(encoded), value)


@pytest.mark.parametrize(
    ("text", "descriptor"),
    [("00 a1 03 55524c 40", "URL"), ("00 55 05 40", 5), ("00 5205 40", UInt(5)), ("00 40 40", None), ("00 45 40", [])],
)
def test_reserved_descriptor_is_kept(text: str, descriptor: Any) -> None:
    """types.xml: others than symbols and ulongs are reserved, "while not syntactically invalid"."""
    encoded = bytes.fromhex(text)
    decoded = decode(encoded)
    assert type(decoded) is Described
    assert_same(decoded.descriptor, descriptor)
    assert encode(decoded) == encoded


@pytest.mark.parametrize("count", [254, 255, 256, 257, 65536])
def test_width_follows_size_and_count(count: int) -> None:
    """Also where the count alone, or the size alone, asks for the wide form."""
    nulls = encode([None] * count)
    assert nulls[0] == (0xC0 if count <= 254 else 0xD0)
    assert_same(decode(nulls), [None] * count)
    array = encode(Array("null", [None] * count))
    assert array[0] == (0xE0 if count <= 255 else 0xF0)
    assert_same(decode(array), Array("null", [None] * count))


@pytest.mark.parametrize("size", [*range(240, 262), 65535, 65536])
def test_width_follows_the_size_of_the_content(size: int) -> None:
    for value in ([b"x" * size], {"k": b"x" * size}, Array("binary", [b"x" * size]), Array("list", [[b"x" * size]])):
        encoded = encode(value)
        assert (len(encoded) <= 257) == (encoded[0] in {0xC0, 0xC1, 0xE0})
        assert_same(decode(encoded), value)


def test_array_of_numbers_by_extremes() -> None:
    """-127 and 127 take a byte each, 128 takes eight for all."""
    assert encode(Array("long", [-127, 127]))[3] == 0x55
    assert encode(Array("long", [-127, 128]))[3] == 0x81
    assert encode(Array("int", [-1]))[3] == 0x54
    assert encode(Array("int", [-129]))[3] == 0x71
    assert encode(Array("uint", [256]))[3] == 0x70
    assert encode(Array("ulong", [256]))[3] == 0x80


def test_elements_may_be_plain() -> None:
    assert encode(Array("uint", [1, 300])) == encode(Array("uint", [UInt(1), UInt(300)]))
    assert encode(Array("symbol", ["a"])) == encode(Array("symbol", [Symbol("a")]))
    assert encode(Array("list", [(1,)])) == encode(Array("list", [[1]]))


# --- maps ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pairs",
    [
        [("a", 1), (Symbol("a"), 2)],
        [("a", 1), (Symbol("a"), 2), (Char("a"), 3)],
        [(1, "a"), (True, "b"), (1.0, "c"), (UInt(1), "d"), (ULong(1), "e"), (UByte(1), "f")],
        [(0.0, 1), (-0.0, 2)],
        [(0, 1), (False, 2)],
        [([], 1)],
        [([1, "a"], 1), ([1, Symbol("a")], 2)],
        [({"x": 1}, 1)],
        [(Array("uint"), 1), (Array("int"), 2)],
        [(Described(1, 2), 3)],
        [(Map([([], 1)]), 2)],
        [(Decimal32("1.0"), 1), (Decimal32("1.00"), 2)],
    ],
)
def test_keys_that_a_dict_would_lose_make_a_map(pairs: list[tuple[Any, Any]]) -> None:
    decoded = decode(encode(Map(pairs)))
    assert type(decoded) is Map
    assert_same(decoded, Map(pairs))
    for key, value in pairs:
        assert decoded[key] == value


def test_nan_as_key_makes_a_map() -> None:
    decoded = decode(encode({NAN: 1}))
    assert type(decoded) is Map
    assert decoded[NAN] == 1


@pytest.mark.parametrize(
    "keys",
    [
        ["a", "b"],
        [None, True, False],
        [1, 2.5, "x", b"x", Symbol("y")],
        [uuid.UUID(int=1), uuid.UUID(int=2)],
        [Decimal32("1"), Decimal32("2")],
        [0.0],
        [-0.0],
    ],
)
def test_keys_that_a_dict_keeps_make_a_dict(keys: list[Any]) -> None:
    value = {key: index for index, key in enumerate(keys)}
    decoded = decode(encode(value))
    assert type(decoded) is dict
    assert_same(decoded, value)


def test_uuids_made_to_collide_make_a_map() -> None:
    """Their hashes are their numbers modulo 2**61 - 1: a dict of such keys takes quadratic time."""
    count, modulus = 20_000, 2**61 - 1
    value = Map([(uuid.UUID(int=5 + index * modulus), index) for index in range(count)])
    decoded = decode(encode(value))
    assert type(decoded) is Map
    assert decoded[uuid.UUID(int=5 + 7 * modulus)] == 7


@pytest.mark.parametrize(
    "text",
    [
        "c1 00 04 a10161 40 a10161 41",
        "c1 00 04 41 40 5601 40",
        "c1 00 04 43 40 5200 40",
        "c1 00 04 45 40 45 40",
        "c1 00 04 40 40 40 40",
    ],
)
def test_same_key_twice_is_refused(text: str) -> None:
    """types.xml: "A map in which there exist two identical key values is invalid"."""
    encoded = bytearray.fromhex(text)
    encoded[1] = len(encoded) - 2
    with pytest.raises(DecodeError, match="the same key twice") as caught:
        decode(encoded)
    assert caught.value.offset == 0


def test_order_of_a_map_is_kept() -> None:
    value = {str(index): index for index in (5, 3, 9, 1)}
    assert list(decode(encode(value))) == ["5", "3", "9", "1"]
    ordered = collections.OrderedDict(value)
    ordered.move_to_end("5")
    assert list(decode(encode(ordered))) == ["3", "9", "1", "5"]


def test_any_mapping_is_a_map() -> None:
    proxy = python_types.MappingProxyType({"a": 1})
    chain = collections.ChainMap({"a": 1})
    counter = collections.Counter("a")
    assert encode(proxy) == encode(chain) == encode(counter) == encode({"a": 1})


# --- enumerations ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("member", "value"),
    [
        (Role.RECEIVER, True),
        (Role.SENDER, False),
        (SenderSettleMode.MIXED, UByte(2)),
        (SaslCode.AUTH, UByte(1)),
        (TerminusDurability.CONFIGURATION, UInt(1)),
        (StdDistMode.COPY, Symbol("copy")),
    ],
)
def test_member_is_written_as_the_type_it_restricts(member: Any, value: Any) -> None:
    assert_same(decode(encode(member)), value)
