"""A lab, decided down to the last address: what a backend makes.

Pure data. `socketlab.hosts.spec` is what a user asks for; `socketlab.hosts.resolve` makes this of that.
"""

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Literal, TypeAlias

Role: TypeAlias = Literal["host", "router", "names"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPlan:
    """One network: a bridge with a subnet of each family.

    Args:
        name: unique in its lab.
        subnet: its IPv4 addresses. The first is kept for the engine's gateway.
        subnet6: its IPv6 addresses; None: the network is IPv4 only.
    """

    name: str
    subnet: IPv4Network
    subnet6: IPv6Network | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """One link of a host.

    Args:
        device: its name on the host: `eth0` and on, in the order of the host's networks.
        network: which one it is plugged into.
        address: with the subnet's prefix length.
        address6: the same of IPv6; None on a network without.
    """

    device: str
    network: str
    address: IPv4Interface
    address6: IPv6Interface | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A route to another network of the lab, by a router."""

    to: IPv4Network | IPv6Network
    via: IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What a lab's name server knows of one name.

    Args:
        name: fully qualified, without the last dot: `www.lab.test`.
        kind: the record's type, or how the server behaves when asked for the name.
        value: an address, or the name that it stands for; empty for a behaviour.
    """

    name: str
    kind: Literal["A", "AAAA", "CNAME", "PTR", "NODATA", "NXDOMAIN", "SERVFAIL", "REFUSED", "SILENCE"]
    value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPlan:
    """One host.

    Args:
        name: its hostname, unique in its lab.
        role: a plain host, one that forwards between its networks, or the lab's name server.
        interfaces: at least one.
        ways: to networks that it is not plugged into.
        sysctls: set before anything runs on it, by name (`net.ipv4.tcp_syn_retries`).
        records: of a name server.
    """

    name: str
    role: Role
    interfaces: tuple[Interface, ...]
    ways: tuple[Way, ...] = ()
    sysctls: tuple[tuple[str, str], ...] = ()
    records: tuple[Record, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LabPlan:
    """A lab.

    Args:
        name: becomes the label of all that it owns.
        networks: at least one.
        hosts: at least one; their names and addresses are in every host's /etc/hosts.
        nameserver: address of the host whose role is `names`; None: no name but the hosts' own is known.
        offload: leave TSO, GSO and GRO on, so that a packet may be more than a segment.
    """

    name: str
    networks: tuple[NetworkPlan, ...]
    hosts: tuple[HostPlan, ...]
    nameserver: IPv4Address | None = None
    offload: bool = False
    labels: tuple[tuple[str, str], ...] = field(default=())

    def host(self, name: str) -> HostPlan:
        """The host of that name."""
        return next(host for host in self.hosts if host.name == name)
