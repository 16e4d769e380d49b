"""A peer with queues, for programs that need no more of a broker."""

from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import pytest

from tests.asyncio.broker import PASSWORD, USER, BrokerThread
from tests.project.peer import Peer


@pytest.fixture(scope="session")
def peer() -> Iterator[Peer]:
    """A peer on loopback that keeps what it is sent and hands it out again."""
    with BrokerThread() as broker:
        yield Peer(urlsplit(broker.url()).netloc, f"{quote(USER, safe='')}:{quote(PASSWORD, safe='')}")
