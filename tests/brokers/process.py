"""A broker's process and its directory: start, readiness, stop, kill, restart.

Knows nothing of any particular broker: it is given the commands to run and the ports they will listen on. The process
runs under launcher.py, which ends it with the process that started it.
"""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

HOST = "127.0.0.1"
SASL_HEADER = b"AMQP\x03\x01\x00\x00"  # security §5.3.1
START_TIMEOUT = 50.0  # seconds; 2 to 5 on an idle machine, up to 13 on a loaded one
STOP_GRACE = 20.0  # seconds from an orderly stop to a kill; 1 to 3 on an idle machine
LOG_TAIL = 120  # lines of the log in an error; a RabbitMQ that fails tells the reason first and then much more
# Below the kernel's range of ephemeral ports, so that no outgoing connection takes a port while its broker is down.
PORTS = range(10_000, 32_000)


class BrokerError(RuntimeError):
    """A broker is not installed, did not start or did not stop; the text says what to do or what its log says."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """A program to run: its arguments and its whole environment."""

    argv: Sequence[str]
    env: Mapping[str, str]


def free_ports(names: Sequence[str]) -> dict[str, int]:
    """Give each name a port of the loopback interface on which nothing listens."""
    chosen: dict[str, int] = {}
    with ExitStack() as held:
        while len(chosen) < len(names):
            probe = held.enter_context(socket.socket())
            port = random.SystemRandom().choice(PORTS)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            chosen[names[len(chosen)]] = port
    return chosen


def accepts_connections(port: int) -> bool:
    """Tell whether something listens on the port."""
    try:
        socket.create_connection((HOST, port), timeout=5).close()
    except OSError:
        return False
    return True


def answers_header(port: int) -> bool:
    """Tell whether AMQP 1.0 with SASL is spoken on the port."""
    try:
        with socket.create_connection((HOST, port), timeout=5) as connection:
            connection.sendall(SASL_HEADER)
            return connection.recv(8, socket.MSG_WAITALL) == SASL_HEADER
    except OSError:
        return False


class BrokerProcess:
    """A broker that can be started, stopped, killed and started again on the same ports with the same data.

    Attributes:
        directory: What the broker reads and writes; removed by `close`.
        ports: Every port it listens on for clients, by name; "plain" is the one without TLS.
    """

    __slots__ = ("_launcher", "_name", "directory", "ports")

    def __init__(self, name: str, directory: Path, commands: Sequence[Command], ports: Mapping[str, int]) -> None:
        self._name = name
        self._launcher: subprocess.Popen[bytes] | None = None  # None while the broker does not run
        self.directory = directory
        self.ports = ports
        launch = {"commands": [asdict(command) for command in commands], "grace": STOP_GRACE}
        (directory / "launch.json").write_text(json.dumps(launch))

    @property
    def pid(self) -> int:
        """The process id of the broker itself; of the last one, if it does not run."""
        return int((self.directory / "pid").read_text())

    @property
    def launcher_pid(self) -> int:
        """The process id of the launcher above the broker."""
        if self._launcher is None:
            raise BrokerError(f"{self._name} does not run")
        return self._launcher.pid

    @property
    def running(self) -> bool:
        """Whether the broker runs."""
        return self._launcher is not None and self._launcher.poll() is None

    def start(self) -> None:
        """Start the broker and wait until it takes connections on every port.

        Raises:
            BrokerError: It ended, or was not ready in time; the text ends with the tail of its log.
        """
        if self.running:
            raise BrokerError(f"{self._name} runs already")
        self._wait_ports_free()
        with (self.directory / "console.log").open("ab") as log:
            self._launcher = subprocess.Popen(
                [
                    sys.executable,
                    "-I",
                    "-S",
                    str(Path(__file__).with_name("launcher.py")),
                    str(os.getpid()),
                    str(self.directory),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # the Ctrl-C that interrupts the tests is not the broker's
            )
        try:
            self._wait_ready(self._launcher)
        except BaseException:
            self.kill()
            raise

    def _wait_ports_free(self) -> None:
        """Wait for the end of a broker whose launcher was killed, and with it the broker an instant later."""
        deadline = time.monotonic() + STOP_GRACE
        while any(map(accepts_connections, self.ports.values())):
            if time.monotonic() > deadline:
                raise BrokerError(
                    f"{self._name} cannot start: something listens on one of its ports {dict(self.ports)}"
                )
            time.sleep(0.05)

    def _wait_ready(self, launcher: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        waiting = [port for name, port in self.ports.items() if name != "plain"]
        while not answers_header(self.ports["plain"]) or not all(map(accepts_connections, waiting)):
            if launcher.poll() is not None:
                raise self._error("did not start")
            if time.monotonic() > deadline:
                raise self._error(f"was not ready in {START_TIMEOUT:.0f} s")
            time.sleep(0.05)

    def _error(self, what: str) -> BrokerError:
        tail = "\n".join(self.log().splitlines()[-LOG_TAIL:])
        return BrokerError(f"{self._name} {what}; the end of its log:\n{tail}")

    def log(self) -> str:
        """Return everything the broker wrote to its console since it was first started."""
        return (self.directory / "console.log").read_text(errors="replace")

    def shut_down(self) -> None:
        """Stop the broker in an orderly way; kill it if that takes too long. Its directory stays."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the broker at once, as kill -9 does. Its directory stays."""
        self._end(signal.SIGUSR1)

    def _end(self, how: signal.Signals) -> None:
        if self._launcher is None:
            return
        self._launcher.send_signal(how)
        self._launcher.wait(STOP_GRACE + 30)
        self._launcher = None

    def close(self) -> None:
        """End the broker and remove its directory; killed, for nothing that it would still write is needed."""
        try:
            self.kill()
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)
