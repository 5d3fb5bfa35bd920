import subprocess
from collections.abc import Iterator

import pytest

from scripts.machine import tools
from tests.namespace.agent.lab import Agent, Host, Lab, labs


@pytest.fixture(scope="session")
def namespaces() -> None:
    """Skip, with the reason, where network namespaces cannot be made."""
    if missing := tools.missing():
        pytest.skip(f"needs {', '.join(missing)}: packages iproute2 and nftables")
    try:
        Host().close()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"network namespaces cannot be made here: {error.stderr!r}")


@pytest.fixture
def lab(namespaces: None) -> Iterator[Lab]:  # noqa: ARG001 - a fixture of a fixture
    with labs() as made:
        yield made


@pytest.fixture
def agent(lab: Lab) -> Agent:
    """The server's agent, ready."""
    return lab.agent(lab.server).ready()


@pytest.fixture(scope="module")
def shared_lab(namespaces: None) -> Iterator[Lab]:  # noqa: ARG001 - a fixture of a fixture
    """One for all tests of a module that ask for it: for those that leave it as they found it."""
    with labs() as made:
        yield made


@pytest.fixture(scope="module")
def shared_agent(shared_lab: Lab) -> Agent:
    """The server's agent in it, ready."""
    return shared_lab.agent(shared_lab.server).ready()


@pytest.fixture
def host(namespaces: None) -> Iterator[Host]:  # noqa: ARG001 - a fixture of a fixture
    """A host without a link."""
    host = Host()
    yield host
    host.close()


@pytest.fixture
def lonely(host: Host) -> Iterator[Agent]:
    """An agent on a host without a link."""
    agent = Agent(host)
    yield agent
    agent.close()
