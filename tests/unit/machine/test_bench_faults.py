"""scripts/bench faults: its command line, what it makes of figures, and one tiny round of it."""

import json
import math
import os
from pathlib import Path

import pytest

from scripts.machine.bench import options
from scripts.machine.bench.faults import interval, judging, kinds, telling
from scripts.machine.bench.faults.applying import figures_of
from scripts.machine.bench.faults.figures import CASES, row
from scripts.machine.bench.faults.suite import FAULTS
from scripts.machine.bench.faults.traffic import PARTS, rates
from scripts.machine.bench.hosts import front
from scripts.machine.bench.hosts.figures import Measured
from scripts.machine.command import read_options
from scripts.machine.errors import UsageError
from socketlab.hosts.namespace import probe
from tests.unit.machine.conftest import Command


def plan(*arguments: str) -> front.Plan:
    return front.read(read_options(arguments, frozenset(options.FLAGS), takes_rest=True), FAULTS)


def test_without_options_every_case_is_measured() -> None:
    made = plan("faults")
    assert (made.cases, made.rounds) == (CASES, FAULTS.rounds)


def test_cases_are_those_of_this_suite() -> None:
    assert plan("faults", "--only", "rate", "agent").cases == ("agent", "rate")
    with pytest.raises(UsageError) as refused:
        plan("faults", "--only", "hundred")
    assert refused.value.details["seen"] == "hundred"


def test_every_kind_of_fault_of_a_row_can_be_made() -> None:
    assert {name: kinds.fault(name, "10.0.0.2").kind for name in kinds.ALL} == {
        name: name.split()[0] for name in kinds.ALL
    }


@pytest.mark.parametrize(("chance", "trials"), [(0.01, 10_000), (0.1, 10_000), (0.5, 10_000), (0.3, 20)])
def test_the_interval_holds_999_of_1000_runs_and_no_wider_one_is_needed(chance: float, trials: int) -> None:
    def likelihood(low: int, high: int) -> float:
        # The ways alone have thousands of digits: the first by its logarithm, each next one by its ratio.
        each = math.exp(
            math.log(math.comb(trials, low)) + low * math.log(chance) + (trials - low) * math.log1p(-chance)
        )
        total = 0.0
        for count in range(low, high + 1):
            total += each
            each *= (trials - count) / (count + 1) * chance / (1 - chance)
        return total

    low, high = interval.of_count(chance, trials)
    assert low < chance * trials < high
    assert likelihood(low, high) >= 0.999
    assert likelihood(low + 1, high - 1) < 0.999


def test_the_interval_of_a_ratio_narrows_with_the_parts() -> None:
    low, high = interval.of_ratio(1.0, 0.1, 4)
    assert (low, high) == pytest.approx((0.8355, 1.1645), abs=1e-4)
    assert interval.of_ratio(1.0, 0.1, 400)[0] == pytest.approx(0.98355, abs=1e-5)


def test_a_rate_is_made_of_settled_parts() -> None:
    steady = list(range(0, 1_000_000_000, 1_000_000))
    assert rates([*([0] * 250), *(each + 1 for each in steady)]) == pytest.approx([1000.0] * PARTS)
    assert rates([1, 2, 3]) == []


def test_the_worst_row_of_a_target_is_judged_by_the_median_of_its_rounds() -> None:
    def one(drop: float, delay: float) -> dict[str, float]:
        return {**row("drop", apply_p95_ms=drop), **row("delay", apply_p95_ms=delay)}

    measured = Measured({"agent": [one(0.5, 0.9), one(9.0, 0.8), one(0.6, 0.7)]})
    quick, slow = judging.judge(measured)
    assert (quick.who, quick.seen, quick.met) == ("delay", 0.8, True)
    assert (slow.seen, slow.met) == (None, None)


def test_one_packet_that_came_early_is_one_too_many() -> None:
    late = row("delay 5 ms", p99_us=100.0, early=0.0)
    early = row("delay 5 ms", p99_us=100.0, early=1.0)
    judged = {
        each.key: each
        for each in judging.judge(Measured({"delay": [late, early, late]}))
        if each.met is not None
    }
    assert judged["faults-early"].met is False
    assert judged["faults-delay"].met is True


def test_loss_and_throttle_tell_their_interval_and_the_ratio() -> None:
    loss = row("loss 10%", sent=10_000, lost=1050, low=903, high=1100, ratio=1.05, outside=0.0)
    throttle = row("1 Mbit/s", mbit=0.98, ratio=0.98, low=0.97, high=0.99, off=0.02, not_taken=0)
    text = "\n".join(telling.tables(Measured({"loss": [loss], "throttle": [throttle]})))
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if "|" in line]
    assert ["loss 10%", "10 000", "903", "1 100", "1 050", "1.050", "0"] in lines
    assert ["1 Mbit/s", "0.980", "0.980", "0.970", "0.990", "0"] in lines


def test_every_target_is_a_figure_that_a_case_gives() -> None:
    given = figures_of({kind: ([1.0, 2.0], [1.0, 2.0]) for kind in kinds.ALL})
    for target in judging.TARGETS:
        if target.case in {"agent", "docker"}:
            assert {f"{name}/{target.column}" for name in target.rows} <= given.keys()


@pytest.fixture
def namespaces() -> None:
    """Skip, with the reason, where no lab can be made of namespaces."""
    if not (found := probe(keep=False)).usable:
        pytest.skip(found.why)


@pytest.mark.usefixtures("namespaces")
def test_a_tiny_round_gives_every_figure_that_is_judged(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    cases = ("agent", "loss", "round-trip")
    done = command(
        *("scripts/bench", "faults", "--quick", "--only", *cases, "--json", str(file)),
        environ={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(file.read_text())
    assert told["failures"] == {}
    assert {verdict["case"] for verdict in told["targets"]} == set(cases)
    assert all(verdict["seen"] is not None for verdict in told["targets"])
    (loss,) = told["rounds"]["loss"]
    assert loss["bare/lost"] == 0
    assert loss["loss 50%/lost"] > 0
    assert "### Targets: faults" in done.stdout
