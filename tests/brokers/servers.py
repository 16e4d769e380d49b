"""Real brokers, started on loopback ports and ended with whoever started them.

For tests (conftest.py makes fixtures of it), benchmarks and demos: `with start("rabbitmq4") as broker: ...`.
By hand, from the project's root: `python -m tests.brokers.servers run rabbitmq4`.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.brokers import artemis, rabbitmq
from tests.brokers.certificates import Certificates, make_certificates
from tests.brokers.process import HOST, BrokerError, BrokerProcess, free_ports

KINDS = ("rabbitmq3", "rabbitmq4", "artemis")
INSTALL = "tests/brokers/install"


class NotInstalled(BrokerError):
    """A broker cannot run here; the text says why and which command installs it."""


@dataclass(frozen=True, kw_only=True)
class Broker:
    """A broker that runs, or did until it was killed or stopped. Leaving its `with` block stops it.

    Attributes:
        name: One of KINDS.
        version: The broker's own version.
        ports: Every port by name: "plain", "tls"; with Artemis also "mtls" (TLS that demands a client certificate) and
            "small" (max-frame-size 512, idle time-out 2 s).
        user: May use everything but, with Artemis, addresses that begin with "locked.". Others: guest (password guest),
            with Artemis admin (password admin). CN=client may use its certificate, on "mtls" or RabbitMQ's "tls".
        process: The broker's process and directory.
    """

    name: str
    version: str
    host: str
    ports: Mapping[str, int]
    user: str = "user"
    password: str = field(default="secret", repr=False)
    certificates: Certificates = field(repr=False)
    process: BrokerProcess = field(repr=False)

    @property
    def port(self) -> int:
        """The port without TLS."""
        return self.ports["plain"]

    @property
    def tls_port(self) -> int:
        """The port with TLS."""
        return self.ports["tls"]

    @property
    def ca_file(self) -> Path:
        """The authority that signed the certificate of the TLS ports, PEM."""
        return self.certificates.ca_file

    @property
    def url(self) -> str:
        """The URL of the port without TLS, user and password included."""
        return f"amqp://{self.user}:{self.password}@{self.host}:{self.port}"

    @property
    def tls_url(self) -> str:
        """The URL of the TLS port, user and password included."""
        return f"amqps://{self.user}:{self.password}@{self.host}:{self.tls_port}"

    def address(self, queue: str) -> str:
        """Return the address of a queue.

        With the RabbitMQs the queues q1 to q150, "quorum" and "stream" are there; any other is declared by being
        attached to on RabbitMQ 3, and has to be declared first on RabbitMQ 4. Artemis makes any.
        """
        return rabbitmq.SERIES[self.name].address(queue) if self.name in rabbitmq.SERIES else queue

    def log(self) -> str:
        """Return what the broker has written to its console; only until it is stopped."""
        return self.process.log()

    def kill(self) -> None:
        """Kill the broker as kill -9 does. What it has written to disk stays for `restart`."""
        self.process.kill()

    def shut_down(self) -> None:
        """Stop the broker in an orderly way: it closes connections (the RabbitMQs take some seconds for that)."""
        self.process.shut_down()

    def restart(self) -> None:
        """Shut the broker down if it runs and start it again, on the same ports and with the data it has on disk."""
        self.process.shut_down()
        self.process.start()

    def stop(self) -> None:
        """End the broker and remove all it wrote."""
        self.process.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def cache_directory() -> Path:
    """Return where `install` puts what it installs."""
    return Path(os.environ.get("AMQP10_BROKERS_DIR") or Path.home() / ".cache/amqp10/brokers").absolute()


def missing(kind: str) -> str | None:
    """Return why a broker cannot run here, with the command that installs it; None if it can run."""
    cache = cache_directory()
    reason = artemis.missing(cache) if kind == "artemis" else rabbitmq.missing(rabbitmq.SERIES[kind], cache)
    if reason is None and shutil.which("openssl") is None:
        reason = f"{kind} needs the openssl command for its certificates"
    return reason and f"{reason}; to install it: {INSTALL} {kind}"


def start(kind: str, *, persistent: bool = False, settings: Mapping[str, object] | None = None) -> Broker:
    """Start a broker in a temporary directory and wait until it takes connections.

    However this process ends, the broker ends and its directory is removed.

    Args:
        kind: One of KINDS.
        persistent: Keep durable messages over a restart. The RabbitMQs always do; Artemis is faster without.
        settings: Changes of the configuration: lines of rabbitmq.conf, or parameters of Artemis' acceptors.

    Raises:
        NotInstalled: It cannot run here.
        BrokerError: It did not start; the text ends with the tail of its log.
    """
    if reason := missing(kind):
        raise NotInstalled(reason)
    directory = Path(tempfile.mkdtemp(prefix=f"amqp10-{kind}-"))
    try:
        broker = _prepare(kind, directory, settings or {}, persistent=persistent)
        broker.process.start()
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    return broker


def _prepare(kind: str, directory: Path, settings: Mapping[str, object], *, persistent: bool) -> Broker:
    cache = cache_directory()
    certificates = make_certificates(directory / "certificates")
    if kind == "artemis":
        client_ports: Sequence[str] = artemis.CLIENT_PORTS
        ports = free_ports(client_ports)
        commands = artemis.prepare(cache, directory, ports, certificates, settings, persistent=persistent)
        version = artemis.version(cache)
    else:
        series = rabbitmq.SERIES[kind]
        client_ports = rabbitmq.CLIENT_PORTS
        ports = free_ports([*client_ports, *rabbitmq.NODE_PORTS])
        commands = rabbitmq.prepare(series, cache, directory, ports, certificates, settings)
        version = rabbitmq.version(series, cache)
    ports = {name: ports[name] for name in client_ports}
    process = BrokerProcess(kind, directory, commands, ports)
    return Broker(name=kind, version=version, host=HOST, ports=ports, certificates=certificates, process=process)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.brokers.servers", description="Real brokers on loopback ports."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="say which brokers can run here")
    run = commands.add_parser("run", help="start a broker and keep it until Ctrl-C")
    run.add_argument("kind", choices=KINDS)
    run.add_argument("--persistent", action="store_true", help="Artemis: keep durable messages on disk")
    options = parser.parse_args(arguments)
    if options.command == "list":
        _tell([f"{kind:10} {missing(kind) or 'can run'}" for kind in KINDS])
        return 0
    return _run(options.kind, persistent=options.persistent)


def _run(kind: str, *, persistent: bool) -> int:
    """Start a broker, say where it is, and wait for Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with start(kind, persistent=persistent) as broker:
            _tell(_description(broker))
            signal.pause()
    except KeyboardInterrupt:
        return 0
    except BrokerError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _description(broker: Broker) -> list[str]:
    others = [f"{name} {port}" for name, port in broker.ports.items() if name not in ("plain", "tls")]
    return [
        broker.url,
        f"{broker.tls_url} (authority: {broker.ca_file})",
        *([f"other ports: {', '.join(others)}"] if others else []),
        f"{broker.name} {broker.version}, process {broker.process.pid}; a queue: {broker.address('q1')}",
        "Ctrl-C ends it.",
    ]


def _tell(lines: Sequence[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
