"""Who may come in, and over what: SASL mechanisms, wrong credentials, TLS verified and refused."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import amqp10
from amqp10 import Anonymous, External, Plain
from tests.brokers.scenario import PATIENCE, error_of, put, scenario, take
from tests.brokers.servers import Broker

NewQueue = Callable[[Broker], str]


def address_of(broker: Broker, port: str = "plain", *, scheme: str = "amqp") -> str:
    """Make a URL without credentials."""
    return f"{scheme}://{broker.host}:{broker.ports[port]}"


def trusting(broker: Broker, *, certificate: bool = False) -> ssl.SSLContext:
    """Make a context that trusts the broker's authority, and has a client's certificate if that is wanted."""
    context = ssl.create_default_context(cafile=broker.ca_file)
    if certificate:
        context.load_cert_chain(broker.certificates.client_certificate, broker.certificates.client_key)
    return context


async def one_goes_through(url: str, address: str, **options: Any) -> None:
    async with amqp10.connect(url, **options) as connection:
        await put(connection, address, b"through")
        assert [message.body for message in await take(connection, address, 1)] == [b"through"]


# --- SASL -------------------------------------------------------------------------------------------------------------


@scenario()
async def test_credentials_that_are_taken(broker: Broker, new_queue: NewQueue, loop: str) -> None:
    """PLAIN from the URL or as an object, ANONYMOUS where there are none."""
    address, bare = new_queue(broker), address_of(broker)
    await one_goes_through(broker.url, address)
    await one_goes_through(bare, address, sasl=[Plain("user", "secret")])
    await one_goes_through(bare, address, sasl=[External(), Plain("user", "secret"), Anonymous()])
    await one_goes_through(bare, address)
    await one_goes_through(bare, address, sasl=[Anonymous("somebody")])
    await one_goes_through(bare.replace(broker.host, "localhost"), address, sasl=[Plain("guest", "guest")])


@scenario()
async def test_credentials_that_are_not(broker: Broker) -> None:
    """A wrong password, an unknown user and none of the offered mechanisms: AuthenticationError each time."""
    bare = address_of(broker)

    async def refused(**options: Any) -> amqp10.AuthenticationError:
        error = await error_of(amqp10.connect(**{"url": bare, **options}))
        assert type(error) is amqp10.AuthenticationError
        assert (error.level, error.retryable, error.condition) == ("connection", False, None)
        assert "wrong" not in str(error)
        return error

    errors = await asyncio.gather(
        refused(url=broker.url.replace("secret", "wrong")),
        refused(sasl=[Plain("user", "wrong")]),
        refused(sasl=[Plain("nobody", "wrong"), Anonymous()]),
        refused(sasl=[Plain("user", "")]),
    )
    assert [(error.mechanism, error.code) for error in errors] == [("PLAIN", 1)] * 4
    error = await refused(sasl=[External()])
    assert (error.mechanism, error.code) == (None, None)
    assert "PLAIN" in str(error), "what is offered is named"


@scenario()
async def test_no_sasl_layer(broker: Broker, new_queue: NewQueue) -> None:
    """RabbitMQ 4 wants one, and says so by its protocol header."""
    if broker.name != "rabbitmq4":
        await one_goes_through(address_of(broker), new_queue(broker), sasl=None)
        return
    error = await error_of(amqp10.connect(address_of(broker), sasl=None))
    assert (type(error), error.level) == (amqp10.PeerViolation, "connection")
    assert "SASL" in str(error)


# --- TLS --------------------------------------------------------------------------------------------------------------


@scenario()
async def test_tls_with_the_right_authority(broker: Broker, new_queue: NewQueue, loop: str) -> None:
    """By the certificate's names: the address, or another name that is told."""
    address = new_queue(broker)
    await one_goes_through(broker.tls_url, address, ssl=trusting(broker))
    await one_goes_through(broker.tls_url, address, ssl=trusting(broker), server_hostname="localhost", hostname="any")


@scenario()
async def test_tls_is_refused_without_the_authority_or_the_name(broker: Broker, loop: str) -> None:
    """By default the system's authorities count, and they do not know this one."""
    for options in ({}, {"ssl": ssl.create_default_context()}, {"ssl": trusting(broker), "server_hostname": "other"}):
        error = await error_of(amqp10.connect(broker.tls_url, **options))
        assert type(error) is amqp10.TransportError
        assert isinstance(error.__cause__, ssl.SSLCertVerificationError)
        assert "secret" not in str(error)


@scenario()
async def test_external_by_a_certificate(broker: Broker, new_queue: NewQueue, loop: str) -> None:
    port = "mtls" if broker.name == "artemis" else "tls"
    url, context = address_of(broker, port, scheme="amqps"), trusting(broker, certificate=True)
    await one_goes_through(url, new_queue(broker), ssl=context, sasl=[External()])


@scenario()
async def test_external_without_a_certificate(broker: Broker) -> None:
    """The RabbitMQs' TLS takes everybody, and SASL refuses; where a certificate is a must, TLS itself breaks."""
    port = "mtls" if broker.name == "artemis" else "tls"
    url = address_of(broker, port, scheme="amqps")
    error = await error_of(amqp10.connect(url, ssl=trusting(broker), sasl=[External()]))
    if broker.name == "artemis":
        assert type(error) is amqp10.TransportError
        assert isinstance(error.__cause__, (ssl.SSLError, ConnectionResetError))
    else:
        assert type(error) is amqp10.AuthenticationError
        assert error.mechanism == "EXTERNAL"


# --- what is no AMQP --------------------------------------------------------------------------------------------------


@scenario()
async def test_tls_to_the_plain_port_and_the_other_way_round(broker: Broker) -> None:
    """Artemis waits for more, so time runs out."""
    to_plain = amqp10.connect(address_of(broker, scheme="amqps"), ssl=trusting(broker), timeout=1.0)
    to_tls = amqp10.connect(address_of(broker, "tls"), timeout=1.0)
    errors = await asyncio.gather(error_of(to_plain), error_of(to_tls))
    if broker.name == "artemis":
        assert [type(error) for error in errors] == [amqp10.OperationTimeout, amqp10.OperationTimeout]
    else:
        assert [type(error) for error in errors] == [amqp10.TransportError, amqp10.PeerViolation]
        assert errors[1].condition == amqp10.Condition.FRAMING_ERROR


@scenario()
async def test_nobody_listens(loop: str) -> None:
    error = await error_of(amqp10.connect("amqp://127.0.0.1:1", timeout=PATIENCE))
    assert type(error) is amqp10.TransportError
    assert isinstance(error.__cause__, ConnectionRefusedError)


@scenario()
async def test_the_peer_is_known_by_what_it_says(broker: Broker) -> None:
    """What the peer's open says is at hand; channel-max is the lesser of both."""
    async with amqp10.connect(broker.url, container_id="us", channel_max=7) as connection:
        assert connection.container_id == "us"
        assert connection.remote_container_id
        product = "apache-activemq-artemis" if broker.name == "artemis" else "RabbitMQ"
        assert connection.remote_properties["product"] == product
        assert connection.remote_properties["version"] == broker.version
        assert connection.max_frame_size == (65_536 if broker.name == "rabbitmq3" else 131_072)
        assert connection.channel_max == 7
        assert connection.error is None
    async with amqp10.connect(broker.url) as connection:
        assert connection.channel_max == (63 if broker.name == "rabbitmq4" else 65_535)
    assert connection.closed
    assert isinstance(connection.error, amqp10.ConnectionClosed)
