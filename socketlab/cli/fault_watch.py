"""`socketlab fault watch` and `log`: what the faults of a lab do, as it happens and afterwards."""

import json
from typing import TYPE_CHECKING, Any

import click

from socketlab.cli.console import printable, put, put_json, put_table, tell
from socketlab.cli.fault_lab import count, held_lab, held_of, leases_of, named, names_of
from socketlab.cli.group import command
from socketlab.cli.options import json_option, lab_option
from socketlab.errors import EndedError
from socketlab.messages import say

if TYPE_CHECKING:
    from socketlab.holder.protocol import FaultAbout, HeldAbout
    from socketlab.wire.lease import LogEntry


@command("log", under="fault")
@lab_option()
@click.option("--after", type=click.IntRange(0), default=0, metavar="N", help=say("cli.fault.log.after"))
@click.option(
    "--most", type=click.IntRange(1, 5000), default=200, metavar="N", help=say("cli.fault.log.most")
)
@json_option()
@click.argument("lease", required=False, metavar=say("cli.metavar.id"))
def log(*, lab: str | None, after: int, most: int, as_json: bool, lease: str | None) -> None:
    """Show what was done to packets."""
    from socketlab.holder.protocol import FaultAsk  # noqa: PLC0415 - a lab's modules, only when needed

    with held_lab(lab) as machines:
        told = machines.fault(FaultAsk(op="log", lease=lease, after=after, most=most))
        names = names_of(machines.plan)
    entries = _entries(told)
    if as_json:
        put_json(told)
        return
    if not entries:
        put(say("cli.fault.log.none"))
        return
    start = entries[0].at_ns
    heads = [say(f"cli.column.{name}") for name in ("id", "at", "flow", "ordinal", "action", "detail")]
    put_table(
        heads,
        [
            (
                each.lease,
                f"{(each.at_ns - start) / 1e9:.6f}",
                named(each.flow, names),
                str(each.ordinal),
                each.action,
                each.detail,
            )
            for each in entries
        ],
    )


@command("watch", under="fault")
@lab_option()
@json_option()
@click.argument("lease", required=False, metavar=say("cli.metavar.id"))
def watch(*, lab: str | None, as_json: bool, lease: str | None) -> None:
    """Show what changes, until Ctrl-C."""
    from socketlab.holder.protocol import ANSWER, read_answer  # noqa: PLC0415 - a lab's modules, when needed
    from socketlab.wire.lines import LineBuffer  # noqa: PLC0415 - the same

    with held_lab(lab) as machines:
        stream = machines.watch(lease)
        name = machines.name
        tell(say("cli.fault.watch.began", name=name))
        watching = _Watching(names_of(machines.plan))
        lines = LineBuffer(ANSWER.line)
        try:
            while data := stream.receive(None):
                for line in lines.feed(data):
                    told = read_answer(line)
                    if as_json:
                        put(json.dumps(told))
                    else:
                        watching.show(told)
        finally:
            stream.close()
    raise EndedError("holder.gone", name=name)


class _Watching:
    """Shows what changes, a line each.

    Args:
        names: of the hosts, by their addresses.
    """

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names
        self._leases: dict[str, FaultAbout] = {}
        self._held: dict[tuple[str, int], HeldAbout] = {}

    def show(self, told: dict[str, Any]) -> None:
        """What is told now, beside what was told before."""
        now = {each.id: each for each in leases_of(told)}
        for each in now.values():
            if each.id not in self._leases:
                put(say("cli.fault.watch.came", id=each.id, hosts=",".join(each.hosts), fault=each.fault))
        for entry in _entries(told):
            flow = named(entry.flow, self._names)
            line = f"{entry.lease}  {flow}  #{entry.ordinal} {entry.action} {entry.detail}"
            put(printable(line.rstrip()))
        logged = {entry.lease for entry in _entries(told)}
        for each in now.values():
            before = self._leases.get(each.id)
            counted = each.bitten is not None and each.bitten != (before.bitten if before else 0)
            if counted and each.id not in logged:
                put(
                    say(
                        "cli.fault.watch.counts", id=each.id, bitten=count(each.bitten), seen=count(each.seen)
                    )
                )
            if each.trouble and (before is None or before.trouble != each.trouble):
                put(say("cli.fault.watch.trouble", id=each.id, why=each.trouble))
        for lease in self._leases.keys() - now.keys():
            last = self._leases[lease]
            put(say("cli.fault.watch.went", id=lease, fault=last.fault))
        held = {(each.host, each.number): each for each in held_of(told)}
        if held.keys() != self._held.keys():
            put(say("cli.fault.watch.held", count=len(held)) if held else say("cli.fault.watch.none-held"))
        self._leases, self._held = now, held


def _entries(told: dict[str, Any]) -> "tuple[LogEntry, ...]":
    from socketlab.holder.protocol import unplain  # noqa: PLC0415 - as above
    from socketlab.wire.lease import LogEntry  # noqa: PLC0415 - the same

    return tuple(unplain(LogEntry, each) for each in told.get("log", ()))
