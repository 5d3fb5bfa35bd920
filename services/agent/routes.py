"""Routes that lead nowhere, in the kernel.

Theory of operation
    A route outlives who made it. So each is journalled before it is made, and carries our mark as the
    protocol that made it: deleting asks for that mark, so a route of the host is never deleted, and whatever
    carries it when an agent starts was left by one that was killed together with its nanny.
"""

from errno import EEXIST, ESRCH

from services.agent.journal import Journal
from services.agent.lacking import lacking
from services.agent.words import words
from services.messages import ServiceError
from services.netlink.connection import Connection
from services.netlink.errors import NetlinkError
from services.netlink.route import (
    PROHIBIT,
    THROW,
    UNREACHABLE,
    Entry,
    delete_route,
    dump_routes,
    entry_of,
    new_route,
)
from socketlab.wire.fault import Route, RouteType

MARK = 213
"""Our number among the makers of routes; `/etc/iproute2/rt_protos` gives it to nobody."""
_TYPES: dict[RouteType, int] = {"unreachable": UNREACHABLE, "prohibit": PROHIBIT, "throw": THROW}
_STRONGEST = {4: 0, 6: 1}
"""The metric that wins over all others: IPv6 takes 0 for its default of 1024 (linux/ipv6_route.h)."""


def entry_for(route: Route) -> Entry:
    """The kernel's route for a fault."""
    return Entry(route.network, _TYPES[route.type], MARK, _STRONGEST[route.network.version])


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


class Routes:
    """The routes of this agent.

    Args:
        connection: to rtnetlink.
        journal: where they are noted first.
    """

    def __init__(self, connection: Connection, journal: Journal) -> None:
        self._connection = connection
        self._journal = journal
        self._made: dict[str, Entry] = {}

    def sweep(self) -> list[Entry]:
        """Delete whatever carries our mark, at the start: for the owner of the namespace's table only."""
        return [entry for entry in self._there() if delete(self._connection, entry)]

    def apply(self, lease: str, route: Route) -> None:
        """Make a route, and read it back.

        Raises:
            ServiceError: there is one to that destination already, or the kernel can not.
        """
        entry = entry_for(route)
        self._journal.intend(lease, route)
        try:
            self._connection.transact([new_route(entry)])
        except NetlinkError as error:
            self._journal.settle(lease)
            if error.errno == EEXIST:
                raise ServiceError("agent.route-exists", to=route.to) from error
            raise lacking(error, words(route)) from error
        self._made[lease] = entry
        if entry not in self._there():
            self.remove(lease)
            raise ServiceError("agent.not-read-back", fault=words(route))

    def remove(self, lease: str) -> None:
        """Delete a route; one that somebody else has deleted is gone as well."""
        delete(self._connection, self._made[lease])
        del self._made[lease]
        self._journal.settle(lease)

    def bitten(self, lease: str) -> int | None:  # noqa: ARG002 - as `Filters.bitten`
        """None: the kernel does not count what a route turns away."""
        return None

    def _there(self) -> list[Entry]:
        entries = (entry_of(reply.payload) for reply in self._connection.dump(dump_routes()))
        return [entry for entry in entries if entry is not None and entry.protocol == MARK]
