"""The connection endpoint: headers, SASL, open and close, channels, time, and the one output (§2.4).

Theory of operation
-------------------
Bytes come in through `receive_data`, which splits them into frames and runs and hands each to the endpoint it is
for. A handler that meets a broken rule raises `Violation`; it is caught here, at one place, and turned into the close,
end or detach that the specification asks for. So `receive_data` never raises for what the peer did.

Frames go out through `write`, into one buffer. Dispositions and flows are not written when they arise: sessions
mark themselves in `_dirty`, and `data_to_send` makes each of them write what is pending, as the fewest frames; then
messages too large for one go, in `_partials`, are cut further, a few frames each in turn, as long as there is room.

`finished` tells the driver to close the transport once the output is written.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from amqp10._codec import Frame, FrameReader, FrameWriter, ProtocolHeader, TransferRun
from amqp10.engine.counters import Counters
from amqp10.engine.endpoint import Endpoint, Operation, Violation, local_error, remote_error
from amqp10.engine.events import EndpointChanged, Event, SessionRequested
from amqp10.engine.opening import AMQP, MIN_MAX_FRAME_SIZE, SASL, make_open, mismatch_text
from amqp10.engine.pool import NumberPool
from amqp10.engine.quirks import NO_QUIRKS, quirks_of
from amqp10.engine.sasl.negotiation import SaslNegotiation, UnexpectedSaslFrame
from amqp10.engine.session import Session
from amqp10.engine.states import CONNECTION_TRANSITIONS, ConnectionState, Input
from amqp10.engine.trace import frame_trace
from amqp10.errors import (
    AMQPError,
    Condition,
    ConnectionClosed,
    ConnectionClosedByPeer,
    DecodeError,
    EncodeError,
    InvalidState,
    PeerViolation,
    TransportError,
)
from amqp10.options import ConnectionOptions, SessionOptions
from amqp10.performatives import (
    Begin,
    Close,
    Open,
    Performative,
    SaslFrame,
)

if TYPE_CHECKING:
    from amqp10._codec import CompositeBase
    from amqp10.engine.sender import Sender
    from amqp10.performatives import Error

__all__ = ["Connection"]

START, HDR_RCVD, HDR_SENT, HDR_EXCH, OPEN_PIPE, OC_PIPE, OPEN_RCVD, OPEN_SENT = list(ConnectionState)[:8]
CLOSE_PIPE, OPENED, CLOSE_RCVD, CLOSE_SENT, DISCARDING, END = list(ConnectionState)[8:]

_LINGER = 1.0  # seconds that we wait for the peer's close after one of ours with an error

_log = logging.getLogger("amqp10.connection")


def _nothing() -> None:
    """Stand in for the driver's hook."""


class Connection(Endpoint):
    """One end of an AMQP connection, without I/O.

    Args:
        options: what our open says, and our limits.
        sasl: the negotiation to run first; None for no SASL layer. It alone knows which end we are.
        now: the time, in seconds of any steady clock.

    Attributes:
        state: where the connection is in §2.4.6.
        remote_open: what the peer's open said, or None so far.
        quirks: how the peer is known to deviate.
        on_output: called without arguments when there comes to be something to send.
        urgent: whether what is to be sent should not wait for the end of the loop's turn.
        counters: of what passed; the driver counts reads and writes in them.
        finished: whether the transport is to be closed once the output is written.
    """

    __slots__ = (
        "_answered",
        "_channels",
        "_dirty",
        "_events",
        "_heard",
        "_last_heard",
        "_last_sent",
        "_linger_until",
        "_max_output",
        "_now",
        "_open",
        "_open_wanted",
        "_partials",
        "_reader",
        "_sasl",
        "_sasl_header_seen",
        "_sessions",
        "_sessions_by_remote_channel",
        "_starved",
        "_trace",
        "_transport_gone",
        "counters",
        "finished",
        "max_frame_size",
        "on_output",
        "options",
        "output_pending",
        "quirks",
        "remote_open",
        "state",
        "urgent",
        "writer",
    )

    def __init__(self, options: ConnectionOptions, *, sasl: SaslNegotiation | None = None, now: float = 0.0) -> None:
        super().__init__()
        self.options = options
        self.state = START
        self.remote_open: Open | None = None
        self.quirks = NO_QUIRKS
        self.max_frame_size = MIN_MAX_FRAME_SIZE  # the peer's: what we may send
        self.finished = False
        self.urgent = False
        self.on_output: Callable[[], None] = _nothing
        self.output_pending = False  # whether on_output was called since the last data_to_send
        self.writer = FrameWriter()
        self.counters = Counters()
        limits = options.limits
        self._reader = FrameReader(max_depth=limits.max_depth, max_elements=limits.max_elements)
        self._max_output = limits.max_output
        self._answered = 0  # bytes written in receive_data since the driver last took any
        self._sasl = sasl
        self._sasl_header_seen = False
        self._open: Open | None = None  # ours, made by open()
        self._open_wanted = False  # open() was called
        self._events: list[Event] = []
        self._channels = NumberPool(0)
        self._sessions: dict[int, Session] = {}  # by our channel
        self._sessions_by_remote_channel: dict[int, Session] = {}
        self._dirty: dict[Session, None] = {}  # sessions with dispositions or flows to write, in order
        self._partials: deque[Sender] = deque()  # senders in the middle of a large message
        self._starved = False  # a send was turned away since the output was full
        self._transport_gone = False
        self._trace = frame_trace(options.container_id)
        self._now = now
        self._heard = False  # bytes came, and nobody said when
        self._last_heard = now
        self._last_sent = now
        self._linger_until: float | None = None

    def __repr__(self) -> str:
        """Name state and container."""
        return f"<Connection {self.options.container_id} {self.state.name}>"

    # --- operations ---------------------------------------------------------------------------------------------------

    def open(self) -> Operation[None]:
        """Exchange headers, authenticate and open.

        Raises:
            AMQPError: why it failed: the peer's word, a broken protocol or a broken transport.
        """
        self._start()
        while self.state is not OPENED:
            self.check()
            yield self
        self.check()

    def close(self, error: Error | None = None) -> Operation[None]:
        """Close, and wait for the peer's close.

        Args:
            error: why, where it is not the normal end.
        """
        self.start_close(error)
        while self.state is not END:
            yield self

    def start_close(self, error: Error | None = None) -> None:
        """Queue the close frame, if it was not sent; sessions, links and whoever waits on them end."""
        if self.state in (CLOSE_PIPE, OC_PIPE, CLOSE_SENT, DISCARDING, END):
            return
        self._send_close(error)
        self._end(ConnectionClosed("the connection was closed"))

    def new_session(self, options: SessionOptions | None = None) -> Session:
        """Make a session that is not begun.

        Raises:
            InvalidState: the connection is not open, or every channel is in use.
        """
        self.check()
        if self.state is not OPENED:
            raise InvalidState(f"a session needs an open connection; it is in state {self.state.name}")
        channel = self._channels.take()
        if channel is None:
            raise InvalidState(f"all {self._channels.highest + 1} channels are in use (channel-max)")
        session = Session(self, options or SessionOptions(), channel)
        self._sessions[channel] = session
        return session

    @property
    def sessions(self) -> list[Session]:
        """The sessions that are not ended."""
        return list(self._sessions.values())

    # --- bytes in -----------------------------------------------------------------------------------------------------

    def receive_data(self, data: bytes | bytearray | memoryview, now: float | None = None) -> None:
        """Take bytes of the peer. Never raises for what they say.

        Args:
            data: any number of bytes; not kept.
            now: when they came; None leaves it to the next `tick`.
        """
        if self.finished:
            return
        if now is None:
            self._heard = True
        else:
            self._now = self._last_heard = now
        if self._trace is not None:
            self._trace.incoming(data)
        waiting = len(self.writer)
        for item in self._reader.feed(data):
            try:
                self._handle(item)
            except Violation as violation:
                self.punish(violation)
            if self.state is END:
                return
        if self._reader.error is not None and self.error is None:
            self._refuse_bytes(self._reader.error)
        self._bound_answers(len(self.writer) - waiting)

    def _refuse_bytes(self, error: DecodeError) -> None:
        self._answer_header()
        self.punish(Violation(self, Condition(error.condition or Condition.DECODE_ERROR), str(error)), error)

    def _bound_answers(self, size: int) -> None:
        """Cut off a peer that makes us answer and never reads."""
        self._answered += size
        if self._answered > self._max_output * 4 and self.error is None:
            text = "the peer does not read what we answer"
            self._end(PeerViolation(text, condition=Condition.RESOURCE_LIMIT_EXCEEDED))
            self._send_close(local_error(Condition.RESOURCE_LIMIT_EXCEEDED, text))
            self._finish()

    def receive_eof(self, cause: BaseException | None = None) -> None:
        """Learn that the transport is gone.

        Args:
            cause: what the transport said, if anything.
        """
        self._transport_gone = True
        if self.state is END:
            return
        if self.error is None:
            text = str(cause) if cause else "the peer closed the transport"
            error = TransportError(f"connection lost while {self._activity()}: {text}")
            error.__cause__ = cause
            self._end(error)
        self._finish()

    def _activity(self) -> str:
        if self._sasl is not None and not self._sasl.done:
            return f"authenticating by SASL {self._sasl.mechanism or ''}".rstrip()
        return "opening" if self.state < OPENED else "open"

    def _handle(self, item: ProtocolHeader | Frame | TransferRun) -> None:
        if type(item) is TransferRun:
            self.counters.runs += 1
            self.counters.run_deliveries += item.count
            session = self._sessions_by_remote_channel.get(item.channel)
            if self.state is OPENED and session is not None:
                session.receive_run(item)
                return
            self._handle_stray(item.channel)
        elif type(item) is Frame:
            self._handle_frame(item)
        elif type(item) is ProtocolHeader:
            self._receive_header(item)

    def _handle_frame(self, frame: Frame) -> None:
        performative = frame.performative
        if isinstance(performative, SaslFrame):
            self._receive_sasl(performative)
        elif type(performative) is Open:
            self._receive_open(frame.channel, performative)
        elif type(performative) is Close:
            self._receive_close(performative)
        elif self.state is not OPENED:
            self._handle_stray(frame.channel)
        elif type(performative) is Begin:
            self._receive_begin(frame.channel, performative)
        elif isinstance(performative, Performative):
            session = self._sessions_by_remote_channel.get(frame.channel)
            if session is None:
                self._handle_stray(frame.channel)
            else:
                session.receive(performative, frame.payload)
        else:
            raise Violation(self, Condition.NOT_ALLOWED, f"{type(performative).__name__} is no frame body")

    def _handle_stray(self, channel: int) -> None:
        """Judge a frame for a session that is not there: after our close such frames are dropped (§2.4.6)."""
        if self.state in (CLOSE_PIPE, CLOSE_SENT, DISCARDING, OC_PIPE):
            return
        if self.state is not OPENED:
            raise Violation(self, Condition.ILLEGAL_STATE, f"a frame before open, in state {self.state.name}")
        self._check_channel(channel)
        raise Violation(self, Condition.NOT_ALLOWED, f"a frame on channel {channel}, where no session is")

    # --- headers and SASL ---------------------------------------------------------------------------------------------

    def _start(self) -> None:
        if self._open_wanted:
            raise InvalidState("the connection was opened before")
        self.check()
        self._open = make_open(self.options)
        self._open_wanted = True
        self.changed(self)  # from now on the peer's silence counts
        if self._sasl is None:
            self._send_header_and_open()
            return
        self.writer.write_header(SASL)
        self.notify()
        if self._sasl_header_seen:
            self._send_sasl(self._sasl.start())

    def _receive_header(self, header: ProtocolHeader) -> None:
        in_sasl = self._sasl is not None and not self._sasl.done
        expected = SASL if in_sasl else AMQP
        version = (header.major, header.minor, header.revision)
        if header.protocol_id != expected or version != (1, 0, 0) or (in_sasl and self._sasl_header_seen):
            self._mismatch(header)
        elif in_sasl:
            self._sasl_header_seen = True
            if self._open_wanted:
                self._send_sasl(self._sasl.start())  # type: ignore[union-attr]
        else:
            self._transition(Input.RECV_HEADER)

    def _mismatch(self, header: ProtocolHeader) -> None:
        """§2.2: an end that cannot speak the peer's version says which it can, and closes the socket."""
        self._answer_header()
        wanted = SASL if self._sasl is not None and not self._sasl.done else AMQP
        text = mismatch_text(header, wanted)
        self._end(PeerViolation(text, condition=Condition.NOT_IMPLEMENTED))
        self._finish()

    def _answer_header(self) -> None:
        """Say what we speak, if we have not said anything."""
        if self.state is START and not self._open_wanted:
            self.writer.write_header(AMQP if self._sasl is None else SASL)

    def _receive_sasl(self, frame: SaslFrame) -> None:
        sasl = self._sasl
        if sasl is None or self.state is not START or not (self._sasl_header_seen and self._open_wanted):
            raise Violation(self, Condition.ILLEGAL_STATE, "a SASL frame where none may come")
        try:
            answers = sasl.receive(frame)
        except UnexpectedSaslFrame as error:
            raise Violation(self, Condition.ILLEGAL_STATE, str(error)) from error
        self._send_sasl(answers)
        if sasl.error is not None:
            self._end(sasl.error)
            self._finish()
        elif sasl.done:
            self._send_header_and_open()

    def _send_sasl(self, frames: list[SaslFrame]) -> None:
        for frame in frames:
            # A token of a mechanism may be longer than §5.3.1 lets a frame be; such servers take it.
            self.writer.write_frame(0, frame)
        self.notify()

    # --- open and close -----------------------------------------------------------------------------------------------

    def _send_header_and_open(self) -> None:
        assert self._open is not None
        self.writer.write_header(AMQP)
        self._transition(Input.SEND_HEADER)
        self._write(self._open, Input.SEND_OPEN)
        self._reader.max_frame_size = self.options.max_frame_size

    def _receive_open(self, channel: int, performative: Open) -> None:
        if self.state is DISCARDING:
            return
        if channel:
            # §2.4.1: open is for channel 0 alone, and no other is there before it.
            raise Violation(self, Condition.FRAMING_ERROR, f"open on channel {channel}")
        if performative.max_frame_size < MIN_MAX_FRAME_SIZE:
            raise Violation(self, Condition.INVALID_FIELD, f"max-frame-size {performative.max_frame_size} in open")
        self._transition(Input.RECV_OPEN)
        self.remote_open = performative
        self.quirks = quirks_of(performative)
        self._channels.rests = self.quirks.frees_channels_late
        self.max_frame_size = performative.max_frame_size
        self._channels.highest = min(self.options.channel_max, performative.channel_max)
        self.changed(self)

    def _receive_close(self, performative: Close) -> None:
        if self.state is DISCARDING or self.state is CLOSE_SENT:
            self._transition(Input.RECV_CLOSE)
            self._finish()
            return
        self._transition(Input.RECV_CLOSE)
        self._end(remote_error(ConnectionClosedByPeer, "the peer closed the connection", performative.error))
        self._send_close(None)

    def _send_close(self, error: Error | None) -> None:
        kind = Input.SEND_CLOSE if error is None else Input.SEND_CLOSE_ERROR
        if (self.state, kind) in CONNECTION_TRANSITIONS:
            self._flush_sessions()
            self._write(Close(error=error), kind)
            self._partials.clear()
            self._linger_until = None if error is None else self._now + _LINGER
        if self.state in (START, HDR_SENT, HDR_RCVD, HDR_EXCH, OPEN_RCVD, END):
            self._finish()

    def punish(self, violation: Violation, cause: BaseException | None = None) -> None:
        """Answer a broken rule at the level where it was broken."""
        error = violation.as_error()
        error.__cause__ = cause or violation.__cause__
        reason = local_error(violation.condition, violation.text)
        _log.warning("%r: %s", violation.endpoint, violation.text)
        try:
            violation.endpoint.fail(error, reason)
        except EncodeError:
            # What the peer had us quote, such as a link's name, does not fit into the frames that it takes.
            self.fail(error, reason)

    def guard(self, take: Callable[..., None], *args: object) -> None:
        """Have something of the peer's taken outside `receive_data`, with the same consequences."""
        try:
            take(*args)
        except Violation as violation:
            self.punish(violation)

    def fail(self, error: AMQPError, reason: Error) -> None:
        """End the connection for a reason of ours, which a close frame tells the peer where one can be sent."""
        if self.state in (OPEN_RCVD, OPENED, OPEN_SENT, OPEN_PIPE):
            self._send_close(reason)
        else:
            self._finish()
        self._end(error)

    def _end(self, error: AMQPError) -> None:
        """Let everything under the connection know why it is over; the first cause stays."""
        if self.error is not None:
            return
        self.error = error
        for session in list(self._sessions.values()):
            session.connection_ended(error)
        self._partials.clear()
        self._dirty.clear()
        self.changed(self)

    def _finish(self) -> None:
        self.finished = True
        self.state = END
        self._linger_until = None
        self.changed(self)
        self.notify()

    # --- sessions -----------------------------------------------------------------------------------------------------

    def _check_channel(self, channel: int) -> None:
        if channel > self.options.channel_max:
            # §2.7.1, channel-max: "MUST close the Connection with the framing-error error-code"
            raise Violation(self, Condition.FRAMING_ERROR, f"channel {channel} is beyond channel-max")

    def _receive_begin(self, channel: int, begin: Begin) -> None:
        self._check_channel(channel)
        if channel in self._sessions_by_remote_channel:
            raise Violation(self, Condition.NOT_ALLOWED, f"begin on channel {channel}, which is in use")
        if begin.remote_channel is None:
            session = self._request_session()
        else:
            found = self._sessions.get(begin.remote_channel)
            if found is None or not found.awaits_begin:
                raise Violation(
                    self, Condition.NOT_ALLOWED, f"begin answers channel {begin.remote_channel}: none asked"
                )
            session = found
        self._sessions_by_remote_channel[channel] = session
        session.receive_begin(channel, begin)
        if begin.remote_channel is None:
            self._events.append(SessionRequested(session))

    def _request_session(self) -> Session:
        channel = self._channels.take() if len(self._sessions) < self.options.limits.max_sessions else None
        if channel is None:
            raise Violation(self, Condition.RESOURCE_LIMIT_EXCEEDED, "more sessions than we take")
        session = Session(self, SessionOptions(), channel)
        self._sessions[channel] = session
        return session

    def forget_session(self, session: Session) -> None:
        """Free the channels of a session that is ended at both ends, or was never begun."""
        if self._sessions.pop(session.channel, None) is not None:
            self._channels.give_back(session.channel)
        if session.remote_channel is not None:
            self._sessions_by_remote_channel.pop(session.remote_channel, None)
            self._reader.unbind_channel(session.remote_channel)
        self._dirty.pop(session, None)

    @property
    def reader(self) -> FrameReader:
        """What splits the input; links bind their handles to it."""
        return self._reader

    # --- output -------------------------------------------------------------------------------------------------------

    def write(self, channel: int, performative: CompositeBase, payload: bytes = b"") -> None:
        """Queue a frame.

        Raises:
            EncodeError: it cannot be encoded, or exceeds the peer's max-frame-size; nothing is queued.
        """
        self.writer.write_frame(channel, performative, payload, max_frame_size=self.max_frame_size)
        self.notify()

    def _write(self, performative: Performative, kind: Input) -> None:
        following = CONNECTION_TRANSITIONS[self.state, kind]
        self.writer.write_frame(0, performative, max_frame_size=self.max_frame_size)
        self.state = following
        self.notify()

    def _transition(self, kind: Input) -> None:
        following = CONNECTION_TRANSITIONS.get((self.state, kind))
        if following is None:
            raise Violation(self, Condition.ILLEGAL_STATE, f"{kind.name} in state {self.state.name}")
        self.state = following

    def notify(self) -> None:
        """Tell the driver that there is something to send, once until it takes it."""
        if not self.output_pending:
            self.output_pending = True
            self.on_output()

    def notify_urgently(self) -> None:
        """Tell the driver that what there is to send should leave at once: the peer may be waiting for it."""
        self.urgent = True
        self.output_pending = True
        self.on_output()

    def mark_dirty(self, session: Session) -> None:
        """Note that a session has dispositions or flows to write."""
        if not session.is_dirty:
            session.is_dirty = True
            self._dirty[session] = None
        self.notify()

    def add_partial(self, sender: Sender) -> None:
        """Note that a sender is in the middle of a large message."""
        self._partials.append(sender)
        self.notify()

    def resume_partials(self) -> None:
        """Have large messages go on, if there are any."""
        if self._partials:
            self.notify()

    def drop_partial(self, sender: Sender) -> None:
        """Forget a sender's large message."""
        if sender in self._partials:
            self._partials.remove(sender)

    @property
    def has_room(self) -> bool:
        """Whether the output takes another message; a "no" promises `SenderReady` later."""
        if len(self.writer) < self._max_output:
            return True
        self._starved = True
        return False

    def data_to_send(self, now: float | None = None) -> bytes:
        """Take what is to be sent: call it until it returns nothing, or `on_output` calls again.

        Args:
            now: the time; None counts as the last `tick`.
        """
        self.output_pending = False
        self.urgent = False
        self._answered = 0
        if now is not None:
            self._now = now
        self._flush_sessions()
        if self._partials:
            self._cut_partials()
        data = self.writer.take()
        if data:
            if self._trace is not None:
                self._trace.outgoing(data)
            self._last_sent = self._now
        if self._starved:
            self._starved = False
            for session in list(self._sessions.values()):
                session.senders_ready()
        if self._partials and any(sender.may_continue for sender in self._partials):
            self.notify()
        return data

    def _flush_sessions(self) -> None:
        while self._dirty:
            session = next(iter(self._dirty))
            del self._dirty[session]
            session.flush()

    def _cut_partials(self) -> None:
        blocked = 0
        while self._partials and blocked < len(self._partials) and len(self.writer) < self._max_output // 4:
            sender = self._partials.popleft()
            frames = sender.continue_partial()
            blocked = 0 if frames else blocked + 1
            if sender.has_partial:
                self._partials.append(sender)

    # --- time ---------------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> float | None:
        """Do what is due, and return when the next thing will be; None where nothing will."""
        self._now = now
        if self._heard:
            self._heard = False
            self._last_heard = now
        if self.finished or self._transport_gone:
            return None
        if self._linger_until is not None:
            if now >= self._linger_until:
                self._finish()
            return self._linger_until
        deadlines = [deadline for deadline in (self._check_peer(now), self._keep_alive(now)) if deadline is not None]
        return min(deadlines, default=None)

    def _check_peer(self, now: float) -> float | None:
        idle = self.options.idle_timeout
        if idle is None or not self._open_wanted:
            return None
        deadline = self._last_heard + idle
        if now < deadline:
            return deadline
        text = f"the peer was silent for {idle:g} seconds (idle time-out)"
        self.fail(TransportError(text), local_error(Condition.RESOURCE_LIMIT_EXCEEDED, text))
        return self._linger_until

    def _keep_alive(self, now: float) -> float | None:
        if self.remote_open is None or not self.remote_open.idle_time_out or self.state is not OPENED:
            return None
        interval = self.remote_open.idle_time_out / 2000  # half of what the peer bears, in seconds
        if now >= self._last_sent + interval:
            if not len(self.writer):
                self.writer.write_empty()
            self._last_sent = now
            self.notify()
        return self._last_sent + interval

    # --- events -------------------------------------------------------------------------------------------------------

    def events(self) -> list[Event]:
        """Take what happened since the last call."""
        events = self._events
        self._events = []
        return events

    def emit(self, event: Event) -> None:
        """Queue an event."""
        self._events.append(event)

    def changed(self, endpoint: Endpoint) -> None:
        """Queue the event that wakes the operations on `endpoint`."""
        self._events.append(EndpointChanged(endpoint))

    @property
    def negotiated_channel_max(self) -> int:
        """The highest channel that may be used."""
        return self._channels.highest

    @property
    def sasl(self) -> Any:
        """The SASL negotiation, or None."""
        return self._sasl
