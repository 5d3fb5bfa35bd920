"""What the lab's servers are to reach, and whether they do."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from scripts.machine.bench.cases import Kind
from scripts.machine.bench.contenders import BY_NAME, LOAD_IN_PYTHON, REFERENCES, UVLOOP, C
from scripts.machine.bench.rounds import CaseResult
from scripts.machine.bench.summary import footprints, framed_rows, rows, under_load

JUDGED: Final = "epoll"
"""The style whose CPU time is judged."""

CPU: Final = (
    *(("pingpong-50", C, 0.85), ("pingpong-50", UVLOOP, 0.95)),
    *(("pingpong-500", C, 0.85), ("pingpong-500", UVLOOP, 0.95)),
    *(("bulk", UVLOOP, 0.90),),
    *(("accepts", C, 0.70), ("accepts", UVLOOP, 0.95)),
    *(("udp-50", C, 0.60), ("udp-50", UVLOOP, 1.00)),
)
"""Case, reference, and the least share of the reference's speed, by CPU time."""
FRAMED_COST: Final = 2.5
"""At most so many times the CPU time of echo."""
IDLE: Final = (("select", 1000.0), ("epoll", 1000.0))
"""Style, and most bytes by idle connection."""
GROWTH: Final = 256
"""Most KiB that the resident memory of any style may grow by, in all the connections of the case.

Of 10,000 connections one object each would stay with more; a page here and there is the allocator's affair.
"""
LOAD_RATE: Final = 0.6
"""The least share of the C generator's rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A target, and what was seen.

    Args:
        case: name of the case.
        key: of the sentence under `scripts.bench.target`.
        who: the contender that is judged.
        other: whom it is held against; empty: nobody.
        target: the figure to reach.
        seen: the figure; None: there is none.
        most: the target must not be exceeded, instead of reached.
    """

    case: str
    key: str
    who: str
    other: str = ""
    target: float
    seen: float | None
    most: bool = False

    @property
    def met(self) -> bool | None:
        """Whether it is; None: not measured."""
        if self.seen is None:
            return None
        return self.seen <= self.target if self.most else self.seen >= self.target


def judge(results: Mapping[str, CaseResult]) -> list[Verdict]:
    """Hold what was measured against the targets of the cases that were asked for."""
    judges: Mapping[Kind, Callable[[CaseResult], Iterator[Verdict]]] = {
        Kind.RATE: _rates,
        Kind.FRAMED: _framed,
        Kind.IDLE: _idle,
        Kind.GROWTH: _growth,
        Kind.LOAD: _load,
    }
    return [verdict for result in results.values() for verdict in judges[result.case.kind](result)]


def _rates(result: CaseResult) -> Iterator[Verdict]:
    found = {row.name: row for row in rows(under_load(result), REFERENCES)}
    for case, reference, target in CPU:
        if case == result.case.name:
            ratios = found[JUDGED].cpu_ratios if JUDGED in found else {}
            yield Verdict(
                case=case, key="cpu", who=JUDGED, other=reference, target=target, seen=ratios.get(reference)
            )


def _framed(result: CaseResult) -> Iterator[Verdict]:
    costs = {row.framed.name: row.cost for row in framed_rows(result)}
    yield Verdict(
        case=result.case.name,
        key="framed",
        who=JUDGED,
        target=FRAMED_COST,
        seen=costs.get(JUDGED),
        most=True,
    )


def _idle(result: CaseResult) -> Iterator[Verdict]:
    found = footprints(result)
    for style, target in IDLE:
        seen = found[style].per_connection if style in found else None
        yield Verdict(case=result.case.name, key="idle", who=style, target=target, seen=seen, most=True)


def _growth(result: CaseResult) -> Iterator[Verdict]:
    found = footprints(result)
    for name in (*found, *result.failures):
        if BY_NAME[name].ours:
            seen = found[name].growth if name in found else None
            yield Verdict(case=result.case.name, key="growth", who=name, target=GROWTH, seen=seen, most=True)


def _load(result: CaseResult) -> Iterator[Verdict]:
    found = {row.name: row for row in rows(under_load(result), (C,))}
    ratios = found[LOAD_IN_PYTHON].rate_ratios if LOAD_IN_PYTHON in found else {}
    yield Verdict(
        case=result.case.name,
        key="load",
        who=LOAD_IN_PYTHON,
        other=C,
        target=LOAD_RATE,
        seen=ratios.get(C),
    )
