"""Faults, one direction at a time."""

from typing import Any

import pytest

from amqp10.performatives import Begin, Close, Open
from amqp10.testing.faults import (
    Break,
    Corrupt,
    Cut,
    Delay,
    Drop,
    Duplicate,
    Fault,
    Lane,
    Pause,
    Piece,
    Replace,
    Split,
    Stall,
    Truncate,
)
from amqp10.testing.wire import AMQP_HEADER, EMPTY_FRAME, frame_bytes

OPEN = frame_bytes("02 00 00 00  00 53 10 c0 07 01 a1 04 'hand'")
CLOSE = frame_bytes("02 00 00 00  00 53 18 45")
UNITS = [AMQP_HEADER, OPEN, EMPTY_FRAME, CLOSE, CLOSE]


def through(fault: Fault, size: int = 1000) -> list[Piece]:
    """Sends all units through a fault, in chunks."""
    stream = b"".join(UNITS)
    pieces: list[Piece] = []
    for start in range(0, len(stream), size):
        pieces += fault.apply(stream[start : start + size])
    return pieces


H, P, E, C = AMQP_HEADER, OPEN, EMPTY_FRAME, CLOSE
CASES: list[tuple[type[Fault], tuple[Any, ...], dict[str, Any], list[Any]]] = [
    (Drop, (), {}, [P, E, C, C]),
    (Drop, (), {"nth": 3}, [H, P, C, C]),
    (Drop, (Close,), {}, [H, P, E, C]),
    (Drop, (Close,), {"nth": 2}, [H, P, E, C]),
    (Drop, (Close,), {"nth": None}, [H, P, E]),
    (Drop, (Close,), {"nth": 3}, UNITS),
    (Drop, (Begin,), {}, UNITS),
    (Duplicate, (Open,), {}, [H, P, P, E, C, C]),
    (Replace, (b"xyz", Open), {}, [H, b"xyz", E, C, C]),
    (Corrupt, (-1, None, Close), {}, [H, P, E, C[:-1] + b"\xba", C]),
    (Corrupt, (4, 9), {"nth": 2}, [H, P[:4] + b"\x09" + P[5:], E, C, C]),
    (Delay, (2.5, Close), {"nth": 2}, [H, P, E, C, Pause(2.5), C]),
    (Cut, (Open,), {"keep": 3}, [H, P[:3], Break(False), E, C, C]),
    (Cut, (), {"nth": 4, "reset": True}, [H, P, E, b"", Break(True), C]),
    (Stall, (Open,), {}, [H, Pause(None), P, E, C, C]),
]


@pytest.mark.parametrize(("kind", "arguments", "keywords", "expected"), CASES)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_frames(
    kind: type[Fault], arguments: tuple[Any, ...], keywords: dict[str, Any], expected: list[Piece], size: int
) -> None:
    assert through(kind(*arguments, **keywords), size) == expected


def test_split() -> None:
    assert list(Split(3).apply(b"abcdefgh")) == [b"abc", b"def", b"gh"]
    assert list(Split(3).apply(b"")) == []


def test_truncate() -> None:
    fault = Truncate(5)
    assert list(fault.apply(b"abc")) == [b"abc"]
    assert list(fault.apply(b"de")) == [b"de"]
    assert list(fault.apply(b"f")) == [b"", Break(False)]
    assert list(Truncate(2, reset=True).apply(b"abc")) == [b"ab", Break(True)]


def drain(lane: Lane, now: float, limit: int | None = None) -> list[bytes | Break]:
    found = []
    while (piece := lane.pop(now, limit)) is not None:
        found.append(piece)
    return found


def test_a_lane_passes_bytes_on() -> None:
    lane = Lane()
    lane.push(b"abc", 0)
    lane.push(b"de", 0)
    assert drain(lane, 0, limit=2) == [b"ab", b"c", b"de"]
    lane.end(0)
    lane.push(b"lost", 0)
    assert lane.broken
    assert drain(lane, 0) == [Break(False)]


def test_a_reset_overtakes() -> None:
    lane = Lane()
    lane.push(b"abc", 0)
    lane.end(0, reset=True)
    assert drain(lane, 0) == [Break(True)]


def test_faults_in_a_row() -> None:
    lane = Lane([Drop(Open), Split(5), Truncate(12)])
    lane.push(b"".join(UNITS), 0)
    assert drain(lane, 0) == [H[:5], H[5:], E[:4], Break(False)]


def test_delays() -> None:
    lane = Lane([Delay(2.0, Close, nth=None)])
    lane.push(P + C, 10.0)
    lane.push(E, 11.0)
    lane.push(C, 13.0)
    assert drain(lane, 10.0) == [P]
    assert lane.next_due == 12.0
    assert drain(lane, 11.9) == []
    assert drain(lane, 12.0) == [C, E]
    assert lane.next_due == 15.0
    assert drain(lane, 15.0) == [C]
    assert lane.next_due is None


def test_a_stalled_lane_is_full() -> None:
    lane = Lane([Stall(Close)])
    lane.push(P + C + E, 0)
    assert drain(lane, 1e9) == [P]
    assert (lane.is_full, lane.stalled, lane.next_due) == (True, True, None)


def test_a_lane_stays_stalled() -> None:
    lane = Lane([Stall(Open), Delay(1.0, Close)])
    lane.push(P + C, 0)
    assert lane.stalled
    assert drain(lane, 1e9) == []


def test_capacity() -> None:
    lane = Lane(capacity=4)
    full = []
    for data in (b"abc", b"d"):
        lane.push(data, 0)
        full.append(lane.is_full)
    lane.pop(0, 1)
    assert [*full, lane.is_full] == [False, True, False]


def test_without_capacity_it_is_never_full() -> None:
    lane = Lane()
    lane.push(bytes(1_000_000), 0)
    assert not lane.is_full
