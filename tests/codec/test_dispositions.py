"""DispositionQueue: the fewest frames, and their very bytes (§2.7.6)."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqp10._codec import Delivery, DispositionQueue, FrameReader, FrameWriter, IncomingIndex, new_delivery
from amqp10.errors import EncodeError
from amqp10.outcomes import ACCEPTED, RELEASED, Accepted, Modified, Rejected, Released, TransactionalState
from amqp10.performatives import Disposition, Error
from amqp10.types import Symbol
from tests.codec.wire import EMPTY, HEADER

MASK = 2**32 - 1


def flushed(queue: DispositionQueue, *, channel: int = 1, max_frame_size: int = 512) -> bytes:
    writer = FrameWriter()
    assert queue.flush(writer, channel, max_frame_size) == writer.frames
    assert len(queue) == 0
    return writer.take()


def ranges(data: bytes) -> list[tuple[int, int, object, bool]]:
    """What frames say, as another peer would read it."""
    reader = FrameReader(max_frame_size=1000)
    reader.feed(HEADER)
    result = []
    for item in reader.feed(data):
        performative = item.performative  # type: ignore[union-attr]
        assert isinstance(performative, Disposition)
        last = performative.first if performative.last is None else performative.last
        result.append((performative.first, last, performative.state, performative.settled))
    assert reader.error is None
    return result


def queue_of(*entries: tuple[int, object, bool]) -> DispositionQueue:
    queue = DispositionQueue(True)
    for number, state, settled in entries:
        queue.add(number, state, settled)
    return queue


def test_one_delivery() -> None:
    assert flushed(queue_of((5, Accepted(), True))) == bytes.fromhex(
        "00000017 02000001 005315 c0 0a 05 41 5205 40 41 00532445"
    )


def test_a_range() -> None:
    queue = queue_of(*((number, Accepted(), True) for number in range(255, 259)))
    assert len(queue) == 1
    expected = "0000001b 0200abcd 005315 c0 0e 05 41 52ff 7000000102 41 00532445"
    assert flushed(queue, channel=0xABCD) == bytes.fromhex(expected)


def test_the_senders_role_and_no_state() -> None:
    queue = DispositionQueue(False)
    queue.add(0, None, True)
    assert queue.role is False
    assert flushed(queue) == bytes.fromhex("00000012 02000001 005315 c0 05 04 42 43 40 41")


def test_released_and_unsettled() -> None:
    assert flushed(queue_of((0, Released(), False))) == bytes.fromhex(
        "00000016 02000001 005315 c0 09 05 41 43 40 42 00532645"
    )


def test_states_with_fields() -> None:
    states = [
        Rejected(),
        Rejected(error=Error(condition=Symbol("a:b"), description="x" * 300)),
        Modified(delivery_failed=True),
        TransactionalState(txn_id=b"\x01", outcome=Accepted()),
    ]
    queue = DispositionQueue(True)
    for number, state in enumerate(states):
        queue.add(number, state, True)
    assert ranges(flushed(queue)) == [(number, number, state, True) for number, state in enumerate(states)]


@pytest.mark.parametrize("order", [[5, 3, 4, 1, 2, 6], [1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1], [1, 3, 5, 2, 4, 6]])
def test_any_order_becomes_one_range(order: list[int]) -> None:
    queue = queue_of(*((number, ACCEPTED, True) for number in order))
    assert ranges(flushed(queue)) == [(1, 6, ACCEPTED, True)]


def test_ranges_wrap() -> None:
    queue = queue_of(*((number & MASK, ACCEPTED, True) for number in (2**32, 2**32 - 2, 2**32 + 1, 2**32 - 1)))
    assert ranges(flushed(queue)) == [(MASK - 1, 1, ACCEPTED, True)]


def test_only_what_says_the_same_is_joined() -> None:
    queue = queue_of(
        (1, ACCEPTED, True), (2, RELEASED, True), (3, RELEASED, False), (4, None, False), (5, Rejected(), False),
        (6, Rejected(), False), (8, Rejected(), False),
    )  # fmt: skip
    assert ranges(flushed(queue)) == [
        (1, 1, ACCEPTED, True),
        (2, 2, RELEASED, True),
        (3, 3, RELEASED, False),
        (4, 4, None, False),
        (5, 6, Rejected(), False),
        (8, 8, Rejected(), False),
    ]


def test_equal_states_need_not_be_one_object() -> None:
    queue = queue_of(*((number, Modified(delivery_failed=True), True) for number in (1, 2, 4, 3)))
    assert ranges(flushed(queue)) == [(1, 4, Modified(delivery_failed=True), True)]


def test_alternating_states_stay_apart() -> None:
    queue = queue_of(*((number, (ACCEPTED, RELEASED)[number % 2], True) for number in range(100)))
    assert len(queue) == 100
    found = ranges(flushed(queue))
    assert found == [(number, number, (ACCEPTED, RELEASED)[number % 2], True) for number in range(100)]


def test_a_state_is_what_it_was_when_it_was_added() -> None:
    state = Modified(delivery_failed=True)
    queue = queue_of((1, state, True))
    state.delivery_failed = False
    queue.add(2, state, True)
    assert ranges(flushed(queue)) == [(1, 1, Modified(delivery_failed=True), True), (2, 2, Modified(), True)]


def test_the_later_word_about_a_delivery_stays_the_later() -> None:
    queue = queue_of((5, ACCEPTED, False), (6, ACCEPTED, False), (1, ACCEPTED, False), (5, ACCEPTED, True))
    assert ranges(flushed(queue)) == [
        (5, 6, ACCEPTED, False),
        (1, 1, ACCEPTED, False),
        (5, 5, ACCEPTED, True),
    ]


def test_flush_empties() -> None:
    queue = queue_of((1, ACCEPTED, True))
    flushed(queue)
    assert flushed(queue) == b""
    queue.add(2, ACCEPTED, True)
    assert ranges(flushed(queue)) == [(2, 2, ACCEPTED, True)]


def test_a_state_that_cannot_be_encoded() -> None:
    queue = queue_of((1, ACCEPTED, True))
    with pytest.raises(EncodeError) as caught:
        queue.add(2, Modified(message_annotations={"a": object()}), True)  # type: ignore[dict-item]
    assert caught.value.path.startswith("state")
    assert ranges(flushed(queue)) == [(1, 1, ACCEPTED, True)]


def test_settle_takes_a_delivery_out_of_its_index() -> None:
    index, queue = IncomingIndex(), DispositionQueue(True)
    deliveries = [new_delivery(Delivery, None, number, b"", 0, False, []) for number in range(4)]
    index.extend(deliveries)
    for delivery in deliveries[1:3]:
        queue.settle(delivery, ACCEPTED, index)
        assert delivery.settled
        assert delivery.state is ACCEPTED
    assert len(index) == 2
    with pytest.raises(EncodeError):
        queue.settle(deliveries[0], Modified(message_annotations={"a": object()}), index)  # type: ignore[dict-item]
    assert len(index) == 2
    assert not deliveries[0].settled
    assert deliveries[0].state is None
    assert ranges(flushed(queue)) == [(1, 2, ACCEPTED, True)]


def test_a_state_that_does_not_fit_a_frame() -> None:
    queue = queue_of(
        (1, ACCEPTED, True), (2, Rejected(error=Error(condition=Symbol("a:b"), description="x" * 600)), True)
    )
    writer = FrameWriter()
    writer.write_empty()
    with pytest.raises(EncodeError, match="512"):
        queue.flush(writer, 1, 512)
    assert writer.take() == EMPTY
    assert len(queue) == 0
    assert repr(queue) == "<DispositionQueue of 0 ranges>"


def test_bounds() -> None:
    queue = DispositionQueue(True)
    for number in (-1, 2**32):
        with pytest.raises(OverflowError):
            queue.add(number, None, True)
    with pytest.raises(TypeError):
        queue.flush(None, 0, 512)  # type: ignore[arg-type]
    assert len(queue) == 0


@given(
    st.sampled_from([0, 1000, 2**31 - 5, 2**32 - 5]),
    st.lists(st.tuples(st.integers(0, 20), st.sampled_from([ACCEPTED, RELEASED, None]), st.booleans()), max_size=40),
)
def test_what_the_frames_say_is_what_was_added(base: int, entries: list[tuple[int, object, bool]]) -> None:
    queue = DispositionQueue(True)
    expected: dict[int, list[tuple[object, bool]]] = {}
    for offset, state, settled in entries:
        number = (base + offset) & MASK
        queue.add(number, state, settled)
        expected.setdefault(number, []).append((state, settled))
    said: dict[int, list[tuple[object, bool]]] = {}
    frames = ranges(flushed(queue))
    for first, last, state, settled in frames:
        for offset in range(((last - first) & MASK) + 1):
            said.setdefault((first + offset) & MASK, []).append((state, settled))
    assert said == expected
    if all(len(words) == 1 for words in expected.values()):
        numbers = sorted(expected, key=lambda number: (number - base) & MASK)
        joints = sum(
            (before + 1) & MASK != after or expected[before] != expected[after]
            for before, after in itertools.pairwise(numbers)
        )
        assert len(frames) == joints + bool(numbers)
