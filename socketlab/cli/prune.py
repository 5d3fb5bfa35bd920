"""`socketlab prune`: find what labs without an owner left, and remove it."""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from socketlab.cli.console import put, put_json, put_table, tell
from socketlab.cli.group import command
from socketlab.cli.options import json_option
from socketlab.errors import SpecError
from socketlab.messages import say
from socketlab.wire.errors import SocketlabError

if TYPE_CHECKING:
    from socketlab.holder.runtime import Seat
    from socketlab.hosts.docker.leftovers import Leftover


@dataclass(frozen=True, slots=True)
class _Found:
    """All that is left over.

    Args:
        things: containers and networks.
        seats: of holders that are gone.
        why_no_engine: the engine was not asked; empty: it was.
    """

    things: "list[Leftover]"
    seats: "list[Seat]"
    why_no_engine: str

    def rows(self) -> list[tuple[str, str, str]]:
        """Kind, name and lab of each."""
        return [
            *((thing.kind, thing.name, thing.lab) for thing in self.things),
            *(("file", str(path), seat.name) for seat in self.seats for path in seat.files()),
        ]


@command("prune")
@click.argument("name", required=False, metavar=say("cli.metavar.name"))
@click.option("-y", "--yes", is_flag=True, help=say("cli.prune.yes"))
@click.option("-n", "--dry-run", is_flag=True, help=say("cli.prune.dry-run"))
@json_option()
def prune(*, name: str | None, yes: bool, dry_run: bool, as_json: bool) -> None:
    """List what is left over, and remove it."""
    found = _find(name)
    rows = found.rows()
    if found.why_no_engine:
        tell(say("cli.prune.no-engine", why=found.why_no_engine.strip().partition("\n")[0]))
    if not as_json:
        if rows:
            put_table([say(f"cli.column.{name}") for name in ("kind", "name", "lab")], rows)
        else:
            put(say("cli.prune.nothing"))
    removed = bool(rows) and not dry_run and _agreed(yes=yes)
    if removed:
        _remove(found)
        tell(say("cli.prune.removed", count=len(rows)))
    elif rows and not dry_run:
        tell(say("cli.prune.kept"))
    if as_json:
        put_json(_as_json(rows, found, removed=removed))


def _as_json(rows: list[tuple[str, str, str]], found: _Found, *, removed: bool) -> dict[str, Any]:
    return {
        "found": [{"kind": kind, "name": name, "lab": lab} for kind, name, lab in rows],
        "engine": None if found.why_no_engine else "asked",
        "removed": removed,
    }


def _agreed(*, yes: bool) -> bool:
    if yes:
        return True
    if not sys.stdin.isatty():
        raise SpecError("cli.prune-ask")
    return click.confirm(say("cli.prune.ask"), err=True)


def _find(name: str | None) -> _Found:
    """What is left over; of the labs of one name, if there is one."""
    from socketlab.holder.runtime import dead  # noqa: PLC0415 - a lab's modules, only when needed
    from socketlab.hosts.docker.leftovers import find_leftovers  # noqa: PLC0415

    seats = [seat for seat in dead() if name in {None, seat.name}]
    try:
        things = [thing for thing in find_leftovers() if name in {None, thing.lab}]
    except SocketlabError as error:  # where there is no engine nothing can be left on it
        return _Found([], seats, str(error))
    return _Found(things, seats, "")


def _remove(found: _Found) -> None:
    from socketlab.hosts.docker.leftovers import remove  # noqa: PLC0415 - a lab's modules, only when needed

    for seat in found.seats:
        seat.clear()
    if found.things:
        remove(found.things)
