"""Peers by a lab's plan: names stand for all their addresses, and errors say what is meant."""

from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network
from typing import TYPE_CHECKING

import pytest

from socketlab.errors import FaultsError, SpecError
from socketlab.faults import drop, neighbour, reject, route
from socketlab.faults.board import Board
from socketlab.faults.one_host import OneHost
from socketlab.faults.resolving import addresses_of, resolved, whole_group
from socketlab.faults.sinks import ends_for
from socketlab.hosts.plan import HostPlan, Interface, LabPlan, NetworkPlan
from socketlab.wire.errors import FaultError
from socketlab.wire.fault import Fault, match_of
from socketlab.wire.match import Match

if TYPE_CHECKING:
    from socketlab.hosts import faulting


def interface(number: int, network: str, host: int, *, six: bool = True) -> Interface:
    return Interface(
        device=f"eth{number}",
        network=network,
        address=IPv4Interface(f"10.0.{ord(network)}.{host}/24"),
        address6=IPv6Interface(f"fd00:{ord(network)}::{host}/64") if six else None,
    )


NETWORKS = tuple(
    NetworkPlan(
        name=name,
        subnet=IPv4Network(f"10.0.{ord(name)}.0/24"),
        subnet6=IPv6Network(f"fd00:{ord(name)}::/64"),
    )
    for name in "xy"
)
PLAN = LabPlan(
    name="plan",
    networks=NETWORKS,
    hosts=(
        HostPlan(name="one", role="host", interfaces=(interface(0, "x", 1),)),
        HostPlan(name="two", role="host", interfaces=(interface(0, "x", 2), interface(1, "y", 2))),
        HostPlan(name="old", role="host", interfaces=(interface(0, "x", 3, six=False),)),
    ),
)


def addresses(fault: Fault) -> tuple[str, ...]:
    match = match_of(fault)
    assert match is not None
    return match.addresses


def test_a_host_is_all_its_addresses_on_every_network() -> None:
    found = addresses(resolved(drop(peer="two"), PLAN, "one"))
    assert found == ("10.0.120.2", "fd00:120::2", "10.0.121.2", "fd00:121::2")


def test_a_network_is_its_subnets() -> None:
    assert addresses(resolved(drop(peer="y"), PLAN, "one")) == ("10.0.121.0/24", "fd00:121::/64")


def test_addresses_and_networks_stay_as_they_are_and_so_do_faults_without_a_peer() -> None:
    assert addresses(resolved(drop(peer="192.0.2.0/24"), PLAN, "one")) == ("192.0.2.0/24",)
    for fault in (drop(port=7), route("throw", "192.0.2.1")):
        assert resolved(fault, PLAN, "one") is fault


def test_an_unknown_peer_is_told_and_the_nearest_name() -> None:
    with pytest.raises(SpecError, match="Did you mean two"):
        resolved(drop(peer="tow"), PLAN, "one")
    with pytest.raises(SpecError, match="has: one, two, old, x, y"):
        resolved(drop(peer="somebody"), PLAN, "one")


def test_the_host_itself_is_no_peer() -> None:
    with pytest.raises(FaultsError, match="is the host two itself"):
        resolved(neighbour("two"), PLAN, "two")


def test_a_peer_without_the_family_is_refused() -> None:
    with pytest.raises(FaultError, match="no family in common"):
        resolved(drop(peer="old", family="ipv6"), PLAN, "one")
    with pytest.raises(FaultError, match="has no ipv6 address"):
        resolved(reject("icmp6-port", peer="old"), PLAN, "one")


def test_a_large_group_is_cut_into_matches_that_an_agent_takes() -> None:
    plans = [
        HostPlan(name=f"host-{number}", role="host", interfaces=(interface(0, "x", number),))
        for number in range(1, 100)
    ]
    found = list(whole_group(plans))
    assert all(len(match.addresses) <= 64 for match in found)
    together = [address for match in found for address in match.addresses]
    assert together == [address for plan in plans for address in addresses_of(plan)]
    assert ",".join(match.peer or "" for match in found) == ",".join(plan.name for plan in plans)


def test_probes_go_between_hosts_that_share_a_network_if_any_do() -> None:
    ends = ends_for(PLAN, "one", Match(), "ipv6", "in")
    assert ends is not None
    assert (ends.sender.name, ends.source, ends.target) == ("two", "fd00:120::2", "fd00:120::1")
    other = ends_for(PLAN, "one", resolved(drop(peer="two"), PLAN, "one").match, "ipv4", "out", within=False)  # type: ignore[union-attr]
    assert other is not None
    assert (other.receiver.name, other.source) == ("old", "10.0.120.1")
    assert ends_for(PLAN, "one", Match(peer="192.0.2.1"), "ipv4", "in") is None


def test_what_stands_above_hosts_is_what_hosts_promise() -> None:
    promised: tuple[type[faulting.LabFaults], type[faulting.HostFaults]]
    promised = Board, OneHost  # the type checker compares them
    assert promised
