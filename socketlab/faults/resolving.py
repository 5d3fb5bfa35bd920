"""Peers of faults, by the lab's plan: a host's name is all its addresses, a network's its subnets."""

import difflib
from collections.abc import Iterator, Sequence
from typing import Final

from socketlab.errors import FaultsError, SpecError
from socketlab.hosts.plan import HostPlan, LabPlan
from socketlab.wire import words
from socketlab.wire.fault import Fault, match_of
from socketlab.wire.match import Match

_MOST_ADDRESSES: Final = 60
"""Of one match; an agent takes 64."""
_MOST_LABEL: Final = 100


def addresses_of(plan: HostPlan) -> tuple[str, ...]:
    """All addresses of a host, on every network."""
    return tuple(
        str(address.ip)
        for interface in plan.interfaces
        for address in (interface.address, interface.address6)
        if address is not None
    )


def resolved(fault: Fault, plan: LabPlan, host: str) -> Fault:
    """A fault with the addresses of its peer.

    Args:
        fault: what is wrong.
        plan: of the lab.
        host: that it is on.

    Raises:
        SpecError: nobody has that name; the nearest one is told.
        FaultsError: the peer is the host itself.
        FaultError: the match cannot match the peer.
    """

    def resolve(peer: str) -> tuple[str, ...]:
        for each in plan.hosts:
            if each.name == peer:
                return addresses_of(each)
        for network in plan.networks:
            if network.name == peer:
                return tuple(
                    str(subnet) for subnet in (network.subnet, network.subnet6) if subnet is not None
                )
        known = [*(each.name for each in plan.hosts), *(network.name for network in plan.networks)]
        fields = {"lab": plan.name, "seen": ascii(peer)[:60], "known": ", ".join(known)}
        if alike := difflib.get_close_matches(peer, known, n=1):
            raise SpecError("faults.no-peer-alike", **fields, alike=alike[0])
        raise SpecError("faults.no-peer", **fields)

    found = words.resolved(fault, resolve)
    match = match_of(found)
    if match is not None and match.addresses and set(match.addresses) <= set(addresses_of(plan.host(host))):
        raise FaultsError("faults.peer-itself", host=host, peer=match.peer)
    return found


def whole_group(plans: Sequence[HostPlan]) -> Iterator[Match]:
    """Matches that together take all that arrives from these hosts."""
    names: list[str] = []
    addresses: list[str] = []
    for plan in plans:
        own = addresses_of(plan)
        if names and (len(addresses) + len(own) > _MOST_ADDRESSES or len(",".join(names)) > _MOST_LABEL):
            yield Match(peer=",".join(names), addresses=tuple(addresses))
            names, addresses = [], []
        names.append(plan.name)
        addresses += own
    yield Match(peer=",".join(names), addresses=tuple(addresses))
