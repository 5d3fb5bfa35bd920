"""The memory of all processes that descend from one."""

import os
import re
from collections import defaultdict
from typing import Final

from scripts.machine.bench.accounting import PROC, processes

_PARENT: Final = 1
"""Where the parent stands in /proc/PID/stat, counted from after the name."""
_PSS: Final = re.compile(rb"^Pss:\s+(\d+) kB$", re.MULTILINE)


def descendants(root: int) -> list[int]:
    """Every process below one, in whatever namespace it is: this machine sees them all."""
    children: dict[int, list[int]] = defaultdict(list)
    for pid, fields in processes():
        children[int(fields[_PARENT])].append(pid)
    found: list[int] = []
    left = [root]
    while left:
        for pid in children[left.pop()]:
            found.append(pid)
            left.append(pid)
    return found


def pss_mib(root: int = 0) -> float:
    """The proportional set size of all descendants together.

    Args:
        root: their ancestor; 0: this process.

    Raises:
        PermissionError: they are another user's, or of a namespace that we may not look into.
    """
    total = 0
    for pid in descendants(root or os.getpid()):
        try:
            rollup = (PROC / str(pid) / "smaps_rollup").read_bytes()
        except (FileNotFoundError, ProcessLookupError):  # it ended just now
            continue
        if found := _PSS.search(rollup):
            total += int(found[1])
    return total / 1024
