"""`socketlab shell`: a prompt with the hosts of a lab in scope."""

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from socketlab.cli.console import put, tell
from socketlab.cli.group import command
from socketlab.cli.options import lab_argument
from socketlab.messages import say

if TYPE_CHECKING:
    from socketlab.hosts.lab import Lab


@command("shell")
@lab_argument()
@click.option("--backend", type=click.Choice(("auto", "docker", "namespace")), help=say("cli.shell.backend"))
def shell(*, name: str | None, backend: str | None) -> None:
    """Start the prompt."""
    from socketlab.cli.prompt import Prompt  # noqa: PLC0415 - a lab's modules, only when needed

    with _lab(name, backend) as (lab, own):
        welcome = say("cli.shell.welcome", name=lab.name, backend=lab.backend, hosts=", ".join(lab.hosts))
        tell(f"{welcome} {say('cli.shell.own')}" if own else welcome)
        prompt = Prompt(lab, put, terminal=sys.stdin.isatty())
        leave = lab.subscribe(prompt.happened)
        try:
            prompt.run()
        finally:
            leave()


@contextlib.contextmanager
def _lab(name: str | None, backend: str | None) -> Iterator[tuple["Lab", bool]]:
    """The lab of that name, the only one that runs, or one of our own; and whether it is that."""
    from socketlab.errors import CallError  # noqa: PLC0415 - a lab's modules, only when needed
    from socketlab.holder.attached import attach  # noqa: PLC0415
    from socketlab.holder.runtime import seats  # noqa: PLC0415
    from socketlab.hosts.lab import lab as make  # noqa: PLC0415

    own = name is None and (backend is not None or not seats())
    lab = make("shell", backend=backend or "auto") if own else attach(name)
    lab.open()
    try:
        yield lab, own
    finally:
        try:
            lab.close()
        except CallError as error:  # at a prompt it is no mistake to leave one waiting
            tell(str(error))
