"""The matrix again on a kernel that lacks parts: each fallback does what the first way does.

A nursery is told to take those parts for lacking: its agents then go the ways that an older kernel leaves.
"""

from collections.abc import Iterator

import pytest

from socketlab.hosts.lab import Lab
from socketlab.hosts.namespace.backend import NamespaceBackend, subnets
from socketlab.hosts.namespace.machines import NamespaceMachines
from socketlab.hosts.namespace.nursery import Nursery
from socketlab.hosts.resolve import resolve
from socketlab.hosts.spec import LabSpec
from socketlab.wire.match import Family
from tests.conformance.matrix.checking import check, open_lab
from tests.conformance.matrix.situations import SITUATIONS, Situation

LACKING = ("owner", "queue,compat", "reject", "owner,queue,compat,reject")
_OF_FILTERS = ("drop", "reject", "delay", "loss", "hold", "reset", "limit", "pmtu")
_ALWAYS = ("drop ipv4", "drop out ipv6", "reject icmp-host ipv4", "reject icmp6-addr ipv6", "delay ipv4")
EVERY = [
    pytest.param(
        situation,
        family,
        id=f"{situation.name} {family}",
        marks=() if f"{situation.name} {family}" in _ALWAYS else pytest.mark.full,
    )
    for situation in SITUATIONS
    for family in situation.families
    if situation.name.startswith(_OF_FILTERS)
]


class Lacking(NamespaceBackend):
    """Namespaces whose agents take parts of the kernel for lacking."""

    def __init__(self, without: str) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SOCKETLAB_WITHOUT", without)
            self.nursery = Nursery()

    def open(self, spec: LabSpec) -> NamespaceMachines:
        return self._open(resolve(spec, subnets(spec)), self.nursery)


@pytest.fixture(scope="module", params=LACKING)
def lacking(request: pytest.FixtureRequest, labels: dict[str, str]) -> Iterator[Lab]:
    backend = Lacking(request.param)
    made = open_lab(backend, labels)
    yield made
    made.close()
    backend.nursery.close()


@pytest.mark.parametrize(("situation", "family"), EVERY)
def test_a_fallback_does_the_same(
    namespaces: str,  # noqa: ARG001 - skips where there are none
    lacking: Lab,
    situation: Situation,
    family: Family,
) -> None:
    check(lacking, situation, family)
