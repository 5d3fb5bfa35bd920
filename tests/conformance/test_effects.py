"""What the docs say each fault does to a socket call is what it does, measured again."""

import os
from collections.abc import Iterator
from functools import cache

import pytest

from scripts.machine.effects import pages
from scripts.machine.effects.cases import CASES, Case
from scripts.machine.effects.measuring import SYSCTLS, measure, serve
from socketlab.faults.effects import COLUMNS, effects
from socketlab.hosts.lab import Lab, lab
from socketlab.hosts.spec import HostSpec

BARE = ("reject icmp-host --delay 0", "reject icmp6-addr --delay 0")
"""Of the answers that go out at once, these are measured each time."""
EVERY = [
    pytest.param(
        case,
        id=f"{pages.short(case.fault)} on {case.on}",
        marks=() if case.note != "bare" or pages.short(case.fault) in BARE else pytest.mark.full,
    )
    for case in CASES
]
QUICK_ON_DOCKER = ("drop", "reject icmp-host", "route throw PEER")
ON_DOCKER = [
    pytest.param(
        case,
        id=f"{pages.short(case.fault)} on {case.on}",
        marks=() if pages.short(case.fault) in QUICK_ON_DOCKER else pytest.mark.full,
    )
    for case in CASES
]


@cache
def _made(backend: str) -> Lab:
    hosts = [HostSpec(name=name, sysctls=SYSCTLS) for name in ("client", "server")]
    run = os.environ.get("SOCKETLAB_RUN", "")
    made = lab(hosts=hosts, backend=backend, labels={"org.socketlab.run": run} if run else {}).open()
    serve(made["server"])
    return made


@pytest.fixture(scope="module", autouse=True)
def _closed() -> Iterator[None]:
    yield
    for backend in ("namespace", "docker"):
        if backend in _used:
            _made(backend).close()
    _made.cache_clear()
    _used.clear()


_used: set[str] = set()


def _check(backend: str, case: Case) -> None:
    _used.add(backend)
    for family, effects_ in measure(_made(backend), case).items():
        documented = effects().row(case.fault, case.on, family)
        assert documented is not None, "not measured yet: ./scripts/effects --write"
        said = {column: str(documented.effects[column]) for column in COLUMNS}
        assert {column: str(effect) for column, effect in effects_.items()} == said, family


@pytest.mark.parametrize("case", EVERY)
def test_a_fault_does_what_is_documented(namespaces: str, case: Case) -> None:
    _check(namespaces, case)


@pytest.mark.docker
@pytest.mark.parametrize("case", ON_DOCKER)
def test_a_fault_does_the_same_between_containers(containers: str, case: Case) -> None:
    _check(containers, case)


@pytest.mark.parametrize("language", pages.PAGES)
def test_the_page_is_of_this_data(language: str) -> None:
    written = pages.PAGES[language].read_text(encoding="utf-8")
    assert written == pages.page(effects(), language), "stale: ./scripts/effects --pages"
