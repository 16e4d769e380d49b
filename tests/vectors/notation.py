"""The notation of the vectors, turned into what amqp10 makes of the same bytes; README.md says how it is written."""

from __future__ import annotations

import datetime as dt
import functools
import json
import math
import pathlib
import uuid
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from amqp10 import messaging, outcomes, performatives, terminus, types
from amqp10._codec import AmqpSequence, Data
from amqp10.composite import Composite
from amqp10.types import Array, Described, Map, Symbol
from tests.vectors import decimals
from tests.vectors.cases import SCHEMA, Notation

EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
INTEGERS: Final = ("ubyte", "ushort", "uint", "ulong", "byte", "short", "int", "long")

# What a field means that is absent, where the specification gives it a meaning (schema.json: the fields' names).
DEFAULTS: Final[dict[str, dict[str, object]]] = {
    "open": {"max-frame-size": 2**32 - 1, "channel-max": 2**16 - 1},
    "begin": {"handle-max": 2**32 - 1},
    "attach": {"snd-settle-mode": 2, "rcv-settle-mode": 0, "incomplete-unsettled": False},
    "flow": {"drain": False, "echo": False},
    "transfer": {"more": False, "resume": False, "aborted": False, "batchable": False},
    "disposition": {"settled": False, "batchable": False},
    "detach": {"closed": False},
    "header": {"durable": False, "priority": 4, "first-acquirer": False, "delivery-count": 0},
    "modified": {"delivery-failed": False, "undeliverable-here": False},
    "source": {"durable": 0, "expiry-policy": Symbol("session-end"), "timeout": 0, "dynamic": False},
    "target": {"durable": 0, "expiry-policy": Symbol("session-end"), "timeout": 0, "dynamic": False},
}


class Vector(NamedTuple):
    """Bytes that a client made, and what it meant by them."""

    name: str
    kind: str
    encoded: bytes
    value: Any
    canonical: bool


@functools.cache
def load(name: str) -> tuple[Vector, ...]:
    """Give the vectors of one client: "proton" or "rhea"."""
    text = (pathlib.Path(__file__).parent / f"{name}.json").read_text(encoding="utf-8")
    return tuple(
        Vector(one["name"], one["kind"], unhex(one["hex"]), one["value"], one["canonical"]) for one in json.loads(text)
    )


# --- values -----------------------------------------------------------------------------------------------------------


def unhex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("hex:"))


def timestamp(value: int | str) -> object:
    """Give the aware datetime, or a Timestamp where datetime ends."""
    try:
        return EPOCH + dt.timedelta(milliseconds=int(value))
    except OverflowError:
        return types.Timestamp(int(value))


def mapping(pairs: list[list[Notation]]) -> object:
    """Give a dict, or a Map where a dict would lose entries, or a key is no simple value."""
    entries = [(to_value(key), to_value(value)) for key, value in pairs]
    if any(key[0] in ("list", "map", "array", "described") for key, _ in pairs):
        return Map(entries)
    plain = dict(entries)
    return plain if len(plain) == len(entries) else Map(entries)


def described(descriptor: Notation, value: Notation) -> object:
    """Give the described value; unlike the constructor keep a string for a descriptor as it is, reserved as that is."""
    made = Described(None, to_value(value))
    object.__setattr__(made, "descriptor", to_value(descriptor))
    return made


def array(kind: str, elements: list[Notation], descriptor: Notation | None = None) -> object:
    items = [to_value(element) for element in elements]
    return Array(kind, items, None if descriptor is None else to_value(descriptor))


VALUES: Final[dict[str, Callable[..., object]]] = {
    "null": lambda: None,
    "boolean": bool,
    "long": int,
    "float": lambda value: types.Float32(float(value)),
    "double": float,
    "decimal32": lambda value: types.Decimal32(decimals.to_decimal(unhex(value))),
    "decimal64": lambda value: types.Decimal64(decimals.to_decimal(unhex(value))),
    "decimal128": lambda value: types.Decimal128(decimals.to_decimal(unhex(value))),
    "char": lambda value: types.Char(chr(value)),
    "timestamp": timestamp,
    "uuid": uuid.UUID,
    "binary": unhex,
    "string": str,
    "symbol": Symbol,
    "list": lambda items: [to_value(item) for item in items],
    "map": mapping,
    "array": array,
    "described": described,
    "ubyte": lambda value: types.UByte(int(value)),
    "ushort": lambda value: types.UShort(int(value)),
    "uint": lambda value: types.UInt(int(value)),
    "ulong": lambda value: types.ULong(int(value)),
    "byte": lambda value: types.Byte(int(value)),
    "short": lambda value: types.Short(int(value)),
    "int": lambda value: types.Int(int(value)),
}


def to_value(notation: Notation) -> Any:
    """Give the Python value that stands for the AMQP value."""
    kind, *rest = notation
    return to_composite(*rest) if kind == "composite" else VALUES[kind](*rest)


# --- composites -------------------------------------------------------------------------------------------------------

MULTIPLE: Final = {
    "outgoing-locales",
    "incoming-locales",
    "offered-capabilities",
    "desired-capabilities",
    "capabilities",
    "outcomes",
    "sasl-server-mechanisms",
}


def attribute(field: str) -> str:
    return field.replace("-", "_")


def to_field(field: str, notation: Notation) -> Any:
    """Give what the field of a composite holds: numbers plain, and a list where several values may stand."""
    if field in MULTIPLE:
        return [to_value(one) for one in (notation[2] if notation[0] == "array" else [notation])]
    return int(notation[1]) if notation[0] in INTEGERS else to_value(notation)


def composite_class(name: str) -> type[Composite]:
    title = "".join(map(str.capitalize, name.split("-")))
    for module in (performatives, outcomes, terminus, messaging):
        if isinstance(found := getattr(module, title, None), type):
            return found
    raise KeyError(title)


def to_composite(name: str, fields: Mapping[str, Notation]) -> Composite:
    """Give the composite with these fields, the others as the specification has them where they are absent."""
    given = {field: to_field(field, notation) for field, notation in fields.items()}
    every = dict.fromkeys(SCHEMA[name]["fields"]) | DEFAULTS.get(name, {}) | given
    return composite_class(name)(**{attribute(field): value for field, value in every.items()})


# Fields whose maps have symbols for keys (§2.8.12), which amqp10 sees to when it writes; rhea sends strings in some.
SYMBOL_KEYED: Final = {"properties", "info", "dynamic-node-properties", "filter", "message-annotations"}


def with_symbol_keys(fields: Mapping[str, Notation]) -> dict[str, Notation]:
    """Give the fields of a composite as the specification wants them written, the composites in them included."""
    return {field: symbol_keyed(notation, field in SYMBOL_KEYED) for field, notation in fields.items()}


def symbol_keyed(notation: Notation, is_fields: bool) -> Notation:
    if notation[0] == "composite":
        return ["composite", notation[1], with_symbol_keys(notation[2])]
    if notation[0] == "map" and is_fields:
        return ["map", [[["symbol", key], value] for (_, key), value in notation[1]]]
    return notation


# --- messages ---------------------------------------------------------------------------------------------------------

MAPS: Final = ("delivery-annotations", "message-annotations", "application-properties", "footer")


def to_sections(message: Mapping[str, Any]) -> dict[str, Any]:
    """Give what each attribute of the decoded message holds, all sections included; None for those it has not."""
    sections: dict[str, Any] = {}
    for name in ("header", "properties"):
        sections[name] = to_composite(name, message[name]) if name in message else None
    for name in MAPS:
        sections[attribute(name)] = to_value(message[name]) if name in message else None
    sections["body_type"] = message["body"][0][0] if message["body"] else None
    sections["body"] = to_body(sections["body_type"], [content for _, content in message["body"]])
    return sections


def to_body(kind: str | None, contents: list[Any]) -> Any:
    """Give the body as Message unwraps it."""
    if kind is None:
        return None
    if kind == "amqp-value":
        return to_value(contents[0])
    if kind == "data":
        parts = [unhex(content) for content in contents]
        return parts[0] if len(parts) == 1 else Data(*parts)
    lists = [[to_value(item) for item in content] for content in contents]
    return lists[0] if len(lists) == 1 else AmqpSequence(*lists)


# --- comparison -------------------------------------------------------------------------------------------------------


def differences(actual: Any, expected: Any, where: str = "") -> Iterator[str]:
    """Tell where two values differ, types, order, signs of zero and NaN's payload included."""
    if type(actual) is not type(expected):
        yield f"{where}: {actual!r} is of {type(actual)}, not of {type(expected)}"
    elif (inner := parts(actual)) is None:
        if not alike(actual, expected):
            yield f"{where}: {actual!r} is not {expected!r}"
    else:
        yield from differing_parts(inner, parts(expected) or [], where)


def differing_parts(actual: list[Any], expected: list[Any], where: str) -> Iterator[str]:
    if len(actual) != len(expected):
        yield f"{where}: {len(actual)} parts {actual!r}, not {len(expected)}"
    for n, (mine, theirs) in enumerate(zip(actual, expected, strict=False)):
        yield from differences(mine, theirs, f"{where}[{n}]")


def parts(value: Any) -> list[Any] | None:
    """Give what a value is made of, in order; None for a simple one."""
    if isinstance(value, Composite):
        return [listed(getattr(value, name)) for name in fields_of(value)]
    if isinstance(value, Described):
        return [value.descriptor, value.value]
    if isinstance(value, Array):
        return [value.element_type, value.descriptor, list(value)]
    if isinstance(value, Mapping):
        return [part for pair in value.items() for part in pair]
    if isinstance(value, Data):
        return list(value.parts)
    if isinstance(value, AmqpSequence):
        return list(value.lists)
    return value if isinstance(value, list) else None


def fields_of(value: Composite) -> tuple[str, ...]:
    names: tuple[str, ...] = value.__match_args__  # type: ignore[attr-defined]  # given by the metaclass
    return names


def listed(value: Any) -> Any:
    """Make fields that hold several values alike, whatever sequence they come in."""
    return list(value) if isinstance(value, (tuple, Array)) else value


def alike(actual: Any, expected: Any) -> bool:
    if isinstance(actual, float):
        signs_agree = math.copysign(1, actual) == math.copysign(1, expected)
        return (math.isnan(actual) and math.isnan(expected)) or (actual == expected and signs_agree)
    if isinstance(actual, Decimal):
        return bool(actual.as_tuple() == expected.as_tuple())
    if isinstance(actual, dt.datetime):
        return bool(actual == expected and actual.utcoffset() == expected.utcoffset())
    return bool(actual == expected)


def assert_same(actual: Any, expected: Any) -> None:
    found = list(differences(actual, expected))
    assert not found, "\n".join(found)
