"""The other end of the loopback benchmarks: a process of its own that decodes, counts, checks and answers.

It stands on the codec alone, with blocking sockets and a thread for each connection, so that it costs less than the
client and does not bound it; after each link it reports what it counted and the processor time that took.
`python -m bench.peer` listens on a free port of loopback and prints it. What a connection is for shows in its first
byte: `A` of a protocol header for AMQP, else one of `bench.bare`'s.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import sys
import threading
import traceback
from collections.abc import Iterator
from itertools import islice
from time import perf_counter
from typing import Any

from amqp10._codec import (
    CompositeBase,
    Delivery,
    Frame,
    FrameReader,
    FrameWriter,
    OutgoingDelivery,
    ProtocolHeader,
    SenderTally,
    TransferRun,
)
from amqp10.outcomes import ACCEPTED, RELEASED
from amqp10.performatives import Attach, Begin, Close, Detach, Disposition, End, Flow, Open
from bench import bare
from bench.measure import cpu_seconds
from bench.workload import WrongBodyError, body_stream, check_body, make_bodies

CREDIT = 10_000
"""What the peer's receivers give: at most so many messages are without an outcome."""

PER_DISPOSITION = 100
"""Deliveries that a disposition of the peer names, at most."""

_BUFFER = 262_144
_WINDOW = 0x7FFFFFFF
_MAX_FRAME = 65_536
_BATCH = 400  # messages written at once
_ENDLESS = 1 << 40


class Amqp:
    """One AMQP connection, and the sessions and links on it."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.reader = FrameReader(_MAX_FRAME)
        self.writer = FrameWriter()
        self.links: dict[tuple[int, int], Sink | Source] = {}
        self.bodies = make_bodies()
        self.open = True

    def serve(self) -> None:
        """Read and answer until the client closes."""
        buffer = bytearray(_BUFFER)
        view = memoryview(buffer)
        while self.open:
            size = self.socket.recv_into(buffer)
            if not size:
                return
            self.receive(view[:size])
            self.flush()

    def receive(self, data: memoryview) -> None:
        """Handle what came."""
        for item in self.reader.feed(data):
            if type(item) is TransferRun:
                sink = self.links[item.channel, item.handle]
                assert isinstance(sink, Sink)
                sink.receive(item)
            elif type(item) is Frame:
                self.handle(item.channel, item.performative)
            elif type(item) is ProtocolHeader:
                self.writer.write_header(0)
        if self.reader.error is not None:
            raise self.reader.error

    def handle(self, channel: int, performative: Any) -> None:
        """Handle one frame that is no transfer."""
        match performative:
            case Open():
                self.write(0, Open(container_id="bench", max_frame_size=_MAX_FRAME))
            case Begin():
                self.begin(channel)
            case Attach():
                self.attach(channel, performative)
            case Flow(handle=int(handle)):
                self.links[channel, handle].flow(performative)
            case Disposition():
                self.settle(performative)
            case Detach():
                self.links.pop((channel, performative.handle)).report()
                self.write(channel, Detach(handle=performative.handle, closed=performative.closed))
            case End():
                self.write(channel, End())
            case Close():
                self.write(0, Close())
                self.open = False

    def begin(self, channel: int) -> None:
        """Answer a begin."""
        begin = Begin(
            remote_channel=channel, next_outgoing_id=0, incoming_window=_WINDOW, outgoing_window=_WINDOW, handle_max=255
        )
        self.write(channel, begin)

    def attach(self, channel: int, attach: Attach) -> None:
        """Answer an attach with the opposite end."""
        link: Sink | Source = (Source if attach.role else Sink)(self, channel, attach.handle)
        self.links[channel, attach.handle] = link
        answer = Attach(
            name=attach.name,
            handle=attach.handle,
            role=not attach.role,
            snd_settle_mode=attach.snd_settle_mode,
            source=attach.source,
            target=attach.target,
            initial_delivery_count=0 if attach.role else None,
        )
        self.write(channel, answer)
        link.start()

    def settle(self, disposition: Disposition) -> None:
        """Hand outcomes to the source; there is one at a time."""
        for link in self.links.values():
            if isinstance(link, Source):
                link.settle(disposition)

    def write(self, channel: int, performative: CompositeBase) -> None:
        """Queue a frame."""
        self.writer.write_frame(channel, performative)

    def flush(self) -> None:
        """Send what is queued."""
        if data := self.writer.take():
            self.socket.sendall(data)


class Link:
    """What sink and source share: the clock, and the report."""

    role: str

    def __init__(self, connection: Amqp, channel: int, handle: int) -> None:
        self.connection = connection
        self.channel = channel
        self.handle = handle
        self.messages = 0
        self.dispositions = 0
        self._cpu = cpu_seconds(resource.RUSAGE_THREAD)
        self._wall = perf_counter()

    def report(self) -> None:
        """Print what was counted, and the time since the attach."""
        figures = {
            "role": self.role,
            "messages": self.messages,
            "dispositions": self.dispositions,
            "cpu": cpu_seconds(resource.RUSAGE_THREAD) - self._cpu,
            "wall": perf_counter() - self._wall,
        }
        sys.stdout.write(json.dumps(figures) + "\n")
        sys.stdout.flush()


class Sink(Link):
    """Takes messages: each must be the next of the cycle; a disposition accepts at most `PER_DISPOSITION`."""

    role = "sink"

    def start(self) -> None:
        """Give credit, and have the reader make runs of what comes."""
        self._expected: Iterator[bytes] = body_stream(self.connection.bodies, _ENDLESS)
        self._credit = 0
        self.connection.reader.bind(self.channel, self.handle, Delivery, self)
        self._replenish()

    def _replenish(self) -> None:
        self._credit = CREDIT
        flow = Flow(
            next_incoming_id=self.messages,  # each is one frame
            incoming_window=_WINDOW,
            next_outgoing_id=0,
            outgoing_window=_WINDOW,
            handle=self.handle,
            delivery_count=self.messages,
            link_credit=CREDIT,
        )
        self.connection.write(self.channel, flow)

    def receive(self, run: TransferRun) -> None:
        """Check, count and accept a run."""
        for delivery, expected in zip(run.deliveries, self._expected, strict=False):
            check_body(delivery.message.body, expected)
        self.messages += run.count
        self._credit -= run.count
        if not run.settled:
            self._accept(run.first, run.count)
        if self._credit <= CREDIT // 2:
            self._replenish()

    def _accept(self, first: int, count: int) -> None:
        for start in range(0, count, PER_DISPOSITION):
            last = first + min(start + PER_DISPOSITION, count) - 1
            disposition = Disposition(role=True, first=first + start, last=last, settled=True, state=ACCEPTED)
            self.connection.write(self.channel, disposition)
            self.dispositions += 1

    def flow(self, flow: Flow) -> None:
        """A sender's flow tells a sink nothing new."""


class Source(Link):
    """Gives messages as long as there is credit, and counts what was accepted."""

    role = "source"

    def start(self) -> None:
        """Wait for credit."""
        self._bodies = body_stream(self.connection.bodies, _ENDLESS)
        self._tally = SenderTally(None)
        self._accepted = 0

    def flow(self, flow: Flow) -> None:
        """Use the credit up."""
        assert flow.link_credit is not None
        assert flow.delivery_count is not None
        credit = flow.delivery_count + flow.link_credit - self.messages
        while credit > 0:
            batch = min(credit, _BATCH)
            self._send(batch)
            credit -= batch

    def _send(self, count: int) -> None:
        write, channel, handle, tally = self.connection.writer.write_transfer, self.channel, self.handle, self._tally
        number = self.messages
        for body in islice(self._bodies, count):
            delivery = OutgoingDelivery(tally, body, number.to_bytes(4, "big"))
            delivery.delivery_id = number
            write(delivery, channel, handle, _MAX_FRAME, 1, True)
            number += 1
        self.messages = number
        self.connection.flush()

    def settle(self, disposition: Disposition) -> None:
        """Count deliveries that were accepted; those that a closing client had not taken come back released."""
        last = disposition.first if disposition.last is None else disposition.last
        if not disposition.settled or disposition.state not in (ACCEPTED, RELEASED):
            raise WrongBodyError(f"not accepted: {disposition!r}")
        if disposition.state == ACCEPTED:
            self._accepted += last - disposition.first + 1
            self.dispositions += 1

    def report(self) -> None:
        """Report the messages that were accepted, not those that were under way when the client had enough."""
        self.messages = self._accepted
        super().report()


def serve(connection: socket.socket) -> None:
    """Serve one connection, whatever it is for; what goes wrong ends the process, so that the benchmark fails."""
    try:
        _serve(connection)
    except BaseException:  # noqa: BLE001 - whatever it is, the client must not wait for this process
        traceback.print_exc()
        os._exit(1)


def _serve(connection: socket.socket) -> None:
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if connection.recv(1, socket.MSG_PEEK) == b"A":
            Amqp(connection).serve()
        else:
            bare.serve(connection)


def main() -> None:
    """Listen until standard input ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    threading.Thread(target=_accept_all, args=(listener,), daemon=True).start()
    sys.stdin.read()


def _accept_all(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
