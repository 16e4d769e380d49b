"""Conversations between two endpoints of python-qpid-proton, over a loopback socket, that together use every frame.

Owns what is said and in which order, so that the same bytes come out each time; make_proton.py tells what they mean.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import proton
from proton import Connection, Data, Delivery, Link, Terminus, Transport, symbol, ulong


def symbols(*names: str) -> proton.Array:
    return proton.Array(proton.UNDESCRIBED, Data.SYMBOL, *map(symbol, names))


class Wire:
    """A client's and a server's transport, joined by a TCP connection; keeps what each of them sent."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client_socket = socket.create_connection(listener.getsockname())
            server_socket, _ = listener.accept()
        self.sockets = client_socket, server_socket
        self.transports = Transport(), Transport(Transport.SERVER)
        self.sent = [bytearray(), bytearray()]
        self.order: list[tuple[int, bytes]] = []

    def pump(self) -> None:
        """Carry bytes both ways until both ends are silent."""
        while self._carry(0) + self._carry(1):
            pass

    def _carry(self, end: int) -> int:
        transport, peer = self.transports[end], self.transports[1 - end]
        pending = transport.pending()
        if pending <= 0:
            return 0
        data = transport.peek(pending)
        transport.pop(len(data))
        self.sockets[end].sendall(data)
        self.order.append((end, data))
        arrived = 0
        while arrived < len(data):
            chunk = self.sockets[1 - end].recv(min(len(data) - arrived, peer.capacity()))
            peer.push(chunk)
            arrived += len(chunk)
        return len(data)

    def close(self) -> None:
        for one in self.sockets:
            one.close()

    def frames(self) -> Iterator[tuple[str, bytes]]:
        """Give what was sent, cut into protocol headers and frames, with the sender's role."""
        for end, data in self.order:
            while data:
                size = 8 if data.startswith(b"AMQP") else int.from_bytes(data[:4], "big")
                assert len(data) >= size, "proton hands out whole frames"
                yield ("client", "server")[end], data[:size]
                data = data[size:]


def anonymous() -> Wire:
    """SASL that succeeds, then a connection that is closed at once."""
    wire = Wire()
    client, server = (Connection() for _ in wire.transports)
    client.container, server.container, client.hostname = "vectors-client", "vectors-server", "example.org"
    for transport in wire.transports:
        transport.sasl().allow_insecure_mechs = True
    wire.transports[0].sasl().allowed_mechs("ANONYMOUS")
    wire.transports[1].sasl().allowed_mechs("ANONYMOUS PLAIN")
    for transport, connection in zip(wire.transports, (client, server), strict=True):
        transport.bind(connection)
    client.open()
    wire.pump()
    server.open()
    wire.pump()
    client.close()
    wire.pump()
    server.close()
    wire.pump()
    return wire


def refused() -> Wire:
    """SASL PLAIN with a password that the server does not know."""
    wire = Wire()
    client = Connection()
    client.container, client.hostname, client.user, client.password = "vectors-client", "example.org", "joe", "wrong"
    wire.transports[0].sasl().allow_insecure_mechs = True
    wire.transports[1].sasl().allow_insecure_mechs = True
    wire.transports[1].require_auth(True)
    wire.transports[0].sasl().allowed_mechs("PLAIN")
    wire.transports[1].sasl().allowed_mechs("PLAIN")
    wire.transports[0].bind(client)
    wire.transports[1].bind(Connection())
    client.open()
    wire.pump()
    return wire


class Talk:
    """A long conversation without SASL, each method a part of it."""

    def __init__(self) -> None:
        self.wire = Wire()
        self.client, self.server = Connection(), Connection()
        self.sessions: dict[str, tuple[Any, Any]] = {}
        self.links: dict[str, tuple[Any, Any]] = {}

    def run(self) -> Wire:
        for part in (
            self.open,
            self.begin,
            self.attach_plain,
            self.attach_rich,
            self.attach_durable,
            self.attach_dynamic,
            self.attach_coordinator,
            self.attach_refused,
            self.credit,
            self.small_transfers,
            self.large_transfers,
            self.outcomes,
            self.transaction,
            self.drain,
            self.heartbeat,
            self.detach,
            self.end,
            self.close,
        ):
            part()
            self.wire.pump()
        return self.wire

    def open(self) -> None:
        for transport in self.wire.transports:
            transport.max_frame_size = 512
        self.wire.transports[0].channel_max = 7
        self.wire.transports[0].idle_timeout = 60
        self.wire.transports[1].idle_timeout = 2
        self.client.container, self.client.hostname = "vectors-client", "example.org"
        self.client.offered_capabilities = ["one-capability"]
        self.client.desired_capabilities = ["first-capability", "second-capability"]
        self.client.properties = {
            "product": "vectors",
            "version": proton.uint(5),
            "nested": {symbol("key"): [True, None, ulong(1)]},
        }
        self.server.container = "vectors-server"
        for transport, connection in zip(self.wire.transports, (self.client, self.server), strict=True):
            transport.bind(connection)
        self.client.open()
        self.wire.pump()
        self.server.open()

    def begin(self) -> None:
        for name in ("one", "two"):
            mine = self.client.session()
            mine.incoming_capacity = 512 * 100
            mine.outgoing_window = 1000
            mine.open()
            self.wire.pump()
            theirs = self.server.session_head(proton.Endpoint.LOCAL_UNINIT)
            theirs.open()
            self.wire.pump()
            self.sessions[name] = mine, theirs

    def _answer(self, name: str, mine: Link) -> Link:
        mine.open()
        self.wire.pump()
        theirs = self.server.link_head(proton.Endpoint.LOCAL_UNINIT)
        theirs.source.copy(theirs.remote_source)
        theirs.target.copy(theirs.remote_target)
        self.links[name] = mine, theirs
        return theirs

    def attach_plain(self) -> None:
        sender = self.sessions["one"][0].sender("plain-sender")
        sender.target.address = "queue-1"
        self._answer("plain", sender).open()

    def attach_rich(self) -> None:
        receiver = self.sessions["one"][0].receiver("rich-receiver")
        source = receiver.source
        source.address = "topic/ü"
        source.distribution_mode = Terminus.DIST_MODE_COPY
        source.filter.put_object(
            {
                symbol("apache.org:selector-filter:string"): proton.Described(ulong(0x0000468C00000004), "a > 1"),
                symbol("plain"): proton.Described(symbol("x:filter"), [proton.uint(1), None]),
            }
        )
        source.outcomes.put_object(symbols("amqp:accepted:list", "amqp:rejected:list"))
        source.capabilities.put_object(symbols("queue", "shared"))
        receiver.target.capabilities.put_object(symbol("single"))
        receiver.target.address = "here"
        receiver.snd_settle_mode = Link.SND_UNSETTLED
        receiver.rcv_settle_mode = Link.RCV_SECOND
        receiver.max_message_size = 2**40
        receiver.properties = {"priority": proton.int32(-5)}
        theirs = self._answer("rich", receiver)
        theirs.snd_settle_mode = Link.SND_UNSETTLED
        theirs.rcv_settle_mode = Link.RCV_SECOND
        theirs.open()

    def attach_durable(self) -> None:
        receiver = self.sessions["two"][0].receiver("durable-receiver")
        receiver.source.address = "durable"
        receiver.source.durability = Terminus.DELIVERIES
        receiver.source.expiry_policy = Terminus.EXPIRE_NEVER
        receiver.source.timeout = 300
        receiver.target.durability = Terminus.CONFIGURATION
        receiver.target.expiry_policy = Terminus.EXPIRE_WITH_CONNECTION
        receiver.target.timeout = 5
        self._answer("durable", receiver).open()

    def attach_dynamic(self) -> None:
        receiver = self.sessions["two"][0].receiver("dynamic-receiver")
        receiver.source.dynamic = True
        receiver.source.properties.put_object(
            {
                symbol("lifetime-policy"): proton.Described(ulong(0x2B), []),
                symbol("supported-dist-modes"): symbol("move"),
            }
        )
        receiver.snd_settle_mode = Link.SND_SETTLED
        theirs = self._answer("dynamic", receiver)
        theirs.source.address = "made-up-1"
        theirs.open()

    def attach_coordinator(self) -> None:
        sender = self.sessions["two"][0].sender("transactions")
        sender.target.type = Terminus.COORDINATOR
        sender.target.capabilities.put_object(symbols("amqp:local-transactions"))
        self._answer("coordinator", sender).open()

    def attach_refused(self) -> None:
        sender = self.sessions["two"][0].sender("refused-sender")
        sender.target.address = "no-such-queue"
        theirs = self._answer("refused", sender)
        theirs.target.type = Terminus.UNSPECIFIED
        theirs.open()
        theirs.condition = proton.Condition("amqp:not-found", "no such queue", {symbol("name"): "queue-9"})
        theirs.close()
        self.wire.pump()
        sender.close()

    def credit(self) -> None:
        for name in ("plain", "coordinator"):
            self.links[name][1].flow(10)
            self.wire.pump()
        for name in ("rich", "durable", "dynamic"):
            self.links[name][0].flow(300)
            self.wire.pump()
        self.links["plain"][0].offered(4)

    def _send(self, sender: Link, tag: bytes, payload: bytes, settled: bool = False) -> Delivery:
        delivery = sender.delivery(tag)
        sender.stream(payload)
        sender.advance()
        if settled:
            delivery.settle()
        self.wire.pump()
        return delivery

    def _body(self, text: str) -> bytes:
        return bytes(proton.Message(text.encode(), inferred=True).encode())

    def small_transfers(self) -> None:
        sender = self.links["plain"][0]
        self._send(sender, b"\x00", self._body("settled"), settled=True)
        self._send(sender, b"tag-of-32-bytes-0123456789abcdef", self._body("unsettled"))
        self._send(sender, b"empty", b"")

    def large_transfers(self) -> None:
        sender = self.links["plain"][0]
        self._send(sender, b"large", self._body("x" * 1200))
        delivery = sender.delivery(b"streamed")
        sender.stream(self._body("part one"))
        self.wire.pump()
        sender.stream(b"")
        sender.advance()
        self.wire.pump()
        aborted = sender.delivery(b"aborted")
        sender.stream(self._body("never mind"))
        self.wire.pump()
        aborted.abort()
        self.wire.pump()
        delivery.settle()

    def _take(self, name: str, end: int) -> Delivery:
        receiver = self.links[name][end]
        delivery = receiver.current
        while receiver.recv(4096):
            pass
        receiver.advance()
        return delivery

    def outcomes(self) -> None:
        """A client that answers in every way, and a client that answers a range at once."""
        theirs = self.links["rich"][1]
        for n in range(9):
            self._send(theirs, b"out-%d" % n, self._body(f"message {n}"))
        deliveries = [self._take("rich", 0) for _ in range(9)]
        for delivery, answer in zip(deliveries, self._answers(), strict=False):
            answer(delivery)
            self.wire.pump()
        for delivery in deliveries[-3:]:
            delivery.update(Delivery.ACCEPTED)
        self.wire.pump()
        for delivery in deliveries[-3:]:
            delivery.settle()
        self.wire.pump()

    def _answers(self) -> list[Callable[[Delivery], None]]:
        def received(delivery: Delivery) -> None:
            delivery.local.section_number, delivery.local.section_offset = 3, 2**33
            delivery.update(Delivery.RECEIVED)

        def rejected(delivery: Delivery) -> None:
            delivery.local.condition = proton.Condition(
                "amqp:decode-error", "grüße: cannot be read", {symbol("offset"): ulong(12), symbol("why"): ["a", None]}
            )
            delivery.update(Delivery.REJECTED)
            delivery.settle()

        def rejected_plainly(delivery: Delivery) -> None:
            delivery.update(Delivery.REJECTED)
            delivery.settle()

        def released(delivery: Delivery) -> None:
            delivery.update(Delivery.RELEASED)
            delivery.settle()

        def modified(delivery: Delivery) -> None:
            delivery.local.failed = delivery.local.undeliverable = True
            delivery.local.annotations = {symbol("x-opt-why"): proton.ubyte(3)}
            delivery.update(Delivery.MODIFIED)
            delivery.settle()

        def modified_plainly(delivery: Delivery) -> None:
            delivery.update(Delivery.MODIFIED)
            delivery.settle()

        return [received, rejected, rejected_plainly, released, modified, modified_plainly]

    def transaction(self) -> None:
        """Declare, send and accept under the transaction, discharge."""
        declare = proton.Message(proton.Described(ulong(0x31), [None])).encode()
        delivery = self._send(self.links["coordinator"][0], b"declare", declare)
        answer = self._take("coordinator", 1)
        answer.local.data = [b"txn-1"]
        answer.update(0x33)
        answer.settle()
        self.wire.pump()
        delivery.settle()
        sent = self.links["plain"][0].delivery(b"in-txn")
        sent.local.data = [b"txn-1"]
        sent.update(0x34)
        self.links["plain"][0].stream(self._body("under the transaction"))
        self.links["plain"][0].advance()
        self.wire.pump()
        self._send(self.links["durable"][1], b"acquire", self._body("to be accepted"))
        received = self._take("durable", 0)
        received.local.data = [b"txn-1", proton.Described(ulong(0x24), [])]
        received.update(0x34)
        self.wire.pump()
        received.settle()
        self.wire.pump()
        discharge = proton.Message(proton.Described(symbol("amqp:discharge:list"), [b"txn-1", False])).encode()
        self._send(self.links["coordinator"][0], b"discharge", discharge).settle()
        self._take("coordinator", 1).settle()

    def drain(self) -> None:
        mine, theirs = self.links["durable"]
        mine.drain(5)
        self.wire.pump()
        theirs.drained()

    def heartbeat(self) -> None:
        self.wire.transports[0].tick(1)
        self.wire.transports[0].tick(3)

    def detach(self) -> None:
        for name in ("durable", "rich", "plain"):
            for end in self.links[name]:
                if name == "durable":
                    end.detach()
                else:
                    end.close()
                self.wire.pump()
        mine, theirs = self.links["dynamic"]
        theirs.condition = proton.Condition("amqp:link:detach-forced", "going away")
        theirs.close()
        self.wire.pump()
        mine.close()

    def end(self) -> None:
        mine, theirs = self.sessions["two"]
        theirs.condition = proton.Condition(
            "amqp:session:window-violation", "too many frames", {symbol("frames"): proton.uint(300)}
        )
        theirs.close()
        self.wire.pump()
        mine.close()
        self.wire.pump()
        for end in self.sessions["one"]:
            end.close()
            self.wire.pump()

    def close(self) -> None:
        self.client.condition = proton.Condition("amqp:connection:forced", None, {symbol("x:by"): symbol("operator")})
        self.client.close()
        self.wire.pump()
        self.server.close()


def talk() -> Wire:
    """Open, several links, every transfer and outcome, a transaction, and the way back, without SASL."""
    return Talk().run()
