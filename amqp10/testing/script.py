"""What a script is made of: expectations, with what is done when they come true, and acts of the peer's own.

Steps know how to compare and to describe themselves; the order in which they are taken is the peer's.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any, Generic, Protocol, TypeVar, cast

from amqp10._codec import CompositeBase, Frame, ProtocolHeader
from amqp10.performatives import Attach, Begin
from amqp10.testing.defaults import ANSWERS
from amqp10.testing.ledger import Link, Session
from amqp10.testing.matchers import ANY, check_fields, matcher_of
from amqp10.testing.text import call_text, dump, field_text, item_text, text_of

__all__ = [
    "Act",
    "AnyOrder",
    "Arrival",
    "BytesPattern",
    "Difference",
    "EmptyPattern",
    "EndPattern",
    "Expectation",
    "FramePattern",
    "HeaderPattern",
    "LinkName",
    "Pattern",
    "Player",
    "SessionName",
    "Step",
    "Wait",
    "compare",
    "origin",
]

_P = TypeVar("_P")

_KEPT_ARRIVALS = 1000  # of one expectation


@dataclass(slots=True, eq=False)
class Arrival:
    """One thing that came: a protocol header, a frame, an empty frame, or the end of the connection.

    Attributes:
        raw: its bytes; none at the end of the connection.
        item: as the codec read it; None for an empty frame and the end of the connection.
        session: what the frame belongs to; None where that is no session.
        link: what the frame belongs to; None where that is no link.
    """

    raw: bytes
    item: ProtocolHeader | Frame | None = None
    session: Session | None = None
    link: Link | None = None

    @property
    def is_end(self) -> bool:
        """Whether this is the end of the connection."""
        return not self.raw

    @property
    def is_empty(self) -> bool:
        """Whether this is a frame without a body, as sent to keep a connection alive."""
        return self.item is None and not self.is_end

    @property
    def performative(self) -> Any:
        """The frame's body; None where it is no frame, or has none."""
        return self.item.performative if isinstance(self.item, Frame) else None

    def __str__(self) -> str:
        return "end of the connection" if self.is_end else item_text(self.item)


@dataclass(frozen=True, slots=True)
class Difference:
    """One point in which an arrival was compared with what was expected.

    Attributes:
        name: of the field.
        expected: as text.
        received: as text.
        agrees: whether it is as expected.
    """

    name: str
    expected: str
    received: str
    agrees: bool


def compare(name: str, expected: object, received: object, *, of: type | None = None) -> Difference:
    """Compare one field.

    Args:
        name: of the field.
        expected: a value or a matcher.
        received: the value that came.
        of: what the field belongs to; None where it is part of no performative.
    """
    agrees = bool(expected == received)
    return Difference(name, field_text(of, name, expected), field_text(of, name, received), agrees)


class Pattern:
    """What an arrival is compared with."""

    def compare(self, arrival: Arrival) -> list[Difference] | None:
        """Compare point by point.

        Returns:
            One entry for each point of interest; None where it is something else altogether.
        """
        raise NotImplementedError


class FramePattern(Pattern):
    """A frame with a body.

    Args:
        kind: the class of its body.
        channel: the channel, or a matcher of it.
        payload: what follows the performative, or a matcher of it.
        fields: the body's fields, or matchers of them; the others may be anything.
        link: the link it must belong to; None is any, or none.
    """

    def __init__(
        self,
        kind: type[CompositeBase],
        channel: object,
        payload: object,
        fields: Mapping[str, object],
        link: LinkName = None,
    ) -> None:
        check_fields(kind, fields)
        self.link = link
        self.kind = kind
        self.channel = matcher_of(channel)
        self.payload = matcher_of(payload)
        self.fields = {name: matcher_of(value) for name, value in fields.items()}

    def compare(self, arrival: Arrival) -> list[Difference] | None:
        """Compare channel, link, fields and payload."""
        item = arrival.item
        if not isinstance(item, Frame) or not isinstance(item.performative, self.kind):
            return None
        body = item.performative
        found = [] if self.channel is ANY else [compare("channel", self.channel, item.channel)]
        if self.link is not None:
            found.append(self._compare_link(arrival))
        found += [compare(name, value, getattr(body, name), of=self.kind) for name, value in self.fields.items()]
        if self.payload is not ANY:
            found.append(compare("payload", self.payload, item.payload))
        return found

    def _compare_link(self, arrival: Arrival) -> Difference:
        link, meant = arrival.link, self.link
        if isinstance(meant, Expectation):
            meant = meant.arrivals[-1].link if meant.arrivals else None
        agrees = link is not None and (link.name == meant if isinstance(meant, str) else link is meant)
        return Difference("link", text_of(meant), text_of(link), agrees)

    def __str__(self) -> str:
        fields = dict(self.fields)
        if self.link is not None:
            fields["link"] = self.link
        if self.channel is not ANY:
            fields["channel"] = self.channel
        if self.payload is not ANY:
            fields["payload"] = self.payload
        return call_text(self.kind, fields)


class HeaderPattern(Pattern):
    """A protocol header.

    Args:
        protocol_id: 0 for AMQP, 3 for SASL.
    """

    def __init__(self, protocol_id: int) -> None:
        self.protocol_id = protocol_id

    def compare(self, arrival: Arrival) -> list[Difference] | None:
        """Compare protocol and version."""
        item = arrival.item
        if not isinstance(item, ProtocolHeader):
            return None
        version = (item.major, item.minor, item.revision)
        return [compare("protocol_id", self.protocol_id, item.protocol_id), compare("version", (1, 0, 0), version)]

    def __str__(self) -> str:
        return f"header of protocol {self.protocol_id}"


class BytesPattern(Pattern):
    """A frame or header of which every byte is given.

    Args:
        expected: the bytes.
    """

    def __init__(self, expected: bytes) -> None:
        self.expected = expected

    def compare(self, arrival: Arrival) -> list[Difference] | None:
        """Compare the bytes."""
        if arrival.is_end:
            return None
        return [Difference("bytes", dump(self.expected), dump(arrival.raw), arrival.raw == self.expected)]

    def __str__(self) -> str:
        return f"exactly {self.expected.hex(' ')}"


class EmptyPattern(Pattern):
    """A frame without a body."""

    def compare(self, arrival: Arrival) -> list[Difference] | None:
        """Look whether there is a body."""
        return [] if arrival.is_empty else None

    def __str__(self) -> str:
        return "empty frame"


class EndPattern(Pattern):
    """The end of the connection."""

    def compare(self, arrival: Arrival) -> list[Difference] | None:
        """Look whether the connection ended."""
        return [] if arrival.is_end else None

    def __str__(self) -> str:
        return "end of the connection"


def origin() -> str:
    """Return file and line of the script: the nearest caller that is no part of this package."""
    frame: FrameType | None = sys._getframe(1)
    package = __name__.rpartition(".")[0] + "."
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith(package):
        frame = frame.f_back
    if frame is None:
        return "unknown place"
    return f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno}"


class Step:
    """One step of a script."""

    def __init__(self) -> None:
        self.origin = origin()

    def __repr__(self) -> str:
        return f"<{self} ({self.origin})>"

    @property
    def holds_up(self) -> bool:
        """Whether what follows must wait for this."""
        return True

    def open_expectations(self) -> Iterator[Expectation[Any]]:
        """Yield what may come while the script stands at this step."""
        return iter(())

    @property
    def is_done(self) -> bool:
        """Whether the script may forget this step."""
        raise NotImplementedError


class Act(Step):
    """Something the peer does of itself.

    Args:
        run: does it.
        text: says what it is.
    """

    def __init__(self, run: Callable[[], object], text: str) -> None:
        super().__init__()
        self._run = run
        self._text = text
        self._was_run = False

    def run(self) -> None:
        """Do it, once."""
        self._was_run = True
        self._run()

    @property
    def is_done(self) -> bool:
        """Whether it was done."""
        return self._was_run

    def __str__(self) -> str:
        return self._text


class Wait(Step):
    """Time that passes before the script goes on.

    Args:
        seconds: how much.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.until: float | None = None  # known at the first tick after the script got here
        self.over = False

    @property
    def is_done(self) -> bool:
        """Whether the time is over."""
        return self.over

    def __str__(self) -> str:
        return f"wait {self.seconds:g} s"


class Player(Protocol):
    """What sends for an expectation."""

    def answer(self, arrival: Arrival, kind: type[CompositeBase] | None, fields: Mapping[str, object]) -> None:
        """Send what answers an arrival."""

    def react(self, reaction: CompositeBase | bytes | Callable[[Any], object], arrival: Arrival) -> None:
        """Send a frame or bytes, or call a callable with what came."""


class Expectation(Step, Generic[_P]):
    """A frame that the script waits for, and what the peer does when it comes.

    ::

        attach = peer.expect_attach(role=True).respond(max_message_size=1000)
        ...
        assert attach.frame.source.address == "orders"

    Unless told otherwise it must come exactly once.

    Args:
        pattern: what it is compared with.
        player: what sends for it.
    """

    def __init__(self, pattern: Pattern, player: Player) -> None:
        super().__init__()
        self.pattern = pattern
        self.arrivals: deque[Arrival] = deque(maxlen=_KEPT_ARRIVALS)
        """What came for it, in order, the latest 1 000."""
        self.count = 0
        """How often it came."""
        self._player = player
        self._reactions: list[Callable[[Arrival], None]] = []
        self._least, self._most = 1, 1.0  # how often it must come, and how often it may

    # --- what users say about it --------------------------------------------------------------------------------------

    def respond(self, kind: type[CompositeBase] | None = None, /, **fields: object) -> Expectation[_P]:
        """Send an answer when it comes; several calls send several frames, in order.

        The natural answer to a frame takes over from it what an obliging peer takes over: an attach comes back with
        the link's name, the opposite role, the same settle modes, source and target; a delivery is accepted and
        settled with its last transfer (one that came settled is left alone); a flow is echoed, one with drain by
        a sender that uses up its credit; a protocol header and a close come back as they are. Channel, handle
        and ids are the peer's own.

        Args:
            kind: another performative than the natural answer; left out, that one.
            fields: its fields, where they are to be other than the peer would make them.

        Raises:
            TypeError: the answer has no such field, or there is no natural answer.
        """
        answer = kind
        if answer is None and isinstance(self.pattern, FramePattern):
            answer = ANSWERS.get(self.pattern.kind)
            if answer is None:
                raise TypeError(f"no answer to {self.pattern.kind.__name__} is known: name one")
        if answer is not None:
            check_fields(answer, fields)
        self._reactions.append(lambda arrival: self._player.answer(arrival, kind, fields))
        return self

    def then(self, *reactions: CompositeBase | bytes | Callable[[_P], object]) -> Expectation[_P]:
        """Do more when it comes.

        Args:
            reactions: performatives to send as they are; bytes to send as they are; or callables, called with the
                frame's body. What a callable adds to the script comes next, before the rest of it.
        """
        for reaction in reactions:
            self._reactions.append(lambda arrival, reaction=reaction: self._player.react(reaction, arrival))  # type: ignore[misc]
        return self

    def optional(self) -> Expectation[_P]:
        """Let it come once or not at all.

        It holds nothing up: what follows is done at once, and the chance is over when the next frame that must come
        has come.
        """
        return self.times(0, 1)

    def times(self, least: int, most: float | None = None) -> Expectation[_P]:
        """Let it come several times.

        Args:
            least: how often it must come. Once it has, it holds nothing up any more.
            most: how often it may come; None is as often as it must, `math.inf` is without limit.
        """
        self._least = least
        self._most = least if most is None else most
        return self

    # --- what users ask it --------------------------------------------------------------------------------------------

    @property
    def arrival(self) -> Arrival:
        """What came for it, the latest.

        Raises:
            AssertionError: nothing has come.
        """
        assert self.arrivals, f"{self} has not come"
        return self.arrivals[-1]

    @property
    def frame(self) -> _P:
        """The body of the frame that came for it, the latest; for a header, the header.

        Raises:
            AssertionError: nothing has come.
        """
        arrival = self.arrival
        return cast("_P", arrival.item if isinstance(arrival.item, ProtocolHeader) else arrival.performative)

    @property
    def channel(self) -> int:
        """The channel of the frame that came for it, the latest."""
        item = self.arrival.item
        assert isinstance(item, Frame), f"{self} is no frame"
        return item.channel

    @property
    def payload(self) -> bytes:
        """The payload of the frame that came for it, the latest."""
        item = self.arrival.item
        assert isinstance(item, Frame), f"{self} is no frame"
        return item.payload

    @property
    def link(self) -> Link:
        """The link that the latest frame belongs to, as the peer's books have it."""
        link = self.arrival.link
        assert link is not None, f"{self} belongs to no link"
        return link

    @property
    def session(self) -> Session:
        """The session that the latest frame belongs to, as the peer's books have it."""
        session = self.arrival.session
        assert session is not None, f"{self} belongs to no session"
        return session

    # --- what the peer asks it ----------------------------------------------------------------------------------------

    @property
    def holds_up(self) -> bool:
        """Whether it must still come."""
        return self.count < self._least

    @property
    def is_done(self) -> bool:
        """Whether it cannot come again."""
        return self.count >= self._most

    def open_expectations(self) -> Iterator[Expectation[Any]]:
        """Yield itself."""
        if not self.is_done:
            yield self

    def matches(self, arrival: Arrival) -> bool:
        """Tell whether an arrival is what this waits for."""
        differences = self.pattern.compare(arrival)
        return differences is not None and all(difference.agrees for difference in differences)

    def take(self, arrival: Arrival) -> None:
        """Do what is to be done about an arrival that matches."""
        self.count += 1
        self.arrivals.append(arrival)
        for reaction in self._reactions:
            reaction(arrival)

    def __str__(self) -> str:
        often = ""
        if (self._least, self._most) != (1, 1):
            often = (
                f", {self._least} to {self._most:g} times" if self._least != self._most else f", {self._least} times"
            )
        return f"expect {self.pattern}{often}"


class AnyOrder(Step):
    """Expectations that may come true in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.expectations: list[Expectation[Any]] = []

    @property
    def holds_up(self) -> bool:
        """Whether any of them must still come."""
        return any(expectation.holds_up for expectation in self.expectations)

    @property
    def is_done(self) -> bool:
        """Whether none of them can come again."""
        return all(expectation.is_done for expectation in self.expectations)

    def open_expectations(self) -> Iterator[Expectation[Any]]:
        """Yield those that did not come, in the order of the script."""
        for expectation in self.expectations:
            yield from expectation.open_expectations()

    def __str__(self) -> str:
        return "in any order: " + "; ".join(map(str, self.open_expectations()))


LinkName = Link | Expectation[Attach] | str | None
"""How a script names a link: as the books have it, by the expectation of its attach, by its name; None: the latest."""

SessionName = Session | Expectation[Begin] | None
"""How a script names a session: as the books have it, by the expectation of its begin; None: the latest."""
