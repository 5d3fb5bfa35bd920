"""scripts/bench hosts: its command line, what it makes of figures, and one tiny round of it."""

import json
import os
from pathlib import Path

import pytest

from scripts.machine.bench import options
from scripts.machine.bench.hosts import front, judging, telling
from scripts.machine.bench.hosts.figures import CASES, Measured
from scripts.machine.bench.hosts.front import Plan
from scripts.machine.bench.hosts.memory import descendants, pss_mib
from scripts.machine.bench.hosts.yardsticks import ByHand, Ping, microseconds_of
from scripts.machine.command import read_options
from scripts.machine.errors import UsageError
from socketlab.hosts.namespace import probe
from tests.unit.machine.conftest import Command

LAB = [
    {"by_hand_s": 0.100, "cold_s": 0.090, "warm_s": 0.020, "close_s": 0.010},
    {"by_hand_s": 0.200, "cold_s": 0.300, "warm_s": 0.030, "close_s": 0.011},
    {"by_hand_s": 0.100, "cold_s": 0.080, "warm_s": 0.030, "close_s": 0.012},
]


def plan(*arguments: str) -> Plan:
    return front.read(read_options(arguments, frozenset(options.FLAGS), takes_rest=True))


def test_without_options_every_case_is_measured() -> None:
    made = plan("hosts")
    assert (made.cases, made.rounds) == (CASES, front.ROUNDS)
    assert (made.quick, made.strict, made.json) == (False, False, None)


def test_cases_keep_their_order_and_rounds_are_the_users() -> None:
    made = plan("hosts", "--only", "call", "lab", "--rounds", "7", "--strict", "--quick")
    assert (made.cases, made.rounds) == (("lab", "call"), 7)
    assert made.strict
    assert made.quick


@pytest.mark.parametrize(
    ("arguments", "code", "seen"),
    [
        (["hosts", "lab"], "machine.option", "lab"),
        (["hosts", "--styles", "epoll"], "machine.option", "--styles"),
        (["hosts", "--two-cores"], "machine.option", "--two-cores"),
        (["hosts", "--only", "labs"], "machine.bench-choice", "labs"),
        (["hosts", "--rounds", "0"], "machine.bench-number", "0"),
        (["hosts", "--json", "no/such/folder/a.json"], "machine.bench-file", "no/such/folder/a.json"),
    ],
)
def test_what_makes_no_sense_is_said(arguments: list[str], code: str, seen: str) -> None:
    with pytest.raises(UsageError) as refused:
        plan(*arguments)
    assert (refused.value.code, refused.value.details["seen"]) == (code, seen)


def test_a_ratio_is_made_of_neighbours_and_the_median_of_them_is_told() -> None:
    assert judging.ratio(LAB, "cold_s", "by_hand_s") == pytest.approx(0.9)
    assert judging.ratio(LAB, "warm_s", "by_hand_s") == pytest.approx(0.2)
    assert judging.ratio(LAB, "close_s", "") == pytest.approx(0.011)
    assert judging.ratio(LAB, "pool_ms", "") is None


def test_targets_are_met_missed_or_unknown() -> None:
    hundred = [{"hosts_per_s": 90.0, "mib_per_host": 12.0}]
    measured = Measured({"lab": [*LAB], "hundred": hundred}, failures={"docker": "no engine"})
    met = {verdict.key: verdict.met for verdict in judging.judge(measured)}
    assert met == {
        "hosts-cold": True,
        "hosts-warm": True,
        "hosts-rate": False,
        "hosts-memory": True,
        "hosts-docker": None,
        "hosts-pool": None,
    }


def test_each_case_has_its_table_and_a_case_without_figures_its_reason() -> None:
    measured = Measured({"lab": [*LAB]}, failures={"docker": "no engine answers"}, hosts=100)
    text = "\n".join(telling.tables(measured))
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("|")]
    cells = {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}
    assert ["90.0", "80.0", "300.0", "0.90"] in cells.values()
    assert ["11.0", "10.0", "12.0", "-"] in cells.values()
    assert "no engine answers" in text


def test_every_figure_of_a_target_can_be_told() -> None:
    for target in judging.TARGETS:
        measured = Measured({target.case: [{target.figure: 2.0, target.over or "close_s": 4.0}]})
        assert "0.50" in "\n".join(telling.tables(measured)) or not target.over


def test_the_json_line_goes_there_and_back() -> None:
    with Ping(min(os.sched_getaffinity(0))) as ping:
        took = microseconds_of(ping, 20)
    assert len(took) == 20
    assert min(took) > 0


def test_the_memory_of_descendants_is_theirs_alone() -> None:
    before = set(descendants(os.getpid()))
    with Ping(min(os.sched_getaffinity(0))) as ping:
        ping()
        new = set(descendants(os.getpid())) - before
        assert len(new) == 1
        assert pss_mib() > 0
    assert not set(descendants(os.getpid())) & new


def test_without_an_engine_its_cases_are_left_out_with_the_reason(command: Command, tmp_path: Path) -> None:
    host = f"unix://{tmp_path}/no.sock"
    environ = {**os.environ, "LC_ALL": "C.UTF-8", "DOCKER_HOST": host}
    done = command("scripts/bench", "hosts", "--quick", "--only", "docker", environ=environ)
    assert (done.returncode, done.stdout) == (3, "")
    assert "no engine answers: " in done.stderr


@pytest.fixture
def namespaces() -> None:
    """Skip, with the reason, where no lab can be made of namespaces."""
    if not (found := probe(keep=False)).usable:
        pytest.skip(found.why)


@pytest.mark.usefixtures("namespaces")
def test_by_hand_a_lab_is_made_and_cleared_away_again() -> None:
    with ByHand() as by_hand:
        assert by_hand.seconds() > 0
        assert by_hand.seconds() > 0, "nothing of the first is in the way of the second"
    assert not {"va", "vb", "br0"} & {link.name for link in Path("/sys/class/net").iterdir()}


@pytest.mark.usefixtures("namespaces")
def test_a_tiny_round_gives_every_figure(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    cases = ("lab", "hundred", "call")
    done = command(
        *("scripts/bench", "hosts", "--quick", "--only", *cases, "--json", str(file)),
        environ={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(file.read_text())
    assert told["failures"] == {}
    assert {case: len(rounds) for case, rounds in told["rounds"].items()} == dict.fromkeys(cases, 1)
    assert [verdict["case"] for verdict in told["targets"]] == ["lab"] * 2 + ["hundred"] * 2 + ["call"] * 2
    assert all(verdict["seen"] for verdict in told["targets"])
    assert "### Targets: labs and calls" in done.stdout
