"""What a failure says: the frame that came beside what was expected, what is still to come, what went before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from amqp10._codec import CompositeBase
from amqp10.testing.script import Arrival, Difference, Expectation, Step
from amqp10.testing.text import frame_text

__all__ = ["TraceEntry", "mismatch_text", "steps_text", "trace_text"]

_KEPT_BYTES = 64  # of a payload
_SHOWN_ENTRIES = 20
_SHOWN_STEPS = 5


@dataclass(frozen=True, slots=True)
class TraceEntry:
    """One thing that went over the wire.

    Attributes:
        sent: whether the scripted peer sent it.
        performative: a frame's body; None for all that is no frame or has none.
        channel: of the frame.
        payload: of the frame, the first bytes.
        size: of the payload, in bytes.
        label: what it is, where it has no performative.
    """

    sent: bool
    performative: Any = None
    channel: int = 0
    payload: bytes = b""
    size: int = 0
    label: str = ""

    @classmethod
    def of_frame(cls, performative: CompositeBase, channel: int, payload: bytes, *, sent: bool) -> TraceEntry:
        """Note a frame; what a large payload goes on with is not kept.

        Args:
            performative: its body.
            channel: its channel.
            payload: what follows the performative.
            sent: whether the scripted peer sent it.
        """
        return cls(sent, performative, channel, payload[:_KEPT_BYTES], len(payload))

    def __str__(self) -> str:
        text = self.label or frame_text(self.channel, self.performative, self.payload, self.size)
        return f"{'→' if self.sent else '←'} {text}"


def mismatch_text(arrival: Arrival, expectations: Sequence[Expectation[Any]]) -> str:
    """Return what came beside each of the expectations it could have fulfilled.

    Args:
        arrival: what came.
        expectations: those that stood open.
    """
    name = type(arrival.performative).__name__ if arrival.performative is not None else str(arrival)
    if not expectations:
        return f"unexpected {name}: the script expects nothing more\n\n  {arrival}"
    parts = [f"unexpected {name}\n\n  {arrival}\n"]
    parts += [_comparison(arrival, expectation) for expectation in expectations]
    return "\n".join(parts)


def _comparison(arrival: Arrival, expectation: Expectation[Any]) -> str:
    differences = expectation.pattern.compare(arrival)
    title = f"  {expectation}  ({expectation.origin})"
    return title if differences is None else title + "\n" + _table(differences)


def _table(differences: Sequence[Difference]) -> str:
    if any("\n" in difference.expected for difference in differences):
        return "\n".join(
            f"    expected:\n{_indented(item.expected)}\n    came:\n{_indented(item.received)}" for item in differences
        )
    rows = [Difference("", "expected", "came", True), *differences]
    names, expected = (max(len(getattr(row, column)) for row in rows) for column in ("name", "expected"))
    return "\n".join(
        f"   {' ' if row.agrees else '✗'} {row.name:<{names}}  {row.expected:<{expected}}  {row.received}"
        for row in rows
    )


def _indented(text: str) -> str:
    return "\n".join("      " + line for line in text.splitlines())


def steps_text(steps: Sequence[Step]) -> str:
    """Return what the script still has before it.

    Args:
        steps: those not done.
    """
    if not steps:
        return ""
    lines = [f"  {step}  ({step.origin})" for step in islice(steps, _SHOWN_STEPS)]
    if len(steps) > _SHOWN_STEPS:
        lines.append(f"  … and {len(steps) - _SHOWN_STEPS} more")
    return "\n\nthe script from here on:\n" + "\n".join(lines)


def trace_text(entries: Iterable[object]) -> str:
    """Return the latest part of the exchange.

    Args:
        entries: all that is known of it, oldest first.
    """
    known = list(entries)
    if not known:
        return "\n\nthe exchange so far: nothing"
    lines = [f"  {entry}" for entry in known[-_SHOWN_ENTRIES:]]
    if len(known) > _SHOWN_ENTRIES:
        lines.insert(0, f"  … {len(known) - _SHOWN_ENTRIES} more")
    return "\n\nthe exchange so far (→ sent by the scripted peer, ← received by it):\n" + "\n".join(lines)
