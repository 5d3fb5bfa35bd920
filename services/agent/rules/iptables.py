"""Rules of iptables that have the verdict for a mark which nft gives, as texts for iptables-restore.

Theory of operation
    One private chain with one verdict, and at the top of each chain that the kernel walks a jump to it for
    packets with the mark. The text that adds it and the one that takes it away leave all other rules as they
    are. The queue's rules stand in `mangle`: a packet that comes back from a queue goes on in the table after
    that one, and REJECT is for `filter` only, which comes later.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from services.agent.rules import marks
from services.agent.rules.selectors import Hook
from services.agent.rules.verdicts import NOBODY
from socketlab.wire.fault import Answer, Reject
from socketlab.wire.match import Family

Table: TypeAlias = Literal["filter", "mangle"]

RESTORE: dict[Family, str] = {"ipv4": "iptables-legacy-restore", "ipv6": "ip6tables-legacy-restore"}
SAVE: dict[Family, str] = {"ipv4": "iptables-legacy-save", "ipv6": "ip6tables-legacy-save"}
"""Not `iptables-save`: where that is the one of nft, it would write into tables of others."""

_HOOKS: dict[Hook, str] = {"in": "INPUT", "out": "OUTPUT"}
_ANSWERS: dict[Answer, str] = {
    "tcp-reset": "tcp-reset",
    "icmp-net": "icmp-net-unreachable",
    "icmp-host": "icmp-host-unreachable",
    "icmp-proto": "icmp-proto-unreachable",
    "icmp-port": "icmp-port-unreachable",
    "icmp-net-prohibited": "icmp-net-prohibited",
    "icmp-host-prohibited": "icmp-host-prohibited",
    "icmp-admin": "icmp-admin-prohibited",
    "icmp6-no-route": "icmp6-no-route",
    "icmp6-admin": "icmp6-adm-prohibited",
    "icmp6-addr": "icmp6-addr-unreachable",
    "icmp6-port": "icmp6-port-unreachable",
    "icmp6-policy": "icmp6-policy-fail",
    "icmp6-reject-route": "icmp6-reject-route",
}
"""As iptables-extensions(8) calls them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkRule:
    """The verdict for a mark.

    Args:
        chain: name of its private chain, at most 28 characters.
        table: where it stands.
        hooks: where packets are met.
        families: whose packets.
        mark: theirs.
        verdict: of iptables, with its options.
    """

    chain: str
    table: Table
    hooks: tuple[Hook, ...]
    families: tuple[Family, ...]
    mark: int
    verdict: str

    def added(self) -> str:
        """The text that adds it, in place of one of the same name."""
        jumps = "".join(f"-I {_HOOKS[hook]} {self._jump()}\n" for hook in self.hooks)
        return f"*{self.table}\n:{self.chain} - [0:0]\n-A {self.chain} {self.verdict}\n{jumps}COMMIT\n"

    def removed(self) -> str:
        """The text that takes it away."""
        jumps = "".join(f"-D {_HOOKS[hook]} {self._jump()}\n" for hook in self.hooks)
        return f"*{self.table}\n{jumps}-F {self.chain}\n-X {self.chain}\nCOMMIT\n"

    def _jump(self) -> str:
        return f"-m mark --mark {self.mark:#x} -j {self.chain}"

    def is_there(self, saved: str) -> bool:
        """Whether a saved table has it."""
        lines = [line.split() for line in saved.splitlines()]
        jumps = sorted(line[1] for line in lines if line[:1] == ["-A"] and line[-2:] == ["-j", self.chain])
        verdicts = [line for line in lines if line[:2] == ["-A", self.chain]]
        return len(verdicts) == 1 and jumps == sorted(_HOOKS[hook] for hook in self.hooks)


def chain_of(name: str) -> str:
    """The private chain for a name of the agent's."""
    return f"SL_{name}"


def silencing(name: str, hooks: Iterable[Hook], families: Iterable[Family]) -> MarkRule:
    """What carries the mark `SILENCED` vanishes."""
    return MarkRule(
        chain=chain_of(name),
        table="mangle",
        hooks=tuple(hooks),
        families=tuple(sorted(families)),
        mark=marks.SILENCED,
        verdict=f"-j NFQUEUE --queue-num {NOBODY}",
    )


def steering(name: str, hooks: Iterable[Hook], families: Iterable[Family], queue: int) -> MarkRule:
    """What carries the mark `STEERED` goes to the queue; where nobody reads it, it goes on."""
    return MarkRule(
        chain=chain_of(name),
        table="mangle",
        hooks=tuple(hooks),
        families=tuple(sorted(families)),
        mark=marks.STEERED,
        verdict=f"-j NFQUEUE --queue-num {queue} --queue-bypass",
    )


def refusing(name: str, reject: Reject, hooks: Iterable[Hook], mark: int) -> MarkRule:
    """What carries a mark is refused."""
    families = reject.match.families if reject.family is None else {reject.family}
    tcp = "-p tcp " if reject.answer == "tcp-reset" else ""
    return MarkRule(
        chain=chain_of(name),
        table="filter",
        hooks=tuple(hooks),
        families=tuple(sorted(families)),
        mark=mark,
        verdict=f"{tcp}-j REJECT --reject-with {_ANSWERS[reject.answer]}",
    )
