"""What the scripted peer says: frames completed from the books, written, and entered there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableSequence
from typing import Any

from amqp10._codec import CompositeBase, Frame, FrameWriter, ProtocolHeader
from amqp10.performatives import Attach, Begin, Transfer
from amqp10.testing.defaults import ANSWERS, Context, PeerOptions, complete, mirror
from amqp10.testing.ledger import Ledger, Link, Session
from amqp10.testing.report import TraceEntry
from amqp10.testing.script import Arrival, Expectation, LinkName, SessionName
from amqp10.testing.text import ScriptFailure, protocol_text, text_of
from amqp10.testing.wire import EMPTY_FRAME

__all__ = ["Speaker"]


class Speaker:
    """Writes what the scripted peer sends.

    Args:
        ledger: where it is recorded.
        trace: where it is noted.
        options: what to say where the script says nothing.

    Attributes:
        output: what was written and not taken.
    """

    def __init__(self, ledger: Ledger, trace: MutableSequence[TraceEntry], options: PeerOptions) -> None:
        self.output = bytearray()
        self._ledger = ledger
        self._trace = trace
        self._options = options
        self._writer = FrameWriter()

    # --- writing ------------------------------------------------------------------------------------------------------

    def write(self, channel: int, body: CompositeBase, payload: bytes = b"") -> None:
        """Write a frame.

        Args:
            channel: on which.
            body: the performative.
            payload: what follows it.
        """
        self._writer.write_frame(channel, body, payload)
        self.output += self._writer.take()
        self._ledger.sent(channel, body)
        self._trace.append(TraceEntry.of_frame(body, channel, payload, sent=True))

    def write_header(self, protocol_id: int) -> None:
        """Write a protocol header.

        Args:
            protocol_id: of its layer.
        """
        self._writer.write_header(protocol_id)
        self.output += self._writer.take()
        self._trace.append(TraceEntry(True, label=f"header {protocol_text(protocol_id)} 1.0.0"))

    def write_raw(self, data: bytes) -> None:
        """Write bytes that the books do not understand.

        Args:
            data: any bytes.
        """
        self.output += data
        self._trace.append(TraceEntry(True, label="empty frame" if data == EMPTY_FRAME else f"raw {text_of(data)}"))

    # --- answering ----------------------------------------------------------------------------------------------------

    def answer(self, arrival: Arrival, kind: type[CompositeBase] | None, fields: Mapping[str, object]) -> None:
        """Send what answers an arrival.

        Args:
            arrival: what came.
            kind: the performative to answer with; None is the natural one.
            fields: its fields, where they are to be other than the peer would make them.
        """
        if isinstance(arrival.item, ProtocolHeader):
            self.write_header(arrival.item.protocol_id)
            return
        natural = ANSWERS.get(type(arrival.performative))
        if kind is None or kind is natural:
            mirrored = mirror(arrival.performative, arrival.link)
            if mirrored is None:
                return
            fields = {**mirrored, **fields}
        answer = kind or natural
        if answer is None:
            raise ScriptFailure(f"no natural answer is known to: {arrival}")
        session = arrival.session or self._latest_session()
        self._complete(answer, fields, Context(self._ledger, self._options, session, arrival.link), None, b"")

    def react(self, reaction: CompositeBase | bytes | Callable[[Any], object], arrival: Arrival) -> None:
        """Send a frame or bytes as they are, or call a callable.

        Args:
            reaction: which of them.
            arrival: what came; the frame goes out in its session, and the callable gets its body.
        """
        if isinstance(reaction, bytes):
            self.write_raw(reaction)
        elif isinstance(reaction, CompositeBase):
            channel = arrival.session.local_channel if arrival.session is not None else 0
            self.write(channel or 0, reaction)
        else:
            reaction(arrival.performative if isinstance(arrival.item, Frame) else arrival.item)

    # --- speaking unasked ---------------------------------------------------------------------------------------------

    def say(
        self,
        frame: CompositeBase | type[CompositeBase],
        fields: Mapping[str, object],
        *,
        channel: int | None,
        payload: bytes,
        link: LinkName,
        session: SessionName,
    ) -> None:
        """Send a frame as it is, or make one.

        Args:
            frame: a performative, or its class.
            fields: of a performative to be made, as far as they are given.
            channel: on which; None is that of the session.
            payload: what follows the performative.
            link: what it is about.
            session: what it belongs to.
        """
        context = self._context(frame if isinstance(frame, type) else type(frame), link, session)
        if isinstance(frame, type):
            self._complete(frame, fields, context, channel, payload)
            return
        if channel is None:
            channel = context.session.local_channel if context.session is not None else 0
        self.write(channel or 0, frame, payload)

    def _complete(
        self,
        kind: type[CompositeBase],
        fields: Mapping[str, object],
        context: Context,
        channel: int | None,
        payload: bytes,
    ) -> None:
        known, body = complete(kind, fields, context)
        number = known if channel is None else channel
        if number is None:
            raise ScriptFailure(f"the {kind.__name__} needs a session, and none is begun: name a channel")
        self.write(number, body, payload)

    def _context(self, kind: type[CompositeBase], link: LinkName, session: SessionName) -> Context:
        named = found = self._named_link(link)
        chosen = session.session if isinstance(session, Expectation) else session
        if chosen is None and found is not None:
            chosen = found.session
        if chosen is None:
            chosen = self._unanswered_session() if kind is Begin else self._latest_session()
        if found is None and chosen is not None and kind not in (Attach, Begin):
            found = _latest_link(chosen, as_sender=kind is Transfer)
        return Context(self._ledger, self._options, chosen, found, link_is_named=named is not None)

    def _named_link(self, name: LinkName) -> Link | None:
        if isinstance(name, Expectation):
            return name.link
        return self._ledger.link(name) if isinstance(name, str) else name

    def _latest_session(self) -> Session | None:
        return next((session for session in reversed(self._ledger.sessions) if session.is_open_here), None)

    def _unanswered_session(self) -> Session | None:
        return next((session for session in self._ledger.sessions if session.local is None), None)


def _latest_link(session: Session, *, as_sender: bool) -> Link | None:
    for link in reversed(session.links):
        if link.is_open_here and not (as_sender and link.local_role):
            return link
    return None
