"""`socketlab down`: close a lab, or all of this user's."""

import time

import click

from socketlab.cli.console import put_json, tell
from socketlab.cli.group import command
from socketlab.cli.options import json_option, lab_argument
from socketlab.errors import EndedError, SpecError
from socketlab.messages import say
from socketlab.wire.errors import SocketlabError


@command("down")
@lab_argument()
@click.option("--all", "everything", is_flag=True, help=say("cli.down.all"))
@json_option()
def down(*, name: str | None, everything: bool, as_json: bool) -> None:
    """Close a lab."""
    from socketlab.holder import client  # noqa: PLC0415 - a lab's modules, only when needed
    from socketlab.holder.runtime import seats  # noqa: PLC0415

    if everything and name is not None:
        raise SpecError("cli.name-and-all", name=name)
    chosen = [seat for seat, _ in seats()] if everything else [client.find(name)]
    if not chosen:
        tell(say("cli.down.none"))
    closed: list[str] = []
    failed: SocketlabError | None = None
    for each in chosen:
        started = time.monotonic()
        try:
            client.down(each)
        except SocketlabError as error:
            if not everything:
                raise
            failed = failed or error
            tell(str(error))
            continue
        closed.append(each.name)
        tell(say("cli.down.done", name=each.name, seconds=f"{time.monotonic() - started:.2f}"))
    if as_json:
        put_json({"closed": closed})
    if failed is not None:
        raise EndedError("cli.not-all-down", closed=len(closed), all=len(chosen)) from failed
