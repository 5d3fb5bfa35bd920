"""The order of the runs, and what becomes of a contender that fails."""

import time
from dataclasses import replace

import pytest

from scripts.machine.bench import options, rounds
from scripts.machine.bench.cases import Case
from scripts.machine.bench.failures import FailedRunError
from scripts.machine.bench.options import Plan
from scripts.machine.bench.samples import Sample
from scripts.machine.command import Options
from tests.unit.machine.bench_samples import case, sample


def plan(*cases: str, rounds: int = 1, styles: tuple[str, ...] = ("epoll", "iterative")) -> Plan:
    arguments = ("servers", "--rounds", str(rounds), "--only", *cases, "--styles", *styles)
    return options.read(Options(frozenset(), arguments))


class Bench:
    """Gives the same figures to all, and writes down whom it was asked for."""

    def __init__(self, *failing: str, takes: float = 0.0) -> None:
        self.asked: list[tuple[str, str]] = []
        self.failing = failing
        self.takes = takes

    def measure(self, case: Case, name: str) -> Sample:
        self.asked.append((case.name, name))
        time.sleep(self.takes)
        if name in self.failing:
            raise FailedRunError("machine.bench-result", seen=name)
        return sample()


def ignore(_round: int, _case: Case, _seconds: float) -> None:
    pass


def test_contenders_take_turns_in_a_case_and_cases_in_a_round() -> None:
    bench = Bench()
    rounds.run(plan("accepts", "bulk", rounds=2), bench, ignore)
    one = [(case, name) for case in ("bulk", "accepts") for name in ("C", "uvloop", "epoll", "iterative")]
    assert bench.asked == one * 2


def test_who_cannot_take_part_is_not_asked_and_said_why() -> None:
    bench = Bench()
    made = {r.case.name: r for r in rounds.run(plan("pingpong-50", "framed", "udp-50"), bench, ignore)}
    assert ("pingpong-50", "iterative") not in bench.asked
    assert ("udp-50", "iterative") in bench.asked  # a datagram is no connection: all are served
    assert made["pingpong-50"].absent == {"iterative": "one-client"}
    assert made["framed"].absent == {"C": "protocol", "uvloop": "protocol", "iterative": "one-client"}


def test_the_generators_take_turns_in_their_case() -> None:
    assert rounds.participants(case("load"), plan("load").contenders) == ["C", "load"]


def test_who_fails_is_not_asked_again_and_the_others_go_on() -> None:
    bench = Bench("uvloop")
    [made] = rounds.run(plan("bulk", rounds=3), bench, ignore)
    assert bench.asked.count(("bulk", "uvloop")) == 1
    assert bench.asked.count(("bulk", "epoll")) == 3
    assert "uvloop" in made.failures["uvloop"]
    assert all("uvloop" not in r for r in made.rounds)


def test_memory_is_measured_in_the_first_round_only() -> None:
    bench = Bench()
    rounds.run(plan("idle", "bulk", rounds=3), bench, ignore)
    assert bench.asked.count(("idle", "epoll")) == 1
    assert bench.asked.count(("bulk", "epoll")) == 3


@pytest.mark.parametrize(("budget", "expected"), [(0.0, 1), (None, 5)])
def test_no_round_begins_that_would_end_too_late(budget: float | None, expected: int) -> None:
    bench = Bench(takes=0.001)
    [made] = rounds.run(replace(plan("bulk", rounds=5), budget=budget), bench, ignore)
    assert len(made.rounds) == expected


def test_progress_is_told() -> None:
    told: list[tuple[int, str]] = []
    rounds.run(plan("bulk", "accepts", rounds=2), Bench(), lambda n, c, _s: told.append((n, c.name)))
    assert told == [(1, "bulk"), (1, "accepts"), (2, "bulk"), (2, "accepts")]
