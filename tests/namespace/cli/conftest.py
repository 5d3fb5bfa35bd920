import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from socketlab.hosts.namespace import probe
from tests.namespace.cli.command import Command


@pytest.fixture(scope="session")
def usable() -> None:
    """Skip, with the reason, where hosts cannot be made in namespaces."""
    found = probe(keep=False)
    if not found.usable:
        pytest.skip(found.why)


@pytest.fixture
def command(usable: None) -> Iterator[Command]:  # noqa: ARG001 - a fixture of a fixture
    """The command, without a lab."""
    with tempfile.TemporaryDirectory(prefix="slc") as place:
        made = Command(Path(place))
        yield made
        made.close()


@pytest.fixture(scope="module")
def held(usable: None) -> Iterator[Command]:  # noqa: ARG001 - a fixture of a fixture
    """The command, with the lab `demo` of the hosts `client` and `server`."""
    with tempfile.TemporaryDirectory(prefix="slc") as place:
        made = Command(Path(place))
        made.well("up", "demo")
        yield made
        made.close()
