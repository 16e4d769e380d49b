"""What the package offers: `__all__` in every public module, true, whole and documented."""

import ast
import importlib
import inspect
import re
from types import ModuleType

import pytest

from tests.project.source import PACKAGE, module_name


def public_modules() -> list[str]:
    """Returns the dotted names of all modules that users may import."""
    names = (module_name(path) for path in sorted(PACKAGE.rglob("*.py")))
    return [name for name in names if not any(part.startswith("_") for part in name.split("."))]


def defined_names(text: str) -> set[str]:
    """Returns the public names that a module defines itself, at its top level.

    Left out are type variables, and the members of an enum that the module unpacks for its own use.
    """
    found: set[str] = set()
    for node in ast.parse(text).body:
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                found.add(node.name)
            case ast.Assign(value=ast.Call(func=ast.Name("TypeVar" | "ParamSpec"))):
                pass
            case ast.Assign(targets=targets):
                found |= {target.id for target in targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(name)):
                found.add(name)
    return {name for name in found if not name.startswith("_")}


def lacks_documentation(value: object) -> bool:
    """Tells whether a class or function says nothing of its own; other values are documented by their module."""
    if inspect.isclass(value):
        return not vars(value).get("__doc__")
    return inspect.isroutine(value) and not value.__doc__


def undocumented_members(cls: type) -> list[str]:
    """Returns the public members that neither say what they are nor stand in their class' own docstring."""
    text = cls.__doc__ or ""
    return [
        name
        for name, item in vars(cls).items()
        if not name.startswith("_") and not getattr(item, "__doc__", None) and not re.search(rf"\b{name}\b", text)
    ]


def faults(module: ModuleType, text: str) -> list[str]:
    """Returns what is wrong with the exports of a module."""
    exported: list[str] | None = getattr(module, "__all__", None)
    if exported is None:
        return ["no __all__"]
    found = [f"{name} twice" for name in set(exported) if exported.count(name) > 1]
    found += [f"{name} does not exist" for name in exported if not hasattr(module, name)]
    found += [f"{name} is not documented" for name in exported if lacks_documentation(getattr(module, name, ""))]
    found += [f"{name} is not exported" for name in sorted(defined_names(text) - set(exported))]
    found += [f"{name} is private" for name in exported if name.startswith("_") and name != "__version__"]
    return found


@pytest.mark.parametrize("name", public_modules())
def test_exports(name: str) -> None:
    module = importlib.import_module(name)
    assert faults(module, inspect.getsource(module)) == []


def test_the_top_offers_what_its_user_meets() -> None:
    """Errors to catch, outcomes to look at, the message and the codec come without a second import."""
    top, errors = (importlib.import_module(name).__all__ for name in ("amqp10", "amqp10.errors"))
    assert {*errors, "Message", "connect", "encode", "decode", "__version__"} - set(top) == set()


def test_the_codec_is_documented() -> None:
    """What users meet of the codec comes from other modules; there its docstrings are checked by their name."""
    codec = importlib.import_module("amqp10._codec")
    named = {name for module in public_modules() for name in importlib.import_module(module).__all__}
    members = {name: vars(codec)[name] for name in named & set(vars(codec)) if inspect.isclass(vars(codec)[name])}
    assert members
    assert [f"{name}.{member}" for name, value in members.items() for member in undocumented_members(value)] == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("x = 1", "no __all__"),
        ("__all__ = ['x', 'x']\nx = 1", "x twice"),
        ("__all__ = ['x']", "x does not exist"),
        ("__all__ = ['f']\ndef f(): ...", "f is not documented"),
        ("__all__ = ['A']\nclass A(dict): ...", "A is not documented"),
        ("__all__ = []\nX = Y = 1", "Y is not exported"),
        ("__all__ = []\nX: int = 1", "X is not exported"),
        ("__all__ = []\nasync def f():\n  'x'", "f is not exported"),
        ("__all__ = ['_x']\n_x = 1", "_x is private"),
    ],
)
def test_a_fault_is_seen(text: str, fault: str) -> None:
    module = ModuleType("example")
    exec(text, vars(module))
    assert fault in faults(module, text)


def test_an_undocumented_member_is_seen() -> None:
    example = type("Example", (), {"__doc__": "With a and b.", "a": 1, "c": None.__class__.__new__, "_d": 1})
    example.e = property(lambda self: 1)  # type: ignore[attr-defined]
    assert undocumented_members(example) == ["e"]


def test_a_sound_module_has_no_fault() -> None:
    text = "__all__ = ['A', 'X']\nimport os\nclass A:\n  'An A.'\nX = 1\n_y = 2\nA_STATE, B_STATE = 1, 2"
    module = ModuleType("example")
    exec(text, vars(module))
    assert faults(module, text) == []
