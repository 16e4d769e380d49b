"""The counters of the engine say what passed."""

from __future__ import annotations

from amqp10._codec import OutgoingDelivery
from amqp10.engine.counters import Counters
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
