"""The counters of the engine say what passed."""

from __future__ import annotations

from amqp10._codec import OutgoingDelivery
from amqp10.engine.counters import Counters, SenderCounters
from tests.pair import Pair


def test_nothing_has_passed_at_first() -> None:
    assert Counters() == Counters(reads=0, bytes_in=0, writes=0, bytes_out=0, runs=0, run_deliveries=0)


def test_runs_and_dispositions_are_counted() -> None:
    pair = Pair()
    sender, receiver = pair.open_sender(credit=10)
    for _ in range(5):
        sender.send(OutgoingDelivery(sender.tally, b"x"))
    pair.pump()
    for _ in range(5):
        delivery = receiver.take()
        assert delivery is not None
        delivery.accept()
    pair.pump()
    counters = receiver.connection.counters
    assert (counters.run_deliveries, counters.dispositions) == (5, 1)
    assert 1 <= counters.runs <= 5


def test_a_sender_counts_what_became_of_its_messages() -> None:
    pair = Pair()
    sender, receiver = pair.open_sender(credit=10)
    assert sender.counters == SenderCounters(sent=0, accepted=0, refused=0, unsettled=0, unsettled_bytes=0)
    deliveries = [OutgoingDelivery(sender.tally, b"four", presettled=index == 3) for index in range(4)]
    for delivery in deliveries:
        sender.send(delivery)
    pair.pump()
    first, second, _ = (receiver.take() for _ in range(3))
    assert first is not None
    assert second is not None
    first.accept()
    second.reject("amqp:not-found")
    pair.pump()
    assert sender.counters == SenderCounters(4, accepted=1, refused=1, unsettled=1, unsettled_bytes=deliveries[2].size)
