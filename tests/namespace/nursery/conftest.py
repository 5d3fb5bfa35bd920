from collections.abc import Iterator

import pytest

from socketlab.hosts.lab import Lab, lab
from socketlab.hosts.namespace import probe


@pytest.fixture(scope="session")
def namespaces() -> None:
    """Skip, with the reason, where hosts cannot be made of namespaces."""
    found = probe()
    if not found.usable:
        pytest.skip(found.why)


@pytest.fixture(scope="module")
def shared(namespaces: None) -> Iterator[Lab]:  # noqa: ARG001 - a fixture of a fixture
    """Two hosts for tests that leave them as they were."""
    with lab("shared", backend="namespace") as made:
        yield made


@pytest.fixture
def demo(namespaces: None) -> Iterator[Lab]:  # noqa: ARG001 - a fixture of a fixture
    """Two hosts for one test."""
    with lab("demo", backend="namespace") as made:
        yield made
