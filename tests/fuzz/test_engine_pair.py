"""Two engines, a random application at each end, any chunks: nothing is lost, nothing comes twice, all ends quiet."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amqp10._codec import OutgoingDelivery
from amqp10.engine import Receiver, Sender
from amqp10.engine.events import OutcomesArrived, SenderReady
from amqp10.errors import WouldBlock
from amqp10.options import ConnectionOptions, Limits, SessionOptions
from amqp10.outcomes import ACCEPTED, RELEASED, Modified, Rejected
from amqp10.testing.wire import data_section
from tests.pair import Pair

STEPS = ["send"] * 3 + ["large", "take", "take", "settle", "settle", "credit", "move", "pump"]
STEPS += ["pause", "resume", "drain", "abandon", "echo"]
OUTCOMES = [ACCEPTED, RELEASED, Rejected(), Modified(delivery_failed=True)]


@dataclass
class Flow:
    """One link with what went in and came out.

    Attributes:
        sender: its sending end.
        receiver: its receiving end.
        waiting: contents not sent yet, oldest first.
        sent: deliveries by content's number.
        aborted: contents that were given up in mid-message.
        taken: numbers as they came out.
        held: deliveries that the application has not settled.
        given: outcomes by number.
    """

    sender: Sender
    receiver: Receiver
    waiting: list[Any] = field(default_factory=list)
    sent: dict[int, Any] = field(default_factory=dict)
    aborted: set[int] = field(default_factory=set)
    taken: list[int] = field(default_factory=list)
    held: list[tuple[int, Any]] = field(default_factory=list)
    given: dict[int, Any] = field(default_factory=dict)


class World:
    """A pair of engines with links both ways, driven at random."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        frame_size = self.random.choice([512, 600, 5000, 65536])
        limits = Limits(max_output=self.random.choice([2000, 262144]))
        options = [ConnectionOptions(container_id=name, max_frame_size=frame_size, limits=limits) for name in "ab"]
        chunk = self.random.choice([None, 3000, 100])
        seed = self.random.randint(0, 9)
        runs = self.flip()
        self.pair = Pair(*options, chunk=chunk, seed=seed, runs=runs)
        self.number = 0
        self.flows: list[Flow] = []
        self._open_links()

    def _open_links(self) -> None:
        for _ in range(self.random.randint(1, 2)):
            session, accept = (
                SessionOptions(
                    incoming_window=self.random.choice([1, 2, 5, 100]),
                    next_outgoing_id=self.random.choice([0, 0xFFFFFFFD]),
                    private=self.flip(),
                )
                for _ in range(2)
            )
            begun = self.pair.begin(session, accept=accept)
            for _ in range(self.random.randint(1, 2)):
                self._open_link(begun)

    def _open_link(self, session: Any) -> None:
        credit = self.random.choice([0, 1, 3, 10])
        second = self.random.randint(0, 1)
        count = self.random.choice([0, 0xFFFFFFFE])
        if self.flip():
            sender, receiver = self.pair.open_sender(
                session, credit=credit, rcv_settle_mode=second, initial_delivery_count=count
            )
        else:
            receiver, sender = self.pair.open_receiver(session, credit=credit, rcv_settle_mode=second)
        assert sender.rcv_settle_mode == receiver.rcv_settle_mode == second
        self.flows.append(Flow(sender, receiver))

    def flip(self) -> bool:
        return self.random.random() < 0.5

    # --- steps --------------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Do one thing."""
        flow = self.random.choice(self.flows)
        getattr(self, f"do_{self.random.choice(STEPS)}")(flow)
        self.serve()

    def do_send(self, flow: Flow) -> None:
        for _ in range(self.random.randint(1, 8)):
            self._queue(flow, self.random.randint(0, 50))

    def do_large(self, flow: Flow) -> None:
        self._queue(flow, self.random.choice([400, 450, 500, 2000, 9000, 70000]))

    def _queue(self, flow: Flow, size: int) -> None:
        content = self.number.to_bytes(4, "big") + bytes(size)
        settled = self.random.choice([False, False, False, True])
        flow.waiting.append((self.number, OutgoingDelivery(flow.sender.tally, content, None, settled)))
        self.number += 1
        if len(flow.waiting) == 1:
            self._serve(flow)

    def serve(self) -> None:
        """Send what waits where the engine says that it may go on: as a driver does, and only then."""
        for side in self.pair.sides:
            for event in side.take_events(object):
                if isinstance(event, SenderReady | OutcomesArrived):
                    self._serve(next(flow for flow in self.flows if flow.sender is event.sender))

    def _serve(self, flow: Flow) -> None:
        while flow.waiting:
            number, delivery = flow.waiting[0]
            try:
                flow.sender.send(delivery)
            except WouldBlock:
                return
            flow.sent[number] = delivery
            del flow.waiting[0]

    def do_take(self, flow: Flow) -> None:
        for _ in range(self.random.randint(1, 5)):
            self._take(flow)

    def _take(self, flow: Flow) -> bool:
        delivery = flow.receiver.take()
        if delivery is None:
            return False
        body = delivery.message.body
        assert delivery.payload == data_section(body)
        number = int.from_bytes(body[:4], "big")
        flow.taken.append(number)
        if delivery.presettled:
            assert delivery.settled
        else:
            flow.held.append((number, delivery))
        return True

    def do_settle(self, flow: Flow) -> None:
        for _ in range(self.random.randint(1, 5)):
            if not flow.held:
                return
            number, delivery = flow.held.pop(self.random.randint(0, len(flow.held) - 1))
            flow.given[number] = self.random.choice(OUTCOMES)
            delivery.settle(flow.given[number])

    def do_credit(self, flow: Flow) -> None:
        credit = flow.receiver.credit
        if not credit.automatic and not credit.draining and not flow.receiver._paused:
            flow.receiver.add_credit(self.random.randint(1, 5))

    def do_pause(self, flow: Flow) -> None:
        flow.receiver.pause()

    def do_resume(self, flow: Flow) -> None:
        flow.receiver.resume()

    def do_drain(self, flow: Flow) -> None:
        if flow.receiver.credit.draining:
            return
        side = next(side for side in self.pair.sides if flow.receiver.connection is side.connection)
        before = flow.receiver.credit.received
        running = side.start(flow.receiver.drain())
        if self.flip():
            for _ in range(1000):
                self.pair.pump()
                self.serve()
                if running.done:
                    break
                # What blocks the sender may be a window that only the application frees, at any link of the session.
                for other in self.flows:
                    while self._take(other):
                        pass
            assert running.done, "the drain does not end"
            assert running.result == flow.receiver.credit.received - before
            assert flow.sender.link_credit == 0
        else:
            running.cancel()

    def do_abandon(self, flow: Flow) -> None:
        """Give up the latest message, if it is still being written."""
        if not flow.sent:
            return
        number, delivery = list(flow.sent.items())[-1]
        if delivery.error is None and flow.sender.abandon(delivery):
            flow.aborted.add(number)
            del flow.sent[number]

    def do_echo(self, flow: Flow) -> None:
        flow.sender.session.request_flow(flow.sender)

    def do_move(self, flow: Flow) -> None:
        for _ in range(self.random.randint(1, 6)):
            self.pair.step(self.random.randint(0, 1))

    def do_pump(self, flow: Flow) -> None:
        self.pair.pump()

    # --- the end ------------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Let everything through, settle it all, and compare the ends."""
        for _ in range(2000):
            self.serve()
            for flow in self.flows:
                self.do_resume(flow)
                if not flow.receiver.credit.link_credit and not flow.receiver.credit.automatic:
                    flow.receiver.credit.draining = False
                    flow.receiver.add_credit(3)
                while self._take(flow):
                    pass
                while flow.held:
                    number, delivery = flow.held.pop()
                    flow.given[number] = ACCEPTED
                    delivery.accept()
            self.pair.pump()
            if not any(self._has_work(flow) for flow in self.flows):
                return
        raise AssertionError("the two ends do not come to rest")

    def _has_work(self, flow: Flow) -> bool:
        sender = flow.sender
        return bool(flow.waiting or sender.tally.count or sender.has_partial or flow.receiver.deliveries)

    def check(self) -> None:
        """Compare what went in with what came out."""
        for connection in (self.pair.client.connection, self.pair.server.connection):
            assert connection.error is None
        for flow in self.flows:
            assert flow.sender.error is None
            assert flow.receiver.error is None
            assert not flow.waiting
            assert flow.taken == sorted(flow.sent), "lost, twice, or out of order"
            for number, delivery in flow.sent.items():
                assert delivery.settled
                assert delivery.state == flow.given.get(number), number
                assert delivery.presettled == (number not in flow.given)
            self._check_ends(flow)

    def _check_ends(self, flow: Flow) -> None:
        sender, receiver = flow.sender, flow.receiver
        assert receiver.credit.outstanding == 0
        assert sender.delivery_count == receiver.credit.delivery_count
        assert sender.link_credit == receiver.credit.link_credit
        ours, theirs = sender.session, receiver.session
        assert len(ours.unsettled) == len(theirs.incoming) == 0
        assert ours.outgoing_window.next_id == theirs.incoming_window.next_id
        assert ours.outgoing_window.remaining == theirs.incoming_window.remaining
        assert receiver.held_frames == 0


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32 - 1))
def test_nothing_is_lost_and_nothing_comes_twice(seed: int) -> None:
    world = World(seed)
    for _ in range(world.random.randint(1, 25)):
        world.step()
    world.finish()
    world.check()
