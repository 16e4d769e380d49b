"""The project's own files as text and as syntax trees, for the tests of its rules."""

import ast
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "amqp10"
# What a build or a tool leaves behind, for trees that git does not know (an unpacked sdist).
LEFTOVERS = re.compile(
    r"(^|/)(\.git|\.\w+_cache|\.hypothesis|\.venv.*|__pycache__|build|dist|.*\.egg-info)(/|$)|\.(so|pyd)$"
)
CYTHON_IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+c?import[ \t]+(.+)|c?import[ \t]+(.+))$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module or name.

    Attributes:
        name: dotted, with the imported name as its last part ("amqp10.types.Symbol").
        line: where it stands.
        eager: whether it runs when the module is imported: not within a function or TYPE_CHECKING.
    """

    name: str
    line: int
    eager: bool


def project_files() -> list[str]:
    """Returns the paths, relative to the root, of all files that are or would be committed."""
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=30)
        return sorted(name for name in set(listed.stdout.split("\0")) if name and (ROOT / name).is_file())
    walked = (path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if path.is_file())
    return sorted(name for name in walked if not LEFTOVERS.search(name))


def read(name: str) -> str:
    """Returns the text of a file named relative to the root."""
    return (ROOT / name).read_text(encoding="utf-8")


def module_name(path: Path) -> str:
    """Returns the dotted name of a file of the package; a part of the codec belongs to the codec."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts[1:2] == ("_codec_parts",):
        return "amqp10._codec"
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_files() -> list[Path]:
    """Returns all source files of the package, stubs and Cython included."""
    return sorted(path for path in PACKAGE.rglob("*") if path.suffix in {".py", ".pyi", ".pyx", ".pxi"})


def package_sources() -> dict[str, list[str]]:
    """Returns the texts that make up each module of the package, by dotted name."""
    sources: dict[str, list[str]] = {}
    for path in package_files():
        sources.setdefault(module_name(path), []).append(path.read_text(encoding="utf-8"))
    return sources


def imports(text: str) -> list[Import]:
    """Returns everything that a Python or Cython source imports."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return list(cython_imports(text))
    return list(python_imports(tree, eager=True))


def python_imports(node: ast.AST, *, eager: bool) -> Iterator[Import]:
    """Yields the imports under a node of a syntax tree."""
    if isinstance(node, ast.Import):
        yield from (Import(alias.name, node.lineno, eager) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        prefix = "." * node.level + (node.module or "")
        yield from (Import(f"{prefix}.{alias.name}", node.lineno, eager) for alias in node.names)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        eager = False
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        eager = False
    for child in ast.iter_child_nodes(node):
        yield from python_imports(child, eager=eager)


def cython_imports(text: str) -> Iterator[Import]:
    """Yields the imports of a Cython source, which Python's parser cannot read."""
    text = re.sub(r"\\\n|\(\s*\n|(?<=,)[ \t]*\n[ \t]*", " ", text)
    for match in CYTHON_IMPORT.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        eager = not match[0][0].isspace()
        prefix = f"{match[1]}." if match[1] else ""
        for item in (match[2] or match[3]).split("#")[0].split(","):
            if words := item.strip("() \t").split():
                yield Import(prefix + words[0], line, eager)


def is_within(name: str, package: str) -> bool:
    """Tells whether a dotted name is a package, or something in it."""
    return name == package or name.startswith(f"{package}.")


def target_module(name: str, modules: Mapping[str, object]) -> str:
    """Returns the module that an imported dotted name belongs to: the longest prefix that is a module."""
    while name not in modules and "." in name:
        name = name.rpartition(".")[0]
    return name
