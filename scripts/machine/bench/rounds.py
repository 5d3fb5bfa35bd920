"""All runs, interleaved: every contender of a case once, then the next case; that is a round."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from scripts.machine.bench.cases import Case, Kind
from scripts.machine.bench.contenders import LOAD_IN_PYTHON, C, Contender
from scripts.machine.bench.failures import FailedRunError
from scripts.machine.bench.options import Plan
from scripts.machine.bench.samples import Measured

ROUND_MARGIN: Final = 1.05
"""A round may take a little longer than the one before."""

Round = Mapping[str, Measured]
"""What one round gave in one case, by contender."""
Tell = Callable[[int, Case, float], None]
"""Called with the round (from 1), the case and how many seconds it took."""


class Measures(Protocol):
    """What makes a run: `measuring.Bench`, or a stand-in where figures must be known beforehand."""

    def measure(self, case: Case, name: str) -> Measured:
        """Measure one contender in one case."""


@dataclass(slots=True)
class CaseResult:
    """What a case gave.

    Args:
        case: which.
        rounds: in order.
        failures: why a contender has no figure: it failed once, and was not asked again.
        absent: key of the obstacle (`Contender.obstacle`) of each that has no part in it.
    """

    case: Case
    rounds: list[Round] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)


def run(plan: Plan, bench: Measures, tell: Tell) -> list[CaseResult]:
    """Measure everything that a plan asks for, as many rounds as its budget allows, at least one.

    Args:
        plan: what to measure.
        bench: makes the runs.
        tell: hears of the progress.
    """
    started = time.monotonic()
    results = [CaseResult(case, absent=_absent(case, plan.contenders)) for case in plan.cases]
    for number in range(1, plan.rounds + 1):
        began = time.monotonic()
        for result in results:
            if number == 1 or not result.case.once:
                case_began = time.monotonic()
                result.rounds.append(_round(result, participants(result.case, plan.contenders), bench))
                tell(number, result.case, time.monotonic() - case_began)
        now = time.monotonic()
        if plan.budget is not None and now - started + (now - began) * ROUND_MARGIN > plan.budget:
            break
    return results


def participants(case: Case, contenders: Sequence[Contender]) -> list[str]:
    """The names of those who have a part in a case, in order."""
    if case.kind is Kind.LOAD:
        return [C, LOAD_IN_PYTHON]
    return [contender.name for contender in contenders if contender.obstacle(case) is None]


def _absent(case: Case, contenders: Sequence[Contender]) -> dict[str, str]:
    if case.kind is Kind.LOAD:
        return {}
    return {
        contender.name: obstacle
        for contender in contenders
        if (obstacle := contender.obstacle(case)) is not None
    }


def _round(result: CaseResult, names: Sequence[str], bench: Measures) -> Round:
    measured: dict[str, Measured] = {}
    for name in names:
        if name in result.failures:
            continue
        try:
            measured[name] = bench.measure(result.case, name)
        except FailedRunError as error:
            result.failures[name] = str(error)
    return measured
