"""`socketlab plan check` and `schema`: a plan read, but not run."""

from pathlib import Path

import click

from socketlab.cli.console import put, put_json, put_table
from socketlab.cli.group import command
from socketlab.cli.options import json_option
from socketlab.messages import say


@command("check", under="plan")
@json_option()
@click.argument("file", type=click.Path(path_type=Path), metavar="PLAN.YAML")
def check(*, file: Path, as_json: bool) -> None:
    """Read a plan, and show what would happen when."""
    from socketlab.faults.plans.file import read  # noqa: PLC0415 - a plan's modules, only when needed
    from socketlab.faults.plans.schedule import Begin, Check, End, events, length  # noqa: PLC0415 - the same
    from socketlab.faults.words import words_of_lab  # noqa: PLC0415 - the same

    plan = read(file)
    rows: list[tuple[float, str, str, str]] = []
    began: dict[object, tuple[str, str]] = {}
    for event in events(plan):
        match event:
            case Begin():
                began[event.key] = (event.step.on or "", words_of_lab(event.fault))
                rows.append((event.at, "begin", *began[event.key]))
            case End():
                rows.append((event.at, "end", *began[event.key]))
            case Check():
                rows.append((event.at, "expect", "", str(event.expectation)))
    if as_json:
        shown = [dict(zip(("at", "event", "on", "what"), row, strict=True)) for row in rows]
        put_json(
            {
                "plan": plan.name,
                "seconds": length(plan),
                "events": shown,
                "probes": [str(probe) for probe in plan.probes],
            }
        )
        return
    put(
        say("cli.plan.check.head", name=plan.name, title=plan.title, seconds=f"{length(plan):g}").rstrip(" :")
    )
    put_table(
        [say(f"cli.column.{name}") for name in ("at", "event", "host", "what")],
        [(f"{at:g}", say(f"cli.plan.check.{kind}"), on, what) for at, kind, on, what in rows],
    )
    for probe in plan.probes:
        put(say("cli.plan.check.probe", probe=probe))


@command("schema", under="plan")
@click.option("--result", is_flag=True, help=say("cli.plan.schema.result"))
def schema(*, result: bool) -> None:
    """Print the schema of plans, or of their results."""
    from socketlab.faults.plans.file import RESULT_SCHEMA, SCHEMA  # noqa: PLC0415 - as above

    put((RESULT_SCHEMA if result else SCHEMA).read_text(encoding="utf-8").rstrip())
