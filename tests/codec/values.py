"""What the tests of values share: an exact comparison, strategies for every type, a corpus of bytes."""

from __future__ import annotations

import datetime as dt
import struct
import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from amqp10 import types
from amqp10._codec import CompositeBase
from amqp10.types import (
    Array,
    Char,
    Decimal32,
    Decimal64,
    Decimal128,
    Described,
    Float32,
    Map,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
)

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
INT_CLASSES = (types.UByte, types.UShort, types.UInt, types.ULong, types.Byte, types.Short, types.Int)
DECIMAL_CLASSES = (Decimal32, Decimal64, Decimal128)


def spell(value: Any) -> Any:
    """Turn a value into nested tuples that are equal exactly where values are alike to the last bit and type."""
    kind = type(value)
    if kind in {float, Float32}:
        return (kind, struct.pack(">d", value))
    if isinstance(value, Decimal):
        return (kind, value.as_tuple())
    if isinstance(value, dt.datetime):
        return (kind, value.utcoffset(), value.timetuple(), value.microsecond)
    if isinstance(value, Array):
        return (kind, value.element_type, spell(value.descriptor), [spell(each) for each in value])
    if isinstance(value, (list, tuple)):
        return (kind, [spell(each) for each in value])
    if isinstance(value, Mapping):
        return (kind, [(spell(key), spell(item)) for key, item in value.items()])
    if isinstance(value, Described):
        return (kind, spell(value.descriptor), spell(value.value))
    if isinstance(value, CompositeBase):
        return (kind, [spell(getattr(value, name)) for name in kind.__match_args__])
    return (kind, value)


def assert_same(actual: Any, expected: Any) -> None:
    """Compare by type and value, all the way down."""
    assert spell(actual) == spell(expected)


def mapping(pairs: list[tuple[Any, Any]]) -> dict[Any, Any] | Map | None:
    """Make what a map of these entries is decoded to; None where a key is there twice."""
    try:
        exact = Map(pairs)
    except ValueError:
        return None
    try:
        plain = dict(pairs)
    except (TypeError, ValueError):  # a list; a signaling NaN
        return exact
    kept = len(plain) == len(pairs) and all(key == key for key in plain)
    return plain if kept and not any(isinstance(key, (Described, list, Mapping)) for key in plain) else exact


# --- strategies -------------------------------------------------------------------------------------------------------


def fixed_decimals(cls: type[Any]) -> st.SearchStrategy[Any]:
    """Make decimals of all that a width can hold."""
    signs = st.sampled_from((0, 1))

    def digits(count: int) -> st.SearchStrategy[tuple[int, ...]]:
        return st.integers(0, 10**count - 1).map(lambda n: tuple(map(int, str(n))))

    payloads = digits(cls.digits - 1).map(lambda found: () if found == (0,) else found)
    finite = st.tuples(signs, digits(cls.digits), st.integers(cls.min_exponent, cls.max_exponent))
    nans = st.tuples(signs, payloads, st.sampled_from("nN"))
    infinities = st.tuples(signs, st.just((0,)), st.just("F"))
    return st.one_of(finite, nans, infinities).map(cls)


def ints_of(cls: type[Any]) -> st.SearchStrategy[Any]:
    """Make numbers of a class' range, small ones and the extremes oftener."""
    near = (cls.minimum, cls.minimum + 1, -129, -128, -1, 0, 1, 127, 128, 255, 256, cls.maximum - 1, cls.maximum)
    edges = [n for n in near if cls.minimum <= n <= cls.maximum]
    return (st.sampled_from(edges) | st.integers(cls.minimum, cls.maximum)).map(cls)


FIRST_MS, LAST_MS = -62_135_596_800_000, 253_402_300_799_999
longs = st.sampled_from((-129, -128, 0, 127, 128)) | st.integers(-(2**63), 2**63 - 1)
floats = st.floats(width=64)
datetimes = st.integers(FIRST_MS, LAST_MS).map(lambda ms: EPOCH + dt.timedelta(milliseconds=ms))
timestamps = st.one_of(st.integers(-(2**63), FIRST_MS - 1), st.integers(LAST_MS + 1, 2**63 - 1)).map(Timestamp)
texts = st.text(st.characters(exclude_categories=["Cs"]))
symbols = st.text(st.characters(max_codepoint=127)).map(Symbol)
chars = st.characters(exclude_categories=["Cs"]).map(Char)

SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    **{cls.__name__.lower(): ints_of(cls) for cls in INT_CLASSES},
    "long": longs,
    "float": st.floats(width=32).map(Float32),
    "double": floats,
    **{cls.__name__.lower(): fixed_decimals(cls) for cls in DECIMAL_CLASSES},
    "char": chars,
    "timestamp": datetimes | timestamps,
    "uuid": st.uuids(),
    "binary": st.binary() | st.binary(min_size=250, max_size=260),
    "string": texts | st.text("é", min_size=125, max_size=130),
    "symbol": symbols,
}
descriptors = ints_of(ULong) | symbols


# Composites for their short repr: hypothesis spells out the others, each time they are combined.


@st.composite
def scalar(draw: st.DrawFn) -> Any:
    """Make a value of any type that contains no other."""
    return draw(SCALARS[draw(st.sampled_from(sorted(SCALARS)))])


scalars = scalar()


@st.composite
def maps(draw: st.DrawFn, values: st.SearchStrategy[Any]) -> Any:
    """Make maps with keys of any type, as dicts or Maps."""
    pairs = draw(st.lists(st.tuples(st.one_of(texts, symbols, values), values), max_size=5))
    made = mapping(pairs)
    assume(made is not None)
    return made


@st.composite
def arrays(draw: st.DrawFn, values: st.SearchStrategy[Any], nested: int = 2) -> Array:
    """Make arrays of every type, described or not; of arrays as deep as `nested` says."""
    elements = {**SCALARS, "list": st.lists(values, max_size=4), "map": maps(values)}
    if nested:
        elements["array"] = arrays(scalars, nested - 1)
    described = st.none() | descriptors | st.lists(descriptors, min_size=2, max_size=3).map(tuple)
    name = draw(st.sampled_from(sorted(elements)))
    return Array(name, draw(st.lists(elements[name], max_size=6)), draw(described))


@st.composite
def described_values(draw: st.DrawFn, values: st.SearchStrategy[Any]) -> Described:
    """Make described values, a few with descriptors that the specification reserves."""
    # of a plain int or str Described makes a descriptor that is not reserved
    reserved = scalars.filter(lambda value: type(value) not in {int, str})
    return Described(draw(descriptors | reserved), draw(values))


@st.composite
def values(draw: st.DrawFn, depth: int = 3) -> Any:
    """Make a value of any type, nested as deep as `depth` says."""
    if depth == 0 or draw(st.booleans()):
        return draw(scalars)
    inner = values(depth - 1)
    return draw(st.one_of(st.lists(inner, max_size=5), maps(inner), arrays(inner), described_values(inner)))


anything = values()

# --- a corpus ---------------------------------------------------------------------------------------------------------

SAMPLES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 127, 128, -(2**63), ULong(2**64 - 1), 1.5, float("nan"), "", "héllo", "x" * 300),
    *(b"", b"\x00\xff", b"y" * 256, Symbol("amqp:symbol"), Symbol("z" * 256), Char("\U0010ffff"), Float32(-0.0)),
    *(cls(cls.maximum) for cls in INT_CLASSES),
    *(cls(0) for cls in INT_CLASSES),
    *(Decimal32("-1.5E+90"), Decimal64("NaN77"), Decimal128("9" * 34), Decimal128("-Infinity"), Decimal32("9999999")),
    *(EPOCH, Timestamp(2**63 - 1), uuid.UUID(int=2**128 - 2)),
    *([], [1, [2.0, [None]], "x"], list(range(300)), {}, {"a": 1, Symbol("b"): {"c": [True]}, 3: b"d"}),
    *(Map([("k", 1), (Symbol("k"), 2), ([1], 3)]), {uuid.UUID(int=1): 1, uuid.UUID(int=2): 2}),
    *(Described(0x24, []), Described("com.example:x", {"y": Described(ULong(2**40), None)})),
    *(
        Array("null", [None] * 9),
        Array("boolean", [True, False]),
        Array("uint", [UInt(1), UInt(256)]),
        Array("long", [-1, 5]),
    ),
    *(
        Array("string", ["a", "b" * 256]),
        Array("symbol", [Symbol("x"), Symbol("y")], ULong(7)),
        Array("list", [[1, "z"], []]),
    ),
    *(Array("map", [{"a": 1}, {}]), Array("array", [Array("ubyte", [UByte(1), UByte(2)]), Array("binary", [b"abc"])])),
    *(Array("list", [[1]], (ULong(1), Symbol("s"))), Array("decimal64", [Decimal64(5)]), Array("char", [Char("\x00")])),
)
"""One or more of every type, small and large."""
