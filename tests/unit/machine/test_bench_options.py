"""The command line of scripts/bench."""

from pathlib import Path

import pytest

from scripts.machine.bench import options
from scripts.machine.bench.cases import CASES
from scripts.machine.bench.contenders import CONTENDERS
from scripts.machine.bench.options import Plan
from scripts.machine.command import read_options
from scripts.machine.errors import UsageError


def plan(*arguments: str) -> Plan:
    return options.read(read_options(arguments, frozenset(options.FLAGS), takes_rest=True))


def test_without_options_everything_is_measured_within_the_budget() -> None:
    made = plan("servers")
    assert made.cases == CASES
    assert made.contenders == CONTENDERS
    assert (made.rounds, made.seconds, made.budget) == (4, 0.5, options.BUDGET)
    assert (made.strict, made.two_cores, made.json, made.figure) == (False, False, None, None)


def test_the_rounds_and_seconds_that_were_asked_for_have_no_budget() -> None:
    made = plan("servers", "--rounds", "7", "--seconds", "2.5", "--two-cores", "--strict")
    assert (made.rounds, made.seconds, made.budget) == (7, 2.5, None)
    assert made.strict
    assert made.two_cores


def test_quick_is_shorter_and_leaves_the_longest_out_unless_it_is_named() -> None:
    made = plan("servers", "--quick")
    assert made.seconds < plan("servers").seconds
    assert "growth" not in {case.name for case in made.cases}
    assert [case.name for case in plan("servers", "--quick", "--only", "growth").cases] == ["growth"]


def test_cases_are_named_one_by_one_or_by_family_and_keep_their_order() -> None:
    made = plan("servers", "--only", "udp", "bulk", "pingpong-50", "udp-1", "--quick", "--styles", "epoll")
    assert [case.name for case in made.cases] == ["pingpong-50", "bulk", "udp-1", "udp-50"]


def test_the_references_take_part_in_any_case() -> None:
    made = plan("servers", "--styles", "select", "epoll")
    assert [contender.name for contender in made.contenders] == ["C", "uvloop", "epoll", "select"]


def test_files_are_the_users_from_the_users_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(options.CALLED_FROM, str(tmp_path))
    made = plan("servers", "--json", "a.json", "--figure", "/tmp/b.svg")  # noqa: S108 - a name, not a file
    assert made.json == tmp_path / "a.json"
    assert made.figure == Path("/tmp/b.svg")  # noqa: S108


@pytest.mark.parametrize(
    ("arguments", "code", "seen"),
    [
        ([], "machine.bench-suite", "-"),
        (["clients"], "machine.bench-suite", "clients"),
        (["servers", "--onyl", "bulk"], "machine.option", "--onyl"),
        (["servers", "--only", "bulky"], "machine.bench-choice", "bulky"),
        (["servers", "--styles", "epol"], "machine.bench-choice", "epol"),
        (["servers", "--rounds", "0"], "machine.bench-number", "0"),
        (["servers", "--rounds", "2.5"], "machine.bench-number", "2.5"),
        (["servers", "--rounds", "2", "3"], "machine.bench-number", "2 3"),
        (["servers", "--seconds", "soon"], "machine.bench-number", "soon"),
        (["servers", "--seconds", "nan"], "machine.bench-number", "nan"),
        (["servers", "--json", "no/such/folder/a.json"], "machine.bench-file", "no/such/folder/a.json"),
        (["servers", "--figure", "/"], "machine.bench-file", "/"),
    ],
)
def test_what_makes_no_sense_is_said(arguments: list[str], code: str, seen: str) -> None:
    with pytest.raises(UsageError) as refused:
        plan(*arguments)
    assert (refused.value.code, refused.value.details["seen"]) == (code, seen)


def test_an_option_without_its_value_is_said() -> None:
    with pytest.raises(UsageError) as refused:
        plan("servers", "--json", "--quick")
    assert (refused.value.code, refused.value.details["option"]) == ("machine.bench-value", "--json")
