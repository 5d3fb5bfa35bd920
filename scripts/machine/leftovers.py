"""What killed test runs left on the engine, found by its label and removed.

Only what carries `org.socketlab.run` is looked at, and only what is of a run on this machine that is over
(`run_lock`) is touched: never the lab of `scripts/up`, another run's or another machine's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from scripts.machine.docker_cli import Labelled, inspect, labelled
from scripts.machine.errors import NothingRanError
from scripts.machine.process import ask
from scripts.machine.run_lock import RUN_LABEL, Owner

_REMOVE: dict[Labelled, list[str]] = {
    "container": ["rm", "--force", "--volumes"],
    "network": ["network", "rm"],
    "volume": ["volume", "rm"],
}


@dataclass(frozen=True, slots=True)
class Leftover:
    """A thing on the engine whose run is over.

    Attributes:
        kind: what it is.
        name: its name.
        owner: the run that made it.
        rank: in which order things go: sidecars, hosts, networks, volumes.
    """

    kind: Labelled
    name: str
    owner: Owner
    rank: int


def find() -> list[Leftover]:
    """Everything whose run is over, in the order in which it can be removed."""
    return sorted(_of_runs_gone(), key=lambda leftover: leftover.rank)


def _of_runs_gone() -> Iterator[Leftover]:
    gone: dict[Owner, bool] = {}
    for kind in _REMOVE:
        for told in inspect(kind, labelled(kind, RUN_LABEL)):
            owner = Owner.from_label(_labels(told)[RUN_LABEL])
            if owner is not None and gone.setdefault(owner, owner.is_gone()):
                yield Leftover(kind, told["Name"].removeprefix("/"), owner, _rank(kind, told))


def _labels(told: dict[str, Any]) -> dict[str, str]:
    """The labels of a thing: a container's stand in its configuration."""
    return dict(told["Config"]["Labels"] if "Config" in told and "Labels" not in told else told["Labels"])


def _rank(kind: Labelled, told: dict[str, Any]) -> int:
    if kind == "container":
        return 0 if told["HostConfig"]["NetworkMode"].startswith("container:") else 1
    return 2 if kind == "network" else 3


def remove() -> list[str]:
    """Remove everything whose run is over, and return the names.

    Raises:
        NothingRanError: something would not go; says what, and what the engine said.
    """
    found = find()
    said: list[str] = []
    for leftover in found:
        answer = ask(["docker", *_REMOVE[leftover.kind], leftover.name])
        if answer.status:  # it may just have gone by itself: what counts is what is still there
            said.append(answer.err.strip())
    if remaining := find():
        names = ", ".join(leftover.name for leftover in remaining)
        raise NothingRanError("machine.leftovers", names=names, seen="; ".join(said))
    for owner in {leftover.owner for leftover in found}:
        owner.forget()
    return [leftover.name for leftover in found]
