"""What a nursery and its labs leave on a machine: nothing, which is shown by looking everywhere they could.

Theory of operation
    All that descends from a controller's nursery carries a mark in its environment, as the kernel keeps it
    from when a program was executed (proc_pid_environ(5)): forks have it too. From these processes follow
    the namespaces that they are in, and once they have gone nobody may be in one of those. Mounts, links and
    files are the nursery's own business, in namespaces of its own: none of its names may be on the machine.
"""

import os
import re
import select
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MARK = "SOCKETLAB_NURSERY"
_KINDS = ("net", "mnt", "pid", "user", "uts", "ipc")
_OUR_FOLDERS = (Path("/run/socketlab/etc"), Path("/run/host/hosts"))
_OUR_LINKS = re.compile(r"h\d+p\d+|br\d{1,3}|try\d?")
_END_SECONDS = 20.0


def new_mark() -> str:
    """A mark that nobody else has, to be put into a controller's environment as `MARK`."""
    return uuid.uuid4().hex


def _pids() -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            yield int(entry.name)


def _is_alive(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] not in "ZX"
    return False


def _started(pid: int) -> str:
    """When a process was started, in ticks of the clock: with its number, its name for good."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[19]
    return ""


def namespaces_of(pid: int) -> set[str]:
    """The namespaces that a process is in: `net:[4026531992]`."""
    found = set()
    for kind in _KINDS:
        with suppress(OSError):
            found.add(str(Path(f"/proc/{pid}/ns/{kind}").readlink()))
    return found


class Leftovers:
    """Looks for what one marked controller has left.

    Args:
        mark: as its environment has it.
    """

    def __init__(self, mark: str) -> None:
        self._needle = f"{MARK}={mark}".encode()
        self._inside: dict[tuple[int, str], set[str]] = {}

    def processes(self) -> set[int]:
        """Marked processes that live, the controller itself among them."""
        found = set()
        for pid in _pids():
            with suppress(OSError):
                marked = self._needle in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                if marked and _is_alive(pid):
                    found.add(pid)
        return found

    def remember(self) -> set[int]:
        """Note who is in the marked processes' namespaces now, marked or not; the marked processes.

        Namespaces have no names but numbers that the kernel soon gives to others: so a process counts as left
        in one of them only if it is in there now.
        """
        processes = self.processes()
        ours = set().union(*map(namespaces_of, processes)) - namespaces_of(os.getpid())
        for pid in _pids():
            if inside := namespaces_of(pid) & ours:
                self._inside[pid, _started(pid)] = inside
        return processes

    def found(self) -> list[str]:
        """What is left, in words; empty: nothing."""
        left = [f"process {pid}" for pid in sorted(self.processes())]
        left += [
            f"{namespace} of process {pid}"
            for (pid, started), inside in sorted(self._inside.items())
            for namespace in sorted(namespaces_of(pid) & inside)
            if _is_alive(pid) and _started(pid) == started
        ]
        left += [f"link {name}" for _index, name in socket.if_nameindex() if _OUR_LINKS.fullmatch(name)]
        left += [f"file {path}" for path in _OUR_FOLDERS if path.exists()]
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        ours = ("/run/socketlab", "/run/host")
        return left + [f"mount {line}" for line in mounts if line.split()[4].startswith(ours)]

    def await_none(self, seconds: float = _END_SECONDS) -> list[str]:
        """Wait until every marked process has ended; what is left then, or after so many seconds."""
        deadline = time.monotonic() + seconds
        while processes := self.processes():
            poll = select.poll()
            handles = []
            for pid in processes:
                with suppress(ProcessLookupError):
                    handles.append(os.pidfd_open(pid))
                    poll.register(handles[-1], select.POLLIN)
            left = deadline - time.monotonic()
            ended = not handles or poll.poll(max(0.0, left) * 1000)
            for handle in handles:
                os.close(handle)
            if not ended:
                break
        return self.found()
