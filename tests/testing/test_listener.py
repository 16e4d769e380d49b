"""What the peer hears: cut, read, judged, entered in the books."""

from collections import deque

import pytest

from amqp10._codec import Frame, ProtocolHeader
from amqp10.performatives import Close, Open
from amqp10.testing.ledger import Ledger
from amqp10.testing.listener import Listener
from amqp10.testing.report import TraceEntry
from amqp10.testing.script import Arrival
from amqp10.testing.text import ScriptFailure
from amqp10.testing.wire import AMQP_HEADER, EMPTY_FRAME, frame_bytes

OPEN = frame_bytes("02 00 00 00  00 53 10 c0 07 01 a1 04 'hand'")
CLOSE = frame_bytes("02 00 00 05  00 53 18 45")


def listener(*, strict: bool = True) -> tuple[Listener, Ledger, deque[TraceEntry]]:
    books, trace = Ledger(0, 0), deque[TraceEntry]()
    return Listener(books, trace, strict=strict), books, trace


def hear(ears: Listener, data: bytes) -> list[Arrival]:
    return [ears.read(unit) for unit in ears.feed(data)]


def test_what_comes_is_read_and_recorded() -> None:
    ears, books, trace = listener()
    header, opened, empty, closed = hear(ears, AMQP_HEADER + OPEN + EMPTY_FRAME + CLOSE)
    assert isinstance(header.item, ProtocolHeader)
    assert isinstance(opened.item, Frame)
    assert (opened.performative, opened.raw) == (Open(container_id="hand"), OPEN)
    assert (empty.is_empty, empty.item, closed.is_empty) == (True, None, False)
    assert books.remote_open == Open(container_id="hand")
    assert [str(entry) for entry in trace] == [
        "← header AMQP 1.0.0",
        "← ch 0  Open(container_id='hand', max_frame_size=4294967295, channel_max=65535)",
        "← empty frame",
        "← ch 5  Close()",
    ]
    assert (ears.counts[Open], ears.counts[Close]) == (1, 1)


def test_the_end() -> None:
    ears, _, trace = listener()
    assert ears.end(None).is_end
    assert str(ears.end(TimeoutError("too late"))) == "end of the connection"
    assert [str(entry) for entry in trace] == ["← end of the connection", "← connection lost: too late"]


@pytest.mark.parametrize(
    "data",
    [
        b"AMQQ\x00\x01\x00\x00",
        OPEN,
        AMQP_HEADER + frame_bytes("02 00 00 00  00 53 10 45"),
        AMQP_HEADER + frame_bytes("02 07 00 00  00 53 18 45"),
        AMQP_HEADER + frame_bytes("01 00 00 00  00 53 18 45"),
        AMQP_HEADER + frame_bytes("02 00 00 00  00 53 18 45 00"),
        AMQP_HEADER + frame_bytes("02 00 00 00  00 53 77 45"),
        AMQP_HEADER + b"\x00\x00\x02\x01\x02\x00\x00\x00",
        AMQP_HEADER + b"\x00\x00\x00\x07\x02\x00\x00\x00",
    ],
)
def test_what_is_malformed(data: bytes) -> None:
    ears, _, trace = listener()
    with pytest.raises(ScriptFailure, match="what came is no AMQP: ") as caught:
        hear(ears, data)
    assert "0000  " in str(caught.value)
    assert "bytes that are no frame" in str(trace[-1])


def test_frames_grow_with_our_open() -> None:
    large = frame_bytes("02 00 00 00  00 53 10 c0 07 01 a1 04 'hand'")
    long_name = frame_bytes("02 00 00 00  00 53 10 d0 00 00 02 0a 00 00 00 01 b1 00 00 02 01" + " 61" * 513)
    ears, books, _ = listener()
    hear(ears, AMQP_HEADER)
    books.sent(0, Open(container_id="ours", max_frame_size=len(long_name)))
    (arrival,) = hear(ears, long_name)
    assert arrival.performative.container_id == "a" * 513
    books.sent(0, Open(container_id="ours", max_frame_size=len(large) - 1))
    with pytest.raises(ScriptFailure, match="no AMQP"):
        hear(ears, large)


def test_rules_are_checked_where_wanted() -> None:
    ears, _, trace = listener()
    with pytest.raises(ScriptFailure, match=r"forbids what came: the first frame must be an open \(§2.7\)"):
        hear(ears, AMQP_HEADER + CLOSE)
    assert str(trace[-1]) == "← ch 5  Close()"
    ears, books, _ = listener(strict=False)
    hear(ears, AMQP_HEADER + CLOSE)
    assert books.remote_close == Close()
