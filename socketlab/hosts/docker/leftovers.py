"""What is left on an engine of controllers that are no more, reaper and all.

Only what carries our labels is looked at, and only what belonged to a process of this machine that surely
lives no more is listed: never a living owner's lab, another machine's, Compose's, or anybody else's things.
"""

from dataclasses import dataclass
from typing import Any, Literal

from socketlab.hosts.docker.endpoint import Endpoint, find
from socketlab.hosts.docker.engine import Engine
from socketlab.hosts.docker.ownership import LAB, ONE, PROCESS, Process
from socketlab.hosts.docker.removal import labelled
from socketlab.hosts.docker.removal import remove as take_off


@dataclass(frozen=True, slots=True)
class Leftover:
    """A container or a network whose owner is gone.

    Args:
        kind: which of the two.
        id: the engine's.
        name: its name.
        lab: name of the lab that it was part of.
        one: which making of that lab.
        owner: pid of its owner.
        told: what the engine said of it.
    """

    kind: Literal["container", "network"]
    id: str
    name: str
    lab: str
    one: str
    owner: int
    told: Any


def find_leftovers(endpoint: Endpoint | None = None) -> list[Leftover]:
    """Everything whose owner is gone.

    Args:
        endpoint: of the engine; None: the one that the docker command would use.

    Raises:
        BackendError: the engine is away or forbidden.
    """
    engine = Engine(endpoint or find())
    try:
        containers, networks = labelled(engine, PROCESS)
    finally:
        engine.close()
    gone: dict[Process, bool] = {}
    found: list[Leftover] = []
    things: list[tuple[Literal["container", "network"], Any]] = [
        *(("container", told) for told in containers),
        *(("network", told) for told in networks),
    ]
    for kind, told in things:
        labels = told["Labels"]
        process = Process.from_label(labels[PROCESS])
        if process is None or not gone.setdefault(process, process.is_gone()):
            continue
        name = told["Name"] if kind == "network" else told["Names"][0].removeprefix("/")
        found.append(
            Leftover(kind, told["Id"], name, labels.get(LAB, ""), labels.get(ONE, ""), process.pid, told)
        )
    return found


def remove(leftovers: list[Leftover], endpoint: Endpoint | None = None) -> None:
    """Remove what `find_leftovers` found.

    Args:
        leftovers: all or some of it.
        endpoint: of the engine, as there.

    Raises:
        BackendError: something would not go; the rest has gone nevertheless.
    """
    engine = Engine(endpoint or find())
    try:
        take_off(
            engine,
            [leftover.told for leftover in leftovers if leftover.kind == "container"],
            [leftover.told for leftover in leftovers if leftover.kind == "network"],
        )
    finally:
        engine.close()
