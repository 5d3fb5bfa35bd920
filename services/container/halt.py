"""Ask every program of this container to end, and wait up to two seconds until they have.

The engine asks a container's first process only, and the end of that one kills all others where they stand.
So whoever stops a host runs this first. The actor is spared: with its end its programs would be killed.
"""

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

SECONDS = 2.0
_ACTOR = b"services.actor"
_IDLE = b"sleep\0infinity\0"


def programs(proc: Path = Path("/proc")) -> Iterator[int]:
    """The pids of all programs but init, what it was started with, actors and ourselves.

    Args:
        proc: where proc(5) is mounted.
    """
    for folder in proc.iterdir():
        if not folder.name.isdecimal() or int(folder.name) in {1, os.getpid()}:
            continue
        with suppress(OSError):  # it has ended
            words = (folder / "cmdline").read_bytes()
            parent = (
                (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1]
            )
            is_idle = parent == "1" and words == _IDLE
            is_actor = parent == "0" and _ACTOR in words
            if words and not is_idle and not is_actor:
                yield int(folder.name)


def main() -> None:
    """Send SIGTERM, and wait."""
    poll = select.poll()
    waiting: set[int] = set()
    for pid in programs():
        with suppress(OSError):
            descriptor = os.pidfd_open(pid)
            signal.pidfd_send_signal(descriptor, signal.SIGTERM)
            poll.register(descriptor, select.POLLIN)
            waiting.add(descriptor)
    until = time.monotonic() + SECONDS
    while waiting and (left := until - time.monotonic()) > 0:
        for descriptor, _ in poll.poll(left * 1000):
            poll.unregister(descriptor)
            waiting.discard(descriptor)


if __name__ == "__main__":
    main()
