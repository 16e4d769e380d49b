"""Bytes made by two other clients: read as they meant them, and written so that they read the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from amqp10._codec import (
    AmqpSequence,
    AmqpValue,
    Delivery,
    Frame,
    FrameReader,
    FrameWriter,
    Message,
    ProtocolHeader,
    TransferRun,
    decode,
    encode,
)
from amqp10.performatives import Transfer
from amqp10.types import Symbol
from tests.vectors.cases import SECTIONS, SIMPLE
from tests.vectors.notation import (
    Vector,
    assert_same,
    load,
    to_composite,
    to_sections,
    to_value,
    unhex,
    with_symbol_keys,
)

CLIENTS = ("proton", "rhea")


def vectors(kind: str) -> pytest.MarkDecorator:
    """Run a test for each vector of that kind."""
    chosen = [
        pytest.param(one, id=f"{client}: {one.name}") for client in CLIENTS for one in load(client) if one.kind == kind
    ]
    return pytest.mark.parametrize("vector", chosen)


@vectors("value")
def test_value_is_read_as_it_was_meant(vector: Vector) -> None:
    assert_same(decode(vector.encoded), to_value(vector.value))


@vectors("value")
def test_value_is_written_as_short_as_can_be(vector: Vector) -> None:
    value = to_value(vector.value)
    encoded = encode(value)
    assert_same(decode(encoded), value)
    if vector.canonical:
        assert encoded.hex() == vector.encoded.hex()
    else:
        assert len(encoded) <= len(vector.encoded) or vector.name.endswith(", zero")


def assert_sections(message: Message, expected: dict[str, object]) -> None:
    for name, value in expected.items():
        assert_same(getattr(message, name), value)


@vectors("message")
def test_message_is_read_section_by_section(vector: Vector) -> None:
    assert_sections(Message.decode(vector.encoded), to_sections(vector.value))


@vectors("message")
def test_message_that_nobody_touched_keeps_its_bytes(vector: Vector) -> None:
    message = Message.decode(vector.encoded)
    assert message.encode() == vector.encoded
    assert_sections(message, to_sections(vector.value))
    assert message.encode() == vector.encoded, "sections were read, not changed"


@vectors("message")
def test_message_made_anew_reads_the_same(vector: Vector) -> None:
    sections = to_sections(vector.value)
    message = Message(**{name: value for name, value in sections.items() if name != "body_type"})
    if sections["body_type"] == "amqp-value":
        message.body = AmqpValue(sections["body"])
    elif isinstance(sections["body"], list):
        message.body = AmqpSequence(sections["body"])
    encoded = message.encode()
    if sections.get("footer"):
        sections["footer"] = {
            Symbol(str(key)): value for key, value in sections["footer"].items()
        }  # rhea's are strings
    assert_sections(Message.decode(encoded), sections | ({} if sections["body_type"] else {"body_type": "amqp-value"}))
    if vector.canonical and "header" not in vector.value:
        assert encoded == vector.encoded


# --- frames -----------------------------------------------------------------------------------------------------------

HEADERS = {"amqp": b"AMQP\0\1\0\0", "sasl": b"AMQP\3\1\0\0"}
TYPES = {"amqp": 0, "sasl": 1}
Item = ProtocolHeader | Frame | TransferRun


def read(vector: Vector, encoded: bytes) -> list[Item]:
    """Read one frame, or protocol header, as on a connection that has come that far."""
    reader = FrameReader(max_frame_size=4096, runs=False)
    if vector.value["type"] != "header":
        reader.feed(HEADERS[vector.value["type"]])
    items = reader.feed(encoded)
    assert reader.error is None
    return items


def is_silent(vector: Vector) -> bool:
    """Tell whether this is an empty frame, which the reader does not report."""
    return vector.value["type"] != "header" and vector.value["performative"] is None


def assert_item(item: Item, vector: Vector) -> None:
    expected = vector.value
    if expected["type"] == "header":
        assert isinstance(item, ProtocolHeader)
        numbers = [item.protocol_id, item.major, item.minor, item.revision]
        assert numbers == [expected[name] for name in ("protocol-id", "major", "minor", "revision")]
        return
    assert isinstance(item, Frame)
    assert (item.type, item.channel) == (TYPES[expected["type"]], expected["channel"])
    assert_same(item.performative, to_composite(expected["performative"], expected["fields"]))
    assert item.payload == unhex(expected["payload"])


def assert_items(items: list[Item], chosen: list[Vector]) -> None:
    reported = [vector for vector in chosen if not is_silent(vector)]
    for item, vector in zip(items, reported, strict=True):
        assert_item(item, vector)


def write(vector: Vector) -> bytes:
    """Write what the vector means with our writer."""
    writer, value = FrameWriter(), vector.value
    if value["type"] == "header":
        writer.write_header(value["protocol-id"])
    elif is_silent(vector):
        writer.write_empty()
    else:
        performative = to_composite(value["performative"], value["fields"])
        writer.write_frame(value["channel"], performative, unhex(value["payload"]))
    return writer.take()


def as_written(frame: dict[str, Any]) -> dict[str, Any]:
    return frame | {"fields": with_symbol_keys(frame.get("fields", {}))}


@vectors("frame")
def test_frame_is_read_as_it_was_meant(vector: Vector) -> None:
    assert_items(read(vector, vector.encoded), [vector])


@vectors("frame")
def test_frame_of_ours_reads_the_same(vector: Vector) -> None:
    encoded = write(vector)
    assert_items(read(vector, encoded), [vector._replace(value=as_written(vector.value))])
    assert len(encoded) <= len(vector.encoded)


def conversations() -> Iterator[tuple[str, list[Vector]]]:
    """Give what each end of each conversation sent, in order."""
    for client in CLIENTS:
        sent: dict[str, list[Vector]] = {}
        for vector in load(client):
            if vector.kind == "frame":
                title, _, role = vector.name.rpartition(" of the ")
                conversation = title.partition(":")[0].rpartition(" ")[0]
                sent.setdefault(f"{client}: {role} in {conversation}", []).append(vector)
        yield from sent.items()


def streams() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("sent", [pytest.param(sent, id=title) for title, sent in conversations()])


@streams()
@pytest.mark.parametrize("size", [1, 7, 4096, 1 << 20])
def test_stream_is_read_in_any_chunks(sent: list[Vector], size: int) -> None:
    reader = FrameReader(max_frame_size=512, runs=False)
    stream = b"".join(vector.encoded for vector in sent)
    items = [item for start in range(0, len(stream), size) for item in reader.feed(stream[start : start + size])]
    assert reader.error is None
    assert reader.buffered == 0
    assert_items(items, sent)


TransferFacts = tuple[int, int, int | None, bytes]


def transfers_meant(sent: list[Vector]) -> Iterator[TransferFacts]:
    for frame in (one.value for one in sent if one.value.get("performative") == "transfer"):
        fields = {name: notation[1] for name, notation in frame["fields"].items()}
        yield frame["channel"], fields["handle"], fields.get("delivery-id"), unhex(frame["payload"])


def transfers_read(items: list[Item]) -> Iterator[TransferFacts]:
    for item in items:
        if isinstance(item, TransferRun):
            yield from ((item.channel, item.handle, one.delivery_id, one.payload) for one in item.deliveries)
        elif isinstance(item, Frame) and isinstance(item.performative, Transfer):
            yield item.channel, item.performative.handle, item.performative.delivery_id, item.payload


@streams()
def test_runs_hold_the_same_transfers(sent: list[Vector]) -> None:
    meant = list(transfers_meant(sent))
    reader = FrameReader(max_frame_size=512)
    for channel, handle, *_ in meant:
        reader.bind(channel, handle, Delivery, object())
    items = reader.feed(b"".join(vector.encoded for vector in sent))
    assert list(transfers_read(items)) == meant
    assert any(isinstance(item, TransferRun) for item in items) == bool(meant)


def test_vectors_cover_what_they_should() -> None:
    """Every performative by each client, every type as value and every section: none was dropped on the way."""
    for client in CLIENTS:
        frames = {one.value.get("performative") for one in load(client) if one.kind == "frame"}
        assert frames >= {"open", "begin", "attach", "flow", "transfer", "disposition", "detach", "end", "close"}
        assert frames >= {"sasl-mechanisms", "sasl-init", "sasl-outcome"}
        types = {one.value[0] for one in load(client) if one.kind == "value"}
        assert types == {*SIMPLE, "list", "map", "array", "described"}
        sections = {name for one in load(client) if one.kind == "message" for name in one.value}
        assert sections == {*SECTIONS, "body"} - {"data", "amqp-sequence", "amqp-value"}
