"""The figures of labs and calls as tables, for people."""

from collections.abc import Iterator
from statistics import median
from typing import Final

from scripts.machine.bench.hosts.figures import CASES, Measured
from scripts.machine.bench.hosts.judging import TARGETS, ratio
from scripts.machine.bench.tables import NOTHING, column_heads, grid, number
from socketlab.messages import say

_SCALES: Final = {"s": 1000.0}
"""Figures whose names end so are told in milliseconds."""
_SMALL: Final = 10.0
"""Below it, two decimals matter."""


def tables(measured: Measured) -> Iterator[str]:
    """A table a case: each figure's median, best and worst round, and its ratio to the yardstick."""
    for case in CASES:
        if case not in measured.rounds and case not in measured.failures:
            continue
        yield f"### {say(f'scripts.bench.hosts.case.{case}', count=measured.hosts)}"
        yield ""
        names = list(dict.fromkeys(name for figures in measured.rounds.get(case, ()) for name in figures))
        lines = [_line(measured, case, name) for name in names]
        yield from grid(column_heads("figure", "rate", "least", "most", "over-yardstick"), lines)
        if case in measured.failures:
            yield say("scripts.bench.hosts.failed", why=measured.failures[case])
        yield ""


def _line(measured: Measured, case: str, name: str) -> list[str]:
    rounds = measured.rounds[case]
    _, _, unit = name.rpartition("_")
    scale = 1.0 if name == "hosts_per_s" else _SCALES.get(unit, 1.0)
    values = [figures[name] * scale for figures in rounds if name in figures]
    over = next((each.over for each in TARGETS if (each.case, each.figure) == (case, name)), "")
    compared = ratio(rounds, name, over) if over else None
    cells = (
        number(value, 2 if value < _SMALL else 1) for value in (median(values), min(values), max(values))
    )
    told = NOTHING if compared is None else number(compared, 2)
    return [say(f"scripts.bench.hosts.figure.{name}"), *cells, told]
