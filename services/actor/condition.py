"""What an actor says about itself: who it is, what it may do, how much it holds."""

import os
import socket
from typing import Any

_SETS = {
    "CapEff": "effective",
    "CapBnd": "bounding",
    "CapPrm": "permitted",
    "CapInh": "inheritable",
    "CapAmb": "ambient",
}


def read_status(text: str) -> dict[str, Any]:
    """Capabilities, as integers, and no_new_privs of a `/proc/<pid>/status`, as far as they stand there."""
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    found: dict[str, Any] = {
        "capabilities": {name: int(fields[key], 16) for key, name in _SETS.items() if key in fields}
    }
    if "NoNewPrivs" in fields:
        found["no_new_privs"] = fields["NoNewPrivs"].strip() == "1"
    return found


def identity() -> dict[str, Any]:
    """Who this process is on its host."""
    try:
        with open("/proc/self/status", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - pathlib is slow
            status = read_status(file.read())
    except OSError:  # no /proc here
        status = read_status("")
    return {
        "pid": os.getpid(),
        "uid": os.getuid(),
        "gid": os.getgid(),
        "groups": os.getgroups(),
        "hostname": socket.gethostname(),
        **status,
    }
