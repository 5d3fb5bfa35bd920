"""A call on a host, measured beside a JSON line to a Python child and back, in turns.

Controller and child, and controller and actor, are on different cores, as a lab's user has them; where the
machine has one core only, all are on that.
"""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Final

from scripts.machine.bench.hosts.figures import Figures
from scripts.machine.bench.hosts.labs import PAIR, name
from scripts.machine.bench.hosts.yardsticks import Ping, microseconds_of
from socketlab.hosts.lab import lab

_TURNS: Final = 10
_READ: Final = 64
_PROC: Final = Path("/proc")


def in_turns(backend: str, calls: int) -> Figures:
    """The median call of either kind, and the median of what it is held against, in microseconds.

    Args:
        backend: of the lab.
        calls: of each kind; every turn makes a tenth of them.
    """
    here, there = _cores()
    before = _actors()
    with _on(there), lab(name(), hosts=PAIR[:1], backend=backend) as made:
        host = made.hosts[PAIR[0]]
        sending, receiving = host.actor.socketpair(socket.AF_UNIX, socket.SOCK_STREAM, 0)
        # Those of a container are no children of ours, and so are where their engine is.
        for pid in _actors() - before:
            os.sched_setaffinity(pid, {there})
        _move(here)
        with sending, receiving, Ping(there) as ping:
            took: dict[str, list[float]] = {"ping_us": [], "quick_us": [], "blocking_us": []}
            turn = max(1, calls // _TURNS)
            ways: dict[str, Callable[[], object]] = {
                "ping_us": ping,
                "quick_us": lambda: receiving.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE),
                "blocking_us": lambda: receiving.recv(_READ),
            }
            for _ in range(_TURNS):
                for what, call in ways.items():
                    if what == "blocking_us":
                        sending.sendall(bytes(turn * _READ))
                    took[what] += microseconds_of(call, turn)
    return {what: median(all_of_it) for what, all_of_it in took.items()}


def _cores() -> tuple[int, int]:
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], cores[-1]


@contextmanager
def _on(core: int) -> Iterator[None]:
    """What is started meanwhile starts on a core and stays there; afterwards all is as before."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        for thread in threading.enumerate():
            if thread.native_id is not None:
                os.sched_setaffinity(thread.native_id, before)


def _move(core: int) -> None:
    """Every thread of this process to a core, also those that read what comes from hosts."""
    for task in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})


def _actors() -> set[int]:
    """Every process of this machine that is an actor started by a command."""
    found = set()
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            try:
                if b"services.actor" in (entry / "cmdline").read_bytes():
                    found.add(int(entry.name))
            except OSError:  # it ended just now
                continue
    return found
