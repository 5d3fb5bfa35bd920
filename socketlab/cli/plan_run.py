"""`socketlab plan run`: run a plan on a lab that runs, or on the one that it names."""

import json
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from socketlab.cli.console import put, put_table, tell
from socketlab.cli.group import command
from socketlab.cli.options import lab_option
from socketlab.errors import SpecError
from socketlab.messages import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from socketlab.faults.plans.model import Plan
    from socketlab.faults.plans.result import Result
    from socketlab.hosts.lab import Lab

_FILE = click.Path(path_type=Path, dir_okay=False, allow_dash=True)


@command("run", under="plan")
@lab_option()
@click.option("--backend", type=click.Choice(("auto", "docker", "namespace")), help=say("cli.up.backend"))
@click.option("--json", "json_file", type=_FILE, metavar="FILE|-", help=say("cli.plan.run.json"))
@click.option("--junit", "junit_file", type=_FILE, metavar="FILE|-", help=say("cli.plan.run.junit"))
@click.option(
    "--pcap", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help=say("cli.plan.run.pcap")
)
@click.option("--verify/--no-verify", default=True, help=say("cli.plan.run.verify"))
@click.option("-q", "--quiet", is_flag=True, help=say("cli.plan.run.quiet"))
@click.argument("file", type=click.Path(path_type=Path), metavar="PLAN.YAML")
def run(
    *,
    lab: str | None,
    backend: str | None,
    json_file: Path | None,
    junit_file: Path | None,
    pcap: Path | None,
    verify: bool,
    quiet: bool,
    file: Path,
) -> int:
    """Run a plan."""
    from socketlab.faults.plans.executor import check  # noqa: PLC0415 - a plan's modules, only when needed
    from socketlab.faults.plans.executor import run as run_plan  # noqa: PLC0415 - the same
    from socketlab.faults.plans.file import read  # noqa: PLC0415 - the same
    from socketlab.faults.plans.junit import as_junit  # noqa: PLC0415 - the same

    plan = read(file)
    for each in (json_file, junit_file):
        _try(each)
    with _opened(plan, lab, backend) as opened, ExitStack() as capturing:
        check(plan, opened)
        if pcap is not None:
            _make(pcap)
            capturing.enter_context(opened.faults.capture(pcap))
        tell(say("cli.plan.run.began", plan=plan.name, lab=opened.name, backend=opened.backend))
        result = run_plan(plan, opened, verify=verify, tell=(lambda _: None) if quiet else tell)
    if json_file != Path("-") != junit_file:
        _show(result)
    _write(json_file, json.dumps(result.as_json(), indent=2) + "\n")
    _write(junit_file, as_junit(result))
    tell(str(result))
    return result.exit_status


@contextmanager
def _opened(plan: "Plan", name: str | None, backend: str | None) -> "Iterator[Lab]":
    """The lab that it runs on: a held one, or the one that it names, for the length of a block."""
    from socketlab.holder.attached import attach  # noqa: PLC0415 - a lab's modules, only when needed
    from socketlab.hosts.lab import Lab  # noqa: PLC0415 - the same

    if name is not None:
        if backend is not None:
            raise SpecError("cli.plan-lab-and-backend")
        with attach(name) as held:
            yield held
        return
    if plan.lab is None:
        raise SpecError("plan.no-lab", plan=plan.name)
    made = Lab(plan.lab.spec, backend or plan.lab.backend, plan.lab.services)
    tell(say("cli.up.opening", name=made.name))
    with made:
        yield made


def _show(result: "Result") -> None:
    """What came of it, as tables."""
    at, place, what, bitten, seen = (
        say(f"cli.column.{name}") for name in ("at", "host", "fault", "bitten", "seen")
    )
    if result.faults:
        rows = [
            (
                _time(each.began if each.began is not None else each.planned),
                _time(each.ended),
                each.on or result.lab,
                each.fault,
                "-" if each.bitten is None else str(each.bitten),
                say(f"cli.plan.run.{_proof(each.problem, verified=each.verified)}"),
            )
            for each in result.faults
        ]
        put_table([at, say("cli.column.until"), place, what, bitten, say("cli.column.proof")], rows)
        put("")
    if result.checks:
        put_table(
            [at, say("cli.column.expected"), seen, say("cli.column.took"), say("cli.column.verdict")],
            [
                (
                    _time(each.began),
                    each.expected,
                    each.seen or "-",
                    "-" if each.seconds is None else f"{each.seconds:.3f} s",
                    say("cli.plan.run.ok" if each.ok else "cli.plan.run.differs"),
                )
                for each in result.checks
            ],
        )
        put("")
    for probed in result.probes:
        put(probed.probe)
        put_table(
            [at, seen, say("cli.column.times"), say("cli.column.longest")],
            [
                (_time(each.at), each.outcome, str(each.count), f"{each.longest:.3f} s")
                for each in probed.changes
            ],
            indent=2,
        )
        put("")


def _proof(problem: str | None, *, verified: bool | None) -> str:
    if problem:
        return "failed"
    return "proven" if verified else "unproven"


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.2f}"


def _try(file: Path | None) -> None:
    """Refuse a file that cannot be written, before anything has run."""
    if file is not None and str(file) != "-":
        _write(file, "")


def _write(file: Path | None, text: str) -> None:
    if file is None:
        return
    if str(file) == "-":
        put(text.rstrip("\n"))
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SpecError("plan.write", file=file, why=error.strerror) from error


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SpecError("plan.write", file=folder, why=error.strerror) from error
