"""What encoding and decoding hold on to: nothing, whether they succeed or not, and their caches within bounds."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from amqp10._codec import decode, decode_composite, encode, encode_composite
from amqp10.errors import DecodeError, EncodeError
from amqp10.outcomes import Accepted
from amqp10.types import Array, Described, Map, Symbol
from tests.codec.composites import SPECS, sample
from tests.codec.values import SAMPLES

ENCODED = [encode(value) for value in SAMPLES]
COMPOSITES = [spec.cls(**{each.attribute: sample(each)[0] for each in spec.fields}) for spec in SPECS]
ENCODED_COMPOSITES = [encode_composite(each) for each in COMPOSITES]


def growth(work: Callable[[], None]) -> int:
    """Return by how many bytes memory grows with more rounds of work, once it has been done before."""
    for _ in range(3):
        work()
    gc.collect()
    tracemalloc.start()
    try:
        work()
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(20):
            work()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def decode_all() -> None:
    for encoded in ENCODED:
        decode(encoded)
    for encoded in ENCODED_COMPOSITES:
        decode_composite(encoded)


def encode_all() -> None:
    for value in SAMPLES:
        encode(value)
    for composite in COMPOSITES:
        encode_composite(composite)


def decode_broken() -> None:
    for encoded in ENCODED + ENCODED_COMPOSITES:
        for damaged in (encoded[:-1], encoded[: len(encoded) // 2], encoded + b"x"):
            with pytest.raises(DecodeError):
                decode(damaged)
    for encoded in ENCODED_COMPOSITES:
        with pytest.raises(DecodeError):
            decode_composite(encoded[:-1])


UNENCODABLE: list[Any] = [
    [1, object()],
    {"a": [object()]},
    {object(): 1},
    Described(1, object()),
    Array("list", [[1], [object()]]),
    Array("string", ["a", 1]),
    Map([("a", 1), (Symbol("a"), object())]),
    "\ud800",
]


def encode_broken() -> None:
    for value in UNENCODABLE:
        with pytest.raises(EncodeError):
            encode(value)


def decode_symbols() -> None:
    """Ten times as many symbols and keys as the caches have room for."""
    for index in range(10_000):
        decode(b"\xa3\x05%05d" % index)
        decode(b"\xc1\x09\x02\xa1\x05%05d\x40" % index)


@pytest.mark.parametrize("work", [decode_all, encode_all, decode_broken, encode_broken, decode_symbols])
def test_memory_does_not_grow(work: Callable[[], None]) -> None:
    # a leaked object in each round would make it thousands
    assert growth(work) < 1000


def test_references_are_balanced() -> None:
    class Marker:
        pass

    marker = Marker()
    composites = [Accepted() for _ in range(3)]
    held: Any = [marker, composites]
    before = sys.getrefcount(marker)
    counts = [sys.getrefcount(each) for each in composites]
    for _ in range(1000):
        with pytest.raises(EncodeError):
            encode([composites, {"k": (marker,)}])
        encode([composites, Map([(1, composites[0])])])
    assert sys.getrefcount(marker) == before
    assert [sys.getrefcount(each) for each in composites] == counts
    assert held[0] is marker
