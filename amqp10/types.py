"""The types of AMQP that Python has none for, and the enumerations of the specification (types.xml, transport.xml).

Application values keep their AMQP type through decode and encode. What Python has stands for itself: None, bool,
int (long; ulong from 2**63 on), float (double), str, bytes, list, dict, `uuid.UUID`, aware `datetime.datetime`
(timestamp) and `decimal.Decimal` (decimal128). All others are here, each a subclass of its Python kin where it has one.
"""

from __future__ import annotations

import enum
import operator
import struct
import uuid
from collections.abc import ItemsView, Iterable, Iterator, Mapping, ValuesView
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Final, Self, SupportsIndex

__all__ = [
    "ELEMENT_TYPES",
    "Array",
    "Byte",
    "Char",
    "Decimal32",
    "Decimal64",
    "Decimal128",
    "Described",
    "Float32",
    "Int",
    "Map",
    "ReceiverSettleMode",
    "Role",
    "SaslCode",
    "SenderSettleMode",
    "Short",
    "StdDistMode",
    "Symbol",
    "TerminusDurability",
    "TerminusExpiryPolicy",
    "Timestamp",
    "UByte",
    "UInt",
    "ULong",
    "UShort",
]


# --- numbers of fixed width -------------------------------------------------------------------------------------------


class _FixedInt(int):
    """An int that the width of its AMQP type bounds.

    It compares, hashes and computes as the int it is; the results of arithmetic are plain ints.

    Args:
        value: any integer within the type's range.

    Raises:
        ValueError: the value is out of range.
        TypeError: the value is no integer.
    """

    __slots__ = ()

    minimum: ClassVar[int] = 0
    maximum: ClassVar[int] = 0

    def __new__(cls, value: SupportsIndex = 0) -> Self:
        """Check the value; the class says how."""
        number = operator.index(value)
        if not cls.minimum <= number <= cls.maximum:
            raise ValueError(f"{cls.__name__} holds {cls.minimum}..{cls.maximum}, not {number}")
        return int.__new__(cls, number)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({int.__repr__(self)})"

    def __str__(self) -> str:
        return int.__repr__(self)


class UByte(_FixedInt):
    """An AMQP ubyte: 0 to 255."""

    __slots__ = ()
    maximum = 0xFF


class UShort(_FixedInt):
    """An AMQP ushort: 0 to 65 535."""

    __slots__ = ()
    maximum = 0xFFFF


class UInt(_FixedInt):
    """An AMQP uint: 0 to 4 294 967 295."""

    __slots__ = ()
    maximum = 0xFFFF_FFFF


class ULong(_FixedInt):
    """An AMQP ulong: 0 to 2**64 - 1."""

    __slots__ = ()
    maximum = 0xFFFF_FFFF_FFFF_FFFF


class Byte(_FixedInt):
    """An AMQP byte: -128 to 127."""

    __slots__ = ()
    minimum = -0x80
    maximum = 0x7F


class Short(_FixedInt):
    """An AMQP short: -32 768 to 32 767."""

    __slots__ = ()
    minimum = -0x8000
    maximum = 0x7FFF


class Int(_FixedInt):
    """An AMQP int: -2**31 to 2**31 - 1; a plain Python int is a long."""

    __slots__ = ()
    minimum = -0x8000_0000
    maximum = 0x7FFF_FFFF


class Timestamp(_FixedInt):
    """An AMQP timestamp as milliseconds since the Unix epoch: -2**63 to 2**63 - 1.

    Needed only for what `datetime.datetime` cannot hold: what it can is decoded as an aware datetime in UTC.
    """

    __slots__ = ()
    minimum = -0x8000_0000_0000_0000
    maximum = 0x7FFF_FFFF_FFFF_FFFF


class Float32(float):
    """An AMQP float: a number that is rounded to the nearest that 32 bits can hold (IEEE 754 binary32).

    Args:
        value: the number.

    Raises:
        ValueError: the value is finite and beyond the largest float.
    """

    __slots__ = ()

    def __new__(cls, value: float | str = 0.0) -> Self:
        """Check the value; the class says how."""
        try:
            (rounded,) = struct.unpack(">f", struct.pack(">f", float(value)))
        except OverflowError as error:
            raise ValueError(f"Float32 cannot hold {value!r}") from error
        return float.__new__(cls, rounded)

    def __repr__(self) -> str:
        return f"Float32({float.__repr__(self)})"

    def __str__(self) -> str:
        return float.__repr__(self)


class _FixedDecimal(Decimal):
    """A decimal that the width of its AMQP type bounds (IEEE 754-2008).

    What is made is exactly the value that was given, or nothing. Where the exponent does not fit but the value does,
    zeros move between coefficient and exponent; the exponent of a zero goes to the nearest that fits. The results of
    arithmetic are plain Decimals.

    Args:
        value: whatever `decimal.Decimal` takes. A NaN may carry a sign and a payload.

    Raises:
        ValueError: the width cannot hold the value exactly.
    """

    __slots__ = ()

    digits: ClassVar[int] = 0
    """The greatest length of a coefficient; a NaN's payload has one digit less."""
    min_exponent: ClassVar[int] = 0
    max_exponent: ClassVar[int] = 0
    """Bounds of the exponent of the coefficient taken as an integer."""

    def __new__(cls, value: Decimal | float | str | tuple[int, tuple[int, ...], int] = 0) -> Self:
        """Check the value; the class says how."""
        return super().__new__(cls, cls._fit(Decimal(value)))

    @classmethod
    def _fit(cls, value: Decimal) -> Decimal:
        sign, coefficient, exponent = value.as_tuple()
        if not isinstance(exponent, int):
            if len(coefficient) >= cls.digits:
                raise ValueError(f"{cls.__name__} holds a payload of {cls.digits - 1} digits: {value}")
            return value
        fitted, room = cls._clamp(coefficient, exponent)
        if len(fitted) > cls.digits or not cls.min_exponent <= room <= cls.max_exponent:
            raise ValueError(f"{cls.__name__} cannot hold {value} exactly")
        return Decimal((sign, fitted, room))

    @classmethod
    def _clamp(cls, coefficient: tuple[int, ...], exponent: int) -> tuple[tuple[int, ...], int]:
        """Move zeros between coefficient and exponent as far as that helps."""
        if not any(coefficient):
            return (0,), min(max(exponent, cls.min_exponent), cls.max_exponent)
        surplus = max(len(coefficient) - cls.digits, cls.min_exponent - exponent)
        if surplus > 0:
            zeros = len(coefficient) - len("".join(map(str, coefficient)).rstrip("0"))
            cut = min(surplus, zeros)
            return coefficient[: len(coefficient) - cut], exponent + cut
        missing = max(0, min(exponent - cls.max_exponent, cls.digits - len(coefficient)))
        return coefficient + (0,) * missing, exponent - missing

    def __repr__(self) -> str:
        return f"{type(self).__name__}('{self}')"


class Decimal32(_FixedDecimal):
    """An AMQP decimal32: 7 digits, exponents -101 to 90."""

    __slots__ = ()
    digits = 7
    min_exponent = -101
    max_exponent = 90


class Decimal64(_FixedDecimal):
    """An AMQP decimal64: 16 digits, exponents -398 to 369."""

    __slots__ = ()
    digits = 16
    min_exponent = -398
    max_exponent = 369


class Decimal128(_FixedDecimal):
    """An AMQP decimal128: 34 digits, exponents -6176 to 6111. Plain Decimals are encoded as this."""

    __slots__ = ()
    digits = 34
    min_exponent = -6176
    max_exponent = 6111


# --- text -------------------------------------------------------------------------------------------------------------


class Symbol(str):
    """An AMQP symbol: text of ASCII characters from a constrained domain. Equal to the str of the same characters.

    Args:
        value: the characters.

    Raises:
        ValueError: a character is not ASCII.
    """

    __slots__ = ()

    def __new__(cls, value: str = "") -> Self:
        """Check the value; the class says how."""
        if not value.isascii():
            raise ValueError(f"a symbol is ASCII only: {value!r}")
        return str.__new__(cls, value)

    def __repr__(self) -> str:
        return f"Symbol({str.__repr__(self)})"


class Char(str):
    """An AMQP char: one Unicode character. Equal to the str of that character.

    Args:
        value: a str of length 1, no surrogate.

    Raises:
        ValueError: that is not one character.
    """

    __slots__ = ()

    def __new__(cls, value: str) -> Self:
        """Check the value; the class says how."""
        if len(value) != 1 or "\ud800" <= value <= "\udfff":
            raise ValueError(f"a char is one Unicode character: {value!r}")
        return str.__new__(cls, value)

    def __repr__(self) -> str:
        return f"Char({str.__repr__(self)})"


# --- compounds --------------------------------------------------------------------------------------------------------


class Described:
    """A value with the descriptor of its custom type (types.xml, "Described Types"). Immutable.

    Attributes:
        descriptor: a `ULong` or a `Symbol`; the specification reserves all others.
        value: the value below the descriptor.

    Args:
        descriptor: an int becomes a `ULong`, a str a `Symbol`.
        value: the value below the descriptor.

    Raises:
        ValueError: the descriptor is an int that is no ulong, or a str that is no symbol.
    """

    __slots__ = ("descriptor", "value")
    __match_args__ = ("descriptor", "value")

    descriptor: Any
    value: Any

    def __init__(self, descriptor: Any, value: Any) -> None:
        if type(descriptor) is int:
            descriptor = ULong(descriptor)
        elif type(descriptor) is str:
            descriptor = Symbol(descriptor)
        object.__setattr__(self, "descriptor", descriptor)
        object.__setattr__(self, "value", value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Described is immutable: {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"Described is immutable: {name}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Described):
            return NotImplemented
        return bool(self.descriptor == other.descriptor and self.value == other.value)

    def __hash__(self) -> int:
        return hash((Described, self.descriptor, self.value))

    def __repr__(self) -> str:
        return f"Described({self.descriptor!r}, {self.value!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep a reserved descriptor, such as a string, as it is: the constructor would not."""
        return (_describe, (self.descriptor, self.value))


def _describe(descriptor: Any, value: Any) -> Described:
    described = Described.__new__(Described)
    object.__setattr__(described, "descriptor", descriptor)
    object.__setattr__(described, "value", value)
    return described


ELEMENT_TYPES: Final = frozenset(
    (
        "null",
        "boolean",
        "ubyte",
        "ushort",
        "uint",
        "ulong",
        "byte",
        "short",
        "int",
        "long",
        "float",
        "double",
        "decimal32",
        "decimal64",
        "decimal128",
        "char",
        "timestamp",
        "uuid",
        "binary",
        "string",
        "symbol",
        "list",
        "map",
        "array",
    )
)
"""The specification's names of the primitive types, as `Array` takes them."""


class Array(list[Any]):
    """An AMQP array: a list whose elements share one type, which it knows even when it is empty.

    Equal to another Array of the same element type, descriptor and items, and to a plain list of the same items.

    Attributes:
        element_type: the specification's name of the elements' type: "uint", "symbol", "list" …
        descriptor: the descriptor that all elements share, or None. A tuple for several, the outermost first.

    Args:
        element_type: as the attribute; below the descriptor, if there is one.
        items: the elements, without the descriptor. Whether the type can hold them shows when they are encoded.
        descriptor: an int becomes a `ULong`, a str a `Symbol`.

    Raises:
        ValueError: there is no such type.
    """

    __slots__ = ("descriptor", "element_type")
    __hash__ = None

    element_type: str
    descriptor: Any

    def __init__(self, element_type: str, items: Iterable[Any] = (), descriptor: Any = None) -> None:
        if element_type not in ELEMENT_TYPES:
            raise ValueError(f"no type of the specification: {element_type!r}")
        super().__init__(items)
        self.element_type = element_type
        if type(descriptor) is int:
            descriptor = ULong(descriptor)
        elif type(descriptor) is str:
            descriptor = Symbol(descriptor)
        self.descriptor = descriptor

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Array) and (self.element_type, self.descriptor) != (other.element_type, other.descriptor):
            return False
        return list.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __repr__(self) -> str:
        described = "" if self.descriptor is None else f", descriptor={self.descriptor!r}"
        return f"Array({self.element_type!r}, {list.__repr__(self)}{described})"

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        """Keep a reserved descriptor as it is: the constructor would not."""
        return (_arrange, (self.element_type, list(self), self.descriptor))

    def copy(self) -> Array:
        """Return a shallow copy, of the same element type."""
        return _arrange(self.element_type, self, self.descriptor)


def _arrange(element_type: str, items: Iterable[Any], descriptor: Any) -> Array:
    array = Array(element_type, items)
    array.descriptor = descriptor
    return array


class Map(Mapping[Any, Any]):
    """An AMQP map whose keys a dict would lose or refuse: an ordered, immutable Mapping over pairs.

    A map is decoded to this instead of a dict where Python finds keys equal that AMQP keeps apart ("a" and
    Symbol("a"); 1, True and 1.0), and where a key is a NaN, a list, a map, an array or a described value. A key is
    found by type and value: `Map([(UInt(1), "x")])` has no key `1`.

    Equal to a mapping of the same keys (type and value) and values in the same order (types.xml: "two maps which are
    different only in the order in which their key-value pairs are encoded are not equal").

    Args:
        pairs: a mapping, or an iterable of (key, value).

    Raises:
        ValueError: a key is there twice, in type and value.
    """

    __slots__ = ("_index", "_pairs")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, pairs: Mapping[Any, Any] | Iterable[tuple[Any, Any]] = ()) -> None:
        source = pairs.items() if isinstance(pairs, Mapping) else pairs
        self._pairs: tuple[tuple[Any, Any], ...] = tuple((key, value) for key, value in source)
        self._index = {_identity(key): value for key, value in self._pairs}
        if len(self._index) != len(self._pairs):
            raise ValueError("the same key twice in a map")

    @property
    def pairs(self) -> tuple[tuple[Any, Any], ...]:
        """The entries, in order."""
        return self._pairs

    def __getitem__(self, key: Any) -> Any:
        try:
            return self._index[_identity(key)]
        except KeyError:
            raise KeyError(key) from None

    def __iter__(self) -> Iterator[Any]:
        return (key for key, _ in self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def items(self) -> ItemsView[Any, Any]:
        """Return a view of the entries, in order."""
        return _Items(self)

    def values(self) -> ValuesView[Any]:
        """Return a view of the values, in order."""
        return _Values(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        try:
            theirs = other if isinstance(other, Map) else Map(other)
        except ValueError:
            return False
        return list(self._index.items()) == list(theirs._index.items())

    def __repr__(self) -> str:
        return f"Map({list(self._pairs)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (Map, (self._pairs,))


# The views of Mapping would look every key up, which spells it, and with it every key in it: for keys that are Maps of
# Maps as keys that is twice as much with each level.


class _Items(ItemsView[Any, Any]):
    __slots__ = ()
    _mapping: Map

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return iter(self._mapping.pairs)


class _Values(ValuesView[Any]):
    __slots__ = ()
    _mapping: Map

    def __iter__(self) -> Iterator[Any]:
        return (value for _, value in self._mapping.pairs)


_SCALARS = frozenset(
    {bool, int, float, str, UByte, UShort, UInt, ULong, Byte, Short, Int, Timestamp, Float32}
    | {Decimal, Decimal32, Decimal64, Decimal128, Symbol, Char}
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _identity(key: object) -> str:
    """Spell a key so that two are the same in AMQP exactly if they are spelled alike.

    A str, not a tuple: its hash is keyed, so a peer cannot choose keys that collide.
    """
    parts: list[str] = []
    _spell(key, parts)
    return "".join(parts)


def _spell(value: object, parts: list[str]) -> None:
    if isinstance(value, Described):
        _spell_all("Described", (value.descriptor, value.value), parts)
    elif isinstance(value, Array):
        _spell_all(f"Array:{value.element_type}", (value.descriptor, *value), parts)
    elif isinstance(value, (list, tuple)):
        _spell_all("list", value, parts)
    elif isinstance(value, Mapping):
        _spell_all("map", (each for pair in value.items() for each in pair), parts)
    else:
        parts.append(_spell_scalar(value))


def _spell_all(name: str, values: Iterable[Any], parts: list[str]) -> None:
    parts.append(f"{name}(")
    for value in values:
        _spell(value, parts)
        parts.append(",")
    parts.append(")")


def _spell_scalar(value: object) -> str:
    if isinstance(value, datetime):
        return f"Timestamp:{(value - _EPOCH) // timedelta(milliseconds=1)}" if value.tzinfo else f"naive:{value!r}"
    if isinstance(value, float):
        return f"{_type_name(value)}:{struct.pack('>d', value).hex()}"
    if isinstance(value, Decimal):
        return f"{'Decimal128' if type(value) is Decimal else _type_name(value)}:{value!s}"
    if isinstance(value, uuid.UUID):
        return f"UUID:{value.hex}"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"bytes:{bytes(value).hex()}"
    if isinstance(value, str):
        return f"{_type_name(value)}:{str.__repr__(value)}"
    if isinstance(value, int):
        return f"{_type_name(value)}:{int.__repr__(value)}"
    return f"{type(value).__qualname__}:{value!r}"


def _type_name(value: object) -> str:
    """Name the class that stands for the value's AMQP type; an application's subclass of it does not count."""
    return next(cls.__name__ for cls in type(value).__mro__ if cls in _SCALARS)


# --- enumerations -----------------------------------------------------------------------------------------------------


class Role(enum.IntEnum):
    """Which end of a link (§2.8.1). A boolean on the wire, and equal to one here."""

    SENDER = False
    RECEIVER = True


class SenderSettleMode(enum.IntEnum):
    """Whether a sender sends its deliveries settled (§2.8.2)."""

    UNSETTLED = 0
    SETTLED = 1
    MIXED = 2


class ReceiverSettleMode(enum.IntEnum):
    """When a receiver settles: at once, or after the sender has (§2.8.3)."""

    FIRST = 0
    SECOND = 1


class TerminusDurability(enum.IntEnum):
    """What of a terminus outlives its container's restart (§3.5.5)."""

    NONE = 0
    CONFIGURATION = 1
    UNSETTLED_STATE = 2


class TerminusExpiryPolicy(enum.StrEnum):
    """What starts the countdown of a terminus' timeout (§3.5.6)."""

    LINK_DETACH = "link-detach"
    SESSION_END = "session-end"
    CONNECTION_CLOSE = "connection-close"
    NEVER = "never"


class StdDistMode(enum.StrEnum):
    """Whether messages move to the link or are copied to it (§3.5.7)."""

    MOVE = "move"
    COPY = "copy"


class SaslCode(enum.IntEnum):
    """How a SASL exchange ended (§5.3.3.6)."""

    OK = 0
    AUTH = 1
    SYS = 2
    SYS_PERM = 3
    SYS_TEMP = 4
