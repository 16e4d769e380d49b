"""What the specification forbids the tested end, whatever the script expects: checked against the books.

Each rule returns what is wrong, with the section, or None. A rule is here only if it can be judged from what went
over the wire in both directions, however long the bytes were under way.
"""

from __future__ import annotations

from amqp10._codec import CompositeBase
from amqp10.performatives import (
    Attach,
    Begin,
    Close,
    Detach,
    Disposition,
    Flow,
    Open,
    SaslFrame,
    Transfer,
)
from amqp10.testing.ledger import Ledger, Link, ReceivedDelivery, Session, advance, distance

__all__ = ["violation"]

_MAX_TAG = 32


def violation(ledger: Ledger, channel: int, performative: CompositeBase, payload: bytes) -> str | None:
    """Return the rule that a frame from the tested end breaks.

    Args:
        ledger: what was said before this frame.
        channel: of the frame.
        performative: its body.
        payload: what follows the performative.
    """
    if isinstance(performative, SaslFrame):
        return None
    return _connection_rules(ledger, channel, performative) or _session_rules(ledger, channel, performative, payload)


def _connection_rules(ledger: Ledger, channel: int, performative: CompositeBase) -> str | None:
    if ledger.remote_close is not None:
        return "nothing may follow a close (§2.4.3)"
    if isinstance(performative, Open):
        return "a second open (§2.4.1)" if ledger.remote_open is not None else None
    if ledger.remote_open is None:
        return "the first frame must be an open (§2.7)"
    channel_max = ledger.local_open.channel_max if ledger.local_open is not None else 0xFFFF
    if channel > channel_max:
        return f"channel {channel} is above the channel-max of {channel_max} (§2.7.1)"
    return None


def _session_rules(ledger: Ledger, channel: int, performative: CompositeBase, payload: bytes) -> str | None:
    if isinstance(performative, Open | Close):
        return None
    session = ledger.session_by_remote_channel(channel)
    if isinstance(performative, Begin):
        return _begin(ledger, session, performative)
    if session is None:
        return f"no session is begun on channel {channel} (§2.5.1)"
    return _link_rules(session, performative, payload)


def _link_rules(session: Session, performative: CompositeBase, payload: bytes) -> str | None:
    match performative:
        case Attach():
            return _attach(session, performative)
        case Flow():
            return _flow(session, performative)
        case Transfer():
            return _transfer(session, performative, payload)
        case Disposition():
            return _disposition(session, performative)
        case Detach():
            return _unattached(session, performative.handle)
    return None


def _begin(ledger: Ledger, session: Session | None, begin: Begin) -> str | None:
    if session is not None:
        return "this channel has a session already (§2.5.1)"
    if begin.remote_channel is None:
        return None
    answered = ledger.session_by_local_channel(begin.remote_channel)
    if answered is None or answered.remote is not None:
        return f"remote-channel {begin.remote_channel} has no begin that waits for an answer (§2.7.2)"
    return None


def _attach(session: Session, attach: Attach) -> str | None:
    handle_max = session.local.handle_max if session.local is not None else 0xFFFFFFFF
    if attach.handle > handle_max:
        return f"handle {attach.handle} is above the handle-max of {handle_max} (§2.7.2)"
    if session.link_by_remote_handle(attach.handle) is not None:
        return f"handle {attach.handle} is attached already (§2.7.3)"
    for link in session.links:
        if link.name == attach.name and link.local_role is not attach.role and link.is_open_there:
            return f"a link {attach.name!r} in this role is attached already (§2.6.1)"
    if not attach.role and attach.initial_delivery_count is None:
        return "the attach of a sender needs an initial-delivery-count (§2.7.3)"
    return None


def _unattached(session: Session, handle: int) -> str | None:
    if session.link_by_remote_handle(handle) is None:
        return f"no link is attached under handle {handle} (§2.6.2)"
    return None


# --- flow -------------------------------------------------------------------------------------------------------------


def _flow(session: Session, flow: Flow) -> str | None:
    wrong = _flow_ids(session, flow)
    if wrong is not None:
        return wrong
    if flow.handle is not None:
        link = session.link_by_remote_handle(flow.handle)
        return _unattached(session, flow.handle) if link is None else _link_flow(link, flow)
    for name in ("delivery_count", "link_credit", "available"):
        if getattr(flow, name) is not None:
            return f"{name} without a handle (§2.7.4)"
    return None


def _flow_ids(session: Session, flow: Flow) -> str | None:
    if flow.next_outgoing_id != session.next_incoming_id:
        expected = session.next_incoming_id
        return f"next-outgoing-id is {flow.next_outgoing_id}, but by its transfers it is {expected} (§2.5.6)"
    if flow.next_incoming_id is None:
        return None
    if session.local is None:
        return "next-incoming-id is set before a begin came (§2.7.4)"
    ahead = distance(session.next_outgoing_id, flow.next_incoming_id)
    behind = distance(session.local.next_outgoing_id, flow.next_incoming_id)
    if ahead > 0 or behind < 0:
        return (
            f"next-incoming-id is {flow.next_incoming_id}, but our next transfer is {session.next_outgoing_id} (§2.5.6)"
        )
    return None


def _link_flow(link: Link, flow: Flow) -> str | None:
    if not link.local_role:
        return _receivers_flow(link, flow)
    if flow.delivery_count is None:
        return "a sender's flow needs the delivery-count (§2.7.4)"
    moved = distance(link.delivery_count, flow.delivery_count)
    if moved and (moved < 0 or moved > link.link_credit):
        return f"delivery-count is {flow.delivery_count}, but by its transfers it is {link.delivery_count} (§2.6.7)"
    return None


def _receivers_flow(link: Link, flow: Flow) -> str | None:
    if flow.delivery_count is None:
        return None
    if link.local is None:
        return "a receiver's delivery-count before the attach of the sender came (§2.7.4)"
    if distance(link.delivery_count, flow.delivery_count) > 0:
        return f"delivery-count is {flow.delivery_count}, but only {link.delivery_count} was sent (§2.6.7)"
    return None


# --- transfer ---------------------------------------------------------------------------------------------------------


def _transfer(session: Session, transfer: Transfer, payload: bytes) -> str | None:
    link = session.link_by_remote_handle(transfer.handle)
    if link is None:
        return _unattached(session, transfer.handle)
    if not link.local_role:
        return "a transfer from the link's receiver (§2.6)"
    if session.incoming_limit is None or session.next_incoming_id is None:
        return "a transfer before the begin that gives it a window (§2.5.6)"
    if distance(session.next_incoming_id, session.incoming_limit) <= 0:
        return f"transfer {session.next_incoming_id} exceeds the incoming-window (§2.5.6)"
    delivery, size, settled = link.partial, len(payload), bool(transfer.settled)
    if isinstance(delivery, ReceivedDelivery):
        size += delivery.size
        settled = settled or delivery.settled
        wrong = _continuation(delivery, transfer)
    else:
        wrong = _first_transfer(session, link, transfer)
    return wrong or _settled_as_agreed(link, transfer, settled) or _transfer_size(link, size)


def _first_transfer(session: Session, link: Link, transfer: Transfer) -> str | None:
    if link.link_credit <= 0:
        return "a delivery without credit (§2.6.7)"
    if transfer.delivery_id is None or transfer.delivery_tag is None:
        return "the first transfer of a delivery needs delivery-id and delivery-tag (§2.7.5)"
    if len(transfer.delivery_tag) > _MAX_TAG:
        return f"a delivery-tag of {len(transfer.delivery_tag)} bytes (§2.8.7)"
    if session.received:
        expected = advance(next(reversed(session.received)))
        if transfer.delivery_id != expected:
            return f"delivery-id is {transfer.delivery_id}, next in the session's sequence is {expected} (§2.6.12)"
    return None


def _settled_as_agreed(link: Link, transfer: Transfer, settled: bool) -> str | None:
    """Judge by our attach, which came before any credit did."""
    mode = link.local.snd_settle_mode if link.local is not None else 2
    if mode == 0 and transfer.settled and not transfer.aborted:
        return "a settled transfer where snd-settle-mode is unsettled (§2.7.5)"
    if mode == 1 and not settled and not transfer.more and not transfer.aborted:
        return "an unsettled transfer where snd-settle-mode is settled (§2.7.5)"
    return None


def _continuation(delivery: ReceivedDelivery, transfer: Transfer) -> str | None:
    for name in ("delivery_id", "delivery_tag", "message_format"):
        value, first = getattr(transfer, name), getattr(delivery, name)
        if value is not None and value != first:
            return f"{name} {value!r} on a transfer that continues the delivery of {first!r} (§2.7.5)"
    return None


def _transfer_size(link: Link, size: int) -> str | None:
    limit = link.local.max_message_size if link.local is not None else None
    if limit and size > limit:
        return f"a message of {size} bytes exceeds the max-message-size of {limit} (§2.7.3)"
    return None


# --- disposition ------------------------------------------------------------------------------------------------------


def _disposition(session: Session, disposition: Disposition) -> str | None:
    last = disposition.first if disposition.last is None else disposition.last
    if distance(disposition.first, last) < 0:
        return f"a range that ends before it starts: {disposition.first} to {last} (§2.7.6)"
    known = session.sent if disposition.role else session.received
    for number in (disposition.first, last):
        if number not in known:
            whose = "the receiver" if disposition.role else "the sender"
            return f"as {whose}, for delivery-id {number}, which was never sent (§2.7.6)"
    return None
