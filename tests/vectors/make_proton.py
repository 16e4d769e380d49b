"""Print, as JSON, what python-qpid-proton makes of the cases and what two of its endpoints say to each other.

Values and messages are those of cases.py. Frames are what crossed a loopback socket; what they mean is told by proton's
own decoder and by the names in schema.json. No code of amqp10 takes part.
"""

from __future__ import annotations

import functools
import json
import math
import sys
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import proton
from proton import Data

from tests.vectors.cases import MESSAGES, SCHEMA, SECTIONS, VALUES, Notation, number
from tests.vectors.proton_talk import anonymous, refused, talk

BY_CODE = {entry["code"]: name for name, entry in SCHEMA.items()}
BY_SYMBOL = {entry["symbol"]: name for name, entry in SCHEMA.items()}
INTEGERS = ("ubyte", "ushort", "uint", "ulong", "byte", "short", "int", "long", "timestamp")
SYMBOLS = {
    name: f"amqp:{name}:{'list' if name in ('header', 'properties', 'amqp-sequence') else 'map'}" for name in SECTIONS
} | {"data": "amqp:data:binary", "amqp-value": "amqp:amqp-value:*"}

# --- the notation into proton's Data ----------------------------------------------------------------------------------


def real(text: object) -> float:
    return float(text)  # type: ignore[arg-type]


def unhex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("hex:"))


def put_compound(data: Data, items: list[Notation]) -> None:
    data.enter()
    for item in items:
        put(data, item)
    data.exit()


def put_array(data: Data, kind: str, items: list[Notation], descriptor: Notation | None = None) -> None:
    data.put_array(descriptor is not None, TYPES[kind])
    put_compound(data, ([descriptor] if descriptor is not None else []) + items)


def put_list(data: Data, items: list[Notation]) -> None:
    data.put_list()
    put_compound(data, items)


def put_map(data: Data, pairs: list[list[Notation]]) -> None:
    data.put_map()
    put_compound(data, [item for pair in pairs for item in pair])


def put_described(data: Data, descriptor: Notation, value: Notation) -> None:
    data.put_described()
    put_compound(data, [descriptor, value])


def put_integer(method: Callable[[Data, int], None], data: Data, value: int | str) -> None:
    method(data, int(value))


PUT: dict[str, Callable[..., None]] = {
    "null": lambda data: data.put_null(),
    "boolean": Data.put_bool,
    "float": lambda data, value: data.put_float(real(value)),
    "double": lambda data, value: data.put_double(real(value)),
    "decimal32": lambda data, value: data.put_decimal32(int.from_bytes(unhex(value), "big")),
    "decimal64": lambda data, value: data.put_decimal64(int.from_bytes(unhex(value), "big")),
    "decimal128": lambda data, value: data.put_decimal128(unhex(value)),
    "char": lambda data, value: data.put_char(chr(value)),
    "uuid": lambda data, value: data.put_uuid(uuid.UUID(value)),
    "binary": lambda data, value: data.put_binary(unhex(value)),
    "string": Data.put_string,
    "symbol": Data.put_symbol,
    "list": put_list,
    "map": put_map,
    "array": put_array,
    "described": put_described,
}
PUT |= {kind: functools.partial(put_integer, getattr(Data, f"put_{kind}")) for kind in INTEGERS}
TYPES = {kind: Data.BOOL if kind == "boolean" else getattr(Data, kind.upper()) for kind in PUT}
NAMES = {code: kind for kind, code in TYPES.items()}


def put(data: Data, notation: Notation) -> None:
    PUT[notation[0]](data, *notation[1:])


def encode(notation: Notation) -> bytes:
    data = Data()
    put(data, notation)
    return bytes(data.encode())


# --- proton's Data into the notation ----------------------------------------------------------------------------------


def spell(value: float) -> float | str:
    value = float(value)  # proton's float32 writes itself otherwise
    if math.isnan(value):
        return "nan"
    return str(value) if math.isinf(value) else "-0" if value == 0 and math.copysign(1, value) < 0 else value


def spell_bytes(value: bytes) -> str:
    return f"hex:{bytes(value).hex()}"


def get_integer(method: Callable[[Data], int], data: Data) -> int | str:
    return number(int(method(data)))


GET: dict[str, Callable[[Data], object]] = {
    "boolean": Data.get_bool,
    "float": lambda data: spell(data.get_float()),
    "double": lambda data: spell(data.get_double()),
    "decimal32": lambda data: spell_bytes(data.get_decimal32().to_bytes(4, "big")),
    "decimal64": lambda data: spell_bytes(data.get_decimal64().to_bytes(8, "big")),
    "decimal128": lambda data: spell_bytes(data.get_decimal128()),
    "char": lambda data: ord(data.get_char()),
    "uuid": lambda data: str(data.get_uuid()),
    "binary": lambda data: spell_bytes(data.get_binary()),
    "string": lambda data: str(data.get_string()),
    "symbol": lambda data: str(data.get_symbol()),
}
GET |= {kind: functools.partial(get_integer, getattr(Data, f"get_{kind}")) for kind in INTEGERS}


def get_items(data: Data) -> list[Notation]:
    items = []
    data.enter()
    while data.next() is not None:
        items.append(get(data))
    data.exit()
    return items


def get_array(data: Data) -> Notation:
    _, described, kind = data.get_array()
    items = get_items(data)
    return ["array", NAMES[kind], items[1:], items[0]] if described else ["array", NAMES[kind], items]


def get(data: Data) -> Notation:
    kind = NAMES[data.type()]
    if kind == "null":
        return ["null"]
    if kind == "array":
        return get_array(data)
    if kind in ("list", "map", "described"):
        items = get_items(data)
        if kind == "map":
            return ["map", [list(pair) for pair in zip(items[::2], items[1::2], strict=True)]]
        return ["list", items] if kind == "list" else ["described", *items]
    return [kind, GET[kind](data)]


def decode(encoded: bytes) -> tuple[Notation, int]:
    """Read the value that `encoded` starts with; also tell how long it is."""
    data = Data()
    size = data.decode(encoded)
    data.rewind()
    data.next()
    return get(data), size


def composite_name(descriptor: Notation) -> str | None:
    return (BY_CODE if descriptor[0] == "ulong" else BY_SYMBOL).get(descriptor[1])


def named(notation: Notation) -> Notation:
    """Give the described lists of the specification, however deep, their names and those of their fields."""
    kind, *rest = notation
    if kind == "described" and (name := composite_name(rest[0])) is not None:
        return ["composite", name, fields_of(name, rest[1])]
    if kind == "described":
        return [kind, rest[0], named(rest[1])]
    if kind == "list":
        return [kind, [named(item) for item in rest[0]]]
    if kind == "map":
        return [kind, [[key, named(value)] for key, value in rest[0]]]
    return notation


def fields_of(name: str, body: Notation) -> dict[str, Notation]:
    return {
        field: named(value) for field, value in zip(SCHEMA[name]["fields"], body[1], strict=False) if value != ["null"]
    }


# --- messages ---------------------------------------------------------------------------------------------------------


def section_body(name: str, value: Any) -> Notation:
    """Give the value that is described by the section's descriptor."""
    if name in ("header", "properties"):
        fields = [value.get(field, ["null"]) for field in SCHEMA[name]["fields"]]
        while fields and fields[-1] == ["null"]:
            fields.pop()
        return ["list", fields]
    return ["binary", value] if name == "data" else ["list", value] if name == "amqp-sequence" else value


def sections(message: dict[str, Any]) -> Iterator[tuple[str, Notation]]:
    for name in SECTIONS:
        if name in message:
            yield name, section_body(name, message[name])
        for kind, value in message["body"]:
            if kind == name:
                yield name, section_body(name, value)


def encode_sections(message: dict[str, Any], descriptor: Callable[[str], Notation]) -> bytes:
    return b"".join(encode(["described", descriptor(name), body]) for name, body in sections(message))


def decode_message(encoded: bytes) -> dict[str, Any]:
    message: dict[str, Any] = {"body": []}
    names = {code: name for name, code in SECTIONS.items()}
    while encoded:
        (_, descriptor, value), size = decode(encoded)
        encoded = encoded[size:]
        name = names[descriptor[1]]
        if name in ("header", "properties"):
            message[name] = fields_of(name, value)
        elif name in ("data", "amqp-sequence", "amqp-value"):
            message["body"].append([name, value if name == "amqp-value" else value[1]])
        else:
            message[name] = value
    return message


KEPT: list[Data] = []  # the binaries that get_object gives are views into the Data, which has to outlive them


def plain(notation: Notation) -> Any:
    """Make the Python value that proton's own Message takes."""
    data = Data()
    KEPT.append(data)
    put(data, notation)
    data.rewind()
    data.next()
    value = data.get_object()
    return bytes(value) if isinstance(value, memoryview) else value


SETTERS: dict[str, tuple[str, float]] = {  # fields that proton names otherwise, and the unit it wants
    "message-id": ("id", 0),
    "to": ("address", 0),
    "ttl": ("ttl", 1000),
    "absolute-expiry-time": ("expiry_time", 1000),
    "creation-time": ("creation_time", 1000),
}


def proton_message(message: dict[str, Any]) -> proton.Message | None:
    """Build the message with proton's class; None where that class has no place for a part of it."""
    if len(message["body"]) != 1 or "footer" in message:
        return None
    kind, value = message["body"][0]
    made = proton.Message(plain(section_body(kind, value)), inferred=kind != "amqp-value")
    for section in ("header", "properties"):
        for field, content in message.get(section, {}).items():
            name, unit = SETTERS.get(field, (field.replace("-", "_"), 0))
            setattr(made, name, plain(content) / unit if unit else plain(content))
    for section, name in (
        ("delivery-annotations", "instructions"),
        ("message-annotations", "annotations"),
        ("application-properties", "properties"),
    ):
        if section in message:
            setattr(made, name, plain(message[section]))
    return made


def says(decoded: dict[str, Any], message: dict[str, Any]) -> bool:
    """Tell whether the message has what was asked for; proton adds empty sections, and leaves out a null body."""
    body = [] if message["body"] == [["amqp-value", ["null"]]] else message["body"]
    for name, value in {**message, "body": body}.items():
        found = decoded.get(name)
        if isinstance(value, dict) and found is not None:
            found = {field: found.get(field) for field in value}
        if found != value and value != ["map", []]:
            return False
    return True


def message_vectors() -> Iterator[tuple[str, bytes, dict[str, Any]]]:
    for name, message in MESSAGES:
        yield name, encode_sections(message, lambda section: ["ulong", SECTIONS[section]]), message
        made = proton_message(message)
        if made is not None:
            encoded = bytes(made.encode())
            decoded = decode_message(encoded)
            if says(decoded, message):
                yield f"{name}, by proton.Message", encoded, decoded
            else:
                sys.stderr.write(f"left out: {name}, by proton.Message: it says {decoded}\n")
    for name in ("every section", "data three times", "sequence twice"):
        message = dict(MESSAGES)[name]
        symbolic = encode_sections(message, lambda section: ["symbol", SYMBOLS[section]])
        yield f"{name}, symbolic descriptors", symbolic, message


# --- frames -----------------------------------------------------------------------------------------------------------


def describe_frame(frame: bytes) -> dict[str, Any]:
    if frame.startswith(b"AMQP"):
        return {"type": "header", "protocol-id": frame[4], "major": frame[5], "minor": frame[6], "revision": frame[7]}
    described: dict[str, Any] = {
        "type": ("amqp", "sasl")[frame[5]],
        "channel": int.from_bytes(frame[6:8], "big"),
        "performative": None,
        "fields": {},
        "payload": "hex:",
    }
    body = frame[4 * frame[4] :]
    if body:
        notation, size = decode(body)
        _, described["performative"], described["fields"] = named(notation)
        described["payload"] = spell_bytes(body[size:])
    return described


def frame_vectors() -> Iterator[tuple[str, bytes, dict[str, Any]]]:
    for exchange in (anonymous, refused, talk):
        wire = exchange()
        title = exchange.__name__.replace("_", " ")
        for n, (role, frame) in enumerate(wire.frames(), 1):
            described = describe_frame(frame)
            what = described.get("performative") or ("header" if described["type"] == "header" else "empty frame")
            yield f"{title} {n}: {what} of the {role}", frame, described
        wire.close()


# --- all of it --------------------------------------------------------------------------------------------------------


def value_vectors() -> Iterator[tuple[str, bytes, Notation]]:
    for name, notation in VALUES:
        encoded = encode(notation)
        try:
            decoded, size = decode(encoded)
        except proton.DataException as error:
            decoded, size = error, 0
        if decoded == notation and size == len(encoded):
            yield name, encoded, notation
        else:
            sys.stderr.write(f"left out: {name}: proton reads its own {encoded.hex()} as {decoded!r}\n")


def main() -> None:
    vectors = [
        {"name": name, "kind": kind, "hex": encoded.hex(), "value": value}
        for kind, made in (("value", value_vectors), ("message", message_vectors), ("frame", frame_vectors))
        for name, encoded, value in made()
    ]
    json.dump(vectors, sys.stdout)


if __name__ == "__main__":
    main()
