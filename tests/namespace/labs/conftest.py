"""Labs of network namespaces, where this machine can make them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from socketlab.hosts import namespace
from socketlab.hosts.lab import Lab, lab

FDS = Path("/proc/self/fd")


@pytest.fixture(autouse=True, scope="session")
def _usable() -> None:
    found = namespace.probe()
    if not found.usable:
        pytest.skip(found.why)


@pytest.fixture(scope="module")
def demo(_usable: None) -> Iterator[Lab]:
    """Two hosts, for tests that leave nothing on them."""
    with lab("demo", backend="namespace") as opened:
        yield opened


@pytest.fixture
def own() -> Iterator[Lab]:
    """Two hosts of a test's own."""
    with lab("own", backend="namespace") as opened:
        yield opened


@pytest.fixture(autouse=True)
def _no_descriptor_is_left() -> Iterator[None]:
    before = sum(1 for _ in FDS.iterdir())
    yield
    assert sum(1 for _ in FDS.iterdir()) <= before + 4  # the nursery's own, and those of the module's lab
