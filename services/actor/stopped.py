"""Whether a process has stopped: SIGSTOP is sent in a moment, and each thread runs on until it notices.

The parent could wait for it (waitid(2), WSTOPPED), but might wait for ever: between vfork(2) and the child's
execve(2) a parent cannot stop, and the child that it waits for has. Such a thread does not run either.
"""

import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

_QUIET = frozenset("TtDZX")
"""States of a thread that does not run and will not (proc_pid_stat(5)); D: not before something has ended."""
_SECONDS = 2.0
_AGAIN = 0.0005


def has_stopped(pid: int) -> bool:
    """Whether every thread of a process has stopped, or is gone."""
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - numbers, no paths
            with suppress(FileNotFoundError), open(f"/proc/{pid}/task/{thread}/stat", "rb") as stat:  # noqa: PTH123 - pathlib costs an actor 4 ms at its start
                if stat.read().rpartition(b")")[2].split()[0].decode() not in _QUIET:
                    return False
    return True


def await_stopped(processes: Callable[[], Iterable[int]]) -> None:
    """Wait until all of these have stopped; no event tells, so look again, for two seconds at most."""
    deadline = time.monotonic() + _SECONDS
    while not all(map(has_stopped, processes())) and time.monotonic() < deadline:
        time.sleep(_AGAIN)
