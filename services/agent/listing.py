"""What `socketlab-fault` shows of the agent's answers."""

import textwrap
from collections.abc import Iterable, Sequence

from services.agent.words import words
from services.messages import say
from socketlab.wire.fault import Reject
from socketlab.wire.lease import Lease
from socketlab.wire.message import Kind

_WIDTH = 78
_INDENT = " " * 4
_NOT_TOLD = {"icmp-host", "icmp-net", "icmp6-addr", "icmp6-no-route"}
"""What the kernel does not tell a connected UDP socket without IP_RECVERR (ip(7))."""


def leases(those: Sequence[Lease]) -> str:
    """The faults in force, as a table."""
    if not those:
        return say("fault_command.none")
    rows = [tuple(say(f"fault_command.column.{name}") for name in ("id", "fault", "bitten", "left"))]
    rows += [(lease.id, words(lease.fault), _bitten(lease), _left(lease)) for lease in those]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(_row(row, widths) for row in rows)


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    identity, fault, bitten, left = cells
    return f"{identity:<{widths[0]}}  {fault:<{widths[1]}}  {bitten:>{widths[2]}}  {left}"


def _bitten(lease: Lease) -> str:
    return "-" if lease.bitten is None else str(lease.bitten)


def _left(lease: Lease) -> str:
    if lease.holder == "standing":
        return say("fault_command.standing")
    if lease.seconds_left is None:
        return say("fault_command.until-healed")
    return f"{lease.seconds_left:.1f} s"


def applied(lease: Lease) -> str:
    """A fault that is in force now: until when, and how to heal it."""
    lines = [say("fault_command.applied", id=lease.id, fault=words(lease.fault), left=_left(lease))]
    if lease.seconds_left is None:
        lines.append(say("fault_command.how-to-heal", id=lease.id))
    if (
        isinstance(lease.fault, Reject)
        and lease.fault.answer in _NOT_TOLD
        and lease.fault.match.proto != "tcp"
    ):
        lines.append(say("fault_command.udp-not-told", answer=lease.fault.answer))
    return "\n".join(lines)


def healed(those: Iterable[Lease]) -> str:
    """Faults that have been healed."""
    return "\n".join(map(_healed, those)) or say("fault_command.none-healed")


def _healed(lease: Lease) -> str:
    key = "healed-standing" if lease.holder == "standing" else "healed"
    return say(f"fault_command.{key}", id=lease.id, fault=words(lease.fault), bitten=_bitten(lease))


def kinds(those: Iterable[Kind]) -> str:
    """The kinds of fault, each with what a socket call gets of it, or why it is not to be had."""
    lines = []
    for kind in those:
        felt = say(f"fault_command.kind.{kind.name.replace(' --', ' ').replace(' ', '-')}")
        lines.append(kind.name)
        lines += textwrap.wrap(felt, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT)
        if kind.missing is not None:
            missing = say("fault_command.missing", why=kind.missing)
            lines += textwrap.wrap(missing, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT)
    notes = [textwrap.fill(say(f"fault_command.note.{note}"), _WIDTH) for note in ("icmp", "udp")]
    return "\n\n".join(["\n".join(lines), *notes])
