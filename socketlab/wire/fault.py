"""Faults and matches: what can be wrong with a network, as data.

A fault is immutable and says nothing of mechanisms: the agent compiles it. One model serves the command
line, the wire, and later plans and tests. What makes no sense is refused when it is made, with the reason.
"""

import ipaddress
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias, get_args

from socketlab.wire.errors import FaultError

Protocol: TypeAlias = Literal["tcp", "udp"]
Direction: TypeAlias = Literal["in", "out"]
Family: TypeAlias = Literal["ipv4", "ipv6"]

ResetAnswer: TypeAlias = Literal["tcp-reset"]
Icmp4Answer: TypeAlias = Literal["icmp-port", "icmp-host", "icmp-net", "icmp-proto", "icmp-admin"]
Icmp6Answer: TypeAlias = Literal[
    "icmp6-port", "icmp6-addr", "icmp6-no-route", "icmp6-admin", "icmp6-policy", "icmp6-reject-route"
]
Answer: TypeAlias = Literal[
    "tcp-reset",
    "icmp-port",
    "icmp-host",
    "icmp-net",
    "icmp-proto",
    "icmp-admin",
    "icmp6-port",
    "icmp6-addr",
    "icmp6-no-route",
    "icmp6-admin",
    "icmp6-policy",
    "icmp6-reject-route",
]
RouteType: TypeAlias = Literal["unreachable", "prohibit", "throw"]

ANSWERS: tuple[Answer, ...] = get_args(Answer)
ROUTE_TYPES: tuple[RouteType, ...] = get_args(RouteType)
_PORT_MAX = 65535


def family_of(address: str) -> Family:
    """`ipv4` or `ipv6`.

    Raises:
        FaultError: not an IP address.
    """
    try:
        return "ipv4" if ipaddress.ip_address(address).version == 4 else "ipv6"  # noqa: PLR2004 - the version itself
    except ValueError as error:
        raise FaultError("fault-address", seen=ascii(address)[:60]) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which packets a fault bites: peer AND port AND protocol AND direction. What is left out matches all.

    Args:
        peer: the other side, as the user named it (a host's name or an address).
        addresses: all addresses of `peer`, resolved; given exactly when `peer` is.
        port: the service's port, whichever side has it.
        proto: `tcp` or `udp`.
        direction: `in` bites what arrives at this host (as a network would), `out` what it sends.

    Raises:
        FaultError: a port out of range, a peer without addresses, or not an address.
    """

    peer: str | None = None
    addresses: tuple[str, ...] = ()
    port: int | None = None
    proto: Protocol | None = None
    direction: Direction = "in"

    def __post_init__(self) -> None:
        if self.port is not None and not 1 <= self.port <= _PORT_MAX:
            raise FaultError("fault-port", seen=self.port)
        if self.port is not None and self.proto is None:
            raise FaultError("fault-port-without-proto", port=self.port)
        if (self.peer is None) != (not self.addresses):
            raise FaultError("fault-peer", peer=self.peer, seen=len(self.addresses))
        for address in self.addresses:
            family_of(address)

    @property
    def families(self) -> frozenset[Family]:
        """The families whose packets can match."""
        return frozenset(map(family_of, self.addresses)) or frozenset(("ipv4", "ipv6"))


@dataclass(frozen=True, slots=True)
class Drop:
    """Matched packets vanish. At the sender (`out`) they vanish silently too, as on a lossy wire."""

    kind: ClassVar[str] = "drop"
    match: Match


@dataclass(frozen=True, slots=True)
class Reject:
    """Matched packets are answered with a refusal.

    Args:
        answer: what is sent back. `icmp-...` exists on IPv4 only, `icmp6-...` on IPv6 only,
            `tcp-reset` on TCP of both.
        match: which packets.

    Raises:
        FaultError: the answer does not exist for what the match can bite.
    """

    kind: ClassVar[str] = "reject"
    answer: Answer
    match: Match

    def __post_init__(self) -> None:
        if self.answer == "tcp-reset" and self.match.proto != "tcp":
            raise FaultError("fault-reset-needs-tcp", seen=self.match.proto or "any protocol")
        if (family := self.family) is not None and family not in self.match.families:
            raise FaultError("fault-family", answer=self.answer, family=family, peer=self.match.peer)

    @property
    def family(self) -> Family | None:
        """The family whose packets it can answer; None is both."""
        if self.answer == "tcp-reset":
            return None
        return "ipv6" if self.answer.startswith("icmp6-") else "ipv4"


@dataclass(frozen=True, slots=True)
class Route:
    """A route of this host that leads nowhere: the host's own calls fail at once, nothing is sent.

    Args:
        type: `unreachable` gives EHOSTUNREACH, `prohibit` EACCES, `throw` ENETUNREACH
            (`ip-route(8)`; measured alike on IPv4 and IPv6).
        to: the destination, `address` or `address/bits`.

    Raises:
        FaultError: not a network, or bits set beyond its mask.
    """

    kind: ClassVar[str] = "route"
    type: RouteType
    to: str

    def __post_init__(self) -> None:
        try:
            ipaddress.ip_network(self.to)
        except ValueError as error:
            raise FaultError("fault-network", seen=ascii(self.to)[:60], why=error) from error

    @property
    def network(self) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
        """The destination."""
        return ipaddress.ip_network(self.to)


Fault: TypeAlias = Drop | Reject | Route
