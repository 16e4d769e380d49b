"""One socket and its peer, worked by hand: no thread, no waiting."""

import selectors
import socket
import ssl
from collections.abc import Iterator

import pytest

from amqp10.performatives import Open
from amqp10.testing import AMQP_HEADER, Delay, ScriptedPeer, Split, Stall, frame_bytes
from amqp10.testing.line import Line, Tls

OPEN = frame_bytes("02 00 00 00  00 53 10 c0 07 01 a1 04 'hand'")


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Makes two connected TCP sockets; the second does not block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname(), timeout=5)
        theirs, _ = listener.accept()
    theirs.settimeout(5)
    with ours, theirs:
        yield ours, theirs


def test_what_it_waits_for(pair: tuple[socket.socket, socket.socket]) -> None:
    peer = ScriptedPeer()
    line = Line(peer, pair[0])
    assert line.events == selectors.EVENT_READ
    peer.reading = False
    assert line.events == 0
    peer.send_raw(bytes(30_000_000))
    line.work(0.0, readable=False)
    assert line.events == selectors.EVENT_WRITE
    line.abort()
    assert line.over


def test_it_is_never_stuck(pair: tuple[socket.socket, socket.socket]) -> None:
    peer = ScriptedPeer()
    peer.expect_header().respond()
    line = Line(peer, pair[0])
    assert line.work(0.0, readable=True) is None
    pair[1].sendall(AMQP_HEADER)
    while not peer.done:
        line.work(0.0, readable=True)
    assert pair[1].recv(100) == AMQP_HEADER


def test_deadlines(pair: tuple[socket.socket, socket.socket]) -> None:
    peer = ScriptedPeer()
    line = Line(peer, pair[0], to_subject=[Delay(3.0, Open)])
    peer.wait(2.0)
    peer.send_header()
    peer.send_open()
    assert line.work(10.0, readable=False) == 12.0
    assert line.work(12.0, readable=False) == 15.0
    assert line.work(15.0, readable=False) is None
    assert pair[1].recv(8) == AMQP_HEADER
    assert len(pair[1].recv(100)) > 20


def test_a_stalled_line_reads_no_more(pair: tuple[socket.socket, socket.socket]) -> None:
    peer = ScriptedPeer()
    peer.expect_header()
    line = Line(peer, pair[0], to_peer=[Stall(Open)])
    pair[1].sendall(AMQP_HEADER + OPEN)
    while line.events:
        line.work(0.0, readable=True)
    assert peer.done
    assert peer.count(Open) == 0


def test_an_orderly_end_waits_for_the_other(pair: tuple[socket.socket, socket.socket]) -> None:
    peer = ScriptedPeer()
    peer.disconnect()
    line = Line(peer, pair[0])
    assert line.work(0.0, readable=False) == 2.0
    assert pair[1].recv(1) == b""
    assert not line.over
    line.work(2.0, readable=False)
    assert line.over


def test_a_split_is_written_piece_by_piece(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = ScriptedPeer()
    line = Line(peer, pair[0], to_subject=[Split(3)])
    sizes: list[int] = []

    class Recorder:
        def send(self, data: bytes) -> int:
            sizes.append(len(data))
            return len(data)

        def close(self) -> None: ...

    monkeypatch.setattr(line, "sock", Recorder())
    peer.send_header()
    line.work(0.0, readable=False)
    assert sizes == [3, 3, 2]


def test_tls_needs_a_hand_shaken_before_it_speaks() -> None:
    client = Tls(ssl.create_default_context(), "127.0.0.1")
    hello = client.wrap(b"secret")
    assert hello.startswith(b"\x16\x03")
    assert b"secret" not in hello
    assert client.wrap(b"") == b""
    with pytest.raises(ssl.SSLError):
        client.feed(b"\x16\x03\x03\x00\x04\x02\x00\x00\x00")  # a hello of the server with nothing in it
    assert client.wrap(b"").startswith(b"\x15\x03")  # an alert
