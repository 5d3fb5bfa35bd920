"""Looks at the sockets of another process: a duplicate of its descriptor, asked with getsockopt() here."""

import ctypes
import os
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

_PIDFD_GETFD = 438
"""The system call, on every architecture (pidfd_getfd(2), Linux 5.6); for who may trace the process."""
_LIBC = ctypes.CDLL(None, use_errno=True)


def process_tree(pid: int) -> Iterator[int]:
    """A process and its descendants."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text(encoding="ascii").split():
            yield from process_tree(int(child))


def sockets_of(pid: int) -> Iterator[socket.socket]:
    """Duplicates of the sockets of one process; each is closed when the next is asked for."""
    with suppress(FileNotFoundError):  # it has ended
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                if entry.readlink().name.startswith("socket:"):
                    with closing(socket.socket(fileno=_duplicate(pid, int(entry.name)))) as sock:
                        yield sock


def accepted(pid: int, client: socket.socket) -> socket.socket:
    """A duplicate of the server's end of a connection, whichever of its processes has it."""
    client_ends = [client.getsockname()[1:2], client.getpeername()[1:2]]
    for process in process_tree(pid):
        for sock in sockets_of(process):
            with suppress(OSError):  # it listens, or is not connected
                ends = sock.getpeername(), sock.getsockname()
                if [end[1:2] for end in ends] == client_ends:
                    return sock.dup()
    raise AssertionError(client)


def _duplicate(pid: int, descriptor: int) -> int:
    target = os.pidfd_open(pid)
    try:
        duplicate = _LIBC.syscall(_PIDFD_GETFD, target, descriptor, 0)
    finally:
        os.close(target)
    if duplicate < 0:
        pytest.skip(f"pidfd_getfd: {os.strerror(ctypes.get_errno())}")
    return int(duplicate)
