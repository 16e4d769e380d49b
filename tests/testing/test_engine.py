"""The engine and the scripted peer, which share no rule: what each says the other must bear, in any chunks."""

from collections.abc import Generator
from typing import Any

import pytest

from amqp10._codec import OutgoingDelivery
from amqp10.engine import Connection
from amqp10.options import ConnectionOptions, ReceiverOptions, SenderOptions
from amqp10.outcomes import Accepted, Released
from amqp10.performatives import Attach, Flow
from amqp10.terminus import Source, Target
from amqp10.testing import HasBody, Pump, ScriptedPeer, data_section

CHUNKS = [None, 1, 7, 100]


class Session:
    """An engine with a peer that leads it through a session.

    Args:
        max_chunk: as for the pump.
        options: of the peer.
    """

    def __init__(self, max_chunk: int | None, **options: int) -> None:
        self.peer = ScriptedPeer(**options)  # type: ignore[arg-type]
        self.connection = Connection(ConnectionOptions(container_id="engine", idle_timeout=None))
        self.wire = Pump(self.connection, self.peer, max_chunk=max_chunk)
        self.peer.handshake(sasl=False)
        self.run(self.connection.open())
        self.session = self.connection.new_session()
        self.run(self.session.begin())

    def run(self, operation: Generator[Any, None, Any]) -> None:
        """Runs an operation to its end."""
        for _ in operation:
            self.wire.run()
        self.wire.run()

    def close(self) -> None:
        """Closes the connection, and asserts that nothing is left of the script."""
        self.peer.expect_close().respond()
        self.run(self.connection.close())
        self.peer.assert_done()


@pytest.mark.parametrize("max_chunk", CHUNKS)
def test_sending(max_chunk: int | None) -> None:
    both = Session(max_chunk, max_frame_size=512)
    peer = both.peer
    attached = peer.expect_sender("orders", credit=5)
    sender = both.session.new_sender(SenderOptions(name="s", target=Target(address="orders")))
    both.run(sender.attach())
    assert attached.link.remote == attached.frame
    deliveries = [OutgoingDelivery(sender.tally, bytes(size), b"%d" % size) for size in (0, 10, 1000, 3000)]
    peer.expect_transfer(HasBody(b"")).respond()
    peer.expect_transfer(HasBody(bytes(10))).respond(state=Released())
    peer.expect_transfer(more=True).times(2)
    peer.expect_transfer(more=False).respond()
    peer.expect_transfer(more=True).times(6)
    peer.expect_transfer(more=False).respond()
    for delivery in deliveries:
        sender.send(delivery)
    both.wire.run()
    assert [delivery.state for delivery in deliveries] == [Accepted(), Released(), Accepted(), Accepted()]
    assert [len(delivery.payload) for delivery in attached.link.deliveries] == [5, 15, 1008, 3008]
    peer.send_flow(link_credit=1, drain=True)
    peer.expect_flow(delivery_count=5, link_credit=0, drain=True)
    both.wire.run()
    peer.expect_detach(closed=False).respond()
    both.run(sender.detach(closed=False))
    both.close()


@pytest.mark.parametrize("max_chunk", CHUNKS)
def test_receiving(max_chunk: int | None) -> None:
    both = Session(max_chunk)
    peer = both.peer
    peer.expect_receiver("orders", credit=10)
    receiver = both.session.new_receiver(ReceiverOptions(name="r", source=Source(address="orders"), credit=10))
    both.run(receiver.attach())
    for number in range(10):
        peer.send_transfer(data_section(b"%d" % number), frames=1 + number % 3)
    both.wire.run()
    assert [delivery.payload for delivery in receiver.deliveries] == [data_section(b"%d" % n) for n in range(10)]
    for delivery in list(receiver.deliveries):
        delivery.accept()
    peer.expect_disposition(first=2**32 - 4, last=5, settled=True, state=Accepted)
    peer.ignore(Flow)
    both.wire.run()
    assert {type(delivery.state) for delivery in peer.sessions[0].sent.values()} == {Accepted}
    peer.expect_detach(closed=True).respond()
    both.run(receiver.detach(closed=True))
    assert peer.count(Attach) == 1
    both.close()
