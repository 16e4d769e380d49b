"""Scripted peers behind real sockets: served, connected, broken off, and nothing left behind."""

import asyncio
import gc
import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from amqp10.performatives import Close, Flow, Open
from amqp10.testing import (
    AMQP_HEADER,
    Cut,
    Delay,
    PeerServer,
    ScriptedPeer,
    ScriptFailure,
    Split,
    Stall,
    connect_peer,
    frame_bytes,
    serve_peer,
)

OPEN = frame_bytes("02 00 00 00  00 53 10 c0 07 01 a1 04 'hand'")
CLOSE = frame_bytes("02 00 00 00  00 53 18 45")


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Counts threads and descriptors before and after."""
    gc.collect()
    threads, descriptors = threading.enumerate(), len(os.listdir("/dev/fd"))
    yield
    gc.collect()
    assert threading.enumerate() == threads
    assert len(os.listdir("/dev/fd")) == descriptors


def dial(server: PeerServer) -> socket.socket:
    """Returns a socket that is connected to a server."""
    return socket.create_connection((server.host, server.port), timeout=5)


def read(sock: socket.socket | ssl.SSLSocket, size: int) -> bytes:
    """Returns so many bytes, or fewer where the connection ends."""
    found = b""
    while len(found) < size and (data := sock.recv(size - len(found))):
        found += data
    return found


def write_until_full(sock: socket.socket, data: bytes) -> int:
    """Writes again and again until the time-out says that nothing is taken any more; returns how much was."""
    sent = 0
    while sent < 10_000_000:
        try:
            sent += sock.send(data)
        except TimeoutError:
            break
    return sent


def polite() -> ScriptedPeer:
    """Returns a peer that opens and closes."""
    peer = ScriptedPeer()
    peer.expect_header().respond()
    peer.expect_bytes(OPEN).then(OPEN)
    peer.expect_close().respond()
    return peer


def test_an_exchange() -> None:
    with serve_peer(polite()) as server, dial(server) as sock:
        assert server.url == f"amqp://127.0.0.1:{server.port}"
        sock.sendall(AMQP_HEADER + OPEN)
        assert read(sock, len(AMQP_HEADER + OPEN)) == AMQP_HEADER + OPEN
        sock.sendall(CLOSE)
        assert read(sock, 100) == CLOSE  # and then the end


def test_one_connection_after_the_other() -> None:
    peers = [polite(), polite()]
    with serve_peer(*peers) as server:
        for _ in peers:
            with dial(server) as sock:
                sock.sendall(AMQP_HEADER + OPEN + CLOSE)
                assert read(sock, 100) == AMQP_HEADER + OPEN + CLOSE
    assert [peer.done for peer in peers] == [True, True]


def test_what_is_sent_from_the_test_goes_out_at_once() -> None:
    peer = ScriptedPeer()
    opened = peer.expect_header().respond()
    with serve_peer(peer) as server, dial(server) as sock:
        sock.sendall(AMQP_HEADER)
        assert read(sock, 8) == AMQP_HEADER
        server.wait(opened)
        peer.send(Close(), channel=0)
        assert read(sock, len(CLOSE)) == CLOSE


def test_a_failure_reaches_the_test() -> None:
    def talk() -> None:
        with serve_peer(polite()) as server, dial(server) as sock:
            sock.sendall(AMQP_HEADER + CLOSE)
            assert read(sock, 100) == AMQP_HEADER

    with pytest.raises(ScriptFailure, match="the first frame must be an open"):
        talk()


def broken_off(script: bytes) -> str:
    """Returns what an error of the test learns of the exchange, after it said something to a polite peer."""

    def talk() -> None:
        with serve_peer(polite()) as server:
            with dial(server) as sock:
                sock.sendall(script)
                read(sock, 8)
            raise KeyError("mine")

    with pytest.raises(KeyError) as caught:
        talk()
    (note,) = caught.value.__notes__
    return str(note)


def test_an_error_of_the_test_tells_why_the_peer_failed() -> None:
    note = broken_off(AMQP_HEADER + AMQP_HEADER)
    assert "<ScriptedPeer server failed>" in note
    assert "what came is no AMQP" in note


def test_an_error_of_the_test_tells_the_exchange() -> None:
    note = broken_off(AMQP_HEADER)
    assert "→ header AMQP 1.0.0" in note
    assert "expect exactly 00 00 00 14 02" in note


def test_what_is_missing_is_waited_for_not_for_ever() -> None:
    def talk() -> None:
        with serve_peer(polite(), timeout=0.1) as server, dial(server) as sock:
            sock.sendall(AMQP_HEADER)

    with pytest.raises(ScriptFailure, match=r"(did not come to its end|unexpected end of the connection)"):
        talk()


def test_what_comes_after_the_script_is_seen() -> None:
    def talk() -> None:
        peer = ScriptedPeer()
        peer.expect_header().respond()
        with serve_peer(peer) as server, dial(server) as sock:
            sock.sendall(AMQP_HEADER)
            read(sock, 8)
            sock.sendall(OPEN)

    with pytest.raises(ScriptFailure, match="the script expects nothing more"):
        talk()


def test_waiting_for_something() -> None:
    peer = polite()
    with serve_peer(peer, timeout=5) as server, dial(server) as sock:
        with pytest.raises(ScriptFailure, match="did not come to its end"):
            server.wait(lambda: peer.count(Open) == 1, timeout=0.05)
        sock.sendall(AMQP_HEADER + OPEN)
        server.wait(lambda: peer.count(Open) == 1)
        sock.sendall(CLOSE)


def test_a_connection_too_many() -> None:
    def talk() -> None:
        with serve_peer(polite()) as server, dial(server) as first, dial(server) as second:
            first.sendall(AMQP_HEADER + OPEN + CLOSE)
            assert read(second, 1) == b""

    with pytest.raises(AssertionError, match="more than there are scripted peers"):
        talk()


def test_disconnect_and_reset() -> None:
    for reset in (False, True):
        peer = ScriptedPeer()
        peer.expect_header().respond()
        peer.expect_open()
        peer.disconnect(reset=reset)
        with serve_peer(peer) as server, dial(server) as sock:
            sock.sendall(AMQP_HEADER)
            assert read(sock, 8) == AMQP_HEADER
            sock.sendall(OPEN)
            if reset:
                with pytest.raises(ConnectionResetError):
                    sock.recv(1)
            else:
                assert sock.recv(1) == b""


def test_the_other_end_breaks_off() -> None:
    peer = ScriptedPeer()
    peer.expect_header()
    peer.expect_disconnect()
    with serve_peer(peer) as server:
        with dial(server) as sock:
            sock.sendall(AMQP_HEADER)
        server.wait()


def test_a_peer_that_stops_reading() -> None:
    peer = ScriptedPeer()
    peer.expect_header().respond()
    peer.stop_reading()
    with serve_peer(peer, receive_buffer=4096) as server, dial(server) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        sock.sendall(AMQP_HEADER)
        assert read(sock, 8) == AMQP_HEADER
        sock.settimeout(0.1)
        assert write_until_full(sock, OPEN + bytes(10_000)) < 1_000_000
        opened = peer.expect_open()
        peer.disconnect()
        peer.resume_reading()
        server.wait(opened)


def test_waiting_in_the_script_takes_real_time() -> None:
    peer = ScriptedPeer()
    peer.expect_header()
    peer.wait(0.1)
    peer.send_header()
    with serve_peer(peer) as server, dial(server) as sock:
        started = time.monotonic()
        sock.sendall(AMQP_HEADER)
        assert read(sock, 8) == AMQP_HEADER
        assert 0.09 < time.monotonic() - started < 3


def test_faults() -> None:
    with serve_peer(polite(), to_subject=[Cut(Open, keep=5)]) as server, dial(server) as sock:
        sock.sendall(AMQP_HEADER + OPEN + CLOSE)
        assert read(sock, 100) == AMQP_HEADER + OPEN[:5]
    slowly = [Delay(0.1, Close), Split(3)]
    with serve_peer(polite(), to_subject=slowly, to_peer=[Split(1)]) as server, dial(server) as sock:
        started = time.monotonic()
        sock.sendall(AMQP_HEADER + OPEN + CLOSE)
        assert read(sock, 100) == AMQP_HEADER + OPEN + CLOSE
        assert 0.09 < time.monotonic() - started < 3
    with serve_peer(polite(), to_subject=[Stall(Open)]) as server, dial(server) as sock:
        sock.sendall(AMQP_HEADER + OPEN + CLOSE)
        assert read(sock, 8) == AMQP_HEADER
        sock.settimeout(0.05)
        with pytest.raises(TimeoutError):
            sock.recv(1)


def test_a_reset_by_a_fault() -> None:
    with serve_peer(polite(), to_subject=[Cut(Open, reset=True)]) as server, dial(server) as sock:
        sock.sendall(AMQP_HEADER + OPEN + CLOSE)
        with pytest.raises(ConnectionResetError):
            read(sock, 100)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Makes a certificate for the loopback address, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    return folder / "cert.pem", folder / "key.pem"


def contexts(certificate: tuple[Path, Path]) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Returns the contexts of a server and of a client that trusts it."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(*certificate)
    return server, ssl.create_default_context(cafile=str(certificate[0]))


def test_tls(certificate: tuple[Path, Path]) -> None:
    ours, theirs = contexts(certificate)
    with serve_peer(polite(), tls=ours) as server:
        assert server.url.startswith("amqps://127.0.0.1:")
        with dial(server) as plain, theirs.wrap_socket(plain, server_hostname="127.0.0.1") as sock:
            sock.sendall(AMQP_HEADER + OPEN + CLOSE)
            assert read(sock, 100) == AMQP_HEADER + OPEN + CLOSE


def test_tls_that_fails(certificate: tuple[Path, Path]) -> None:
    ours, _ = contexts(certificate)

    def talk() -> None:
        with serve_peer(polite(), tls=ours) as server, dial(server) as sock:
            sock.sendall(AMQP_HEADER + OPEN)
            read(sock, 100)

    with pytest.raises(ScriptFailure, match=r"connection lost: .*SSL"):
        talk()


def test_a_client_peer(certificate: tuple[Path, Path]) -> None:
    ours, theirs = contexts(certificate)
    for tls_ours, tls_theirs in ((None, None), (ours, theirs)):
        server_peer, client_peer = ScriptedPeer(), ScriptedPeer(role="client")
        server_peer.handshake()
        server_peer.expect_receiver(credit=100)
        server_peer.send_transfer(b"hello")
        server_peer.expect_close().respond()
        client_peer.handshake()
        client_peer.open_receiver("q")
        client_peer.expect_transfer(b"hello")
        client_peer.send_close()
        client_peer.expect_close()
        with (
            serve_peer(server_peer, tls=tls_ours) as server,
            connect_peer(client_peer, server.host, server.port, tls=tls_theirs),
        ):
            pass
        assert client_peer.count(Flow) == 0
        assert server_peer.count(Flow) == 1


def test_in_a_coroutine() -> None:
    async def talk() -> None:
        peer = polite()
        opened = peer.expect_empty().optional()
        async with serve_peer(peer) as server:
            reader, writer = await asyncio.open_connection(server.host, server.port)
            writer.write(AMQP_HEADER + OPEN)
            assert await reader.readexactly(len(AMQP_HEADER + OPEN)) == AMQP_HEADER + OPEN
            await server.wait_async(opened)
            # What the loop has not sent yet when the block ends is still waited for.
            asyncio.get_running_loop().call_later(0.05, writer.write, CLOSE)
        assert await reader.read() == CLOSE
        writer.close()
        await writer.wait_closed()

    asyncio.run(asyncio.wait_for(talk(), 10))


def test_a_failure_reaches_a_coroutine() -> None:
    async def talk() -> None:
        async with serve_peer(polite()) as server:
            _, writer = await asyncio.open_connection(server.host, server.port)
            writer.write(AMQP_HEADER + CLOSE)
            try:
                await server.wait_async()
            finally:
                writer.close()
                await writer.wait_closed()

    with pytest.raises(ScriptFailure, match="the first frame must be an open"):
        asyncio.run(asyncio.wait_for(talk(), 10))


def test_a_script_that_blocks_is_said_to() -> None:
    blocked = threading.Event()
    peer = ScriptedPeer()
    peer.expect_header().then(lambda header: blocked.wait(10))

    def talk() -> None:
        with serve_peer(peer, timeout=0.2) as server, dial(server) as sock:
            sock.sendall(AMQP_HEADER)
            time.sleep(0.1)

    with pytest.raises(RuntimeError, match="something in its script blocks"):
        talk()
    blocked.set()
    for thread in threading.enumerate():
        if thread.name == "scripted-peer":
            thread.join(5)
