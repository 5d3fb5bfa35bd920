"""What a server costs: the CPU time and the memory of all its processes.

Theory of operation
    A server is a process group. The CPU time of a living process, with all threads that it ever had, is read
    from its own clock (clock_getcpuclockid(3)), to the nanosecond. A child that has ended is in the account
    of the parent that waited for it (`cutime`, proc_pid_stat(5)), to a tick of 10 ms. So the sum over the
    group counts each once, also of a server that forks for each connection, as long as it reaps its children.
"""

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_GROUP, _CHILDREN_USER, _CHILDREN_SYSTEM = 2, 13, 14
"""Where fields of /proc/PID/stat stand, counted from after the name."""
_PROCESS_CLOCK: Final = 2
"""Low bits of the clock id of a process: its scheduler clock (CPUCLOCK_SCHED; <linux/posix-timers.h>)."""
_ROLLUP: Final = re.compile(rb"^(Rss|Pss):\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Memory:
    """What a group holds, in KiB: resident, and with shared pages split among those who share them."""

    rss: int
    pss: int


def cpu_seconds(group: int) -> float:
    """User and system time of every process that is, or was and has been reaped, in a process group."""
    total = 0.0
    for pid, fields in _members(group):
        ended = (int(fields[_CHILDREN_USER]) + int(fields[_CHILDREN_SYSTEM])) / _TICKS
        try:
            total += cpu_of(pid) + ended
        except OSError:  # it ended just now
            continue
    return total


def cpu_of(pid: int) -> float:
    """User and system time of one living process.

    Raises:
        OSError: it has ended.
    """
    return time.clock_gettime(~pid << 3 | _PROCESS_CLOCK)


def memory(group: int) -> Memory:
    """The memory of a process group; the kernel's socket buffers are nobody's."""
    rss = pss = 0
    for pid, _fields in _members(group):
        try:
            rollup = (PROC / str(pid) / "smaps_rollup").read_bytes()
        except OSError:  # it ended just now
            continue
        found = {name: int(value) for name, value in _ROLLUP.findall(rollup)}
        rss += found.get(b"Rss", 0)
        pss += found.get(b"Pss", 0)
    return Memory(rss, pss)


def _members(group: int) -> Iterator[tuple[int, list[bytes]]]:
    """The processes of a group, as `processes` gives them."""
    return ((pid, fields) for pid, fields in processes() if int(fields[_GROUP]) == group)


def processes() -> Iterator[tuple[int, list[bytes]]]:
    """All processes, each with the fields of its `stat` that follow the name."""
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_bytes()
        except OSError:  # it ended just now
            continue
        # The name is in parentheses, and may hold some itself.
        yield int(entry.name), stat.rpartition(b")")[2].split()
