"""`socketlab status`: the labs that run, and how each host is."""

from typing import Any, NamedTuple

from socketlab.cli.console import put, put_json, put_table, tell
from socketlab.cli.group import command
from socketlab.cli.options import json_option, lab_argument
from socketlab.messages import say
from socketlab.wire.errors import SocketlabError


@command("status")
@lab_argument()
@json_option()
def status(*, name: str | None, as_json: bool) -> None:
    """Show one lab or all."""
    from socketlab.cli.inspection import HOST_SECONDS, inspect  # noqa: PLC0415 - a lab's modules, only when needed
    from socketlab.cli.tables import put_head  # noqa: PLC0415
    from socketlab.holder.client import HeldMachines, find  # noqa: PLC0415
    from socketlab.holder.runtime import Seat, Standing, seats  # noqa: PLC0415

    known: list[tuple[Seat, Standing]] = [(find(name), "running")] if name is not None else seats()
    shown: list[dict[str, Any]] = []
    for number, (seat, standing) in enumerate(known):
        if standing == "busy":
            shown.append({"name": seat.name, "state": "busy"})
            if not as_json:
                put(say("cli.status.busy", name=seat.name))
            continue
        try:
            machines = HeldMachines(seat, HOST_SECONDS)
            found = inspect(machines)
        except SocketlabError as error:  # one lab's trouble does not hide the others
            tell(say("cli.error", said=str(error)))
            shown.append({"name": seat.name, "state": "silent"})
            continue
        shown.append(_as_json(machines.about, found))
        if not as_json:
            if number:
                put("")
            put_head(machines.about)
            _put_hosts(machines.about, found)
        machines.close()
    if as_json:
        put_json({"labs": shown})
    elif not known:
        put(say("cli.status.none"))


def _as_json(about: Any, found: dict[str, Any]) -> dict[str, Any]:
    from socketlab.cli.tables import lab_as_json  # noqa: PLC0415

    lab = lab_as_json(about)
    for host in lab["hosts"]:
        each = found[host["name"]]
        host |= {
            "state": each.state,
            "answer_ms": each.answer_ms,
            "clock_offset_ms": each.offset_ms,
            "clock_offset_error_ms": each.offset_error_ms,
            "sockets": each.sockets,
            "faults": None
            if each.faults is None
            else [
                {
                    "id": fault.id,
                    "fault": fault.words,
                    "holder": fault.holder,
                    "bitten": fault.bitten,
                    "seconds_left": fault.seconds_left,
                }
                for fault in _faults(each)
            ],
            "problem": each.problem,
        }
    return lab


def _put_hosts(about: Any, found: dict[str, Any]) -> None:
    put(about.why)
    put("")
    heads = [
        say(f"cli.column.{name}") for name in ("host", "ipv4", "ipv6", "state", "answer", "clock", "problem")
    ]
    rows: list[tuple[str, ...]] = []
    for host in about.plan.hosts:
        each = found[host.name]
        rows.append(
            (
                host.name,
                " ".join(str(interface.address.ip) for interface in host.interfaces),
                " ".join(str(interface.address6.ip) for interface in host.interfaces if interface.address6)
                or "-",
                say(f"cli.state.{each.state}"),
                "-" if each.answer_ms is None else f"{each.answer_ms:.1f} ms",
                "-" if each.offset_ms is None else f"{each.offset_ms:+.2f} ms",
                (each.problem or "").partition("\n")[0],
            )
        )
    if not any(row[-1] for row in rows):
        heads, rows = heads[:-1], [row[:-1] for row in rows]
    put_table(heads, rows)
    sockets = [
        (host, *_socket(each))
        for host in found
        for each in found[host].sockets or ()
        if each.get("proto") in {"tcp", "udp"}
    ]
    put("")
    if sockets:
        put_table(
            [
                say(f"cli.column.{name}")
                for name in ("host", "proto", "state", "local", "peer", "queues", "program")
            ],
            sockets,
        )
    else:
        put(say("cli.status.no-sockets"))
    faults = [
        (host, fault.id, fault.words, "-" if fault.bitten is None else str(fault.bitten), _left(fault))
        for host in found
        for fault in _faults(found[host])
    ]
    if faults:
        put("")
        put_table([say(f"cli.column.{name}") for name in ("host", "id", "fault", "bitten", "left")], faults)
    elif all(each.faults is not None for each in found.values()):
        put(say("cli.status.no-faults"))


class _Fault(NamedTuple):
    """A fault on a host: held by the lab's holder, under its id, or by somebody else, under the agent's."""

    id: str
    words: str
    holder: str
    bitten: int | None
    seconds_left: float | None


def _faults(host: Any) -> list[_Fault]:
    from socketlab.wire.words import words  # noqa: PLC0415 - a lab's modules, only when needed

    held = [_Fault(each.id, each.fault, "lab", each.bitten, each.seconds_left) for each in host.held]
    others = [
        _Fault(each.id, words(each.fault), each.holder, each.bitten, each.seconds_left)
        for each in host.faults or ()
    ]
    return held + others


def _left(fault: _Fault) -> str:
    if fault.holder == "standing":
        return say("cli.status.standing")
    return say("cli.status.until-healed") if fault.seconds_left is None else f"{fault.seconds_left:.1f} s"


def _socket(each: dict[str, Any]) -> tuple[str, ...]:
    program = each.get("program") or ""
    pid = each.get("pid")
    return (
        str(each.get("proto", "")),
        str(each.get("state", "")),
        _end(each.get("local")),
        _end(each.get("peer")),
        f"{each.get('recv_q', 0)}/{each.get('send_q', 0)}",
        f"{program} ({pid})" if pid else program,
    )


def _end(address: Any) -> str:
    if not address:
        return "-"
    host, port = address[0], address[1]
    return f"[{host}]:{port or '*'}" if ":" in str(host) else f"{host}:{port or '*'}"
