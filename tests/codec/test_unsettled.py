"""UnsettledIndex and IncomingIndex: ranges of delivery-ids, compared with a plain dictionary (§2.6.12)."""

import gc
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from amqp10._codec import (
    Delivery,
    IncomingIndex,
    OutgoingDelivery,
    SenderTally,
    UnsettledIndex,
    new_delivery,
)
from amqp10.outcomes import ACCEPTED, Accepted, Released
from tests.codec.wire import HEADER, transfer

MASK = 2**32 - 1
RELEASED = Released()


def shared_accepted() -> Accepted:
    """The instance that a decoded disposition has."""
    from amqp10._codec import decode_composite

    state = decode_composite(bytes.fromhex("00532445"))
    assert isinstance(state, Accepted)
    return state


def outgoing(number: int, tally: SenderTally | None = None, size: int = 1) -> OutgoingDelivery:
    delivery = OutgoingDelivery(tally or SenderTally(None), b"x" * size, b"")
    delivery.delivery_id = number & MASK
    return delivery


def filled(*numbers: int) -> tuple[UnsettledIndex, dict[int, OutgoingDelivery], SenderTally]:
    index, tally = UnsettledIndex(), SenderTally(None)
    deliveries = {number: outgoing(number, tally) for number in numbers}
    for delivery in deliveries.values():
        index.add(delivery)
    return index, deliveries, tally


def incoming(number: int, receiver: object = None) -> Delivery:
    return new_delivery(Delivery, receiver, number & MASK, b"", 0, False, [])


# --- outgoing: settle -------------------------------------------------------------------------------------------------


def test_accepted_and_unwatched() -> None:
    index, deliveries, tally = filled(*range(10))
    assert (len(index), tally.count, tally.size) == (10, 10, 60)
    touched, attention = index.settle(2, 5, Accepted(), True)
    assert touched == [tally]
    assert attention == []
    assert (len(index), tally.count, tally.size) == (6, 6, 36)
    for number, delivery in deliveries.items():
        assert delivery.settled == (2 <= number <= 5)
        assert delivery.state == (ACCEPTED if 2 <= number <= 5 else None)
    assert all(deliveries[number].state is shared_accepted() for number in range(2, 6))


@pytest.mark.parametrize(
    ("state", "settled", "watched"), [(RELEASED, True, 0), (ACCEPTED, False, 0), (None, True, 0), (ACCEPTED, True, 1)]
)
def test_what_wants_attention(state: object, settled: bool, watched: int) -> None:
    index, deliveries, tally = filled(*range(4))
    deliveries[1].waiter = "somebody" if watched else None
    touched, attention = index.settle(0, 3, state, settled)
    assert touched == [tally]
    assert attention == ([deliveries[1]] if watched else list(deliveries.values()))
    assert [each.state for each in deliveries.values()] == [state] * 4
    assert len(index) == (0 if settled else 4)


def test_a_state_first_and_settled_later() -> None:
    """rcv-settle-mode second: the state comes unsettled, and what settles need not repeat it."""
    index, deliveries, tally = filled(*range(4))
    assert index.settle(0, 3, ACCEPTED, False) == ([tally], list(deliveries.values()))
    assert (len(index), tally.count) == (4, 4)
    assert index.settle(0, 3, None, True) == ([tally], [])
    assert all(each.settled and each.state == ACCEPTED for each in deliveries.values())
    assert (len(index), tally.count, tally.size) == (0, 0, 0)


def test_tallies_come_once_each() -> None:
    index = UnsettledIndex()
    tallies = [SenderTally(number) for number in range(3)]
    for number in range(30):
        index.add(outgoing(number, tallies[number % 3], number))
    touched, _ = index.settle(0, 9, ACCEPTED, True)
    assert touched == tallies
    assert [tally.count for tally in tallies] == [6, 7, 7]
    touched, _ = index.settle(10, 10, ACCEPTED, True)
    assert touched == [tallies[1]]


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (0, 2**32 - 1, {MASK - 1, MASK, 0, 1, 2}),
        (MASK, 0, {MASK, 0}),
        (MASK - 5, MASK, {MASK - 1, MASK}),
        (1, 1, {1}),
        (2, 1, {MASK - 1, MASK, 0, 1, 2}),  # all ids, from 2 on
        (1, MASK, {MASK - 1, MASK, 1, 2}),
        (3, MASK - 2, set()),
        (3, MASK - 1, {MASK - 1}),
        (2, 2**31, {2}),
        (2**31, 0, {MASK - 1, MASK, 0}),
    ],
)
def test_ranges_go_up_from_first_and_wrap(first: int, last: int, expected: set[int]) -> None:
    index, deliveries, _ = filled(MASK - 1, MASK, 0, 1, 2)
    index.settle(first, last, ACCEPTED, True)
    assert {number for number, delivery in deliveries.items() if delivery.settled} == expected
    assert len(index) == 5 - len(expected)


def test_an_empty_index() -> None:
    index = UnsettledIndex()
    assert index.settle(0, MASK, ACCEPTED, True) == ([], [])
    assert not index.remove(outgoing(0))
    assert index.take_all() == []
    assert len(index) == 0
    assert repr(index) == "<UnsettledIndex of 0>"


@pytest.mark.parametrize("first_last", [(0, MASK), (MASK, MASK - 1), (2**31, 2**31 - 1), (5, 4)])
def test_hostile_ranges_cost_what_is_there(first_last: tuple[int, int]) -> None:
    index, _, _ = filled(*range(1000))
    begun = time.perf_counter()
    for _ in range(50):
        assert len(index.settle(*first_last, RELEASED, False)[1]) == 1000
    assert index.settle(1000, MASK, RELEASED, True) == ([], [])
    assert time.perf_counter() - begun < 5


# --- outgoing: the rest -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [5, 4, 0, 3, MASK])
def test_ids_must_grow(number: int) -> None:
    index, _, tally = filled(0, 3, 5)
    if number == MASK:
        index.add(outgoing(number, tally))  # far ahead, all the way round: still beyond
        assert len(index) == 4
        return
    with pytest.raises(ValueError, match="not beyond"):
        index.add(outgoing(number, tally))
    assert (len(index), tally.count) == (3, 3)


def test_add_of_what_was_never_made() -> None:
    with pytest.raises(ValueError, match="initialized"):
        UnsettledIndex().add(OutgoingDelivery.__new__(OutgoingDelivery))
    with pytest.raises(TypeError):
        UnsettledIndex().add(None)  # type: ignore[arg-type]


def test_remove() -> None:
    index, deliveries, tally = filled(0, 1, 2)
    assert index.remove(deliveries[1])
    assert not index.remove(deliveries[1])
    assert not index.remove(outgoing(2, tally)), "another delivery of the same number"
    assert (len(index), tally.count, tally.size) == (2, 2, 12)
    assert index.settle(0, 2, ACCEPTED, True) == ([tally], [])
    assert not deliveries[1].settled


def test_take_all() -> None:
    index = UnsettledIndex()
    tallies = [SenderTally(0), SenderTally(1)]
    deliveries = [outgoing(number, tallies[number % 2]) for number in range(6)]
    for delivery in deliveries:
        index.add(delivery)
    assert index.take_all(tallies[1]) == deliveries[1::2]
    assert (len(index), tallies[0].count, tallies[1].count, tallies[1].size) == (3, 3, 0, 0)
    assert index.take_all(tallies[1]) == []
    assert index.take_all() == deliveries[::2]
    assert len(index) == tallies[0].count == 0


def test_one_that_lingers_does_not_keep_the_places_of_the_others() -> None:
    index, _, tally = filled(7)
    for number in range(8, 100_000):
        index.add(outgoing(number, tally))
        index.settle(number, number, ACCEPTED, True)
    assert len(index) == 1
    ring = gc.get_referents(index)[0]
    assert len(ring) <= 64
    assert [each.delivery_id for each in index.take_all()] == [7]


def test_memory_is_given_back() -> None:
    index, _, _ = filled(*range(100_000))
    index.settle(0, 99_990, ACCEPTED, True)
    assert len(gc.get_referents(index)[0]) <= 4096
    assert [each.delivery_id for each in index.take_all()] == list(range(99_991, 100_000))


def test_an_index_whose_list_was_emptied_raises() -> None:
    """As the garbage collector empties it when it tears down a cycle."""
    index, deliveries, _ = filled(0, 1)
    gc.get_referents(index)[0].clear()
    for call in (
        lambda: index.settle(0, 1, ACCEPTED, True),
        index.take_all,
        lambda: index.remove(deliveries[0]),
        lambda: index.add(outgoing(9)),
    ):
        with pytest.raises(RuntimeError):
            call()


# --- incoming ---------------------------------------------------------------------------------------------------------


def test_incoming_settled_by_the_sender() -> None:
    index = IncomingIndex()
    deliveries = [incoming(MASK - 1 + number) for number in range(5)]
    index.extend(deliveries[:3])
    index.add(deliveries[3])
    index.add(deliveries[4])
    assert len(index) == 5
    assert index.settle(MASK, 0, RELEASED, False) == deliveries[1:3]
    assert [each.remote_state for each in deliveries] == [None, RELEASED, RELEASED, None, None]
    assert not any(each.settled or each.remote_settled for each in deliveries)
    assert index.settle(MASK, 1, None, True) == deliveries[1:4]
    assert [each.remote_state for each in deliveries] == [None, RELEASED, RELEASED, None, None]
    assert [each.settled for each in deliveries] == [False, True, True, True, False]
    assert [each.remote_settled for each in deliveries] == [False, True, True, True, False]
    assert index.settle(0, MASK, ACCEPTED, True) == [deliveries[0], deliveries[4]]
    assert len(index) == 0


def test_incoming_discard() -> None:
    index = IncomingIndex()
    assert not index.discard(0)
    index.extend([incoming(number) for number in range(10)])
    assert [index.discard(number) for number in (3, 3, 10, MASK, 0, 9)] == [True, False, False, False, True, True]
    assert [each.delivery_id for each in index.settle(0, MASK, None, True)] == [1, 2, 4, 5, 6, 7, 8]


def test_incoming_take_all() -> None:
    index = IncomingIndex()
    links = [object(), object()]
    deliveries = [incoming(number, links[number % 2]) for number in range(6)]
    index.extend(deliveries)
    assert index.take_all(links[0]) == deliveries[::2]
    assert index.take_all(None) == deliveries[1::2]
    assert len(index) == 0


def test_incoming_from_runs() -> None:
    from amqp10._codec import FrameReader, TransferRun

    reader = FrameReader()
    reader.bind(1, 0, Delivery, None)
    run = reader.feed(HEADER + b"".join(transfer(number) for number in range(5)))[1]
    assert isinstance(run, TransferRun)
    index = IncomingIndex()
    index.extend(run.deliveries)
    assert index.settle(1, 3, None, True) == run.deliveries[1:4]


@pytest.mark.parametrize("wrong", [None, 5, (), [1], [None], [outgoing(0)]])
def test_incoming_of_something_else(wrong: Any) -> None:
    with pytest.raises(TypeError):
        IncomingIndex().extend(wrong)
    if not isinstance(wrong, list):
        with pytest.raises(TypeError):
            IncomingIndex().add(wrong)


@given(st.lists(st.sampled_from([0, 1, 2, 3, 5, 8, MASK, MASK - 1, 2**31, 2**31 - 1]), max_size=30), st.data())
def test_incoming_finds_whatever_numbers_a_peer_gives(numbers: list[int], data: st.DataObject) -> None:
    """A peer should number upward; one that does not, or doubles numbers, must not confuse us."""
    index = IncomingIndex()
    left = []
    for number in numbers:
        left.append(incoming(number))
        index.add(left[-1])
    for _ in range(data.draw(st.integers(0, 10))):
        number = data.draw(st.sampled_from([0, 1, 2, 4, 8, MASK, 2**31]))
        found = [each for each in left if each.delivery_id == number]
        assert index.discard(number) == bool(found)
        if found:
            left.remove(found[0])
    assert len(index) == len(left)
    first, last = data.draw(st.sampled_from(numbers or [0])), data.draw(st.sampled_from([0, 2, 8, MASK, 2**31]))
    expected = {id(each) for each in left if (each.delivery_id - first) & MASK <= (last - first) & MASK}
    assert {each.delivery_id for each in index.settle(first, last, None, True)} == {
        each.delivery_id for each in left if id(each) in expected
    }
    assert len(index) == len(left) - len(expected)


# --- against a model --------------------------------------------------------------------------------------------------


class UnsettledMachine(RuleBasedStateMachine):
    """Compares an index with a dictionary, under any sequence of calls."""

    @initialize(start=st.sampled_from([0, 5, 2**31 - 20, 2**32 - 20]))
    def start(self, start: int) -> None:
        self.index = UnsettledIndex()
        self.next = start
        self.tallies = [SenderTally(number) for number in range(3)]
        self.model: dict[int, OutgoingDelivery] = {}

    @rule(count=st.integers(1, 40), sender=st.integers(0, 2), gap=st.integers(0, 3), watched=st.booleans())
    def add(self, count: int, sender: int, gap: int, watched: bool) -> None:
        for _ in range(count):
            delivery = outgoing(self.next, self.tallies[sender], count)
            delivery.waiter = object() if watched else None
            self.model[delivery.delivery_id] = delivery
            self.index.add(delivery)
            self.next += 1
        self.next += gap

    @rule(back=st.integers(0, 120), length=st.integers(0, 60), state=st.sampled_from([None, ACCEPTED, RELEASED]),
          settled=st.booleans())  # fmt: skip
    def settle(self, back: int, length: int, state: object, settled: bool) -> None:
        first = (self.next - back) & MASK
        last = (first + length) & MASK
        found = [each for number, each in self.model.items() if (number - first) & MASK <= length]
        touched, attention = self.index.settle(first, last, state, settled)
        assert {id(tally) for tally in touched} == {id(each.tally) for each in found}
        assert len(touched) == len({id(tally) for tally in touched})
        for each in found:
            assert each.settled == settled
            assert state is None or each.state == state
            if settled:
                del self.model[each.delivery_id]
        assert attention == [each for each in found if each.waiter or each.state != ACCEPTED or not settled]

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.model)))
        assert self.index.remove(self.model.pop(number))

    @rule(sender=st.integers(0, 2))
    def take_all(self, sender: int) -> None:
        tally = self.tallies[sender]
        expected = [each for each in self.model.values() if each.tally is tally]
        assert self.index.take_all(tally) == expected
        self.model = {number: each for number, each in self.model.items() if each.tally is not tally}

    @invariant()
    def counts(self) -> None:
        assert len(self.index) == len(self.model)
        for tally in self.tallies:
            own = [each for each in self.model.values() if each.tally is tally]
            assert (tally.count, tally.size) == (len(own), sum(each.size for each in own))


TestUnsettledMachine = UnsettledMachine.TestCase
