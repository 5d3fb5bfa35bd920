"""Neighbours whose hardware address nobody has.

Theory of operation
    A neighbour that somebody has set is left alone by the kernel: it asks nobody on the link, and whoever
    says otherwise is not believed. So what is sent to the peer leaves with an address that no card has, and
    is lost. That address is our mark: an entry with it that is there when an agent starts was left by one
    that was killed. Where several leases are on one peer the last that is healed puts back what was there.
"""

from dataclasses import dataclass
from errno import EEXIST, ENODEV, ENOENT
from typing import cast

from services.agent.journal import Journal
from services.agent.lacking import lacking
from services.agent.mechanism import Counts
from services.agent.routes import way_to
from services.agent.undo import Netlink, undoing
from services.messages import ServiceError
from services.netlink.connection import ROUTE, Connection
from services.netlink.errors import NetlinkError
from services.netlink.message import Request
from services.netlink.neighbour import (
    Address,
    Neighbour,
    delete_neighbour,
    dump_neighbours,
    neighbour_of,
    put_back,
    set_neighbour,
)
from socketlab.wire.fault import Fault
from socketlab.wire.fault import Neighbour as NeighbourFault
from socketlab.wire.lease import Mechanism
from socketlab.wire.words import words

NOBODY = bytes((0x02, 0, 0, 0, 0xDE, 0xAD))
"""A hardware address of the range that everybody may use, and nobody here does."""
_GONE = ENOENT, ENODEV


@dataclass(frozen=True, slots=True)
class _Place:
    link: int
    address: Address


class Neighbours:
    """The neighbours that this agent has set.

    Args:
        connection: to rtnetlink.
        journal: where they are noted first.
    """

    name: Mechanism = "route"

    def __init__(self, connection: Connection, journal: Journal) -> None:
        self._connection = connection
        self._journal = journal
        self._made: dict[str, list[_Place]] = {}
        self._undo: dict[_Place, Request] = {}

    def sweep(self) -> list[Neighbour]:
        """Forget whatever has our mark, at the start: for the owner of the namespace's table only."""
        left = [neighbour for neighbour, _payload in self._there() if neighbour.hardware == NOBODY]
        for neighbour in left:
            self._do(delete_neighbour(neighbour.link, neighbour.address))
        return left

    def can(self, fault: Fault) -> bool:
        """Dead neighbours."""
        return isinstance(fault, NeighbourFault)

    def apply(self, lease: str, fault: Fault) -> None:
        """Set the peer's entries, all of them, and read them back.

        Raises:
            ServiceError: the peer is on no link of this host, or the kernel can not.
        """
        places = self._places(cast("NeighbourFault", fault))
        before = {
            _Place(each.link, each.address): payload for each, payload in self._there() if each.is_permanent
        }
        undo: dict[_Place, Request] = {}
        for place in places:
            again = (
                put_back(before[place]) if place in before else delete_neighbour(place.link, place.address)
            )
            undo[place] = self._undo.get(place, again)
        self._journal.intend(lease, tuple(_step(request) for request in undo.values()))
        self._undo.update(undo)
        self._made[lease] = places
        try:
            for place in places:
                self._connection.transact([set_neighbour(place.link, place.address, NOBODY)])
        except NetlinkError as error:
            self.remove(lease)
            raise lacking(error, words(fault)) from error
        there = {
            _Place(each.link, each.address) for each, _payload in self._there() if each.hardware == NOBODY
        }
        if not there.issuperset(places):
            self.remove(lease)
            raise ServiceError("agent.not-read-back", fault=words(fault))

    def _places(self, fault: NeighbourFault) -> list[_Place]:
        """Where the peer's entries are."""
        places = []
        for network in fault.match.networks:
            if network.num_addresses > 1:
                raise ServiceError("agent.neighbour-network", peer=network)
            way = way_to(self._connection, network.network_address)
            if way is None or not way.is_direct or not way.link:
                raise ServiceError("agent.neighbour-elsewhere", peer=network.network_address)
            places.append(_Place(way.link, network.network_address))
        return places

    def remove(self, lease: str) -> None:
        """Put back what was there, where no other lease is on it."""
        others = {place for each, places in self._made.items() if each != lease for place in places}
        for place in self._made[lease]:
            if place not in others and place in self._undo:
                self._do(self._undo[place])
                del self._undo[place]
        del self._made[lease]
        self._journal.settle(lease)

    def restore(self) -> None:
        """Set entries again that went with a link that is up again."""
        for place in self._undo:
            self._do(set_neighbour(place.link, place.address, NOBODY))

    def counts(self, lease: str) -> Counts:  # noqa: ARG002 - as of other mechanisms
        """Nothing: the kernel does not count what it sends to a neighbour."""
        return Counts()

    def _there(self) -> list[tuple[Neighbour, bytes]]:
        replies = self._connection.dump(dump_neighbours())
        found = ((neighbour_of(reply.payload), reply.payload) for reply in replies)
        return [(neighbour, payload) for neighbour, payload in found if neighbour is not None]

    def _do(self, request: Request) -> None:
        try:
            self._connection.transact([request])
        except NetlinkError as error:
            if error.errno not in _GONE:
                raise


def _step(request: Request) -> Netlink:
    return undoing(ROUTE, request, *_GONE, EEXIST)
