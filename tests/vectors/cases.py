"""What both clients are asked to encode, in the notation of README.md.

Owns the list of values and messages; how a client is made to encode them is make_proton.py's and make_rhea.js's.
Run as a script it prints everything as JSON, with the composites and sections of the specification, for make_rhea.js.
"""

from __future__ import annotations

import json
import pathlib
import sys
from typing import Any

Notation = list[Any]

SCHEMA = json.loads((pathlib.Path(__file__).parent / "schema.json").read_text())
SECTIONS = {
    "header": 0x70,
    "delivery-annotations": 0x71,
    "message-annotations": 0x72,
    "properties": 0x73,
    "application-properties": 0x74,
    "data": 0x75,
    "amqp-sequence": 0x76,
    "amqp-value": 0x77,
    "footer": 0x78,
}
EXACT = 2**53 - 1  # many JSON readers hold no larger integer


def number(value: int) -> int | str:
    """Write an integer so that every JSON reader keeps it: beyond 53 bits as a decimal string."""
    return value if -EXACT <= value <= EXACT else str(value)


def integers(kind: str, *values: int) -> list[tuple[str, Notation]]:
    return [(f"{kind} {value}", [kind, number(value)]) for value in values]


def hexadecimals(kind: str, **values: str) -> list[tuple[str, Notation]]:
    return [(f"{kind} {name.replace('_', ' ')}", [kind, f"hex:{value}"]) for name, value in values.items()]


def binary(data: bytes) -> Notation:
    return ["binary", f"hex:{data.hex()}"]


def string(text: str) -> Notation:
    return ["string", text]


def symbol(text: str) -> Notation:
    return ["symbol", text]


def uint(value: int) -> Notation:
    return ["uint", value]


NULL: Notation = ["null"]
UUID: Notation = ["uuid", "00112233-4455-6677-8899-aabbccddeeff"]
TIME: Notation = ["timestamp", 1311704463521]

# One value of every type whose encoding holds no other value, as application-properties may have them.
SIMPLE: dict[str, Notation] = {
    "null": NULL,
    "boolean": ["boolean", True],
    "ubyte": ["ubyte", 200],
    "ushort": ["ushort", 60000],
    "uint": ["uint", 4000000000],
    "ulong": ["ulong", "18446744073709551615"],
    "byte": ["byte", -100],
    "short": ["short", -30000],
    "int": ["int", -2000000000],
    "long": ["long", "-9223372036854775808"],
    "float": ["float", 0.15625],
    "double": ["double", 0.1],
    "decimal32": ["decimal32", "hex:b2ced208"],
    "decimal64": ["decimal64", "hex:31a0000000bc614e"],
    "decimal128": ["decimal128", "hex:3040000000000000000000000000000a"],
    "char": ["char", 0x20AC],
    "timestamp": TIME,
    "uuid": UUID,
    "binary": ["binary", "hex:00ff80"],
    "string": ["string", "grüße €"],
    "symbol": ["symbol", "amqp:symbol"],
}

# Bit patterns that IEEE 754 reads as zero, since their coefficients have too many digits.
EXCESS: dict[str, Notation] = {
    "decimal32 with excess digits": ["decimal32", "hex:6cbfffff"],
    "decimal64 with excess digits": ["decimal64", "hex:6c77ffffffffffff"],
    "decimal128 with excess digits": ["decimal128", "hex:3041ffffffffffffffffffffffffffff"],
    "decimal128 in the long form": ["decimal128", "hex:6c100000000000000000000000000001"],
}

SCALARS: list[tuple[str, Notation]] = [
    ("null", NULL),
    ("boolean true", ["boolean", True]),
    ("boolean false", ["boolean", False]),
    *integers("ubyte", 0, 1, 127, 128, 255),
    *integers("ushort", 0, 1, 255, 256, 65535),
    *integers("uint", 0, 1, 127, 128, 255, 256, 65536, 2**31, 2**32 - 1),
    *integers("ulong", 0, 1, 127, 128, 255, 256, 2**32, 2**53 - 1, 2**53, 2**63 - 1, 2**63, 2**64 - 1),
    *integers("byte", -128, -1, 0, 1, 127),
    *integers("short", -32768, -129, -128, -1, 0, 127, 128, 32767),
    *integers("int", -(2**31), -32769, -129, -128, -1, 0, 1, 127, 128, 255, 256, 2**31 - 1),
    *integers("long", -(2**63), -(2**53), -(2**32) - 1, -129, -128, -1, 0, 1, 127, 128, 2**32, 2**53, 2**63 - 1),
    *(
        (f"float {value}", ["float", value])
        for value in (0, "-0", 1.5, -1.5, 2**-149, 2**-126, (2 - 2**-23) * 2.0**127, "inf", "-inf", "nan")
    ),
    *(
        (f"double {value}", ["double", value])
        for value in (0, "-0", 0.1, -1e300, 5e-324, 2.0**-1022, (2 - 2**-52) * 2.0**1023, "inf", "-inf", "nan")
    ),
    *hexadecimals(
        "decimal32",
        zero="32800000",
        minus_zero="b2800000",
        one="32800001",
        minus_123_point_456="b101e240",
        most_digits_in_the_short_form="32ffffff",
        least_coefficient_of_the_long_form="6ca00000",
        largest="77f8967f",
        smallest_subnormal="00000001",
        zero_of_the_highest_exponent="5f800000",
        infinity="78000000",
        minus_infinity="f8000000",
        quiet_nan="7c000000",
        minus_nan="fc000000",
        nan_with_payload="7c00007b",
        signaling_nan="7e000001",
    ),
    *hexadecimals(
        "decimal64",
        zero="31c0000000000000",
        minus_zero="b1c0000000000000",
        one="31c0000000000001",
        pi="2feb29430a256d21",
        long_form="6c7386f26fc0ffff",
        largest="77fb86f26fc0ffff",
        smallest_subnormal="0000000000000001",
        infinity="7800000000000000",
        minus_infinity="f800000000000000",
        quiet_nan="7c00000000000000",
        minus_nan_with_payload="fc00000000003039",
        signaling_nan="7e00000000000000",
    ),
    *hexadecimals(
        "decimal128",
        zero="30400000000000000000000000000000",
        minus_zero="b0400000000000000000000000000000",
        one="30400000000000000000000000000001",
        one_point_one="303e000000000000000000000000000b",
        largest="5fffed09bead87c0378d8e63ffffffff",
        smallest_subnormal="00000000000000000000000000000001",
        infinity="78000000000000000000000000000000",
        minus_infinity="f8000000000000000000000000000000",
        quiet_nan="7c000000000000000000000000000000",
        minus_nan_with_payload="fc00000000000000000000000000002a",
        signaling_nan="7e000000000000000000000000000000",
    ),
    *EXCESS.items(),
    *((f"char U+{code:04X}", ["char", code]) for code in (0, 0x41, 0x7F, 0xE9, 0x20AC, 0xD7FF, 0xE000, 0xFFFF)),
    *((f"char U+{code:04X}", ["char", code]) for code in (0x10000, 0x1F600, 0x10FFFF)),
    *integers("timestamp", 0, 1, -1, 1311704463521, 253402300799999, 253402300800000),
    *integers("timestamp", -62135596800000, -62135596800001, -(2**63), 2**63 - 1),
    ("uuid", UUID),
    ("uuid of zeros", ["uuid", "00000000-0000-0000-0000-000000000000"]),
    ("uuid of ones", ["uuid", "ffffffff-ffff-ffff-ffff-ffffffffffff"]),
    ("binary empty", binary(b"")),
    ("binary of one byte", binary(b"\0")),
    ("binary of 255 bytes", binary(bytes(range(255)))),
    ("binary of 256 bytes", binary(bytes(range(256)))),
    ("string empty", string("")),
    ("string ASCII", string("hello, world")),
    ("string of 1 to 4 bytes a character", string("aé€\U0001d11e")),
    ("string with U+0000", string("a\0b")),
    ("string of 255 bytes", string("s" * 255)),
    ("string of 256 bytes", string("s" * 256)),
    ("string of 86 characters and 258 bytes", string("€" * 86)),
    ("symbol empty", symbol("")),
    ("symbol", symbol("amqp:accepted:list")),
    ("symbol of 255 bytes", symbol("y" * 255)),
    ("symbol of 256 bytes", symbol("y" * 256)),
]

LISTS: list[tuple[str, Notation]] = [
    ("list empty", ["list", []]),
    ("list of null", ["list", [NULL]]),
    ("list of every simple type", ["list", list(SIMPLE.values())]),
    ("list nested", ["list", [["list", [["list", [["list", []], uint(1)]], string("x")]], ["list", []]]]),
    ("list of 254 nulls", ["list", [NULL] * 254]),
    ("list of 255 nulls", ["list", [NULL] * 255]),
    ("list of 256 nulls", ["list", [NULL] * 256]),
    ("list of 255 bytes", ["list", [binary(b"b" * 252)]]),
    ("list of 256 bytes", ["list", [binary(b"b" * 253)]]),
]

MAPS: list[tuple[str, Notation]] = [
    ("map empty", ["map", []]),
    ("map keeps its order", ["map", [[string(k), uint(n)] for n, k in enumerate("zamb")]]),
    ("map of every simple type", ["map", [[string(name), value] for name, value in SIMPLE.items()]]),
    ("map with keys of every simple type", ["map", [[value, uint(n)] for n, value in enumerate(SIMPLE.values())]]),
    ("map nested", ["map", [[symbol("m"), ["map", [[string("k"), ["map", []]]]]], [symbol("l"), ["list", [NULL]]]]]),
    ("map with a string and a symbol alike", ["map", [[string("a"), uint(1)], [symbol("a"), uint(2)]]]),
    (
        "map with keys that Python holds equal",
        [
            "map",
            [
                [["boolean", True], uint(0)],
                [["uint", 1], uint(1)],
                [["int", 1], uint(2)],
                [["double", 1.0], uint(3)],
                [["long", 1], uint(4)],
            ],
        ],
    ),
    ("map with a list as key", ["map", [[["list", [uint(1)]], string("list")], [["list", []], string("empty")]]]),
    ("map with a map as key", ["map", [[["map", [[string("k"), NULL]]], string("map")]]]),
    ("map with an array as key", ["map", [[["array", "uint", [uint(1), uint(2)]], string("array")]]]),
    ("map with a described key", ["map", [[["described", symbol("x:key"), string("k")], string("v")]]]),
    ("map of 63 entries", ["map", [[["ubyte", n], NULL] for n in range(63)]]),
    ("map of 128 entries", ["map", [[["ubyte", n], ["ubyte", 255 - n]] for n in range(128)]]),
]


def array(kind: str, *elements: Notation, descriptor: Notation | None = None) -> Notation:
    return ["array", kind, list(elements)] if descriptor is None else ["array", kind, list(elements), descriptor]


def arrays_of_simple_types() -> list[tuple[str, Notation]]:
    cases = [(f"array empty of {kind}", array(kind)) for kind in SIMPLE]
    for kind, one in SIMPLE.items():
        several = [
            value for name, value in SCALARS if value[0] == kind and name not in EXCESS and len(str(value)) < 200
        ]
        cases.append((f"array of one {kind}", array(kind, one)))
        cases.append((f"array of {kind}", array(kind, *several)))
    return cases


ARRAYS: list[tuple[str, Notation]] = [
    *arrays_of_simple_types(),
    ("array of nulls", array("null", NULL, NULL, NULL)),
    ("array of true", array("boolean", ["boolean", True], ["boolean", True])),
    ("array of small uints", array("uint", *(uint(n) for n in (0, 1, 255)))),
    ("array of zero uints", array("uint", uint(0), uint(0))),
    ("array of small ulongs", array("ulong", ["ulong", 0], ["ulong", 255])),
    ("array of small ints", array("int", ["int", -128], ["int", 127])),
    ("array of small longs", array("long", ["long", -128], ["long", 127])),
    ("array of long strings", array("string", string("s" * 300), string("t"))),
    ("array of 252 bytes", array("ubyte", *(["ubyte", n] for n in range(252)))),
    ("array of 253 bytes", array("ubyte", *(["ubyte", n] for n in range(253)))),
    ("array of 300 booleans", array("boolean", *(["boolean", n % 3 == 0] for n in range(300)))),
    ("array empty of list", array("list")),
    ("array of lists", array("list", ["list", [uint(1), string("a")]], ["list", [NULL]])),
    ("array of empty lists", array("list", ["list", []], ["list", []])),
    ("array of lists, one empty", array("list", ["list", []], ["list", [["boolean", False]]])),
    ("array of long lists", array("list", ["list", [NULL] * 300], ["list", []])),
    ("array empty of map", array("map")),
    ("array of maps", array("map", ["map", [[string("k"), uint(1)]]], ["map", []])),
    ("array empty of array", array("array")),
    ("array of arrays", array("array", array("uint", uint(1), uint(2)), array("uint", uint(300)))),
    ("array of arrays of several types", array("array", array("ubyte", ["ubyte", 1]), array("symbol", symbol("s")))),
    ("array of arrays, one empty", array("array", array("long"), array("long", ["long", 1]))),
    (
        "array of arrays of arrays",
        array("array", array("array", array("int", ["int", 1]), array("int", ["int", -300]))),
    ),
    (
        "array described by a symbol",
        array("string", string("a"), string("b"), descriptor=symbol("x:text")),
    ),
    ("array described by a number", array("uint", uint(5), uint(500), descriptor=["ulong", 0x468C00000004])),
    ("array described and empty", array("binary", descriptor=symbol("x:bytes"))),
    ("array of described lists", array("list", ["list", [uint(1)]], ["list", []], descriptor=["ulong", 0x1000])),
    ("array of described maps", array("map", ["map", [[symbol("k"), NULL]]], descriptor=symbol("x:map"))),
    ("array in a list in a map", ["map", [[string("k"), ["list", [array("symbol", symbol("a"), symbol("b"))]]]]]),
]

DESCRIBED: list[tuple[str, Notation]] = [
    ("described by a symbol", ["described", symbol("x:name"), string("value")]),
    ("described by zero", ["described", ["ulong", 0], string("value")]),
    ("described by a small number", ["described", ["ulong", 200], uint(1)]),
    ("described by a vendor's number", ["described", ["ulong", 0x0000468C00000004], string("a > 1")]),
    ("described by the largest number", ["described", ["ulong", "18446744073709551615"], NULL]),
    ("described null", ["described", symbol("x:null"), NULL]),
    ("described list", ["described", ["ulong", 0x1000], ["list", [uint(1), string("a"), NULL]]]),
    ("described empty list", ["described", ["ulong", 0x1000], ["list", []]]),
    ("described map", ["described", symbol("x:map"), ["map", [[symbol("k"), ["boolean", False]]]]]),
    ("described described", ["described", symbol("x:outer"), ["described", ["ulong", 0x2000], UUID]]),
    ("described in a list", ["list", [["described", symbol("x:a"), uint(0)], ["described", ["ulong", 999], NULL]]]),
    ("described in a map", ["map", [[symbol("f"), ["described", symbol("x:filter"), string("v")]]]]),
    ("described array", ["described", symbol("x:array"), array("uint", uint(1), uint(2))]),
    ("described by a string", ["described", string("text"), uint(1)]),
    ("described by a list", ["described", ["list", [uint(1)]], uint(1)]),
    ("described by a described", ["described", ["described", symbol("x:meta"), symbol("x:name")], uint(1)]),
]

VALUES = [*SCALARS, *LISTS, *MAPS, *ARRAYS, *DESCRIBED]

HEADER: dict[str, Notation] = {
    "durable": ["boolean", True],
    "priority": ["ubyte", 9],
    "ttl": ["uint", 60000],
    "first-acquirer": ["boolean", True],
    "delivery-count": ["uint", 3],
}
PROPERTIES: dict[str, Notation] = {
    "message-id": string("id-1"),
    "user-id": binary(b"guest\0\xff"),
    "to": string("queue-1"),
    "subject": string("greeting"),
    "reply-to": string("replies"),
    "correlation-id": ["ulong", 42],
    "content-type": symbol("text/plain"),
    "content-encoding": symbol("gzip"),
    "absolute-expiry-time": ["timestamp", 1700000060000],
    "creation-time": ["timestamp", 1700000000001],
    "group-id": string("group-a"),
    "group-sequence": ["uint", 4294967295],
    "reply-to-group-id": string("group-b"),
}
IDS: list[Notation] = [
    ["ulong", 0],
    ["ulong", 255],
    ["ulong", "18446744073709551615"],
    UUID,
    binary(b""),
    binary(b"\0id"),
    string(""),
]
ANNOTATIONS: Notation = [
    "map",
    [
        [symbol("x-opt-text"), string("text")],
        [symbol("x-opt-number"), ["long", -5000000000]],
        [symbol("x-opt-list"), ["list", [uint(1), ["map", []], symbol("s")]]],
        [symbol("x-opt-map"), ["map", [[string("k"), ["binary", "hex:00"]]]]],
        [symbol("x-opt-array"), array("symbol", symbol("a"), symbol("b"))],
        [symbol("x-opt-described"), ["described", symbol("x:name"), ["double", 0.5]]],
    ],
]
FOOTER: Notation = [
    "map",
    [[symbol("x-opt-crc"), ["uint", 3735928559]], [symbol("x-opt-sum"), ["binary", "hex:01"]]],
]
PLAIN: Notation = ["amqp-value", string("body")]
EVERY_SECTION: dict[str, Any] = {
    "header": HEADER,
    "delivery-annotations": ANNOTATIONS,
    "message-annotations": ANNOTATIONS,
    "properties": PROPERTIES,
    "application-properties": ["map", [[string("k"), ["boolean", False]]]],
    "body": [["data", "hex:010203"]],
    "footer": FOOTER,
}


def single(name: str, kind: str, value: object) -> tuple[str, dict[str, Any]]:
    return name, {kind: value, "body": [PLAIN]}


MESSAGES: list[tuple[str, dict[str, Any]]] = [
    ("null body", {"body": [["amqp-value", NULL]]}),
    *(single(f"header {name}", "header", {name: value}) for name, value in HEADER.items()),
    single("header", "header", HEADER),
    single("header empty", "header", {}),
    single("delivery-annotations", "delivery-annotations", ANNOTATIONS),
    single("delivery-annotations with a number as key", "delivery-annotations", ["map", [[["ulong", 300], NULL]]]),
    single("delivery-annotations empty", "delivery-annotations", ["map", []]),
    single("message-annotations", "message-annotations", ANNOTATIONS),
    single("message-annotations with a number as key", "message-annotations", ["map", [[["ulong", 7], string("v")]]]),
    *(single(f"properties {name}", "properties", {name: value}) for name, value in PROPERTIES.items()),
    single("properties", "properties", PROPERTIES),
    single("properties empty", "properties", {}),
    *(
        single(f"properties with {value[0]} {n} for ids", "properties", {"message-id": value, "correlation-id": value})
        for n, value in enumerate(IDS)
    ),
    single(
        "application-properties",
        "application-properties",
        ["map", [[string(name), value] for name, value in SIMPLE.items()]],
    ),
    single("application-properties empty", "application-properties", ["map", []]),
    ("data", {"body": [["data", "hex:" + b"hello".hex()]]}),
    ("data empty", {"body": [["data", "hex:"]]}),
    ("data of 300 bytes", {"body": [["data", "hex:" + "5a" * 300]]}),
    ("data three times", {"body": [["data", "hex:00"], ["data", "hex:"], ["data", "hex:" + "61" * 260]]}),
    ("sequence", {"body": [["amqp-sequence", [uint(1), string("two"), ["double", 3.0]]]]}),
    ("sequence empty", {"body": [["amqp-sequence", []]]}),
    ("sequence twice", {"body": [["amqp-sequence", [uint(1), ["list", []]]], ["amqp-sequence", [NULL]]]}),
    *((f"amqp-value {name}", {"body": [["amqp-value", value]]}) for name, value in SIMPLE.items()),
    ("amqp-value list", {"body": [["amqp-value", ["list", [uint(1), NULL]]]]}),
    ("amqp-value map", {"body": [["amqp-value", ["map", [[string("k"), ["list", []]]]]]]}),
    ("amqp-value array", {"body": [["amqp-value", array("int", ["int", 1], ["int", -300])]]}),
    ("amqp-value described", {"body": [["amqp-value", ["described", symbol("x:name"), ["list", [uint(1)]]]]]}),
    single("footer", "footer", FOOTER),
    ("every section", EVERY_SECTION),
    ("every section but the footer", {name: value for name, value in EVERY_SECTION.items() if name != "footer"}),
]

if __name__ == "__main__":
    sys.stdout.write(json.dumps({"schema": SCHEMA, "sections": SECTIONS, "values": VALUES, "messages": MESSAGES}))
