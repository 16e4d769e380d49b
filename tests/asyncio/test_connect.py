"""Connecting: URLs, TLS, SASL, sockets, and that no password is ever shown."""

import asyncio
import gc
import logging
import socket
import warnings
from urllib.parse import quote

import pytest

import amqp10
from amqp10 import (
    Anonymous,
    AuthenticationError,
    External,
    InvalidState,
    PeerViolation,
    Plain,
    TransportError,
)
from amqp10.performatives import SaslInit
from amqp10.testing import ScriptedPeer, serve_peer
from amqp10.transport import tls
from tests.asyncio.broker import PASSWORD, USER, Behavior, Broker
from tests.asyncio.by_hand import LOOPS, SECRET, saying, server, shown
from tests.asyncio.harness import LoopName, eventually, run

# --- plain ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loop", LOOPS)
def test_what_both_opens_say(loop: LoopName) -> None:
    async def main() -> None:
        async with Broker(Behavior(max_frame_size=8192)) as broker:
            connection = await amqp10.connect(
                broker.url(),
                container_id="me",
                max_frame_size=1024,
                channel_max=7,
                idle_timeout=20,
                properties={"product": "test"},
                desired_capabilities=["a", "b"],
                offered_capabilities=["c"],
            )
            opened = await broker.opened()
            assert opened.container_id == "me"
            assert opened.hostname == "127.0.0.1"
            assert opened.max_frame_size == 1024
            assert opened.channel_max == 7
            assert opened.idle_time_out == 10_000  # half of what is enforced
            assert opened.properties == {"product": "test"}
            assert list(opened.desired_capabilities or ()) == ["a", "b"]
            assert list(opened.offered_capabilities or ()) == ["c"]
            assert connection.container_id == "me"
            assert connection.remote_container_id == "broker"
            assert connection.remote_properties == {}
            assert connection.remote_offered_capabilities == ()
            assert connection.max_frame_size == 8192
            assert connection.channel_max == 7
            assert [connection.closed, connection.error] == [False, None]
            assert "me" in repr(connection)
            await connection.close()
            assert isinstance(connection.error, amqp10.ConnectionClosed)
            await connection.close()  # harmless

    run(main, loop=loop)


@pytest.mark.parametrize(("hostname", "said"), [(None, "localhost"), ("vhost:orders", "vhost:orders"), ("", "")])
def test_the_virtual_host(hostname: str | None, said: str) -> None:
    async def main() -> None:
        async with Broker() as broker, amqp10.connect(broker.url(host="localhost"), hostname=hostname):
            opened = await broker.opened()
            assert (opened.hostname or "") == said

    run(main)


def test_nagle_is_off() -> None:
    async def main() -> None:
        async with Broker() as broker:
            mine = socket.socket()  # of which asyncio does not know that it is TCP
            mine.connect(("127.0.0.1", broker.port))
            async with amqp10.connect(broker.url()) as one, amqp10.connect(broker.url(), sock=mine) as other:
                for connection in (one, other):
                    transport = connection._driver.transport
                    assert transport is not None
                    sock = transport.get_extra_info("socket")
                    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    run(main)


@pytest.mark.parametrize("loop", LOOPS)
def test_nobody_listens(loop: LoopName) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    async def main() -> None:
        with pytest.raises(TransportError, match=f"cannot connect to 127.0.0.1 port {port}") as caught:
            await amqp10.connect(f"amqp://127.0.0.1:{port}")
        assert isinstance(caught.value.__cause__, ConnectionRefusedError)
        assert isinstance(caught.value, OSError)
        assert caught.value.level == "connection"
        assert caught.value.retryable

    run(main, loop=loop)


def test_a_name_that_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    async def main() -> None:
        with pytest.raises(TransportError, match="not known") as caught:
            await amqp10.connect(f"amqp://user:{SECRET}@unknown.invalid")
        assert isinstance(caught.value.__cause__, socket.gaierror)
        assert SECRET not in shown(caught.value)

    run(main)


def test_a_time_out_of_the_network_is_not_ours() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def create_connection(*_: object, **__: object) -> None:
            raise TimeoutError(110, "Connection timed out")

        loop.create_connection = create_connection  # type: ignore[method-assign, assignment]
        for timeout in (None, 30):
            with pytest.raises(TransportError, match="Connection timed out") as caught:
                await amqp10.connect("amqp://127.0.0.1", timeout=timeout)
            assert isinstance(caught.value.__cause__, TimeoutError)

    run(main)


@pytest.mark.parametrize(
    "options",
    [
        {"max_frame_size": 100},
        {"channel_max": 70_000},
        {"idle_timeout": 0},
        {"idle_timeout": -1},
        {"sasl": []},
    ],
)
def test_options_that_cannot_be(options: dict[str, object]) -> None:
    async def main() -> None:
        with pytest.raises(ValueError):  # noqa: PT011 - which one is told by the options' own tests
            await amqp10.connect("amqp://127.0.0.1:1", **options)  # type: ignore[arg-type]

    run(main)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        b"\x15\x03\x03\x00\x02\x02\x28",  # TLS
        b"AMQP\x00\x00\x09\x01",
        b"AMQP\x00\x01\x00\x00",  # no SASL layer where one is needed
        b"AMQP\x03\x01\x00\x00\xff\xff\xff\xff" + b"\0" * 8,
        b"AMQP\x03\x01\x00\x00\x00\x00\x00\x09\x02\x01\x00\x00\x00",
    ],
)
def test_what_answers_does_not_speak_amqp(data: bytes) -> None:
    async def main() -> None:
        async with server(saying(data)) as url:
            with pytest.raises(PeerViolation) as caught:
                await amqp10.connect(url)
            assert caught.value.level == "connection"
            assert caught.value.condition is not None

    run(main)


@pytest.mark.parametrize(
    ("data", "when"),
    [
        (b"", "authenticating by SASL"),
        (b"AMQP\x03\x01\x00\x00", "authenticating by SASL"),
    ],
)
def test_a_peer_that_hangs_up(data: bytes, when: str) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(data)

    async def main() -> None:
        async with server(handler) as url:
            with pytest.raises(TransportError, match=when) as caught:
                await amqp10.connect(url)
            assert caught.value.retryable

    run(main)


def test_a_peer_that_hangs_up_before_it_opens() -> None:
    peer = ScriptedPeer()
    peer.expect_sasl_anonymous()
    peer.expect_header().respond()
    peer.expect_open()
    peer.disconnect(reset=True)

    async def main() -> None:
        async with serve_peer(peer) as server:
            with pytest.raises(TransportError, match="opening") as caught:
                await amqp10.connect(server.url)
            assert isinstance(caught.value.__cause__, ConnectionResetError)

    run(main)


def test_a_peer_that_opens_and_closes_at_once() -> None:
    async def connect_and_begin(url: str) -> None:
        connection = await amqp10.connect(url)
        await connection.open_session()

    peer = ScriptedPeer()
    peer.handshake(session=False)
    peer.send_close(error=amqp10.Error(condition="amqp:not-allowed", description="not you"))  # type: ignore[arg-type]
    peer.expect_close(error=None)

    async def main() -> None:
        async with serve_peer(peer) as server:
            with pytest.raises(amqp10.ConnectionClosedByPeer, match=r"amqp:not-allowed \(not you\)") as caught:
                await connect_and_begin(server.url)
            assert caught.value.condition == "amqp:not-allowed"
            assert caught.value.description == "not you"
            assert caught.value.level == "connection"
            assert not caught.value.retryable

    run(main)


def test_an_open_that_does_not_fit() -> None:
    async def main() -> None:
        async with Broker() as broker:
            with pytest.raises(amqp10.EncodeError, match="512"):
                await amqp10.connect(broker.url(), container_id="x" * 600)
            await eventually(lambda: broker.acceptors)

    run(main)


# --- openings ---------------------------------------------------------------------------------------------------------


def test_an_opening_opens_once() -> None:
    async def main() -> None:
        async with Broker() as broker:
            opening = amqp10.connect(broker.url())
            assert repr(opening) == "<Opening of amqp10.connect()>"
            connection = await opening
            with pytest.raises(InvalidState, match=r"amqp10\.connect\(\) was awaited or entered before"):
                await opening
            with pytest.raises(InvalidState, match="once"):
                async with opening:
                    raise AssertionError
            async with connection as same:
                assert same is connection
            assert connection.closed
            session_opening = connection.open_session()
            with pytest.raises(amqp10.ConnectionClosed):
                await session_opening
            with pytest.raises(InvalidState, match="open_session"):
                await session_opening

    run(main)


def test_an_opening_that_is_forgotten_warns() -> None:
    async def main() -> None:
        async with Broker() as broker, amqp10.connect(broker.url()) as connection:
            for make in (
                lambda: amqp10.connect("amqp://127.0.0.1:1"),
                connection.open_session,
                lambda: connection.open_sender("in"),
                lambda: connection.open_receiver("out"),
            ):
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    make()
                    gc.collect()
                (warning,) = caught
                assert warning.category is RuntimeWarning
                assert "was neither awaited nor entered" in str(warning.message)

    run(main)


def test_openings_at_once() -> None:
    async def main() -> None:
        async with Broker() as broker, amqp10.connect(broker.url()) as connection:
            senders = await asyncio.gather(*(connection.open_sender(f"q{number}") for number in range(20)))
            assert sorted(sender.session._engine.channel for sender in senders) == list(range(20))
            await asyncio.gather(*(sender.send(b"x") for sender in senders))
            await asyncio.gather(*(sender.close() for sender in senders))
            session = await asyncio.wait_for(connection.open_session(), 5)
            assert session._engine.channel == 0

    run(main)


# --- sockets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loop", LOOPS)
def test_a_socket_of_ones_own(loop: LoopName) -> None:
    async def main() -> None:
        async with Broker() as broker:
            sock = socket.create_connection(("127.0.0.1", broker.port))
            async with amqp10.connect("amqp://elsewhere", sock=sock) as connection:
                async with connection.open_sender("in") as sender:
                    await sender.send(b"x")
                opened = await broker.opened()
                assert opened.hostname == "elsewhere"
            assert broker.bodies("in") == [b"x"]

    run(main, loop=loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_unix_socket_may_carry_a_password(loop: LoopName) -> None:
    async def main() -> None:
        async with Broker() as broker:
            mine, its = socket.socketpair()
            await broker.adopt(its)
            async with amqp10.connect(f"amqp://{USER}:{quote(PASSWORD, safe='')}@local", sock=mine) as connection:
                assert broker.acceptors[0].engine.sasl.identity == USER
                async with connection.open_sender("in") as sender:
                    await sender.send(b"x")

    run(main, loop=loop)


def test_a_socket_of_ones_own_is_closed_where_connecting_fails() -> None:
    """`run` counts the descriptors."""

    async def main() -> None:
        async with Broker() as broker:
            sock = socket.create_connection(("127.0.0.1", broker.port))
            with pytest.raises(AuthenticationError):
                await amqp10.connect("amqp://nobody:nothing@127.0.0.1", sock=sock)
            sock = socket.create_connection(("127.0.0.1", broker.port))
            with pytest.raises(amqp10.OperationTimeout):
                await amqp10.connect("amqp://127.0.0.1", sock=sock, timeout=0)
            await eventually(lambda: not broker.open_connections)

    run(main)


# --- SASL -------------------------------------------------------------------------------------------------------------


def test_userinfo_is_percent_encoded() -> None:
    async def main() -> None:
        async with Broker() as broker:
            async with amqp10.connect(broker.url(f"{USER}:{quote(PASSWORD, safe='')}")):
                assert broker.acceptors[0].engine.sasl.identity == USER
            async with amqp10.connect(broker.url()):
                assert broker.acceptors[1].engine.sasl.identity == "anonymous"

    run(main)


def test_mechanisms_in_order_of_preference() -> None:
    async def main() -> None:
        mechanisms = [External(), Plain(USER, PASSWORD), Anonymous()]
        async with Broker() as broker, amqp10.connect(broker.url(), sasl=mechanisms):
            assert broker.acceptors[0].engine.sasl.mechanism == "PLAIN"

    run(main)


def test_no_sasl_layer() -> None:
    async def main() -> None:
        async with Broker(Behavior(sasl=False)) as broker:
            async with amqp10.connect(broker.url(), sasl=None) as connection:
                await (await connection.open_sender("in")).send(b"x")
            with pytest.raises(PeerViolation, match="SASL"):
                await amqp10.connect(broker.url())
        async with Broker() as broker:
            with pytest.raises(PeerViolation, match="SASL"):
                await amqp10.connect(broker.url(), sasl=None)

    run(main)


def test_a_wrong_password() -> None:
    async def main() -> None:
        async with Broker() as broker:
            with pytest.raises(AuthenticationError, match="SASL PLAIN failed: the credentials were refused") as caught:
                await amqp10.connect(broker.url(f"user:{SECRET}"))
            error = caught.value
            assert (error.mechanism, error.code, error.level, error.retryable) == ("PLAIN", 1, "connection", False)
            assert isinstance(error, amqp10.RemoteError)
            assert SECRET not in shown(error)

    run(main)


@pytest.mark.parametrize(("code", "retryable"), [(1, False), (2, False), (3, False), (4, True), (200, False)])
def test_how_sasl_fails(code: int, retryable: bool) -> None:
    peer = ScriptedPeer()
    peer.expect_sasl_plain("user", SECRET, code=code)
    peer.expect_disconnect()

    async def main() -> None:
        async with serve_peer(peer) as server:
            with pytest.raises(AuthenticationError) as caught:
                await amqp10.connect(server.url, sasl=[Plain("user", SECRET)])
            assert caught.value.code == code
            assert caught.value.retryable is retryable
            assert SECRET not in shown(caught.value)

    run(main)


def test_no_mechanism_in_common() -> None:
    async def main() -> None:
        async with Broker() as broker:
            with pytest.raises(AuthenticationError, match="offers the mechanisms ANONYMOUS, PLAIN; we have EXTERNAL"):
                await amqp10.connect(broker.url(), sasl=[External()])

    run(main)


def test_hanging_up_during_sasl() -> None:
    peer = ScriptedPeer()
    peer.expect_header(3).respond()
    peer.send(amqp10.performatives.SaslMechanisms(sasl_server_mechanisms=["PLAIN"]), channel=0)  # type: ignore[list-item]
    peer.expect(SaslInit)
    peer.disconnect()

    async def main() -> None:
        async with serve_peer(peer) as server:
            with pytest.raises(TransportError, match="while authenticating by SASL PLAIN") as caught:
                await amqp10.connect(server.url, sasl=[Plain("user", SECRET)])
            assert SECRET not in shown(caught.value)

    run(main)


def test_a_password_does_not_leave_in_clear_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a byte of it, unless that is asked for."""
    monkeypatch.setattr(tls, "_is_local", lambda peer: False)
    got = b""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal got
        got += await reader.read()

    async def main() -> None:
        async with server(listen) as url:
            with pytest.raises(InvalidState, match="clear text to another machine: use amqps") as caught:
                await amqp10.connect(url.replace("//", f"//user:{SECRET}@"))
            assert SECRET not in shown(caught.value)
            with pytest.raises(InvalidState):
                await amqp10.connect(url, sasl=[Anonymous(), Plain("user", SECRET)])
        assert got == b""
        async with Broker() as broker:
            async with amqp10.connect(broker.url(), sasl=[Plain(USER, PASSWORD, allow_clear_text=True)]):
                pass
            async with amqp10.connect(broker.url()):  # ANONYMOUS has no secret
                pass

    run(main)


def test_no_password_in_logs_and_reprs(caplog: pytest.LogCaptureFixture) -> None:
    url_word = quote(PASSWORD, safe="")
    seen: list[str] = []

    async def main() -> None:
        async with Broker() as broker:
            opening = amqp10.connect(broker.url(f"{USER}:{url_word}"))
            seen.append(repr(opening))
            connection = await opening
            seen.extend(map(repr, (opening, connection, connection._engine, connection._engine.sasl)))
            seen.append(str(vars(connection._driver)))
            seen.append(repr(asyncio.all_tasks()))
            async with connection:
                await (await connection.open_sender("in")).send(b"x")
                broker.kill(reset=True)
                await connection.wait_closed()
                assert connection.error is not None
                seen.append(shown(connection.error))
            mechanism = Plain(USER, PASSWORD)
            seen.extend((repr(mechanism), str(mechanism)))

    with caplog.at_level(logging.DEBUG):
        run(main)
    assert any(record.name == "amqp10.frames" for record in caplog.records)
    seen.append(caplog.text)
    everything = "\n".join(seen)
    assert "SaslInit" in everything
    assert PASSWORD not in everything
    assert url_word not in everything
    assert PASSWORD.encode().hex() not in everything
