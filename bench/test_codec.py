"""The codec alone, by pytest-benchmark: run by `python -m bench codec`, and no part of the test suite."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import amqp10
from amqp10._codec import Delivery, FrameReader, FrameWriter, OutgoingDelivery, SenderTally
from amqp10.outcomes import Received
from amqp10.performatives import Transfer
from amqp10.types import Array
from bench.workload import body_stream, make_bodies

CHANNEL, HANDLE = 10, 34983
PAYLOAD = b"very important payload"
TRANSFER = Transfer(
    handle=HANDLE,
    delivery_id=564,
    delivery_tag=b"foo tag",
    message_format=34,
    settled=True,
    more=True,
    rcv_settle_mode=1,
    state=Received(section_number=0, section_offset=0),
    resume=True,
    aborted=True,
    batchable=True,
)
# As a peer writes it that always takes lists of 32 bits: 84 bytes. Ours are of 8 bits where that is enough: 72.
FRAME_84 = (
    bytes.fromhex(
        "00000054 0200000a 005314 d0 0000002e 0000000b"
        "70 000088a7 70 00000234 a0 07 666f6f20746167 52 22 41 41 50 01"
        "005323 d0 00000006 00000002 43 44 41 41 41"
    )
    + PAYLOAD
)
FRAME_SIZES = {"written": 72, "read": 84}
PROTOCOL_HEADER = b"AMQP\x00\x01\x00\x00"
RUN = 100

BODY = bytes(range(256))
PROPERTIES = {"one": 1, "two": "second", "three": True, "four": 4.5, "five": "the fifth of five"}
SECTIONS = (
    "header",
    "delivery_annotations",
    "message_annotations",
    "properties",
    "application_properties",
    "body",
    "footer",
)
MAP = {f"key-{index}": index * 7919 for index in range(100)}
LONGS = [index * 1_000_003 - 500_000_000 for index in range(1000)]


def new_reader(**options: Any) -> FrameReader:
    reader = FrameReader(65_536, **options)
    reader.feed(PROTOCOL_HEADER)
    return reader


def read_one(reader: FrameReader, frame: bytes) -> Any:
    (item,) = reader.feed(frame)
    return item


@pytest.mark.benchmark(group="transfer frame of 84 bytes (72 as we write it)")
def test_frame_write(benchmark: BenchmarkFixture) -> None:
    writer = FrameWriter()

    def write() -> bytes:
        writer.write_frame(CHANNEL, TRANSFER, PAYLOAD)
        return writer.take()

    frame = benchmark(write)
    assert len(frame) == FRAME_SIZES["written"]
    item = read_one(new_reader(), frame)
    assert (item.performative, item.payload) == (TRANSFER, PAYLOAD)


@pytest.mark.benchmark(group="transfer frame of 84 bytes (72 as we write it)")
def test_frame_read(benchmark: BenchmarkFixture) -> None:
    assert len(FRAME_84) == FRAME_SIZES["read"]
    item = benchmark(read_one, new_reader(), FRAME_84)
    assert (item.channel, item.performative, item.payload) == (CHANNEL, TRANSFER, PAYLOAD)


@pytest.mark.benchmark(group="100 transfers of 100-byte bodies")
def test_transfers_write(benchmark: BenchmarkFixture) -> None:
    benchmark(write_transfers)
    assert read_bodies(write_transfers(), make_bodies()[:RUN]) == RUN


def write_transfers() -> bytes:
    """Encode the messages and write a frame for each."""
    writer = FrameWriter()
    tally = SenderTally(None)
    for number, body in enumerate(body_stream(BODIES, RUN)):
        delivery = OutgoingDelivery(tally, body, number.to_bytes(4, "big"))
        delivery.delivery_id = number
        writer.write_transfer(delivery, 0, 0, 65_536, 1, True)
    return writer.take()


@pytest.mark.benchmark(group="100 transfers of 100-byte bodies")
def test_transfers_read(benchmark: BenchmarkFixture) -> None:
    assert benchmark(read_bodies, write_transfers(), BODIES[:RUN]) == RUN


def read_bodies(data: bytes, expected: list[bytes]) -> int:
    """Split the frames, read each body and compare it."""
    reader = new_reader()
    reader.bind(0, 0, Delivery, None)
    (run,) = reader.feed(data)
    assert [delivery.message.body for delivery in run.deliveries] == expected  # type: ignore[union-attr]
    return run.count  # type: ignore[union-attr]


BODIES = make_bodies()


@pytest.mark.benchmark(group="message of 256 bytes and 5 application properties")
def test_message_write(benchmark: BenchmarkFixture) -> None:
    def build() -> bytes:
        return amqp10.Message(BODY, application_properties=PROPERTIES).encode()

    assert read_message(benchmark(build))[4:6] == [PROPERTIES, BODY]


@pytest.mark.benchmark(group="message of 256 bytes and 5 application properties")
def test_message_read(benchmark: BenchmarkFixture) -> None:
    data = amqp10.Message(BODY, application_properties=PROPERTIES).encode()
    assert benchmark(read_message, data) == [None, None, None, None, PROPERTIES, BODY, None]


def read_message(data: bytes) -> list[Any]:
    """Decode a message and read every section."""
    message = amqp10.Message.decode(data)
    return [getattr(message, section) for section in SECTIONS]


@pytest.mark.benchmark(group="map of 100 entries")
def test_map_write(benchmark: BenchmarkFixture) -> None:
    assert amqp10.decode(benchmark(amqp10.encode, MAP)) == MAP


@pytest.mark.benchmark(group="map of 100 entries")
def test_map_read(benchmark: BenchmarkFixture) -> None:
    assert benchmark(amqp10.decode, amqp10.encode(MAP)) == MAP


@pytest.mark.benchmark(group="array of 1,000 longs")
def test_array_write(benchmark: BenchmarkFixture) -> None:
    assert amqp10.decode(benchmark(amqp10.encode, Array("long", LONGS))) == Array("long", LONGS)


@pytest.mark.benchmark(group="array of 1,000 longs")
def test_array_read(benchmark: BenchmarkFixture) -> None:
    assert benchmark(amqp10.decode, amqp10.encode(Array("long", LONGS))) == Array("long", LONGS)
