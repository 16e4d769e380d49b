"""Every truncation and every corruption of a byte of valid messages: sections or DecodeError, never a crash."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqp10._codec import Delivery, Message, OutgoingDelivery, SenderTally, new_delivery
from amqp10.errors import AMQPError, DecodeError, EncodeError
from amqp10.messaging import AmqpSequence, Data, Header, Properties
from amqp10.types import Array, Char, Decimal32, Described, Float32, Map, Symbol, Timestamp, ULong
from tests.vectors.notation import load

SECTIONS = (
    "header",
    "delivery_annotations",
    "message_annotations",
    "properties",
    "application_properties",
    "body",
    "footer",
)
NOW = datetime(2024, 2, 29, 12, tzinfo=UTC)
ONE_OF_EACH: list[Any] = [
    None, True, 1, -1, 2**63, 1.5, b"b", "s", Symbol("y"), Char("c"), Float32(0.5), Decimal("1.5"), Decimal32("-7"),
    uuid.UUID(int=1), NOW, Timestamp(2**62), Described(ULong(1), [1]), {"k": [1]}, Map([(1, 2), (True, 3)]),
    Array("uint", [1, 300]), Array("symbol", ["a", "b"]), Array("list", [[1], []]), Array("null", [None, None]), [[]],
]  # fmt: skip


@functools.cache
def corpus() -> dict[str, bytes]:
    header = Header(durable=True, priority=1, ttl=70000, first_acquirer=True, delivery_count=300)
    properties = Properties(
        message_id=uuid.UUID(int=5),
        user_id=b"u",
        to="t",
        correlation_id=2**40,
        content_type="text/plain",
        absolute_expiry_time=NOW,
        group_sequence=1,
    )
    annotations = {Symbol("a"): [1], ULong(7): {"b": None}}
    simple = {f"k{number}": value for number, value in enumerate(ONE_OF_EACH[:12])}
    built = {
        "bytes": Message(b"hello"),
        "several data": Message(Data(b"a", b"", b"x" * 300)),
        "several sequences": Message(AmqpSequence([1, "a"], [], [None])),
        "nothing": Message(),
        "every section": Message(
            "body",
            header=header,
            delivery_annotations=annotations,
            message_annotations=annotations,
            properties=properties,
            application_properties=simple,
            footer=annotations,
        ),
        "properties": Message(b"", header=header, properties=properties),
        "wide map": Message(b"", application_properties={"key": "x" * 250}),
    }
    built |= {f"value {number}": Message(value) for number, value in enumerate(ONE_OF_EACH)}
    encoded = {name: message.encode() for name, message in built.items()}
    encoded["eight bytes"] = bytes.fromhex(
        "00800000000000000070 c0020141 00800000000000000074 c10602a101615501 00800000000000000075 a00178"
    )
    encoded["symbols"] = b"\0\xa3\x10amqp:header:list\x45\0\xa3\x10amqp:data:binary\xa0\x01x"
    encoded["wide symbol"] = b"\0\xb3\0\0\0\x11amqp:amqp-value:*\x40"
    return encoded


def error_of(call: Callable[..., object], *arguments: object) -> DecodeError | None:
    """Call; give the DecodeError that came of it, or None. Any other exception passes."""
    try:
        call(*arguments)
    except DecodeError as error:
        return error
    return None


def look_at(message: Message) -> None:
    """Read every section, encode, read what was encoded, and give new values."""
    repr(message)
    for name in SECTIONS:
        error = error_of(getattr, message, name)
        assert error is None or error.offset is not None
    repr(message)
    assert message == message
    message.footer = {"a": 1}
    try:
        message.encode()
    except EncodeError as error:
        raise AssertionError(f"what nobody changed was encoded anew: {error}") from error


def try_bytes(data: bytes) -> None:
    """Decode alone, and as a delivery that looks at its message later."""
    error = error_of(Message.decode, data)
    if error is None:
        message = Message.decode(data)
        assert message.encode() is data
        look_at(message)
    else:
        assert error.offset is not None
        assert 0 <= error.offset <= len(data)
    delivery = new_delivery(Delivery, None, 0, b"", 0, False, [data])
    error_of(getattr, delivery, "delivery_count")
    for name in reversed(SECTIONS):
        error_of(getattr, delivery.message, name)
    assert delivery.message.encode() == data
    assert delivery.payload == data


NAMES = list(corpus())


@pytest.mark.parametrize("name", NAMES)
def test_the_corpus_is_valid(name: str) -> None:
    message = Message.decode(corpus()[name])
    assert [getattr(message, section) for section in SECTIONS]
    look_at(message)


@pytest.mark.parametrize("name", NAMES)
def test_every_truncation(name: str) -> None:
    data = corpus()[name]
    for length in range(len(data)):
        try_bytes(data[:length])


@pytest.mark.parametrize("name", NAMES)
def test_every_corrupted_byte(name: str) -> None:
    data = corpus()[name]
    for at in range(len(data)):
        for value in range(256) if len(data) < 100 else (0, 1, 0x40, 0x45, 0x53, 0xC0, 0xF0, 0xFF, data[at] ^ 1):
            try_bytes(data[:at] + bytes([value]) + data[at + 1 :])


@pytest.mark.parametrize("name", NAMES)
def test_every_byte_left_out_or_doubled(name: str) -> None:
    data = corpus()[name]
    for at in range(len(data)):
        try_bytes(data[:at] + data[at + 1 :])
        try_bytes(data[: at + 1] + data[at:])


@pytest.mark.parametrize("client", ["proton", "rhea"])
def test_messages_of_other_clients_corrupted(client: str) -> None:
    for vector in load(client):
        if vector.kind == "message" and len(vector.encoded) < 60:
            for at in range(len(vector.encoded)):
                for value in (0x00, 0x40, 0xC0, 0xFF, vector.encoded[at] ^ 1):
                    try_bytes(vector.encoded[:at] + bytes([value]) + vector.encoded[at + 1 :])


@given(st.binary(max_size=80))
def test_any_bytes(data: bytes) -> None:
    try_bytes(data)


@given(st.lists(st.tuples(st.integers(0x70, 0x78), st.binary(max_size=30)), max_size=5))
def test_any_content_of_sections(sections: list[tuple[int, bytes]]) -> None:
    try_bytes(b"".join(b"\0\x53" + bytes([code]) + content for code, content in sections))


def test_a_malformed_message_can_be_sent_on() -> None:
    """Bytes that nobody could read pass through; what would have to be put in order first is refused."""
    data = bytes.fromhex("005375 a009 00")
    message = new_delivery(Delivery, None, 0, b"", 0, False, [data]).message
    assert OutgoingDelivery(SenderTally(None), message, b"").size == len(data)
    with pytest.raises(AMQPError):
        OutgoingDelivery(SenderTally(None), message, b"", False, Header(durable=True))
