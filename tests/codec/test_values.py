"""Every constructor of the specification (types.xml, "Primitive Type Definitions"), by its bytes, both ways."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import pytest

from amqp10._codec import decode, encode
from amqp10.errors import DecodeError
from amqp10.types import (
    Array,
    Byte,
    Char,
    Decimal32,
    Decimal64,
    Decimal128,
    Float32,
    Int,
    Short,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
    UShort,
)
from tests.codec.values import assert_same

UTC = dt.UTC

# What each value is written as, and read from.
WRITTEN: list[tuple[str, Any]] = [
    ("40", None),
    ("41", True),
    ("42", False),
    ("50 00", UByte(0)),
    ("50 ff", UByte(255)),
    ("60 0000", UShort(0)),
    ("60 ffff", UShort(65535)),
    ("43", UInt(0)),
    ("52 01", UInt(1)),
    ("52 ff", UInt(255)),
    ("70 00000100", UInt(256)),
    ("70 ffffffff", UInt(2**32 - 1)),
    ("44", ULong(0)),
    ("53 01", ULong(1)),
    ("53 ff", ULong(255)),
    ("80 0000000000000100", ULong(256)),
    ("80 8000000000000000", ULong(2**63)),
    ("80 ffffffffffffffff", ULong(2**64 - 1)),
    ("51 80", Byte(-128)),
    ("51 ff", Byte(-1)),
    ("51 7f", Byte(127)),
    ("61 8000", Short(-(2**15))),
    ("61 ffff", Short(-1)),
    ("61 7fff", Short(2**15 - 1)),
    ("54 80", Int(-128)),
    ("54 ff", Int(-1)),
    ("54 00", Int(0)),
    ("54 7f", Int(127)),
    ("71 ffffff7f", Int(-129)),
    ("71 00000080", Int(128)),
    ("71 80000000", Int(-(2**31))),
    ("71 7fffffff", Int(2**31 - 1)),
    ("55 80", -128),
    ("55 ff", -1),
    ("55 00", 0),
    ("55 7f", 127),
    ("81 ffffffffffffff7f", -129),
    ("81 0000000000000080", 128),
    ("81 8000000000000000", -(2**63)),
    ("81 7fffffffffffffff", 2**63 - 1),
    ("72 00000000", Float32(0.0)),
    ("72 80000000", Float32(-0.0)),
    ("72 3fc00000", Float32(1.5)),
    ("72 7f7fffff", Float32(3.4028234663852886e38)),
    ("72 00000001", Float32(1.401298464324817e-45)),
    ("72 7f800000", Float32("inf")),
    ("72 ff800000", Float32("-inf")),
    ("72 40490fdb", Float32(3.141592653589793)),
    ("82 0000000000000000", 0.0),
    ("82 8000000000000000", -0.0),
    ("82 3ff8000000000000", 1.5),
    ("82 7fefffffffffffff", 1.7976931348623157e308),
    ("82 0000000000000001", 5e-324),
    ("82 7ff0000000000000", float("inf")),
    ("82 fff0000000000000", float("-inf")),
    ("82 c00921fb54442d18", -3.141592653589793),
    ("73 00000000", Char("\0")),
    ("73 00000041", Char("A")),
    ("73 0000d7ff", Char("\ud7ff")),
    ("73 0000e000", Char("\ue000")),
    ("73 0010ffff", Char("\U0010ffff")),
    ("83 0000000000000000", dt.datetime(1970, 1, 1, tzinfo=UTC)),
    ("83 ffffffffffffffff", dt.datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)),
    ("83 0000013167adb8a1", dt.datetime(2011, 7, 26, 18, 21, 3, 521000, tzinfo=UTC)),  # the specification's example
    ("83 0000e677d21fdbff", dt.datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)),
    ("83 0000e677d21fdc00", Timestamp(253402300800000)),
    ("83 ffffc77cedd32800", dt.datetime(1, 1, 1, tzinfo=UTC)),
    ("83 ffffc77cedd327ff", Timestamp(-62135596800001)),
    ("83 8000000000000000", Timestamp(-(2**63))),
    ("83 7fffffffffffffff", Timestamp(2**63 - 1)),
    ("98 00112233445566778899aabbccddeeff", uuid.UUID("00112233-4455-6677-8899-aabbccddeeff")),
    ("98 ffffffffffffffffffffffffffffffff", uuid.UUID(int=2**128 - 1)),
    ("a0 00", b""),
    ("a0 03 00ff80", b"\x00\xff\x80"),
    ("a0 ff" + "61" * 255, b"a" * 255),
    ("b0 00000100" + "61" * 256, b"a" * 256),
    ("a1 00", ""),
    ("a1 1e 48656c6c6f20476c6f72696f7573204d6573736167696e6720576f726c64", "Hello Glorious Messaging World"),
    ("a1 09 c3a9e282acf09f9880", "é€😀"),
    ("a1 03 efbbbf", "\ufeff"),
    ("a1 01 00", "\0"),
    ("a1 ff" + "61" * 255, "a" * 255),
    ("b1 00000100" + "61" * 256, "a" * 256),
    ("b1 00000100" + "c3a9" * 128, "é" * 128),
    ("a3 00", Symbol("")),
    ("a3 11 6578616d706c653a626f6f6b3a6c697374", Symbol("example:book:list")),
    ("a3 ff" + "61" * 255, Symbol("a" * 255)),
    ("b3 00000100" + "61" * 256, Symbol("a" * 256)),
    # The bits of decimals are those that IEEE 754-2008 §3.5.2 gives the binary encoding of the coefficient.
    ("74 32800000", Decimal32("0")),
    ("74 b2800000", Decimal32("-0")),
    ("74 32800001", Decimal32("1")),
    ("74 3180000f", Decimal32("0.15")),
    ("74 00000001", Decimal32("1E-101")),
    ("74 5f800001", Decimal32("1E+90")),
    ("74 32ffffff", Decimal32("8388607")),
    ("74 6ca00000", Decimal32("8388608")),
    ("74 77f8967f", Decimal32("9999999E+90")),
    ("74 78000000", Decimal32("Infinity")),
    ("74 f8000000", Decimal32("-Infinity")),
    ("74 7c000000", Decimal32("NaN")),
    ("74 fc0f423f", Decimal32("-NaN999999")),
    ("74 7e000005", Decimal32("sNaN5")),
    ("84 31c0000000000001", Decimal64("1")),
    ("84 b1a000000000007b", Decimal64("-12.3")),
    ("84 0000000000000001", Decimal64("1E-398")),
    ("84 77fb86f26fc0ffff", Decimal64("9999999999999999E+369")),
    ("84 6c70000000000000", Decimal64("9007199254740992")),
    ("84 7800000000000000", Decimal64("Infinity")),
    ("84 7c00000000000063", Decimal64("NaN99")),
    ("84 fe00000000000000", Decimal64("-sNaN")),
    ("94 3040 0000000000000000000000000001", Decimal128("1")),
    ("94 b03a 000000000000000000000000007b", Decimal128("-0.123")),
    ("94 0000 0000000000000000000000000001", Decimal128("1E-6176")),
    ("94 5fff ed09bead87c0378d8e63ffffffff", Decimal128("9999999999999999999999999999999999E+6111")),
    ("94 3041 ed09bead87c0378d8e63ffffffff", Decimal128("9999999999999999999999999999999999")),
    ("94 7800 0000000000000000000000000000", Decimal128("Infinity")),
    ("94 7c00 0000000000000000000000000007", Decimal128("NaN7")),
    ("94 fe00 0000000000000000000000000000", Decimal128("-sNaN")),
]

# Other forms of a value, which peers may send.
READ: list[tuple[str, Any]] = [
    ("56 01", True),
    ("56 00", False),
    ("52 00", UInt(0)),
    ("70 00000000", UInt(0)),
    ("70 000000ff", UInt(255)),
    ("53 00", ULong(0)),
    ("80 0000000000000000", ULong(0)),
    ("80 0000000000000010", ULong(16)),
    ("71 ffffffff", Int(-1)),
    ("71 0000007f", Int(127)),
    ("81 ffffffffffffffff", -1),
    ("81 0000000000000005", 5),
    ("b0 00000001 ff", b"\xff"),
    ("b1 00000001 61", "a"),
    ("b3 00000001 61", Symbol("a")),
    ("d0 00000004 00000000", []),
    ("c0 01 00", []),
    ("d1 00000004 00000000", {}),
    # A coefficient beyond the width's digits is 0, whatever else its bits say; so is a NaN's payload.
    ("74 6cb89680", Decimal32("0")),
    ("74 7c0f4240", Decimal32("NaN")),
    ("74 f8000001", Decimal32("-Infinity")),
    ("84 6c7386f26fc10000", Decimal64("0")),
    ("94 3041 ed09bead87c0378d8e6400000000", Decimal128("0")),
    ("94 6c10 0000000000000000000000000001", Decimal128("0")),
    ("94 7c00 314dc6448d9338c15b0a00000000", Decimal128("NaN")),
]


def hexes(cases: list[tuple[str, Any]]) -> list[Any]:
    return [pytest.param(bytes.fromhex(text), value, id=text[:24].replace(" ", "")) for text, value in cases]


@pytest.mark.parametrize(("encoded", "value"), hexes(WRITTEN))
def test_value_is_written_in_its_shortest_form(encoded: bytes, value: Any) -> None:
    assert encode(value).hex() == encoded.hex()


@pytest.mark.parametrize(("encoded", "value"), hexes(WRITTEN + READ))
def test_constructor_is_read(encoded: bytes, value: Any) -> None:
    assert_same(decode(encoded), value)


@pytest.mark.parametrize("text", ["72 7f800001", "72 ff812345", "72 7fc00000", "72 ffffffff"])
def test_float_nan_keeps_its_bits(text: str) -> None:
    assert encode(decode(bytes.fromhex(text))).hex(" ", 4) == text


@pytest.mark.parametrize("text", ["82 7ff0000000000001", "82 fff8000000000000", "82 7ff8000000012345"])
def test_double_nan_keeps_its_bits(text: str) -> None:
    assert encode(decode(bytes.fromhex(text))).hex(" ", 8) == text


def test_nan_whose_payload_a_float_cannot_hold_stays_a_nan() -> None:
    nan = decode(bytes.fromhex("82 7ff0000000000001"))
    assert encode(Array("float", [nan])).hex() == "e006" + "01" + "72" + "7fc00000"


CONSTRUCTORS = (
    "40 41 42 43 44 45 50 51 52 53 54 55 56 60 61 70 71 72 73 74 80 81 82 83 84 94 98 "
    "a0 a1 a3 b0 b1 b3 c0 c1 d0 d1 e0 f0"
)


@pytest.mark.parametrize("code", range(1, 256))
def test_byte_is_a_constructor_or_refused(code: int) -> None:
    body = {
        0xC0: "01 00", 0xC1: "01 00", 0xE0: "02 00 40",
        0xD0: "00000004 00000000", 0xD1: "00000004 00000000", 0xF0: "00000005 00000000 40",
        0xA0: "00", 0xA1: "00", 0xA3: "00", 0xB0: "00000000", 0xB1: "00000000", 0xB3: "00000000",
    }.get(code, "00" * {0x4: 0, 0x5: 1, 0x6: 2, 0x7: 4, 0x8: 8, 0x9: 16}.get(code >> 4, 0))  # fmt: skip
    encoded = bytes([code]) + bytes.fromhex(body)
    if code in bytes.fromhex(CONSTRUCTORS):
        decode(encoded)
    else:
        with pytest.raises(DecodeError, match=f"unknown constructor 0x{code:02x} at offset 0") as caught:
            decode(encoded)
        assert caught.value.offset == 0


# --- what Python's own types become ---------------------------------------------------------------------------------


def test_plain_int_beyond_long_is_a_ulong() -> None:
    assert encode(2**63).hex() == "808000000000000000"


def test_plain_decimal_is_a_decimal128() -> None:
    assert encode(Decimal("1.10")) == encode(Decimal128("1.10"))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("1E+6144", "1000000000000000000000000000000000E+6111"),
        ("10E-6177", "1E-6176"),
        ("1" + "0" * 40, "1000000000000000000000000000000000E+7"),
        ("0E+9999", "0E+6111"),
        ("-0E-9999", "-0E-6176"),
    ],
)
def test_decimal_whose_exponent_alone_does_not_fit_is_shifted(given: str, kept: str) -> None:
    assert_same(decode(encode(Decimal(given))), Decimal128(kept))
    assert Decimal(given) == Decimal(kept)


@pytest.mark.parametrize("buffer", [bytearray(b"abc"), memoryview(b"abc"), memoryview(b"xabcx")[1:4]])
def test_bytes_like_is_binary(buffer: Any) -> None:
    assert encode(buffer).hex() == "a003616263"


def test_tuple_is_a_list() -> None:
    assert encode((1, (2,))) == encode([1, [2]])


def test_time_zone_is_converted() -> None:
    zone = dt.timezone(dt.timedelta(hours=-5, minutes=-30))
    assert_same(decode(encode(dt.datetime(2020, 1, 1, 20, tzinfo=zone))), dt.datetime(2020, 1, 2, 1, 30, tzinfo=UTC))


@pytest.mark.parametrize(("micros", "millis"), [(1999, 1), (1000, 1), (999, 0), (0, 0)])
def test_datetime_is_rounded_down(micros: int, millis: int) -> None:
    for start in (dt.datetime(2020, 1, 1, tzinfo=UTC), dt.datetime(1920, 1, 1, tzinfo=UTC)):
        decoded = decode(encode(start + dt.timedelta(microseconds=micros)))
        assert decoded == start + dt.timedelta(milliseconds=millis)


def test_zone_offset_of_microseconds_is_rounded_with_the_time() -> None:
    zone = dt.timezone(dt.timedelta(microseconds=1))
    epoch = dt.datetime(1970, 1, 1, tzinfo=zone)
    assert encode(epoch).hex() == "83ffffffffffffffff"


def test_timestamp_within_datetime_is_decoded_as_one() -> None:
    assert_same(decode(encode(Timestamp(1311704463521))), dt.datetime(2011, 7, 26, 18, 21, 3, 521000, tzinfo=UTC))


def test_uuid_decoded_is_whole() -> None:
    made, original = decode(encode(uuid.UUID(int=12345))), uuid.UUID(int=12345)
    assert made.is_safe is original.is_safe
    assert (hash(made), str(made), made.bytes) == (hash(original), str(original), original.bytes)


class Text(str):
    __slots__ = ()


class Number(int):
    pass


def test_subclasses_are_their_bases() -> None:
    assert encode(Text("a")) == encode("a")
    assert encode(Number(7)) == encode(7)
    assert encode(type("Size", (UInt,), {})(7)) == encode(UInt(7))
    assert encode(type("Name", (Symbol,), {})("a")) == encode(Symbol("a"))
    assert encode(type("Stamp", (dt.datetime,), {})(2020, 1, 1, tzinfo=UTC)) == encode(
        dt.datetime(2020, 1, 1, tzinfo=UTC)
    )


def test_small_numbers_are_made_once() -> None:
    assert decode(b"\x52\x05") is decode(b"\x70\x00\x00\x00\x05")
    assert decode(b"\x51\xff") is decode(b"\x51\xff")


def test_symbols_are_shared_and_keys_too() -> None:
    assert decode(bytes.fromhex("a3 03 616263")) is decode(bytes.fromhex("b3 00000003 616263"))
    one, other = (next(iter(decode(encode({"a key": 1})))) for _ in range(2))
    assert one is other


def test_caches_are_bounded() -> None:
    """Ten times as many symbols as slots: each is right, whichever was in its slot before."""
    for index in range(10_240):
        text = f"symbol-{index % 5120}-{'x' * (index % 70)}"
        assert_same(decode(encode(Symbol(text))), Symbol(text))
        assert_same(decode(encode({text: None})), {text: None})
