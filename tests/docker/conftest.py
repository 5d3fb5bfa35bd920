"""One lab a worker: a server, a client with its agent, and a bystander that no fault is meant for."""

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import docker
import pytest

from socketlab.hosts.docker import probe
from socketlab.hosts.docker.endpoint import find
from socketlab.hosts.docker.engine import Engine
from tests.docker.lab import VERSION, Host, Lab

IMAGES = [f"socketlab/{role}:{VERSION}" for role in ("server", "client", "agent")]


@pytest.fixture(scope="session")
def labels() -> dict[str, str]:
    """The labels of this test run, given by `./scripts/test`; its lock is held as long as the run lives."""
    run = os.environ.get("SOCKETLAB_RUN", "")
    return {"org.socketlab.run": run} if run else {}


@pytest.fixture(scope="session")
def engine() -> None:
    """A Docker engine with the lab's images; without one the tests that need it are skipped and say so."""
    # Asked without the SDK, which leaves its socket open where nobody answers.
    if not (found := probe()).kind:
        pytest.skip(found.why_not.strip().splitlines()[0].rstrip(":"))
    with closing(docker.from_env()) as client:
        missing = [image for image in IMAGES if not client.images.list(name=image)]
    if missing:
        pytest.skip(f"images missing: {', '.join(missing)}; ./scripts/test builds them")


@pytest.fixture
def engine_here(engine: None) -> Iterator[Engine]:  # noqa: ARG001
    """The engine itself."""
    one = Engine(find())
    yield one
    one.close()


@dataclass(frozen=True)
class Hosts:
    """The hosts of the shared lab."""

    lab: Lab
    server: Host
    client: Host
    bystander: Host


@pytest.fixture(scope="session")
def hosts(engine: None, labels: dict[str, str]) -> Iterator[Hosts]:  # noqa: ARG001 - asked for, not used
    """The shared lab. A test that changes it puts it back."""
    with Lab("tests", labels) as lab:
        server = lab.with_agent(lab.server())
        client = lab.with_agent(lab.caller("client", 20))
        bystander = lab.caller("bystander", 21)
        yield Hosts(lab, server, client, bystander)
