"""A scripted peer to test AMQP 1.0 with: byte by byte, in memory or over sockets, with faults where they are wanted.

It stands on the codec alone and shares nothing with the engine, so the two can check each other.

::

    peer = ScriptedPeer()  # a script: what is expected and sent, in order
    peer.handshake()  # headers, SASL, open, begin
    peer.expect_sender("orders", credit=1)  # attach, its answer, a flow
    peer.expect_transfer(HasBody(b"hello")).respond()  # accepted and settled
    peer.expect_detach(closed=True).respond()
    peer.ignore(End)
    peer.expect_close().respond()

Over a socket, for any client (with a loop, `async with`)::

    with serve_peer(peer) as server:
        ...  # connects to server.url

In memory, for anything with `receive_data` and `data_to_send`::

    wire = Pump(connection, peer, max_chunk=7, to_peer=[Delay(2.0, Attach)])
    wire.run()
    wire.advance(2.0)
    peer.assert_done()

What goes wrong is a `ScriptFailure` that shows the frame beside what was expected, and the exchange before it.
`frame_bytes` makes frames byte by byte, `ScriptedPeer.expect_bytes` expects them so, `dump` shows them.
"""

from amqp10.testing.defaults import FIRST_ID, PeerOptions
from amqp10.testing.faults import (
    Corrupt,
    Cut,
    Delay,
    Drop,
    Duplicate,
    Fault,
    FrameFault,
    Replace,
    Split,
    Stall,
    Truncate,
)
from amqp10.testing.ledger import Link, ReceivedDelivery, SentDelivery, Session
from amqp10.testing.matchers import (
    ANY,
    PRESENT,
    AtLeast,
    AtMost,
    Contains,
    Has,
    HasAddress,
    HasBody,
    Matcher,
    OneOf,
)
from amqp10.testing.memory import Endpoint, Pump, pump
from amqp10.testing.peer import ScriptedPeer
from amqp10.testing.report import TraceEntry
from amqp10.testing.script import Arrival, Expectation
from amqp10.testing.sockets import PeerCarrier, PeerServer, connect_peer, serve_peer
from amqp10.testing.text import ScriptFailure, dump
from amqp10.testing.vocabulary import AMQP, SASL
from amqp10.testing.wire import AMQP_HEADER, EMPTY_FRAME, SASL_HEADER, data_section, frame_bytes, hex_bytes

__all__ = [
    "AMQP",
    "AMQP_HEADER",
    "ANY",
    "EMPTY_FRAME",
    "FIRST_ID",
    "PRESENT",
    "SASL",
    "SASL_HEADER",
    "Arrival",
    "AtLeast",
    "AtMost",
    "Contains",
    "Corrupt",
    "Cut",
    "Delay",
    "Drop",
    "Duplicate",
    "Endpoint",
    "Expectation",
    "Fault",
    "FrameFault",
    "Has",
    "HasAddress",
    "HasBody",
    "Link",
    "Matcher",
    "OneOf",
    "PeerCarrier",
    "PeerOptions",
    "PeerServer",
    "Pump",
    "ReceivedDelivery",
    "Replace",
    "ScriptFailure",
    "ScriptedPeer",
    "SentDelivery",
    "Session",
    "Split",
    "Stall",
    "TraceEntry",
    "Truncate",
    "connect_peer",
    "data_section",
    "dump",
    "frame_bytes",
    "hex_bytes",
    "pump",
    "serve_peer",
]
