"""README.md does what it says: its Python runs, its commands are those of CI."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project.peer import Peer
from tests.project.readme import README, Block, blocks, commands
from tests.project.source import ROOT, read

TEXT = README.read_text(encoding="utf-8")
PYTHON = [block for block in blocks(TEXT) if block.language == "python"]
# Where the README's programs connect to, and as whom; here it becomes a peer on loopback and who that one knows.
HOST, USERINFO = "@localhost", "guest:guest"
NOBODY = Peer("", "")


def run_snippet(block: Block, peer: Peer, directory: Path) -> str:
    """Runs a Python block as the program it is, in a process of its own, and returns what it prints."""
    program = directory / "snippet.py"
    # Empty lines put the text where a traceback's line number is the README's.
    program.write_text(
        "\n" * (block.line - 1) + block.text.replace(HOST, f"@{peer.place}").replace(USERINFO, peer.userinfo),
        encoding="utf-8",
    )
    command = [sys.executable, "-X", "dev", "-W", "error", str(program)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, env=environment, cwd=directory, capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, f"README.md, line {block.line}:\n{done.stdout}\n{done.stderr}"
    assert done.stderr == ""
    return done.stdout


def expected_output(block: Block) -> list[str]:
    """Returns what a block says it prints: a comment behind each print."""
    lines = [line.partition("  # prints ")[2] for line in block.text.splitlines()]
    return [line for line in lines if line]


@pytest.mark.parametrize("block", [pytest.param(block, id=f"line {block.line}") for block in PYTHON])
def test_python_block(block: Block, tmp_path: Path, peer: Peer) -> None:
    printed = run_snippet(block, peer, tmp_path)
    assert printed.splitlines() == expected_output(block)


def test_there_is_python_to_run() -> None:
    assert len(PYTHON) >= 2
    assert any(HOST in block.text for block in PYTHON)
    assert any(expected_output(block) for block in PYTHON)


def test_every_block_is_run_by_someone() -> None:
    """A block of shell is a labeled command, and CI runs each of them."""
    assert [block.line for block in blocks(TEXT) if block.language not in {"python", "sh"}] == []
    assert [block.line for block in blocks(TEXT) if block.language == "sh" and not block.label] == []
    ci = read(".ci/run")
    assert [
        label for label in commands(TEXT) if f'readme.py" {label})' not in ci or f'"${label}_command"' not in ci
    ] == []


def test_the_two_commands_are_there() -> None:
    assert list(commands(TEXT)) == ["demo", "test"]
    assert "--start-broker --count 100000" in commands(TEXT)["demo"]
    assert commands(TEXT)["test"].endswith(".venv/bin/python -m pytest")


def test_blocks_are_found_with_language_label_and_line() -> None:
    text = "# A\n\n<!-- command: go -->\n```sh\nls \\\n  -l\n```\n\n```python\nprint(1)  # prints 1\n```\n"
    assert blocks(text) == [Block("sh", "go", 5, "ls \\\n  -l\n"), Block("python", None, 10, "print(1)  # prints 1\n")]
    assert commands(text) == {"go": "ls \\\n  -l"}
    assert expected_output(blocks(text)[1]) == ["1"]


def test_a_failing_block_is_seen(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"README\.md, line 7:(.|\n)*line 8, in <module>(.|\n)*ZeroDivisionError"):
        run_snippet(Block("python", None, 7, "x = 0\n1 / x\n"), NOBODY, tmp_path)


def test_a_block_that_warns_is_seen(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="was never awaited"):
        run_snippet(Block("python", None, 1, "async def f(): ...\nf()\n"), NOBODY, tmp_path)


def test_the_place_in_a_block_is_replaced(tmp_path: Path) -> None:
    block = Block("python", None, 1, f"print('amqp://{USERINFO}{HOST}/c')\n")
    assert run_snippet(block, Peer("127.0.0.1:9", "u:p"), tmp_path) == "amqp://u:p@127.0.0.1:9/c\n"
