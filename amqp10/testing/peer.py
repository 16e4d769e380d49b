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

import math
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from amqp10._codec import CompositeBase, ProtocolHeader
from amqp10.testing.defaults import PeerOptions
from amqp10.testing.ledger import Ledger, Link, Session
from amqp10.testing.listener import Listener
from amqp10.testing.matchers import ANY, check_fields
from amqp10.testing.report import TraceEntry, mismatch_text, steps_text, trace_text
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
    LinkName,
    SessionName,
    Step,
    Wait,
)
from amqp10.testing.speaker import Speaker
from amqp10.testing.text import ScriptFailure, call_text, protocol_text, text_of
from amqp10.testing.vocabulary import AMQP, Vocabulary
from amqp10.testing.wire import EMPTY_FRAME, Splitter

__all__ = ["ScriptedPeer"]

_P = TypeVar("_P", bound=CompositeBase)

_KEPT = 1000  # entries of the trace


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
        self._ledger = Ledger(self.options.next_outgoing_id, self.options.delivery_id)
        self._listener = Listener(self._ledger, self.trace, strict=strict)
        self._speaker = Speaker(self._ledger, self.trace, self.options)
        self._steps: list[Step] = []
        self._standing: list[Expectation[Any]] = []
        self._group: AnyOrder | None = None  # being written
        self._inserted: list[Step] | None = None  # added by a callable that runs
        self._held: deque[Arrival] = deque()  # came while the script waits for time to pass
        self._now = 0.0

    def __repr__(self) -> str:
        state = "failed" if self.failure else "done" if self.done else f"{len(self._steps)} steps to go"
        return f"<ScriptedPeer {self.role} {state}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Assert that the script is done; an error under way is told how the exchange went."""
        if error is None:
            self.assert_done()
        elif error is not self.failure:
            error.add_note(self.story())

    # --- writing the script -------------------------------------------------------------------------------------------

    def expect(
        self,
        kind: type[_P],
        /,
        *,
        channel: object = ANY,
        payload: object = ANY,
        link: LinkName = None,
        **fields: object,
    ) -> Expectation[_P]:
        """Expect a frame.

        Args:
            kind: the performative, or the SASL body.
            channel: the frame's channel: a value, a matcher, or a predicate.
            payload: what follows the performative: a value, a matcher, or a predicate.
            link: which link it must belong to; None is any.
            fields: fields of the performative: values, matchers, classes or predicates. None is a field that is absent
                and has no default. Other fields may be anything.

        Returns:
            What to hang reactions on, and to ask for the frame afterwards.

        Raises:
            TypeError: the performative has no such field.
        """
        return self._expect(Expectation(FramePattern(kind, channel, payload, fields, link), self._speaker))

    def expect_header(self, protocol_id: int = AMQP) -> Expectation[ProtocolHeader]:
        """Expect a protocol header of version 1.0.0.

        Args:
            protocol_id: `AMQP` or `SASL`.
        """
        return self._expect(Expectation(HeaderPattern(protocol_id), self._speaker))

    def expect_empty(self) -> Expectation[None]:
        """Expect a frame without a body; those that come unexpected are let pass."""
        return self._expect(Expectation(EmptyPattern(), self._speaker))

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
        return self._expect(Expectation(BytesPattern(data), self._speaker))

    def expect_disconnect(self) -> Expectation[None]:
        """Expect the other end to close the transport."""
        return self._expect(Expectation(EndPattern(), self._speaker))

    def whenever(
        self,
        kind: type[_P],
        /,
        *,
        channel: object = ANY,
        payload: object = ANY,
        link: LinkName = None,
        **fields: object,
    ) -> Expectation[_P]:
        """Say what to do with frames that the script does not expect where they come, however many.

        ::

            peer.whenever(Transfer).respond()  # accept all deliveries

        Args:
            kind: as for `expect`.
            channel: as for `expect`.
            payload: as for `expect`.
            link: as for `expect`.
            fields: as for `expect`.
        """
        expectation: Expectation[_P] = Expectation(FramePattern(kind, channel, payload, fields, link), self._speaker)
        with self.lock:
            self._standing.append(expectation.times(0, math.inf))
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
        session: SessionName = None,
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
            self._speaker.say(frame, fields, channel=channel, payload=payload, link=link, session=session)

        text = call_text(frame, fields) if isinstance(frame, type) else text_of(frame)
        self._act(run, f"send {text}")

    def send_header(self, protocol_id: int = AMQP) -> None:
        """Send a protocol header, when the script gets here.

        Args:
            protocol_id: `AMQP` or `SASL`.
        """
        self._act(lambda: self._speaker.write_header(protocol_id), f"send header {protocol_text(protocol_id)}")

    def send_empty(self) -> None:
        """Send a frame without a body, when the script gets here."""
        self._act(lambda: self._speaker.write_raw(EMPTY_FRAME), "send empty frame")

    def send_raw(self, data: bytes) -> None:
        """Send bytes, whatever they are, when the script gets here. The peer draws no conclusions from them.

        Args:
            data: any bytes.
        """
        self._act(lambda: self._speaker.write_raw(data), f"send {text_of(data)}")

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
        self.check()
        if not self.done:
            raise ScriptFailure("the script did not come to its end" + self.situation())

    def story(self) -> str:
        """Return how the exchange went so far, as text: why it failed, or where the script stands."""
        return f"{self!r}\n\n{self.failure}" if self.failure is not None else f"{self!r}{self.situation()}"

    def situation(self) -> str:
        """Return what is still in the script and what went over the wire, as text."""
        return steps_text(self._steps) + trace_text(self.trace)

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
        return self._ledger.link(name)

    def count(self, kind: type[CompositeBase]) -> int:
        """Return how many frames of a kind came.

        Args:
            kind: the performative.
        """
        return self._listener.counts[kind]

    def received(self, kind: type[_P]) -> list[_P]:
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
            for unit in self._listener.feed(bytes(data)):
                if self.finished:
                    return
                self._guarded(lambda unit=unit: self._arrive(self._listener.read(unit)))  # type: ignore[misc]

    def receive_eof(self, cause: BaseException | None = None) -> None:
        """Learn that the tested end closed the transport.

        Args:
            cause: the error that said so, if any.
        """
        with self.lock:
            if not self.finished:
                self._guarded(lambda: self._arrive(self._listener.end(cause)))
                self.finished = True

    def data_to_send(self) -> bytes:
        """Take what is to be sent."""
        with self.lock:
            data = bytes(self._speaker.output)
            self._speaker.output.clear()
            return data

    def tick(self, now: float) -> float | None:
        """Learn the time, and return when it is needed next; None where it is not.

        Args:
            now: seconds of any steady clock.
        """
        with self.lock:
            self._now = now
            self._guarded(self._advance)
            step = self._blocking_step()
            if not isinstance(step, Wait) or self.finished:
                return None
            if step.until is None:
                step.until = now + step.seconds
            return step.until

    def _guarded(self, work: Callable[[], None]) -> None:
        """Run what may fail for the script's, the tested end's or a callable's sake, and keep the failure."""
        if self.failure is not None:
            return
        try:
            work()
        except ScriptFailure as error:
            self._fail(ScriptFailure(f"{error}{self.situation()}"))
        except AssertionError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 - callables of the script run in here; `check` raises what they did
            failure = ScriptFailure(f"the script raised {type(error).__name__}: {error}{self.situation()}")
            failure.__cause__ = error
            self._fail(failure)
        if self._speaker.output:
            self.on_output()

    def _fail(self, failure: AssertionError) -> None:
        self.failure = failure
        self.finished = True
        self.on_output()

    # --- playing ------------------------------------------------------------------------------------------------------

    def _arrive(self, arrival: Arrival) -> None:
        index, expectation = self._find(arrival)
        if self._held or (expectation is None and isinstance(self._blocking_step(), Wait)):
            self._held.append(arrival)
            return
        expectation = expectation or next((item for item in self._standing if item.matches(arrival)), None)
        if expectation is not None:
            self._take(index, expectation, arrival)
        elif not (arrival.is_empty or (arrival.is_end and self.done)):
            raise ScriptFailure(mismatch_text(arrival, self._open_expectations()))

    def _blocking_step(self) -> Step | None:
        return next((step for step in self._steps if step.holds_up), None)

    def _open_expectations(self) -> list[Expectation[Any]]:
        found: list[Expectation[Any]] = []
        for step in self._steps:
            found += step.open_expectations()
            if step.holds_up:
                break
        return found

    def _find(self, arrival: Arrival) -> tuple[int, Expectation[Any] | None]:
        """Find the expectation in the script that an arrival fulfills, and its place."""
        for index, step in enumerate(self._steps):
            for expectation in step.open_expectations():
                if expectation.matches(arrival):
                    return index, expectation
            if step.holds_up:
                break
        return -1, None

    def _take(self, index: int, expectation: Expectation[Any], arrival: Arrival) -> None:
        if index >= 0 and self._steps[index].holds_up:
            del self._steps[:index]
        self._insert(0, lambda: expectation.take(arrival))
        self._steps = [step for step in self._steps if not step.is_done]
        self._advance()

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
        return step.until is not None and self._now >= step.until

    def _look_at_what_was_held(self) -> None:
        held, self._held = self._held, deque()
        self._advance()
        for arrival in held:
            self._arrive(arrival)
