"""The command. stdout has the tables, stderr what is under way."""

import resource
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from scripts.machine import environment
from scripts.machine.bench import equipment, figure, options, report, rounds, tables, targets
from scripts.machine.bench.cases import Case
from scripts.machine.bench.cores import choose, stand_aside
from scripts.machine.bench.faults.suite import FAULTS
from scripts.machine.bench.hosts import front as hosts
from scripts.machine.bench.measuring import Bench
from scripts.machine.bench.options import Plan
from scripts.machine.bench.rounds import CaseResult
from scripts.machine.bench.targets import Verdict
from scripts.machine.command import Options, run_command
from scripts.machine.errors import NothingRanError
from scripts.machine.process import run
from scripts.machine.steps import step, tell
from socketlab.messages import say
from socketlab.wire.text import speaks_utf8, to_ascii

TARGET_MISSED = 1

Versions = dict[str, str | None]


def bench(asked: Options) -> int:
    """Measure what the command line asks for, and tell.

    Raises:
        MachineError: a wrong option, a missing compiler; or nothing at all could be measured.
    """
    _end_as_ctrl_c_does()
    suite = options.suite(asked)
    if suite != options.SUITE:
        return hosts.bench(asked, FAULTS if suite == "faults" else hosts.HOSTS)
    plan = options.read(asked)
    cores = choose(two=plan.two_cores)
    compiled, versions = _equip()
    if versions["uvloop"] is None:
        contenders = tuple(contender for contender in plan.contenders if not contender.needs_uvloop)
        plan = replace(plan, contenders=contenders)
    where = report.machine(cores, versions)
    report.warn_if_busy(where)
    _raise_file_limit()
    stand_aside(cores)
    runs = Bench(compiled=compiled, cores=cores, seconds=plan.seconds)
    made = rounds.run(plan, runs, _progress(plan))
    results = {result.case.name: result for result in made}
    if not any(r for result in made for r in result.rounds):
        why = next((why for result in made for why in result.failures.values()), "-")
        raise NothingRanError("machine.bench-nothing", why=why)
    verdicts = [] if plan.two_cores else targets.judge(results)
    _tell_all(plan, where, results, verdicts)
    return TARGET_MISSED if plan.strict and not all(verdict.met for verdict in verdicts) else 0


def _end_as_ctrl_c_does() -> None:
    """Whoever ends us, what we started ends with us."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


def _equip() -> tuple[Path, Versions]:
    """Bring what is missing; where the C programs are, and the versions of everything."""
    with step("compiler") as current:
        cc = equipment.compiler()
        compiled = equipment.compiled(cc)
        current.result = version = equipment.compiler_version(cc)
    with step("venv") as current:
        current.done("installed" if environment.ensure(current, tests=True) else "up-to-date")
    with step("uvloop") as current:
        uvloop = equipment.uvloop(current)
        current.done("no-uvloop" if uvloop is None else "version", version=uvloop)
    python = run([str(environment.PYTHON), "--version"]).strip()
    return compiled, {"compiler": version, "python": python, "uvloop": uvloop}


def _raise_file_limit() -> None:
    """Servers and generator inherit it; 1,000 connections are more than the usual 1,024 leave room for."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _progress(plan: Plan) -> rounds.Tell:
    def told(number: int, case: Case, seconds: float) -> None:
        told = say("scripts.bench.progress", round=number, rounds=plan.rounds, case=case.name)
        tell(f"{told}  ({seconds:.1f} s)")

    return told


def _tell_all(
    plan: Plan, where: Mapping[str, Any], results: Mapping[str, CaseResult], verdicts: Sequence[Verdict]
) -> None:
    made = max(len(result.rounds) for result in results.values())
    cores = "two-cores" if where["server_core"] != where["generator_core"] else "one-core"
    both = {"core": where["server_core"], "generator": where["generator_core"]}
    _print_out(say("scripts.bench.machine", rounds=made, seconds=plan.seconds, **where))
    _print_out(say(f"scripts.bench.{cores}", **both) + "\n")
    for result in results.values():
        _print_out(tables.case_table(result))
    if plan.two_cores:
        _print_out(say("scripts.bench.not-judged"))
    elif verdicts:
        _print_out(tables.target_table(verdicts))
    if plan.json:
        report.write(plan.json, plan, where, results, verdicts)
    if plan.figure:
        plan.figure.write_text(figure.draw(figure.panels(results)), encoding="utf-8")


def _print_out(text: str) -> None:
    sys.stdout.write((text if speaks_utf8() else to_ascii(text)) + "\n")


if __name__ == "__main__":
    run_command("bench", bench, options.FLAGS, takes_rest=True)
