"""The end that a scripted peer is tested against: it says what a test puts into its mouth, and nothing else."""

from amqp10._codec import CompositeBase, Frame, FrameReader, FrameWriter, ProtocolHeader
from amqp10.performatives import Attach, Begin, Flow, Open, Transfer
from amqp10.terminus import Source, Target
from amqp10.testing import ScriptedPeer


class Hand:
    """Puts frames before a peer, by hand, and reads what it answers.

    Args:
        peer: whom to talk to.
    """

    def __init__(self, peer: ScriptedPeer) -> None:
        self.peer = peer
        self._writer = FrameWriter()
        self._reader = FrameReader(max_frame_size=1 << 20, runs=False)

    def header(self, protocol_id: int = 0) -> list[object]:
        """Says a protocol header, and returns the answers."""
        self._writer.write_header(protocol_id)
        return self._exchange()

    def say(self, *bodies: CompositeBase, channel: int = 0, payload: bytes = b"") -> list[object]:
        """Says frames on one channel, the payload in each, and returns the answers."""
        for body in bodies:
            self._writer.write_frame(channel, body, payload)
        return self._exchange()

    def hear(self) -> list[object]:
        """Returns what the peer has to say unasked: bodies of frames, and numbers for headers."""
        items = self._reader.feed(self.peer.data_to_send())
        assert self._reader.error is None
        return [self._plain(item) for item in items]

    def _exchange(self) -> list[object]:
        self.peer.receive_data(self._writer.take())
        return self.hear()

    @staticmethod
    def _plain(item: object) -> object:
        if isinstance(item, ProtocolHeader):
            return item.protocol_id
        assert isinstance(item, Frame)
        return item.performative


def opened(**options: int) -> tuple[ScriptedPeer, Hand]:
    """Returns a peer with an open connection and one session, begun on channel 3 with transfer-id 7."""
    peer = ScriptedPeer(**options)  # type: ignore[arg-type]
    hand = Hand(peer)
    peer.handshake(sasl=False)
    hand.header()
    hand.say(Open(container_id="hand"))
    hand.say(begin(), channel=3)
    peer.assert_done()
    return peer, hand


def begin(**fields: int) -> Begin:
    """Returns a begin, with transfer-id 7 unless told otherwise."""
    return Begin(**{"next_outgoing_id": 7, "incoming_window": 100, "outgoing_window": 100, **fields})  # type: ignore[arg-type]


def attach(name: str = "link", *, role: bool, handle: int = 0, **fields: object) -> Attach:
    """Returns an attach, with the initial delivery-count 50 where it is a sender's."""
    if not role:
        fields.setdefault("initial_delivery_count", 50)
    fields.setdefault("source", Source(address="q"))
    fields.setdefault("target", Target(address="q"))
    return Attach(name=name, handle=handle, role=role, **fields)  # type: ignore[arg-type]


def flow(**fields: int) -> Flow:
    """Returns a flow of a session that has sent and received nothing."""
    return Flow(**{"incoming_window": 100, "next_outgoing_id": 7, "outgoing_window": 100, **fields})  # type: ignore[arg-type]


def transfer(number: int = 0, **fields: object) -> Transfer:
    """Returns the only transfer of a delivery, on handle 0."""
    known: dict[str, object] = {"handle": 0, "delivery_id": number, "delivery_tag": b"%d" % number}
    return Transfer(**known | fields)  # type: ignore[arg-type]
