"""What a script leaves out of a frame it sends: filled in from the books and from the frame that is answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

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
    SaslInit,
    SaslMechanisms,
    SaslOutcome,
    SaslResponse,
    Transfer,
)
from amqp10.terminus import Source, Target
from amqp10.testing.ledger import Ledger, Link, SentDelivery, Session, advance
from amqp10.testing.text import ScriptFailure
from amqp10.types import Symbol

__all__ = ["ANSWERS", "FIRST_ID", "Context", "PeerOptions", "complete", "mirror"]

FIRST_ID = 2**32 - 4
"""Where ids and counts start unless told otherwise: they wrap within the first few frames of every exchange."""

_FLOW_LINK_FIELDS = ("handle", "delivery_count", "link_credit", "available", "drain")

ANSWERS: dict[type[CompositeBase], type[CompositeBase]] = {
    Open: Open,
    Begin: Begin,
    Attach: Attach,
    Flow: Flow,
    Transfer: Disposition,
    Disposition: Disposition,
    Detach: Detach,
    End: End,
    Close: Close,
    SaslMechanisms: SaslInit,
    SaslInit: SaslOutcome,
    SaslChallenge: SaslResponse,
    SaslResponse: SaslOutcome,
}
"""Which performative answers which."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PeerOptions:
    """What a scripted peer says where its script says nothing.

    Attributes:
        container_id: of its open.
        max_frame_size: of its open, in bytes.
        next_outgoing_id: the transfer-id its sessions start with.
        delivery_id: the delivery-id its sessions start with.
        initial_delivery_count: what its senders start to count with.
        incoming_window: of its begins and flows, in transfers.
        outgoing_window: of its begins and flows, in transfers.
        first_channel: the lowest channel it uses if the other end's channel-max allows: seldom the other's own.
        first_handle: the lowest handle it uses if the other end's handle-max allows: seldom the other's own.
    """

    container_id: str = "scripted-peer"
    max_frame_size: int = 0xFFFFFFFF
    next_outgoing_id: int = FIRST_ID
    delivery_id: int = FIRST_ID
    initial_delivery_count: int = FIRST_ID
    incoming_window: int = 2**31 - 1
    outgoing_window: int = 2**31 - 1
    first_channel: int = 100
    first_handle: int = 200


@dataclass(slots=True)
class Context:
    """What a frame is about to be sent on.

    Attributes:
        ledger: the books.
        options: the peer's own values.
        session: which session; None where none is begun, or where one is to be begun.
        link: which link; None where none is attached, or where one is to be attached.
        link_is_named: whether the script says that it is this link; else it is the likely one.
    """

    ledger: Ledger
    options: PeerOptions
    session: Session | None = None
    link: Link | None = None
    link_is_named: bool = False


def complete(
    kind: type[CompositeBase], given: Mapping[str, object], context: Context
) -> tuple[int | None, CompositeBase]:
    """Make a performative of the fields that are given and, for the others, what is right at this moment.

    Args:
        kind: which performative.
        given: the fields to take as they are.
        context: where it belongs.

    Returns:
        The channel, None where only the script can know it, and the performative.

    Raises:
        ScriptFailure: a field cannot be known, as the handle where nothing is attached.
    """
    fields: dict[str, Any] = {**_filled(kind, given, context), **given}
    return _channel(kind, context), kind(**fields)


def _filled(kind: type[CompositeBase], given: Mapping[str, object], context: Context) -> Mapping[str, object]:
    if kind is Open:
        return _open(context)
    if kind is Begin:
        return _begin(context)
    return _FILLERS[kind](context, given) if kind in _FILLERS else _CONSTANTS.get(kind, {})


def _channel(kind: type[CompositeBase], context: Context) -> int | None:
    if kind is Begin:
        return _free_channel(context)
    if kind in (Attach, Flow, Transfer, Disposition, Detach, End):
        return context.session.local_channel if context.session is not None else None
    return 0


def _free_channel(context: Context) -> int:
    taken: set[int | None] = {session.local_channel for session in context.ledger.sessions if session.is_open_here}
    highest = context.ledger.remote_open.channel_max if context.ledger.remote_open is not None else 0xFFFF
    return _lowest_free(taken, context.options.first_channel, highest)


def _free_handle(session: Session, options: PeerOptions) -> int:
    taken: set[int | None] = {link.local_handle for link in session.links if link.is_open_here}
    highest = session.remote.handle_max if session.remote is not None else 0xFFFFFFFF
    return _lowest_free(taken, options.first_handle, highest)


def _lowest_free(taken: set[int | None], first: int, highest: int) -> int:
    candidates: list[int] = [*range(first, first + len(taken) + 1), *range(len(taken) + 1)]
    for number in candidates:
        if number <= highest and number not in taken:
            return number
    raise ScriptFailure(f"no number up to {highest} is free")


# --- one filler for each performative ---------------------------------------------------------------------------------

_Fields = Mapping[str, object]


def _open(context: Context) -> _Fields:
    return {"container_id": context.options.container_id, "max_frame_size": context.options.max_frame_size}


def _begin(context: Context) -> _Fields:
    options, session = context.options, context.session
    return {
        "remote_channel": session.remote_channel if session is not None and session.local is None else None,
        "next_outgoing_id": options.next_outgoing_id,
        "incoming_window": options.incoming_window,
        "outgoing_window": options.outgoing_window,
    }


def _attach(context: Context, given: _Fields) -> _Fields:
    session = _need(context.session, "session", "attach")
    role = bool(given.get("role", False))
    count = len(session.links)
    fields: dict[str, object] = {
        "name": f"scripted-link-{count}",
        "handle": _free_handle(session, context.options),
        "role": role,
        "source": Source(),
        "target": Target(),
    }
    if not role:
        fields["initial_delivery_count"] = context.options.initial_delivery_count
    return fields


def _flow(context: Context, given: _Fields) -> _Fields:
    session = _need(context.session, "session", "flow")
    fields: dict[str, object] = {
        "next_incoming_id": session.next_incoming_id,
        "incoming_window": session.local.incoming_window if session.local else context.options.incoming_window,
        "next_outgoing_id": session.next_outgoing_id,
        "outgoing_window": session.local.outgoing_window if session.local else context.options.outgoing_window,
    }
    if context.link_is_named or any(given.get(name) is not None for name in _FLOW_LINK_FIELDS):
        link = _link(context, given, "flow")
        if link is None:
            return fields
        fields["handle"] = link.local_handle
        fields["delivery_count"] = link.delivery_count if link.remote is not None or not link.local_role else None
        fields["link_credit"] = max(0, link.link_credit)
    return fields


def _transfer(context: Context, given: _Fields) -> _Fields:
    link = _link(context, given, "transfer")
    if link is None:
        return {}
    if isinstance(link.partial, SentDelivery):
        return {"handle": link.local_handle}
    link.tags += 1
    return {
        "handle": link.local_handle,
        "delivery_id": link.session.next_delivery_id,
        "delivery_tag": b"%d" % link.tags,
        "message_format": 0,
    }


def _disposition(context: Context, given: _Fields) -> _Fields:
    link = context.link
    role = bool(given.get("role", link.local_role if link is not None else True))
    fields: dict[str, object] = {"role": role, "settled": True}
    if role:
        fields["state"] = ACCEPTED
    if "first" not in given:
        fields["first"] = _latest_delivery_id(context, role)
    return fields


def _latest_delivery_id(context: Context, role: bool) -> int:
    session: Session = _need(context.session, "session", "disposition")
    deliveries = session.received if role else session.sent
    own = (number for number in reversed(deliveries) if deliveries[number].link is context.link)
    latest = next(own, None)
    if latest is None:
        latest = next(reversed(deliveries), None)
    number: int = _need(latest, "delivery", "disposition")
    return number


def _detach(context: Context, given: _Fields) -> _Fields:
    link = _link(context, given, "detach")
    return {"closed": True} if link is None else {"handle": link.local_handle, "closed": True}


def _link(context: Context, given: _Fields, kind: str) -> Link | None:
    """Return the link to write about; None where the script names a handle that no link has."""
    if "handle" not in given:
        link: Link = _need(context.link, "link", kind)
        return link
    handle = given["handle"]
    return context.session.link_by_local_handle(handle) if context.session and isinstance(handle, int) else None


def _need(value: Any, what: str, kind: str) -> Any:
    if value is None:
        raise ScriptFailure(f"the {kind} needs a {what}, and there is none yet: say more in the script")
    return value


_FILLERS: dict[type[CompositeBase], Callable[[Context, _Fields], _Fields]] = {
    Attach: _attach,
    Flow: _flow,
    Transfer: _transfer,
    Disposition: _disposition,
    Detach: _detach,
}
_CONSTANTS: dict[type[CompositeBase], _Fields] = {
    SaslMechanisms: {"sasl_server_mechanisms": [Symbol("ANONYMOUS")]},
    SaslInit: {"mechanism": Symbol("ANONYMOUS")},
    SaslChallenge: {"challenge": b""},
    SaslResponse: {"response": b""},
    SaslOutcome: {"code": 0},
}


# --- what an answer takes over from the frame it answers --------------------------------------------------------------


def mirror(performative: CompositeBase, link: Link | None) -> dict[str, object] | None:
    """Return the fields that the natural answer to a frame takes over from it; None where no answer is due.

    Args:
        performative: the frame's body.
        link: what it belongs to.
    """
    match performative:
        case Attach():
            return _mirrored_attach(performative)
        case Detach():
            return {"closed": performative.closed}
        case Flow():
            return _mirrored_flow(performative, link)
        case Transfer():
            return _mirrored_transfer(link)
        case Disposition():
            return _mirrored_disposition(performative)
    return {}


def _mirrored_attach(attach: Attach) -> dict[str, object]:
    source = attach.source
    if isinstance(source, Source) and source.dynamic and source.address is None:
        source = _copy(source, address="dynamic-address")
    target = attach.target
    if isinstance(target, Target) and target.dynamic and target.address is None:
        target = _copy(target, address="dynamic-address")
    return {
        "name": attach.name,
        "role": not attach.role,
        "snd_settle_mode": attach.snd_settle_mode,
        "rcv_settle_mode": attach.rcv_settle_mode,
        "source": source,
        "target": target,
    }


def _copy(composite: Source | Target, **changes: object) -> Source | Target:
    names: tuple[str, ...] = type(composite).__match_args__
    fields: dict[str, Any] = {name: getattr(composite, name) for name in names}
    return type(composite)(**fields | changes)


def _mirrored_flow(flow: Flow, link: Link | None) -> dict[str, object]:
    if flow.handle is None or link is None:
        return {}
    if flow.drain and not link.local_role:
        # A sender with nothing to send uses up the credit at once (§2.6.7).
        return {
            "delivery_count": advance(link.delivery_count, max(0, link.link_credit)),
            "link_credit": 0,
            "drain": True,
        }
    return {"handle": link.local_handle}


def _mirrored_transfer(link: Link | None) -> dict[str, object] | None:
    """Answer a delivery, so: its last transfer, and only if it is not settled."""
    delivery = link.deliveries[-1] if link is not None and link.deliveries else None
    if delivery is None or delivery.settled or not delivery.complete:
        return None
    return {"role": True, "first": delivery.delivery_id}


def _mirrored_disposition(disposition: Disposition) -> dict[str, object] | None:
    if disposition.settled:
        return None
    names = ("first", "last", "state")
    return {"role": not disposition.role} | {name: getattr(disposition, name) for name in names}
