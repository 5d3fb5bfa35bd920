"""Links that are down, flap, or carry smaller packets.

Theory of operation
    A link that is set down loses what hung on it: its IPv6 addresses, its routes, the neighbours that
    somebody had set. What it had is noted each time before it goes down, and made again, in the kernel's own
    bytes, each time it comes up. Several leases may be on one link. It is down while one of them wants it
    down, and has the smallest MTU that one of them asks for; the last that is healed leaves it as the first
    one found it.

    A link's MTU holds both ways: a veth takes no larger packet either (net/core/dev.c, is_skb_forwardable).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from errno import EEXIST, ENODEV

from services.agent.console import log
from services.agent.journal import Journal
from services.agent.lacking import lacking
from services.agent.mechanism import Counts
from services.agent.neighbours import NOBODY
from services.agent.routes import MARK, links_of_host
from services.agent.undo import undoing
from services.messages import ServiceError
from services.netlink.address import dump_addresses, dump_routes, kept_address, kept_route
from services.netlink.connection import ROUTE, Connection
from services.netlink.errors import NetlinkError
from services.netlink.link import Link, set_link, set_mtu
from services.netlink.message import Request
from services.netlink.neighbour import dump_neighbours, neighbour_of, put_back
from socketlab.wire.fault import Fault, Mtu
from socketlab.wire.fault import Link as LinkFault
from socketlab.wire.lease import Mechanism
from socketlab.wire.words import words


@dataclass(slots=True)
class _Wish:
    """What a lease wants of a link.

    Args:
        link: its index.
        fault: the lease's.
        is_down: whether it wants it down now.
        due: when that changes, by the clock; None: never.
    """

    link: int
    fault: LinkFault
    is_down: bool
    due: float | None


@dataclass(slots=True)
class _Narrow:
    """The MTU that a lease wants, and of which links."""

    bytes: int
    links: list[int] = field(default_factory=list)


class Links:
    """The links of this host, as leases want them.

    Args:
        connection: to rtnetlink.
        journal: where it is noted how they were.
        on_up: called when a link is up again, to put back what others of this agent had on it.
        clock: seconds, monotonic.
    """

    name: Mechanism = "route"

    def __init__(
        self,
        connection: Connection,
        journal: Journal,
        on_up: Sequence[Callable[[], None]] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._journal = journal
        self._on_up = on_up
        self._clock = clock
        self._wishes: dict[str, _Wish] = {}
        self._kept: dict[int, list[Request]] = {}
        """What each link had that is down now."""
        self._narrow: dict[str, _Narrow] = {}
        self._mtu: dict[int, int] = {}
        """The MTU that each link had whose MTU is ours now."""

    def can(self, fault: Fault) -> bool:
        """Links that are down or flap, and the MTU of all links."""
        return isinstance(fault, LinkFault) or (isinstance(fault, Mtu) and fault.to is None)

    def apply(self, lease: str, fault: Fault) -> None:
        """Set a link down, or links' MTU, and read it back.

        Raises:
            ServiceError: no such link is there, it is down or as narrow already, or the kernel can not.
        """
        try:
            if isinstance(fault, Mtu):
                self._apply_mtu(lease, fault)
            elif isinstance(fault, LinkFault):
                self._apply_link(lease, fault)
        except NetlinkError as error:
            self.remove(lease)
            raise lacking(error, words(fault)) from error
        except ServiceError:
            self.remove(lease)
            raise

    def remove(self, lease: str) -> None:
        """Take a lease's wish away, and do what the others want.

        Raises:
            ServiceError: an address or a route of the link could not be made again.
        """
        narrow = self._narrow.pop(lease, None)
        wish = self._wishes.pop(lease, None)
        if narrow is not None:
            for link in narrow.links:
                self._set_mtu(link)
        if wish is not None:
            self._follow(wish.link)
        self._journal.settle(lease)

    def counts(self, lease: str) -> Counts:  # noqa: ARG002 - as of other mechanisms
        """Nothing: the kernel does not count what a link loses."""
        return Counts()

    def next_due(self) -> float | None:
        """When the next link that flaps turns, by the clock; None: none does."""
        return min((wish.due for wish in self._wishes.values() if wish.due is not None), default=None)

    def run_due(self) -> None:
        """Turn the links that flap, whose time it is. What fails now is tried at the next turn."""
        now = self._clock()
        for lease, wish in list(self._wishes.items()):
            if wish.due is None or wish.due > now or wish.fault.down is None or wish.fault.up is None:
                continue
            wish.is_down = not wish.is_down
            lasts = wish.fault.down if wish.is_down else wish.fault.up
            wish.due = now + lasts  # never shorter than asked, however late this is
            try:
                self._follow(wish.link)
            except ServiceError as error:
                log("not-flapped", id=lease, why=error)

    # links that are down

    def _apply_link(self, lease: str, fault: LinkFault) -> None:
        link = self._find(fault.device)
        if not link.is_up and link.index not in self._kept:
            raise ServiceError("agent.link-is-down", device=link.name)
        due = None if fault.down is None else self._clock() + fault.down
        self._wishes[lease] = _Wish(link.index, fault, is_down=True, due=due)
        if link.index in self._kept:
            self._note(link.index)
        self._follow(link.index)
        if self._find(fault.device).is_up:
            raise ServiceError("agent.not-read-back", fault=words(fault))

    def _find(self, device: str | None) -> Link:
        links = {link.name: link for link in links_of_host(self._connection)}
        known = " ".join(links) or "-"
        if device is None:
            if len(links) != 1:
                raise ServiceError("agent.which-link", known=known)
            return next(iter(links.values()))
        if device not in links:
            raise ServiceError("agent.no-link", seen=device, known=known)
        return links[device]

    def _follow(self, link: int) -> None:
        """Have a link as its leases want it now."""
        wants_down = any(wish.is_down for wish in self._wishes.values() if wish.link == link)
        if wants_down and link not in self._kept:
            self._kept[link] = self._had(link)
            self._note(link)
            self._do(set_link(link, up=False))
        elif not wants_down and link in self._kept:
            self._bring_up(link, self._kept.pop(link))

    def _note(self, link: int) -> None:
        """Journal how a link was, for each lease on it."""
        up = undoing(ROUTE, set_link(link, up=True), ENODEV)
        again = (undoing(ROUTE, request, EEXIST, ENODEV) for request in self._kept[link])
        steps = (up, *again)
        for lease, wish in self._wishes.items():
            if wish.link == link:
                self._journal.intend(lease, steps)

    def _bring_up(self, link: int, had: list[Request]) -> None:
        self._do(set_link(link, up=True))
        refused: list[NetlinkError] = []
        for request in had:
            try:
                self._do(request, EEXIST)
            except NetlinkError as error:
                refused.append(error)
        for restore in self._on_up:
            restore()
        if refused:
            raise ServiceError("agent.not-put-back", count=len(refused), why=refused[0]) from refused[0]

    def _had(self, link: int) -> list[Request]:
        """What a link will lose, in the order to make it again: routes by a gateway need the others first."""
        dump = self._connection.dump
        addresses = [kept_address(reply, link) for reply in dump(dump_addresses())]
        routes = [kept_route(reply, link, frozenset({MARK})) for reply in dump(dump_routes())]
        # The kernel puts a new address of IPv6 before those that it has; the one in front is used first.
        found = [each for each in reversed(addresses) if each is not None]
        found += sorted((each for each in routes if each is not None), key=lambda each: each.by_gateway)
        neighbours = []
        for reply in dump(dump_neighbours()):
            seen = neighbour_of(reply.payload)
            if seen is not None and seen.link == link and seen.is_permanent and seen.hardware != NOBODY:
                neighbours.append(put_back(reply.payload))
        return [each.request for each in found] + neighbours

    # links' MTU

    def _apply_mtu(self, lease: str, fault: Mtu) -> None:
        links = {link.index: self._mtu.get(link.index, link.mtu) for link in links_of_host(self._connection)}
        wider = {link: mtu for link, mtu in links.items() if mtu > fault.bytes}
        if not wider:
            raise ServiceError("agent.mtu-not-smaller", mtu=max(links.values(), default=0), seen=fault.bytes)
        steps = (undoing(ROUTE, set_mtu(link, mtu), ENODEV) for link, mtu in wider.items())
        self._journal.intend(lease, tuple(steps))
        self._mtu.update(wider)
        self._narrow[lease] = _Narrow(fault.bytes, list(wider))
        for link in wider:
            self._set_mtu(link)
        there = {link.index: link.mtu for link in links_of_host(self._connection)}
        if any(there.get(link, 0) > fault.bytes for link in wider):
            raise ServiceError("agent.not-read-back", fault=words(fault))

    def _set_mtu(self, link: int) -> None:
        """Give a link the smallest MTU that a lease wants, or its own."""
        wanted = [narrow.bytes for narrow in self._narrow.values() if link in narrow.links]
        self._do(set_mtu(link, min(wanted, default=self._mtu[link])))
        if not wanted:
            del self._mtu[link]

    def _do(self, request: Request, *harmless: int) -> None:
        """Do it, unless the link has gone: then there is nothing to do."""
        try:
            self._connection.transact([request])
        except NetlinkError as error:
            if error.errno not in {ENODEV, *harmless}:
                raise
