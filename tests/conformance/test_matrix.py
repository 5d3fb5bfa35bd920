"""Four hosts, every kind of fault, all pairs, TCP and UDP, both families: what was asked, no more."""

from collections.abc import Iterator

import pytest

from socketlab.hosts.lab import Lab
from socketlab.wire.match import Family
from tests.conformance.matrix.checking import check, open_lab
from tests.conformance.matrix.situations import SITUATIONS, Situation

VARIANTS = (
    "icmp-net",
    "icmp-proto",
    "icmp-host-prohibited",
    "icmp-net-prohibited",
    "icmp6-no-route",
    "icmp6-policy",
)
"""Answers of a refusal that are told like one of the others; `test_effects` asks for each."""


def _is_long(situation: Situation, family: Family) -> bool:
    is_variant = situation.name.startswith("reject") and situation.name.split()[-1] in VARIANTS
    return not situation.mechanism and (is_variant or family != situation.families[0])


EVERY = [
    pytest.param(
        situation,
        family,
        id=f"{situation.name} {family}",
        marks=pytest.mark.full if _is_long(situation, family) else (),
    )
    for situation in SITUATIONS
    for family in situation.families
]
ON_DOCKER = [
    pytest.param(
        situation,
        family,
        id=f"{situation.name} {family}",
        marks=() if (situation.name, family) == ("delay", "ipv4") else pytest.mark.full,
    )
    for situation in SITUATIONS
    for family in situation.families
]


@pytest.fixture(scope="module")
def in_namespaces(labels: dict[str, str]) -> Iterator[Lab]:
    made = open_lab("namespace", labels)
    yield made
    made.close()


@pytest.fixture(scope="module")
def in_containers(labels: dict[str, str]) -> Iterator[Lab]:
    made = open_lab("docker", labels)
    yield made
    made.close()


@pytest.mark.parametrize(("situation", "family"), EVERY)
def test_a_fault_changes_what_was_asked_and_nothing_else(
    namespaces: str,  # noqa: ARG001 - skips where there are none
    in_namespaces: Lab,
    situation: Situation,
    family: Family,
) -> None:
    check(in_namespaces, situation, family)


@pytest.mark.docker
@pytest.mark.parametrize(("situation", "family"), ON_DOCKER)
def test_a_fault_changes_the_same_between_containers(
    containers: str,  # noqa: ARG001 - skips where there are none
    in_containers: Lab,
    situation: Situation,
    family: Family,
) -> None:
    check(in_containers, situation, family)
