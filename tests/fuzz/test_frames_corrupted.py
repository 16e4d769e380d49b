"""Every truncation and every corruption of a byte of valid frames: items or an error, never a crash, never a hang."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqp10._codec import Delivery, Frame, FrameReader, FrameWriter, Message, ProtocolHeader, TransferRun
from amqp10.errors import AMQPError, DecodeError
from amqp10.messaging import Header, Properties
from amqp10.outcomes import Accepted, Modified, Received, Rejected, TransactionalState
from amqp10.performatives import (
    Attach,
    Begin,
    Close,
    Detach,
    Disposition,
    End,
    Error,
    Flow,
    Open,
    SaslChallenge,
    SaslInit,
    SaslMechanisms,
    SaslOutcome,
    SaslResponse,
    Transfer,
)
from amqp10.terminus import Coordinator, DeleteOnClose, Source, Target, selector_filter
from amqp10.types import Symbol
from tests.codec.wire import EMPTY, HEADER, SASL_HEADER, transfer
from tests.vectors.notation import load

SYMBOLS = [Symbol("a"), Symbol("bc")]
FIELDS = {Symbol("x"): [1, None], Symbol("y"): {"z": b"1"}}

PERFORMATIVES = {
    "open": Open(container_id="c", hostname="h", channel_max=9, offered_capabilities=SYMBOLS, properties=FIELDS),
    "begin": Begin(next_outgoing_id=2**32 - 4, incoming_window=1, outgoing_window=2, properties=FIELDS),
    "attach": Attach(
        name="l",
        handle=1,
        role=True,
        source=Source(address="q", filter=selector_filter("a = 1"), default_outcome=Modified(), outcomes=SYMBOLS),
        target=Target(address=None, dynamic=True, dynamic_node_properties={Symbol("lifetime-policy"): DeleteOnClose()}),
        unsettled={b"t": Received(section_number=1, section_offset=2), b"u": None},
        initial_delivery_count=0,
    ),
    "attach of a coordinator": Attach(name="l", handle=1, role=False, target=Coordinator(capabilities=SYMBOLS)),
    "flow": Flow(next_incoming_id=1, incoming_window=2, next_outgoing_id=3, outgoing_window=4, handle=5, drain=True),
    "disposition": Disposition(role=True, first=1, last=9, settled=True, state=Accepted()),
    "rejected": Disposition(role=True, first=1, state=Rejected(error=Error(condition=SYMBOLS[0], info=FIELDS))),
    "transactional": Disposition(role=True, first=1, state=TransactionalState(txn_id=b"\1", outcome=Accepted())),
    "detach": Detach(handle=1, closed=True, error=Error(condition=SYMBOLS[0], description="d")),
    "end": End(error=Error(condition=SYMBOLS[0])),
    "close": Close(),
}
SASL = [
    SaslMechanisms(sasl_server_mechanisms=SYMBOLS),
    SaslInit(mechanism="PLAIN", initial_response=b"\0u\0p", hostname="h"),
    SaslChallenge(challenge=b"c"),
    SaslResponse(response=b"r"),
    SaslOutcome(code=0, additional_data=b"d"),
]


class OurDelivery(Delivery):
    __slots__ = ()


def written(*performatives: Any, payload: bytes = b"") -> bytes:
    writer = FrameWriter()
    for performative in performatives:
        writer.write_frame(1, performative, payload)
    return writer.take()


def transfers() -> Iterator[tuple[str, bytes]]:
    message = Message(b"x" * 40, header=Header(durable=True), properties=Properties(message_id=1)).encode()
    tags = [Transfer(handle=0, delivery_id=number, delivery_tag=b"tag", message_format=0) for number in range(4)]
    yield "a run", written(*tags, payload=message)
    yield "a run of small ones", b"".join(transfer(number) for number in (2**32 - 1, 0, 1))
    parts = [
        Transfer(handle=0, delivery_id=4, delivery_tag=b"t", message_format=0, more=True),
        Transfer(handle=0, more=True),
        Transfer(handle=0),
    ]
    yield "several frames", written(*parts, payload=message[:20])
    yield "aborted", written(parts[0], Transfer(handle=0, aborted=True))
    yield (
        "other forms",
        written(
            Transfer(handle=0, delivery_id=0, delivery_tag=b"t", settled=True, state=Accepted(), rcv_settle_mode=1),
            Transfer(handle=9, delivery_id=1, delivery_tag=b"u", batchable=True),
            payload=message,
        ),
    )


@functools.cache
def corpus() -> dict[str, bytes]:
    """Streams by name, each from its first protocol header on."""
    streams = {name: HEADER + written(performative) for name, performative in PERFORMATIVES.items()}
    streams |= {name: HEADER + data for name, data in transfers()}
    streams["SASL, then AMQP"] = SASL_HEADER + written(*SASL) + HEADER + written(PERFORMATIVES["open"])
    streams["SASL by half"] = SASL_HEADER + written(SASL[0]) + HEADER + written(PERFORMATIVES["close"])
    streams["empty frames"] = HEADER + EMPTY + bytes.fromhex("0000000c0300000100000000") + EMPTY
    return streams


def reader() -> FrameReader:
    made = FrameReader(max_frame_size=4096)
    for handle in (0, 1):
        made.bind(1, handle, OurDelivery, None)
    return made


def look_at(item: object) -> None:
    """Read all that an item says, and what messages it has."""
    repr(item)
    if isinstance(item, TransferRun):
        for delivery in item.deliveries:
            assert len(delivery.delivery_tag) <= 32
            assert delivery.payload is not None
            for name in ("header", "properties", "application_properties", "body", "footer"):
                try:
                    getattr(delivery.message, name)
                except DecodeError:
                    pass
    else:
        assert isinstance(item, (Frame, ProtocolHeader))


def feed(data: bytes) -> None:
    """Feed a stream, and then a byte more, to a reader."""
    made = reader()
    for item in made.feed(data):
        look_at(item)
    assert made.error is None or isinstance(made.error, DecodeError)
    if made.error is not None:
        assert made.buffered == 0
        assert made.feed(b"\0") == []
    else:
        assert made.buffered < len(data) + 1


NAMES = list(corpus())


@pytest.mark.parametrize("name", NAMES)
def test_the_corpus_is_valid(name: str) -> None:
    made = reader()
    assert made.feed(corpus()[name])
    assert made.error is None, made.error
    assert made.buffered == 0


@pytest.mark.parametrize("name", NAMES)
def test_every_truncation(name: str) -> None:
    stream = corpus()[name]
    whole = reader()
    whole.feed(stream)
    for length in range(len(stream)):
        made = reader()
        for item in made.feed(stream[:length]):
            look_at(item)
        if whole.error is None:
            assert made.error is None, (length, made.error)
        made.feed(stream[length:])
        assert str(made.error) == str(whole.error)
        assert made.frames == whole.frames


@pytest.mark.parametrize("name", NAMES)
def test_every_corrupted_byte(name: str) -> None:
    stream = corpus()[name]
    for at in range(len(stream)):
        for value in range(256):
            feed(stream[:at] + bytes([value]) + stream[at + 1 :])


@pytest.mark.parametrize("name", NAMES)
def test_every_byte_left_out_or_doubled(name: str) -> None:
    stream = corpus()[name]
    for at in range(len(stream)):
        feed(stream[:at] + stream[at + 1 :])
        feed(stream[: at + 1] + stream[at:])


@pytest.mark.parametrize("client", ["proton", "rhea"])
def test_frames_of_other_clients_corrupted(client: str) -> None:
    for vector in load(client):
        if vector.kind != "frame" or not vector.encoded.startswith(b"\0"):
            continue
        stream = (SASL_HEADER if vector.encoded[5] else HEADER) + vector.encoded
        for at in range(8, len(stream)):
            for value in (0x00, 0x40, 0xC0, 0xFF, stream[at] ^ 1):
                feed(stream[:at] + bytes([value]) + stream[at + 1 :])


@given(st.binary(max_size=80), st.sampled_from([b"", HEADER, SASL_HEADER]))
def test_any_bytes(data: bytes, header: bytes) -> None:
    feed(header + data)


@given(st.binary(max_size=60), st.sampled_from([0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18]))
def test_any_body(content: bytes, code: int) -> None:
    body = b"\0\x53" + bytes([code, 0xC0, min(len(content) + 1, 255)]) + content
    feed(HEADER + (len(body) + 8).to_bytes(4, "big") + b"\x02\0\0\x01" + body)


def test_what_is_read_can_be_written_again() -> None:
    """And what a corruption leaves readable too: no value comes in that cannot go out."""
    for name, stream in corpus().items():
        for at in range(8, len(stream)):
            made = reader()
            made.runs = False
            for item in made.feed(stream[:at] + bytes([stream[at] ^ 1]) + stream[at + 1 :]):
                if isinstance(item, Frame):
                    writer = FrameWriter()
                    try:
                        writer.write_frame(item.channel, item.performative, item.payload)
                    except AMQPError as error:
                        raise AssertionError(f"{name}, byte {at}: {item!r}") from error
