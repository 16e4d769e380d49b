"""The examples run, and notice what they say they notice."""

import asyncio
import importlib.util
import os
import signal
import subprocess
import sys
from types import ModuleType

import pytest

from tests.project.peer import Peer
from tests.project.source import ROOT

INGEST = ROOT / "examples" / "ingest.py"


@pytest.fixture(scope="module")
def ingest() -> ModuleType:
    """The example as a module."""
    spec = importlib.util.spec_from_file_location("ingest_example", INGEST)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def start(*arguments: str) -> subprocess.Popen[str]:
    """Starts the example without a terminal."""
    command = [sys.executable, "-X", "dev", "-W", "error", str(INGEST), *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(*arguments: str) -> tuple[int, str, str]:
    """Runs the example to its end: status, standard output, standard error."""
    with start(*arguments) as process:
        output, errors = process.communicate(timeout=50)
    return process.returncode, output, errors


def test_ingest_moves_and_checks_messages(peer: Peer) -> None:
    status, output, errors = run("--url", peer.url, "--address", "all", "--count", "3000")
    assert (status, errors) == (0, "")
    lines = output.splitlines()
    assert lines[-3] == "3000 messages of 100 bytes: all accepted, each received once, every body right"
    assert [line.split()[0] for line in lines[-2:]] == ["sent:", "received:"]
    assert lines[-4] == "100 %  sent 3000, received 3000"


@pytest.mark.parametrize("count", ["1", "10"])
def test_ingest_of_the_smallest_messages(peer: Peer, count: str) -> None:
    status, output, _ = run("--url", peer.url, "--address", "tiny", "--count", count, "--size", "8")
    assert status == 0
    assert f"{count} messages of 8 bytes: all accepted" in output


def test_ingest_reports_a_wrong_password(peer: Peer) -> None:
    status, output, errors = run("--url", f"amqp://guest:wrong@{peer.place}", "--address", "all", "--count", "10")
    assert (status, output) == (1, "")
    assert "of 10 messages 0 were sent, 0 received" in errors
    assert "AuthenticationError" in errors
    assert "Traceback" not in errors


def test_ingest_notices_messages_that_are_not_its_own(peer: Peer, ingest: ModuleType) -> None:
    import amqp10

    url = peer.url

    async def leave_one() -> None:
        async with amqp10.connect(url) as connection, connection.open_sender("used") as sender:
            await sender.send(b"left over")

    asyncio.run(leave_one())
    status, _, errors = run("--url", url, "--address", "used", "--count", "10")
    assert status == 1
    assert "IngestError: a body came that was not sent: b'left over'" in errors


def test_ingest_ends_cleanly_on_ctrl_c(peer: Peer) -> None:
    arguments = ("--url", peer.url, "--address", "long", "--count", "50000000")
    with start(*arguments) as process:
        assert process.stdout is not None
        try:
            # The first tenth takes minutes: it is certainly under way, as soon as it is.
            process.wait(2)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
        # Sender, receiver and connection may take close's ten seconds each where the machine is busy.
        _, errors = process.communicate(timeout=50)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert errors.splitlines()[-1] == "stopped"


def test_tally_notices_a_changed_a_foreign_and_a_repeated_body(ingest: ModuleType) -> None:
    tally = ingest.Tally(300, 20)
    bodies = list(tally.bodies())
    assert len(set(bodies)) == tally.sent == 300
    assert {len(body) for body in bodies} == {20}
    tally.check_in(bodies[7])
    changed = bodies[8][:-1] + bytes([bodies[8][-1] ^ 1])
    foreign = ingest.Tally(301, 20).body(300)
    for body, text in ((bodies[7], "came twice"), (changed, "not sent"), (foreign, "not sent"), (None, "not sent")):
        with pytest.raises(ingest.IngestError, match=text):
            tally.check_in(body)
    assert tally.received == 1


@pytest.mark.parametrize("arguments", [[], ["--url", "amqp://a"], ["--start-broker", "--size", "7"], ["--count", "0"]])
def test_ingest_refuses_a_wrong_command_line(ingest: ModuleType, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        ingest.parse(arguments)
    assert stopped.value.code == 2


def test_ingest_draws_bars(ingest: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    display = ingest.BarDisplay(10)
    display.show(7, 4)
    display.close()
    lines = capsys.readouterr().out.splitlines()
    assert [(line.split()[0], line.split()[2]) for line in lines] == [("sent", "7/10"), ("received", "4/10")]


def test_ingest_prints_a_line_for_each_tenth(ingest: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    display = ingest.LineDisplay(100)
    for received in (0, 9, 10, 19, 55, 100):
        display.show(100, received)
    assert [line.split("%")[0].strip() for line in capsys.readouterr().out.splitlines()] == ["10", "50", "100"]
