"""How figures are named: `row/column`."""

from collections.abc import Sequence
from typing import Final

from scripts.machine.bench.hosts.figures import Figures

APPLYING: Final = ("agent", "controller", "docker")
"""The cases that put faults in force; in each the rows are kinds."""
CASES: Final = (*APPLYING, "delay", "loss", "throttle", "round-trip", "rate", "bystander")
"""In the order in which a round makes them."""
OF_DOCKER: Final = frozenset({"docker"})
BARE: Final = "bare"
"""The row of the path without a fault."""


def row(name: str, **columns: float) -> Figures:
    """The figures of one row."""
    return {f"{name}/{column}": value for column, value in columns.items()}


def row_names(rounds: Sequence[Figures]) -> list[str]:
    """The rows that rounds of a case have, each once."""
    return list(dict.fromkeys(name.rpartition("/")[0] for figures in rounds for name in figures))


def values(rounds: Sequence[Figures], name: str, column: str) -> list[float]:
    """A figure of each round that has it."""
    return [figures[f"{name}/{column}"] for figures in rounds if f"{name}/{column}" in figures]
