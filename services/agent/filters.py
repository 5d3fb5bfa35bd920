"""Drops and refusals in the kernel, and the steering of packets to the emulator: the agent's nft table.

Theory of operation
    Where the kernel lets a table have an owner, it removes it when the connection is closed, so also when the
    agent is killed: nothing here needs to be undone by anybody else. Where it does not, the table's removal
    is journalled before the table is made. The table is the lock too: one agent to a network namespace.

    What is lacking in nf_tables, iptables does (`legacy`): nft then marks, and a rule of iptables has the
    verdict for that mark. Who calls does not see the difference, but for the time it takes.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from errno import EEXIST, EINVAL, ENOENT, EOPNOTSUPP, EPERM
from pathlib import Path

from services.agent import features
from services.agent.features import has_large_packets
from services.agent.journal import Journal
from services.agent.lacking import LACKS, lacking
from services.agent.legacy import Legacy
from services.agent.mechanism import Counts
from services.agent.rules import base_chains, bites, iptables, marks, probes, steering
from services.agent.rules.addition import Addition
from services.agent.rules.base_chains import TABLE
from services.agent.rules.bites import Bite, is_bite
from services.agent.rules.selectors import HOOKS, Hook
from services.agent.rules.verdicts import QUEUE
from services.agent.undo import undoing
from services.messages import ServiceError, say
from services.netlink import nftables
from services.netlink.connection import NETFILTER, Connection
from services.netlink.errors import NetlinkError
from services.netlink.nftables import Rule, rules_of
from socketlab.wire.fault import Fault, Reject
from socketlab.wire.lease import Mechanism as Name
from socketlab.wire.match import Direction, Match
from socketlab.wire.words import words

_NUMBERS = 0x1_0000
"""Marks of one kind."""


@dataclass(frozen=True, slots=True)
class _Added:
    """An addition that is in the kernel.

    Args:
        addition: what was asked for.
        leads: its rules in base chains, as the kernel sent them back.
        verdicts: chains of iptables that have its verdicts.
    """

    addition: Addition
    leads: list[Rule]
    verdicts: tuple[str, ...]


class Filters:
    """The nft table of this agent, made at once.

    Args:
        connection: to nfnetlink; it owns the table.
        journal: where is noted what would outlive the agent.
        folder: the agent's run directory.
        without: parts of nf_tables to do without: `owner`, and those of `features`.

    Raises:
        ServiceError: another agent is here, NET_ADMIN is missing, or the kernel has no nf_tables.
    """

    def __init__(
        self, connection: Connection, journal: Journal, folder: Path, without: frozenset[str] = frozenset()
    ) -> None:
        self._connection = connection
        self._journal = journal
        self._is_owned = "owner" not in without and self._own()
        if not self._is_owned:
            self._make_plain()
        ways = features.find(connection, without)
        self._has_queue, self._can_reject = ways.queue is not None, ways.reject
        self._can_untrack = ways.untrack
        self._legacy = Legacy(journal, folder)
        said = connection.transact(base_chains.found(ways))
        self._spared = base_chains.last_spared(rules_of(said))
        self._added: dict[str, _Added] = {}
        self._bites: dict[str, Bite] = {}
        self._steered: dict[str, Match] = {}
        self._numbers = itertools.count()

    @property
    def name(self) -> Name:
        """As a lease shows it."""
        return "nft" if self._has_queue and self._can_reject else "iptables"

    @property
    def queue_number(self) -> int:
        """The queue that packets are steered to."""
        return QUEUE

    def _own(self) -> bool:
        """Make the table ours alone; false where the kernel knows no owners."""
        try:
            self._connection.transact(base_chains.new_table(owned=True))
        except NetlinkError as error:
            if error.errno in {EINVAL, EOPNOTSUPP} and error.request == "NFT_MSG_NEWTABLE":
                return False
            raise _not_ours(error) from error
        return True

    def _make_plain(self) -> None:
        """Make a table that has no owner, and note how to remove it."""
        if self._is_there():
            raise ServiceError("agent.table-exists", table=TABLE)
        request = nftables.delete_table(TABLE)
        self._journal.intend(TABLE, (undoing(NETFILTER, request, ENOENT),))
        try:
            self._connection.transact(base_chains.new_table(owned=False))
        except NetlinkError as error:
            self._journal.settle(TABLE)
            raise _not_ours(error) from error

    def _is_there(self) -> bool:
        """Whether there is a table of our name."""
        try:
            self._connection.transact([nftables.get_table(TABLE)])
        except NetlinkError as error:
            if error.errno == ENOENT:
                return False
            raise _not_ours(error) from error
        return True

    # Faults that nft decides.

    def can(self, fault: Fault) -> bool:
        """Whether nft can decide this fault by itself, packet for packet."""
        if not is_bite(fault):
            return False
        return bites.is_native(fault, exact=fault.match.which is None or not has_large_packets())

    def apply(self, lease: str, fault: Fault) -> None:
        """Put a fault in force, all of it at once, and read it back.

        Raises:
            ServiceError: the kernel lacks what it needs, or does not show it.
        """
        if not is_bite(fault):
            raise ServiceError(LACKS, fault=words(fault), why=say("agent.no-mechanism", kind=fault.kind))
        number = next(self._numbers) % _NUMBERS
        self._add(
            lease,
            bites.bite(lease, fault, number, can_reject=self._can_reject),
            words(fault),
            self._verdicts_of_bite(lease, fault, number),
        )
        self._bites[lease] = fault

    def _verdicts_of_bite(self, name: str, fault: Bite, number: int) -> tuple[iptables.MarkRule, ...]:
        """The rules of iptables that a fault needs here."""
        hooks = HOOKS[fault.match.direction]
        if isinstance(fault, Reject):
            if self._can_reject:
                return ()
            return (iptables.refusing(name, fault, hooks, marks.REFUSED + number),)
        if self._has_queue or fault.match.direction == "in":
            return ()
        return (iptables.silencing(name, hooks, fault.match.families),)

    def remove(self, lease: str) -> None:
        """Take a fault out, all of it at once."""
        self._take(lease)
        self._bites.pop(lease, None)

    def counts(self, lease: str) -> Counts:
        """What a fault has done so far; nothing is known where somebody else has removed it."""
        counted = [rule.packets for rule in self._dump(lease) if rule.packets is not None]
        return Counts(bitten=counted[-1], seen=counted[0]) if counted else Counts()

    # Packets for the emulator.

    def steer(self, lease: str, match: Match) -> None:
        """Hand what a match takes to the queue, or more than that: payload and ordinals are not looked at.

        Raises:
            ServiceError: the kernel lacks a queue, or does not show the rules.
        """
        verdicts: tuple[iptables.MarkRule, ...] = ()
        what = f"{lease} -> NFQUEUE"
        if not self._has_queue:
            hooks = HOOKS[match.direction]
            verdicts = (iptables.steering(f"{lease}-queue", hooks, match.families, QUEUE),)
        self._add(f"{lease}-queue", steering.steering(lease, match), what, verdicts)
        self._steered[lease] = match

    def unsteer(self, lease: str) -> None:
        """Hand nothing more of a lease to the queue, answers neither."""
        self._steered.pop(lease, None)
        for part in ("queue", "answers"):
            self._take(f"{lease}-{part}")

    def steer_answers(self, lease: str, reject: Reject) -> None:
        """Hand the ICMP answers of a refusal to the queue as they go out, and those that look alike.

        Raises:
            ServiceError: as `steer`.
        """
        verdicts: tuple[iptables.MarkRule, ...] = ()
        if not self._has_queue and reject.family is not None:
            verdicts = (iptables.steering(f"{lease}-answers", ("out",), (reject.family,), QUEUE),)
        addition = steering.answers(lease, reject, untrack=self._can_untrack)
        self._add(f"{lease}-answers", addition, words(reject), verdicts)

    def reject_marked(self, lease: str, reject: Reject, mark: int) -> None:
        """Refuse what comes out of the queue with a mark.

        Args:
            lease: whose.
            reject: what is answered, and where packets are met.
            mark: one of `marks.EMULATED`.

        Raises:
            ServiceError: the kernel lacks refusals, or does not show the rules.
        """
        key = f"{lease}-after"
        if self._can_reject:
            self._add(key, steering.refusing(lease, reject, mark), words(reject), ())
        else:
            rule = iptables.refusing(key, reject, HOOKS[reject.match.direction], mark)
            self._add(key, Addition(name=lease), words(reject), (rule,))

    def unmark(self, lease: str) -> None:
        """Refuse nothing more of a lease."""
        self._take(f"{lease}-after")

    # Probes.

    def open_probe(self, port: int, direction: Direction, lease: str | None) -> None:
        """Take the probes from a port aside: past all faults, but for the twin of one, to a sink.

        Args:
            port: the probes' source port.
            direction: whether they arrive at this host, or are sent by it.
            lease: whose twin; None: only the sink.

        Raises:
            ServiceError: the kernel does not show the rules.
        """
        hook: Hook = HOOKS[direction][0]
        twin = self._bites.get(lease or "")
        if twin is not None and hook not in HOOKS[twin.match.direction]:
            twin = None
        steered = self._steered.get(lease or "")
        number = next(self._numbers) % _NUMBERS
        name = f"p{port}"
        verdicts = () if twin is None else self._verdicts_of_bite(name, twin, number)
        if steered is not None and not self._has_queue:
            verdicts += (iptables.steering(f"{name}-queue", (hook,), steered.families, QUEUE),)
        addition = probes.probe(
            port, hook, can_reject=self._can_reject, twin_of=twin, number=number, steered=steered
        )
        self._add(name, addition, name, verdicts)

    def probe(self, port: int) -> tuple[int, int]:
        """How many probes of a port a twin of nft has bitten, and how many came to the sink."""
        chains = probes.counting_chains(port)
        return probes.counted(port, [rule for chain in chains for rule in self._dump(chain)])

    def close_probe(self, port: int) -> None:
        """Take the probes of a port aside no longer."""
        self._take(f"p{port}")

    def close(self) -> None:
        """Take everything out, and give the table up."""
        try:
            self._connection.transact(base_chains.close())
        except NetlinkError as error:
            if error.errno != ENOENT:
                raise
        self._legacy.close()
        if not self._is_owned:
            self._journal.settle(TABLE)
        self._added.clear()

    # The kernel's side.

    def _add(self, key: str, addition: Addition, what: str, verdicts: Iterable[iptables.MarkRule]) -> None:
        """Put an addition into the table and its verdicts into iptables: all, or nothing."""
        chains: list[str] = []
        try:
            for rule in verdicts:
                self._legacy.apply(rule, what)
                chains.append(rule.chain)
            leads = self._put(addition, what)
        except (ServiceError, OSError):
            for chain in chains:
                self._legacy.remove(chain)
            raise
        self._added[key] = _Added(addition, leads, tuple(chains))

    def _put(self, addition: Addition, what: str) -> list[Rule]:
        try:
            leads = rules_of(self._connection.transact(addition.batch(self._spared)))
        except NetlinkError as error:
            raise self._refused(error, what) from error
        there = [rule for chain in addition.chains for rule in self._dump(chain)]
        if not addition.is_complete([*there, *self._get(leads)]):
            self._clear(addition, leads)
            raise ServiceError("agent.not-read-back", fault=what)
        return leads

    def _take(self, key: str) -> None:
        """Take an addition away; what somebody else has removed is gone as well."""
        added = self._added.get(key)
        if added is None:
            return
        try:
            self._connection.transact(added.addition.removal(added.leads))
        except NetlinkError as error:
            if self._is_owned or error.errno != ENOENT:
                raise
            self._clear(added.addition, added.leads)
        for chain in added.verdicts:
            self._legacy.remove(chain)
        del self._added[key]

    def _clear(self, addition: Addition, leads: Iterable[Rule]) -> None:
        """Remove each part of an addition that is still there."""
        for request in addition.removal(leads)[1:-1]:
            try:
                self._connection.transact(nftables.batch([request]))
            except NetlinkError as error:
                if error.errno != ENOENT:
                    raise

    def _get(self, leads: list[Rule]) -> list[Rule]:
        """Rules as the kernel has them now; none, where one is gone."""
        if not leads:
            return []
        try:
            return rules_of(
                self._connection.transact(
                    [nftables.get_rule(TABLE, each.chain, each.handle) for each in leads]
                )
            )
        except NetlinkError as error:
            if error.errno == ENOENT:
                return []
            raise

    def _dump(self, chain: str) -> list[Rule]:
        """The rules of a chain; none, where it is gone."""
        try:
            return rules_of(self._connection.dump(nftables.dump_rules(TABLE, chain)))
        except NetlinkError as error:
            if error.errno == ENOENT:
                return []
            raise

    def _refused(self, error: NetlinkError, what: str) -> ServiceError:
        """Why an addition was refused."""
        if not self._is_owned and error.errno == ENOENT and not self._is_there():
            return ServiceError("agent.table-gone", table=TABLE)
        return lacking(error, what)


def _not_ours(error: NetlinkError) -> ServiceError:
    """Why the table could not be had."""
    if error.errno == EPERM and error.request in {"NFT_MSG_NEWTABLE", "NFT_MSG_GETTABLE"}:
        return ServiceError("agent.second", table=TABLE)
    if error.errno == EPERM:
        return ServiceError("agent.no-net-admin", errno="EPERM")
    if error.errno == EEXIST:
        return ServiceError("agent.table-exists", table=TABLE)
    if error.errno in {EINVAL, EOPNOTSUPP}:
        return ServiceError("agent.no-nf-tables", why=str(error))
    return error
