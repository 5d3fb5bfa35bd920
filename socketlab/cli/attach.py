"""`socketlab attach`: take a running compose project as a lab, and say which hosts it has."""

import time

import click

from socketlab.cli.console import put, put_json, tell
from socketlab.cli.group import command
from socketlab.cli.options import json_option, seconds
from socketlab.cli.tables import lab_as_json, put_lab
from socketlab.messages import say


@command("attach")
@click.option("--project", required=True, metavar="PROJECT", help=say("cli.attach.project"))
@click.option("--name", metavar=say("cli.metavar.lab"), help=say("cli.attach.name"))
@click.option("--service", "services", multiple=True, metavar="SERVICE", help=say("cli.attach.service"))
@click.option("--for", "ttl", metavar=say("cli.metavar.time"), help=say("cli.attach.ttl"))
@json_option()
def attach(
    *, project: str, name: str | None, services: tuple[str, ...], ttl: str | None, as_json: bool
) -> None:
    """Take a compose project as a lab."""
    from socketlab.holder.job import Job  # noqa: PLC0415 - a lab's modules, only when one is wanted
    from socketlab.holder.start import start  # noqa: PLC0415

    job = Job(
        name=name,
        project=project,
        services=services,
        backend="docker",
        seconds=None if ttl is None else seconds(ttl),
    )
    started = time.monotonic()
    held = start(job, lambda lab: tell(say("cli.attach.opening", name=lab)))
    took = f"{time.monotonic() - started:.2f}"
    tell(say("cli.attach.open", name=held.name, hosts=len(held.plan.hosts), project=project, seconds=took))
    if as_json:
        put_json(lab_as_json(held))
        return
    tell(held.why)
    put_lab(held)
    put("")
    put(say("cli.attach.next", name=held.name, host=held.plan.hosts[0].name))
