"""What a user asks for: a lab, its networks and hosts. `resolve` decides the rest."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from socketlab.hosts.plan import Record, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSpec:
    """A network. Without a subnet it gets one that nobody else has.

    Args:
        name: unique in its lab.
        subnet: IPv4, `10.213.7.0/24`.
        subnet6: IPv6, `fd00:213:7::/64`.
    """

    name: str
    subnet: str | None = None
    subnet6: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plug:
    """A host's place on a network. Without an address it gets the next free one, from .10 on."""

    network: str
    address: str | None = None
    address6: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSpec:
    """A host.

    Args:
        name: its hostname, unique in its lab.
        role: a plain host, one that forwards between its networks, or the lab's name server.
        plugs: its networks; empty: the lab's first one (all of them, of a router).
        sysctls: by name (`net.ipv4.tcp_syn_retries`), set before anything runs on it.
        records: of a name server.
    """

    name: str
    role: Role = "host"
    plugs: tuple[Plug, ...] = ()
    sysctls: Mapping[str, str | int] = field(default_factory=dict)
    records: tuple[Record, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LabSpec:
    """A lab.

    Args:
        name: becomes the label of all that it owns.
        hosts: at least one.
        networks: empty: one network, `lab`.
        ipv6: whether networks without a `subnet6` get one.
        offload: leave TSO, GSO and GRO on.
        labels: more labels for all that it owns.
    """

    name: str
    hosts: tuple[HostSpec, ...]
    networks: tuple[NetworkSpec, ...] = ()
    ipv6: bool = True
    offload: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
