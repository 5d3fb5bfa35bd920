"""`socketlab doctor`: what this machine can do for a lab, tried, and what to do about the rest."""

import shutil
import sys
from typing import Final

import click

from socketlab.cli.console import put, put_json
from socketlab.cli.group import command
from socketlab.cli.options import json_option

LACKS: Final = 4
_WIDTH: Final = 120


@command("doctor")
@json_option()
@click.pass_context
def doctor(ctx: click.Context, *, as_json: bool) -> None:
    """Try everything that labs need, and tell."""
    from socketlab.doctor import probes, report, verdicts  # noqa: PLC0415 - only when it is called

    seen = probes.look()
    findings, backends = verdicts.judge(seen), verdicts.usable(seen)
    if as_json:
        put_json(report.as_plain(findings, backends))
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDTH
        for line in report.as_text(findings, backends, width):
            put(line)
    ctx.exit(0 if backends else LACKS)
