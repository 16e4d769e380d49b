"""What the driver's tests share."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="package", autouse=True)
def _quick_collections() -> Iterator[None]:
    """Leave all that is there already out of the collections with which `run` looks for strays."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
