"""No bytes of a peer, in any order or portions, make the engine raise, hang or hold more than it should."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from amqp10._codec import CompositeBase, FrameWriter
from amqp10.engine import Connection, Receiver
from amqp10.engine.sasl import Anonymous, PlainServer, SaslClient, SaslServer
from amqp10.options import ConnectionOptions, ReceiverOptions, SenderOptions, SessionOptions
from amqp10.outcomes import Accepted, Modified, Received, Rejected, Released
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
from amqp10.terminus import Source, Target
from amqp10.types import Symbol
from tests.engine.rig import Rig, attach

SMALL = st.integers(0, 3)
NUMBER = st.one_of(SMALL, st.integers(0xFFFFFFFC, 0xFFFFFFFF), st.integers(0, 0xFFFFFFFF))
FLAG = st.booleans()
ERROR = st.none() | st.builds(Error, condition=st.just(Symbol("amqp:internal-error")), description=st.text(max_size=9))
STATE = st.none() | st.sampled_from(
    [Accepted(), Released(), Rejected(), Modified(delivery_failed=True), Received(section_number=1, section_offset=2)]
)
NAME = st.sampled_from(["s", "r", "other"])
TERMINUS = st.none() | st.just(Source(address="q")) | st.just(Target(address="q")) | st.just(5)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw from a strategy, or leave the field out."""
    return st.none() | strategy


PERFORMATIVES: st.SearchStrategy[CompositeBase] = st.one_of(
    st.builds(Open, container_id=st.just("x"), max_frame_size=st.sampled_from([0, 512, 65536]), channel_max=SMALL),
    st.builds(
        Begin, remote_channel=maybe(SMALL), next_outgoing_id=NUMBER, incoming_window=NUMBER, outgoing_window=NUMBER
    ),
    st.builds(
        Attach,
        name=NAME,
        handle=SMALL,
        role=FLAG,
        snd_settle_mode=st.integers(0, 4),
        rcv_settle_mode=st.integers(0, 2),
        source=TERMINUS,
        target=TERMINUS,
        initial_delivery_count=maybe(NUMBER),
        max_message_size=maybe(SMALL),
    ),
    st.builds(
        Flow,
        next_incoming_id=maybe(NUMBER),
        incoming_window=NUMBER,
        next_outgoing_id=NUMBER,
        outgoing_window=NUMBER,
        handle=maybe(SMALL),
        delivery_count=maybe(NUMBER),
        link_credit=maybe(NUMBER),
        drain=FLAG,
        echo=FLAG,
        properties=st.none() | st.just({Symbol("a"): 1}),
    ),
    st.builds(
        Transfer,
        handle=SMALL,
        delivery_id=maybe(NUMBER),
        delivery_tag=maybe(st.binary(max_size=33)),
        message_format=maybe(SMALL),
        settled=maybe(FLAG),
        more=FLAG,
        rcv_settle_mode=maybe(SMALL),
        state=STATE,
        resume=FLAG,
        aborted=FLAG,
    ),
    st.builds(Disposition, role=FLAG, first=NUMBER, last=maybe(NUMBER), settled=FLAG, state=STATE),
    st.builds(Detach, handle=SMALL, closed=FLAG, error=ERROR),
    st.builds(End, error=ERROR),
    st.builds(Close, error=ERROR),
    st.builds(SaslMechanisms, sasl_server_mechanisms=st.just([Symbol("ANONYMOUS")])),
    st.builds(SaslInit, mechanism=st.just(Symbol("PLAIN")), initial_response=maybe(st.binary(max_size=9))),
    st.builds(SaslChallenge, challenge=st.just(b"")),
    st.builds(SaslResponse, response=st.just(b"\0a\0b")),
    st.builds(SaslOutcome, code=st.integers(0, 5)),
)
# What comes often in a life, so that long walks get somewhere before something ends them.
FRAMES = st.tuples(SMALL, PERFORMATIVES, st.binary(max_size=40))


def frame(channel: int, performative: CompositeBase, payload: bytes) -> bytes:
    """Encode a frame."""
    writer = FrameWriter()
    writer.write_frame(channel, performative, payload if type(performative) is Transfer else b"")
    return writer.take()


def working_rig(*, runs: bool = True) -> Rig:
    """Make an engine with a sender that has credit, and a receiver, on one session."""
    rig = Rig(runs=runs)
    rig.open()
    session = rig.begin(SessionOptions(incoming_window=8))
    rig.attach_sender(session, handle=0, credit=3, name="s")
    rig.attach_receiver(session, handle=1, name="r", credit=4, max_message_size=100)
    rig.hear_items()
    return rig


def live(rig: Rig) -> None:
    """Do what a driver does after bytes came, and use what is left of the links."""
    rig.settle_down()
    rig.take_output()
    for session in rig.connection.sessions:
        for link in session.links:
            if isinstance(link, Receiver) and link.error is None:
                delivery = link.take()
                if delivery is not None and not delivery.settled:
                    delivery.accept()


def server_rig() -> Connection:
    """Make an engine that waits for a client."""
    sasl = SaslServer([PlainServer(lambda user, password: user == password)])
    connection = Connection(ConnectionOptions(container_id="server"), sasl=sasl)
    next(connection.open())
    return connection


def client_rig() -> Connection:
    """Make an engine that has begun to open."""
    connection = Connection(ConnectionOptions(container_id="client"), sasl=SaslClient([Anonymous()]))
    next(connection.open())
    return connection


@settings(max_examples=300, deadline=None)
@given(st.lists(FRAMES, max_size=25))
def test_no_frames_in_any_order_raise(frames: list[tuple[int, CompositeBase, bytes]]) -> None:
    rig = working_rig()
    for channel, performative, payload in frames:
        rig.receive(frame(channel, performative, payload))
        live(rig)
    rig.connection.tick(1000.0)
    rig.connection.receive_eof()
    live(rig)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([server_rig, client_rig]),
    st.lists(
        st.one_of(st.binary(max_size=30), st.sampled_from([b"AMQP\0\1\0\0", b"AMQP\3\1\0\0"]), FRAMES), max_size=12
    ),
)
def test_no_bytes_before_open_raise(make: Callable[[], Connection], pieces: list[Any]) -> None:
    connection = make()
    for piece in pieces:
        connection.receive_data(piece if isinstance(piece, bytes) else frame(*piece))
        connection.data_to_send()
        connection.events()
    connection.tick(1000.0)
    connection.receive_eof(OSError("gone"))
    assert connection.finished


@settings(max_examples=200, deadline=None)
@given(st.lists(FRAMES, max_size=10), st.data())
def test_no_damaged_frame_raises(frames: list[tuple[int, CompositeBase, bytes]], data: st.DataObject) -> None:
    stream = bytearray(b"".join(frame(*each) for each in frames) or b"\0")
    for _ in range(data.draw(st.integers(1, 4))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    rig = working_rig()
    rig.receive(bytes(stream))
    live(rig)


TRANSFERS = st.lists(
    st.tuples(
        st.integers(0, 2),  # how far the delivery-id is from the next
        st.booleans(),  # settled
        st.sampled_from([False, False, False, True]),  # more
        st.sampled_from([False, False, False, False, True]),  # aborted
        st.integers(0, 130),  # bytes of payload, beyond max-message-size at times
    ),
    max_size=14,
)


def stream_of(transfers: list[tuple[int, bool, bool, bool, int]]) -> bytes:
    """Encode transfers to the working rig's receiver."""
    out = b""
    number = 0xFFFFFFFE
    for step, settled, more, aborted, size in transfers:
        number = (number + step) & 0xFFFFFFFF
        transfer = Transfer(
            handle=1,
            delivery_id=number,
            delivery_tag=number.to_bytes(4, "big"),
            message_format=0,
            settled=settled,
            more=more,
            aborted=aborted,
        )
        out += frame(0, transfer, bytes(size))
        number = (number + 1) & 0xFFFFFFFF
    return out


def outcome_of(rig: Rig, pieces: list[bytes]) -> tuple[Any, ...]:
    """Give the pieces to the engine, settle what came, and return all there is to see of it."""
    session = rig.sessions[0] if rig.sessions else rig.connection.sessions[0]
    receiver: Any = next(link for link in session.links if link.role)
    for piece in pieces:
        rig.receive(piece)
    rig.settle_down()
    came = []
    while (delivery := receiver.take()) is not None:
        came.append((delivery.delivery_id, delivery.delivery_tag, delivery.settled, delivery.payload))
        if receiver.error is None and delivery.delivery_id % 2:
            delivery.accept()
    credit = receiver.credit
    return (
        came,
        receiver.state,
        session.state,
        str(receiver.error),
        (credit.delivery_count, credit.link_credit, credit.outstanding, credit.received),
        (session.incoming_window.next_id, session.incoming_window.remaining),
        len(session.incoming),
        rig.hear(),
    )


@settings(max_examples=300, deadline=None)
@given(TRANSFERS)
def test_runs_leave_the_same_as_single_transfers(transfers: list[tuple[int, bool, bool, bool, int]]) -> None:
    stream = stream_of(transfers)
    assert outcome_of(working_rig(runs=True), [stream]) == outcome_of(working_rig(runs=False), [stream])


@settings(max_examples=200, deadline=None)
@given(TRANSFERS, st.lists(st.integers(1, 60), min_size=1))
def test_any_portions_leave_the_same_as_all_at_once(
    transfers: list[tuple[int, bool, bool, bool, int]], sizes: list[int]
) -> None:
    stream = stream_of(transfers)
    pieces: list[bytes] = []
    position = 0
    while position < len(stream):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(stream[position : position + size])
        position += size
    assert outcome_of(working_rig(), pieces) == outcome_of(working_rig(), [stream])


def test_the_rig_is_what_the_walks_take_it_for() -> None:
    rig = working_rig()
    came = outcome_of(rig, [stream_of([(0, False, False, False, 10), (0, False, True, False, 10)])])
    assert [number for number, *_ in came[0]] == [0xFFFFFFFE]
    assert attach("r", 1, role=False).handle == 1
    assert SenderOptions(name="s", target=None).max_unsettled > ReceiverOptions(name="r", source=None).credit
