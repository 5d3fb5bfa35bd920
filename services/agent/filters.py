"""Drops and refusals, in the kernel: the agent's nft table.

The kernel removes the table when the connection is closed, so also when the agent is killed: nothing here
needs to be undone by anybody else.
"""

from errno import EEXIST, EINVAL, EOPNOTSUPP, EPERM
from functools import cached_property

from services.agent.lacking import LACKS, lacking
from services.agent.rules import table
from services.agent.rules.verdicts import SILENCES, Silence
from services.agent.words import words
from services.messages import ServiceError, say
from services.netlink.connection import Connection
from services.netlink.errors import NetlinkError
from services.netlink.message import Request
from services.netlink.nftables import Rule, rule_of
from socketlab.wire.fault import Drop, Reject


class Filters:
    """The nft table of this agent, made at once. It is the lock: one agent to a network namespace.

    Args:
        connection: to nfnetlink; it owns the table.

    Raises:
        ServiceError: another agent is here, NET_ADMIN is missing, or the kernel is too old.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rules: dict[str, list[Rule]] = {}
        try:
            connection.transact(table.found())
        except NetlinkError as error:
            raise _not_ours(error) from error

    @cached_property
    def _silence(self) -> Silence | None:
        """How this kernel drops without a word; found when it is needed: a try that fails takes 12 ms."""
        for way in SILENCES:
            try:
                self._connection.transact(table.try_silence(way))
            except NetlinkError:
                continue
            return way
        return None

    def apply(self, lease: str, fault: Drop | Reject) -> None:
        """Put a fault in force, all of it at once, and read it back.

        Raises:
            ServiceError: the kernel lacks what it needs, or does not show it.
        """
        silent = isinstance(fault, Drop) and fault.match.direction == "out"
        way = self._silence if silent else "queue"
        if way is None:
            raise ServiceError(LACKS, fault=words(fault), why=say("agent.no-silence"))
        batch = table.apply(lease, fault, way)
        try:
            self._connection.transact(batch)
        except NetlinkError as error:
            raise lacking(error, words(fault)) from error
        there = self._dump(table.selectors_of(fault), lease) + self._dump(table.bite_of(lease), lease)
        self._rules[lease] = [rule for rule in there if rule.chain != lease]
        if not table.is_complete(batch, there):
            self.remove(lease)
            raise ServiceError("agent.not-read-back", fault=words(fault))

    def remove(self, lease: str) -> None:
        """Take a fault out, all of it at once."""
        self._connection.transact(table.remove(lease, self._rules[lease]))
        del self._rules[lease]

    def bitten(self, lease: str) -> int:
        """Packets that a fault has bitten."""
        return sum(rule.packets or 0 for rule in self._dump(table.bite_of(lease), lease))

    def close(self) -> None:
        """Take all faults out, and give the table up."""
        self._connection.transact(table.close())
        self._rules.clear()

    def _dump(self, request: Request, lease: str) -> list[Rule]:
        """The rules of one lease, in a chain that may hold thousands of others."""
        comment = lease.encode() + b"\0"
        replies = self._connection.dump(request)
        rules = [rule_of(reply.payload) for reply in replies if comment in reply.payload]
        return [rule for rule in rules if rule.comment == lease]


def _not_ours(error: NetlinkError) -> ServiceError:
    """Why the table could not be had."""
    if error.errno == EPERM and error.request == "NFT_MSG_NEWTABLE":
        return ServiceError("agent.second", table=table.TABLE)
    if error.errno == EPERM:
        return ServiceError("agent.no-net-admin", errno="EPERM")
    if error.errno == EEXIST:
        return ServiceError("agent.table-exists", table=table.TABLE)
    if error.errno in {EINVAL, EOPNOTSUPP}:
        return ServiceError("agent.no-owner", why=str(error))
    return error
