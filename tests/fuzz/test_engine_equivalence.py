"""Frames in any order, on any channel and handle: nothing is raised, and neither runs nor chunks change anything."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amqp10._codec import CompositeBase, FrameWriter
from amqp10.outcomes import ACCEPTED, RELEASED, Modified, Received, Rejected, TransactionalState
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
    SaslMechanisms,
    SaslOutcome,
    Transfer,
)
from amqp10.terminus import Source, Target
from amqp10.types import Symbol
from tests.fuzz.subject import FIRST_ID, Subject, check_output, finish, snapshot

MANY = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

ids = st.one_of(
    st.integers(-2, 12).map(lambda number: (FIRST_ID + number) & 0xFFFFFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.sampled_from([0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]),
)
counts = st.one_of(st.integers(0, 12), ids)
handles = st.sampled_from([0, 1, 1, 1, 2, 2, 3, 3, 4, 5, 9, 70000])
channels = st.sampled_from([0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 65535])
flags = st.booleans()
rarely = st.sampled_from([False] * 9 + [True])
errors = st.one_of(st.none(), st.just(Error(condition=Symbol("x:y"), description="d" * 300)))
states = st.sampled_from(
    [
        None,
        ACCEPTED,
        ACCEPTED,
        RELEASED,
        Rejected(error=Error(condition=Symbol("a"))),
        Modified(delivery_failed=True),
        Received(section_number=1, section_offset=2),
        TransactionalState(txn_id=b"t", outcome=ACCEPTED),
        Target(),
        7,
    ]
)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), strategy)


termini = st.sampled_from([None, Source(), Target(address="a"), 5])
names = st.sampled_from(["s0", "r1", "r2", "asked", "new", "other", "n" * 900])
transfers = st.builds(
    Transfer,
    handle=handles,
    delivery_id=maybe(ids),
    delivery_tag=maybe(st.sampled_from([b"", b"t", b"u" * 32, b"v" * 33])),
    message_format=maybe(st.sampled_from([0, 1])),
    settled=maybe(flags),
    more=rarely,
    rcv_settle_mode=st.sampled_from([None, None, None, None, 0, 1, 2]),
    state=st.sampled_from([None, None, None, None, ACCEPTED, 7]),
    resume=rarely,
    aborted=rarely,
    batchable=flags,
)
flows = st.builds(
    Flow,
    next_incoming_id=maybe(ids),
    incoming_window=counts,
    next_outgoing_id=ids,
    outgoing_window=counts,
    handle=maybe(handles),
    delivery_count=maybe(counts),
    link_credit=maybe(counts),
    available=maybe(counts),
    drain=flags,
    echo=flags,
    properties=st.sampled_from([None, {Symbol("k"): 1}]),
)
dispositions = st.builds(Disposition, role=flags, first=ids, last=maybe(ids), settled=flags, state=states)
attaches = st.builds(
    Attach,
    name=names,
    handle=handles,
    role=flags,
    snd_settle_mode=st.sampled_from([0, 1, 2, 2, 2, 7]),
    rcv_settle_mode=st.sampled_from([0, 0, 0, 1, 7]),
    source=termini,
    target=termini,
    initial_delivery_count=maybe(counts),
    max_message_size=st.sampled_from([None, 0, 3, 2**64 - 1]),
)
begins = st.builds(
    Begin,
    remote_channel=maybe(channels),
    next_outgoing_id=ids,
    incoming_window=counts,
    outgoing_window=counts,
    handle_max=st.sampled_from([0xFFFFFFFF, 0, 3]),
)
others = st.one_of(
    st.builds(Detach, handle=handles, closed=flags, error=errors),
    st.builds(End, error=errors),
    begins,
)
seldom = st.sampled_from(
    [
        Close(),
        Close(error=Error(condition=Symbol("c:d"))),
        Open(container_id="again"),
        SaslOutcome(code=0),
        SaslMechanisms(sasl_server_mechanisms=[Symbol("PLAIN")]),
    ]
)
payloads = st.sampled_from([b"", b"\x00\x53\x75\xa0\x01x", b"garbage", bytes(300)])


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    kind = draw(st.integers(0, 99))
    performative: CompositeBase
    if kind < 35:
        performative = draw(transfers)
    elif kind < 55:
        performative = draw(flows)
    elif kind < 70:
        performative = draw(dispositions)
    elif kind < 80:
        performative = draw(attaches)
    elif kind < 97:
        performative = draw(others)
    else:
        performative = draw(seldom)
    payload = draw(payloads) if isinstance(performative, Transfer) else b""
    writer = FrameWriter()
    writer.write_frame(draw(channels), performative, payload)
    return writer.take()


@st.composite
def runs(draw: st.DrawFn) -> bytes:
    """Plain transfers in a row, as most of what comes is."""
    writer = FrameWriter()
    first, handle, settled = draw(ids), draw(handles), draw(flags)
    for number in range(draw(st.integers(1, 12))):
        delivery_id = (first + number) & 0xFFFFFFFF
        tag = delivery_id.to_bytes(4, "big")
        transfer = Transfer(handle=handle, delivery_id=delivery_id, delivery_tag=tag, settled=settled)
        writer.write_frame(draw(channels), transfer, draw(payloads))
    return writer.take()


@st.composite
def deliveries(draw: st.DrawFn) -> bytes:
    """What an honest peer sends: deliveries in sequence, some in several frames."""
    writer = FrameWriter()
    delivery_id = FIRST_ID + 3
    for _ in range(draw(st.integers(1, 10))):
        handle = draw(st.sampled_from([1, 2, 3]))
        number = delivery_id & 0xFFFFFFFF
        whole: dict[str, Any] = {"delivery_id": number, "delivery_tag": b"t", "settled": draw(flags)}
        frames = draw(st.integers(1, 3))
        for index in range(frames):
            repeated = whole if index == 0 or draw(flags) else {}
            more = index < frames - 1
            writer.write_frame(0, Transfer(handle=handle, more=more, **repeated), draw(payloads))
        delivery_id += 1
    return writer.take()


sequences = st.lists(st.one_of(frames(), runs(), deliveries()), min_size=1, max_size=12)


@MANY
@given(sequences)
def test_nothing_is_raised_and_what_is_sent_can_be_read(pieces: list[bytes]) -> None:
    subject = Subject.make()
    sent = b""
    for piece in pieces:
        subject.rig.receive(piece)
        sent += subject.rig.take_output()
    check_output(sent)
    finish(subject)


@MANY
@given(sequences, st.lists(st.booleans(), min_size=12, max_size=12))
def test_runs_change_nothing(pieces: list[bytes], accepts: list[bool]) -> None:
    subjects = [Subject.make(runs=True), Subject.make(runs=False)]
    for piece, accepting in zip(pieces, accepts, strict=False):
        for subject in subjects:
            subject.rig.receive(piece)
        first, second = (_work(subject, accepting) for subject in subjects)
        assert first == second
        assert snapshot(subjects[0].connection) == snapshot(subjects[1].connection)


def _work(subject: Subject, accepting: bool) -> bytes:
    """Do what an application does between two reads."""
    for session in subject.connection.sessions:
        for link in session.links:
            if accepting and hasattr(link, "take") and link.error is None:
                while (delivery := link.take()) is not None:
                    delivery.accept()
    return subject.rig.take_output()


@MANY
@given(sequences, st.lists(st.integers(0, 2000), max_size=30))
def test_chunks_change_nothing(pieces: list[bytes], cuts: list[int]) -> None:
    data = b"".join(pieces)
    whole, cut = Subject.make(passive=True), Subject.make(passive=True)
    whole.connection.receive_data(data)
    for chunk in _chunks(data, cuts):
        cut.connection.receive_data(chunk)
    assert snapshot(whole.connection) == snapshot(cut.connection)
    assert whole.rig.take_output() == cut.rig.take_output()


def _chunks(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    for start, end in pairwise(places):
        yield data[start:end]
