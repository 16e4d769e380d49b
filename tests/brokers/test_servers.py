"""The brokers themselves: they start, speak AMQP 1.0, stop without a trace, and end with whoever started them."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.brokers import rabbitmq, servers
from tests.brokers.conftest import FreshBroker, require
from tests.brokers.process import SASL_HEADER, BrokerError, accepts_connections, answers_header
from tests.brokers.servers import Broker

ROOT = Path(__file__).parents[2]
# Settings with which a broker fails, and what its log says then.
NONSENSE: dict[str, tuple[dict[str, str], str]] = {
    "rabbitmq3": ({"no.such.setting": "1"}, r"no\.such\.setting"),
    "rabbitmq4": ({"no.such.setting": "1"}, r"no\.such\.setting"),
    "artemis": ({"amqpCredits": "<nonsense"}, "SAXParseException"),
}
LISTENING = "0A"
LOOPBACK = {
    "0100007F",
    "00000000000000000000000001000000",
    "0000000000000000FFFF00000100007F",
}  # 127.0.0.1, ::1, mapped
LIMIT = 20.0  # seconds for something to end that ends within one


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def exists(pid: int) -> bool:
    """Tell whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def processes_under(leader: int) -> set[int]:
    """Return the processes whose parents lead up to the leader, itself included."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text(errors="replace").rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = {leader}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def listeners() -> dict[str, str]:
    """Return the address each TCP listener is bound to, by its socket's inode, as the kernel writes it."""
    rows = [
        line.split()
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(table).read_text().splitlines()[1:]
    ]
    return {row[9]: row[1].partition(":")[0] for row in rows if row[3] == LISTENING}


def tls_answer(broker: Broker, port: int, context: ssl.SSLContext) -> bytes:
    with (
        socket.create_connection((broker.host, port), timeout=10) as connection,
        context.wrap_socket(connection, server_hostname=broker.host) as secured,
    ):
        secured.sendall(SASL_HEADER)
        return secured.recv(8)


def test_speaks_amqp_with_sasl(broker: Broker) -> None:
    assert answers_header(broker.port)
    assert broker.url == f"amqp://user:secret@127.0.0.1:{broker.port}"
    assert broker.version


def test_speaks_tls_under_a_verified_certificate(broker: Broker) -> None:
    context = ssl.create_default_context(cafile=broker.ca_file)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    assert tls_answer(broker, broker.tls_port, context) == SASL_HEADER


def test_demands_a_client_certificate(artemis: Broker) -> None:
    context = ssl.create_default_context(cafile=artemis.ca_file)
    with pytest.raises(OSError, match=r"(?i)certificate|reset"):
        tls_answer(artemis, artemis.ports["mtls"], context)
    context.load_cert_chain(artemis.certificates.client_certificate, artemis.certificates.client_key)
    assert tls_answer(artemis, artemis.ports["mtls"], context) == SASL_HEADER


def test_listens_on_loopback_alone(broker: Broker) -> None:
    """Every listening socket of the broker and its helpers is bound to a loopback address."""
    sockets = {
        os.readlink(link)
        for pid in processes_under(broker.process.launcher_pid)
        for link in Path(f"/proc/{pid}/fd").iterdir()
        if link.is_symlink()
    }
    bound = {address for inode, address in listeners().items() if f"socket:[{inode}]" in sockets}
    assert bound
    assert bound <= LOOPBACK


def restarts(broker: Broker) -> bool:
    """Restart; tell whether a new process answers on every port and the old ones are gone."""
    before = broker.process.pid
    broker.restart()
    answering = answers_header(broker.port) and all(map(accepts_connections, broker.ports.values()))
    return answering and broker.process.pid != before and not exists(before)


@pytest.mark.timeout(300)
def test_restarts_in_place_and_stops_without_a_trace(fresh_broker: FreshBroker, kind: str) -> None:
    """Running, killed, or dead with its launcher, it comes back on its ports with its data."""
    broker = fresh_broker(kind, persistent=True)
    mark = broker.process.directory / "data" / "mark"
    mark.write_text("kept")
    assert restarts(broker)

    processes = processes_under(broker.process.launcher_pid)
    assert broker.process.pid in processes
    broker.kill()
    assert not any(map(exists, processes))
    assert not accepts_connections(broker.port)
    assert restarts(broker)

    processes = processes_under(broker.process.launcher_pid)
    os.kill(broker.process.launcher_pid, signal.SIGKILL)
    assert eventually(lambda: not any(map(exists, processes)))
    assert restarts(broker)
    assert mark.read_text() == "kept"

    processes = processes_under(broker.process.launcher_pid)
    broker.stop()
    assert not any(map(exists, processes))
    assert not any(map(accepts_connections, broker.ports.values()))
    assert not broker.process.directory.exists()
    broker.stop()  # once more does no harm


def test_dies_with_the_process_that_started_it(kind: str) -> None:
    """Killed with -9, a process leaves neither a broker nor its directory."""
    require(kind)
    script = (
        "import os, signal, sys; from tests.brokers.servers import start; broker = start(sys.argv[1]); "
        "print(broker.process.launcher_pid, broker.process.directory, flush=True); signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", script, kind], cwd=ROOT, stdout=subprocess.PIPE, text=True) as user:
        assert user.stdout is not None
        launcher, directory = user.stdout.readline().split()
        processes = processes_under(int(launcher))
        assert len(processes) > 1
        user.kill()
    assert eventually(lambda: not any(map(exists, processes)))
    assert not Path(directory).exists()


def test_command_line_runs_a_broker_until_interrupted() -> None:
    kind = "rabbitmq4"
    require(kind)
    command = [sys.executable, "-m", "tests.brokers.servers", "run", kind]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as user:
        assert user.stdout is not None
        url = user.stdout.readline().strip()
        port = int(url.rpartition(":")[2])
        assert answers_header(port)
        user.send_signal(signal.SIGINT)
        assert user.wait(60) == 0
    assert not accepts_connections(port)


def test_failure_to_start_shows_the_log(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require(kind)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(BrokerError, match=rf"(?s){kind} did not start.*the end of its log:.*{NONSENSE[kind][1]}"):
        servers.start(kind, settings=NONSENSE[kind][0])
    assert not list(tmp_path.iterdir())


def test_what_is_missing_names_the_command(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMQP10_BROKERS_DIR", str(tmp_path))
    monkeypatch.setattr(rabbitmq, "MACHINE", tmp_path / "machine")
    assert str(servers.missing(kind)).endswith(f"to install it: tests/brokers/install {kind}")
    with pytest.raises(servers.NotInstalled, match="not installed"):
        servers.start(kind)
    monkeypatch.delenv("AMQP10_REQUIRE", raising=False)
    with pytest.raises(pytest.skip.Exception, match="not installed"):
        require(kind)
    monkeypatch.setenv("AMQP10_REQUIRE", "all")
    with pytest.raises(servers.NotInstalled, match="not installed"):
        require(kind)
