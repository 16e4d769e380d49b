"""The states of connections, sessions and links, and the tables of what leads from one to the next.

Each table maps (state, input) to the next state; what is not in it is illegal there. Connection: §2.4.6 and §2.4.7;
session: §2.5.5; links have no table in the specification: theirs follows §2.6.1 to §2.6.6.
"""

from __future__ import annotations

import enum

__all__ = [
    "CONNECTION_TRANSITIONS",
    "LINK_TRANSITIONS",
    "SESSION_TRANSITIONS",
    "ConnectionState",
    "Input",
    "LinkState",
    "SessionState",
]


class ConnectionState(enum.IntEnum):
    """The states of §2.4.6."""

    START = 0
    HDR_RCVD = 1
    HDR_SENT = 2
    HDR_EXCH = 3
    OPEN_PIPE = 4
    OC_PIPE = 5
    OPEN_RCVD = 6
    OPEN_SENT = 7
    CLOSE_PIPE = 8
    OPENED = 9
    CLOSE_RCVD = 10
    CLOSE_SENT = 11
    DISCARDING = 12
    END = 13


class SessionState(enum.IntEnum):
    """The states of §2.5.5."""

    UNMAPPED = 0
    BEGIN_SENT = 1
    BEGIN_RCVD = 2
    MAPPED = 3
    END_SENT = 4
    END_RCVD = 5
    DISCARDING = 6
    ENDED = 7


class LinkState(enum.IntEnum):
    """The states of a link endpoint, seen from its session."""

    UNATTACHED = 0
    ATTACH_SENT = 1
    ATTACH_RCVD = 2
    ATTACHED = 3
    REFUSED = 4
    """The peer answered our attach without a terminus: its detach, which says why, is to come (§2.6.3)."""
    DETACH_SENT = 5
    DETACH_RCVD = 6
    DETACHED = 7


class Input(enum.IntEnum):
    """What moves an endpoint from state to state."""

    SEND_HEADER = 0
    RECV_HEADER = 1
    SEND_OPEN = 2
    RECV_OPEN = 3
    SEND_CLOSE = 4
    RECV_CLOSE = 5
    SEND_CLOSE_ERROR = 6
    SEND_BEGIN = 7
    RECV_BEGIN = 8
    SEND_END = 9
    RECV_END = 10
    SEND_END_ERROR = 11
    SEND_ATTACH = 12
    RECV_ATTACH = 13
    RECV_REFUSAL = 14
    SEND_DETACH = 15
    RECV_DETACH = 16


_C = ConnectionState
_S = SessionState
_L = LinkState
_I = Input

CONNECTION_TRANSITIONS: dict[tuple[ConnectionState, Input], ConnectionState] = {
    (_C.START, _I.SEND_HEADER): _C.HDR_SENT,
    (_C.START, _I.RECV_HEADER): _C.HDR_RCVD,
    (_C.HDR_RCVD, _I.SEND_HEADER): _C.HDR_EXCH,
    (_C.HDR_SENT, _I.RECV_HEADER): _C.HDR_EXCH,
    (_C.HDR_SENT, _I.SEND_OPEN): _C.OPEN_PIPE,
    (_C.OPEN_PIPE, _I.RECV_HEADER): _C.OPEN_SENT,
    (_C.OPEN_PIPE, _I.SEND_CLOSE): _C.OC_PIPE,
    (_C.OPEN_PIPE, _I.SEND_CLOSE_ERROR): _C.OC_PIPE,
    (_C.OC_PIPE, _I.RECV_HEADER): _C.CLOSE_PIPE,
    (_C.HDR_EXCH, _I.SEND_OPEN): _C.OPEN_SENT,
    (_C.HDR_EXCH, _I.RECV_OPEN): _C.OPEN_RCVD,
    (_C.OPEN_RCVD, _I.SEND_OPEN): _C.OPENED,
    (_C.OPEN_SENT, _I.RECV_OPEN): _C.OPENED,
    (_C.OPEN_SENT, _I.SEND_CLOSE): _C.CLOSE_PIPE,
    (_C.OPEN_SENT, _I.SEND_CLOSE_ERROR): _C.CLOSE_PIPE,
    (_C.CLOSE_PIPE, _I.RECV_OPEN): _C.CLOSE_SENT,
    (_C.OPENED, _I.RECV_CLOSE): _C.CLOSE_RCVD,
    (_C.OPENED, _I.SEND_CLOSE): _C.CLOSE_SENT,
    (_C.OPENED, _I.SEND_CLOSE_ERROR): _C.DISCARDING,
    (_C.CLOSE_RCVD, _I.SEND_CLOSE): _C.END,
    (_C.CLOSE_RCVD, _I.SEND_CLOSE_ERROR): _C.END,
    (_C.CLOSE_SENT, _I.RECV_CLOSE): _C.END,
    (_C.DISCARDING, _I.RECV_CLOSE): _C.END,
}

SESSION_TRANSITIONS: dict[tuple[SessionState, Input], SessionState] = {
    (_S.UNMAPPED, _I.SEND_BEGIN): _S.BEGIN_SENT,
    (_S.UNMAPPED, _I.RECV_BEGIN): _S.BEGIN_RCVD,
    (_S.BEGIN_SENT, _I.RECV_BEGIN): _S.MAPPED,
    (_S.BEGIN_RCVD, _I.SEND_BEGIN): _S.MAPPED,
    (_S.MAPPED, _I.SEND_END): _S.END_SENT,
    (_S.MAPPED, _I.SEND_END_ERROR): _S.DISCARDING,
    (_S.MAPPED, _I.RECV_END): _S.END_RCVD,
    (_S.END_RCVD, _I.SEND_END): _S.ENDED,
    (_S.END_SENT, _I.RECV_END): _S.ENDED,
    (_S.DISCARDING, _I.RECV_END): _S.ENDED,
}

LINK_TRANSITIONS: dict[tuple[LinkState, Input], LinkState] = {
    (_L.UNATTACHED, _I.SEND_ATTACH): _L.ATTACH_SENT,
    (_L.UNATTACHED, _I.RECV_ATTACH): _L.ATTACH_RCVD,
    (_L.ATTACH_SENT, _I.RECV_ATTACH): _L.ATTACHED,
    (_L.ATTACH_SENT, _I.RECV_REFUSAL): _L.REFUSED,
    (_L.ATTACH_RCVD, _I.SEND_ATTACH): _L.ATTACHED,
    (_L.ATTACH_RCVD, _I.RECV_DETACH): _L.DETACH_RCVD,
    (_L.REFUSED, _I.RECV_DETACH): _L.DETACH_RCVD,
    (_L.REFUSED, _I.SEND_DETACH): _L.DETACH_SENT,
    (_L.ATTACHED, _I.SEND_DETACH): _L.DETACH_SENT,
    (_L.ATTACHED, _I.RECV_DETACH): _L.DETACH_RCVD,
    (_L.DETACH_RCVD, _I.SEND_DETACH): _L.DETACHED,
    (_L.DETACH_SENT, _I.RECV_DETACH): _L.DETACHED,
}
