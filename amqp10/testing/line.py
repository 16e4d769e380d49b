"""One socket with a scripted peer behind it: bytes both ways through faults and TLS, never waiting."""

from __future__ import annotations

import selectors
import socket
import ssl
import struct
from collections import deque
from collections.abc import Iterable

from amqp10.testing.faults import Break, Fault, Lane
from amqp10.testing.peer import ScriptedPeer

__all__ = ["Line", "Tls"]

_CHUNK = 65_536
_CAPACITY = 1 << 20  # bytes on the way from which on nothing more is taken
_LINGER = 2.0  # seconds that the other end has to close after us


class Tls:
    """TLS between two buffers.

    Args:
        context: whose certificates and rules.
        server_hostname: the name to ask for; None is the accepting side.
    """

    def __init__(self, context: ssl.SSLContext, server_hostname: str | None = None) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_hostname is None, server_hostname=server_hostname
        )
        self._ready = False
        self._failed = False
        self._waiting = bytearray()  # to be encrypted once the handshake is done
        self.ended = False

    def feed(self, data: bytes) -> bytes:
        """Take bytes of the socket, and return what they say.

        Args:
            data: encrypted; none is the end.

        Raises:
            ssl.SSLError: the other end broke TLS, or will not have us.
        """
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        if not self._shake_hands():
            return b""
        found = bytearray()
        try:
            while part := self._object.read(_CHUNK):
                found += part
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            self.ended = True
        return bytes(found)

    def wrap(self, data: bytes) -> bytes:
        """Take what is to be said, and return bytes for the socket.

        Args:
            data: plain; may be empty, as the handshake has things to say of its own.
        """
        self._waiting += data
        if self._shake_hands() and self._waiting:
            self._object.write(self._waiting)
            self._waiting.clear()
        return self._outgoing.read()

    def close(self) -> bytes:
        """Say that nothing more will be said, and return bytes for the socket."""
        try:
            self._object.unwrap()
        except (ssl.SSLError, ValueError):
            pass  # the other end's own good-bye is not waited for, and may never come
        return self._outgoing.read()

    def _shake_hands(self) -> bool:
        if not self._ready and not self._failed:
            try:
                self._object.do_handshake()
                self._ready = True
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError:
                self._failed = True  # what is left is to say so: the alert is in the output
                raise
        return self._ready


class Line:
    """A connected socket and the peer that plays over it.

    Args:
        peer: whose script is played.
        sock: connected; the line owns it.
        tls: the TLS to speak; None for none.
        to_subject: faults in what the peer sends.
        to_peer: faults in what the tested end sends.

    Attributes:
        peer: as given.
        over: whether the socket is closed.
    """

    def __init__(
        self,
        peer: ScriptedPeer,
        sock: socket.socket,
        tls: Tls | None = None,
        to_subject: Iterable[Fault] = (),
        to_peer: Iterable[Fault] = (),
    ) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.peer = peer
        self.sock = sock
        self.over = False
        self._tls = tls
        self._outgoing = Lane(to_subject, _CAPACITY)
        self._incoming = Lane(to_peer, _CAPACITY)
        self._unsent: deque[bytes] = deque()  # one entry for each write, so that a split stays a split
        self._cause: BaseException | None = None  # the error that ended reading
        self._at_eof = False
        self._closing: Break | None = None
        self._close_by = float("inf")

    # --- what the carrier asks ----------------------------------------------------------------------------------------

    @property
    def events(self) -> int:
        """What to wait for at the socket."""
        wanted = selectors.EVENT_WRITE if self._unsent else 0
        if not self._at_eof and self.peer.reading and not self._incoming.is_full:
            wanted |= selectors.EVENT_READ
        return wanted

    def work(self, now: float, *, readable: bool) -> float | None:
        """Do all that can be done without waiting, and return when there will be more; None where nobody knows.

        Args:
            now: the time, in seconds.
            readable: whether the socket may have something.
        """
        if readable and not self._at_eof:
            self._read(now)
        self.peer.tick(now)
        self._deliver(now)
        due = self.peer.tick(now)
        self._collect(now)
        self._write()
        if self._closing is not None and not self._unsent and not self.over:
            self._close(self._closing, now)
        times = [due, self._outgoing.next_due, self._incoming.next_due, self._close_by]
        return min((time for time in times if time is not None and time != float("inf")), default=None)

    def drain(self, now: float) -> None:
        """Read what is there already, however much, for the last time.

        Args:
            now: the time, in seconds.
        """
        while self.events & selectors.EVENT_READ and self._read(now):
            self._deliver(now)
        self.work(now, readable=False)

    def abort(self) -> None:
        """Close the socket, whatever is on its way."""
        if not self.over:
            self.over = True
            self.sock.close()

    # --- reading ------------------------------------------------------------------------------------------------------

    def _read(self, now: float) -> bool:
        """Read once; tell whether there was something."""
        try:
            data = self.sock.recv(_CHUNK)
            plain = self._tls.feed(data) if self._tls is not None else data
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:  # ssl.SSLError is one too
            self._cause, data, plain = error, b"", b""
        if plain:
            self._incoming.push(plain, now)
        if not data or (self._tls is not None and self._tls.ended):
            self._at_eof = True
            self._incoming.end(now)
        return bool(data)

    def _deliver(self, now: float) -> None:
        while self.peer.reading and (piece := self._incoming.pop(now)) is not None:
            if isinstance(piece, Break):
                self.peer.receive_eof(ConnectionResetError("reset by a fault") if piece.reset else self._cause)
            else:
                self.peer.receive_data(piece)

    # --- writing ------------------------------------------------------------------------------------------------------

    def _collect(self, now: float) -> None:
        while not self._outgoing.is_full and (data := self.peer.data_to_send()):
            self._outgoing.push(data, now)
        if self.peer.finished and not self._outgoing.broken and not self._outgoing.is_full:
            self._outgoing.end(now, reset=self.peer.resets)
        while (piece := self._outgoing.pop(now)) is not None:
            if isinstance(piece, Break):
                self._closing = piece
            else:
                self._unsent.append(self._tls.wrap(piece) if self._tls is not None else piece)
        if self._tls is not None and (rest := self._tls.wrap(b"")):
            self._unsent.append(rest)

    def _write(self) -> None:
        try:
            while self._unsent:
                sent = self.sock.send(self._unsent[0])
                if sent < len(self._unsent[0]):
                    self._unsent[0] = self._unsent[0][sent:]
                    return
                self._unsent.popleft()
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._unsent.clear()  # reading meets the same end, and tells the peer

    def _close(self, how: Break, now: float) -> None:
        """Reset at once; or say good-bye, and close when the other end has closed too or had time enough to."""
        if how.reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.abort()
        elif self._close_by == float("inf"):
            self._close_by = now + _LINGER
            self._say_good_bye()
        if self._at_eof or now >= self._close_by:
            self.abort()

    def _say_good_bye(self) -> None:
        try:
            if self._tls is not None:
                self.sock.send(self._tls.close())
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._at_eof = True
