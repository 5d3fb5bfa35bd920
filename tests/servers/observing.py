"""What the kernel tells of a process (proc(5)): memory, time, descriptors, children."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from tests.loopback.running import DEADLINE

_TICK: Final = 1 / os.sysconf("SC_CLK_TCK")
_ZOMBIE: Final = "Z"


def children(pid: int) -> list[int]:
    """The processes that it has forked and that are not reaped yet, zombies too."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
            found.extend(map(int, (task / "children").read_text("ascii").split()))
    return found


def zombies(pid: int) -> list[int]:
    """Its children that have ended and that it has not waited for."""
    return [child for child in children(pid) if _stat(child)[0] == _ZOMBIE]


def processes(pid: int) -> list[int]:
    """It and its children."""
    return [pid, *children(pid)]


def memory(pids: list[int]) -> int:
    """Bytes that these processes have in memory and share with no other, together (Pss would be dear)."""
    return sum(_memory(pid) for pid in pids)


def cpu_seconds(pid: int) -> float:
    """Processor time that it has taken so far, user and system."""
    user, system = _stat(pid)[11:13]
    return (int(user) + int(system)) * _TICK


def descriptors(pid: int) -> int:
    """How many it has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def settled_descriptors(pid: int) -> int:
    """How many it has open when nothing is being opened or closed."""
    seen = [-1]

    def has_settled() -> bool:
        time.sleep(0.05)
        seen.append(descriptors(pid))
        return seen[-1] == seen[-2]

    assert eventually(has_settled)
    return seen[-1]


def threads(pid: int) -> int:
    """How many it has."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def is_alive(pid: int) -> bool:
    """Whether there is such a process, which is not only waiting to be reaped."""
    try:
        return _stat(pid)[0] != _ZOMBIE
    except (FileNotFoundError, ProcessLookupError):
        return False


@contextlib.contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    """Let these processes do nothing meanwhile (SIGSTOP): what comes for them waits in the kernel."""
    try:
        _send(pids, signal.SIGSTOP)
        yield
    finally:
        _send(pids, signal.SIGCONT)


def eventually(condition: Callable[[], bool], seconds: float = DEADLINE) -> bool:
    """Whether it becomes so; looked at again and again."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def _send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # a child of a client that has gone
            os.kill(pid, number)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on: the second may hold anything, within brackets."""
    return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(") ")[2].split()


def _memory(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(pid)
