"""FrameReader: what it makes of bytes (§2.2, §2.3, §5.3.1)."""

from typing import Any

import pytest

from amqp10._codec import Frame, FrameReader, ProtocolHeader
from amqp10.errors import Condition, DecodeError
from amqp10.performatives import Close, Open, SaslMechanisms, SaslOutcome, Transfer
from amqp10.types import Symbol
from tests.codec.wire import EMPTY, HEADER, HELLO, SASL_HEADER, frame, list8

OPEN = frame("005310" + list8("a10161"))
CLOSE = frame("00531845")
MECHANISMS = frame("005340" + list8("a305504c41494e"), type=1)
OUTCOME = frame("005344" + list8("5000"), type=1)


def read(data: bytes, **options: Any) -> tuple[list[object], DecodeError | None]:
    """Feed data at once to a reader that has its header already."""
    reader = FrameReader(**options)
    reader.feed(HEADER)
    items = reader.feed(data)
    assert reader.error is None or isinstance(reader.error, DecodeError)
    return list(items), reader.error


def error_of(data: bytes, **options: Any) -> DecodeError:
    items, error = read(data, **options)
    assert not items
    assert error is not None
    return error


# --- protocol headers -------------------------------------------------------------------------------------------------


def test_header_of_amqp() -> None:
    (header,) = FrameReader().feed(HEADER)
    assert isinstance(header, ProtocolHeader)
    assert (header.protocol_id, header.major, header.minor, header.revision) == (0, 1, 0, 0)


def test_header_and_frame_in_one_portion() -> None:
    header, opened = FrameReader().feed(HEADER + OPEN)
    assert isinstance(header, ProtocolHeader)
    assert isinstance(opened, Frame)
    assert opened.performative == Open(container_id="a")


@pytest.mark.parametrize("data", [b"H", b"AM\x00", b"HTTP/1.1 400", b"AMQ\x00\x00\x01\x00\x00"])
def test_no_header(data: bytes) -> None:
    reader = FrameReader()
    assert reader.feed(data) == []
    assert isinstance(reader.error, DecodeError)
    assert reader.error.condition == Condition.FRAMING_ERROR
    assert reader.buffered == 0


def test_a_wrong_letter_is_found_as_soon_as_it_is_there() -> None:
    reader = FrameReader()
    reader.feed(b"AM")
    assert reader.error is None
    reader.feed(b"P")
    assert reader.error is not None


@pytest.mark.parametrize(
    "data", [b"AMQP\x02\x01\x00\x00", b"AMQP\x00\x00\x09\x01", b"AMQP\x00\x01\x00\x01", b"AMQP\x03\x02\x00\x00"]
)
def test_other_protocols_are_shown_and_end_the_reading(data: bytes) -> None:
    reader = FrameReader()
    (header,) = reader.feed(data + OPEN)
    assert isinstance(header, ProtocolHeader)
    assert bytes([header.protocol_id, header.major, header.minor, header.revision]) == data[4:]
    assert reader.feed(OPEN) == []
    assert reader.error is None
    assert reader.buffered == 0


# --- SASL -------------------------------------------------------------------------------------------------------------


def test_sasl_until_the_outcome_then_a_header_again() -> None:
    items = FrameReader().feed(SASL_HEADER + MECHANISMS + OUTCOME + HEADER + OPEN)
    assert [type(item) for item in items] == [ProtocolHeader, Frame, Frame, ProtocolHeader, Frame]
    assert [item.performative for item in items if isinstance(item, Frame)] == [
        SaslMechanisms(sasl_server_mechanisms=[Symbol("PLAIN")]),
        SaslOutcome(code=0),
        Open(container_id="a"),
    ]
    assert [item.type for item in items if isinstance(item, Frame)] == [1, 1, 0]


def test_a_header_among_sasl_frames_opens_the_next_layer() -> None:
    items = FrameReader().feed(SASL_HEADER + MECHANISMS + HEADER + OPEN)
    assert [type(item) for item in items] == [ProtocolHeader, Frame, ProtocolHeader, Frame]


@pytest.mark.parametrize(
    "data",
    [
        SASL_HEADER + OPEN,
        HEADER + OUTCOME,
        SASL_HEADER + MECHANISMS + OUTCOME + HEADER + OUTCOME,
        SASL_HEADER + frame("00531045", type=1),  # a body of AMQP in a frame of SASL
        HEADER + frame("005344" + list8("5000")),  # and the other way round
        SASL_HEADER + frame("", type=1),  # §5.3.1: an empty frame is an irrecoverable error
        HEADER + HEADER,
    ],
)
def test_frames_of_the_other_layer(data: bytes) -> None:
    reader = FrameReader()
    reader.feed(data)
    assert isinstance(reader.error, DecodeError)


def test_sasl_frames_never_exceed_512_bytes() -> None:
    reader = FrameReader(max_frame_size=100_000)
    assert len(reader.feed(SASL_HEADER + challenge(512))) == 2
    assert reader.error is None
    reader = FrameReader(max_frame_size=100_000)
    assert len(reader.feed(SASL_HEADER + challenge(513))) == 1
    assert reader.error is not None


def challenge(size: int) -> bytes:
    """A sasl-challenge whose frame has that many bytes."""
    content = bytes(size - 25)
    fields = b"\xb0" + len(content).to_bytes(4, "big") + content
    return frame(b"\x00\x53\x42\xd0" + (len(fields) + 4).to_bytes(4, "big") + b"\0\0\0\x01" + fields, type=1)


# --- frames -----------------------------------------------------------------------------------------------------------


def test_channel_and_payload() -> None:
    (item,), _ = read(frame(bytes.fromhex("005314" + list8("43", "43", "a00174", "43")) + HELLO, 0xABCD))
    assert isinstance(item, Frame)
    assert (item.type, item.channel, item.payload) == (0, 0xABCD, HELLO)
    assert item.performative == Transfer(handle=0, delivery_id=0, delivery_tag=b"t", message_format=0)


@pytest.mark.parametrize("descriptor", ["5318", "800000000000000018", "a30f616d71703a636c6f73653a6c697374"])
@pytest.mark.parametrize("fields", ["45", "c00100", "d00000000400000000", "c0020140"])
def test_every_form_of_descriptor_and_list(descriptor: str, fields: str) -> None:
    (item,), error = read(frame("00" + descriptor + fields))
    assert error is None
    assert isinstance(item, Frame)
    assert item.performative == Close()


def test_empty_frames_are_counted_and_not_shown() -> None:
    reader = FrameReader()
    assert len(reader.feed(HEADER + EMPTY + OPEN + EMPTY)) == 2
    assert reader.frames == 3


def test_the_extended_header_is_skipped() -> None:
    (item,), _ = read(frame("00531845", doff=6))
    assert isinstance(item, Frame)
    assert item.performative == Close()
    assert read(frame("", doff=126))[1] is None


@pytest.mark.parametrize(
    ("data", "offset"),
    [
        (bytes.fromhex("00000007 02000000"), 0),
        (bytes.fromhex("00000000"), 0),
        (bytes.fromhex("00000008 01000000"), 4),
        (bytes.fromhex("00000008 00000000"), 4),
        (bytes.fromhex("00000008 03000000"), 4),
        (bytes.fromhex("00000010 05000000 0000000000000000"), 4),
        (bytes.fromhex("00000008 02020000"), 5),
        (bytes.fromhex("00000201"), 0),
        (bytes.fromhex("ffffffff"), 0),
        (CLOSE[:3] + b"\x0d" + CLOSE[4:] + b"\x40", 12),
    ],
)
def test_framing_errors(data: bytes, offset: int) -> None:
    error = error_of(data)
    assert error.condition == Condition.FRAMING_ERROR
    assert error.offset == offset


@pytest.mark.parametrize(
    ("body", "offset"),
    [
        ("00531945", 8),  # no such performative
        ("00532445", 8),  # a composite, but no performative
        ("005370c0020141", 8),
        ("45", 8),
        ("00a1056f70656e2145", 8),
        ("005310c0020141", 14),  # container-id is a boolean
        ("005310c0020140", 14),  # container-id is null
        ("00531045", 11),  # container-id is missing
        ("005310c00a02a10161a10162a10163", 20),  # more bytes than elements
        ("005316c0050543414040", 14),  # more elements than bytes
        ("005318c00502404141", 15),  # more fields than there are
    ],
)
def test_bodies_that_are_wrong(body: str, offset: int) -> None:
    error = error_of(frame(body))
    assert error.condition == Condition.DECODE_ERROR
    assert error.offset is not None
    assert abs(error.offset - offset) <= 4, (error, offset)


def test_only_a_transfer_has_a_payload() -> None:
    assert error_of(frame(bytes.fromhex("00531845") + HELLO)).condition == Condition.FRAMING_ERROR


def test_what_came_before_an_error_is_returned_and_nothing_after() -> None:
    reader = FrameReader()
    assert len(reader.feed(HEADER + OPEN + frame("00531945") + CLOSE)) == 2
    assert reader.error is not None
    assert reader.feed(CLOSE) == []
    assert reader.buffered == 0
    assert reader.frames == 2


# --- sizes ------------------------------------------------------------------------------------------------------------


def test_a_size_that_is_too_large_is_found_with_its_fourth_byte() -> None:
    reader = FrameReader()
    reader.feed(HEADER)
    reader.feed(b"\x00\x00\x02")
    assert reader.error is None
    assert reader.buffered == 3
    reader.feed(b"\x01")
    assert isinstance(reader.error, DecodeError)


def test_max_frame_size_holds_for_what_comes_next() -> None:
    reader = FrameReader()
    reader.feed(HEADER)
    body = bytes.fromhex("005314" + list8("43", "43", "a00174", "43"))
    large = frame(body + b"x" * (600 - 8 - len(body)))
    reader.max_frame_size = 599
    assert reader.feed(large) == []
    assert reader.error is not None
    reader = FrameReader(max_frame_size=512)
    reader.feed(HEADER)
    reader.max_frame_size = 600
    assert len(reader.feed(large)) == 1


def test_512_bytes_at_first() -> None:
    body = bytes.fromhex("005314" + list8("43", "43", "a00174", "43"))
    assert len(read(frame(body + b"x" * (512 - 8 - len(body))))[0]) == 1
    assert error_of(frame(body + b"x" * (513 - 8 - len(body)))).offset == 0


def test_nothing_is_allocated_for_what_a_size_claims() -> None:
    reader = FrameReader(max_frame_size=0xFFFFFFFF)
    reader.feed(HEADER)
    assert reader.feed(bytes.fromhex("fffffff0 02000000 005314")) == []
    assert reader.buffered == 11
    assert reader.error is None


def test_limits_of_depth_and_elements() -> None:
    nested = frame("005310" + list8("a10161", *["40"] * 8, "c10a02a30161c00401c00100"))
    assert read(nested)[1] is None
    assert error_of(nested, max_depth=2).condition == Condition.DECODE_ERROR
    nulls = frame("005310" + list8("a10161", *["40"] * 8, "c10e02a30161f0000000050000006440"))
    assert read(nulls)[1] is None
    assert error_of(nulls, max_elements=99).condition == Condition.DECODE_ERROR
    with pytest.raises(ValueError, match="max_depth"):
        FrameReader(max_depth=-1)


# --- buffers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("convert", [bytes, bytearray, memoryview])
def test_any_buffer(convert: type) -> None:
    assert len(FrameReader().feed(convert(HEADER + OPEN))) == 2


def test_memory_is_the_callers_again_after_the_call() -> None:
    data = bytearray(HEADER + frame(bytes.fromhex("005314" + list8("43", "43", "a00174", "43")) + HELLO))
    _, item = FrameReader().feed(data)
    data[:] = bytes(len(data))
    data.clear()
    assert isinstance(item, Frame)
    assert item.payload == HELLO
    assert item.performative.delivery_tag == b"t"


def test_what_is_no_buffer() -> None:
    reader = FrameReader()
    with pytest.raises(TypeError):
        reader.feed("AMQP")  # type: ignore[arg-type]
    assert len(reader.feed(HEADER)) == 1


def test_nothing_fed() -> None:
    reader = FrameReader()
    assert reader.feed(b"") == []
    assert reader.error is None


def test_reprs() -> None:
    header, item = FrameReader().feed(HEADER + OPEN)
    assert repr(header) == "<ProtocolHeader 0 1.0.0>"
    assert repr(item) == "<Frame channel=0 Open(container_id='a') +0>"
