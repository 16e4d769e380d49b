"""Dispositions that go on where the one before ended come as one, and say the same (§2.7.6)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqp10._codec import Delivery, Frame, FrameReader, TransferRun
from amqp10.outcomes import ACCEPTED
from amqp10.performatives import Disposition
from tests.codec.wire import EMPTY, HEADER, chunks, frame, list8, transfer

MASK = 2**32 - 1
ACCEPTED_LIST0, ACCEPTED_LIST8 = "00532445", "005324c00100"
RELEASED = "00532645"
DETACH = frame("005316c0020143", 1)


def uint(number: int | None) -> str:
    return "40" if number is None else f"70{number:08x}"


def disposition(
    first: int,
    last: int | None = None,
    *,
    role: str = "41",
    settled: str = "41",
    state: str = ACCEPTED_LIST0,
    rest: tuple[str, ...] = (),
    channel: int = 1,
) -> bytes:
    return frame("005315" + list8(role, uint(first), uint(last), settled, state, *rest), channel)


def feed(data: bytes, *, runs: bool = True) -> list[Any]:
    reader = FrameReader(10_000, runs=runs)
    reader.feed(HEADER)
    reader.bind(1, 0, Delivery, None)
    items = reader.feed(data)
    assert reader.error is None, reader.error
    assert reader.frames == data.count(b"\x02\x00\x00\x01") + data.count(b"\x02\x00\x00\x02") + data.count(EMPTY)
    return items


def ranges(data: bytes) -> list[tuple[int, int | None]]:
    return [(item.performative.first, item.performative.last) for item in feed(data)]


def test_what_goes_on_becomes_one() -> None:
    (item,) = feed(b"".join(disposition(number, batch) for number, batch in ((5, None), (6, 6), (7, 300))))
    assert item.channel == 1
    assert item.performative == Disposition(role=True, first=5, last=300, settled=True, state=ACCEPTED)
    assert item.performative.state is ACCEPTED or item.performative.state == ACCEPTED


def test_one_by_itself_stays_as_it_was() -> None:
    assert ranges(disposition(5)) == [(5, None)]
    assert ranges(disposition(5, 9) + disposition(11)) == [(5, 9), (11, None)]


def test_ids_wrap() -> None:
    assert ranges(disposition(MASK) + disposition(0) + disposition(1, 4)) == [(MASK, 4)]


@pytest.mark.parametrize("state", [ACCEPTED_LIST0, ACCEPTED_LIST8])
@pytest.mark.parametrize("settled", ["41", "5601"])
@pytest.mark.parametrize("role", ["41", "42", "5601", "5600"])
@pytest.mark.parametrize("rest", [(), ("40",), ("41",), ("42",), ("5601",)])
def test_forms_that_are_taken_in(state: str, settled: str, role: str, rest: tuple[str, ...]) -> None:
    data = b"".join(disposition(n, role=role, settled=settled, state=state, rest=rest) for n in (1, 2, 3))
    assert ranges(data) == [(1, 3)]


def test_short_and_wide_forms() -> None:
    narrow = frame("005315" + list8("41", "5208", "40", "41", ACCEPTED_LIST0), 1)
    zero = frame("005315" + list8("41", "43", "5207", "41", ACCEPTED_LIST0), 1)
    wide = frame("005315 d0 00000010 00000005 41 70 00000009 40 41 00532445".replace(" ", ""), 1)
    assert ranges(zero + narrow + wide) == [(0, 9)]


@pytest.mark.parametrize(
    "other",
    [
        disposition(2, role="42"),
        disposition(2, settled="42"),
        disposition(2, settled="40"),
        disposition(2, state=RELEASED),
        disposition(2, state="40"),
        disposition(2, channel=2),
        disposition(3),
        disposition(1),
        frame("005315" + list8("41", uint(2), "40", "41"), 1),
        frame("00a315616d71703a646973706f736974696f6e3a6c697374" + list8("41", uint(2), "40", "41", ACCEPTED_LIST0), 1),
    ],
)
def test_what_differs_is_another(other: bytes) -> None:
    data = disposition(1) + other + disposition(3)
    assert len(feed(data)) in (2, 3)
    assert told(feed(data)) == told(feed(data, runs=False))
    assert feed(data)[0].performative.last is None


@pytest.mark.parametrize("between", [DETACH, transfer(0), disposition(2, state=RELEASED)])
def test_another_frame_in_between_ends_it(between: bytes) -> None:
    items = feed(disposition(1) + between + disposition(2))
    assert len(items) == 3
    assert [items[0].performative.last, items[2].performative.last] == [None, None]


def test_an_empty_frame_in_between_does_not() -> None:
    assert ranges(disposition(1) + EMPTY + disposition(2)) == [(1, 2)]


def test_it_ends_with_the_call() -> None:
    reader = FrameReader(512)
    reader.feed(HEADER)
    (first,) = reader.feed(disposition(1) + disposition(2))[:1]
    (second,) = reader.feed(disposition(3))
    assert isinstance(first, Frame)
    assert isinstance(second, Frame)
    assert (first.performative.last, second.performative.first) == (2, 3)


def test_it_is_whole_when_a_malformed_frame_follows() -> None:
    reader = FrameReader(512)
    reader.feed(HEADER)
    (item,) = reader.feed(disposition(1) + disposition(2) + frame("005315", 1))
    assert isinstance(item, Frame)
    assert item.performative.last == 2
    assert reader.error is not None


@pytest.mark.parametrize(
    "claims", [[(0, MASK), (0, 0)], [(0, MASK - 1), (MASK, 5)], [(5, 4), (5, 5)], [(0, 2**31), (2**31 + 1, MASK)]]
)
def test_no_claim_grows_over_itself(claims: list[tuple[int, int]]) -> None:
    assert ranges(b"".join(disposition(*claim) for claim in claims)) == claims


def told(items: list[Any]) -> list[tuple[object, ...]]:
    """What items say of each delivery, in order."""
    said: list[tuple[object, ...]] = []
    for item in items:
        if isinstance(item, TransferRun):
            said += [("transfer", delivery.delivery_id) for delivery in item.deliveries]
            continue
        performative = item.performative
        if not isinstance(performative, Disposition):
            said.append((type(performative).__name__, getattr(performative, "delivery_id", None)))
            continue
        last = performative.first if performative.last is None else performative.last
        for number in range((last - performative.first & MASK) + 1):
            what = (performative.role, performative.settled, repr(performative.state))
            said.append((item.channel, (performative.first + number) & MASK, *what))
    return [("transfer", entry[1]) if entry[0] == "Transfer" else entry for entry in said]


frames = st.one_of(
    st.builds(
        lambda first, more, **fields: disposition(
            first & MASK, None if more is None else first + more & MASK, **fields
        ),
        st.integers(MASK - 4, MASK + 8),
        st.none() | st.integers(0, 3),
        role=st.sampled_from(["41", "41", "41", "42"]),
        settled=st.sampled_from(["41", "41", "41", "42"]),
        state=st.sampled_from([ACCEPTED_LIST0, ACCEPTED_LIST0, ACCEPTED_LIST8, RELEASED]),
        rest=st.sampled_from([(), (), ("41",)]),
        channel=st.sampled_from([1, 1, 1, 2]),
    ),
    st.builds(transfer, st.integers(0, 5)),
    st.sampled_from([EMPTY, DETACH]),
)


@given(st.lists(frames, max_size=12), st.lists(st.integers(0, 400), max_size=4))
def test_together_they_say_what_each_says(parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(parts)
    reader = FrameReader(512)
    reader.feed(HEADER)
    reader.bind(1, 0, Delivery, None)
    items = [item for chunk in chunks(data, cuts) for item in reader.feed(chunk)]
    assert told(items) == told(feed(data, runs=False))
