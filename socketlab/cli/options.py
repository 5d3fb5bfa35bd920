"""Arguments that several commands take, with their completion from the labs that run."""

import re
from collections.abc import Callable
from typing import Any

import click
from click.shell_completion import CompletionItem

from socketlab.errors import SpecError
from socketlab.messages import say
from socketlab.wire.errors import SocketlabError

_TIME = re.compile(r"([0-9]{1,7}(?:\.[0-9]{1,3})?)(ms|s|m|h|d)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, None: 1.0}


def seconds(text: str) -> float:
    """A time as users write it: `30s`, `500ms`, `2m`, `1h`, `1d`, `1.5`.

    Raises:
        SpecError: it is none, or no time at all.
    """
    match = _TIME.fullmatch(text)
    value = float(match[1]) * _SECONDS[match[2]] if match else 0.0
    if value <= 0:
        raise SpecError("cli.time", seen=ascii(text)[:60])
    return value


def lab_names(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Labs that run, for a shell that completes."""
    from socketlab.holder.runtime import seats  # noqa: PLC0415 - only while a shell completes

    try:
        names = [seat.name for seat, _ in seats()]
    except SocketlabError:
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def host_names(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Hosts of the lab that `--lab` names, or of the only one, for a shell that completes."""
    from socketlab.holder.client import connect  # noqa: PLC0415 - only while a shell completes

    try:
        machines = connect(ctx.params.get("lab"))
    except SocketlabError:
        return []
    names = [host.name for host in machines.plan.hosts]
    machines.close()
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def lab_argument() -> Decorator:
    """`[NAME]`: a running lab; the only one may be left out."""
    return click.argument("name", required=False, shell_complete=lab_names, metavar=say("cli.metavar.name"))


def lab_option() -> Decorator:
    """`--lab NAME`: a running lab; may be left out when only one runs."""
    return click.option(
        "--lab", shell_complete=lab_names, metavar=say("cli.metavar.lab"), help=say("cli.option.lab")
    )


def json_option() -> Decorator:
    """`--json`: data for programs on stdout."""
    return click.option("--json", "as_json", is_flag=True, help=say("cli.option.json"))
