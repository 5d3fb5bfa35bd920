"""`scripts/bench hosts`: the command line, the tables, the exit status. The measuring is another process."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from scripts.machine import ROOT, engine, environment
from scripts.machine.bench import report, tables
from scripts.machine.bench.hosts import judging, telling
from scripts.machine.bench.hosts.figures import CASES, OF_DOCKER, Measured
from scripts.machine.bench.options import file_of, number_of, sort
from scripts.machine.bench.targets import Verdict
from scripts.machine.command import Options
from scripts.machine.errors import CommandError, NothingRanError, UsageError
from scripts.machine.run_lock import RUN_VARIABLE, RunLock
from scripts.machine.steps import step, tell
from socketlab.messages import say
from socketlab.wire.text import speaks_utf8, to_ascii

ROUNDS: Final = 5
QUICK_ROUNDS: Final = 1
_ROUNDS_MAX: Final = 100
_VALUED: Final = ("--json", "--only", "--rounds")
_FLAGS: Final = ("--quick", "--strict")
TARGET_MISSED: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """What is measured by a process of its own, in rounds.

    Args:
        cases: all that there are, in order.
        of_docker: those of them that take an engine.
        module: what the process runs.
        judge: makes verdicts of what was measured.
        tables: makes tables of it.
        heading: of the targets' table; its key under `scripts.bench`.
        rounds: so many, unless the user says otherwise.
    """

    cases: tuple[str, ...]
    of_docker: frozenset[str]
    module: str
    judge: Callable[[Measured], list[Verdict]]
    tables: Callable[[Measured], Iterator[str]]
    heading: str
    rounds: int


HOSTS: Final = Suite(
    cases=CASES,
    of_docker=OF_DOCKER,
    module="scripts.machine.bench.hosts.measure",
    judge=judging.judge,
    tables=telling.tables,
    heading="hosts.targets",
    rounds=ROUNDS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to measure and what to do with it.

    Args:
        cases: in order.
        rounds: every case is measured once in each.
        quick: fewer hosts and calls: a first look, too short to judge by.
        strict: a missed target is a failure.
        json: where the figures are written; None: nowhere.
    """

    cases: tuple[str, ...]
    rounds: int
    quick: bool
    strict: bool
    json: Path | None


def read(options: Options, suite: Suite = HOSTS) -> Plan:
    """Make a plan of a command line.

    Args:
        options: of the command line.
        suite: that it asks for.

    Raises:
        UsageError: it makes no sense.
    """
    words, given = sort(options.rest, _FLAGS, _VALUED)
    if len(words) > 1:
        raise UsageError("machine.option", seen=words[1], expected=" ".join((*_FLAGS, *_VALUED)))
    for word in given.get("--only", ()):
        if word not in suite.cases:
            expected = " ".join(suite.cases)
            raise UsageError("machine.bench-choice", option="--only", seen=word, expected=expected)
    if alien := options.flags - {*_FLAGS, "--debug"}:
        raise UsageError("machine.option", seen=min(alien), expected=" ".join((*_FLAGS, *_VALUED)))
    quick = "--quick" in options.flags
    rounds = number_of(given, "--rounds", int, 1, _ROUNDS_MAX)
    return Plan(
        cases=tuple(case for case in suite.cases if case in given.get("--only", suite.cases)),
        rounds=int(rounds or (QUICK_ROUNDS if quick else suite.rounds)),
        quick=quick,
        strict="--strict" in options.flags,
        json=file_of(given, "--json"),
    )


def bench(asked: Options, suite: Suite = HOSTS) -> int:
    """Measure what the command line asks for, and tell.

    Args:
        asked: the command line.
        suite: that it asks for.

    Raises:
        MachineError: a wrong option; or nothing at all could be measured.
    """
    plan = read(asked, suite)
    with step("venv") as current:
        current.done("installed" if environment.ensure(current, tests=False) else "up-to-date")
    cases, skipped = plan.cases, {}
    if suite.of_docker & set(cases):
        finding = engine.look()
        if finding.state is not engine.State.READY:
            cases = tuple(case for case in cases if case not in suite.of_docker)
            why = finding.seen or say("error.machine.engine-absent").splitlines()[0]
            skipped = {
                case: say("scripts.bench.hosts.no-engine", why=why)
                for case in plan.cases
                if case in suite.of_docker
            }
    where = report.place()  # before we make it busy ourselves
    report.warn_if_busy(where)
    measured = _measure(plan, cases, suite.module) if cases else Measured()
    measured.failures |= skipped
    if not measured.rounds:
        raise NothingRanError("machine.bench-nothing", why=next(iter(measured.failures.values())))
    verdicts = suite.judge(measured)
    _tell_all(plan, suite, where, measured, verdicts)
    return TARGET_MISSED if plan.strict and any(verdict.met is False for verdict in verdicts) else 0


def _measure(plan: Plan, cases: Sequence[str], module: str) -> Measured:
    """Have it measured; progress goes to our stderr."""
    argv = [str(environment.PYTHON), "-m", module]
    asked = {"cases": list(cases), "rounds": plan.rounds, "quick": plan.quick}
    with RunLock() as lock:
        environ = {**os.environ, RUN_VARIABLE: lock.label}
        with subprocess.Popen(
            [*argv, json.dumps(asked)], stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environ
        ) as child:
            try:
                out, _ = child.communicate()
            except BaseException:
                # Ctrl-C reached it, too: what it holds on an engine takes it a moment to remove.
                child.send_signal(signal.SIGINT)
                child.wait()
                raise
    if child.returncode:
        raise CommandError(argv, child.returncode, out)
    return Measured.from_plain(json.loads(out))


def _tell_all(
    plan: Plan, suite: Suite, where: Mapping[str, Any], measured: Measured, verdicts: Sequence[Verdict]
) -> None:
    _print(
        say("scripts.bench.hosts.machine", rounds=plan.rounds, python=sys.version.split()[0], **where) + "\n"
    )
    for line in suite.tables(measured):
        _print(line)
    _print(tables.target_table(verdicts, heading=suite.heading))
    if plan.quick:
        tell(say("scripts.bench.hosts.quick"))
    if plan.json:
        told = {
            "machine": where,
            **measured.as_plain(),
            "targets": [{**asdict(verdict), "met": verdict.met} for verdict in verdicts],
        }
        plan.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def _print(text: str) -> None:
    sys.stdout.write((text if speaks_utf8() else to_ascii(text)) + "\n")
