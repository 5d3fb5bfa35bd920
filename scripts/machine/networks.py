"""The networks that are there: the engine's, and those the machine itself has routes to."""

import ipaddress
import os
import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.machine import dotenv
from scripts.machine.docker_cli import docker, inspect
from scripts.machine.errors import LackingError
from scripts.machine.subnet import Clash, Network, Taken, find_clashes, wanted_networks
from socketlab.messages import say

PROJECT_LABEL = "com.docker.compose.project"
_ROUTES4 = Path("/proc/net/route")
_ROUTES6 = Path("/proc/net/ipv6_route")


@dataclass(frozen=True, slots=True)
class EngineNetwork:
    """A network of the engine.

    Attributes:
        name: its name.
        link: the machine's interface that is its bridge, if it is one.
        project: the Compose project it belongs to, if any.
        subnets: its addresses.
    """

    name: str
    link: str
    project: str | None
    subnets: tuple[Network, ...]


def read_engine_network(told: Mapping[str, Any]) -> EngineNetwork:
    """Read one object of `docker network inspect`."""
    pools = (told["IPAM"] or {}).get("Config") or ()
    return EngineNetwork(
        name=told["Name"],
        link=(told["Options"] or {}).get("com.docker.network.bridge.name") or f"br-{told['Id'][:12]}",
        project=(told["Labels"] or {}).get(PROJECT_LABEL),
        subnets=tuple(ipaddress.ip_network(pool["Subnet"]) for pool in pools if pool.get("Subnet")),
    )


def read_routes4(table: str) -> list[tuple[str, Network]]:
    """The links and targets in the text of /proc/net/route (proc_net(5)), in the machine's byte order."""
    routes: list[tuple[str, Network]] = []
    for line in table.splitlines()[1:]:
        link, target, _, _, _, _, _, mask, *_ = line.split()
        address = int(target, 16).to_bytes(4, sys.byteorder)
        routes.append((link, ipaddress.IPv4Network((address, int(mask, 16).bit_count()))))
    return routes


def read_routes6(table: str) -> list[tuple[str, Network]]:
    """The links and targets in the text of /proc/net/ipv6_route (proc_net(5))."""
    routes: list[tuple[str, Network]] = []
    for line in table.splitlines():
        target, length, *_, link = line.split()
        routes.append((link, ipaddress.IPv6Network((bytes.fromhex(target), int(length, 16)))))
    return routes


def engine_networks() -> list[EngineNetwork]:
    """Every network of the engine."""
    ids = docker("network", "ls", "--quiet", "--no-trunc").split()
    return [read_engine_network(told) for told in inspect("network", ids)]


def machine_routes() -> list[tuple[str, Network]]:
    """The machine's own routes; none where there is no /proc to read them from."""
    tables = ((_ROUTES4, read_routes4), (_ROUTES6, read_routes6))
    return [route for file, read in tables if file.exists() for route in read(file.read_text())]


def taken_by_others(
    networks: Iterable[EngineNetwork], routes: Iterable[tuple[str, Network]], project: str
) -> list[Taken]:
    """All networks but the lab's own.

    Args:
        networks: the engine's.
        routes: the machine's; those to the engine's own bridges are not counted twice.
        project: the lab's Compose project.
    """
    known = list(networks)
    bridges = {network.link for network in known}
    return [
        *(
            Taken(subnet, say("scripts.taken.engine", name=network.name))
            for network in known
            if network.project != project
            for subnet in network.subnets
        ),
        *(
            Taken(target, say("scripts.taken.route", link=link), is_route=True)
            for link, target in routes
            if link not in bridges and link != "lo"
        ),
    ]


def check(project: str) -> tuple[dict[str, Network], bool]:
    """The lab's networks, which nobody else has, and whether the lab is up in others and has to move.

    Args:
        project: the lab's Compose project.

    Raises:
        UsageError: `LAB_NET` or `LAB_NET6` is no private prefix.
        LackingError: somebody else has these networks; proposes free ones.
    """
    settings = {**dotenv.settings(), **os.environ}
    wanted = wanted_networks(settings)
    networks = engine_networks()
    if clashes := find_clashes(wanted, taken_by_others(networks, machine_routes(), project)):
        raise _refusal(clashes, settings)
    has = {subnet for network in networks if network.project == project for subnet in network.subnets}
    return wanted, bool(has) and has != set(wanted.values())


def _refusal(clashes: list[Clash], settings: Mapping[str, str]) -> LackingError:
    """The error that tells the clashes, and the command line that avoids them."""
    seen = "\n".join(
        f"  {say('scripts.clash', network=clash.wanted, taken=clash.taken.network, owner=clash.taken.owner)}"
        for clash in clashes
    )
    if not all(clash.free for clash in clashes):
        return LackingError("machine.no-free-network", seen=seen)
    moved = {clash.family.variable: clash.free for clash in clashes}
    kept = {
        name: settings[name] for name in ("LAB_NET", "LAB_NET6") if name in os.environ and name not in moved
    }
    words = " ".join(f"{name}={shlex.quote(str(value))}" for name, value in sorted({**kept, **moved}.items()))
    return LackingError("machine.network-taken", seen=seen, command=f"{words} ./scripts/up")
