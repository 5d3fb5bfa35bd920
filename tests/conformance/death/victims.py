"""Finding the processes of a controller that are to be killed, and what a lab has on an engine."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.namespace.nursery.leftovers import Leftovers

_AGENT: Final = 1 << 12 | 1 << 13
"""NET_ADMIN and NET_RAW: what an agent has, and nobody else."""
_ENGINE_SECONDS: Final = 30
LAB: Final = "org.socketlab.lab"


@dataclass(frozen=True)
class Process:
    """A process as /proc shows it.

    Args:
        pid: its number.
        numbers: its number in each PID namespace that it is in, the outermost first.
        capabilities: the effective ones.
        command: its command line.
        parent: pid of its parent.
    """

    pid: int
    numbers: tuple[int, ...]
    capabilities: int
    command: str
    parent: int


def _process(pid: int) -> Process | None:
    with suppress(OSError, KeyError, ValueError):
        status = Path(f"/proc/{pid}/status").read_text(errors="replace")
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        return Process(
            pid,
            tuple(map(int, fields["NSpid"].split())),
            int(fields["CapEff"], 16),
            Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"),
            int(fields["PPid"]),
        )
    return None


class Family:
    """A controller's processes.

    Args:
        left: knows them by their mark.
        controller: its pid.
        lab: name of its lab.
    """

    def __init__(self, left: Leftovers, controller: int, lab: str) -> None:
        self._left = left
        self._controller = controller
        self._lab = lab
        self._own = len((_process(os.getpid()) or Process(0, (0,), 0, "", 0)).numbers)

    def of(self, kind: str) -> list[int]:
        """Those of a kind, now: their pids."""
        return sorted(_KINDS[kind](self))

    def marked(self) -> Iterator[Process]:
        """Those that carry the mark."""
        for pid in self._left.remember():
            process = _process(pid)
            if process is not None:
                yield process

    def controllers(self) -> Iterator[int]:
        yield self._controller

    def guards(self) -> Iterator[int]:
        """What the nursery's own first process is a child of."""
        for each in self.marked():
            if len(each.numbers) == self._own and "services.nursery" in each.command:
                yield each.pid

    def nurseries(self) -> Iterator[int]:
        for each in self.marked():
            if len(each.numbers) == self._own + 1 and each.numbers[-1] == 1:
                yield each.pid

    def firsts(self) -> Iterator[int]:
        """The hosts' first processes."""
        for each in self.marked():
            if len(each.numbers) == self._own + 2 and each.numbers[-1] == 1:
                yield each.pid

    def _others(self) -> Iterator[Process]:
        for each in self.marked():
            if len(each.numbers) == self._own + 2 and each.numbers[-1] != 1:
                yield each

    def actors(self) -> Iterator[int]:
        for each in self._others():
            if each.capabilities == 0:
                yield each.pid

    def agents(self) -> Iterator[int]:
        for each in self._others():
            if each.capabilities == _AGENT:
                yield each.pid

    def holders(self) -> Iterator[int]:
        for each in self.marked():
            if "socketlab.holder" in each.command:
                yield each.pid

    def reapers(self) -> Iterator[int]:
        for each in self.marked():
            if "reaper" in each.command and each.pid != self._controller:
                yield each.pid

    def in_containers(self, words: str) -> Iterator[int]:
        """Processes in the lab's containers that have words in their command line."""
        ids = [each[:64] for each in on_engine(self._lab)["container"]]
        for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):  # noqa: PTH208 - names are enough
            with suppress(OSError):
                group = Path(f"/proc/{pid}/cgroup").read_text()
                if any(each in group for each in ids):
                    process = _process(pid)
                    if process is not None and words in process.command:
                        yield pid


_KINDS: Final[Mapping[str, Callable[[Family], Iterator[int]]]] = {
    "controller": Family.controllers,
    "guard": Family.guards,
    "nursery": Family.nurseries,
    "init": Family.firsts,
    "actor": Family.actors,
    "agent": Family.agents,
    "holder": Family.holders,
    "reaper": Family.reapers,
    "actor in a container": lambda family: family.in_containers("services.actor"),
    "agent in a container": lambda family: family.in_containers("services.agent"),
    "init in a container": lambda family: family.in_containers("docker-init"),
}


def kill(pid: int) -> bool:
    """SIGKILL; whether it was there."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def on_engine(lab: str) -> dict[str, set[str]]:
    """Ids of what a lab has on the engine: of containers and of networks."""
    listing = {"container": ["ps", "-a"], "network": ["network", "ls"]}
    return {
        kind: set(
            subprocess.run(
                ["docker", *command, "-q", "--no-trunc", "--filter", f"label={LAB}={lab}"],
                check=True,
                capture_output=True,
                text=True,
                timeout=_ENGINE_SECONDS,
            ).stdout.split()
        )
        for kind, command in listing.items()
    }
