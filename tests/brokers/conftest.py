"""Fixtures that give real brokers; what is not installed is skipped, or an error where AMQP10_REQUIRE is "all"."""

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from tests.brokers import servers
from tests.brokers.rabbitmq import QUEUES
from tests.brokers.servers import Broker


class FreshBroker(Protocol):
    """Starts a broker of one's own: to be killed, restarted, or configured in some other way (see servers.start)."""

    def __call__(self, kind: str, **options: object) -> Broker: ...


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder as one that needs a broker."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.broker)


def require(kind: str) -> None:
    """Skip the test where a broker cannot run; raise if everything is required."""
    reason = servers.missing(kind)
    if reason is None:
        return
    if os.environ.get("AMQP10_REQUIRE") == "all":
        raise servers.NotInstalled(reason)
    pytest.skip(reason)


def start(kind: str, **options: object) -> Broker:
    """Start a broker; skip the test where it cannot run, unless everything is required."""
    require(kind)
    return servers.start(kind, **options)  # type: ignore[arg-type]  # the options are checked there


@pytest.fixture(scope="session")
def rabbitmq3() -> Iterator[Broker]:
    """RabbitMQ 3.10, which speaks AMQP 1.0 by its old plugin."""
    with start("rabbitmq3") as broker:
        yield broker


@pytest.fixture(scope="session")
def rabbitmq4() -> Iterator[Broker]:
    """RabbitMQ 4.0, which speaks AMQP 1.0 natively."""
    with start("rabbitmq4") as broker:
        yield broker


@pytest.fixture(scope="session")
def artemis() -> Iterator[Broker]:
    """Apache Artemis, with all its messages in memory."""
    with start("artemis") as broker:
        yield broker


@pytest.fixture(scope="session", params=servers.KINDS)
def broker(request: pytest.FixtureRequest) -> Broker:
    """Each of the brokers in turn."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Broker)
    return found


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> str:
    """The name of each of the loops in turn, for `scenario`."""
    return str(request.param)


@pytest.fixture(params=servers.KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """The name of each of the brokers in turn, for `fresh_broker`."""
    return str(request.param)


@pytest.fixture
def fresh_broker() -> Iterator[FreshBroker]:
    """A function that starts a broker for one test alone."""
    with ExitStack() as started:

        def start_fresh(kind: str, **options: object) -> Broker:
            return started.enter_context(start(kind, **options))

        yield start_fresh


@pytest.fixture(scope="session")
def new_queue() -> Callable[[Broker], str]:
    """A function that gives the address of a queue that no other test of the session uses."""
    unused: dict[str, Iterator[str]] = {}

    def take(broker: Broker) -> str:
        names = unused.setdefault(broker.name, itertools.chain(QUEUES))
        name = next(names, None)
        assert name is not None, f"{broker.name}: all {len(QUEUES)} queues are taken: declare more in rabbitmq.py"
        return broker.address(name)

    return take
