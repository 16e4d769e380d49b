"""The types that Python has none for: what they hold, refuse, equal, and how they are copied."""

from __future__ import annotations

import copy
import datetime as dt
import decimal
import math
import pickle
import struct
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqp10 import types
from amqp10.types import (
    Array,
    Byte,
    Char,
    Decimal32,
    Decimal64,
    Decimal128,
    Described,
    Float32,
    Int,
    Map,
    ReceiverSettleMode,
    Role,
    SaslCode,
    SenderSettleMode,
    Short,
    StdDistMode,
    Symbol,
    TerminusDurability,
    TerminusExpiryPolicy,
    Timestamp,
    UByte,
    UInt,
    ULong,
    UShort,
)
from tests.codec.values import SAMPLES, anything, assert_same

# --- integers ---------------------------------------------------------------------------------------------------------

RANGES: list[tuple[Any, int, int]] = [
    (UByte, 0, 2**8 - 1),
    (UShort, 0, 2**16 - 1),
    (UInt, 0, 2**32 - 1),
    (ULong, 0, 2**64 - 1),
    (Byte, -(2**7), 2**7 - 1),
    (Short, -(2**15), 2**15 - 1),
    (Int, -(2**31), 2**31 - 1),
    (Timestamp, -(2**63), 2**63 - 1),
]


@pytest.mark.parametrize(("cls", "low", "high"), RANGES)
def test_integer_has_its_range(cls: Any, low: int, high: int) -> None:
    assert (cls(low), cls(high), cls()) == (low, high, 0)
    for beyond in (low - 1, high + 1):
        with pytest.raises(ValueError, match=rf"^{cls.__name__} holds {low}\.\.{high}, not {beyond}$"):
            cls(beyond)


@pytest.mark.parametrize(("cls", "low", "high"), RANGES)
def test_integer_is_an_int(cls: Any, low: int, high: int) -> None:
    number = cls(5)
    assert number == 5
    assert hash(number) == hash(5)
    assert type(number + 1) is int
    assert (repr(number), str(number), f"{number}", f"{number:03}") == (f"{cls.__name__}(5)", "5", "5", "005")
    assert not hasattr(number, "__dict__")


@pytest.mark.parametrize("value", [1.0, "1", None, Decimal(1)])
def test_integer_is_made_of_integers_only(value: Any) -> None:
    with pytest.raises(TypeError):
        UInt(value)


# --- Float32 ----------------------------------------------------------------------------------------------------------


@given(st.floats(width=64, allow_nan=False, allow_infinity=False, max_value=3.4e38, min_value=-3.4e38))
def test_float_is_rounded_to_the_nearest(value: float) -> None:
    rounded = Float32(value)
    assert rounded == struct.unpack("f", struct.pack("f", value))[0]
    assert Float32(rounded) == rounded


def test_float_refuses_what_only_a_double_holds() -> None:
    for value in (3.5e38, -1e300, 10**400):
        with pytest.raises(ValueError, match="Float32 cannot hold"):
            Float32(value)


def test_float_holds_what_is_not_finite() -> None:
    assert math.isnan(Float32("nan"))
    assert Float32("-inf") == -math.inf
    assert math.copysign(1, Float32(-0.0)) == -1


def test_float_reads_as_one() -> None:
    assert (repr(Float32(1.5)), str(Float32(1.5)), type(Float32(1) + 1)) == ("Float32(1.5)", "1.5", float)


# --- decimals ---------------------------------------------------------------------------------------------------------

WIDTHS: list[tuple[Any, int, int, int]] = [
    (Decimal32, 7, -101, 90),
    (Decimal64, 16, -398, 369),
    (Decimal128, 34, -6176, 6111),
]


@pytest.mark.parametrize(("cls", "digits", "low", "high"), WIDTHS)
def test_decimal_has_the_range_of_its_width(cls: Any, digits: int, low: int, high: int) -> None:
    for exponent in (low, 0, high):
        greatest = cls(f"{'9' * digits}E{exponent}")
        assert greatest.as_tuple() == (0, (9,) * digits, exponent)
        with pytest.raises(ValueError, match=r"cannot hold .* exactly"):
            cls(f"{'9' * (digits + 1)}E{exponent}")
    for exponent in (low - 1, high + digits):
        with pytest.raises(ValueError, match=r"cannot hold .* exactly"):
            cls(f"1E{exponent}")


@pytest.mark.parametrize(("cls", "digits", "low", "high"), WIDTHS)
def test_zeros_move_between_coefficient_and_exponent(cls: Any, digits: int, low: int, high: int) -> None:
    assert cls(f"1E{high + digits - 1}").as_tuple() == (0, (1,) + (0,) * (digits - 1), high)
    assert cls(f"1000E{low - 3}").as_tuple() == (0, (1,), low)
    assert cls(f"1000E{low - 2}").as_tuple() == (0, (1, 0), low)
    assert cls("12" + "0" * digits).as_tuple() == (0, (1, 2) + (0,) * (digits - 2), 2)
    assert cls(f"-0E{high + 5}").as_tuple() == (1, (0,), high)
    assert cls(f"0E{low - 5}").as_tuple() == (0, (0,), low)
    with pytest.raises(ValueError, match="exactly"):
        cls(f"1001E{low - 3}")


@pytest.mark.parametrize(("cls", "digits", "low", "high"), WIDTHS)
def test_nan_has_a_payload_of_a_digit_less(cls: Any, digits: int, low: int, high: int) -> None:
    for name in ("NaN", "-NaN", "sNaN", "-sNaN", f"NaN{'9' * (digits - 1)}", f"-sNaN{'1' * (digits - 1)}"):
        assert str(cls(name)) == name
    with pytest.raises(ValueError, match="holds a payload of"):
        cls("NaN" + "1" * digits)
    assert (str(cls("Infinity")), str(cls("-inf"))) == ("Infinity", "-Infinity")


def test_decimal_is_made_of_what_decimal_is() -> None:
    assert [Decimal32(value) for value in (5, "5", 5.0, Decimal(5), (0, (5,), 0))] == [5] * 5
    assert Decimal32() == 0
    with pytest.raises(decimal.InvalidOperation):
        Decimal32("five")


def test_decimal_does_not_depend_on_the_context() -> None:
    with decimal.localcontext(decimal.Context(prec=3, Emax=5, Emin=-5, traps=[decimal.Inexact, decimal.Overflow])):
        assert str(Decimal64("1234567890123456E+300")) == "1.234567890123456E+315"


def test_decimal_computes_as_one() -> None:
    total = Decimal32("1.5") + Decimal32("2")
    assert (total, type(total)) == (Decimal("3.5"), Decimal)
    assert (repr(Decimal64("1.50")), str(Decimal64("1.50")), hash(Decimal32(7))) == (
        "Decimal64('1.50')",
        "1.50",
        hash(7),
    )


# --- text -------------------------------------------------------------------------------------------------------------


def test_symbol_is_a_str_of_ascii() -> None:
    symbol = Symbol("amqp:accepted:list")
    assert symbol == "amqp:accepted:list"
    assert hash(symbol) == hash("amqp:accepted:list")
    assert (repr(symbol), str(symbol), f"{symbol}") == ("Symbol('amqp:accepted:list')", symbol, symbol)
    assert Symbol() == ""
    with pytest.raises(ValueError, match="a symbol is ASCII only: 'é'"):
        Symbol("é")


def test_char_is_one_character() -> None:
    assert [Char(c) for c in ("\0", "a", "\ud7ff", "\ue000", "\U0010ffff")] == [
        "\0",
        "a",
        "\ud7ff",
        "\ue000",
        "\U0010ffff",
    ]
    assert repr(Char("a")) == "Char('a')"
    for value in ("", "ab", "\ud800", "\udfff"):
        with pytest.raises(ValueError, match="one Unicode character"):
            Char(value)


# --- Described --------------------------------------------------------------------------------------------------------


def test_described_takes_ints_and_strs_as_the_specification_means_them() -> None:
    assert_same(Described(5, "x"), Described(ULong(5), "x"))
    assert_same(Described("a:b", "x"), Described(Symbol("a:b"), "x"))
    for descriptor in (-1, 2**64, "é"):
        with pytest.raises(ValueError, match=r"ULong holds|ASCII only"):
            Described(descriptor, None)


def test_described_is_compared_and_hashed_by_both() -> None:
    one = Described(1, (2,))
    assert one == Described(1, (2,))
    assert one != Described(2, (2,))
    assert one != Described(1, (3,))
    assert one != (ULong(1), (2,))
    assert len({one, Described(1, (2,)), Described(1, 2)}) == 2
    with pytest.raises(TypeError):
        hash(Described(1, []))


def test_described_is_immutable() -> None:
    described = Described(1, 2)
    with pytest.raises(AttributeError):
        described.value = 3
    with pytest.raises(AttributeError):
        del described.value
    assert repr(described) == "Described(ULong(1), 2)"


def test_described_matches_a_pattern() -> None:
    match Described("x:y", 5):
        case Described("x:y", value):
            assert value == 5
        case _:
            pytest.fail("no match")


# --- Array ------------------------------------------------------------------------------------------------------------


def test_array_is_a_list_that_knows_its_type() -> None:
    array = Array("uint", [1, 2])
    array.append(3)
    assert array == [1, 2, 3]
    plain = [1, 2, 3]
    assert plain == array
    assert (array.element_type, array.descriptor, len(array), array[1]) == ("uint", None, 3, 2)
    assert repr(array) == "Array('uint', [1, 2, 3])"
    assert repr(Array("list", [], 5)) == "Array('list', [], descriptor=ULong(5))"
    assert_same(Array("list", [], "a").descriptor, Symbol("a"))
    with pytest.raises(TypeError):
        hash(array)


def test_arrays_of_different_types_differ() -> None:
    assert Array("uint") != Array("int")
    assert Array("uint", [1]) != Array("ulong", [1])
    assert Array("uint", [], 1) != Array("uint")
    assert Array("uint", [1]) == Array("uint", (1,))
    assert Array("uint", [1]) != [2]
    assert (Array("uint", [1]) != Array("uint", [1])) is False


def test_array_needs_a_type_of_the_specification() -> None:
    for name in sorted(types.ELEMENT_TYPES):
        assert Array(name).element_type == name
    for name in ("sint", "", "UInt", "described"):
        with pytest.raises(ValueError, match="no type of the specification"):
            Array(name)


def test_array_is_copied_with_its_type() -> None:
    array = Array("list", [[1]], "a")
    shallow = array.copy()
    assert_same(shallow, array)
    assert shallow is not array
    assert shallow[0] is array[0]


# --- Map --------------------------------------------------------------------------------------------------------------


def test_map_finds_keys_by_type_and_value() -> None:
    pairs = [
        (1, "int"),
        (True, "bool"),
        (1.0, "float"),
        (UInt(1), "UInt"),
        ("1", "str"),
        (b"1", "bytes"),
        ([1], "list"),
    ]
    mapping = Map(pairs)
    assert [mapping[key] for key, _ in pairs] == [name for _, name in pairs]
    assert list(mapping) == [key for key, _ in pairs]
    assert list(mapping.items()) == pairs == list(mapping.pairs)
    assert list(mapping.values()) == [name for _, name in pairs]
    assert (len(mapping), UInt(1) in mapping, ULong(1) in mapping) == (7, True, False)
    assert mapping.get(Symbol("1"), "none") == "none"
    with pytest.raises(KeyError, match=r"ULong\(1\)"):
        mapping[ULong(1)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a", Symbol("a")),
        (0.0, -0.0),
        (Decimal("1.0"), Decimal("1.00")),
        (Decimal64(1), Decimal128(1)),
        (1, True),
        (1, 1.0),
        (Float32(1), 1.0),
        ("a", Char("a")),
        ("1", 1),
        (b"1", "1"),
        ([], {}),
        ([1], [True]),
        ([[], []], [[[]]]),
        ([1, 2], [12]),
        (["a,b"], ["a", "b"]),
        (["a", "b)"], ["a)", "b"]),
        ({"a": 1}, {Symbol("a"): 1}),
        (Array("int"), Array("uint")),
        (Array("int"), []),
        (Array("int", [], 1), Array("int")),
        (Described(1, 2), Described(1, UInt(2))),
        (None, False),
        (dt.datetime(1970, 1, 1, tzinfo=dt.UTC), 0),
    ],
)
def test_map_keeps_apart_what_amqp_does(one: Any, other: Any) -> None:
    mapping = Map([(one, "one"), (other, "other")])
    assert (mapping[one], mapping[other]) == ("one", "other")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1),
        (math.nan, math.nan),
        (b"a", bytearray(b"a")),
        ((1, 2), [1, 2]),
        (Timestamp(0), dt.datetime(1970, 1, 1, tzinfo=dt.UTC)),
        (Decimal(1), Decimal128(1)),
        (dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.datetime(2020, 1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1)))),
        ([Map([(1, 2)])], [{1: 2}]),
        (type("Text", (str,), {})("a"), "a"),
    ],
)
def test_map_refuses_the_same_key_twice(one: Any, other: Any) -> None:
    with pytest.raises(ValueError, match="the same key twice"):
        Map([(one, 1), (other, 2)])


def test_map_is_compared_in_order_and_by_type() -> None:
    assert Map([("a", 1), ("b", 2)]) == {"a": 1, "b": 2}
    plain = {"a": 1, "b": 2}
    assert plain == Map(plain)
    assert Map([("a", 1), ("b", 2)]) != Map([("b", 2), ("a", 1)])
    assert Map([("a", 1)]) != {Symbol("a"): 1}
    assert Map([("a", 1)]) != {"a": 2}
    assert Map() != []
    assert Map([(1, 2)]) != {1: 2, 3: 4}
    with pytest.raises(TypeError):
        hash(Map())


def test_map_takes_a_mapping_or_pairs() -> None:
    assert Map({"a": 1}).pairs == (("a", 1),)
    assert repr(Map([("a", 1), (Symbol("a"), 2)])) == "Map([('a', 1), (Symbol('a'), 2)])"


def test_map_with_maps_as_keys_is_made_in_linear_time() -> None:
    value = Map([([], 1)])
    for _ in range(60):
        value = Map([(value, 1)])
    assert value == Map(value.pairs)
    assert value[next(iter(value))] == 1


# --- copies -----------------------------------------------------------------------------------------------------------

MEMBERS = (
    *(Role.SENDER, SenderSettleMode.MIXED, ReceiverSettleMode.SECOND, TerminusDurability.NONE),
    *(TerminusExpiryPolicy.NEVER, StdDistMode.MOVE, SaslCode.SYS_TEMP),
)


@pytest.mark.parametrize("value", [*SAMPLES, *MEMBERS, Decimal64("-sNaN5")], ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
def test_value_is_pickled_and_copied_as_it_is(value: Any, protocol: int) -> None:
    assert_same(pickle.loads(pickle.dumps(value, protocol)), value)
    assert_same(copy.copy(value), value)
    assert_same(copy.deepcopy(value), value)


@given(anything)
def test_any_value_is_pickled_and_copied_as_it_is(value: Any) -> None:
    assert_same(pickle.loads(pickle.dumps(value)), value)
    assert_same(copy.deepcopy(value), value)


def test_reserved_descriptor_survives_a_copy() -> None:
    kept = types._describe(5, None)
    assert_same(pickle.loads(pickle.dumps(kept)).descriptor, 5)
    array = types._arrange("uint", [], "text")
    assert_same(copy.deepcopy(array).descriptor, "text")


# --- enumerations -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cls", "values"),
    [
        (Role, {"sender": 0, "receiver": 1}),
        (SenderSettleMode, {"unsettled": 0, "settled": 1, "mixed": 2}),
        (ReceiverSettleMode, {"first": 0, "second": 1}),
        (TerminusDurability, {"none": 0, "configuration": 1, "unsettled-state": 2}),
        (SaslCode, {"ok": 0, "auth": 1, "sys": 2, "sys-perm": 3, "sys-temp": 4}),
        (TerminusExpiryPolicy, {name: name for name in ("link-detach", "session-end", "connection-close", "never")}),
        (StdDistMode, {"move": "move", "copy": "copy"}),
    ],
)
def test_enumeration_has_the_choices_of_the_specification(cls: Any, values: dict[str, Any]) -> None:
    assert {member.name.lower().replace("_", "-"): member.value for member in cls} == values
    for beyond in (-1, 5, "other", None):
        with pytest.raises(ValueError, match="is not a valid"):
            cls(beyond)


def test_role_is_a_boolean() -> None:
    assert Role(True) is Role.RECEIVER
    members: list[Any] = [Role.SENDER, Role.RECEIVER]
    assert members == [False, True]
