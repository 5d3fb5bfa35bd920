"""What the rounds say together.

Theory of operation
    A ratio is made within a round, of two runs of the same minute, and then the median of these ratios is
    told; a ratio of two medians would compare minutes. Ratios are turned so that bigger is better: of rates
    ours by theirs, of CPU times theirs by ours.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

from scripts.machine.bench.rounds import CaseResult
from scripts.machine.bench.samples import Footprint, FramedSample, Sample

T = TypeVar("T")
Rounds = Sequence[Mapping[str, Sample]]
"""Runs under load: in each round, by contender."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A contender under load, over all rounds. A ratio is missing where there is nobody to compare with.

    Args:
        name: of the contender.
        rate: median, in operations a second.
        best: the highest.
        worst: the lowest.
        p50: median of the rounds' medians, in µs; None: the case has no latency.
        p99: the same of the 99th percentiles.
        cpu: median CPU time by operation, in µs.
        rate_ratios: to each reference.
        cpu_ratios: to each reference.
        lost: datagrams, in all rounds.
    """

    name: str
    rate: float
    best: float
    worst: float
    p50: float | None
    p99: float | None
    cpu: float
    rate_ratios: dict[str, float]
    cpu_ratios: dict[str, float]
    lost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FramedRow:
    """A style serving `framed`, beside itself serving `echo`.

    Args:
        echo: its row of echo.
        framed: its row of framed.
        cost: CPU time by operation of framed, by that of echo: smaller is better.
    """

    echo: Row
    framed: Row
    cost: float


def rows(rounds: Rounds, references: Sequence[str] = ()) -> list[Row]:
    """A row for each contender, the one of least CPU time first."""
    found = [_row(rounds, name, references) for name in _names(rounds)]
    return sorted(found, key=lambda row: row.cpu)


def framed_rows(result: CaseResult) -> list[FramedRow]:
    """A row for each style, the cheapest first."""
    pairs = of_kind(result, FramedSample)
    echo = {row.name: row for row in rows([{name: pair.echo for name, pair in r.items()} for r in pairs])}
    framed = rows([{name: pair.framed for name, pair in r.items()} for r in pairs])
    return [FramedRow(echo=echo[row.name], framed=row, cost=_cost(pairs, row.name)) for row in framed]


def _cost(pairs: Iterable[Mapping[str, FramedSample]], name: str) -> float:
    return median(r[name].framed.cpu / r[name].echo.cpu for r in pairs if name in r)


def under_load(result: CaseResult) -> Rounds:
    """The runs of a case that gave a rate."""
    return of_kind(result, Sample)


def footprints(result: CaseResult) -> dict[str, Footprint]:
    """What a case about memory gave, which is measured once."""
    return {name: footprint for r in of_kind(result, Footprint) for name, footprint in r.items()}


def of_kind(result: CaseResult, kind: type[T]) -> list[dict[str, T]]:
    """The rounds of a case, with what was measured in the way that it is read now."""
    return [{name: sample for name, sample in r.items() if isinstance(sample, kind)} for r in result.rounds]


def _names(rounds: Rounds) -> list[str]:
    """Those who have a figure, in the order in which they were measured."""
    return list(dict.fromkeys(name for r in rounds for name in r))


def _row(rounds: Rounds, name: str, references: Sequence[str]) -> Row:
    own = [r[name] for r in rounds if name in r]
    rates = [sample.rate for sample in own]
    return Row(
        name=name,
        rate=median(rates),
        best=max(rates),
        worst=min(rates),
        p50=_median(sample.p50 for sample in own),
        p99=_median(sample.p99 for sample in own),
        cpu=median(sample.cpu for sample in own),
        rate_ratios=_ratios(rounds, name, references, lambda ours, theirs: ours.rate / theirs.rate),
        cpu_ratios=_ratios(rounds, name, references, lambda ours, theirs: theirs.cpu / ours.cpu),
        lost=sum(sample.lost for sample in own),
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _ratios(
    rounds: Rounds, name: str, references: Sequence[str], ratio: Callable[[Sample, Sample], float]
) -> dict[str, float]:
    found = {}
    for reference in references:
        in_rounds = [ratio(r[name], r[reference]) for r in rounds if name in r and reference in r]
        if in_rounds:
            found[reference] = median(in_rounds)
    return found
