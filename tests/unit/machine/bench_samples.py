"""Figures that are known beforehand, for the tests of what is made of figures."""

from scripts.machine.bench.cases import CASES, Case
from scripts.machine.bench.rounds import CaseResult, Round
from scripts.machine.bench.samples import Sample

BY_NAME = {case.name: case for case in CASES}


def case(name: str) -> Case:
    return BY_NAME[name]


def sample(rate: float = 1000.0, cpu: float = 10.0, *, lost: int = 0) -> Sample:
    return Sample(rate=rate, cpu=cpu, p50=1e6 / rate, p99=2e6 / rate, lost=lost)


def result(name: str, *rounds: Round) -> CaseResult:
    return CaseResult(case(name), rounds=list(rounds))
