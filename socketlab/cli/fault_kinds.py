"""`socketlab fault kinds`: what can go wrong, and what a socket call gets then."""

import textwrap
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from socketlab.cli.console import put, put_json
from socketlab.cli.fault_lab import held_lab
from socketlab.cli.group import command
from socketlab.cli.options import host_names, json_option, lab_option
from socketlab.errors import SpecError
from socketlab.messages import say

_WIDTH: Final = 79
_INDENT: Final = "    "


def _complete(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from socketlab.faults.words import ALL_KINDS  # noqa: PLC0415 - only while a shell completes

    return [CompletionItem(name) for name in ALL_KINDS if name.startswith(incomplete)]


@command("kinds", under="fault")
@lab_option()
@click.option(
    "--host", shell_complete=host_names, metavar=say("cli.metavar.host"), help=say("cli.fault.kinds.host")
)
@json_option()
@click.argument("kind", required=False, shell_complete=_complete, metavar=say("cli.metavar.kind"))
def kinds(*, lab: str | None, host: str | None, as_json: bool, kind: str | None) -> None:
    """Show the kinds of fault."""
    from socketlab.faults.words import ALL_KINDS, usage  # noqa: PLC0415 - a lab's modules, only when needed
    from socketlab.wire.words import near  # noqa: PLC0415 - the same

    if kind is not None and kind not in ALL_KINDS:
        alike = near(kind, ALL_KINDS)
        if alike:
            raise SpecError("cli.fault-kind-alike", seen=ascii(kind)[:40], alike=alike)
        raise SpecError("cli.fault-kind", seen=ascii(kind)[:40], known=", ".join(ALL_KINDS))
    if lab is not None and host is None:
        raise SpecError("cli.fault-kinds-host")
    had = {} if host is None else _had(lab, host)
    shown = [
        {"kind": each, "usage": usage(each), "variants": _variants(each, had)}
        for each in ALL_KINDS
        if kind in {None, each}
    ]
    if as_json:
        put_json({"kinds": shown})
        return
    put("\n\n".join(_spelled(each) for each in shown))


def _had(lab: str | None, host: str) -> dict[str, dict[str, Any]]:
    """What that host has for each variant."""
    from socketlab.holder.protocol import FaultAsk  # noqa: PLC0415 - as above

    with held_lab(lab) as machines:
        told = machines.fault(FaultAsk(op="kinds", host=host))
    return {each["name"]: each for each in told["hosts"][host]}


def _variants(kind: str, had: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The ways of a kind, each with what calls get of it."""
    from socketlab.faults.words import USAGE  # noqa: PLC0415 - as above
    from socketlab.wire.effects import OF_KINDS  # noqa: PLC0415 - the same

    if kind in USAGE:
        return [{"name": kind, "effect": say(f"cli.fault.effect.{kind}")}]
    found = []
    for name, effects in OF_KINDS.items():
        if name.split()[0] != kind:
            continue
        one: dict[str, Any] = {
            "name": name,
            "effects": {where: str(effect) for where, effect in effects._asdict().items()},
        }
        if name in had:
            one |= {"by": had[name].get("by"), "missing": had[name].get("missing")}
        found.append(one)
    return found


def _spelled(shown: dict[str, Any]) -> str:
    lines = textwrap.wrap(shown["usage"], _WIDTH, subsequent_indent=_INDENT * 2, break_on_hyphens=False)
    alone = len(shown["variants"]) == 1
    for variant in shown["variants"]:
        if not alone:
            lines += _wrapped(variant["name"])
        if "effect" in variant:
            lines += _wrapped(variant["effect"])
        effects = dict(variant.get("effects", {}))
        if effects and effects["udp_connected"] == effects["udp"]:
            del effects["udp_connected"]
        for where, effect in effects.items():
            place = say(f"effect.of.{where.replace('_', '-')}")
            lines += _wrapped(f"{place}: {effect}", 1 if alone else 2)
        if variant.get("missing"):
            lines += _wrapped(say("cli.fault.kinds.missing", why=variant["missing"]), 1 if alone else 2)
        elif variant.get("by"):
            lines += _wrapped(say("cli.fault.kinds.by", by=variant["by"]), 1 if alone else 2)
    return "\n".join(lines)


def _wrapped(text: str, depth: int = 1) -> list[str]:
    first = _INDENT * depth
    return textwrap.wrap(text, _WIDTH, initial_indent=first, subsequent_indent=first + "  ")
