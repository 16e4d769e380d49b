"""A peer that plays a script against the end under test, without I/O and without the engine.

Theory of operation
-------------------
The script is a list of steps. Frames that come are cut out of the stream (`wire.Splitter`), read by the codec, judged
by the rules of the specification (`rules`), recorded (`ledger`), and compared with the expectations that stand open:
those up to and including the first that must come. A match drops the optional ones before it, runs the reactions, and
then everything up to the next expectation that must come. No match: the standing expectations of `whenever` are tried,
and after them the peer fails. From then on it is silent; the failure is raised by `check`, by the next word of the
script, and by whatever carries the bytes.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from amqp10._codec import CompositeBase, Frame, FrameReader, FrameWriter, ProtocolHeader
from amqp10.performatives import Attach, Begin, Open, SaslFrame, Transfer
from amqp10.testing.defaults import ANSWERS, Context, PeerOptions, complete, mirror
from amqp10.testing.ledger import Ledger, Link, Session
from amqp10.testing.matchers import ANY, check_fields
from amqp10.testing.report import mismatch_text, steps_text, trace_text
from amqp10.testing.rules import violation
from amqp10.testing.script import (
    Act,
    AnyOrder,
    Arrival,
    BytesPattern,
    EmptyPattern,
    EndPattern,
    Expectation,
    FramePattern,
    HeaderPattern,
    ScriptFailure,
    Step,
    Wait,
)
from amqp10.testing.text import frame_text, hex_text, protocol_text, text_of
from amqp10.testing.vocabulary import AMQP, LinkName, Vocabulary
from amqp10.testing.wire import EMPTY_FRAME, Splitter

__all__ = ["ScriptedPeer", "TraceEntry"]

P = TypeVar("P", bound=CompositeBase)

_MIN_MAX_FRAME_SIZE = 512
_KEPT = 1000  # entries of the trace


@dataclass(frozen=True, slots=True)
class TraceEntry:
    """One thing that went over the wire.

    Attributes:
        sent: whether the scripted peer sent it.
        performative: a frame's body; None for all that is no frame or has none.
        channel: of the frame.
        payload: of the frame.
        label: what it is, where it has no performative.
    """

    sent: bool
    performative: Any = None
    channel: int = 0
    payload: bytes = b""
    label: str = ""

    def __str__(self) -> str:
        text = self.label or frame_text(self.channel, self.performative, self.payload)
        return f"{'→' if self.sent else '←'} {text}"


def _nothing() -> None:
    """Stand in for the hook of whatever carries the bytes."""


class ScriptedPeer(Vocabulary):
    """One end of an AMQP connection that says what a script tells it, and knows what it wants to hear.

    ::

        peer = ScriptedPeer()
        peer.handshake()
        peer.expect_sender("orders", credit=1)
        peer.expect_transfer(HasBody(b"hello")).respond()
        peer.expect_detach(closed=True).respond()
        peer.expect_end().respond()
        peer.expect_close().respond()

        pump(connection, peer)  # or: with serve_peer(peer) as server: ...
        peer.assert_done()

    **The script is a sequence**: what is expected and what is sent, in this order. A frame to be sent goes out as soon
    as everything before it in the script has happened; with nothing left to wait for, at once. So a script can be
    written before the exchange or along with it.

    **What is given must match, the rest may be anything.** Fields are values, matchers (`ANY`, `Has`, `AtLeast` …),
    classes (any instance) or predicates. Misspelled fields are a TypeError there and then.

    **What is left out is right.** Channels, handles, ids, counts and windows that a script does not give are taken from
    what went over the wire so far. Ids start at 2**32 - 4, so they wrap within a few frames; channels and handles
    are not the numbers that the other end uses.

    **Rules of the specification are checked beside the script**: transfers within window and credit, ids in sequence,
    handles attached, frames no larger than allowed, and so on.

    Args:
        role: "server" or "client": who starts, in `handshake`. Nothing else depends on it.
        strict: whether rules of the specification are checked beside the script.
        options: what the peer says where the script says nothing: the attributes of `PeerOptions`.

    Attributes:
        options: as given.
        failure: why the exchange is not what it should be; None so far.
        finished: whether the peer is done with the connection: to be closed once the output is taken.
        resets: whether that is to be a reset, not an orderly end.
        reading: whether the peer takes what is there for it; what carries the bytes obeys.
        trace: what went over the wire, the latest 1 000 entries.
        on_output: called when there may be something to send; set by what carries the bytes.
        lock: held while the peer works; set by what carries the bytes, if that is another thread.
    """

    def __init__(
        self, *, role: Literal["server", "client"] = "server", strict: bool = True, **options: int | str
    ) -> None:
        self.role = role
        self.options = PeerOptions(**options)  # type: ignore[arg-type]
        self.failure: AssertionError | None = None
        self.finished = False
        self.resets = False
        self.reading = True
        self.trace: deque[TraceEntry] = deque(maxlen=_KEPT)
        self.on_output: Callable[[], None] = _nothing
        self.lock: AbstractContextManager[object] = nullcontext()
        self._strict = strict
        self._ledger = Ledger(self.options.next_outgoing_id, self.options.delivery_id)
        self._splitter = Splitter(_MIN_MAX_FRAME_SIZE)
        self._reader = FrameReader(max_frame_size=_MIN_MAX_FRAME_SIZE, runs=False)
        self._writer = FrameWriter()
        self._output = bytearray()  # in order: what the writer made, and raw bytes
        self._steps: list[Step] = []
        self._standing: list[Expectation[Any]] = []
        self._group: AnyOrder | None = None  # being written
        self._inserted: list[Step] | None = None  # added by a callable that runs
        self._held: deque[Arrival] = deque()  # came while the script waits for time to pass
        self._now = 0.0
        self._counts: Counter[type] = Counter()

    def __repr__(self) -> str:
        state = "failed" if self.failure else "done" if self.done else f"{len(self._steps)} steps to go"
        return f"<ScriptedPeer {self.role} {state}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Assert that the script is done; with an error under way, that the peer is not why."""
        if error is None:
            self.assert_done()
        elif self.failure is not None and self.failure is not error:
            raise self.failure from error

    # --- writing the script -------------------------------------------------------------------------------------------

    def expect(
        self, kind: type[P], /, *, channel: object = ANY, payload: object = ANY, **fields: object
    ) -> Expectation[P]:
        """Expect a frame.

        Args:
            kind: the performative, or the SASL body.
            channel: the frame's channel: a value, a matcher, or a predicate.
            payload: what follows the performative: a value, a matcher, or a predicate.
            fields: fields of the performative: values, matchers, classes or predicates. None is a field that is absent
                and has no default. Other fields may be anything.

        Returns:
            What to hang reactions on, and to ask for the frame afterwards.

        Raises:
            TypeError: the performative has no such field.
        """
        return self._expect(Expectation(FramePattern(kind, channel, payload, fields), self))

    def expect_header(self, protocol_id: int = AMQP) -> Expectation[ProtocolHeader]:
        """Expect a protocol header of version 1.0.0.

        Args:
            protocol_id: `AMQP` or `SASL`.
        """
        return self._expect(Expectation(HeaderPattern(protocol_id), self))

    def expect_empty(self) -> Expectation[None]:
        """Expect a frame without a body; those that come unexpected are let pass."""
        return self._expect(Expectation(EmptyPattern(), self))

    def expect_bytes(self, data: bytes) -> Expectation[Any]:
        """Expect a frame or a protocol header, byte for byte.

        Args:
            data: the whole of it, as `frame_bytes` makes it.

        Raises:
            ValueError: the bytes are not just one frame or header.
        """
        splitter = Splitter()
        if splitter.feed(data) != [data]:
            raise ValueError("give one frame or one header, whole, with its size in front")
        return self._expect(Expectation(BytesPattern(data), self))

    def expect_disconnect(self) -> Expectation[None]:
        """Expect the other end to close the transport."""
        return self._expect(Expectation(EndPattern(), self))

    def whenever(
        self, kind: type[P], /, *, channel: object = ANY, payload: object = ANY, **fields: object
    ) -> Expectation[P]:
        """Say what to do with frames that the script does not expect where they come, however many.

        ::

            peer.whenever(Transfer).respond()  # accept all deliveries

        Args:
            kind: as for `expect`.
            channel: as for `expect`.
            payload: as for `expect`.
            fields: as for `expect`.
        """
        expectation: Expectation[P] = Expectation(FramePattern(kind, channel, payload, fields), self)
        with self.lock:
            self._standing.append(expectation.times(0, None))
        return expectation

    def ignore(self, *kinds: type[CompositeBase]) -> None:
        """Let frames of these kinds pass wherever the script does not expect them.

        Args:
            kinds: performatives, usually `Flow`.
        """
        for kind in kinds:
            self.whenever(kind)

    @contextmanager
    def any_order(self) -> Iterator[None]:
        """Expect what the block expects in any order.

        ::

            with peer.any_order():
                peer.expect_attach(name="a").respond()
                peer.expect_attach(name="b").respond()
        """
        assert self._group is None, "any_order within any_order"
        group = self._group = AnyOrder()
        try:
            yield
        finally:
            self._group = None
        self._add(group)

    def send(
        self,
        frame: CompositeBase | type[CompositeBase],
        /,
        *,
        channel: int | None = None,
        payload: bytes = b"",
        link: LinkName = None,
        session: Session | Expectation[Begin] | None = None,
        **fields: object,
    ) -> None:
        """Send a frame, when the script gets here.

        Args:
            frame: a performative to send as it is; or its class, to be made of `fields` and of what is right then.
            channel: on which; left out, that of the session.
            payload: what follows the performative.
            link: which link it is about; left out, the latest that the peer has attached (for a transfer: as sender).
            session: which session it belongs to; left out, the link's, or the latest that is begun.
            fields: fields of the performative.

        Raises:
            TypeError: the performative has no such field.
        """
        if isinstance(frame, type):
            check_fields(frame, fields)
        elif fields:
            raise TypeError("a performative that is sent as it is takes no fields")

        def run() -> None:
            context = self._context(frame, link, session, fields)
            known: int | None = context.session.local_channel if context.session is not None else 0
            body = frame
            if isinstance(body, type):
                known, body = complete(body, fields, context)
            number = known if channel is None else channel
            assert number is not None, "no session is begun to send this in: name a channel"
            self._write(number, body, payload)

        self._act(run, f"send {text_of(frame)}" if not isinstance(frame, type) else f"send {frame.__name__}")

    def send_header(self, protocol_id: int = AMQP) -> None:
        """Send a protocol header, when the script gets here.

        Args:
            protocol_id: `AMQP` or `SASL`.
        """
        self._act(lambda: self._write_header(protocol_id), f"send header {protocol_text(protocol_id)}")

    def send_empty(self) -> None:
        """Send a frame without a body, when the script gets here."""
        self._act(lambda: self._write_raw(EMPTY_FRAME), "send empty frame")

    def send_raw(self, data: bytes) -> None:
        """Send bytes, whatever they are, when the script gets here. The peer draws no conclusions from them.

        Args:
            data: any bytes.
        """
        self._act(lambda: self._write_raw(data), f"send {text_of(data)}")

    def call(self, function: Callable[[], object]) -> None:
        """Call a function when the script gets here. What it adds to the script comes next.

        Args:
            function: anything; an error it raises fails the peer.
        """
        self._act(function, f"call {text_of(function)}")

    def wait(self, seconds: float) -> None:
        """Let time pass before the script goes on; what comes meanwhile is looked at afterwards.

        Args:
            seconds: by the clock that `tick` is told: that of the memory pump, or the real one behind a socket.
        """
        self._add(Wait(seconds))

    def stop_reading(self) -> None:
        """Take nothing off the wire any more, when the script gets here, until `resume_reading` is called."""

        def stop() -> None:
            self.reading = False

        self._act(stop, "stop reading")

    def resume_reading(self) -> None:
        """Take again what is on the wire. This is no step of the script: it works at once."""
        with self.lock:
            self.reading = True
            self.on_output()

    def disconnect(self, *, reset: bool = False) -> None:
        """Close the transport, when the script gets here.

        Args:
            reset: abruptly, so that the other end meets an error, not an end.
        """

        def close() -> None:
            self.finished = True
            self.resets = reset

        self._act(close, "reset the connection" if reset else "disconnect")

    def _expect(self, expectation: Expectation[Any]) -> Expectation[Any]:
        self._add(expectation)
        return expectation

    def _act(self, run: Callable[[], object], text: str) -> None:
        self._add(Act(run, text))

    def _add(self, step: Step) -> None:
        with self.lock:
            self.check()
            if self._group is not None:
                assert isinstance(step, Expectation), "in any order there can be expectations only"
                self._group.expectations.append(step)
            elif self._inserted is not None:
                self._inserted.append(step)
            else:
                self._steps.append(step)
                self._guarded(self._advance)
                self.on_output()
            self.check()

    # --- asking for the outcome ---------------------------------------------------------------------------------------

    @property
    def done(self) -> bool:
        """Whether nothing is left in the script that must still happen."""
        return not any(step.holds_up for step in self._steps)

    def check(self) -> None:
        """Raise what went wrong so far, if anything did.

        Raises:
            AssertionError: a `ScriptFailure`, or what a callable in the script raised.
        """
        failure = self.failure
        if isinstance(failure, ScriptFailure) and failure.__cause__ is None:
            failure = failure.with_traceback(None)  # the peer's own frames say nothing to who wrote the script
        if failure is not None:
            raise failure

    def assert_done(self) -> None:
        """Assert that all went as the script says, to its end.

        Raises:
            AssertionError: what went wrong, or what is missing.
        """
        with self.lock:
            self.check()
            if not self.done:
                raise ScriptFailure("the script did not come to its end" + self._situation())

    @property
    def sessions(self) -> list[Session]:
        """All sessions so far, in the order of their begins."""
        return self._ledger.sessions

    @property
    def links(self) -> list[Link]:
        """All links so far, session by session."""
        return self._ledger.links

    def link(self, name: str) -> Link:
        """Return the latest link of that name.

        Args:
            name: of the link.
        """
        for link in reversed(self.links):
            if link.name == name:
                return link
        raise AssertionError(f"there was no link {name!r}; there were {[link.name for link in self.links]}")

    def count(self, kind: type[CompositeBase]) -> int:
        """Return how many frames of a kind came.

        Args:
            kind: the performative.
        """
        return self._counts[kind]

    def received(self, kind: type[P]) -> list[P]:
        """Return the performatives of a kind that came, oldest first, among the latest 1 000 entries of the trace.

        Args:
            kind: the performative.
        """
        bodies = (entry.performative for entry in self.trace if not entry.sent)
        return [body for body in bodies if isinstance(body, kind)]

    # --- bytes and time -----------------------------------------------------------------------------------------------

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes of the tested end. What is wrong with them is kept in `failure`, not raised.

        Args:
            data: any number of bytes.
        """
        with self.lock:
            for unit in self._splitter.feed(bytes(data)):
                if self.finished:
                    return
                self._guarded(lambda unit=unit: self._receive(unit))  # type: ignore[misc]

    def receive_eof(self, cause: BaseException | None = None) -> None:
        """Learn that the tested end closed the transport.

        Args:
            cause: the error that said so, if any.
        """
        with self.lock:
            if not self.finished:
                label = f"connection lost: {cause}" if cause else "end of the connection"
                self.trace.append(TraceEntry(False, label=label))
                self._guarded(lambda: self._arrive(Arrival(b"")))
                self.finished = True

    def data_to_send(self) -> bytes:
        """Take what is to be sent."""
        with self.lock:
            data = bytes(self._output)
            self._output.clear()
            return data

    def tick(self, now: float) -> float | None:
        """Learn the time, and return when it is needed next; None where it is not.

        Args:
            now: seconds of any steady clock.
        """
        with self.lock:
            self._now = now
            self._guarded(self._advance)
            waits = [step.until for step in self._steps if isinstance(step, Wait) and step.until is not None]
            return min(waits, default=None)

    def _guarded(self, work: Callable[[], None]) -> None:
        """Run what may fail for the script's, the tested end's or a callable's sake, and keep the failure."""
        if self.failure is not None:
            return
        try:
            work()
        except AssertionError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 - callables of the script run in here; `check` raises what they did
            failure = ScriptFailure(f"the script raised {type(error).__name__}: {error}" + self._situation())
            failure.__cause__ = error
            self._fail(failure)

    def _fail(self, failure: AssertionError) -> None:
        self.failure = failure
        self.finished = True
        self.on_output()

    def _situation(self, without: Collection[Step] = ()) -> str:
        return steps_text([step for step in self._steps if step not in without]) + trace_text(self.trace)

    # --- receiving ----------------------------------------------------------------------------------------------------

    def _receive(self, unit: bytes) -> None:
        items = self._reader.feed(unit)
        if self._reader.error is not None or self._reader.buffered:
            reason = self._reader.error or "its size is wrong"
            self.trace.append(TraceEntry(False, label=f"{len(unit)} bytes that are no frame"))
            raise ScriptFailure(f"what came is no AMQP: {reason}\n\n{hex_text(unit)}" + self._situation())
        item = items[0] if items else None
        assert item is None or isinstance(item, ProtocolHeader | Frame)
        arrival = Arrival(unit, item)
        if isinstance(item, Frame):
            self._record(item, arrival)
        else:
            self.trace.append(TraceEntry(False, label=str(arrival)))
        self._arrive(arrival)

    def _record(self, frame: Frame, arrival: Arrival) -> None:
        channel, body, payload = frame.channel, frame.performative, frame.payload
        self.trace.append(TraceEntry(False, body, channel, payload))
        self._counts[type(body)] += 1
        broken = violation(self._ledger, channel, body, payload) if self._strict else None
        if broken is not None:
            raise ScriptFailure(f"the specification forbids what came: {broken}\n\n  {arrival}" + self._situation())
        before = self._belongings(channel, body)
        self._ledger.received(channel, body, payload)
        # A detach or an end belongs to what was there before it, an attach or a begin to what is there after it.
        after = self._belongings(channel, body)
        arrival.session, arrival.link = after[0] or before[0], after[1] or before[1]

    def _belongings(self, channel: int, body: CompositeBase) -> tuple[Session | None, Link | None]:
        session = None if isinstance(body, SaslFrame) else self._ledger.session_by_remote_channel(channel)
        handle = getattr(body, "handle", None)
        return session, session.link_by_remote_handle(handle) if session and handle is not None else None

    def _arrive(self, arrival: Arrival) -> None:
        if any(isinstance(step, Wait) for step in self._steps[:1]):
            self._held.append(arrival)
            return
        index, expectation = self._find(arrival)
        if expectation is not None:
            self._take(index, expectation, arrival)
        elif not (arrival.is_empty or (arrival.is_end and self.done)):
            opened = self._open_expectations()
            raise ScriptFailure(mismatch_text(arrival, opened) + self._situation(without=opened))

    def _open_expectations(self) -> list[Expectation[Any]]:
        found: list[Expectation[Any]] = []
        for step in self._steps:
            found += step.open_expectations()
            if step.holds_up:
                break
        return found

    def _find(self, arrival: Arrival) -> tuple[int, Expectation[Any] | None]:
        """Find the expectation that an arrival fulfills, and its place in the script; -1 for a standing one."""
        for index, step in enumerate(self._steps):
            for expectation in step.open_expectations():
                if expectation.matches(arrival):
                    return index, expectation
            if step.holds_up:
                break
        return -1, next((item for item in self._standing if item.matches(arrival)), None)

    def _take(self, index: int, expectation: Expectation[Any], arrival: Arrival) -> None:
        if index >= 0 and self._steps[index].holds_up:
            del self._steps[:index]
        self._insert(0, lambda: expectation.take(arrival))
        self._steps = [step for step in self._steps if not step.is_done]
        self._advance()

    # --- playing ------------------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Do all that nothing holds up."""
        index = 0
        while index < len(self._steps):
            step = self._steps[index]
            if isinstance(step, Act):
                del self._steps[index]
                self._insert(index, step.run)
            elif isinstance(step, Wait) and self._is_over(step):
                del self._steps[index]
                self._look_at_what_was_held()
            elif step.holds_up:
                break
            else:
                index += 1
        ledger = self._ledger
        if ledger.local_close is not None and ledger.remote_close is not None and self.done:
            self.finished = True

    def _insert(self, index: int, work: Callable[[], object]) -> None:
        """Run something that may add to the script: what it adds comes next."""
        outer, self._inserted = self._inserted, []
        try:
            work()
        finally:
            self._steps[index:index] = self._inserted
            self._inserted = outer

    def _is_over(self, step: Wait) -> bool:
        if step.until is None:
            step.until = self._now + step.seconds
        return self._now >= step.until

    def _look_at_what_was_held(self) -> None:
        held, self._held = self._held, deque()
        self._advance()
        for arrival in held:
            self._arrive(arrival)

    # --- reacting and sending -----------------------------------------------------------------------------------------

    def answer(self, arrival: Arrival, kind: type[CompositeBase] | None, fields: Mapping[str, object]) -> None:
        """Send what answers an arrival: part of the workings of `Expectation.respond`."""
        if isinstance(arrival.item, ProtocolHeader):
            self._write_header(arrival.item.protocol_id)
            return
        body = arrival.performative
        natural = ANSWERS.get(type(body))
        if kind is None or kind is natural:
            mirrored = mirror(body, arrival.link)
            if mirrored is None:
                return
            fields = {**mirrored, **fields}
        kind = kind or natural
        assert kind is not None, f"there is no natural answer to {arrival}"
        session, link = arrival.session or self._latest_session(), arrival.link
        channel, made = complete(kind, fields, Context(self._ledger, self.options, session, link))
        assert channel is not None, f"no session is begun to answer {arrival} in"
        self._write(channel, made)

    def react(self, reaction: object, arrival: Arrival) -> None:
        """Send a frame or bytes, or call a callable: part of the workings of `Expectation.then`."""
        if isinstance(reaction, bytes):
            self._write_raw(reaction)
        elif isinstance(reaction, CompositeBase):
            session = arrival.session
            channel = session.local_channel if session is not None else 0
            self._write(channel or 0, reaction)
        else:
            assert callable(reaction), f"neither a frame nor bytes nor callable: {reaction!r}"
            reaction(arrival.performative if isinstance(arrival.item, Frame) else arrival.item)

    def _context(
        self,
        frame: CompositeBase | type[CompositeBase],
        link: LinkName,
        session: Session | Expectation[Begin] | None,
        fields: Mapping[str, object],
    ) -> Context:
        kind = frame if isinstance(frame, type) else type(frame)
        chosen = session.session if isinstance(session, Expectation) else session
        found = self._named_link(link)
        if chosen is None and found is not None:
            chosen = found.session
        if chosen is None:
            chosen = self._unanswered_session() if kind is Begin else self._latest_session()
        if found is None and chosen is not None and kind not in (Attach, Begin):
            found = _latest_link(chosen, as_sender=kind is Transfer)
        return Context(self._ledger, self.options, chosen, found)

    def _named_link(self, name: LinkName) -> Link | None:
        if isinstance(name, Expectation):
            return name.link
        return self.link(name) if isinstance(name, str) else name

    def _latest_session(self) -> Session | None:
        return next((session for session in reversed(self.sessions) if session.is_open_here), None)

    def _unanswered_session(self) -> Session | None:
        return next((session for session in self.sessions if session.local is None), None)

    def _write(self, channel: int, body: CompositeBase, payload: bytes = b"") -> None:
        self._writer.write_frame(channel, body, payload)
        self._output += self._writer.take()
        if isinstance(body, Open):
            self._reader.max_frame_size = self._splitter.max_frame_size = body.max_frame_size
        self._ledger.sent(channel, body)
        self.trace.append(TraceEntry(True, body, channel, payload))
        self.on_output()

    def _write_header(self, protocol_id: int) -> None:
        self._writer.write_header(protocol_id)
        self._output += self._writer.take()
        self.trace.append(TraceEntry(True, label=f"header {protocol_text(protocol_id)} 1.0.0"))
        self.on_output()

    def _write_raw(self, data: bytes) -> None:
        self._output += data
        self.trace.append(TraceEntry(True, label="empty frame" if data == EMPTY_FRAME else f"raw {text_of(data)}"))
        self.on_output()


def _latest_link(session: Session, *, as_sender: bool) -> Link | None:
    for link in reversed(session.links):
        if link.is_open_here and not (as_sender and link.local_role):
            return link
    return None
