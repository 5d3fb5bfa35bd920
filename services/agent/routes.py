"""Routes that lead nowhere, or lead on with a smaller MTU, in the kernel.

Theory of operation
    A route outlives who made it. So each is journalled before it is made, and carries our mark as the
    protocol that made it: deleting asks for that mark, so a route of the host is never deleted, and whatever
    carries it when an agent starts was left by one that was killed together with its nanny.

    A smaller MTU for one destination is a copy of the route that the host has to it, with the MTU locked: so
    path MTU discovery changes nothing (ip-route(8), `mtu lock`).
"""

import ipaddress
from dataclasses import dataclass
from errno import EEXIST, EHOSTUNREACH, ENETDOWN, ENETUNREACH, ENODEV, ESRCH
from typing import cast

from services.agent.journal import Journal
from services.agent.lacking import lacking
from services.agent.mechanism import Counts
from services.agent.namespace_links import is_hosts
from services.agent.undo import undoing
from services.messages import ServiceError
from services.netlink.connection import ROUTE, Connection
from services.netlink.errors import NetlinkError
from services.netlink.link import Link, dump_links, link_of
from services.netlink.message import Request
from services.netlink.route import (
    BLACKHOLE,
    MAIN_TABLE,
    PROHIBIT,
    THROW,
    UNICAST,
    UNREACHABLE,
    Address,
    Entry,
    Way,
    delete_route,
    dump_routes,
    entry_of,
    find_route,
    new_narrow_route,
    new_route,
    way_of,
)
from socketlab.wire.fault import Fault, Mtu, Route, RouteType
from socketlab.wire.lease import Mechanism
from socketlab.wire.words import words

MARK = 213
"""Our number among the makers of routes; `/etc/iproute2/rt_protos` gives it to nobody."""
_TYPES: dict[RouteType, int] = {
    "unreachable": UNREACHABLE,
    "prohibit": PROHIBIT,
    "blackhole": BLACKHOLE,
    "throw": THROW,
}
_STRONGEST = {4: 0, 6: 1}
"""The metric that wins over all others: IPv6 takes 0 for its default of 1024 (linux/ipv6_route.h)."""
_NO_WAY = {ENETUNREACH, EHOSTUNREACH, ENETDOWN}


def links_of_host(connection: Connection) -> list[Link]:
    """The links that somebody has given this namespace."""
    links = (link_of(reply.payload) for reply in connection.dump(dump_links()))
    return [link for link in links if is_hosts(link.name)]


def way_to(connection: Connection, address: Address) -> Way | None:
    """How this host would send to an address; None: it cannot, or it is its own.

    Raises:
        NetlinkError: the kernel refused.
    """
    try:
        way = way_of(connection.ask(find_route(address)).payload)
    except NetlinkError as error:
        if error.errno in _NO_WAY:
            return None
        raise
    return way if way.type == UNICAST else None


def delete(connection: Connection, entry: Entry) -> bool:
    """Delete a route of ours.

    Returns:
        Whether it was there.
    """
    try:
        connection.transact([delete_route(entry)])
    except NetlinkError as error:
        if error.errno == ESRCH:
            return False
        raise
    return True


@dataclass(frozen=True, slots=True)
class _Made:
    entry: Entry
    request: Request


class Routes:
    """The routes of this agent.

    Args:
        connection: to rtnetlink.
        journal: where they are noted first.
    """

    name: Mechanism = "route"

    def __init__(self, connection: Connection, journal: Journal) -> None:
        self._connection = connection
        self._journal = journal
        self._made: dict[str, _Made] = {}

    def sweep(self) -> list[Entry]:
        """Delete whatever carries our mark, at the start: for the owner of the namespace's table only."""
        return [entry for entry in self._there() if delete(self._connection, entry)]

    def can(self, fault: Fault) -> bool:
        """Routes, and the MTU to one destination."""
        return isinstance(fault, Route) or (isinstance(fault, Mtu) and fault.to is not None)

    def apply(self, lease: str, fault: Fault) -> None:
        """Make a route, and read it back.

        Raises:
            ServiceError: there is one to that destination already, none to copy, or the kernel can not.
        """
        made = self._narrow(fault) if isinstance(fault, Mtu) else _nowhere(cast("Route", fault))
        self._journal.intend(lease, (undoing(ROUTE, delete_route(made.entry), ESRCH),))
        try:
            self._connection.transact([made.request])
        except NetlinkError as error:
            self._journal.settle(lease)
            if error.errno == EEXIST:
                raise ServiceError("agent.route-exists", to=made.entry.to) from error
            raise lacking(error, words(fault)) from error
        self._made[lease] = made
        if made.entry not in self._there():
            self.remove(lease)
            raise ServiceError("agent.not-read-back", fault=words(fault))

    def _narrow(self, fault: Mtu) -> _Made:
        to = ipaddress.ip_network(cast("str", fault.to))
        address = to.network_address + 1 if to.num_addresses > 2 else to.network_address  # noqa: PLR2004
        way = way_to(self._connection, address)
        if way is None:
            raise ServiceError("agent.no-way", to=to)
        widest = {link.index: link.mtu for link in links_of_host(self._connection)}.get(way.link)
        if widest is not None and widest <= fault.bytes:
            raise ServiceError("agent.mtu-not-smaller", mtu=widest, seen=fault.bytes)
        entry = Entry(to, UNICAST, MARK, _STRONGEST[to.version], way.table)
        return _Made(entry, new_narrow_route(entry, way, fault.bytes))

    def remove(self, lease: str) -> None:
        """Delete a route; one that somebody else has deleted is gone as well."""
        delete(self._connection, self._made[lease].entry)
        del self._made[lease]
        self._journal.settle(lease)

    def restore(self) -> None:
        """Make routes again that went with a link that is up again."""
        there = self._there()
        for made in self._made.values():
            if made.entry in there:
                continue
            try:
                self._connection.transact([made.request])
            except NetlinkError as error:
                if error.errno not in {EEXIST, ENODEV, *_NO_WAY}:
                    raise

    def counts(self, lease: str) -> Counts:  # noqa: ARG002 - as of other mechanisms
        """Nothing: the kernel does not count what a route turns away."""
        return Counts()

    def _there(self) -> list[Entry]:
        entries = (entry_of(reply.payload) for reply in self._connection.dump(dump_routes()))
        return [entry for entry in entries if entry is not None and entry.protocol == MARK]


def _nowhere(route: Route) -> _Made:
    version = route.network.version
    entry = Entry(route.network, _TYPES[route.type], MARK, _STRONGEST[version], MAIN_TABLE)
    return _Made(entry, new_route(entry))
