"""Frames, fields and bytes as text for people: what failure messages are made of."""

from __future__ import annotations

import enum
from collections.abc import Mapping

from amqp10._codec import CompositeBase, Frame, FrameReader, ProtocolHeader, TransferRun
from amqp10.performatives import Performative, SaslChallenge, SaslFrame, SaslInit, SaslResponse
from amqp10.testing.wire import AMQP_HEADER, SASL_HEADER, Splitter, is_header

__all__ = [
    "ScriptFailure",
    "call_text",
    "dump",
    "field_text",
    "frame_text",
    "hex_text",
    "item_text",
    "protocol_text",
    "text_of",
]

_PROTOCOLS = {0: "AMQP", 2: "TLS", 3: "SASL"}
_SECRETS = {(SaslInit, "initial_response"), (SaslChallenge, "challenge"), (SaslResponse, "response")}
_SHOWN_BYTES = 24  # of a binary value
_SHOWN_TEXT = 80  # of a string
_PRINTABLE = range(0x20, 0x7F)


class ScriptFailure(AssertionError):
    """What the tested end did is not what the script says, or not what the specification allows."""


def text_of(value: object) -> str:
    """Return a short text for any value that occurs in a frame, or in what a script expects of one."""
    match value:
        case enum.Enum():
            return str(value)
        case CompositeBase():
            return _composite_text(value)
        case bytes() | bytearray() | memoryview():
            return _bytes_text(bytes(value))
        case str():
            return repr(str(value)) if len(value) <= _SHOWN_TEXT else f"{str(value)[:_SHOWN_TEXT]!r}… {len(value)}"
        case dict() | Mapping():
            return "{" + ", ".join(f"{text_of(key)}: {text_of(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(text_of, value)) + "]"
        case type():
            return value.__name__
    code = getattr(value, "__code__", None)
    if code is not None:
        return (
            f"{getattr(value, '__name__', 'function')} at {code.co_filename.rpartition('/')[2]}:{code.co_firstlineno}"
        )
    return repr(value)


def _bytes_text(value: bytes, size: int | None = None) -> str:
    size = len(value) if size is None else size
    return repr(value) if size <= _SHOWN_BYTES else f"{value[:_SHOWN_BYTES]!r}… {size} bytes"


def call_text(kind: type, fields: Mapping[str, object]) -> str:
    """Return a class with fields as a script would write it."""
    return f"{kind.__name__}({', '.join(f'{name}={field_text(kind, name, value)}' for name, value in fields.items())})"


def field_text(kind: type | None, name: str, value: object) -> str:
    """Return the text of a field's value: of what proves an identity, only how long it is."""
    if (kind, name) in _SECRETS and isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    return text_of(value)


def _composite_text(value: CompositeBase) -> str:
    names: tuple[str, ...] = type(value).__match_args__  # type: ignore[attr-defined]
    whole = isinstance(value, Performative | SaslFrame)
    fields = {name: getattr(value, name) for name in names}
    return call_text(type(value), {name: item for name, item in fields.items() if _is_telling(name, item, whole)})


def _is_telling(name: str, value: object, whole: bool) -> bool:
    """Leave out what is absent; within a frame's body False, and deeper down every zero, says as little."""
    if value is None:
        return False
    if whole:
        return value is not False or name == "role"
    return value is not False and (value != 0 or isinstance(value, str | bytes | CompositeBase))


def item_text(item: ProtocolHeader | Frame | None) -> str:
    """Return one line for what the wire carried; None is an empty frame."""
    if item is None:
        return "empty frame"
    if isinstance(item, ProtocolHeader):
        version = f"{item.major}.{item.minor}.{item.revision}"
        return f"header {protocol_text(item.protocol_id)} {version}"
    return frame_text(item.channel, item.performative, item.payload)


def protocol_text(protocol_id: int) -> str:
    """Return the name of the layer that a protocol header announces."""
    return _PROTOCOLS.get(protocol_id, f"of unknown protocol {protocol_id}")


def frame_text(channel: int, performative: CompositeBase, payload: bytes, size: int | None = None) -> str:
    """Return one line for a frame.

    Args:
        channel: its channel.
        performative: its body.
        payload: what follows the performative, or how that begins.
        size: the size of the payload; None is all that is given.
    """
    rest = f" + {_bytes_text(payload, size)}" if payload else ""
    return f"ch {channel}  {text_of(performative)}{rest}"


def hex_text(data: bytes) -> str:
    """Return `data` as lines of offset, 16 bytes in hex, and the same as characters."""
    lines = []
    for start in range(0, len(data), 16):
        row = data[start : start + 16]
        characters = "".join(chr(byte) if byte in _PRINTABLE else "." for byte in row)
        lines.append(f"{start:04x}  {row.hex(' '):<47}  {characters}")
    return "\n".join(lines)


def dump(data: bytes) -> str:
    """Return bytes of a connection as text: each frame or header read, with its bytes below it.

    ::

        >>> print(dump(frame_bytes("02 00 00 00  00 53 18 45")))
        ch 0  Close()
            0000  00 00 00 0c 02 00 00 00 00 53 18 45               .........S.E

    Args:
        data: whole frames and protocol headers of either layer, in any order; what is malformed is said to be so.
    """
    splitter = Splitter()
    units = splitter.feed(data)
    if splitter.rest:
        units.append(splitter.rest)
    return "\n".join(f"{_unit_text(unit)}\n{_indented(hex_text(unit))}" for unit in units)


def _indented(text: str) -> str:
    return "\n".join("    " + line for line in text.splitlines())


def _unit_text(unit: bytes) -> str:
    reader = FrameReader(max_frame_size=max(512, len(unit)), runs=False)
    if not is_header(unit):
        reader.feed(SASL_HEADER if unit[5:6] == b"\x01" else AMQP_HEADER)
    items = reader.feed(unit)
    if reader.error is not None:
        return f"malformed: {reader.error}"
    if reader.buffered:
        return f"incomplete: {len(unit)} bytes"
    item = items[0] if items else None
    return f"unknown item {item!r}" if isinstance(item, TransferRun) else item_text(item)
