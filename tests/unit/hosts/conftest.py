"""A lab whose hosts are actors on this machine's loopback."""

from collections.abc import Iterator

import pytest

from socketlab.hosts.host import Host
from socketlab.hosts.lab import Lab, lab
from tests.unit.hosts.on_loopback import LoopbackBackend, LoopbackMachines


@pytest.fixture
def backend() -> LoopbackBackend:
    return LoopbackBackend()


@pytest.fixture
def demo(backend: LoopbackBackend) -> Iterator[Lab]:
    with lab("demo", backend=backend) as opened:
        yield opened


@pytest.fixture
def machines(demo: Lab, backend: LoopbackBackend) -> LoopbackMachines:
    assert demo.plan.name == "demo"
    return backend.made[0]


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """One host for tests that leave nothing on it."""
    with lab("programs", hosts=["one"], backend=LoopbackBackend()) as opened:
        yield opened.one
