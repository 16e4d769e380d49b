"""Values and composites, damaged in every way of one byte: each ends in a value or a DecodeError, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amqp10._codec import decode, decode_composite, encode, encode_composite
from amqp10.errors import DecodeError
from amqp10.messaging import Properties
from amqp10.outcomes import Modified, Rejected, TransactionalState
from amqp10.performatives import Attach, Begin, Close, Error, Flow, Open, SaslMechanisms, Transfer
from amqp10.terminus import DeleteOnClose, Source, Target, selector_filter
from amqp10.types import Described, Map, Symbol
from tests.codec.composites import SPECS, sample
from tests.codec.values import SAMPLES, anything, spell

VALUES = [encode(value) for value in SAMPLES if len(encode(value)) < 100]
COMPOSITES = [
    *(encode_composite(spec.cls(**{each.attribute: sample(each)[0] for each in spec.fields})) for spec in SPECS),
    *map(
        encode_composite,
        [
            Open(container_id="c", desired_capabilities=["a", "b"], properties={Symbol("k"): [1, {"x": None}]}),
            Begin(remote_channel=1, next_outgoing_id=2**32 - 4, incoming_window=2048, outgoing_window=2048),
            Attach(
                name="link",
                handle=1,
                role=True,
                source=Source(address="q", filter=selector_filter("a = 1"), default_outcome=Modified()),
                target=Target(dynamic=True, dynamic_node_properties={Symbol("p"): DeleteOnClose()}),
                unsettled={b"t": Rejected(error=Error(condition=Symbol("a:b")))},
            ),
            Flow(incoming_window=1, next_outgoing_id=2, outgoing_window=3, properties={Symbol("x"): 1.5}),
            Transfer(handle=0, delivery_id=1, delivery_tag=b"tag", state=TransactionalState(txn_id=b"x")),
            Close(error=Error(condition=Symbol("a:b"), info={Symbol("m"): Map([("a", 1), (Symbol("a"), 2)])})),
            SaslMechanisms(sasl_server_mechanisms=[Symbol("PLAIN"), Symbol("EXTERNAL")]),
            Properties(message_id=5, to="x", correlation_id=b"y"),
        ],
    ),
]

# Found to be ways to break decoders: lengths past the end, counts of elements without bytes, composite keys, sizes
# that lie, descriptors of descriptors.
CRASHERS = [
    "e0 04 ff e0 03 ff 53", "f0 00000005 7fffffff 53", "e0 03 ff 52 00", "e0 05 ff b0 00 00 00",
    "e0 08 02 b1 00 00 00 01 61", "e0 03 10 83 00", "c1 05 02 c0 01 00 40", "c1 06 02 c1 03 02 40 40",
    "c1 05 02 e0 02 00 40 40", "c1 04 02 45 40", "d1 00000004 00000002", "d1 00000003 00000000",
    "d1 ffffffff 00000002 40 40", "e0 03 01 00 40", "e0 05 01 00 40 00 40", "e0 06 00 00 45 40 40 40",
    "00 00 00 40 40 40 40", "00 c1 05 02 45 40 45 40", "e0 07 01 00 c0 02 01 45 40", "e0 02 01 45", "c0 01 01",
    "c0 00 01", "d0 00000000 00000000", "e0 01 01", "f0 00000004 00000000", "98 00", "94 00", "73 80000000",
    "a1 04 f8808080", "83 7fffffffffffffff", "c1 15 04 82 7ff8000000000000 40 82 7ff8000000000000 40",
]  # fmt: skip


def check_value(encoded: bytes) -> None:
    """Whatever can be read can be written, and reads as it did."""
    try:
        value = decode(encoded)
    except DecodeError as error:
        assert error.offset is not None
        assert 0 <= error.offset <= len(encoded)
    else:
        assert spell(decode(encode(value))) == spell(value)


def check_composite(encoded: bytes) -> None:
    try:
        value = decode_composite(encoded)
    except DecodeError as error:
        assert error.offset is not None
        assert 0 <= error.offset <= len(encoded)
    else:
        # by its bytes: a peer's string as a key of fields is written as a symbol
        assert encode(decode_composite(encode(value))) == encode(value)


def corrupted(encoded: bytes) -> Iterator[bytes]:
    """Each byte replaced by each other, left out, and doubled."""
    for place, byte in enumerate(encoded):
        for other in range(256):
            if other != byte:
                yield encoded[:place] + bytes([other]) + encoded[place + 1 :]
        yield encoded[:place] + encoded[place + 1 :]
        yield encoded[: place + 1] + encoded[place:]


def corpus(encoded: list[bytes]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("encoded", encoded, ids=[each[:12].hex() for each in encoded])


@corpus(VALUES)
def test_every_truncation_of_a_value_is_refused(encoded: bytes) -> None:
    for length in range(len(encoded)):
        with pytest.raises(DecodeError):
            decode(encoded[:length])


@corpus(COMPOSITES)
def test_every_truncation_of_a_composite_is_refused(encoded: bytes) -> None:
    for length in range(len(encoded)):
        with pytest.raises(DecodeError):
            decode_composite(encoded[:length])


@corpus(VALUES)
def test_every_corruption_of_a_value_ends_well(encoded: bytes) -> None:
    for damaged in corrupted(encoded):
        check_value(damaged)


@corpus(COMPOSITES)
def test_every_corruption_of_a_composite_ends_well(encoded: bytes) -> None:
    for damaged in corrupted(encoded):
        check_composite(damaged)


@pytest.mark.parametrize("text", CRASHERS)
def test_crashers_of_others_end_well(text: str) -> None:
    encoded = bytes.fromhex(text)
    check_value(encoded)
    for damaged in corrupted(encoded):
        check_value(damaged)
    check_composite(b"\x00\x53\x18" + encoded)


@pytest.mark.parametrize("check", [check_value, check_composite])
@settings(max_examples=500)
@given(data=st.binary(max_size=64))
def test_any_bytes_end_well(check: Callable[[bytes], None], data: bytes) -> None:
    check(data)


CODES = bytes.fromhex(
    "00 40 41 42 43 44 45 50 51 52 53 54 55 56 60 61 70 71 72 73 74 80 81 82 83 84 94 98 "
    "a0 a1 a3 b0 b1 b3 c0 c1 d0 d1 e0 f0"
)
likely = st.one_of(
    st.sampled_from(CODES), st.sampled_from((0, 1, 2, 3, 4, 8, 0x10, 0x24, 0x7F, 0xFF)), st.integers(0, 255)
)


@pytest.mark.parametrize("check", [check_value, check_composite])
@settings(max_examples=1000)
@given(data=st.lists(likely, max_size=40).map(bytes))
def test_bytes_that_look_like_values_end_well(check: Callable[[bytes], None], data: bytes) -> None:
    check(data)


@settings(max_examples=300)
@given(anything, st.data())
def test_spliced_values_end_well(value: Any, data: st.DataObject) -> None:
    """Two places of a value exchanged, or one repeated: sizes and counts that nearly fit."""
    encoded = encode([value, Described(0x18, [value])])
    places = st.integers(0, len(encoded))
    first, second, third = sorted((data.draw(places), data.draw(places), data.draw(places)))
    check_value(encoded[:first] + encoded[second:third] + encoded[first:second] + encoded[third:])
    check_value(encoded[:second] + encoded[first:])
