"""Outlet: what one call does to a delivery, the index, the tally and the output, and the bounds that stop it."""

import pytest

from amqp10._codec import FrameWriter, Message, OutgoingDelivery, Outlet, SenderTally, UnsettledIndex
from amqp10.errors import InvalidState

MASK = 2**32 - 1


class Link:
    """A sender's tally and outlet, with what the session and the connection have."""

    def __init__(self, max_frame_size: int = 512) -> None:
        self.index = UnsettledIndex()
        self.writer = FrameWriter()
        self.tally = SenderTally(None)
        self.outlet = Outlet(self.tally, self.index, self.writer, channel=1, max_frame_size=max_frame_size)
        self.outlet.handle = 7
        self.outlet.burst = 10

    def make(self, size: int = 10, *, presettled: bool = False) -> OutgoingDelivery:
        return OutgoingDelivery(self.tally, bytes(size), None, presettled)


def frame_of(size: int, number: int, tag: bytes, *, batchable: bool = False) -> bytes:
    writer = FrameWriter()
    delivery = OutgoingDelivery(SenderTally(None), bytes(size), tag)
    delivery.delivery_id = number
    writer.write_transfer(delivery, 1, 7, 512, 1, batchable)
    return writer.take()


def test_put_numbers_takes_in_and_writes() -> None:
    link = Link()
    link.index.next_id = MASK
    deliveries = [link.make(), link.make()]
    assert link.outlet.put(deliveries[0], 1, True) == 1
    assert link.outlet.put(deliveries[1], 1, False) == 1
    assert [delivery.delivery_id for delivery in deliveries] == [MASK, 0]
    assert link.writer.take() == frame_of(10, MASK, bytes(4), batchable=True) + frame_of(10, 0, b"\x00\x00\x00\x01")
    assert link.index.next_id == 1
    assert (len(link.index), link.tally.count, link.tally.size) == (2, 2, sum(each.size for each in deliveries))
    assert link.index.take_all() == deliveries


def test_what_is_settled_is_numbered_and_not_taken_in() -> None:
    link = Link()
    delivery = link.make(presettled=True)
    assert link.outlet.put(delivery, 1, False) == -1
    assert (link.index.next_id, len(link.index), link.tally.count) == (1, 0, 0)


def test_a_rest_makes_the_number_of_frames_negative() -> None:
    link = Link()
    delivery = link.make(2000)
    assert link.outlet.put(delivery, 2, False) == -2
    assert delivery.remaining
    assert link.writer.write_transfer(delivery, 1, 7, 512, 10, False) == 3
    assert (delivery.remaining, len(link.index)) == (0, 1)
    assert link.outlet.put(link.make(2000), 5, False) == 5
    link.outlet.burst = 3
    assert link.outlet.put(link.make(2000), 5, False) == -3


@pytest.mark.parametrize(
    ("bound", "value"), [("max_unsettled", 1), ("max_unsettled_bytes", 29), ("max_message_size", 14), ("max_output", 1)]
)
def test_a_bound_that_is_reached_stops_it(bound: str, value: int) -> None:
    link = Link()
    assert link.outlet.put(link.make(), 1, False) == 1
    setattr(link.outlet, bound, value)
    waiting = link.make()
    assert link.outlet.put(waiting, 1, False) == 0
    assert (link.index.next_id, len(link.index), link.tally.count, waiting.written) == (1, 1, 1, 0)
    setattr(link.outlet, bound, 1000)
    assert link.outlet.put(waiting, 1, False) == 1


def test_a_bound_lets_through_what_just_keeps_it() -> None:
    link = Link()
    link.outlet.max_unsettled, link.outlet.max_unsettled_bytes, link.outlet.max_message_size = 2, 30, 15
    assert [link.outlet.put(link.make(), 1, False) for _ in range(3)] == [1, 1, 0]


def test_a_message_beyond_the_bound_on_bytes_goes_alone() -> None:
    link = Link()
    link.outlet.max_unsettled_bytes = 5
    assert [link.outlet.put(link.make(), 1, False) for _ in range(2)] == [1, 0]


def test_what_was_taken_does_not_count_as_output() -> None:
    link = Link()
    link.outlet.max_output = 20
    assert [link.outlet.put(link.make(), 1, False) for _ in range(2)] == [1, 0]
    link.writer.take()
    assert link.outlet.put(link.make(), 1, False) == 1


def test_misuse() -> None:
    link, other = Link(), Link()
    delivery = link.make()
    with pytest.raises(ValueError, match="another sender"):
        other.outlet.put(delivery, 1, False)
    link.outlet.put(delivery, 1, False)
    with pytest.raises(InvalidState):
        link.outlet.put(delivery, 1, False)
    large = link.make(2000)
    link.outlet.put(large, 1, False)
    with pytest.raises(InvalidState):
        link.outlet.put(large, 1, False)
    with pytest.raises(ValueError, match="512"):
        Link(511)
    with pytest.raises(RuntimeError):
        Outlet.__new__(Outlet).put(link.make(), 1, False)
    with pytest.raises(TypeError):
        link.outlet.put(Message(b""), 1, False)  # type: ignore[arg-type]
    assert (link.index.next_id, len(link.index)) == (2, 2)
