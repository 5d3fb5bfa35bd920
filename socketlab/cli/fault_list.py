"""`socketlab fault list` and `heal`: what is in force, and its end."""

import dataclasses
from typing import Any

import click

from socketlab.cli.console import put, put_json, tell
from socketlab.cli.fault_lab import count, held_lab, leases_of, put_leases
from socketlab.cli.group import command
from socketlab.cli.options import host_names, json_option, lab_option
from socketlab.errors import SpecError
from socketlab.messages import say


@command("list", under="fault")
@lab_option()
@json_option()
@click.argument("host", required=False, shell_complete=host_names, metavar=say("cli.metavar.of-host"))
def list_(*, lab: str | None, as_json: bool, host: str | None) -> None:
    """Show the faults in force."""
    from socketlab.holder.protocol import FaultAsk  # noqa: PLC0415 - a lab's modules, only when needed

    with held_lab(lab) as machines:
        leases = leases_of(machines.fault(FaultAsk(op="list", host=host)))
        name = machines.name
    if as_json:
        put_json({"lab": name, "leases": _plain(leases)})
    elif leases:
        put_leases(leases)
    else:
        put(say("cli.status.no-faults"))


@command("heal", under="fault")
@lab_option()
@click.option("--all", "everything", is_flag=True, help=say("cli.fault.heal.all"))
@click.option(
    "--host", shell_complete=host_names, metavar=say("cli.metavar.host"), help=say("cli.fault.heal.host")
)
@json_option()
@click.argument("ids", nargs=-1, metavar=say("cli.metavar.ids"))
def heal(*, lab: str | None, everything: bool, host: str | None, as_json: bool, ids: tuple[str, ...]) -> None:
    """Heal faults."""
    from socketlab.holder.protocol import FaultAsk  # noqa: PLC0415 - a lab's modules, only when needed

    if bool(ids) + everything + (host is not None) != 1:
        raise SpecError("cli.fault-heal-which")
    asks = [FaultAsk(op="heal", lease=each) for each in ids] or [FaultAsk(op="heal", host=host)]
    healed: list[Any] = []
    with held_lab(lab) as machines:
        for ask in asks:
            found = leases_of(machines.fault(ask))
            healed += found
            for each in found:
                tell(say("cli.fault.heal.done", id=each.id, fault=each.fault, bitten=count(each.bitten)))
    if as_json:
        put_json({"healed": _plain(tuple(healed))})
    elif not healed:
        tell(say("cli.status.no-faults"))


def _plain(leases: tuple[Any, ...]) -> list[dict[str, Any]]:
    return [dataclasses.asdict(each) for each in leases]
