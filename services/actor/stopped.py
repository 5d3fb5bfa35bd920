"""Whether a process has stopped: SIGSTOP is sent in a moment, and each thread runs on until it notices.

The parent could wait for it (waitid(2), WSTOPPED), but might wait for ever: between vfork(2) and the child's
execve(2) a parent cannot stop, and the child that it waits for has. Such a thread does not run either.
"""

import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

_QUIET = frozenset("TtZX")
"""States of a thread that does not run and will not (proc_pid_stat(5))."""
_WAITING = "D"
"""Of a thread that waits for its vforked child, among others: it goes on once that has executed or ended."""
_SECONDS = 2.0
_AGAIN = 0.0005


def has_stopped(pid: int) -> bool:
    """Whether every thread of a process has stopped, or is gone."""
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - numbers, no paths
            state = _state(f"/proc/{pid}/task/{thread}")
            if state not in _QUIET and not (state == _WAITING and _has_stopped_child(pid, thread)):
                return False
    return True


def _state(folder: str) -> str:
    """The state of a process or thread; of one that is gone, that it is."""
    try:
        with open(f"{folder}/stat", "rb") as stat:  # noqa: PTH123 - pathlib costs an actor 4 ms at its start
            return stat.read().rpartition(b")")[2].split()[0].decode()
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def _has_stopped_child(pid: int, thread: str) -> bool:
    try:
        with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as children:  # noqa: PTH123 - the same
            return any(_state(f"/proc/{child}") in "Tt" for child in children.read().split())
    except FileNotFoundError:
        return True  # a kernel without that file: what waits is taken for stopped


def await_stopped(processes: Callable[[], Iterable[int]]) -> None:
    """Wait until all of these have stopped; no event tells, so look again, for two seconds at most."""
    deadline = time.monotonic() + _SECONDS
    while not all(map(has_stopped, processes())) and time.monotonic() < deadline:
        time.sleep(_AGAIN)
