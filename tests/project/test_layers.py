"""The layers of the package: a module imports only from its left.

errors, types <- _codec <- composite <- performatives, messaging, terminus, outcomes, options <- engine <- services
<- {asyncio, sync} <- {testing, broker, cli}; transport stands beside the engine and is used by the drivers alone.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest

from tests.project.source import Import, imports, is_within, package_sources, target_module

LAYERS: tuple[tuple[str, ...], ...] = (
    ("_version", "errors", "types"),
    ("_codec",),
    ("composite",),
    ("performatives", "messaging", "terminus", "outcomes", "options", "summary"),
    ("engine",),
    ("services",),
    ("asyncio", "sync"),
    ("testing", "broker", "cli"),
)
RANKS = {name: rank for rank, names in enumerate(LAYERS) for name in names}
ENGINE, DRIVERS, TOP = RANKS["engine"], RANKS["asyncio"], RANKS["testing"]
RANKS["transport"] = ENGINE

# Whatever waits, reads a clock or knows threads belongs to the drivers: in the engine time comes in as an argument.
WAITING = ("asyncio", "concurrent", "multiprocessing", "queue", "sched", "select", "selectors", "signal", "threading")
CLOCKS = ("time", "libc.time", "posix.time", "cpython.time", "sched")
NETWORK = ("socket", "socketserver", "ssl", "http", "urllib.request", "subprocess")
EVENT_LOOPS = ("anyio", "curio", "gevent", "trio", "uvloop")
IO_MODULES = frozenset((*WAITING, *CLOCKS, *NETWORK, *EVENT_LOOPS))
# Addresses and TLS contexts are made of these two, and serve both drivers alike, so of nothing else.
IO_OF_TRANSPORT = frozenset({"socket", "ssl"})

# The exception among what stands on the drivers: the scripted peer is of use under them, so it is sans-I/O
# and imports no driver. These modules of amqp10.testing are not its core: they give it sockets and threads, and only
# the package itself may import them.
TESTING_WITH_IO = frozenset({"amqp10.testing.line", "amqp10.testing.sockets"})

Sources = Mapping[str, Sequence[str]]


def layer(module: str) -> str:
    """Returns the part of the package that a module belongs to, "" for the package itself."""
    return module.split(".")[1] if "." in module else ""


def is_sans_io(module: str) -> bool:
    """Tells whether a module may neither wait, nor know the time, nor import a driver."""
    if layer(module) == "testing":
        return module not in TESTING_WITH_IO
    return bool(layer(module)) and RANKS.get(layer(module), TOP) < DRIVERS


def every_import(sources: Sources) -> Iterator[tuple[str, Import]]:
    """Yields each module with each of its imports."""
    for module, texts in sources.items():
        for text in texts:
            for item in imports(text):
                yield module, item


def unknown_layers(sources: Sources) -> list[str]:
    return [module for module in sources if layer(module) and layer(module) not in RANKS]


def relative_imports(sources: Sources) -> list[str]:
    return [f"{module}:{item.line}: {item.name}" for module, item in every_import(sources) if item.name[0] == "."]


def may_import(module: str, target: str) -> bool:
    """Applies the order of the layers to one import within the package."""
    own, other = layer(module), layer(target)
    if not other:
        return RANKS.get(own) == TOP and not is_sans_io(module)
    if not own:
        return RANKS[other] < TOP
    if own == "testing" and is_sans_io(module):
        return may_import_sans_io(module, target)
    if "transport" in (own, other) and own != other:
        return RANKS[other] < ENGINE if own == "transport" else RANKS[own] == DRIVERS
    if RANKS[own] >= DRIVERS and RANKS[own] == RANKS[other]:
        return own == other
    return RANKS[other] <= RANKS[own]


def may_import_sans_io(module: str, target: str) -> bool:
    """Applies the exception to one import of the scripted peer's core, or of its package."""
    if layer(target) == "testing":
        return module == "amqp10.testing" or target not in TESTING_WITH_IO
    return RANKS[layer(target)] < DRIVERS and layer(target) != "transport"


def imports_from_the_right(sources: Sources) -> list[str]:
    found = []
    for module, item in every_import(sources):
        if is_within(item.name, "amqp10"):
            target = target_module(item.name, sources)
            # "from amqp10 import name" of a name that is no module needs the whole package.
            if layer(target) in RANKS.keys() | {""} and not may_import(module, target):
                found.append(f"{module}:{item.line}: {item.name}")
    return found


def io_below_the_drivers(sources: Sources) -> list[str]:
    found = []
    for module, item in every_import(sources):
        banned = IO_MODULES - IO_OF_TRANSPORT if layer(module) == "transport" else IO_MODULES
        if is_sans_io(module) and any(is_within(item.name, name) for name in banned):
            found.append(f"{module}:{item.line}: {item.name}")
    return found


def clocks_below_the_drivers(sources: Sources) -> list[str]:
    """Finds the clock that hides in a type: datetime.now() and its like."""
    calls = ("datetime.now(", "datetime.utcnow(", "datetime.today(", "date.today(")
    return [
        f"{module}: {call})"
        for module, texts in sources.items()
        if is_sans_io(module)
        for call in calls
        if any(call in text for text in texts)
    ]


def import_cycles(sources: Sources) -> list[str]:
    """Finds modules that reach themselves through imports that run when a module is imported."""
    graph: dict[str, set[str]] = {module: set() for module in sources}
    for module, item in every_import(sources):
        target = target_module(item.name, sources)
        if item.eager and target in graph and target != module:
            graph[module].add(target)
    return [module for module in graph if module in reachable(graph, module)]


def reachable(graph: Mapping[str, set[str]], start: str) -> set[str]:
    """Returns all that one module imports, directly or not."""
    found: set[str] = set()
    pending = list(graph[start])
    while pending:
        module = pending.pop()
        if module not in found:
            found.add(module)
            pending.extend(graph[module])
    return found


Rule = Callable[[Sources], list[str]]
RULES: tuple[Rule, ...] = (
    unknown_layers,
    relative_imports,
    imports_from_the_right,
    io_below_the_drivers,
    clocks_below_the_drivers,
    import_cycles,
)


@pytest.mark.parametrize("rule", RULES)
def test_the_package_obeys(rule: Rule) -> None:
    assert rule(package_sources()) == []


def test_modules_of_testing_that_do_io_exist() -> None:
    assert set(package_sources()) >= TESTING_WITH_IO


def test_all_sources_of_the_codec_are_seen() -> None:
    sources = package_sources()
    assert len(sources["amqp10._codec"]) > 2
    assert any("cdef " in text for text in sources["amqp10._codec"])


# Each case breaks one rule in a package of a few lines.
BROKEN: list[tuple[Rule, dict[str, str]]] = [
    (unknown_layers, {"amqp10.helpers": ""}),
    (relative_imports, {"amqp10.engine.link": "from . import session"}),
    (relative_imports, {"amqp10.engine.link": "from .session import Session"}),
    (imports_from_the_right, {"amqp10.errors": "from amqp10.messaging import Header"}),
    (imports_from_the_right, {"amqp10.types": "from amqp10 import _codec"}),
    (imports_from_the_right, {"amqp10.composite": "def f():\n    from amqp10.engine.link import Link"}),
    (imports_from_the_right, {"amqp10.engine.link": "if TYPE_CHECKING:\n    import amqp10.asyncio.driver"}),
    (imports_from_the_right, {"amqp10.engine.link": "from amqp10.transport.address import Address"}),
    (imports_from_the_right, {"amqp10.services.rpc": "from amqp10.transport.address import Address"}),
    (imports_from_the_right, {"amqp10.transport.tls": "from amqp10.engine.link import Link"}),
    (imports_from_the_right, {"amqp10.broker.main": "from amqp10.transport.address import Address"}),
    (imports_from_the_right, {"amqp10.asyncio.driver": "from amqp10.sync.links import Sender"}),
    (imports_from_the_right, {"amqp10.sync.driver": "import amqp10.asyncio"}),
    (imports_from_the_right, {"amqp10.asyncio.driver": "from amqp10.testing import Peer"}),
    (imports_from_the_right, {"amqp10.testing.peer": "from amqp10.asyncio import connect"}),
    (imports_from_the_right, {"amqp10.testing.peer": "from amqp10.cli import main"}),
    (imports_from_the_right, {"amqp10.testing.peer": "from amqp10 import Message"}),
    (imports_from_the_right, {"amqp10.testing.peer": "from amqp10.testing.sockets import serve"}),
    (imports_from_the_right, {"amqp10.engine.link": "from amqp10 import Message"}),
    (imports_from_the_right, {"amqp10.asyncio.driver": "import amqp10"}),
    (imports_from_the_right, {"amqp10": "from amqp10.testing import Peer"}),
    (imports_from_the_right, {"amqp10._codec": "cdef int x\nfrom amqp10.outcomes import Accepted"}),
    (imports_from_the_right, {"amqp10._codec": "cdef int x\nfrom amqp10 import errors, outcomes"}),
    (io_below_the_drivers, {"amqp10.engine.connection": "import asyncio"}),
    (io_below_the_drivers, {"amqp10.engine.connection": "from time import monotonic"}),
    (io_below_the_drivers, {"amqp10.engine.sasl.plain": "def f():\n    import ssl"}),
    (io_below_the_drivers, {"amqp10.errors": "import socket as s"}),
    (io_below_the_drivers, {"amqp10.services.rpc": "from concurrent.futures import Future"}),
    (io_below_the_drivers, {"amqp10.testing.peer": "import threading"}),
    (io_below_the_drivers, {"amqp10.transport.tls": "import selectors"}),
    (io_below_the_drivers, {"amqp10._codec": "cdef int x\nfrom libc.time cimport time"}),
    (clocks_below_the_drivers, {"amqp10.types": "datetime.now(UTC)"}),
    (import_cycles, {"amqp10.engine.a": "import amqp10.engine.b", "amqp10.engine.b": "from amqp10.engine import a"}),
]


@pytest.mark.parametrize(("rule", "package"), BROKEN)
def test_a_broken_rule_is_seen(rule: Rule, package: dict[str, str]) -> None:
    whole = {"amqp10": [""], "amqp10.testing": [""], "amqp10.messaging": [""], "amqp10.outcomes": [""]}
    whole |= {"amqp10.transport.address": [""], "amqp10.cli": [""], "amqp10.engine.link": [""], "amqp10._codec": [""]}
    whole |= {
        "amqp10.testing.sockets": [""],
        "amqp10.asyncio": [""],
        "amqp10.asyncio.driver": [""],
        "amqp10.sync.links": [""],
        "amqp10.engine": [""],
    }
    assert [name for name in RULES if name(whole)] == []
    assert [name for name in RULES if name(whole | {key: [text] for key, text in package.items()})] == [rule]


def test_what_is_allowed_is_not_reported() -> None:
    sources = {
        "amqp10": ["from amqp10.asyncio import connect\nfrom amqp10.errors import AMQPError"],
        "amqp10.errors": ["import enum"],
        "amqp10._codec": ["cdef int x\nfrom amqp10.errors import DecodeError\nfrom libc.string cimport memcpy"],
        "amqp10.engine.link": ["from amqp10 import _codec\nif TYPE_CHECKING:\n    import amqp10.engine.session"],
        "amqp10.engine.session": ["from amqp10.engine.link import Link\nimport logging"],
        "amqp10.transport.tls": ["import ssl\nfrom amqp10.errors import TransportError"],
        "amqp10.asyncio": ["import asyncio, time\nfrom amqp10.transport.tls import context"],
        "amqp10.testing": ["from amqp10.testing.sockets import serve\nfrom amqp10.testing.peer import Peer"],
        "amqp10.testing.peer": ["from amqp10.engine.link import Link"],
        "amqp10.testing.sockets": ["import asyncio, ssl\nfrom amqp10.testing.peer import Peer"],
        "amqp10.cli": ["import amqp10\nfrom amqp10.asyncio import connect"],
    }
    assert [rule(sources) for rule in RULES] == [[]] * len(RULES)
