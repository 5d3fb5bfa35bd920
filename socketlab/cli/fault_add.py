"""`socketlab fault add`: put a fault in force; the lab's holder holds it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from socketlab.cli.console import put, put_json, tell
from socketlab.cli.fault_lab import held_lab
from socketlab.cli.group import command
from socketlab.cli.options import host_names, json_option, lab_option, seconds
from socketlab.errors import SpecError
from socketlab.messages import say

if TYPE_CHECKING:
    from socketlab.hosts.plan import LabPlan

_LAB_WIDE = ("partition", "dns")


def _complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Hosts, then kinds, then the options of the kind."""
    from socketlab.faults.words import ALL_KINDS  # noqa: PLC0415 - only while a shell completes
    from socketlab.wire.words import KIND_WORDS, option_names  # noqa: PLC0415 - the same

    typed: Sequence[str] = ctx.params.get("words") or ()
    if not typed:
        wide = [CompletionItem(name) for name in _LAB_WIDE if name.startswith(incomplete)]
        return host_names(ctx, parameter, incomplete) + wide
    if len(typed) == 1 and typed[0] not in _LAB_WIDE:
        return [CompletionItem(name) for name in ALL_KINDS if name.startswith(incomplete)]
    options = option_names(typed[1]) if len(typed) > 1 and typed[1] in KIND_WORDS else ()
    return [CompletionItem(name) for name in options if name.startswith(incomplete)]


@command("add", under="fault", context_settings={"ignore_unknown_options": True})
@lab_option()
@click.option("--for", "lasts", metavar=say("cli.metavar.time"), help=say("cli.fault.add.for"))
@click.option("--verify", is_flag=True, help=say("cli.fault.add.verify"))
@json_option()
@click.argument(
    "words",
    nargs=-1,
    required=True,
    type=click.UNPROCESSED,
    shell_complete=_complete,
    metavar=say("cli.metavar.fault"),
)
def add(*, lab: str | None, lasts: str | None, verify: bool, as_json: bool, words: Sequence[str]) -> None:
    """Put a fault in force."""
    from socketlab.faults.words import fault_of_lab  # noqa: PLC0415 - a lab's modules, only when needed
    from socketlab.holder.protocol import FaultAbout, FaultAsk, unplain  # noqa: PLC0415 - the same

    host, typed = _host_and_fault(words)
    fault_of_lab(typed)  # what makes no sense is told before any lab is looked for
    lasting = None if lasts is None else seconds(lasts)
    with held_lab(lab) as machines:
        _check_host(host, typed, machines.plan)
        told = machines.fault(
            FaultAsk(op="add", host=host, words=tuple(typed), seconds=lasting, verify=verify)
        )
        name = machines.name
    lease = unplain(FaultAbout, told["lease"])
    if as_json:
        put_json(told)
        return
    put(say("cli.fault.add.done", id=lease.id, hosts=",".join(lease.hosts), fault=lease.fault))
    if verify:
        tell(say("cli.fault.add.proven" if told["proven"] else "cli.fault.add.no-probe"))
    if lasting is None:
        tell(say("cli.fault.add.next", id=lease.id, name=name))


def _host_and_fault(words: Sequence[str]) -> tuple[str | None, Sequence[str]]:
    """The host, which a fault of the whole lab has none of, and the fault's words."""
    from socketlab.faults.words import ALL_KINDS  # noqa: PLC0415 - as above

    if words[0] in _LAB_WIDE:
        return None, words
    if len(words) > 1 and words[1] in _LAB_WIDE:
        raise SpecError("cli.fault-of-the-lab", kind=words[1], seen=ascii(words[0])[:60])
    if words[0] in ALL_KINDS and (len(words) == 1 or words[1] not in ALL_KINDS):
        raise SpecError("cli.fault-host-first", kind=words[0])
    return words[0], words[1:]


def _check_host(host: str | None, typed: Sequence[str], plan: "LabPlan") -> None:
    from difflib import get_close_matches  # noqa: PLC0415 - only whoever mistypes pays for it

    known = [each.name for each in plan.hosts]
    if host is None or host in known:
        return
    fields = {"name": plan.name, "seen": ascii(host)[:60], "known": ", ".join(known), "kind": typed[0]}
    if alike := get_close_matches(host, known, n=1):
        raise SpecError("cli.fault-host-alike", **fields, alike=alike[0])
    raise SpecError("cli.fault-host", **fields)
