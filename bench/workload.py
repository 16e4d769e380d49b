"""What all benchmarks move: bodies that differ, and come back in their order."""

from __future__ import annotations

from collections.abc import Iterator

SIZE = 100
"""Bytes of a body."""

CYCLE = 1024
"""Bodies that differ; message i has body i modulo this."""

_INDEX_BYTES = 8
_PATTERN = bytes(range(256))


class WrongBodyError(Exception):
    """A body came that is not the next one: lost, doubled, out of order or changed."""


def make_bodies(size: int = SIZE) -> list[bytes]:
    """Return the cycle of bodies."""
    padding = _PATTERN * (size // len(_PATTERN) + 2)
    tail = size - _INDEX_BYTES
    return [index.to_bytes(_INDEX_BYTES, "big") + padding[index % 256 :][:tail] for index in range(CYCLE)]


def body_stream(bodies: list[bytes], count: int) -> Iterator[bytes]:
    """Yield the bodies of `count` messages."""
    for _ in range(count // CYCLE):
        yield from bodies
    yield from bodies[: count % CYCLE]


def check_body(body: object, expected: bytes) -> None:
    """Raise WrongBodyError unless a body is the expected one."""
    if body != expected:
        raise WrongBodyError(f"{body!r:.80} came instead of {expected!r:.40}")
