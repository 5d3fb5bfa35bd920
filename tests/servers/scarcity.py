"""Takes from a process what a machine may run out of, and gives it back: descriptors, processes, threads."""

import contextlib
import os
import resource
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.observing import descriptors, processes, threads

_CGROUPS = Path("/sys/fs/cgroup")


@contextlib.contextmanager
def few_descriptors(pid: int, more: int) -> Iterator[None]:
    """Let a process open so many more (RLIMIT_NOFILE: one beyond the highest number that it may have)."""
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (descriptors(pid) + more, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@contextlib.contextmanager
def no_more_processes(pid: int) -> Iterator[None]:
    """Let a process make no thread and no child: fork() and pthread_create() give EAGAIN.

    By RLIMIT_NPROC, which does not bind root; for root by a control group of its own (cgroups(7), pids).
    """
    if os.geteuid():
        before = resource.prlimit(pid, resource.RLIMIT_NPROC)
        resource.prlimit(pid, resource.RLIMIT_NPROC, (1, before[1]))
        try:
            yield
        finally:
            resource.prlimit(pid, resource.RLIMIT_NPROC, before)
        return
    group, family = _pids_group(), processes(pid)
    try:
        _move(family, group)
        (group / "pids.max").write_text(str(sum(map(threads, family))))
        yield
    finally:
        _move(processes(pid), group.parent)
        group.rmdir()


def _move(pids: list[int], group: Path) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
            (group / "cgroup.procs").write_text(str(pid))


def _pids_group() -> Path:
    """A new control group that counts processes."""
    for parent in (_CGROUPS / "pids", _CGROUPS):
        group = parent / f"socketlab-test-{uuid.uuid4().hex}"
        with contextlib.suppress(OSError):
            group.mkdir()
            if (group / "pids.max").exists():
                return group
            group.rmdir()
    pytest.skip("root cannot be kept from making processes here: no control group of pids can be made")
