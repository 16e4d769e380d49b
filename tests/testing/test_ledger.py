"""The books: serial numbers, ranges, and what frames either way leave in them."""

import pytest

from amqp10.outcomes import ACCEPTED, RELEASED
from amqp10.performatives import Attach, Begin, Close, Detach, Disposition, End, Open, Transfer
from amqp10.testing.ledger import Ledger, Link, advance, distance
from amqp10.testing.text import ScriptFailure
from tests.testing.hand import attach, begin, flow, transfer

TOP = 2**32 - 1


def ledger() -> Ledger:
    """Returns books with a session begun by either end: theirs on channel 3, ours on 9."""
    books = Ledger(next_outgoing_id=TOP, delivery_id=TOP)
    books.received(0, Open(container_id="theirs"), b"")
    books.sent(0, Open(container_id="ours"))
    books.received(3, begin(next_outgoing_id=TOP), b"")
    books.sent(9, Begin(remote_channel=3, next_outgoing_id=TOP, incoming_window=10, outgoing_window=10))
    return books


def only_link(books: Ledger) -> Link:
    (link,) = books.links
    return link


@pytest.mark.parametrize(
    ("start", "end", "far"),
    [(0, 0, 0), (0, 1, 1), (1, 0, -1), (TOP, 0, 1), (0, TOP, -1), (TOP - 3, 4, 8), (0, 2**31 - 1, 2**31 - 1)],
)
def test_serial_numbers(start: int, end: int, far: int) -> None:
    assert distance(start, end) == far
    assert advance(start, far) == end


def test_sessions_are_paired_by_remote_channel() -> None:
    books = ledger()
    (session,) = books.sessions
    assert (session.remote_channel, session.local_channel) == (3, 9)
    assert books.session_by_remote_channel(3) is books.session_by_local_channel(9) is session
    assert books.session_by_remote_channel(9) is None
    books.sent(5, begin())
    books.received(7, begin(remote_channel=5), b"")
    assert [(item.local_channel, item.remote_channel) for item in books.sessions] == [(9, 3), (5, 7)]
    books.received(3, End(), b"")
    assert books.session_by_remote_channel(3) is None
    assert books.session_by_local_channel(9) is session
    books.sent(9, End())
    books.received(3, begin(), b"")
    assert books.session_by_remote_channel(3) is books.sessions[2]


def test_windows_start_when_both_began() -> None:
    books = Ledger(next_outgoing_id=0, delivery_id=0)
    books.sent(1, Begin(next_outgoing_id=0, incoming_window=10, outgoing_window=10))
    limits = [books.sessions[0].incoming_limit]
    books.received(2, begin(remote_channel=1, next_outgoing_id=TOP), b"")
    limits.append(books.sessions[0].incoming_limit)
    assert limits == [None, 9]
    assert books.sessions[0].next_incoming_id == TOP


def test_links_are_paired_by_name_and_role() -> None:
    books = ledger()
    books.received(3, attach("a", role=False, handle=1), b"")
    books.received(3, attach("a", role=True, handle=2), b"")
    books.sent(9, attach("a", role=False, handle=7))
    books.sent(9, attach("a", role=True, handle=8))
    sender, receiver = books.links
    assert (sender.local_role, sender.remote_handle, sender.local_handle) == (True, 1, 8)
    assert (receiver.local_role, receiver.remote_handle, receiver.local_handle) == (False, 2, 7)
    (session,) = books.sessions
    assert session.link_by_remote_handle(1) is session.link_by_local_handle(8) is sender
    books.sent(9, Detach(handle=8))
    assert session.link_by_local_handle(8) is None
    assert session.link_by_remote_handle(1) is sender
    books.received(3, Detach(handle=1), b"")
    books.received(3, attach("a", role=False, handle=5), b"")
    assert session.link_by_remote_handle(5) is books.links[2]
    assert books.link("a") is books.links[2]
    with pytest.raises(ScriptFailure, match=r"no link 'b'; there were \['a', 'a', 'a'\]"):
        books.link("b")


def test_counts_of_what_comes() -> None:
    books = ledger()
    books.received(3, attach(role=False, initial_delivery_count=TOP), b"")
    books.sent(9, attach(role=True))
    books.sent(9, flow(handle=0, delivery_count=TOP, link_credit=3, next_incoming_id=TOP))
    link = only_link(books)
    assert (link.delivery_count, link.link_credit) == (TOP, 3)
    books.received(3, transfer(TOP, more=True), b"ab")
    books.received(3, Transfer(handle=0), b"c")
    books.received(3, transfer(0, settled=True), b"d")
    assert (link.delivery_count, link.link_credit) == (1, 1)
    assert books.sessions[0].next_incoming_id == 2
    assert list(books.sessions[0].received) == [TOP, 0]
    assert [(item.payload, item.frames, item.settled) for item in link.deliveries] == [
        (b"abc", 2, False),
        (b"d", 1, True),
    ]
    books.received(3, flow(handle=0, delivery_count=2), b"")
    assert link.link_credit == 0


def test_settled_stays_and_aborted_ends() -> None:
    books = ledger()
    books.received(3, attach("in", role=False, handle=1), b"")
    books.received(3, attach("out", role=True, handle=2), b"")
    books.sent(9, attach("out", role=False, handle=2))
    for first, last in (
        (transfer(1, settled=True, more=True), Transfer(handle=0)),
        (transfer(2, more=True), Transfer(handle=0, more=True, aborted=True)),
    ):
        for frame in (first, last):
            frame.handle = 1
            books.received(3, frame, b"")
            frame.handle = 2
            books.sent(9, frame)
    (session,) = books.sessions
    assert [(item.settled, item.complete, item.aborted) for item in session.received.values()] == [
        (True, True, False),
        (True, True, True),
    ]
    assert [item.presettled for item in session.sent.values()] == [True, True]
    assert [link.partial for link in books.links] == [None, None]


def test_a_begin_answers_once() -> None:
    books = ledger()
    books.sent(5, begin())
    books.received(7, begin(remote_channel=5), b"")
    books.received(8, begin(remote_channel=5), b"")
    assert [(item.local_channel, item.remote_channel) for item in books.sessions] == [(9, 3), (5, 7), (None, 8)]


def test_credit_before_the_delivery_count_is_known() -> None:
    books = ledger()
    books.sent(9, attach(role=False, initial_delivery_count=TOP))
    books.received(3, attach(role=True), b"")
    books.received(3, flow(handle=0, link_credit=4), b"")
    assert only_link(books).credit_limit == 3


def test_counts_of_what_goes() -> None:
    books = ledger()
    books.received(3, attach(role=True), b"")
    books.sent(9, attach(role=False, initial_delivery_count=TOP))
    books.received(3, flow(handle=0, delivery_count=TOP, link_credit=5), b"")
    for frame in (transfer(TOP, more=True), Transfer(handle=0), transfer(0, settled=True), Transfer(handle=0)):
        books.sent(9, frame)
    link, (session,) = only_link(books), books.sessions
    assert (link.delivery_count, link.link_credit) == (2, 2)
    assert (session.next_outgoing_id, session.next_delivery_id) == (3, 2)
    assert [(number, item.presettled) for number, item in session.sent.items()] == [(TOP, False), (0, True), (1, False)]
    books.sent(9, flow(handle=0, delivery_count=4, link_credit=0))
    assert link.link_credit == 0


def test_dispositions_of_both_ends_and_roles() -> None:
    books = ledger()
    books.received(3, attach("in", role=False, handle=1), b"")
    books.sent(9, attach("in", role=True, handle=1))
    books.received(3, attach("out", role=True, handle=2), b"")
    books.sent(9, attach("out", role=False, handle=2))
    for number in (0, 1, 2):
        books.received(3, transfer(number, handle=1), b"")
        books.sent(9, transfer(number, handle=2))
    (session,) = books.sessions
    books.received(3, Disposition(role=True, first=0, last=1, state=RELEASED), b"")
    books.received(3, Disposition(role=True, first=1, settled=True, state=ACCEPTED), b"")
    assert [(item.state, item.settled, item.dispositions) for item in session.sent.values()] == [
        (RELEASED, False, 1),
        (ACCEPTED, True, 2),
        (None, False, 0),
    ]
    books.sent(9, Disposition(role=True, first=1, last=2, state=ACCEPTED))
    books.received(3, Disposition(role=False, first=2, settled=True, state=ACCEPTED), b"")
    assert [(item.state, item.answered, item.settled) for item in session.received.values()] == [
        (None, False, False),
        (ACCEPTED, True, False),
        (ACCEPTED, True, True),
    ]


def test_a_huge_range_costs_what_is_there() -> None:
    books = ledger()
    books.received(3, attach(role=True), b"")
    books.sent(9, attach(role=False))
    books.sent(9, transfer(5))
    books.sent(9, transfer(6))
    books.received(3, Disposition(role=True, first=0, last=2**31 - 1, settled=True), b"")
    assert [item.settled for item in books.sessions[0].sent.values()] == [True, True]
    books.received(3, Disposition(role=True, first=6, last=5, settled=True), b"")
    assert [item.dispositions for item in books.sessions[0].sent.values()] == [1, 1]


def test_what_makes_no_sense_is_left_out() -> None:
    books = ledger()
    for body in (transfer(), flow(handle=4), Detach(handle=4), Disposition(role=True, first=3)):
        books.received(3, body, b"")
        books.received(8, body, b"")
        books.sent(9, body)
        books.sent(8, body)
    assert books.links == []
    assert books.sessions[0].next_incoming_id == 0  # the window counts it all the same


def test_short_texts() -> None:
    books = ledger()
    books.received(3, attach("in", role=False), b"")
    books.received(3, transfer(1), b"abc")
    books.received(3, transfer(2, more=True), b"")
    books.sent(9, attach("out", role=False))
    books.sent(9, transfer(7))
    (session,) = books.sessions
    assert repr(books.link("in")) == "<Link 'in' in <Session on channel 3 (theirs) and 9 (ours)>>"
    assert [repr(item) for item in session.received.values()] == [
        "<ReceivedDelivery 1 on 'in', 3 bytes, complete>",
        "<ReceivedDelivery 2 on 'in', 0 bytes, to be continued>",
    ]
    assert repr(session.sent[7]) == "<SentDelivery 7 on 'out', unsettled>"


def test_open_and_close() -> None:
    books = ledger()
    assert (books.remote_open, books.local_open) == (Open(container_id="theirs"), Open(container_id="ours"))
    books.received(0, Close(), b"")
    assert (books.remote_close, books.local_close) == (Close(), None)
    books.sent(0, Close())
    assert books.local_close == Close()


def test_a_link_is_open_at_each_end_for_itself() -> None:
    books = ledger()
    books.sent(9, Attach(name="x", handle=0, role=True))
    link = only_link(books)
    assert (link.is_open_here, link.is_open_there) == (True, False)
    books.sent(9, Detach(handle=0))
    books.received(3, attach("x", role=False), b"")
    assert only_link(books) is link
    assert (link.is_open_here, link.is_open_there) == (False, True)
