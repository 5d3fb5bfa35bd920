"""Which test run owns what: a lock file that a run holds for its life, and a label that names it.

Theory of operation
    A test run holds an flock(2) on a file of its own. Whatever it makes on the engine carries the label
    `org.socketlab.run=<machine>:<path of the lock>`. However the run ends, by SIGKILL too, the kernel lets
    go of the lock: so whoever can take it knows that its owner is gone, and what carries the label may be
    removed. A lock of another machine, or one that we may not open, says nothing, and counts as held.
"""

import fcntl
import os
import platform
import tempfile
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from scripts.machine.errors import NothingRanError

RUN_LABEL = "org.socketlab.run"
RUN_VARIABLE = "SOCKETLAB_RUN"
"""Holds the label's value in the environment of a run, and so in that of its pytest-xdist workers."""
_MACHINE_ID = Path("/etc/machine-id")


def machine_id() -> str:
    """Who this machine is (machine-id(5)), or its name where it has no such id."""
    try:
        return _MACHINE_ID.read_text(encoding="ascii").strip() or platform.node()
    except FileNotFoundError:
        return platform.node()


def lock_folder() -> Path:
    """Where this user's runs have their locks.

    Raises:
        NothingRanError: the folder is there and is not ours alone: others could hold or free our locks.
    """
    folder = Path(tempfile.gettempdir()) / f"socketlab-runs-{os.geteuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    if not folder.is_dir() or folder.is_symlink() or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise NothingRanError("machine.lock-folder", folder=folder)
    return folder


class RunLock:
    """A test run's lock, held while the `with` block lasts.

    Attributes:
        run: the run's id.
        label: the value of `RUN_LABEL` on everything that the run makes.
    """

    def __init__(self) -> None:
        self.run = uuid.uuid4().hex[:12]
        self._file = lock_folder() / f"{self.run}.lock"
        self.label = f"{machine_id()}:{self._file}"

    def __enter__(self) -> Self:
        self._descriptor = os.open(self._file, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.unlink(missing_ok=True)
        os.close(self._descriptor)


@dataclass(frozen=True, slots=True)
class Owner:
    """The run that a label names."""

    machine: str
    lock: Path

    @classmethod
    def from_label(cls, label: str) -> Self | None:
        """Read a value of `RUN_LABEL`; None when it names no run."""
        machine, colon, lock = label.partition(":")
        return cls(machine, Path(lock)) if machine and colon and Path(lock).is_absolute() else None

    def is_gone(self) -> bool:
        """Whether the run was one of this machine's and is over: its lock is gone, or free."""
        if self.machine != machine_id():
            return False
        try:
            descriptor = os.open(self.lock, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return True
        except OSError:  # another user's, or no file at all
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            return True
        finally:
            os.close(descriptor)

    def forget(self) -> None:
        """Remove the lock of a run that is gone, once nothing of it is left."""
        with suppress(OSError):
            self.lock.unlink()
