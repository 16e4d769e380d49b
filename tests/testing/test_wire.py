"""Literal bytes: spelled, framed and split."""

import pytest

from amqp10.testing.wire import (
    AMQP_HEADER,
    EMPTY_FRAME,
    SASL_HEADER,
    Splitter,
    data_section,
    descriptor_code,
    frame_bytes,
    hex_bytes,
    is_header,
)

CLOSE = bytes.fromhex("0000000c 02000000 00531845")


def test_hex_bytes() -> None:
    text = """
        00 53 28        # source, 'quoted' within a comment
        c00a 01 a1 07 'orders~'
    """
    assert hex_bytes(text) == b"\x00\x53\x28\xc0\x0a\x01\xa1\x07orders~"
    assert hex_bytes("'é # é' FF") == "é # é".encode() + b"\xff"
    assert hex_bytes("") == b""


@pytest.mark.parametrize("text", ["0", "00 1", "zz", "'open", "00, 01", "0x10"])
def test_what_is_no_hex_is_said_to_be_so(text: str) -> None:
    with pytest.raises(ValueError, match="neither hex digits nor a quoted text"):
        hex_bytes(text)


def test_frame_bytes() -> None:
    assert frame_bytes("02 00 00 00  00 53 18 45") == CLOSE
    assert frame_bytes("02 00 00 00", b"abc") == b"\x00\x00\x00\x0b\x02\x00\x00\x00abc"
    assert frame_bytes("02 00 00 00") == EMPTY_FRAME


def test_headers() -> None:
    assert bytes([0x41, 0x4D, 0x51, 0x50, 0, 1, 0, 0]) == AMQP_HEADER
    assert bytes([0x41, 0x4D, 0x51, 0x50, 3, 1, 0, 0]) == SASL_HEADER
    assert [is_header(unit) for unit in (AMQP_HEADER, SASL_HEADER, CLOSE, b"")] == [True, True, False, False]


@pytest.mark.parametrize("size", [0, 1, 255, 256, 70_000])
def test_data_section_is_what_the_codec_makes(size: int) -> None:
    from amqp10.messaging import Message

    body = bytes(size)
    assert data_section(body) == Message(body).encode()
    assert Message.decode(data_section(body)).body == body


def test_descriptor_code() -> None:
    assert descriptor_code(CLOSE) == 0x18
    assert descriptor_code(frame_bytes("03 00 00 00 ff ff ff ff  00 53 18 45")) == 0x18
    assert descriptor_code(frame_bytes("02 00 00 00  00 80 00 00 00 00 00 00 00 14 45")) == 0x14
    for other in (AMQP_HEADER, EMPTY_FRAME, b"", frame_bytes("02 00 00 00 00 a3 0f 'amqp:close:list' 45")):
        assert descriptor_code(other) is None


def test_splitter_whatever_the_chunks() -> None:
    units = [SASL_HEADER, CLOSE, AMQP_HEADER, EMPTY_FRAME, CLOSE]
    stream = b"".join(units)
    for size in range(1, len(stream) + 1):
        splitter = Splitter()
        found = [unit for start in range(0, len(stream), size) for unit in splitter.feed(stream[start : start + size])]
        assert found == units
        assert splitter.rest == b""


def test_splitter_keeps_what_is_not_complete() -> None:
    splitter = Splitter()
    assert splitter.feed(CLOSE[:5]) == []
    assert splitter.rest == CLOSE[:5]
    assert splitter.feed(CLOSE[5:]) == [CLOSE]


@pytest.mark.parametrize("size", [0, 7, 513, 0xFFFFFFFF])
def test_splitter_waits_for_no_impossible_size(size: int) -> None:
    data = size.to_bytes(4, "big") + b"\x02\x00\x00\x00ab"
    assert Splitter(512).feed(data) == [data]
