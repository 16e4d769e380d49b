"""Literal bytes: written as text, framed, and split again without the codec's help (§2.2, §2.3)."""

from __future__ import annotations

import re

__all__ = [
    "AMQP_HEADER",
    "EMPTY_FRAME",
    "SASL_HEADER",
    "Splitter",
    "data_section",
    "descriptor_code",
    "frame_bytes",
    "hex_bytes",
    "is_header",
]

AMQP_HEADER = b"AMQP\x00\x01\x00\x00"
SASL_HEADER = b"AMQP\x03\x01\x00\x00"
EMPTY_FRAME = b"\x00\x00\x00\x08\x02\x00\x00\x00"

_TOKEN = re.compile(r"\s+|#[^\n]*|'(?P<quoted>[^']*)'|(?P<hex>[0-9A-Fa-f]{2})")


def hex_bytes(text: str) -> bytes:
    """Return the bytes that a text spells.

    ::

        hex_bytes('''
            00 53 28             # source
            c0 09 01 a1 06 'orders'
        ''')

    Args:
        text: pairs of hex digits, characters between apostrophes (as UTF-8), and comments from # to the line's end;
            space is free.

    Raises:
        ValueError: something else is in the text.
    """
    found = bytearray()
    position = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise ValueError(f"neither hex digits nor a quoted text: {text[position : position + 20]!r}")
        position = token.end()
        found += bytes.fromhex(token["hex"] or "") + (token["quoted"] or "").encode()
    return bytes(found)


def frame_bytes(text: str, payload: bytes = b"") -> bytes:
    """Return a frame: the four bytes of its size, then what a text spells, then a payload.

    ::

        frame_bytes("02 00 00 00  00 53 18 45")  # a close on channel 0

    Args:
        text: all that follows the size, from DOFF on, as `hex_bytes` reads it.
        payload: what follows the performative.
    """
    body = hex_bytes(text) + payload
    return (len(body) + 4).to_bytes(4, "big") + body


def data_section(body: bytes) -> bytes:
    """Return the payload that is a message of one data section (§3.2.6), without the codec's help."""
    if len(body) < 256:
        return b"\x00\x53\x75\xa0" + bytes([len(body)]) + body
    return b"\x00\x53\x75\xb0" + len(body).to_bytes(4, "big") + body


def is_header(unit: bytes | bytearray) -> bool:
    """Tell a protocol header from a frame: no frame is as long as these letters say."""
    return unit[:4] == b"AMQP"


def descriptor_code(frame: bytes) -> int | None:
    """Return the numeric code of the performative in a frame; None for headers, empty frames and symbolic ones."""
    if is_header(frame) or len(frame) < 8:
        return None
    body = frame[4 * frame[4] :]
    if body[:2] == b"\x00\x53":
        return body[2] if len(body) > 2 else None
    return int.from_bytes(body[2:10], "big") if body[:2] == b"\x00\x80" else None


class Splitter:
    """Cuts a stream of bytes into frames and protocol headers, reading no more of them than their size.

    Args:
        max_frame_size: what claims to be longer is not waited for, but handed on as far as it has come.
    """

    def __init__(self, max_frame_size: int = 0xFFFFFFFF) -> None:
        self.max_frame_size = max_frame_size
        self._buffer = bytearray()

    @property
    def rest(self) -> bytes:
        """What has come of a unit that is not complete."""
        return bytes(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes, and return what is complete."""
        self._buffer += data
        units = []
        while unit := self._next():
            units.append(unit)
        return units

    def _next(self) -> bytes:
        buffer = self._buffer
        if len(buffer) < 8:
            return b""
        size = 8 if is_header(buffer) else int.from_bytes(buffer[:4], "big")
        if not 8 <= size <= self.max_frame_size:
            size = len(buffer)
        if len(buffer) < size:
            return b""
        unit = bytes(buffer[:size])
        del buffer[:size]
        return unit
