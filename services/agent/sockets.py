"""Connections that the kernel ends at once, idle or not (SOCK_DIAG).

The program here gets ECONNABORTED from its next call, the other side ECONNRESET by the RST that the kernel
sends (tcp_abort). It is done once: connections that come later are left alone, and there is nothing to heal.
"""

import ipaddress
import socket
from errno import ENOENT, EOPNOTSUPP
from typing import cast

from services.agent.lacking import LACKS, lacking
from services.agent.mechanism import Counts
from services.messages import ServiceError, say
from services.netlink.connection import Connection
from services.netlink.errors import NetlinkError
from services.netlink.message import Reply
from services.netlink.sock_diag import InetSocket, destroy, dump_inet, inet_socket
from socketlab.wire.fault import Fault, Match, Reset
from socketlab.wire.lease import Mechanism
from socketlab.wire.match import Network, Ports, family_of, ports_of
from socketlab.wire.words import words

_NO_CONNECTION = {"LISTEN", "TIME-WAIT", "UNCONN", "BOUND"}
"""States in which nobody would learn of a reset."""
_SHOWN = 10
"""So many connections are named where none matched."""


def _plain(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address as it stands in a packet: IPv4 as IPv4."""
    found = ipaddress.ip_address(address)
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def fits(match: Match, seen: InetSocket) -> bool:
    """Whether a connection is one of those that a match means."""
    own, peer = _plain(seen.local[0]), _plain(seen.peer[0])
    if family_of(str(peer)) not in match.families:
        return False
    nets: tuple[Network, ...] = match.networks
    if match.peer is not None and not any(peer in net for net in nets if net.version == peer.version):
        return False
    if own.is_loopback or own == peer:
        return False
    sides: list[tuple[int | str | None, tuple[int, ...]]] = [
        (match.port, (seen.local[1], seen.peer[1])),
        (match.own_port, (seen.local[1],)),
        (match.peer_port, (seen.peer[1],)),
    ]
    return all(
        given is None or any(_holds(ports_of(given), port) for port in ports) for given, ports in sides
    )


def _holds(ports: Ports, port: int) -> bool:
    return ports.first <= port <= ports.last


def _shown(seen: InetSocket) -> str:
    def end(where: tuple[str, int]) -> str:
        address = _plain(where[0])
        return f"[{address}]:{where[1]}" if address.version == 6 else f"{address}:{where[1]}"  # noqa: PLR2004

    return f"{end(seen.local)} > {end(seen.peer)} {seen.state}"


class Sockets:
    """Ends connections.

    Args:
        connection: to sock_diag.
    """

    name: Mechanism = "sockets"

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ended: dict[str, int] = {}

    def can(self, fault: Fault) -> bool:
        """Resets that do not wait for a packet."""
        return isinstance(fault, Reset) and fault.now

    def apply(self, lease: str, fault: Fault) -> None:
        """End the connections that there are.

        Raises:
            ServiceError: none matches, or the kernel can not.
        """
        there = self._there()
        matching = [each for seen, each in there if fits(cast("Reset", fault).match, seen)]
        if not matching:
            shown = ", ".join(_shown(seen) for seen, _reply in there[:_SHOWN]) or "-"
            raise ServiceError("agent.no-connection", fault=words(fault), there=shown)
        self._ended[lease] = 0
        for reply in matching:
            try:
                self._connection.transact([destroy(reply.payload, socket.IPPROTO_TCP)])
            except NetlinkError as error:
                if error.errno == ENOENT:
                    continue
                del self._ended[lease]
                if error.errno == EOPNOTSUPP:
                    raise ServiceError(LACKS, fault=words(fault), why=say("agent.no-destroy")) from error
                raise lacking(error, words(fault)) from error
            self._ended[lease] += 1

    def _there(self) -> list[tuple[InetSocket, Reply]]:
        """The TCP connections of this network namespace that go over a link."""
        found = []
        for family in (socket.AF_INET, socket.AF_INET6):
            for reply in self._connection.dump(dump_inet(family, socket.IPPROTO_TCP)):
                seen = inet_socket(reply.payload)
                if seen.state not in _NO_CONNECTION and not _plain(seen.local[0]).is_loopback:
                    found.append((seen, reply))
        return found

    def remove(self, lease: str) -> None:
        """Nothing is left to take out."""
        self._ended.pop(lease, None)

    def counts(self, lease: str) -> Counts:
        """How many connections it has ended."""
        return Counts(bitten=self._ended[lease], seen=self._ended[lease])
