"""The lab whose faults a command is about, and how its faults are shown."""

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from socketlab.cli.console import put_table
from socketlab.errors import EndedError
from socketlab.messages import say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from socketlab.holder.client import HeldMachines
    from socketlab.holder.protocol import FaultAbout, HeldAbout
    from socketlab.hosts.plan import LabPlan

_NO_LAB = frozenset({"holder.none", "holder.absent", "holder.other"})


@contextmanager
def held_lab(name: str | None) -> "Iterator[HeldMachines]":
    """A running lab, for the length of a block.

    Args:
        name: None: the only one that runs.

    Raises:
        EndedError: there is none; what to do with one that nobody of ours holds is told.
    """
    from socketlab.holder.client import connect  # noqa: PLC0415 - a lab's modules, only when needed

    try:
        machines = connect(name)
    except EndedError as error:
        if error.code in _NO_LAB:
            raise EndedError("cli.fault-no-lab", why=error) from error
        raise
    try:
        yield machines
    finally:
        machines.close()


def leases_of(told: dict[str, Any]) -> "tuple[FaultAbout, ...]":
    """The faults that a holder told of."""
    from socketlab.holder.protocol import FaultAbout, unplain  # noqa: PLC0415 - as above

    return tuple(unplain(FaultAbout, each) for each in told.get("leases", ()))


def held_of(told: dict[str, Any]) -> "tuple[HeldAbout, ...]":
    """The packets that wait, as a holder told of them."""
    from socketlab.holder.protocol import HeldAbout, unplain  # noqa: PLC0415 - as above

    return tuple(unplain(HeldAbout, each) for each in told.get("held", ()))


def put_leases(leases: "tuple[FaultAbout, ...]") -> None:
    """Faults as a table."""
    heads = [say(f"cli.column.{name}") for name in ("id", "host", "fault", "bitten", "left")]
    rows = [
        (each.id, ",".join(each.hosts), each.fault, count(each.bitten), left(each.seconds_left))
        for each in leases
    ]
    troubles = [each.trouble.partition("\n")[0] if each.trouble else "" for each in leases]
    if any(troubles):
        heads.append(say("cli.column.problem"))
        rows = [(*row, trouble) for row, trouble in zip(rows, troubles, strict=True)]  # type: ignore[misc]
    put_table(heads, rows)


def names_of(plan: "LabPlan") -> dict[str, str]:
    """The hosts' names by their addresses."""
    return {
        str(address.ip): host.name
        for host in plan.hosts
        for interface in host.interfaces
        for address in (interface.address, interface.address6)
        if address is not None
    }


def named(flow: str, names: "Mapping[str, str]") -> str:
    """A flow with the names of its hosts: `tcp client:4711 > server:7000`.

    Args:
        flow: as an agent writes it: `tcp 10.0.0.2:4711 > 10.0.0.1:7000`.
        names: by addresses.
    """
    words = flow.split()
    for number, word in enumerate(words):
        address, colon, port = word.rpartition(":")
        name = names.get(address.strip("[]"))
        if colon and name is not None:
            words[number] = f"{name}:{port}"
    return " ".join(words)


def count(value: int | None) -> str:
    """A number that may not be known."""
    return "-" if value is None else str(value)


def left(seconds: float | None) -> str:
    """How long a fault lasts yet."""
    return say("cli.status.until-healed") if seconds is None else f"{seconds:.1f} s"
