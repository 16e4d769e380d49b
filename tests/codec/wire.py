"""Bytes as the specification draws them, for tests that must not lean on our own encoder."""

from collections.abc import Iterator

HEADER = b"AMQP\x00\x01\x00\x00"
SASL_HEADER = b"AMQP\x03\x01\x00\x00"
EMPTY = bytes.fromhex("00000008 02000000")

# 00 53 75 a0 05 "hello": a data section
HELLO = bytes.fromhex("005375 a005 68656c6c6f")


def frame(body: str | bytes, channel: int = 0, *, type: int = 0, doff: int = 2, size: int | None = None) -> bytes:  # noqa: A002
    """Put a frame header before a body; the extended header, if doff asks for one, is filled with 0xEE."""
    content = bytes.fromhex(body) if isinstance(body, str) else body
    extended = b"\xee" * (4 * doff - 8)
    total = 8 + len(extended) + len(content) if size is None else size
    return total.to_bytes(4, "big") + bytes([doff, type]) + channel.to_bytes(2, "big") + extended + content


def list8(*elements: str) -> str:
    """Write a list of elements that are hexadecimal already."""
    content = bytes.fromhex("".join(elements))
    return f"c0 {len(content) + 1:02x} {len(elements):02x} {content.hex()}"


def transfer(
    delivery_id: int,
    payload: bytes = HELLO,
    *,
    handle: int = 0,
    tag: bytes = b"t",
    channel: int = 1,
    settled: str = "42",
    rest: tuple[str, ...] = (),
) -> bytes:
    """Write a transfer frame with wide fixed-width fields, so that its length does not depend on their values."""
    fields = [f"70{handle:08x}", f"70{delivery_id & 0xFFFFFFFF:08x}", f"a0{len(tag):02x}{tag.hex()}", "43", settled]
    return frame(bytes.fromhex("005314" + list8(*fields, *rest)) + payload, channel)


def chunks(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    """Cut data at the given places, which need not be sorted nor differ."""
    start = 0
    for cut in sorted({min(cut, len(data)) for cut in cuts}):
        yield data[start:cut]
        start = cut
    yield data[start:]
