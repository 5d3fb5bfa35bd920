"""Labs of the backend `docker`: one for the whole session, which a test leaves as it found it."""

from collections.abc import Iterator

import pytest

from socketlab.hosts.docker import DockerBackend
from socketlab.hosts.lab import Lab
from socketlab.hosts.spec import HostSpec, LabSpec

PAIR = (HostSpec(name="client"), HostSpec(name="server"))


@pytest.fixture(scope="session")
def demo(engine: None) -> Iterator[Lab]:  # noqa: ARG001 - asked for, not used
    """Two hosts."""
    with Lab(LabSpec(name="hosts", hosts=PAIR), DockerBackend()) as lab:
        yield lab
