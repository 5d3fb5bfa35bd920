"""One suite for every backend: which are usable here, the labs that tests share, and conversations in them.

A test that asks for `backend` runs once on each; where one is not usable it is skipped, and says why. Tests
that share a lab leave it as they found it, which is looked at after each of them.
"""

import gc
import os
from collections.abc import Callable, Iterator
from functools import cache

import pytest

from socketlab.hosts.lab import Lab, lab
from tests.conformance.places import FAMILIES, Family, Labs, Talk

BACKENDS = [pytest.param("namespace"), pytest.param("docker", marks=pytest.mark.docker)]


@cache
def _why_not(backend: str) -> str:
    """Why a backend cannot be used here; empty: it can."""
    if backend == "docker":
        from socketlab.hosts.docker import probe as probe_docker  # noqa: PLC0415 - its SDK may not be there

        seen = probe_docker()
        return "" if seen.usable else seen.why
    from socketlab.hosts.namespace import probe as probe_namespace  # noqa: PLC0415 - Linux only

    found = probe_namespace()
    return "" if found.usable else found.why


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if why := _why_not(name):
        pytest.skip(f"no backend {name} here: {why}")
    return name


@pytest.fixture
def namespaces() -> str:
    """For a test of that backend alone."""
    if why := _why_not("namespace"):
        pytest.skip(f"no backend namespace here: {why}")
    return "namespace"


@pytest.fixture
def containers() -> str:
    """For a test of that backend alone, which has the mark `docker`."""
    if why := _why_not("docker"):
        pytest.skip(f"no backend docker here: {why}")
    return "docker"


@pytest.fixture(scope="session")
def labels() -> dict[str, str]:
    """The labels of this test run: what it leaves, the next run removes."""
    run = os.environ.get("SOCKETLAB_RUN", "")
    return {"org.socketlab.run": run} if run else {}


@pytest.fixture(scope="session")
def worker() -> int:
    """The number of this worker of pytest-xdist."""
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


@pytest.fixture(scope="session")
def labs(labels: dict[str, str], worker: int) -> Iterator[Labs]:
    shared = Labs(labels, worker)
    yield shared
    shared.close()


def _is_as_it_was(shared: Lab) -> None:
    gc.collect()  # an exception that was looked at holds the frame, and what the test had in it
    assert shared.faults.list() == ()
    for host in shared.hosts.values():
        assert host.state == "running"
        about = host.actor.about()
        assert about["sockets"] == (0 if host.plan.role == "host" else about["sockets"]), host
        host.setdefaulttimeout(None)


@pytest.fixture
def demo(labs: Labs, backend: str) -> Iterator[Lab]:
    """The worker's lab with hosts client, server and third."""
    shared = labs.plain(backend)
    yield shared
    _is_as_it_was(shared)


@pytest.fixture
def named(labs: Labs, backend: str) -> Iterator[Lab]:
    """The worker's lab with hosts client, server and dns."""
    shared = labs.named(backend)
    yield shared
    _is_as_it_was(shared)


@pytest.fixture
def shaped(labs: Labs, backend: str) -> Iterator[Lab]:
    """The worker's lab of two networks with hosts here, there and both."""
    shared = labs.shaped(backend)
    yield shared
    _is_as_it_was(shared)


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> Family:
    return FAMILIES[request.param]


@pytest.fixture
def talk(demo: Lab, family: Family) -> Iterator[Talk]:
    talk = Talk(demo, family, demo.client, demo.server)
    with talk.stack:
        yield talk


@pytest.fixture
def own(backend: str, labels: dict[str, str]) -> Iterator[Callable[..., Lab]]:
    """Makes labs that are the test's own, by the arguments of `lab`; what it leaves open is closed."""
    made: list[Lab] = []

    def make(*args: object, **kwargs: object) -> Lab:
        made.append(lab(*args, **{"backend": backend, "labels": labels, **kwargs}))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for each in made:
        each.close()
