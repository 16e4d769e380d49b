"""What is shipped: an sdist that builds alone, a wheel with nothing in it but what runs."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.project.source import ROOT, project_files

# The codec is compiled once, without optimization, yet that takes most of a minute on a busy machine.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SOURCES = (".pyx", ".pxi")
PROBE = """
import importlib.metadata, sys
import amqp10
assert amqp10.__file__.startswith(sys.prefix), amqp10.__file__
assert amqp10.__version__ == importlib.metadata.version("amqp10"), amqp10.__version__
assert amqp10.decode(amqp10.encode({"a": [1, b"x"]})) == {"a": [1, b"x"]}
print("imported", amqp10.__version__)
"""


def run(*command: str | Path, cwd: Path) -> str:
    """Runs a command that must succeed, away from the checkout, and returns what it prints."""
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "LD_PRELOAD"}}
    environment |= {"CFLAGS": "-O0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=540, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Builds the sdist from what git would commit, and the wheel from the unpacked sdist."""
    tree = tmp_path_factory.mktemp("packaging") / "tree"
    for name in project_files():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tree / name)
    # Without isolation: what a build needs is in the extra "test", and no index is asked.
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", tree / "dist", tree, cwd=tree)
    return tree / "dist"


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (found,) = dist.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def sdist_names(dist: Path) -> set[str]:
    """Returns the names of the sdist's files, relative to its one folder."""
    (found,) = dist.glob("*.tar.gz")
    with tarfile.open(found) as archive:
        return {member.name.partition("/")[2] for member in archive if member.isfile()}


@pytest.fixture(scope="module")
def wheel_names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def of_package(suffixes: tuple[str, ...]) -> set[str]:
    """Returns the files of the package with one of these suffixes."""
    return {name for name in project_files() if name.startswith("amqp10/") and name.endswith(suffixes)}


def test_sdist_carries_all_that_builds_and_tests(sdist_names: set[str]) -> None:
    wanted = {name for name in project_files() if re.match(r"(amqp10|tests|bench|examples|docs)/|[^.][^/]*$", name)}
    assert len(of_package(SOURCES)) > 2
    assert wanted - sdist_names == set()


def test_sdist_carries_nothing_generated(sdist_names: set[str]) -> None:
    assert {name for name in sdist_names if name.endswith((".c", ".so", ".pyd", ".pyc", ".html"))} == set()
    assert {name for name in sdist_names if name.startswith(("build/", "dist/"))} == set()


def test_wheel_carries_the_package_and_its_types(wheel_names: set[str]) -> None:
    wanted = of_package((".py", ".pyi", "py.typed"))
    assert "amqp10/_codec.pyi" in wanted
    assert "amqp10/py.typed" in wanted
    assert wanted - wheel_names == set()
    assert any(name.endswith("/licenses/LICENSE") for name in wheel_names)


def test_wheel_carries_one_extension_and_no_source_of_it(wheel_names: set[str]) -> None:
    assert len([name for name in wheel_names if re.match(r"amqp10/_codec\..*(so|pyd)$", name)]) == 1
    assert {name for name in wheel_names if name.endswith((*SOURCES, ".c", ".h", ".html"))} == set()


def test_wheel_carries_nothing_but_the_package(wheel_names: set[str]) -> None:
    assert {name for name in wheel_names if not re.match(r"amqp10/|amqp10-[^/]*\.dist-info/", name)} == set()


def test_wheel_from_the_sdist_installs_and_imports(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv", cwd=tmp_path)
    python = next(path for path in (tmp_path / "venv").glob("*/python*") if path.stem == "python")
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-index", "--no-deps", wheel, cwd=tmp_path)
    assert run(python, "-I", "-W", "error", "-c", PROBE, cwd=tmp_path).startswith("imported ")
