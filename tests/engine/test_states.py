"""Every state of connection, session and link against every frame: the next state, or who is told which condition.

The tables are checked against the specification's figures; engines are then brought into each state that lasts, and
given each frame there is.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import pytest

from amqp10._codec import CompositeBase
from amqp10.engine import Session
from amqp10.engine.states import (
    CONNECTION_TRANSITIONS,
    LINK_TRANSITIONS,
    SESSION_TRANSITIONS,
    ConnectionState,
    Input,
    LinkState,
    SessionState,
)
from amqp10.errors import Condition
from amqp10.options import ReceiverOptions, SenderOptions
from amqp10.performatives import Attach, Begin, Close, Detach, Disposition, End, Flow, Open, Transfer
from amqp10.terminus import Source, Target
from amqp10.testing.wire import AMQP_HEADER
from tests.engine.rig import Rig, attach, begin

C, S, L = ConnectionState, SessionState, LinkState

# --- the tables against the specification -----------------------------------------------------------------------------

SPECIFIED_CONNECTION = """
    START      S:HDR HDR_SENT   R:HDR HDR_RCVD
    HDR_RCVD   S:HDR HDR_EXCH
    HDR_SENT   S:OPEN OPEN_PIPE R:HDR HDR_EXCH
    HDR_EXCH   S:OPEN OPEN_SENT R:OPEN OPEN_RCVD
    OPEN_PIPE  S:CLOSE OC_PIPE  R:HDR OPEN_SENT
    OC_PIPE    R:HDR CLOSE_PIPE
    OPEN_RCVD  S:OPEN OPENED
    OPEN_SENT  S:CLOSE CLOSE_PIPE R:OPEN OPENED
    CLOSE_PIPE R:OPEN CLOSE_SENT
    OPENED     S:CLOSE CLOSE_SENT R:CLOSE CLOSE_RCVD
    CLOSE_RCVD S:CLOSE END
    CLOSE_SENT R:CLOSE END
    DISCARDING R:CLOSE END
"""
WORDS = {
    "S:HDR": Input.SEND_HEADER,
    "R:HDR": Input.RECV_HEADER,
    "S:OPEN": Input.SEND_OPEN,
    "R:OPEN": Input.RECV_OPEN,
    "S:CLOSE": Input.SEND_CLOSE,
    "R:CLOSE": Input.RECV_CLOSE,
}


def test_the_connection_moves_as_the_figure_of_2_4_6_says() -> None:
    specified = {}
    for line in SPECIFIED_CONNECTION.split("\n"):
        state, *moves = line.split() or [""]
        for word, following in zip(moves[::2], moves[1::2], strict=True):
            specified[C[state], WORDS[word]] = C[following]
    ours = {key: value for key, value in CONNECTION_TRANSITIONS.items() if key[1] is not Input.SEND_CLOSE_ERROR}
    assert ours == specified


def test_a_close_with_an_error_goes_where_a_close_goes_and_discards_when_open() -> None:
    for (state, kind), following in CONNECTION_TRANSITIONS.items():
        if kind is Input.SEND_CLOSE:
            expected = C.DISCARDING if state is C.OPENED else following
            assert CONNECTION_TRANSITIONS[state, Input.SEND_CLOSE_ERROR] is expected


def test_the_session_moves_as_the_figure_of_2_5_5_says() -> None:
    assert SESSION_TRANSITIONS == {
        (S.UNMAPPED, Input.SEND_BEGIN): S.BEGIN_SENT,
        (S.UNMAPPED, Input.RECV_BEGIN): S.BEGIN_RCVD,
        (S.BEGIN_SENT, Input.RECV_BEGIN): S.MAPPED,
        (S.BEGIN_RCVD, Input.SEND_BEGIN): S.MAPPED,
        (S.MAPPED, Input.SEND_END): S.END_SENT,
        (S.MAPPED, Input.SEND_END_ERROR): S.DISCARDING,
        (S.MAPPED, Input.RECV_END): S.END_RCVD,
        (S.END_RCVD, Input.SEND_END): S.ENDED,
        (S.END_SENT, Input.RECV_END): S.ENDED,
        (S.DISCARDING, Input.RECV_END): S.ENDED,
    }


@pytest.mark.parametrize(
    ("table", "start"),
    [
        (CONNECTION_TRANSITIONS, ConnectionState.START),
        (SESSION_TRANSITIONS, SessionState.UNMAPPED),
        (LINK_TRANSITIONS, LinkState.UNATTACHED),
    ],
)
def test_every_state_can_be_reached_and_all_but_one_left(
    table: dict[tuple[enum.IntEnum, Input], enum.IntEnum], start: enum.IntEnum
) -> None:
    reached = {start} | set(table.values())
    assert reached == {*type(start)}
    assert len(reached - {state for state, _ in table}) == 1


# --- connections ------------------------------------------------------------------------------------------------------

OPEN = Open(container_id="test")
BEGIN = begin()
FRAMES: dict[str, CompositeBase] = {
    "open": OPEN,
    "begin": BEGIN,
    "attach": attach("new", 7, role=True),
    "flow": Flow(next_incoming_id=0, incoming_window=1, next_outgoing_id=0, outgoing_window=1),
    "transfer": Transfer(handle=7, delivery_id=0, delivery_tag=b"t", message_format=0),
    "disposition": Disposition(role=True, first=0),
    "detach": Detach(handle=7),
    "end": End(),
    "close": Close(),
}


def in_start() -> Rig:
    return Rig()


def in_hdr_rcvd() -> Rig:
    rig = Rig()
    rig.receive(AMQP_HEADER)
    return rig


def in_open_pipe() -> Rig:
    rig = Rig()
    rig.start(rig.connection.open())
    return rig


def in_oc_pipe() -> Rig:
    rig = in_open_pipe()
    rig.connection.start_close()
    return rig


def in_open_sent() -> Rig:
    rig = in_open_pipe()
    rig.receive(AMQP_HEADER)
    return rig


def in_close_pipe() -> Rig:
    rig = in_open_sent()
    rig.connection.start_close()
    return rig


def in_opened() -> Rig:
    return Rig().open()


def in_close_sent() -> Rig:
    rig = in_opened()
    rig.connection.start_close()
    return rig


def in_discarding() -> Rig:
    rig = in_opened()
    rig.say(FRAMES["end"], channel=5)  # where no session is
    return rig


def in_end() -> Rig:
    rig = in_opened()
    rig.say(Close())
    return rig


CONNECTIONS: dict[ConnectionState, Callable[[], Rig]] = {
    C.START: in_start,
    C.HDR_RCVD: in_hdr_rcvd,
    C.OPEN_PIPE: in_open_pipe,
    C.OC_PIPE: in_oc_pipe,
    C.OPEN_SENT: in_open_sent,
    C.CLOSE_PIPE: in_close_pipe,
    C.OPENED: in_opened,
    C.CLOSE_SENT: in_close_sent,
    C.DISCARDING: in_discarding,
    C.END: in_end,
}
"""The others do not last: our header leaves with open, and a close of the peer is answered at once."""

BEFORE_HEADER = {C.START, C.OPEN_PIPE, C.OC_PIPE}  # the next eight bytes must be a header
DROPPED = {C.CLOSE_SENT, C.DISCARDING, C.END}  # what a peer says before it has read our close does no harm


def what_a_connection_does(state: ConnectionState, name: str) -> tuple[ConnectionState, Condition | None]:
    """Say what a frame on channel 0 leads to: the state after, and the condition of a violation."""
    if state in BEFORE_HEADER:
        return (C.OC_PIPE if state is C.OPEN_PIPE else C.END), Condition.FRAMING_ERROR
    kind = {"open": Input.RECV_OPEN, "close": Input.RECV_CLOSE}.get(name)
    following = CONNECTION_TRANSITIONS.get((state, kind)) if kind is not None else None
    if following is not None:
        return (C.END if following is C.CLOSE_RCVD else following), None
    if state in DROPPED and name != "open":
        return state, None
    if name == "begin" and state is C.OPENED:
        return state, None
    return C.END, Condition.ILLEGAL_STATE


@pytest.mark.parametrize("state", list(CONNECTIONS), ids=lambda state: state.name)
def test_an_engine_can_be_brought_into_each_lasting_state(state: ConnectionState) -> None:
    assert CONNECTIONS[state]().connection.state is state


@pytest.mark.parametrize("state", [C.OPEN_SENT, C.OPENED, C.CLOSE_PIPE, C.CLOSE_SENT], ids=lambda state: state.name)
@pytest.mark.parametrize("name", ["open", "close"])
def test_open_and_close_move_a_connection_by_the_table(state: ConnectionState, name: str) -> None:
    rig = CONNECTIONS[state]()
    kind = Input.RECV_OPEN if name == "open" else Input.RECV_CLOSE
    following = CONNECTION_TRANSITIONS.get((state, kind))
    rig.say(FRAMES[name])
    if following is C.CLOSE_RCVD:
        following = CONNECTION_TRANSITIONS[C.CLOSE_RCVD, Input.SEND_CLOSE]  # answered at once
    if following is None:
        assert rig.connection.state in (C.DISCARDING, C.END, C.CLOSE_PIPE, state)
        assert rig.connection.error is not None
    else:
        assert rig.connection.state is following


@pytest.mark.parametrize("state", list(CONNECTIONS), ids=lambda state: state.name)
@pytest.mark.parametrize("name", list(FRAMES))
def test_no_frame_in_any_state_of_a_connection_goes_unjudged(state: ConnectionState, name: str) -> None:
    rig = CONNECTIONS[state]()
    rig.hear_raw()
    before = rig.connection.error
    rig.say(FRAMES[name])
    after = rig.connection
    expected, condition = what_a_connection_does(state, name)
    if condition is None:
        assert after.state is expected
        assert after.error is before or name == "close" or name not in ("open", "begin")
        return
    assert after.state in (C.DISCARDING, C.END, C.CLOSE_PIPE, expected, state)
    assert after.error is not None
    if before is None:
        told = {Condition.FRAMING_ERROR, Condition.ILLEGAL_STATE, Condition.NOT_ALLOWED, Condition.UNATTACHED_HANDLE}
        assert after.error.condition in told
        assert after.error.level == "connection"


# --- sessions ---------------------------------------------------------------------------------------------------------


def session_in(state: SessionState) -> tuple[Rig, Session]:
    """Bring a session into a state; the peer's channel is 3."""
    rig = Rig().open()
    if state is S.BEGIN_SENT:
        session = rig.connection.new_session()
        rig.start(session.begin())
    elif state is S.BEGIN_RCVD:
        rig.on_session = lambda _: None
        rig.say(begin(), channel=3)
        session = rig.connection.sessions[0]
    else:
        session = rig.begin(channel=3)
        if state is S.END_SENT:
            session.start_end()
        elif state is S.DISCARDING:
            rig.say(Detach(handle=9), channel=3)  # a handle that is not attached
    rig.hear_raw()
    assert session.state is state
    return rig, session


ON_SESSION = [name for name in FRAMES if name not in ("open", "close")]


def what_a_session_does(state: SessionState, name: str) -> tuple[str | None, Condition | None, SessionState]:
    """Say who is told what of a frame on the session's channel, and the session's state after."""
    if state is S.BEGIN_SENT:
        if name == "begin":
            return None, None, S.BEGIN_SENT  # without remote-channel it begins another one
        return "connection", Condition.NOT_ALLOWED, S.ENDED  # the channel is not mapped
    if name == "begin":
        return "connection", Condition.NOT_ALLOWED, S.ENDED
    if state in (S.END_SENT, S.DISCARDING):
        return None, None, S.ENDED if name == "end" else state
    if state is S.BEGIN_RCVD:
        if name == "transfer":
            return "connection", Condition.ILLEGAL_STATE, S.ENDED  # there is no window for it yet
        return None, None, S.BEGIN_RCVD  # kept until we have answered
    if name == "end":
        return None, None, S.ENDED
    if name in ("transfer", "detach"):
        return "session", Condition.UNATTACHED_HANDLE, S.DISCARDING
    return None, None, S.MAPPED


@pytest.mark.parametrize(
    "state", [S.BEGIN_SENT, S.BEGIN_RCVD, S.MAPPED, S.END_SENT, S.DISCARDING], ids=lambda state: state.name
)
@pytest.mark.parametrize("name", ON_SESSION)
def test_every_frame_in_every_state_of_a_session(state: SessionState, name: str) -> None:
    rig, session = session_in(state)
    ended_before = session.error
    level, condition, following = what_a_session_does(state, name)
    rig.on_link = lambda _: None
    rig.say(FRAMES[name], channel=3)
    assert session.state is following
    error = rig.connection.error if level == "connection" else session.error
    if condition is not None:
        assert error is not None
        assert (error.level, error.condition) == (level, condition)
    elif name != "end":
        assert rig.connection.error is None
        assert session.error is ended_before


# --- links ------------------------------------------------------------------------------------------------------------


def link_in(state: LinkState, *, sending: bool) -> tuple[Rig, Any]:
    """Bring a link into a state; the peer's handle is 7."""
    rig = Rig().open()
    session = rig.begin(channel=3)
    rig.on_link = lambda _: None
    if state is L.ATTACH_RCVD:
        rig.say(attach("link", 7, role=sending, initial_delivery_count=None if sending else 0), channel=3)
        return rig, session.links[0]
    if sending:
        link: Any = session.new_sender(SenderOptions(name="link", target=Target(address="q")))
    else:
        link = session.new_receiver(ReceiverOptions(name="link", source=Source(address="q"), credit=2))
    rig.start(link.attach())
    if state is L.ATTACH_SENT:
        return rig, link
    answer = attach("link", 7, role=sending, initial_delivery_count=None if sending else 0)
    if state is L.REFUSED:
        answer.source = None if not sending else answer.source
        answer.target = None if sending else answer.target
    rig.say(answer, channel=3)
    if state is L.DETACH_SENT:
        link.start_detach(closed=True)
    rig.hear_raw()
    return rig, link


LINK_FRAMES: dict[str, Callable[[bool], CompositeBase]] = {
    "attach": lambda sending: attach("link", 8, role=sending, initial_delivery_count=None if sending else 0),
    "flow": lambda _: Flow(
        next_incoming_id=0,
        incoming_window=1,
        next_outgoing_id=0,
        outgoing_window=1,
        handle=7,
        delivery_count=0,
        link_credit=1,
    ),
    "transfer": lambda _: Transfer(handle=7, delivery_id=0, delivery_tag=b"t", message_format=0),
    "detach": lambda _: Detach(handle=7, closed=True),
}


def what_a_link_does(state: LinkState, name: str, *, sending: bool) -> tuple[str | None, LinkState]:
    """Say at which level a frame is a violation, and the link's state after."""
    if state is L.ATTACH_SENT:
        if name == "attach":
            return None, L.ATTACHED
        return "session", L.DETACHED  # the handle is not attached
    if name == "attach":
        return "session", L.DETACHED
    if name == "detach":
        return None, L.DETACHED
    if name == "flow" or state in (L.DETACH_SENT, L.REFUSED):
        return None, state
    if sending or state is L.ATTACH_RCVD:
        return "link", L.DETACH_SENT
    return None, state


@pytest.mark.parametrize("sending", [True, False], ids=["sender", "receiver"])
@pytest.mark.parametrize(
    "state", [L.ATTACH_SENT, L.ATTACH_RCVD, L.ATTACHED, L.REFUSED, L.DETACH_SENT], ids=lambda state: state.name
)
@pytest.mark.parametrize("name", list(LINK_FRAMES))
def test_every_frame_in_every_state_of_a_link(state: LinkState, name: str, sending: bool) -> None:
    rig, link = link_in(state, sending=sending)
    assert link.state is state
    level, following = what_a_link_does(state, name, sending=sending)
    rig.say(LINK_FRAMES[name](sending), channel=3)
    assert link.state is following
    session = rig.connection.sessions[0] if rig.connection.sessions else None
    if level == "session":
        assert session is not None
        assert session.error is not None
        assert session.error.level == "session"
    else:
        assert session is not None
        assert session.error is None
    if level == "link":
        assert link.error is not None
        assert link.error.level == "link"
    assert rig.connection.error is None


def test_frames_of_another_kind_are_not_taken_for_these() -> None:
    kinds = {type(performative) for performative in FRAMES.values()}
    assert kinds == {Open, Begin, Attach, Flow, Transfer, Disposition, Detach, End, Close}
