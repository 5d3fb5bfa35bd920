"""Where the lab's network may lie: prefixes read, clashes noticed, free ones proposed. No I/O.

`LAB_NET` and `LAB_NET6` move the lab's addresses, one variable a family. Each is a prefix without a mask,
to which `compose.yaml` appends: `10.213.7` stands for 10.213.7.0/24, `fd00:213:7:0` for fd00:213:7:0::/64.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from scripts.machine.errors import UsageError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Family:
    """One address family of the lab.

    Attributes:
        variable: moves the lab's addresses of this family.
        default: the prefix where the variable is not set.
        shape: what a prefix looks like.
        rest: what makes a network of a prefix.
        private: the ranges in which a lab may lie.
        candidates: prefixes to propose, written with one number in the place of `{}`.
    """

    variable: str
    default: str
    shape: re.Pattern[str]
    rest: str
    private: tuple[Network, ...]
    candidates: tuple[str, ...]


IPV4 = Family(
    variable="LAB_NET",
    default="10.213.7",
    shape=re.compile(r"\d{1,3}(?:\.\d{1,3}){2}", re.ASCII),
    rest=".0/24",
    private=tuple(ipaddress.ip_network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")),
    candidates=("10.213.{}", "172.30.{}", "192.168.{}"),
)
"""RFC 1918."""
IPV6 = Family(
    variable="LAB_NET6",
    default="fd00:213:7:0",
    shape=re.compile(r"[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){3}", re.ASCII | re.IGNORECASE),
    rest="::/64",
    private=(ipaddress.ip_network("fc00::/7"),),
    candidates=("fd00:213:{:x}:0",),
)
"""RFC 4193."""
FAMILIES = (IPV4, IPV6)


@dataclass(frozen=True, slots=True)
class Taken:
    """A network that somebody else has: an engine's network, or a route of the machine.

    Attributes:
        network: its addresses.
        owner: who has it, in words for a user.
        is_route: whether it is a route; one that leads to whole private ranges is in nobody's way.
    """

    network: Network
    owner: str
    is_route: bool = False


@dataclass(frozen=True, slots=True)
class Clash:
    """A network of the lab that somebody else has, and a prefix of its family that is free, if any is."""

    family: Family
    wanted: Network
    taken: Taken
    free: str | None


def wanted_networks(settings: Mapping[str, str]) -> dict[str, Network]:
    """The lab's networks, by the variable that moves each.

    Args:
        settings: the variables, where set; an empty value counts as not set, as it does in Compose's `:-`.

    Raises:
        UsageError: a value is no prefix, or lies outside the private ranges.
    """
    return {
        family.variable: read_prefix(family, settings.get(family.variable) or family.default)
        for family in FAMILIES
    }


def read_prefix(family: Family, prefix: str) -> Network:
    """The network that a prefix without a mask stands for.

    Raises:
        UsageError: it is no such prefix, or lies outside the private ranges.
    """
    try:
        network = ipaddress.ip_network(f"{prefix}{family.rest}") if family.shape.fullmatch(prefix) else None
    except ValueError:  # 10.213.256, or a zero too many: 10.213.07
        network = None
    if network is None:
        raise UsageError(
            "machine.prefix", variable=family.variable, expected=family.default, seen=repr(prefix)
        )
    if not any(_within(network, block) for block in family.private):
        ranges = ", ".join(str(block) for block in family.private)
        raise UsageError("machine.prefix-public", variable=family.variable, seen=prefix, ranges=ranges)
    return network


def find_clashes(wanted: Mapping[str, Network], taken: Iterable[Taken]) -> list[Clash]:
    """Those of the lab's networks that overlap with somebody else's, each with a free prefix.

    Args:
        wanted: the lab's networks, by the variable that moves each.
        taken: everybody else's.
    """
    others = [other for other in taken if not _leads_everywhere(other)]
    return [
        Clash(family, network, other, free_prefix(family, others))
        for family in FAMILIES
        for network in [wanted[family.variable]]
        if (other := _first_overlap(network, others))
    ]


def free_prefix(family: Family, taken: Iterable[Taken]) -> str | None:
    """The first candidate of a family that overlaps with nobody's network; None when there is none."""
    others = list(taken)
    return next(
        (prefix for prefix in _candidates(family) if not _first_overlap(read_prefix(family, prefix), others)),
        None,
    )


def _candidates(family: Family) -> Iterator[str]:
    for pattern in family.candidates:
        for number in range(7, 255):
            yield pattern.format(number)


def _first_overlap(network: Network, taken: Iterable[Taken]) -> Taken | None:
    return next(
        (
            other
            for other in taken
            if other.network.version == network.version and other.network.overlaps(network)
        ),
        None,
    )


def _leads_everywhere(taken: Taken) -> bool:
    """Whether it is a default route or a VPN's to a whole private range: the lab's own is more specific."""
    return taken.is_route and any(
        _within(block, taken.network) for block in (*IPV4.private, ipaddress.ip_network("fd00::/8"))
    )


def _within(inner: Network, outer: Network) -> bool:
    """Whether one network is a part of another, of either family."""
    if isinstance(inner, ipaddress.IPv4Network):
        return isinstance(outer, ipaddress.IPv4Network) and inner.subnet_of(outer)
    return isinstance(outer, ipaddress.IPv6Network) and inner.subnet_of(outer)
