"""Packets that pass at a rate at most.

Theory of operation
    What a throttle's match takes is forwarded to a link of our own, an IFB with a token bucket as its queue,
    which gives it back where it came from: behind the hook, so nothing meets it twice. The rules that forward
    stand in an nft table of the family `netdev`, on each link of the host, and see a packet before all others
    when it arrives, after them when it goes. Nothing of this touches the queue that a link has itself: to set
    that loses packets of bystanders, 0.2 ms of them each time (measured), and it may be somebody else's.

    The table and its chains are made once and stay, as those of `Filters`, and go with the agent's socket
    where the kernel knows owners. The IFBs outlive it: they are journalled, and their name is our mark.
    A direction of a lease has an IFB of its own, so what one throttle holds up costs another nothing. Where
    two throttles take a packet, the one that was there first has it.

    To delete a link takes the kernel 15 ms and more (measured): a thread does it, so that the loop can see to
    packets meanwhile.

    Of a fragmented datagram only the first piece has ports: a match with a port lets the others pass.
"""

import os
import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from errno import EEXIST, EINVAL, ENODEV, ENOENT, EOPNOTSUPP
from typing import cast

from services.agent.journal import Journal
from services.agent.lacking import LACKS, lacking
from services.agent.mechanism import Counts
from services.agent.namespace_links import OURS
from services.agent.routes import links_of_host
from services.agent.rules.selectors import HOOKS, Hook, Row, is_family, is_protocol, rows
from services.agent.undo import undoing
from services.messages import ServiceError, say
from services.netlink import netdev, nftables
from services.netlink.connection import NETFILTER, ROUTE, Connection
from services.netlink.errors import NetlinkError
from services.netlink.link import (
    Link,
    delete_group,
    delete_link,
    dump_links,
    link_of,
    new_ifb,
    set_link,
    without_address,
)
from services.netlink.message import Request
from services.netlink.nftables import Rule, rule_of
from services.netlink.tc import Bucket, bucket_of, find_queue, new_bucket
from socketlab.wire.fault import Fault, Throttle
from socketlab.wire.lease import Mechanism
from socketlab.wire.match import Family, Match
from socketlab.wire.words import words

TABLE = "socketlab"
_JOURNALLED = "shaping"
"""The table in the journal, where it has no owner; no lease has such a name."""
_HOOKS: dict[Hook, int] = {"in": netdev.INGRESS, "out": netdev.EGRESS}
_PRIORITY = -10
_PROTOCOLS: dict[Family, bytes] = {"ipv4": netdev.IPV4, "ipv6": netdev.IPV6}
_DISCOVERY = bytes([133]), bytes([137])
"""ICMPv6 types from router solicitation to redirect (RFC 4861 4): IPv6's ARP waits in no queue."""
_SPARED = "spared"
_GROUP = 0x534C_0000
"""Groups of links from here on are ours, one for each lease."""
_HEADERS = 18
"""Bytes of Ethernet and one VLAN tag around a packet."""
_BURST_SECONDS = 0.004
"""So long may a timer of a busy machine be late without a loss of rate."""
_PARTS = {
    "RTM_NEWLINK ifb": "ifb",
    "RTM_NEWQDISC tbf": "tbf",
    "NFT_MSG_NEWTABLE": "netdev",
    "NFT_MSG_NEWCHAIN": "netdev",
    "NFT_MSG_NEWRULE": "fwd",
}
"""What the kernel lacks that does not know a request."""


def readable(descriptor: int) -> None:
    """Wait until it can be read."""
    select.select([descriptor], [], [])


def bucket_for(fault: Throttle, mtu: int) -> Bucket:
    """The token bucket of a throttle.

    Args:
        fault: the throttle.
        mtu: of the widest link, bytes.

    Raises:
        ServiceError: a packet of that link would never pass.
    """
    packet = mtu + _HEADERS
    rate = fault.rate // 8
    if fault.burst is not None and fault.burst < packet:
        raise ServiceError("agent.burst", least=packet, seen=fault.burst)
    burst = fault.burst or max(packet, int(rate * _BURST_SECONDS))
    return Bucket(rate, burst, max(packet, int(rate * fault.queue)))


def rows_of(match: Match, hook: Hook) -> list[Row]:
    """The rows of a match as a chain of a link has them, where the family is told by the Ethernet type."""
    found = []
    for family in sorted(match.families):
        for row in rows(match, hook, family):
            usual = is_family(family)
            rest = row[len(usual) :] if row[: len(usual)] == usual else row
            found.append((*_is_protocol(family), *rest))
    return found


def _is_protocol(family: Family) -> Row:
    return nftables.meta(netdev.PROTOCOL), nftables.compare(nftables.EQUAL, _PROTOCOLS[family])


def _discovery() -> Row:
    return (
        *_is_protocol("ipv6"),
        *is_protocol("icmp6"),
        nftables.payload(nftables.TRANSPORT, 0, 1),
        nftables.compare(nftables.AT_LEAST, _DISCOVERY[0]),
        nftables.compare(nftables.AT_MOST, _DISCOVERY[1]),
        nftables.accept(),
    )


def _batch(*requests: Request) -> list[Request]:
    return nftables.batch(map(netdev.of_netdev, requests))


@dataclass(slots=True)
class _Held:
    """What a lease has in the kernel.

    Args:
        hooks: the chains of its own, and where they are reached from.
        group: of its IFBs.
        links: names of its IFBs.
        chains: the base chains that lead to it.
    """

    hooks: tuple[Hook, ...]
    group: int
    links: list[str] = field(default_factory=list)
    chains: list[str] = field(default_factory=list)


class Shaping:
    """The throttles of this agent. Its table is made at once.

    Args:
        route: to rtnetlink.
        netfilter: to nfnetlink, for this only: it owns the table.
        journal: where links are noted first.
        has_owner: whether this kernel's tables can have an owner.
        wait: returns when this descriptor can be read: something takes the kernel its time.
    """

    name: Mechanism = "tc"

    def __init__(
        self,
        route: Connection,
        netfilter: Connection,
        journal: Journal,
        *,
        has_owner: bool,
        wait: Callable[[int], None] = readable,
    ) -> None:
        self._wait = wait
        self._route = route
        self._netfilter = netfilter
        self._journal = journal
        self._held: dict[str, _Held] = {}
        self._chains: dict[str, int] = {}
        """Base chains that are there, and the link each is on."""
        self._next = 0
        self._lacks: NetlinkError | None = None
        self._found(has_owner=has_owner)

    def _found(self, *, has_owner: bool) -> None:
        """Make the table, and the chains of the links; what cannot be made is told when it is asked for."""
        try:
            if not (has_owner and self._has_own_table()):
                self._leave_table()
        except NetlinkError as error:
            self._lacks = error
            return
        for link in links_of_host(self._route):
            for hook in _HOOKS:
                try:
                    self._base_chain(link, hook)
                except NetlinkError:
                    continue  # told by `apply`, if it is ever asked for

    def _has_own_table(self) -> bool:
        """Make a table that goes with the socket; whether this kernel knows such tables."""
        try:
            self._netfilter.transact(_batch(nftables.new_owned_table(TABLE)))
        except NetlinkError as error:
            if error.errno in {EINVAL, EOPNOTSUPP}:
                return False
            if error.errno != EEXIST:
                raise
            self._make_anew(nftables.new_owned_table(TABLE))
        return True

    def _leave_table(self) -> None:
        """Make a table that somebody else must delete where this agent is killed."""
        gone = undoing(NETFILTER, netdev.of_netdev(nftables.delete_table(TABLE)), ENOENT)
        self._journal.intend(_JOURNALLED, (gone,))
        try:
            self._netfilter.transact(_batch(nftables.new_table(TABLE)))
        except NetlinkError as error:
            if error.errno != EEXIST:
                raise
            self._make_anew(nftables.new_table(TABLE))

    def _make_anew(self, table: Request) -> None:
        """Make a table in place of one that an agent left that was killed: this one has the namespace."""
        self._netfilter.transact(_batch(nftables.delete_table(TABLE), table))

    def _base_chain(self, link: Link, hook: Hook) -> str:
        """The chain of a link, made where it is missing: the link came later, or another by that name."""
        chain = f"{hook}-{link.name}"
        if self._chains.get(chain) == link.index:
            return chain
        place = netdev.new_base_chain(TABLE, chain, _HOOKS[hook], link.name, _PRIORITY)
        spared = netdev.of_netdev(nftables.new_rule(TABLE, chain, _discovery(), _SPARED))
        try:
            self._netfilter.transact(nftables.batch([place, spared]))
        except NetlinkError as error:
            if error.errno != EEXIST:
                raise
        self._chains[chain] = link.index
        return chain

    def sweep(self) -> list[str]:
        """Delete links with our mark, at the start: for the owner of the namespace's table only."""
        links = (link_of(reply.payload) for reply in self._route.dump(dump_links()))
        left = [link.name for link in links if link.kind == "ifb" and link.name.startswith(OURS)]
        for name in left:
            with suppress(NetlinkError):  # gone by itself
                self._route.transact([delete_link(name)])
        return left

    def can(self, fault: Fault) -> bool:
        """Throttles."""
        return isinstance(fault, Throttle)

    def apply(self, lease: str, fault: Fault) -> None:
        """Make a throttle's links and rules, and read them back.

        Raises:
            ServiceError: the kernel lacks a part of it, or does not show it.
        """
        throttle = cast("Throttle", fault)
        if self._lacks is not None:
            raise _told(self._lacks, fault)
        links = links_of_host(self._route)
        bucket = bucket_for(throttle, max((link.mtu for link in links), default=0))
        hooks = HOOKS[throttle.match.direction]
        held = self._held[lease] = _Held(hooks, _GROUP + self._next)
        for _hook in hooks:
            held.links.append(f"{OURS}{self._next}")
            self._next += 1
        try:
            self._journal.intend(
                lease, tuple(undoing(ROUTE, delete_link(name), ENODEV) for name in held.links)
            )
            complete = [
                self._queue(name, held.group, bucket)
                and self._rules(lease, throttle.match, hook, name, links)
                for hook, name in zip(hooks, held.links, strict=True)
            ]
        except NetlinkError as error:
            self.remove(lease)
            raise _told(error, fault) from error
        except (ServiceError, OSError):
            self.remove(lease)
            raise
        if not all(complete):
            self.remove(lease)
            raise ServiceError("agent.not-read-back", fault=words(fault))

    def _queue(self, name: str, group: int, bucket: Bucket) -> bool:
        """Make a link of ours; whether the kernel shows its queue."""
        self._route.transact([new_ifb(name, group)])
        index = socket.if_nametoindex(name)
        with suppress(NetlinkError):  # where it has no IPv6 it says nothing of its own anyway
            self._route.transact([without_address(index)])
        self._route.transact([new_bucket(index, bucket), set_link(index, up=True)])
        there = bucket_of(self._route.ask(find_queue(index)).payload)
        return there is not None and (there.rate, there.limit) == (bucket.rate, bucket.limit)

    def _rules(self, lease: str, match: Match, hook: Hook, name: str, links: list[Link]) -> bool:
        """Make a lease's rules of one direction; whether the kernel shows all."""
        own = f"{lease}-{hook}"
        leading = rows_of(match, hook)
        chains = [self._base_chain(link, hook) for link in links]
        forward = [nftables.counter(), *netdev.forward(socket.if_nametoindex(name))]
        self._netfilter.transact(
            _batch(
                nftables.new_chain(TABLE, own),
                nftables.new_rule(TABLE, own, forward, lease),
                *(
                    nftables.new_rule(TABLE, chain, [*row, nftables.jump(own)], lease)
                    for chain in chains
                    for row in leading
                ),
            )
        )
        self._held[lease].chains += chains
        has_bite = [rule.packets is not None for rule in self._dump(own)] == [True]
        return has_bite and all(len(self._of(lease, chain)) == len(leading) for chain in chains)

    def remove(self, lease: str) -> None:
        """Take a throttle out; what waits in its queue is lost."""
        held = self._held.get(lease)
        if held is None:
            return
        leading = [rule for chain in held.chains for rule in self._of(lease, chain)]
        gone = [nftables.delete_rule(TABLE, rule.chain, rule.handle) for rule in leading]
        own = [f"{lease}-{hook}" for hook in held.hooks if self._dump(f"{lease}-{hook}")]
        gone += [nftables.delete_chain(TABLE, chain) for chain in own]
        if gone:
            self._netfilter.transact(_batch(*gone))
        self._delete_links(held.group)
        del self._held[lease]
        self._journal.settle(lease)

    def counts(self, lease: str) -> Counts:
        """How many packets have come to its queue."""
        packets = 0
        for hook in self._held[lease].hooks:
            packets += sum(rule.packets or 0 for rule in self._dump(f"{lease}-{hook}"))
        return Counts(bitten=packets, seen=packets)

    def close(self) -> None:
        """Remove the table."""
        try:
            self._netfilter.transact(_batch(nftables.delete_table(TABLE)))
        except NetlinkError as error:
            if error.errno != ENOENT:
                raise
        self._journal.settle(_JOURNALLED)

    def _of(self, lease: str, chain: str) -> list[Rule]:
        return [rule for rule in self._dump(chain) if rule.comment == lease]

    def _dump(self, chain: str) -> list[Rule]:
        """The rules of a chain; none of one that has gone with its link."""
        try:
            replies = self._netfilter.dump(netdev.of_netdev(nftables.dump_rules(TABLE, chain)))
        except NetlinkError as error:
            if error.errno == ENOENT:
                return []
            raise
        return [rule_of(reply.payload) for reply in replies]

    def _delete_links(self, group: int) -> None:
        """Delete the links of a lease, seeing to packets meanwhile."""
        refused: list[Exception] = []
        done, doing = os.pipe()
        deleting = threading.Thread(target=_delete_group, args=(self._route, group, doing, refused))
        try:
            deleting.start()
            self._wait(done)
            deleting.join()
        finally:
            os.close(done)
        for error in refused:
            raise error


def _delete_group(connection: Connection, group: int, doing: int, refused: list[Exception]) -> None:
    """Delete links; what the kernel refuses is for the thread that waits."""
    try:
        connection.transact([delete_group(group)])
    except NetlinkError as error:
        if error.errno != ENODEV:
            refused.append(error)
    except OSError as error:
        refused.append(error)
    finally:
        os.close(doing)


def _told(error: NetlinkError, fault: Fault) -> ServiceError:
    """The error for a user, with the name of what the kernel lacks."""
    part = _PARTS.get(error.request)
    if part is not None and error.errno in {ENOENT, EOPNOTSUPP}:
        return ServiceError(LACKS, fault=words(fault), why=say(f"agent.part.{part}"))
    return lacking(error, words(fault))
