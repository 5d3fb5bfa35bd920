"""What `socketlab-fault` shows of the agent's answers."""

import textwrap
from collections.abc import Iterable, Sequence

from services.messages import say
from socketlab.wire.effects import OF_KINDS, Effect, Effects
from socketlab.wire.fault import Reject
from socketlab.wire.lease import HeldPacket, Lease, LogEntry
from socketlab.wire.message import Kind, LogPage
from socketlab.wire.vocabulary import KIND_WORDS, usage
from socketlab.wire.words import words

_WIDTH = 78
_INDENT = " " * 4
_NOT_TOLD = {"icmp-host", "icmp-net", "icmp6-addr", "icmp6-no-route"}
"""What the kernel does not tell a connected UDP socket without IP_RECVERR (ip(7))."""
_NANO = 1e9


def _table(rows: Sequence[Sequence[str]], right: Iterable[int]) -> str:
    """Columns, as wide as their widest cell; the last is not filled up.

    Args:
        rows: the cells.
        right: columns of numbers.
    """
    numbers = set(right)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(widths[column]) if column in numbers else cell.ljust(widths[column])
            for column, cell in enumerate(row)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _heading(*names: str) -> tuple[str, ...]:
    return tuple(say(f"fault_command.column.{name}") for name in names)


def leases(those: Sequence[Lease]) -> str:
    """The faults in force, as a table."""
    if not those:
        return say("fault_command.none")
    rows = [_heading("id", "fault", "bitten", "left")]
    rows += [(lease.id, words(lease.fault), bitten(lease), _left(lease)) for lease in those]
    return "\n".join([_table(rows, [2]), *_overflows(those)])


def bitten(lease: Lease) -> str:
    """How many packets a fault has bitten; `-`: nobody counts them."""
    return "-" if lease.bitten is None else str(lease.bitten)


def _overflows(those: Iterable[Lease]) -> list[str]:
    return [
        say("fault_command.overflow", id=lease.id, count=lease.overflow) for lease in those if lease.overflow
    ]


def _left(lease: Lease) -> str:
    if lease.holder == "standing":
        return say("fault_command.standing")
    if lease.seconds_left is not None:
        return f"{lease.seconds_left:.1f} s"
    return say("fault_command.until-client" if lease.holder == "client" else "fault_command.until-healed")


def applied(lease: Lease, *, alone: bool = False) -> str:
    """A fault that is in force now: until when, and how to heal it.

    Args:
        lease: the fault.
        alone: whether it is held by this very program.
    """
    lines = [say("fault_command.applied", id=lease.id, fault=words(lease.fault), left=_left(lease))]
    if alone:
        lines.append(say("fault_command.how-to-end"))
    elif lease.seconds_left is None:
        lines.append(say("fault_command.how-to-heal", id=lease.id))
    fault = lease.fault
    if isinstance(fault, Reject) and fault.answer in _NOT_TOLD and fault.match.proto != "tcp":
        lines.append(say("fault_command.udp-not-told", answer=fault.answer))
    return "\n".join(lines)


def healed(those: Iterable[Lease]) -> str:
    """Faults that have been healed."""
    return "\n".join(map(_healed, those)) or say("fault_command.none-healed")


def _healed(lease: Lease) -> str:
    key = "healed-standing" if lease.holder == "standing" else "healed"
    return say(f"fault_command.{key}", id=lease.id, fault=words(lease.fault), bitten=bitten(lease))


def changes(before: Sequence[Lease], after: Sequence[Lease]) -> list[str]:
    """What has become of the faults between two moments: those that came, bit, and went."""
    then = {lease.id: lease for lease in before}
    now = {lease.id: lease for lease in after}
    lines = [
        say("fault_command.gone", id=lease.id, fault=words(lease.fault), bitten=bitten(lease))
        for lease in before
        if lease.id not in now
    ]
    for lease in after:
        old = then.get(lease.id)
        if old is None:
            lines.append(
                say("fault_command.applied", id=lease.id, fault=words(lease.fault), left=_left(lease))
            )
        elif lease.bitten != old.bitten:
            more = (lease.bitten or 0) - (old.bitten or 0)
            lines.append(say("fault_command.bites", id=lease.id, bitten=bitten(lease), more=f"{more:+}"))
        if lease.overflow != (old.overflow if old else 0):
            lines += _overflows([lease])
    return lines


def entries(page: LogPage, origin_ns: int) -> list[str]:
    """Lines of the log.

    Args:
        page: a part of it.
        origin_ns: what its times count from, nanoseconds of the host's monotonic clock.
    """
    lines = [say("fault_command.forgotten", count=page.missing)] if page.missing else []
    return lines + [_entry(each, origin_ns) for each in page.entries]


def _entry(entry: LogEntry, origin_ns: int) -> str:
    at = f"{(entry.at_ns - origin_ns) / _NANO:+.6f} s"
    what = f"{entry.lease:<4} #{entry.ordinal:<5} {entry.action:<10}  {entry.flow}  {entry.detail}"
    return f"{entry.number:>6}  {at:>14}  {what}".rstrip()


def held(those: Sequence[HeldPacket], now_ns: int) -> str:
    """The packets that wait for a word, as a table.

    Args:
        those: the packets.
        now_ns: nanoseconds of the host's monotonic clock.
    """
    if not those:
        return say("fault_command.none-held")
    rows = [_heading("packet", "lease", "waits", "length", "flow")]
    for packet in those:
        waits = f"{(now_ns - packet.at_ns) / _NANO:.1f} s"
        what = f"{packet.flow}  {packet.summary}".rstrip()
        rows.append((str(packet.number), packet.lease, waits, str(packet.length), what))
    return _table(rows, [0, 2, 3])


def kinds(those: Iterable[Kind], about: str | None = None) -> str:
    """The kinds of fault, each with what a socket call gets of it, or why it is not to be had.

    Args:
        those: the kinds.
        about: only those of this kind.
    """
    blocks = ["\n".join(_kind(kind)) for kind in those if about in {None, kind.name.split()[0]}]
    blocks += [textwrap.fill(say(f"fault_command.note.{note}"), _WIDTH) for note in ("icmp", "udp")]
    return "\n\n".join(blocks)


def _kind(kind: Kind) -> list[str]:
    from services.agent.kinds import UNTRIED  # noqa: PLC0415 - the examples beside it take 5 ms to make

    lines = [kind.name if kind.by is None else f"{kind.name}  ({kind.by})"]
    effects = OF_KINDS.get(kind.name)
    if effects is not None:
        for name, effect in _situations(effects).items():
            lines += _wrapped(f"{say(f'effect.of.{name}')}: {effect}")
    if kind.name in UNTRIED and kind.missing is None:
        lines += _wrapped(say("fault_command.untried"))
    if kind.missing is not None:
        lines += _wrapped(say("fault_command.missing", why=kind.missing))
    return lines


def _situations(effects: Effects) -> dict[str, Effect]:
    """The calls that are told apart, and what each gets."""
    tcp = {"connect": effects.connect, "established": effects.established}
    if effects.udp_connected == effects.udp:
        return {**tcp, "udp": effects.udp}
    return {**tcp, "udp-connected": effects.udp_connected, "udp-unconnected": effects.udp}


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT + "  ")


def usages() -> str:
    """The usage line of each kind, as help shows them."""
    lines = []
    for kind in KIND_WORDS:
        lines += textwrap.wrap(
            usage(kind), _WIDTH, initial_indent="  ", subsequent_indent=" " * 6, break_on_hyphens=False
        )
    return "\n".join(lines)
