"""How the tree looks: sizes, places, mirrors, docstrings, and words that do not belong in it."""

import ast
import re
from collections.abc import Iterator, Mapping

import pytest

from tests.project.source import LEFTOVERS, PACKAGE, ROOT, project_files, read

MAX_LINES = 700
TEXT = (".py", ".pyi", ".pyx", ".pxi", ".pxd", ".md", ".sh", ".toml", ".yml", ".yaml", ".cfg", ".in")
FOLDERS = frozenset((".ci", ".github", "amqp10", "bench", "docs", "examples", "tests"))
HIDDEN_FILES = frozenset((".gitignore", ".pre-commit-config.yaml"))
ROOT_FILES = frozenset(("CHANGELOG.md", "LICENSE", "MANIFEST.in", "README.md", "pyproject.toml", "setup.py"))
# Modules without tests that name or import them, and where they are tested all the same.
TESTED_ELSEWHERE: dict[str, str] = {
    "amqp10/_version.py": "tests/project/test_packaging.py",
    "amqp10/engine/link.py": "tests/spec/test_2_links.py",
    "amqp10/summary.py": "tests/asyncio/test_timeouts.py",
    # The driver's promises cut across its files: order, turns, bounds, cancelling, time-outs, memory.
    "amqp10/asyncio/batch.py": "tests/asyncio/test_backpressure.py",
    "amqp10/asyncio/connection.py": "tests/asyncio/test_cancelling.py",
    "amqp10/asyncio/link.py": "tests/asyncio/test_cancelling.py",
    "amqp10/asyncio/receiver.py": "tests/asyncio/test_ordering.py",
    "amqp10/asyncio/sender.py": "tests/asyncio/test_ordering.py",
    "amqp10/asyncio/session.py": "tests/asyncio/test_timeouts.py",
}

# Written so that no pattern matches itself.
FORBIDDEN = {
    r"(?<![\w.])/(work|farm)[/]|(?<![\w.])/root[/]|~[/]\.pyenv": "a place of one machine",
    r"\.\.[/]shared|(?<!\w)\.librar[y]": "a place of one machine",
    r"pypi\.[o]rg|pythonhosted\.[o]rg|maven\.[o]rg|npmjs\.[o]rg|deb\.debian\.[o]rg|crates\.[i]o": "a registry's host",
    r"\b[i]ssues? #?\d+\b": "how the work was divided",
    r"\b([T]ODO|[F]IXME|[X]XX|[H]ACK)\b": "work left undone",
    r"^[<]{7} |^[>]{7} ": "a merge left undone",
    r"\b[i]mport \*": "an import of everything",
    r"# type: [i]gnore(?!\[)|# [n]oqa(?!:)": "a blanket exemption",
}
# They look for interpreters where machines keep them.
MAY_NAME_PLACES = (".ci/", ".github/")


def text_files() -> list[str]:
    """Returns the names of the files that people write."""
    return [name for name in project_files() if name.endswith(TEXT) or name in {".ci/run", "tests/brokers/install"}]


def too_long(text: str) -> bool:
    return text.count("\n") > MAX_LINES


def forbidden_words(text: str) -> list[str]:
    found = []
    for pattern, what in FORBIDDEN.items():
        for match in re.finditer(pattern, text, re.MULTILINE):
            line = text.count("\n", 0, match.start()) + 1
            found.append(f"line {line}: {match[0]!r} is {what}")
    return found


def undocumented(tree: ast.Module) -> list[str]:
    """Returns the public modules, classes, functions and methods without a docstring."""
    return [name for name, node in public_nodes(tree, "module") if not ast.get_docstring(node)]


Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def public_nodes(node: Documented, name: str) -> Iterator[tuple[str, Documented]]:
    """Yields what a reader of the documentation would look up, outermost first."""
    yield name, node
    body = node.body if isinstance(node, ast.Module | ast.ClassDef) else []
    for child in body:
        match child:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                if not child.name.startswith("_") and not is_repetition(child):
                    yield from public_nodes(child, f"{name}.{child.name}")


def is_repetition(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Tells whether a definition only restates one that is documented elsewhere."""
    names = {ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list}
    return bool(names & {"overload", "override", "setter", "deleter"})


def files_about(module: str, tests: Mapping[str, str]) -> list[str]:
    """Returns the test files of a module: those in its folder's mirror with its name, or that import from it.

    The parts that have no folder are mirrored by the top of tests/ and by tests/codec.
    """
    folder, _, file = module.removesuffix(".py").removeprefix("amqp10/").rpartition("/")
    mirror = re.compile(rf"tests/{folder}/.*" if folder else r"tests/(codec/)?[^/]*")
    named = re.compile(rf".*/test_{file}(_\w+)?\.py")
    dotted = module.removesuffix(".py").replace("/", ".")
    imported = re.compile(rf"^(from|import) {re.escape(dotted)}\b", re.MULTILINE)
    return [
        name
        for name, text in tests.items()
        if mirror.fullmatch(name) and (named.fullmatch(name) or imported.search(text))
    ]


def test_no_file_is_too_long() -> None:
    assert [name for name in text_files() if too_long(read(name))] == []


def test_the_top_level_holds_what_it_should() -> None:
    assert {name.split("/")[0] for name in project_files()} - FOLDERS - ROOT_FILES - HIDDEN_FILES == set()


def test_nothing_generated_is_committed() -> None:
    assert [name for name in project_files() if LEFTOVERS.search(name) or name.endswith((".c", ".html"))] == []


def untested() -> list[str]:
    """Returns the modules of the package that no test file is about."""
    files = project_files()
    tests = {name: read(name) for name in files if re.match(r"tests/.*\.py$", name)}
    modules = [name for name in files if re.match(r"amqp10/.*\.py$", name) and not name.endswith("/__init__.py")]
    return [name for name in modules if not files_about(name, tests)]


def test_every_module_has_tests() -> None:
    assert set(untested()) - set(TESTED_ELSEWHERE) == set()


def test_what_is_tested_elsewhere_is_there() -> None:
    assert set(TESTED_ELSEWHERE) | set(TESTED_ELSEWHERE.values()) <= set(project_files())


def test_everything_public_is_documented() -> None:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        if missing := undocumented(ast.parse(path.read_text(encoding="utf-8"))):
            found[path.relative_to(ROOT).as_posix()] = missing
    assert found == {}


def test_no_forbidden_words() -> None:
    found = {name: forbidden_words(read(name)) for name in text_files() if not name.startswith(MAY_NAME_PLACES)}
    assert {name: words for name, words in found.items() if words} == {}


def test_ci_names_no_registry() -> None:
    found = {name: forbidden_words(read(name)) for name in text_files() if name.startswith(MAY_NAME_PLACES)}
    assert [words for name in found for words in found[name] if not words.endswith("a place of one machine")] == []


def test_texts_are_found() -> None:
    assert {"pyproject.toml", "amqp10/__init__.py", "tests/project/test_layout.py"} <= set(text_files())


@pytest.mark.parametrize(
    "text",
    [
        "see /wor" + "k/x",
        "in /roo" + "t/x",
        "~" + "/.pyenv/versions",
        ".." + "/shared/a",
        "https://pypi." + "org/simple",
        "for issue " + "3",
        "# TO" + "DO: later",
        "x\n<<<<<<" + "< HEAD",
        "from os import" + " *",
        "x = 1  # type: " + "ignore",
        "x = 1  # no" + "qa",
    ],
)
def test_a_forbidden_word_is_seen(text: str) -> None:
    assert len(forbidden_words(text)) == 1


@pytest.mark.parametrize("text", ["framework/x", "tests/work/x", "x  # type: " + "ignore[attr-defined]", "no issues"])
def test_an_innocent_word_is_not(text: str) -> None:
    assert forbidden_words(text) == []


def test_a_long_file_is_seen() -> None:
    assert [too_long("x\n" * lines) for lines in (MAX_LINES, MAX_LINES + 1)] == [False, True]


def test_a_missing_docstring_is_seen() -> None:
    source = "class A:\n  def f(self): ...\n  def _g(self): ...\n@overload\ndef h(): ...\nasync def k():\n  'x'\n"
    assert undocumented(ast.parse(source)) == ["module", "module.A", "module.A.f"]


def test_a_module_without_tests_is_seen() -> None:
    tests = {
        "tests/engine/test_link.py": "",
        "tests/engine/test_session_windows.py": "from amqp10.engine.pool import NumberPool",
        "tests/test_links.py": "import amqp10.errors",
        "tests/codec/test_frames.py": "from amqp10.types import Symbol",
    }
    found = ["engine/link", "engine/session", "engine/pool", "errors", "types", "links"]
    missing = ["link", "engine/lin", "engine/pools", "engine/errors", "engine/frames"]
    assert [name for name in found + missing if files_about(f"amqp10/{name}.py", tests)] == found
