"""Room on the machine for what is about to be measured.

Theory of operation
    Where a firewall of the machine watches connections (Docker's does), each has an entry in one table of
    the kernel, and keeps it for two minutes after its end (`nf_conntrack_tcp_timeout_time_wait`). When the
    table is full, nobody on the machine can connect any more, nor send a datagram to somebody new. A
    benchmark must not do that to its neighbours: it waits until there is room. Likewise it does not fork
    1,000 processes where the kernel would have to kill somebody for their memory.
"""

import re
import time
from pathlib import Path
from typing import Final

from scripts.machine.bench.failures import FailedRunError

CONNTRACK: Final = Path("/proc/sys/net/netfilter")
MEMORY: Final = Path("/proc/meminfo")
FORKED_KIB: Final = 2500
"""What one process of the forking server takes for itself, and a third more (1,850 measured)."""
KEPT_FREE: Final = 0.25
"""The share of the table that is left to everybody else."""
LONGEST_WAIT: Final = 150.0
"""Seconds; the entries that we made ourselves are gone before."""


def make_room(connections: int, table: Path = CONNTRACK, longest: float = LONGEST_WAIT) -> None:
    """Wait until so many more connections find room.

    Args:
        connections: how many are about to come and go.
        table: folder of the table's count and size; where it is missing, nothing watches.
        longest: seconds to wait.

    Raises:
        FailedRunError: there is none even after that.
    """
    deadline = time.monotonic() + longest
    while True:
        try:
            count, most = (int((table / f"nf_conntrack_{name}").read_text()) for name in ("count", "max"))
        except FileNotFoundError:
            return
        if count + connections <= most * (1.0 - KEPT_FREE):
            return
        if time.monotonic() >= deadline:
            raise FailedRunError("machine.bench-no-room", count=count, most=most)
        time.sleep(0.5)


def need_memory(kib: int, table: Path = MEMORY) -> None:
    """Make sure that so much memory can be had without swapping (`MemAvailable`, proc_meminfo(5)).

    Args:
        kib: in KiB.
        table: where the kernel tells.

    Raises:
        FailedRunError: there is less.
    """
    found = re.search(r"^MemAvailable:\s+(\d+) kB$", table.read_text(), re.MULTILINE)
    if found and int(found[1]) < kib:
        raise FailedRunError("machine.bench-no-memory", needed=kib // 1024, available=int(found[1]) // 1024)
