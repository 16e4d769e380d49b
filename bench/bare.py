"""What bare asyncio does with the same bytes: the measure for everything above it.

A stream sends so many bytes in pieces of a size, and gets so many back meanwhile; an echo sends a request and waits for
the answer. Both know nothing of AMQP; both talk to `bench.peer`, whose half of them is here too.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass
from time import perf_counter
from typing import cast

from bench.measure import cpu_seconds

_STREAM, _ECHO = b"S", b"E"
_STREAM_HEAD = struct.Struct(">cQQI")
_ECHO_HEAD = struct.Struct(">cII")
_BUFFER = 262_144


# --- the peer's half --------------------------------------------------------------------------------------------------


def serve(connection: socket.socket) -> None:
    """Be the other end of a stream or an echo."""
    if connection.recv(1, socket.MSG_PEEK) == _STREAM:
        _, up, down, piece = _STREAM_HEAD.unpack(_read(connection, _STREAM_HEAD.size))
        _serve_stream(connection, up, down, piece)
    else:
        _, request, answer = _ECHO_HEAD.unpack(_read(connection, _ECHO_HEAD.size))
        _serve_echo(connection, request, bytes(answer))


def _read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise ConnectionError("the client left in the middle")
        data += part
    return data


def _serve_stream(connection: socket.socket, up: int, down: int, piece: int) -> None:
    """Read `up` bytes and write `down`, in step: the larger flow drives the smaller."""
    buffer = bytearray(_BUFFER)
    data = bytes(max(piece, 1))
    received = sent = 0
    while received < up or sent < down:
        if down > up and sent < down:
            sent += _write(connection, data, min(piece, down - sent))
        if received < up:
            received += _receive(connection, buffer, wait=sent >= down or up >= down)
        if up >= down and (due := received * down // up - sent):
            sent += _write(connection, bytes(due), due)


def _receive(connection: socket.socket, buffer: bytearray, *, wait: bool) -> int:
    try:
        size = connection.recv_into(buffer, 0, 0 if wait else socket.MSG_DONTWAIT)
    except BlockingIOError:
        return 0
    if not size:
        raise ConnectionError("the client left in the middle")
    return size


def _write(connection: socket.socket, data: bytes, size: int) -> int:
    connection.sendall(memoryview(data)[:size])
    return size


def _serve_echo(connection: socket.socket, request: int, answer: bytes) -> None:
    buffer = bytearray(_BUFFER)
    pending = 0
    while size := connection.recv_into(buffer):
        pending += size
        while pending >= request:
            pending -= request
            connection.sendall(answer)


# --- the client's half ------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class BareSample:
    """What a stream took.

    Attributes:
        wall: seconds that went by.
        cpu: seconds of processor time of this process.
    """

    wall: float
    cpu: float


class _Client(asyncio.BufferedProtocol):
    """Counts what comes, and knows whether it may write."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.buffer = bytearray(_BUFFER)
        self.paused = False
        self.received = 0
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's do not derive from asyncio's
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.buffer

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False


class _StreamClient(_Client):
    def __init__(self, loop: asyncio.AbstractEventLoop, up: int, down: int, piece: int) -> None:
        super().__init__(loop)
        self.up, self.down, self.piece = up, down, piece
        self.sent = 0
        self.done: asyncio.Future[None] = loop.create_future()

    def start(self) -> None:
        self.transport.write(_STREAM_HEAD.pack(_STREAM, self.up, self.down, self.piece))
        self.data = bytes(self.piece)
        if self.up >= self.down:
            self._send_piece()

    def _send_piece(self) -> None:
        """Send a piece in each turn of the loop."""
        if self.paused or self.sent >= self.up:
            return
        size = min(self.piece, self.up - self.sent)
        self.sent += size
        self.transport.write(memoryview(self.data)[:size])
        if self.sent < self.up:
            self.loop.call_soon(self._send_piece)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._send_piece()

    def buffer_updated(self, nbytes: int) -> None:
        self.received += nbytes
        if self.up < self.down and (due := self.received * self.up // self.down - self.sent):
            self.sent += due
            self.transport.write(bytes(due))
        if self.received >= self.down and not self.done.done():
            self.done.set_result(None)


class _EchoClient(_Client):
    def __init__(self, loop: asyncio.AbstractEventLoop, answer: int) -> None:
        super().__init__(loop)
        self.answer = answer
        self.waiter: asyncio.Future[None] | None = None

    def buffer_updated(self, nbytes: int) -> None:
        self.received += nbytes
        if self.received >= self.answer and self.waiter is not None:
            self.received -= self.answer
            self.waiter.set_result(None)
            self.waiter = None


async def stream(port: int, up: int, down: int, piece: int) -> BareSample:
    """Send `up` bytes and receive `down`, each in pieces, until all have come.

    Args:
        port: of the peer.
        up: bytes to send.
        down: bytes to receive, 1 or more.
        piece: bytes written at once on the larger way.
    """
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(lambda: _StreamClient(loop, up, down, piece), "127.0.0.1", port)
    cpu, wall = cpu_seconds(), perf_counter()
    client.start()
    await client.done
    sample = BareSample(wall=perf_counter() - wall, cpu=cpu_seconds() - cpu)
    client.transport.close()
    return sample


class Echo:
    """A connection for echoes. Made by `open_echo`.

    Args:
        client: its protocol.
        request: bytes of a request.
    """

    def __init__(self, client: _EchoClient, request: int) -> None:
        self._client = client
        self._request = bytes(request)

    async def ask(self) -> None:
        """Send a request and wait for its answer."""
        client = self._client
        waiter: asyncio.Future[None] = client.loop.create_future()
        client.waiter = waiter
        client.transport.write(self._request)
        await waiter

    def close(self) -> None:
        """Leave."""
        self._client.transport.close()


async def open_echo(port: int, request: int, answer: int) -> Echo:
    """Connect for echoes of these sizes, in bytes."""
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(lambda: _EchoClient(loop, answer), "127.0.0.1", port)
    client.transport.write(_ECHO_HEAD.pack(_ECHO, request, answer))
    return Echo(client, request)
