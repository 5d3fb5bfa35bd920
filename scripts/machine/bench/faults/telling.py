"""The figures of faults as tables, for people."""

from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Final

from scripts.machine.bench.faults.figures import APPLYING, BARE, CASES, row_names, values
from scripts.machine.bench.hosts.figures import Figures, Measured
from scripts.machine.bench.tables import NOTHING, grid, number
from socketlab.messages import say

Rounds = Sequence[Figures]
OfRounds = Callable[[list[float]], float]
_APPLYING: Final = (
    ("apply_p50_ms", median, 2),
    ("apply_p95_ms", median, 2),
    ("heal_p50_ms", median, 2),
    ("heal_p95_ms", median, 2),
)
_COLUMNS: Final[dict[str, tuple[tuple[str, OfRounds, int], ...]]] = {
    **dict.fromkeys(APPLYING, _APPLYING),
    "agent": (*_APPLYING, ("cpu_p95_ms", median, 2)),
    "delay": (
        ("p50_us", median, 0),
        ("p99_us", median, 0),
        ("least_us", min, 0),
        ("most_us", max, 0),
        ("early", sum, 0),
    ),
    "loss": (
        ("sent", median, 0),
        ("low", median, 0),
        ("high", median, 0),
        ("lost", median, 0),
        ("ratio", median, 3),
        ("outside", sum, 0),
    ),
    "throttle": (
        ("mbit", median, 3),
        ("ratio", median, 3),
        ("low", median, 3),
        ("high", median, 3),
        ("not_taken", sum, 0),
    ),
    **dict.fromkeys(
        ("round-trip", "bystander"),
        (("p50_us", median, 1), ("p99_us", median, 1), ("added_us", median, 1), ("ratio", median, 3)),
    ),
    "rate": (("offered_per_s", median, 0), ("per_s", median, 0), ("came", median, 3), ("cpu_us", median, 2)),
}
"""Of each case its columns: the figure, what is made of the rounds', and its decimals."""


def tables(measured: Measured) -> Iterator[str]:
    """A table a case."""
    for case in CASES:
        rounds = measured.rounds.get(case, ())
        if not rounds and case not in measured.failures:
            continue
        yield f"### {say(f'scripts.bench.faults.case.{case}')}"
        yield ""
        heads = [say("scripts.bench.faults.column.row")]
        heads += [say(f"scripts.bench.faults.column.{column}") for column, _made, _decimals in _COLUMNS[case]]
        yield from grid(heads, [_line(case, rounds, row) for row in row_names(rounds)])
        if case in measured.failures:
            yield say("scripts.bench.hosts.failed", why=measured.failures[case])
        yield ""


def _line(case: str, rounds: Rounds, row: str) -> list[str]:
    cells = [
        number(made(seen), decimals) if (seen := values(rounds, row, column)) else NOTHING
        for column, made, decimals in _COLUMNS[case]
    ]
    return [row.replace(BARE, say("scripts.bench.faults.bare")), *cells]
