"""What a script leaves out: filled in from the books."""

import pytest

from amqp10._codec import CompositeBase
from amqp10.outcomes import ACCEPTED
from amqp10.performatives import (
    Attach,
    Begin,
    Close,
    Detach,
    Disposition,
    End,
    Flow,
    Open,
    SaslChallenge,
    SaslFrame,
    SaslInit,
    SaslMechanisms,
    SaslOutcome,
    SaslResponse,
    Transfer,
)
from amqp10.terminus import Coordinator, Source, Target
from amqp10.testing.defaults import ANSWERS, FIRST_ID, Context, PeerOptions, complete, mirror
from amqp10.testing.ledger import Ledger
from amqp10.testing.text import ScriptFailure
from amqp10.types import Symbol
from tests.testing.hand import attach, begin, flow, transfer


def context(*, options: PeerOptions | None = None, link: str | None = None) -> Context:
    """Returns a session, theirs on channel 3, ours on 9; a link "in" (handles 1, 11) and a link "out" (2, 12)."""
    options = options or PeerOptions()
    books = Ledger(options.next_outgoing_id, options.delivery_id)
    books.received(0, Open(container_id="theirs"), b"")
    books.received(3, begin(), b"")
    books.sent(9, Begin(remote_channel=3, next_outgoing_id=FIRST_ID, incoming_window=10, outgoing_window=20))
    books.received(3, attach("in", role=False, handle=1), b"")
    books.sent(9, attach("in", role=True, handle=11))
    books.received(3, attach("out", role=True, handle=2), b"")
    books.sent(9, attach("out", role=False, handle=12, initial_delivery_count=FIRST_ID))
    return Context(books, options, books.sessions[0], books.link(link) if link else None)


def empty() -> Context:
    """Returns a connection on which nothing was said."""
    return Context(Ledger(FIRST_ID, FIRST_ID), PeerOptions())


def made(kind: type[CompositeBase], where: Context, **given: object) -> CompositeBase:
    return complete(kind, given, where)[1]


@pytest.mark.parametrize(
    ("body", "channel"),
    [
        (Open(container_id="scripted-peer"), 0),
        (Close(), 0),
        (SaslMechanisms(sasl_server_mechanisms=[Symbol("ANONYMOUS")]), 0),
        (SaslInit(mechanism="ANONYMOUS"), 0),
        (SaslChallenge(challenge=b""), 0),
        (SaslResponse(response=b""), 0),
        (SaslOutcome(code=0), 0),
        (Begin(next_outgoing_id=FIRST_ID, incoming_window=2**31 - 1, outgoing_window=2**31 - 1), 100),
        (End(), None),
    ],
)
def test_what_needs_no_context(body: CompositeBase, channel: int | None) -> None:
    assert complete(type(body), {}, empty()) == (channel, body)


def test_what_is_given_goes_first() -> None:
    assert made(Open, empty(), container_id="x", max_frame_size=512) == Open(container_id="x", max_frame_size=512)


def test_begin_answers_one_that_waits() -> None:
    where = empty()
    where.ledger.received(3, begin(), b"")
    where.session = where.ledger.sessions[0]
    body = made(Begin, where)
    assert isinstance(body, Begin)
    assert body.remote_channel == 3


def test_attach() -> None:
    assert complete(Attach, {}, context()) == (
        9,
        Attach(
            name="scripted-link-2",
            handle=200,
            role=False,
            source=Source(),
            target=Target(),
            initial_delivery_count=FIRST_ID,
        ),
    )
    body = made(Attach, context(), role=True)
    assert isinstance(body, Attach)
    assert body.initial_delivery_count is None


def test_numbers_that_are_free() -> None:
    where = context(options=PeerOptions(first_channel=9, first_handle=11))
    assert complete(Begin, {}, where)[0] == 10
    body = made(Attach, where)
    assert isinstance(body, Attach)
    assert body.handle == 13
    where.ledger.received(0, Open(container_id="x", channel_max=9), b"")
    assert complete(Begin, {}, where)[0] == 0
    where.ledger.sessions[0].remote = begin(handle_max=12)
    body = made(Attach, where)
    assert isinstance(body, Attach)
    assert body.handle == 0


def test_flow_of_the_session() -> None:
    assert complete(Flow, {"echo": True}, context(link="in")) == (
        9,
        Flow(next_incoming_id=7, incoming_window=10, next_outgoing_id=FIRST_ID, outgoing_window=20, echo=True),
    )


def test_flow_of_a_link() -> None:
    body = made(Flow, context(link="in"), link_credit=5)
    assert isinstance(body, Flow)
    assert (body.handle, body.delivery_count, body.link_credit) == (11, 50, 5)
    body = made(Flow, context(link="out"), available=5)
    assert isinstance(body, Flow)
    assert (body.handle, body.delivery_count, body.link_credit) == (12, FIRST_ID, 0)
    where = context(link="out")
    where.ledger.received(3, flow(handle=2, link_credit=6), b"")
    body = made(Flow, where, drain=True)
    assert isinstance(body, Flow)
    assert body.link_credit == 6


def test_flow_of_a_receiver_that_knows_no_delivery_count() -> None:
    where = context()
    where.ledger.sent(9, attach("new", role=True, handle=13))
    where.link = where.ledger.link("new")
    body = made(Flow, where, link_credit=1)
    assert isinstance(body, Flow)
    assert (body.handle, body.delivery_count) == (13, None)


def test_flow_of_a_link_that_is_named() -> None:
    where = context(link="in")
    where.link_is_named = True
    body = made(Flow, where)
    assert isinstance(body, Flow)
    assert (body.handle, body.delivery_count, body.link_credit) == (11, 50, 0)


def test_flow_of_a_sender_that_has_no_answer() -> None:
    where = context()
    where.ledger.sent(9, attach("new", role=False, handle=13, initial_delivery_count=8))
    where.link = where.ledger.link("new")
    body = made(Flow, where, link_credit=0)
    assert isinstance(body, Flow)
    assert (body.handle, body.delivery_count) == (13, 8)


def test_transfer() -> None:
    where = context(link="out")
    first = Transfer(handle=12, delivery_id=FIRST_ID, delivery_tag=b"1", message_format=0, more=True)
    assert complete(Transfer, {"more": True}, where) == (9, first)
    where.ledger.sent(9, first)
    assert made(Transfer, where) == Transfer(handle=12)
    where.ledger.sent(9, Transfer(handle=12))
    assert made(Transfer, where) == Transfer(handle=12, delivery_id=FIRST_ID + 1, delivery_tag=b"2", message_format=0)


def test_disposition() -> None:
    where = context(link="in")
    where.ledger.received(3, transfer(4, handle=1), b"")
    accepted = Disposition(role=True, first=4, settled=True, state=ACCEPTED)
    assert complete(Disposition, {}, where) == (9, accepted)
    where.ledger.sent(9, transfer(77, handle=12))
    assert made(Disposition, where, role=False) == Disposition(role=False, first=77, settled=True)
    where.link = where.ledger.link("out")
    assert made(Disposition, where) == Disposition(role=False, first=77, settled=True)
    assert made(Disposition, where, role=True) == accepted
    assert made(Disposition, where, first=1, last=2) == Disposition(role=False, first=1, last=2, settled=True)


def test_disposition_of_the_latest_on_the_link() -> None:
    where = context(link="in")
    where.ledger.received(3, attach("other", role=False, handle=5), b"")
    for number, handle in ((1, 1), (2, 1), (3, 5)):
        where.ledger.received(3, transfer(number, handle=handle), b"")
    body = made(Disposition, where)
    assert isinstance(body, Disposition)
    assert body.first == 2


def test_numbers_are_used_again() -> None:
    where = context(options=PeerOptions(first_channel=9, first_handle=11))
    where.ledger.sent(9, Detach(handle=11))
    body = made(Attach, where)
    assert isinstance(body, Attach)
    assert body.handle == 11
    where.ledger.sent(9, End())
    assert complete(Begin, {}, where)[0] == 9


def test_begin_of_a_second_session_is_no_answer() -> None:
    body = made(Begin, context())
    assert isinstance(body, Begin)
    assert body.remote_channel is None


def test_detach() -> None:
    assert complete(Detach, {}, context(link="in")) == (9, Detach(handle=11, closed=True))
    assert made(Detach, context(), handle=99, closed=False) == Detach(handle=99)


@pytest.mark.parametrize(
    ("kind", "where", "what"),
    [
        (Attach, empty(), "the attach needs a session"),
        (Flow, empty(), "the flow needs a session"),
        (Transfer, context(), "the transfer needs a link"),
        (Detach, context(), "the detach needs a link"),
        (Disposition, context(link="in"), "the disposition needs a delivery"),
    ],
)
def test_what_cannot_be_known(kind: type[CompositeBase], where: Context, what: str) -> None:
    with pytest.raises(ScriptFailure, match=what):
        complete(kind, {}, where)


def test_every_frame_has_an_answer_or_ends_the_exchange() -> None:
    kinds = {*Open.__mro__[1].__subclasses__(), *SaslFrame.__subclasses__()}
    assert kinds - set(ANSWERS) == {SaslOutcome}


def test_mirrored_termini() -> None:
    dynamic = attach(role=True, source=Source(dynamic=True, durable=1), target=Target(dynamic=True, address="kept"))
    fields = mirror(dynamic, None)
    assert fields is not None
    assert fields["source"] == Source(dynamic=True, durable=1, address="dynamic-address")
    assert fields["target"] == Target(dynamic=True, address="kept")
    assert (fields["name"], fields["role"]) == ("link", False)
    plain = attach(role=True, source=Source(), target=Target())
    fields = mirror(plain, None)
    assert fields is not None
    assert (fields["source"], fields["target"]) == (Source(), Target())
    fields = mirror(attach(role=True, source=Source(dynamic=True, address="kept"), target=Target(dynamic=True)), None)
    assert fields is not None
    assert (fields["source"].address, fields["target"].address) == ("kept", "dynamic-address")  # type: ignore[attr-defined]
    fields = mirror(attach(role=False, target=Coordinator(), source=None), None)
    assert fields is not None
    assert (fields["target"], fields["source"]) == (Coordinator(), None)


def test_mirrored_flows() -> None:
    where = context(link="in")
    assert mirror(flow(), where.link) == {}
    assert mirror(flow(handle=1), None) == {}
    assert mirror(flow(handle=1, drain=True), where.link) == {"handle": 11}  # from the sender: nothing to use up
    out = where.ledger.link("out")
    where.ledger.received(3, flow(handle=2, link_credit=6), b"")
    drained = {"delivery_count": 2, "link_credit": 0, "drain": True}
    assert mirror(flow(handle=2, drain=True), out) == drained


def test_no_answer_is_due() -> None:
    where = context(link="in")
    assert mirror(transfer(0), None) is None
    assert mirror(transfer(0), where.link) is None
    assert mirror(Disposition(role=True, first=1, settled=True), where.link) is None
    for frame in (transfer(0, handle=1, settled=True), transfer(1, handle=1, more=True)):
        where.ledger.received(3, frame, b"")
        assert mirror(frame, where.link) is None
    last = Transfer(handle=1)
    where.ledger.received(3, last, b"")
    assert mirror(last, where.link) == {"role": True, "first": 1}
