"""What is added to the agent's table for one purpose, and taken away as one.

Theory of operation
    An addition has chains of its own, and few rules in base chains, which lead to them. It comes as one
    batch and goes as one. The kernel sends the rules of base chains back as they are made, with their
    handles; those are what removing needs, and by them a rule is read without reading a base chain, which may
    lead to hundreds of others. Every rule carries the addition's name as its comment.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.agent.rules.base_chains import TABLE
from services.agent.rules.selectors import Row
from services.netlink import nftables
from services.netlink.message import Request
from services.netlink.nftables import Rule


@dataclass(frozen=True, slots=True)
class Placed:
    """A rule and where it stands.

    Args:
        chain: which chain.
        row: its expressions.
        is_first: of a rule in a base chain: right behind what is spared, before all faults.
    """

    chain: str
    row: Row
    is_first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """Chains and rules for one purpose.

    Args:
        name: comment of its rules.
        chains: its own, none before one that it leads to.
        rules: in its own chains.
        leads: in base chains.
    """

    name: str
    chains: tuple[str, ...] = ()
    rules: tuple[Placed, ...] = ()
    leads: tuple[Placed, ...] = ()

    def batch(self, spared: Mapping[str, int]) -> list[Request]:
        """The batch that adds it.

        Args:
            spared: for each base chain, the handle of its last rule for what is spared.
        """
        return nftables.batch(
            [
                *(nftables.new_chain(TABLE, chain) for chain in self.chains),
                *(nftables.new_rule(TABLE, each.chain, each.row, self.name) for each in self.rules),
                *(
                    nftables.new_rule(
                        TABLE,
                        each.chain,
                        each.row,
                        self.name,
                        behind=spared[each.chain] if each.is_first else None,
                        echo=True,
                    )
                    for each in self.leads
                ),
            ]
        )

    def removal(self, leads: Iterable[Rule]) -> list[Request]:
        """The batch that takes it away.

        Args:
            leads: its rules in base chains, as the kernel sent them back.
        """
        return nftables.batch(
            [
                *(nftables.delete_rule(TABLE, rule.chain, rule.handle) for rule in leads),
                *(nftables.delete_chain(TABLE, chain) for chain in reversed(self.chains)),
            ]
        )

    def is_complete(self, there: Iterable[Rule]) -> bool:
        """Whether the kernel has every rule of it, each in its chain, and no other with its name."""
        wanted = [
            (each.chain, self.name, tuple(map(nftables.name_of, each.row)))
            for each in (*self.rules, *self.leads)
        ]
        return sorted(wanted) == sorted((rule.chain, rule.comment, rule.expressions) for rule in there)
