"""FrameWriter: the very bytes of headers, frames and transfers (§2.2, §2.3, §2.7.5)."""

import pytest

from amqp10._codec import FrameWriter, OutgoingDelivery, SenderTally
from amqp10.errors import EncodeError, InvalidState
from amqp10.messaging import AmqpValue, Header, Message
from amqp10.outcomes import Accepted
from amqp10.performatives import Close, Flow, Open, SaslInit, Transfer
from tests.codec.wire import EMPTY, HEADER, HELLO, SASL_HEADER


def delivery(content: object, tag: bytes = b"\x00", number: int = 0, *, presettled: bool = False) -> OutgoingDelivery:
    made = OutgoingDelivery(SenderTally(None), content, tag, presettled)
    made.delivery_id = number
    return made


def written(content: object, tag: bytes = b"\x00", number: int = 0, **options: bool) -> bytes:
    writer = FrameWriter()
    item = delivery(content, tag, number, presettled=options.get("presettled", False))
    assert writer.write_transfer(item, 1, 0, 512, 1, options.get("batchable", False)) == 1
    assert item.remaining == 0
    return writer.take()


def test_headers_and_empty_frames() -> None:
    writer = FrameWriter()
    writer.write_header(0)
    writer.write_header(3)
    writer.write_empty()
    assert len(writer) == 24
    assert writer.take() == HEADER + SASL_HEADER + EMPTY
    assert writer.frames == 1


def test_a_frame() -> None:
    writer = FrameWriter()
    writer.write_frame(0, Open(container_id="a"))
    writer.write_frame(0x1234, Close())
    assert writer.take() == bytes.fromhex("00000011 02000000 005310 c0 04 01 a10161 0000000c 02001234 005318 45")
    assert writer.frames == 2
    assert writer.transfers == 0


def test_a_sasl_frame() -> None:
    writer = FrameWriter()
    writer.write_frame(0, SaslInit(mechanism="EXTERNAL"))
    assert writer.take() == bytes.fromhex("00000018 02010000 005341 c0 0b 01 a308 45585445524e414c")


def test_a_frame_with_a_payload() -> None:
    writer = FrameWriter()
    writer.write_frame(1, Transfer(handle=0, aborted=True), memoryview(b"xy"))
    expected = "0000001a 02000001 005314 c0 0b 0a 43 4040404040404040 41"
    assert writer.take() == bytes.fromhex(expected) + b"xy"


@pytest.mark.parametrize("performative", [Accepted(), Header()])
def test_only_performatives_make_frames(performative: object) -> None:
    writer = FrameWriter()
    with pytest.raises(TypeError):
        writer.write_frame(0, performative)  # type: ignore[arg-type]
    assert len(writer) == 0


def test_a_frame_that_is_too_large_leaves_nothing() -> None:
    writer = FrameWriter()
    writer.write_empty()
    opened = Open(container_id="x" * 600)
    with pytest.raises(EncodeError, match="512"):
        writer.write_frame(0, opened, max_frame_size=512)
    with pytest.raises(EncodeError):
        writer.write_frame(0, Transfer(handle=0), bytes(600), max_frame_size=512)
    assert writer.take() == EMPTY
    assert writer.frames == 1
    writer.write_frame(0, opened)
    assert len(writer) == 625  # list and string in their wide forms


def test_a_value_that_cannot_be_encoded_leaves_nothing() -> None:
    writer = FrameWriter()
    writer.write_empty()
    flow = Flow(incoming_window=-1, next_outgoing_id=0, outgoing_window=0)
    with pytest.raises(EncodeError, match=r"flow\.incoming_window"):
        writer.write_frame(0, flow)
    with pytest.raises(TypeError):
        writer.write_frame(0, Transfer(handle=0), "text")  # type: ignore[arg-type]
    assert writer.take() == EMPTY


@pytest.mark.parametrize("channel", [-1, 65536])
def test_channels_have_16_bits(channel: int) -> None:
    with pytest.raises(OverflowError):
        FrameWriter().write_frame(channel, Close())


# --- take -------------------------------------------------------------------------------------------------------------


def test_take_in_portions() -> None:
    writer = FrameWriter()
    data = b""
    expected = b""
    for number in range(200):
        writer.write_frame(0, Open(container_id=f"container {number}"))
        expected += writer_bytes(Open(container_id=f"container {number}"))
        data += writer.take(17)
        assert len(writer) == len(expected) - len(data)
    while len(writer):
        portion = writer.take(1000)
        assert 0 < len(portion) <= 1000
        data += portion
    assert data == expected


def writer_bytes(performative: Open) -> bytes:
    writer = FrameWriter()
    writer.write_frame(0, performative)
    return writer.take()


def test_take_of_nothing() -> None:
    writer = FrameWriter()
    assert writer.take() == b""
    assert writer.take(10) == b""
    writer.write_empty()
    assert writer.take(0) == b""
    assert writer.take(-5) == b""
    assert writer.take(100) == EMPTY


# --- transfers --------------------------------------------------------------------------------------------------------


def test_a_transfer() -> None:
    expected = "0000001f 02000001 005314 c0 08 05 43 43 a001 00 43 42"
    assert written(b"hello") == bytes.fromhex(expected) + HELLO


def test_a_transfer_of_large_numbers() -> None:
    writer = FrameWriter()
    item = delivery(b"hello", b"abcd", 0xFFFFFFFF)
    writer.write_transfer(item, 0xFFFF, 255, 512, 1, False)
    expected = "00000027 0200ffff 005314 c0 10 05 52ff 70ffffffff a004 61626364 43 42"
    assert writer.take() == bytes.fromhex(expected) + HELLO
    item = delivery(b"hello", b"", 256)
    writer.write_transfer(item, 0, 256, 512, 1, False)
    expected = "00000026 02000000 005314 c0 0f 05 7000000100 7000000100 a000 43 42"
    assert writer.take() == bytes.fromhex(expected) + HELLO


def test_a_transfer_that_is_settled_and_batchable() -> None:
    expected = "00000025 02000001 005314 c0 0e 0b 43 43 a001 00 43 41 42 40404040 41"
    assert written(b"hello", presettled=True, batchable=True) == bytes.fromhex(expected) + HELLO


def test_the_message_format_goes_out() -> None:
    item = delivery(Message(b"hello", message_format=0x102))
    assert item.message_format == 0x102
    writer = FrameWriter()
    writer.write_transfer(item, 1, 0, 512, 1, False)
    expected = "00000023 02000001 005314 c0 0c 05 43 43 a001 00 7000000102 42"
    assert writer.take() == bytes.fromhex(expected) + HELLO


def test_contents() -> None:
    head = "02000001 005314 c0 08 05 43 43 a001 00 43 42"
    for content, encoded in (
        ("hi", "005377 a1026869"),
        (None, "005377 40"),
        (AmqpValue(b"x"), "005377 a00178"),
        (bytearray(b"x"), "005375 a00178"),
        (memoryview(b"x"), "005375 a00178"),
        (b"", "005375 a000"),
        ([1, True], "005377 c0 0402 5501 41"),
        (Message(b"x", header=Header(durable=True)), "005370 c0 02 01 41 005375 a00178"),
    ):
        data = bytes.fromhex(head + encoded)
        assert written(content) == (len(data) + 4).to_bytes(4, "big") + data


def test_a_header_for_what_has_none() -> None:
    header = Header(durable=True)
    for content in (b"x", bytearray(b"x"), Message(b"x"), Message.decode(bytes.fromhex("005375 a00178"))):
        item = OutgoingDelivery(SenderTally(None), content, b"", False, header)
        assert item.size == 13
        writer = FrameWriter()
        writer.write_transfer(item, 1, 0, 512, 1, False)
        assert writer.take()[-13:] == bytes.fromhex("005370 c0 02 01 41 005375 a00178")
    own = Message(b"x", header=Header(priority=9))
    item = OutgoingDelivery(SenderTally(None), own, b"", False, header)
    writer = FrameWriter()
    writer.write_transfer(item, 1, 0, 512, 1, False)
    assert writer.take().endswith(bytes.fromhex("005370 c0 04 02 42 5009 005375 a00178"))


def test_content_that_cannot_be_encoded() -> None:
    tally = SenderTally(None)
    for content, path in (
        (object(), "body"),
        ({"a": [1, {2, 3}]}, "body['a'][1]"),
        (Message(1, application_properties={"k": []}), "application_properties['k']"),
    ):
        with pytest.raises(EncodeError) as caught:
            OutgoingDelivery(tally, content, b"")
        assert caught.value.path == path
    with pytest.raises(EncodeError, match="header"):
        OutgoingDelivery(tally, b"x", b"", False, Accepted())
    assert (tally.count, tally.size) == (0, 0)


# --- transfers in several frames --------------------------------------------------------------------------------------


def test_the_frames_of_a_large_message() -> None:
    body = bytes(range(256)) * 5
    writer = FrameWriter()
    item = delivery(body)
    encoded = bytes.fromhex("005375 b0 00000500") + body
    assert item.size == len(encoded)
    assert writer.write_transfer(item, 1, 0, 512, 1, False) == 1
    first = bytes.fromhex("00000200 02000001 005314 c0 09 06 43 43 a001 00 43 42 41")
    assert writer.take() == first + encoded[: 512 - len(first)]
    assert item.written == 512 - len(first)
    assert item.remaining == item.size - item.written
    assert writer.write_transfer(item, 1, 0, 512, 10, False) == 2
    further = "02000001 005314 c0 07 06 43 404040 42 41"
    last = "02000001 005314 c0 06 05 43 404040 42"
    part = encoded[512 - len(first) :]
    room = 512 - 4 - len(bytes.fromhex(further))
    expected = bytes.fromhex("00000200" + further) + part[:room]
    end = bytes.fromhex(last) + part[room:]
    assert writer.take() == expected + (len(end) + 4).to_bytes(4, "big") + end
    assert item.remaining == 0
    assert (writer.frames, writer.transfers) == (3, 3)


@pytest.mark.parametrize("tag", [b"", b"x" * 32])
@pytest.mark.parametrize("number", [0, 1, 2**32 - 1])
@pytest.mark.parametrize("batchable", [False, True])
def test_no_frame_is_larger_than_allowed_and_none_smaller_than_need_be(
    tag: bytes, number: int, batchable: bool
) -> None:
    for size in range(380, 480):
        writer = FrameWriter()
        item = delivery(b"x" * size, tag, number)
        frames = []
        while item.remaining:
            assert writer.write_transfer(item, 1, 300, 512, 1, batchable) == 1
            frames.append(writer.take())
        assert all(len(data) == 512 for data in frames[:-1])
        assert len(frames[-1]) <= 512
        assert all(int.from_bytes(data[:4], "big") == len(data) for data in frames)
        if len(frames) == 1:
            continue
        single = FrameWriter()
        single.write_transfer(delivery(b"x" * size, tag, number), 1, 300, 4096, 1, batchable)
        assert len(single) > 512, "it had room in one frame"


def test_large_bodies_are_not_joined_with_what_surrounds_them() -> None:
    body = bytes(range(256)) * 100
    message = Message(body, header=Header(durable=True), footer={"crc": 1})
    item = delivery(message)
    assert item.size == len(message.encode())
    writer = FrameWriter()
    assert writer.write_transfer(item, 1, 0, 0xFFFFFFFF, 1, False) == 1
    assert writer.take().endswith(message.encode())


def test_no_frames_wanted() -> None:
    writer = FrameWriter()
    item = delivery(b"hello")
    assert writer.write_transfer(item, 1, 0, 512, 0, False) == 0
    assert (len(writer), item.written, item.remaining) == (0, 0, item.size)


def test_a_finished_delivery_is_not_written_again() -> None:
    writer = FrameWriter()
    item = delivery(b"hello")
    writer.write_transfer(item, 1, 0, 512, 9, False)
    with pytest.raises(InvalidState):
        writer.write_transfer(item, 1, 0, 512, 9, False)
    item = delivery(b"hello")
    item.discard()
    with pytest.raises(InvalidState):
        writer.write_transfer(item, 1, 0, 512, 9, False)
    with pytest.raises(InvalidState):
        writer.write_transfer(OutgoingDelivery.__new__(OutgoingDelivery), 1, 0, 512, 9, False)


def test_bounds() -> None:
    writer = FrameWriter()
    with pytest.raises(EncodeError, match="512"):
        writer.write_transfer(delivery(b""), 1, 0, 511, 1, False)
    assert len(writer) == 0
    with pytest.raises(TypeError):
        writer.write_transfer(None, 1, 0, 512, 1, False)  # type: ignore[arg-type]
