"""Subnets for networks that have none of their own: private, small, and nobody else's.

Theory of operation
    The engine alone can say which subnet is free on it, and does so when a network is made ("Pool overlaps").
    What it does not look at are this machine's own routes, a VPN's say: those are read here. Candidates come
    in random order, so that two controllers seldom ask for the same one.
"""

import ipaddress
import random
import sys
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, TypeAlias

from socketlab.hosts.docker.endpoint import Endpoint

Network: TypeAlias = IPv4Network | IPv6Network
Pair: TypeAlias = tuple[IPv4Network, IPv6Network]
_BLOCKS = range(214, 220)
"""10.214.0.0/16 and on: beside 10.213, where `compose.yaml` and its tests lie. 1500 labs."""
_ROUTES4 = Path("/proc/net/route")
_ROUTES6 = Path("/proc/net/ipv6_route")
_WIDE = (
    *(ipaddress.ip_network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")),
    ipaddress.ip_network("fd00::/8"),
)


def candidates(taken: Iterable[Network], rng: random.Random) -> Iterator[Pair]:
    """Pairs of subnets that overlap with nothing known, in random order.

    Args:
        taken: what others have.
        rng: chooses the order.
    """
    others = [other for other in taken if not _leads_everywhere(other)]
    numbers = [(block, part) for block in _BLOCKS for part in range(256)]
    rng.shuffle(numbers)
    for block, part in numbers:
        pair = IPv4Network(f"10.{block}.{part}.0/24"), IPv6Network(f"fd00:{block}:{part:x}::/64")
        if not any(overlap(mine, other) for mine in pair for other in others):
            yield pair


def overlap(one: Network, other: Network) -> bool:
    """Whether two networks of any family have an address in common."""
    if isinstance(one, IPv4Network):
        return isinstance(other, IPv4Network) and one.overlaps(other)
    return isinstance(other, IPv6Network) and one.overlaps(other)


def taken(endpoint: Endpoint, networks: Iterable[Any]) -> dict[Network, str]:
    """What others have, and who.

    Args:
        endpoint: of the engine.
        networks: the engine's, as it lists them.
    """
    theirs: dict[Network, str] = {}
    bridges: set[str] = {"lo"}
    for told in networks:
        bridges.add(
            (told.get("Options") or {}).get("com.docker.network.bridge.name") or f"br-{told['Id'][:12]}"
        )
        for pool in (told.get("IPAM") or {}).get("Config") or ():
            if pool.get("Subnet"):
                theirs[ipaddress.ip_network(pool["Subnet"], strict=False)] = str(told["Name"])
    if endpoint.is_here:
        for link, target in machine_routes():
            if link not in bridges and not _leads_everywhere(target):
                theirs.setdefault(target, link)
    return theirs


def machine_routes() -> list[tuple[str, Network]]:
    """This machine's routes, by link; none where there is no /proc to read them from."""
    routes: list[tuple[str, Network]] = []
    if _ROUTES4.exists():
        for line in _ROUTES4.read_text().splitlines()[1:]:
            link, target, _, _, _, _, _, mask, *_ = line.split()
            address = int(target, 16).to_bytes(4, sys.byteorder)
            routes.append((link, IPv4Network((address, int(mask, 16).bit_count()), strict=False)))
    if _ROUTES6.exists():
        for line in _ROUTES6.read_text().splitlines():
            hexadecimal, length, *_, link = line.split()
            routes.append((link, IPv6Network((bytes.fromhex(hexadecimal), int(length, 16)), strict=False)))
    return routes


def _leads_everywhere(target: Network) -> bool:
    """Whether it is a default route, or a VPN's to a whole private range: a lab's own is more specific."""
    if isinstance(target, IPv4Network):
        return any(isinstance(wide, IPv4Network) and wide.subnet_of(target) for wide in _WIDE)
    return any(isinstance(wide, IPv6Network) and wide.subnet_of(target) for wide in _WIDE)
