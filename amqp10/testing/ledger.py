"""What both ends said so far: open, sessions, links, deliveries, counts (§2.4 to §2.6).

The books record; they judge nothing and send nothing. `local_` is the scripted peer's end, `remote_` the tested one's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from amqp10._codec import CompositeBase
from amqp10.performatives import (
    Attach,
    Begin,
    Close,
    Detach,
    Disposition,
    End,
    Flow,
    Open,
    Transfer,
)
from amqp10.testing.text import ScriptFailure

__all__ = ["Ledger", "Link", "ReceivedDelivery", "SentDelivery", "Session", "advance", "distance"]

_MODULUS = 1 << 32

_T = TypeVar("_T")


def advance(number: int, count: int = 1) -> int:
    """Return the serial number `count` after `number` (RFC 1982)."""
    return (number + count) % _MODULUS


def distance(start: int, end: int) -> int:
    """Return how far `end` is after `start`; negative where it is before (RFC 1982)."""
    return (end - start + (_MODULUS >> 1)) % _MODULUS - (_MODULUS >> 1)


@dataclass(slots=True, eq=False, repr=False)
class ReceivedDelivery:
    """A delivery of the tested end.

    Attributes:
        link: where it came.
        delivery_id: as on its first transfer.
        delivery_tag: as on its first transfer.
        message_format: as on its first transfer.
        settled: whether the sender settled it, by transfer, abort or disposition.
        parts: the payloads of its transfers so far.
        size: how many bytes these are.
        complete: whether the last of them came.
        aborted: whether the last of them gave it up.
        answered: whether the scripted peer sent a disposition for it.
        state: the state of the latest disposition from either end.
    """

    link: Link
    delivery_id: int | None
    delivery_tag: bytes | None
    message_format: int | None
    settled: bool = False
    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    complete: bool = False
    aborted: bool = False
    answered: bool = False
    state: Any = None

    def __repr__(self) -> str:
        end = "aborted" if self.aborted else "complete" if self.complete else "to be continued"
        return f"<ReceivedDelivery {self.delivery_id} on {self.link.name!r}, {self.size} bytes, {end}>"

    @property
    def payload(self) -> bytes:
        """What came of it so far, in one piece."""
        return b"".join(self.parts)

    @property
    def frames(self) -> int:
        """How many transfers it came in so far."""
        return len(self.parts)


@dataclass(slots=True, eq=False, repr=False)
class SentDelivery:
    """A delivery of the scripted peer.

    Attributes:
        link: where it went.
        delivery_id: as on its first transfer.
        delivery_tag: as on its first transfer.
        presettled: whether a transfer said settled.
        state: the state of the latest disposition that came for it.
        settled: whether a disposition that came settled it.
        dispositions: how many dispositions came that cover it.
    """

    link: Link
    delivery_id: int
    delivery_tag: bytes | None
    presettled: bool = False
    state: Any = None
    settled: bool = False
    dispositions: int = 0

    def __repr__(self) -> str:
        return f"<SentDelivery {self.delivery_id} on {self.link.name!r}, {'settled' if self.settled else 'unsettled'}>"


@dataclass(slots=True, eq=False, repr=False)
class Link:
    """One link, as both ends see it.

    Attributes:
        session: what it belongs to.
        name: its name.
        local_role: the scripted peer's role: True is the receiver.
        local: our attach, remote: theirs; None while it is missing.
        local_handle: the handle in what we send, remote_handle: in what comes.
        local_detached: whether our latest word on it was a detach; remote_detached: theirs.
        delivery_count: of its sender, as known here.
        credit_limit: the delivery-count that its receiver allows, None before any flow.
        partial: the delivery whose transfers are not all there, sent or received.
        tags: how many delivery-tags we made up.
        deliveries: received on it, where the scripted peer is its receiver.
    """

    session: Session
    name: str
    local_role: bool
    local: Attach | None = None
    remote: Attach | None = None
    local_handle: int | None = None
    remote_handle: int | None = None
    local_detached: bool = False
    remote_detached: bool = False
    delivery_count: int = 0
    credit_limit: int | None = None
    partial: ReceivedDelivery | SentDelivery | None = None
    tags: int = 0
    deliveries: list[ReceivedDelivery] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<Link {self.name!r} in {self.session!r}>"

    @property
    def link_credit(self) -> int:
        """How many deliveries its sender may still start."""
        return 0 if self.credit_limit is None else distance(self.delivery_count, self.credit_limit)

    @property
    def is_open_here(self) -> bool:
        """Whether our attach went out and no detach after it."""
        return self.local is not None and not self.local_detached

    @property
    def is_open_there(self) -> bool:
        """Whether their attach came and no detach after it."""
        return self.remote is not None and not self.remote_detached


@dataclass(slots=True, eq=False, repr=False)
class Session:
    """One session, as both ends see it.

    Attributes:
        local_channel: the channel in what we send, remote_channel: in what comes; None before that end's begin.
        local: our begin, remote: theirs.
        local_ended: whether we sent an end, remote_ended: whether one came.
        next_outgoing_id: the transfer-id of our next transfer.
        next_incoming_id: the transfer-id of their next transfer, None before their begin.
        incoming_limit: the transfer-id that our windows do not allow any more.
        next_delivery_id: of our next delivery.
        links: all there ever were.
        received: all their deliveries, by delivery-id.
        sent: all our deliveries, by delivery-id.
    """

    next_outgoing_id: int
    next_delivery_id: int
    local_channel: int | None = None
    remote_channel: int | None = None
    local: Begin | None = None
    remote: Begin | None = None
    local_ended: bool = False
    remote_ended: bool = False
    next_incoming_id: int | None = None
    incoming_limit: int | None = None
    links: list[Link] = field(default_factory=list)
    received: dict[int, ReceivedDelivery] = field(default_factory=dict)
    sent: dict[int, SentDelivery] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<Session on channel {self.remote_channel} (theirs) and {self.local_channel} (ours)>"

    def link_by_local_handle(self, handle: int) -> Link | None:
        """Find the link we attached under a handle, and did not detach."""
        return _last(link for link in self.links if link.local_handle == handle and link.is_open_here)

    def link_by_remote_handle(self, handle: int | None) -> Link | None:
        """Find the link they attached under a handle, and did not detach."""
        return _last(link for link in self.links if link.remote_handle == handle and link.is_open_there)

    @property
    def is_open_here(self) -> bool:
        """Whether our begin went out and no end after it."""
        return self.local is not None and not self.local_ended

    @property
    def is_open_there(self) -> bool:
        """Whether their begin came and no end after it."""
        return self.remote is not None and not self.remote_ended


def _last(items: Iterator[_T]) -> _T | None:
    found = None
    for item in items:
        found = item
    return found


class Ledger:
    """The state of one connection, put together from the frames that went each way.

    Args:
        next_outgoing_id: the first transfer-id of our sessions, unless a begin says otherwise.
        delivery_id: the first delivery-id of our sessions.

    Attributes:
        local_open: our open, remote_open: theirs.
        local_close: our close, remote_close: theirs.
        sessions: all there ever were, in the order of their begins.
    """

    def __init__(self, next_outgoing_id: int, delivery_id: int) -> None:
        self.local_open: Open | None = None
        self.remote_open: Open | None = None
        self.local_close: Close | None = None
        self.remote_close: Close | None = None
        self.sessions: list[Session] = []
        self._next_outgoing_id = next_outgoing_id
        self._delivery_id = delivery_id

    # --- looking up ---------------------------------------------------------------------------------------------------

    @property
    def links(self) -> list[Link]:
        """All links there ever were, session by session."""
        return [link for session in self.sessions for link in session.links]

    def link(self, name: str) -> Link:
        """Return the latest link of that name.

        Args:
            name: of the link.

        Raises:
            ScriptFailure: there was none.
        """
        for link in reversed(self.links):
            if link.name == name:
                return link
        raise ScriptFailure(f"there was no link {name!r}; there were {[link.name for link in self.links]}")

    def session_by_local_channel(self, channel: int) -> Session | None:
        """Find the session we began on a channel, and did not end."""
        return _last(item for item in self.sessions if item.local_channel == channel and item.is_open_here)

    def session_by_remote_channel(self, channel: int | None) -> Session | None:
        """Find the session they began on a channel, and did not end."""
        return _last(item for item in self.sessions if item.remote_channel == channel and item.is_open_there)

    # --- recording ----------------------------------------------------------------------------------------------------

    def received(self, channel: int, performative: CompositeBase, payload: bytes) -> None:
        """Record a frame that came; what makes no sense is left out."""
        match performative:
            case Open():
                self.remote_open = performative
            case Close():
                self.remote_close = performative
            case Begin():
                self._begin_received(channel, performative)
            case _:
                session = self.session_by_remote_channel(channel)
                if session is not None:
                    _received(session, performative, payload)

    def sent(self, channel: int, performative: CompositeBase) -> None:
        """Record a frame that went out, also one that the books would not have written."""
        match performative:
            case Open():
                self.local_open = performative
            case Close():
                self.local_close = performative
            case Begin():
                self._begin_sent(channel, performative)
            case _:
                session = self.session_by_local_channel(channel)
                if session is not None:
                    _sent(session, performative)

    def _new_session(self) -> Session:
        session = Session(self._next_outgoing_id, self._delivery_id)
        self.sessions.append(session)
        return session

    def _begin_received(self, channel: int, begin: Begin) -> None:
        session = None
        if begin.remote_channel is not None:
            session = self.session_by_local_channel(begin.remote_channel)
        if session is None or session.remote is not None:
            session = self._new_session()
        session.remote_channel = channel
        session.remote = begin
        session.next_incoming_id = begin.next_outgoing_id
        if session.local is not None:
            session.incoming_limit = advance(begin.next_outgoing_id, session.local.incoming_window)

    def _begin_sent(self, channel: int, begin: Begin) -> None:
        session = None
        if begin.remote_channel is not None:
            session = self.session_by_remote_channel(begin.remote_channel)
        if session is None or session.local is not None:
            session = self._new_session()
        session.local_channel = channel
        session.local = begin
        session.next_outgoing_id = begin.next_outgoing_id
        if session.next_incoming_id is not None:
            session.incoming_limit = advance(session.next_incoming_id, begin.incoming_window)


# --- what frames do to a session --------------------------------------------------------------------------------------


def _received(session: Session, performative: CompositeBase, payload: bytes) -> None:
    match performative:
        case Attach():
            _attach_received(session, performative)
        case Flow():
            _flow_received(session, performative)
        case Transfer():
            _transfer_received(session, performative, payload)
        case Disposition():
            _disposition_received(session, performative)
        case Detach():
            link = session.link_by_remote_handle(performative.handle)
            if link is not None:
                link.remote_detached = True
        case End():
            session.remote_ended = True


def _sent(session: Session, performative: CompositeBase) -> None:
    match performative:
        case Attach():
            _attach_sent(session, performative)
        case Flow():
            _flow_sent(session, performative)
        case Transfer():
            _transfer_sent(session, performative)
        case Disposition():
            _disposition_sent(session, performative)
        case Detach():
            link = session.link_by_local_handle(performative.handle)
            if link is not None:
                link.local_detached = True
        case End():
            session.local_ended = True


def _attach_received(session: Session, attach: Attach) -> None:
    link = _last(item for item in _namesakes(session, attach.name, not attach.role) if item.remote is None)
    if link is None:
        link = Link(session, attach.name, not attach.role)
        session.links.append(link)
    link.remote, link.remote_handle = attach, attach.handle
    if not attach.role:
        link.delivery_count = attach.initial_delivery_count or 0


def _attach_sent(session: Session, attach: Attach) -> None:
    link = _last(item for item in _namesakes(session, attach.name, attach.role) if item.local is None)
    if link is None:
        link = Link(session, attach.name, attach.role)
        session.links.append(link)
    link.local, link.local_handle = attach, attach.handle
    if not attach.role:
        link.delivery_count = attach.initial_delivery_count or 0


def _namesakes(session: Session, name: str, local_role: bool) -> Iterator[Link]:
    return (link for link in session.links if link.name == name and link.local_role is local_role)


def _flow_received(session: Session, flow: Flow) -> None:
    link = None if flow.handle is None else session.link_by_remote_handle(flow.handle)
    if link is None:
        return
    if link.local_role:
        if flow.delivery_count is not None:
            link.delivery_count = flow.delivery_count
    elif flow.link_credit is not None:
        link.credit_limit = _delivery_limit(link, flow)


def _flow_sent(session: Session, flow: Flow) -> None:
    if flow.next_incoming_id is not None:
        limit = advance(flow.next_incoming_id, flow.incoming_window)
        session.incoming_limit = _later(session.incoming_limit, limit)
    link = None if flow.handle is None else session.link_by_local_handle(flow.handle)
    if link is None:
        return
    if not link.local_role:
        if flow.delivery_count is not None:
            link.delivery_count = flow.delivery_count
    elif flow.link_credit is not None:
        # Credit cannot be taken back from transfers in flight (§2.6.7), so the highest limit given stays.
        link.credit_limit = _later(link.credit_limit, _delivery_limit(link, flow))


def _delivery_limit(link: Link, flow: Flow) -> int:
    """Add up what a receiver allows; before it knows the delivery-count, the initial one counts (§2.6.7)."""
    count = flow.delivery_count
    if count is None:
        attach = link.remote if link.local_role else link.local
        count = (attach.initial_delivery_count if attach else None) or 0
    return advance(count, flow.link_credit or 0)


def _later(limit: int | None, other: int) -> int:
    return other if limit is None or distance(limit, other) > 0 else limit


def _transfer_received(session: Session, transfer: Transfer, payload: bytes) -> None:
    if session.next_incoming_id is not None:
        session.next_incoming_id = advance(session.next_incoming_id)
    link = session.link_by_remote_handle(transfer.handle)
    if link is None:
        return
    delivery = link.partial
    if not isinstance(delivery, ReceivedDelivery):
        delivery = ReceivedDelivery(link, transfer.delivery_id, transfer.delivery_tag, transfer.message_format)
        if transfer.delivery_id is not None:
            session.received[transfer.delivery_id] = delivery
        link.deliveries.append(delivery)
        link.delivery_count = advance(link.delivery_count)
    delivery.parts.append(payload)
    delivery.size += len(payload)
    delivery.aborted = transfer.aborted
    delivery.complete = transfer.aborted or not transfer.more
    delivery.settled = delivery.settled or bool(transfer.settled) or transfer.aborted
    delivery.state = transfer.state
    link.partial = None if delivery.complete else delivery


def _transfer_sent(session: Session, transfer: Transfer) -> None:
    session.next_outgoing_id = advance(session.next_outgoing_id)
    link = session.link_by_local_handle(transfer.handle)
    if link is None:
        return
    delivery = link.partial
    if not isinstance(delivery, SentDelivery):
        number = session.next_delivery_id if transfer.delivery_id is None else transfer.delivery_id
        delivery = SentDelivery(link, number, transfer.delivery_tag)
        session.sent[number] = delivery
        session.next_delivery_id = advance(number)
        link.delivery_count = advance(link.delivery_count)
    delivery.presettled = delivery.presettled or bool(transfer.settled) or transfer.aborted
    link.partial = delivery if transfer.more and not transfer.aborted else None


def _covered(deliveries: dict[int, _T], disposition: Disposition) -> list[_T]:
    """Find the deliveries of a range, at the cost of the lesser of both."""
    first, last = disposition.first, disposition.last
    span = 0 if last is None else distance(first, last)
    if span < len(deliveries):
        numbers = (advance(first, step) for step in range(span + 1))
        return [deliveries[number] for number in numbers if number in deliveries]
    return [item for number, item in deliveries.items() if 0 <= distance(first, number) <= span]


def _disposition_received(session: Session, disposition: Disposition) -> None:
    if disposition.role:
        for sent in _covered(session.sent, disposition):
            sent.dispositions += 1
            sent.state = disposition.state
            sent.settled = sent.settled or disposition.settled
    else:
        for received in _covered(session.received, disposition):
            received.state = disposition.state
            received.settled = received.settled or disposition.settled


def _disposition_sent(session: Session, disposition: Disposition) -> None:
    if disposition.role:
        for received in _covered(session.received, disposition):
            received.answered = True
            received.state = disposition.state
