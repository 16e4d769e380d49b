"""Connecting by TLS: who is believed, and what is said of who is not."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

import amqp10
from amqp10 import (
    TransportError,
)
from amqp10.testing import AMQP_HEADER
from tests.asyncio.broker import PASSWORD, USER, Broker
from tests.asyncio.by_hand import LOOPS, SECRET, saying, server, shown
from tests.asyncio.harness import LoopName, run
from tests.brokers.certificates import Certificates, make_certificates


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority of our own, and what it certifies: localhost."""
    return make_certificates(tmp_path_factory.mktemp("tls") / "certificates")


@pytest.fixture(scope="module")
def accepting(certificates: Certificates) -> ssl.SSLContext:
    """The broker's context."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.server_certificate, certificates.server_key)
    return context


@pytest.fixture
def trusting(certificates: Certificates) -> ssl.SSLContext:
    """A context that trusts the broker's authority."""
    return ssl.create_default_context(cafile=str(certificates.ca_file))


@pytest.fixture
def system_store(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Stand our authority in for those of the system."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca_file))
    monkeypatch.setenv("SSL_CERT_DIR", str(certificates.ca_file.parent / "none"))
    return iter([certificates.ca_file])


async def exchange(connection: amqp10.Connection) -> None:
    """Use it, with more than fits into one TLS record."""
    async with connection.open_sender("in") as sender, connection.open_receiver("in") as receiver:
        await sender.send(b"x" * 300_000)
        delivery = await receiver.receive()
        assert delivery.message.body == b"x" * 300_000
        delivery.accept()


@pytest.mark.parametrize("loop", LOOPS)
def test_tls(accepting: ssl.SSLContext, trusting: ssl.SSLContext, loop: LoopName) -> None:
    async def main() -> None:
        async with Broker(ssl=accepting) as broker:
            userinfo = f"{USER}:{quote(PASSWORD, safe='')}"
            for host in ("localhost", "127.0.0.1"):
                async with amqp10.connect(broker.url(userinfo, host), ssl=trusting) as connection:
                    await exchange(connection)
            assert broker.acceptors[0].engine.sasl.identity == USER

    run(main, loop=loop)


def test_the_authorities_of_the_system_count_by_default(accepting: ssl.SSLContext, system_store: object) -> None:
    async def main() -> None:
        async with Broker(ssl=accepting) as broker, amqp10.connect(broker.url(host="localhost")) as connection:
            await exchange(connection)

    run(main)


@pytest.mark.parametrize("loop", LOOPS)
def test_an_unknown_authority_is_refused(accepting: ssl.SSLContext, loop: LoopName) -> None:
    async def main() -> None:
        async with Broker(ssl=accepting) as broker:
            with pytest.raises(TransportError, match="certificate verify failed") as caught:
                await amqp10.connect(broker.url(f"user:{SECRET}", "localhost"))
            assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)
            assert not caught.value.retryable
            assert SECRET not in shown(caught.value)
            assert not [acceptor for acceptor in broker.acceptors if acceptor.engine.sasl.mechanism]

    # The broker's end of a handshake that fails is the loop's to report, in debug mode.
    run(main, loop=loop, debug=False)


@pytest.mark.parametrize("loop", LOOPS)
def test_another_name_is_refused(accepting: ssl.SSLContext, trusting: ssl.SSLContext, loop: LoopName) -> None:
    async def main() -> None:
        async with Broker(ssl=accepting) as broker:
            with pytest.raises(TransportError, match=r"certificate verify failed.*elsewhere") as caught:
                await amqp10.connect(broker.url(), ssl=trusting, server_hostname="elsewhere")
            assert not caught.value.retryable
            sock = socket.create_connection(("127.0.0.1", broker.port))
            with pytest.raises(TransportError, match=r"certificate verify failed.*elsewhere"):
                await amqp10.connect("amqps://elsewhere", ssl=trusting, sock=sock)

    run(main, loop=loop, debug=False)


@pytest.mark.parametrize("loop", LOOPS)
def test_the_name_in_the_certificate(accepting: ssl.SSLContext, trusting: ssl.SSLContext, loop: LoopName) -> None:
    """It is the URL's host, or server_hostname; what hostname says is for open alone."""

    async def main() -> None:
        async with Broker(ssl=accepting) as broker:
            sock = socket.create_connection(("127.0.0.1", broker.port))
            async with amqp10.connect(
                "amqps://elsewhere", ssl=trusting, server_hostname="localhost", hostname="vhost", sock=sock
            ) as connection:
                await exchange(connection)
                opened = await broker.opened()
                assert opened.hostname == "vhost"

    run(main, loop=loop)


def test_a_context_of_ones_own_decides(accepting: ssl.SSLContext) -> None:
    careless = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    careless.check_hostname = False
    careless.verify_mode = ssl.CERT_NONE

    async def main() -> None:
        async with Broker(ssl=accepting) as broker, amqp10.connect(broker.url(), ssl=careless) as connection:
            await exchange(connection)

    run(main)


def test_tls_where_the_url_does_not_ask_for_it(accepting: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
    """Whoever gives a context wants it used."""

    async def main() -> None:
        async with Broker(ssl=accepting) as broker:
            url = broker.url(host="localhost").replace("amqps:", "amqp:")
            async with amqp10.connect(url, ssl=trusting) as connection:
                await exchange(connection)

    run(main)


@pytest.mark.parametrize("loop", LOOPS)
def test_tls_to_who_does_not_speak_it(loop: LoopName) -> None:
    async def main() -> None:
        async with server(saying(AMQP_HEADER)) as url:
            with pytest.raises(TransportError, match="cannot connect"):
                await amqp10.connect(url.replace("amqp:", "amqps:"))

    run(main, loop=loop, debug=False)


@pytest.mark.parametrize("loop", LOOPS)
def test_tls_that_is_not_answered(loop: LoopName) -> None:
    async def main() -> None:
        async with server(saying(b"")) as url:
            with pytest.raises(amqp10.OperationTimeout):
                await amqp10.connect(url.replace("amqp:", "amqps:"), timeout=0.1)

    run(main, loop=loop, debug=False)


@pytest.mark.parametrize("loop", LOOPS)
def test_tls_broken_off(accepting: ssl.SSLContext, trusting: ssl.SSLContext, loop: LoopName) -> None:
    async def main() -> None:
        async with Broker(ssl=accepting) as broker:
            connection = await amqp10.connect(broker.url(host="localhost"), ssl=trusting)
            receiver = await connection.open_receiver("out")
            asyncio.get_running_loop().call_later(0.01, broker.kill)
            with pytest.raises(TransportError):
                await receiver.receive(timeout=5)
            await connection.wait_closed(timeout=5)

    run(main, loop=loop, debug=False)
