"""`socketlab up`: start a holder for a lab, and say what it holds."""

import time
from pathlib import Path

import click

from socketlab.cli.console import put, put_json, tell
from socketlab.cli.group import command
from socketlab.cli.options import json_option, seconds
from socketlab.cli.tables import lab_as_json, put_lab
from socketlab.errors import SpecError
from socketlab.messages import say


@command("up")
@click.argument("name", required=False, metavar=say("cli.metavar.name"))
@click.option("-f", "--file", type=click.Path(path_type=Path), metavar="LAB.YAML", help=say("cli.up.file"))
@click.option("--hosts", metavar="A,B,...", help=say("cli.up.hosts"))
@click.option("--backend", type=click.Choice(("auto", "docker", "namespace")), help=say("cli.up.backend"))
@click.option("--ipv4-only", is_flag=True, help=say("cli.up.ipv4-only"))
@click.option("--offload", is_flag=True, help=say("cli.up.offload"))
@click.option("--ttl", metavar=say("cli.metavar.time"), help=say("cli.up.ttl"))
@json_option()
def up(
    *,
    name: str | None,
    file: Path | None,
    hosts: str | None,
    backend: str | None,
    ipv4_only: bool,
    offload: bool,
    ttl: str | None,
    as_json: bool,
) -> None:
    """Open a lab that stays."""
    from socketlab.holder.job import Job  # noqa: PLC0415 - a lab's modules, only when one is wanted
    from socketlab.holder.start import start  # noqa: PLC0415

    if file is not None and (hosts is not None or ipv4_only or offload):
        raise SpecError("cli.file-and-more")
    job = Job(
        name=name,
        file=None if file is None else str(file),
        hosts=("client", "server") if hosts is None else tuple(each.strip() for each in hosts.split(",")),
        backend=backend,
        ipv6=not ipv4_only,
        offload=offload,
        seconds=None if ttl is None else seconds(ttl),
    )
    started = time.monotonic()
    held = start(job, lambda lab: tell(say("cli.up.opening", name=lab)))
    took = time.monotonic() - started
    tell(
        say(
            "cli.up.open",
            name=held.name,
            hosts=len(held.plan.hosts),
            backend=held.backend,
            seconds=f"{took:.2f}",
        )
    )
    if as_json:
        put_json(lab_as_json(held))
        return
    tell(held.why)
    put_lab(held)
    first, *_, last = [host.name for host in held.plan.hosts] * 2
    put("")
    put(say("cli.up.next", name=held.name, host=last, first=first))
