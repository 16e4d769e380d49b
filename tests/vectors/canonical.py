"""How short AMQP lets each value be, told from the notation alone; adds that to what the clients made.

Usage: python -m tests.vectors.canonical tests/vectors/NAME.json < made-by-a-client
A vector is canonical where its bytes are as few as the constructors allow. An array's constructor is the narrowest that
holds all its elements and has content: elements without content would let a few bytes claim any number of values.
"""

from __future__ import annotations

import json
import pathlib
import sys
from collections.abc import Callable
from typing import Any

from tests.vectors import decimals
from tests.vectors.cases import SCHEMA, SECTIONS, Notation

FIXED = {"ubyte": 1, "ushort": 2, "byte": 1, "short": 2, "float": 4, "double": 8, "char": 4, "timestamp": 8, "uuid": 16}
FIXED |= {"null": 0, "decimal32": 4, "decimal64": 8, "decimal128": 16}
INTEGERS: dict[str, tuple[int, range]] = {  # the width that holds all, and what one byte holds
    "uint": (4, range(256)),
    "ulong": (8, range(256)),
    "int": (4, range(-128, 128)),
    "long": (8, range(-128, 128)),
}
CONTENTLESS_ZERO = ("uint", "ulong")


def octets(notation: Notation) -> int:
    """Count the content bytes of a binary, string or symbol."""
    kind, value = notation
    return len(value.removeprefix("hex:")) // 2 if kind == "binary" else len(value.encode())


def prefixed(size: int) -> int:
    """Add the size field to a content of `size` bytes."""
    return size + (1 if size <= 255 else 4)


def compound(size: int, count: int) -> int:
    """Add the size and count fields to a content of `size` bytes."""
    return size + (2 if size + 1 <= 255 and count <= 255 else 8)


def items_of(notation: Notation) -> list[Notation]:
    kind, value = notation
    return value if kind == "list" else [item for pair in value for item in pair]


def compound_size(notation: Notation) -> tuple[int, int]:
    items = items_of(notation)
    return sum(map(smallest, items)), len(items)


def array_size(notation: Notation) -> tuple[int, int]:
    """Give size and count of an array's content, the constructor of its elements included."""
    _, kind, elements, *descriptor = notation
    constructor = 1 + sum(1 + smallest(one) for one in descriptor)
    return constructor + elements_size(kind, elements), len(elements)


def elements_size(kind: str, elements: list[Notation]) -> int:
    """Count the bytes of an array's elements in the narrowest constructor that holds them all."""
    if kind in FIXED:
        return FIXED[kind] * len(elements)
    if kind == "boolean":
        return len(elements)
    if kind in INTEGERS:
        width, narrow = INTEGERS[kind]
        return len(elements) * (1 if all(int(value) in narrow for _, value in elements) else width)
    if kind in ("binary", "string", "symbol"):
        sizes = [octets(one) for one in elements]
        return sum(sizes) + len(sizes) * (1 if max(sizes, default=0) <= 255 else 4)
    measured = [(array_size if kind == "array" else compound_size)(one) for one in elements]
    wide = any(size + 1 > 255 or count > 255 for size, count in measured)
    return sum(size for size, _ in measured) + len(measured) * (8 if wide else 2)


def smallest(notation: Notation) -> int:
    """Count the bytes of the shortest encoding of a value, its constructor included."""
    kind, *rest = notation
    if kind in FIXED:
        return 1 + FIXED[kind]
    if kind == "boolean":
        return 1
    if kind in INTEGERS:
        width, narrow = INTEGERS[kind]
        value = int(rest[0])
        return 1 if value == 0 and kind in CONTENTLESS_ZERO else 2 if value in narrow else 1 + width
    if kind in ("binary", "string", "symbol"):
        return 1 + prefixed(octets(notation))
    if kind == "described":
        return 1 + smallest(rest[0]) + smallest(rest[1])
    if kind == "composite":
        return smallest_composite(*rest)
    if notation == ["list", []]:
        return 1
    return 1 + compound(*(array_size if kind == "array" else compound_size)(notation))


def smallest_composite(name: str, fields: dict[str, Notation]) -> int:
    """Count the bytes of a composite with just these fields: null for those between, none for those after the last."""
    last = max((SCHEMA[name]["fields"].index(field) for field in fields), default=-1)
    values = [fields.get(field, ["null"]) for field in SCHEMA[name]["fields"][: last + 1]]
    return 1 + smallest(["ulong", SCHEMA[name]["code"]]) + smallest(["list", values])


def smallest_section(name: str, value: Any) -> int:
    if name in ("header", "properties"):
        return smallest_composite(name, value)
    body = ["binary", value] if name == "data" else ["list", value] if name == "amqp-sequence" else value
    return 1 + smallest(["ulong", SECTIONS[name]]) + smallest(body)


def smallest_message(message: dict[str, Any]) -> int:
    sections = [(name, value) for name, value in message.items() if name != "body"]
    return sum(smallest_section(name, value) for name, value in [*sections, *message["body"]])


def smallest_frame(frame: dict[str, Any]) -> int:
    if frame["type"] == "header" or frame["performative"] is None:
        return 8
    payload = octets(["binary", frame["payload"]])
    return 8 + smallest_composite(frame["performative"], frame["fields"]) + payload


SMALLEST: dict[str, Callable[[Any], int]] = {
    "value": smallest,
    "message": smallest_message,
    "frame": smallest_frame,
}


def exact(notation: Any) -> bool:
    """Tell whether every decimal in the notation has the bits that its value has, not others that mean the same."""
    if isinstance(notation, list) and len(notation) == 2 and str(notation[0]).startswith("decimal"):
        return not decimals.split(bytes.fromhex(notation[1].removeprefix("hex:"))).excess
    inner = notation.values() if isinstance(notation, dict) else notation if isinstance(notation, list) else ()
    return all(map(exact, inner))


def with_verdict(vector: dict[str, Any]) -> dict[str, Any]:
    kind, encoded, value = vector["kind"], vector["hex"], vector["value"]
    least = SMALLEST[kind](value)
    contentless = vector["name"].endswith(", zero")  # arrays made with constructors that the rule leaves out
    if least * 2 > len(encoded) and not contentless:
        raise ValueError(f"{vector['name']}: {least} bytes were thought to be the least, but {encoded} is shorter")
    return vector | {"canonical": least * 2 == len(encoded) and exact(value) and not contentless}


def main() -> None:
    vectors = [json.dumps(with_verdict(vector), ensure_ascii=False) for vector in json.load(sys.stdin)]
    pathlib.Path(sys.argv[1]).write_text("[\n" + ",\n".join(vectors) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
