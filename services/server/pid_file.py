"""The file that says which process the daemon is, and that there is one only.

Theory of operation
    Whoever holds the lock on the file is the daemon. The number in it is for people: a process may have died
    and its number be somebody else's by now, but a lock ends with its process, however that ends. So the file
    that a killed daemon has left is taken over, without asking whether its number lives.

    It is a record lock (fcntl(2)) and not flock(2): forked workers do not inherit it, so what is left of them
    does not pass for the daemon, and the kernel tells who holds it, also in the moment before the number is
    written.

    A daemon that ends deletes the file while it holds the lock. One that starts may have opened it before and
    get the lock of a file without a name: it looks whether the file is still there, or begins anew.
"""

import errno
import fcntl
import os
import re
import stat
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from services.server.errors import ServerError, named

_NAME: Final = "socketlab-server"
_FLOCK: Final = struct.Struct("@hhqqi0q")
"""`struct flock` of fcntl(2): type, whence, start, length, process."""
_CONTENT: Final = re.compile(rb"\s*\d{0,10}\s*")
_LOOK: Final = 64
"""Bytes: longer than what a pid file holds."""


def default_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Where it is if nobody says: in the user's own XDG_RUNTIME_DIR, else in /tmp, by the user's number."""
    if folder := environ.get("XDG_RUNTIME_DIR"):
        return Path(folder, f"{_NAME}.pid")
    return Path("/tmp", f"{_NAME}-{os.geteuid()}.pid")  # noqa: S108 - opened so that nobody's trap is stepped into


class PidFile:
    """The locked file of this process, written when it is made.

    Args:
        path: absolute, for the working directory of a daemon changes.

    Raises:
        ServerError: another daemon has it, or it cannot be written, or is something else altogether.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._owner = os.getpid()
        try:
            self._file = _open_locked(path)
            _refuse_foreign(self._file, path)
            os.ftruncate(self._file, 0)
            os.write(self._file, f"{self._owner}\n".encode())
        except OSError as error:
            raise ServerError("server.pid-file", path=path, seen=named(error)) from error

    def remove(self) -> None:
        """Delete the file, unless it is another's by now, and give up the lock. A forked copy leaves both."""
        if os.getpid() != self._owner:
            return
        if _is_at(self._file, self._path):
            self._path.unlink(missing_ok=True)
        os.close(self._file)


def _open_locked(path: Path) -> int:
    """Open the file that the path names, and lock it."""
    while True:
        # O_NOFOLLOW: in /tmp anybody could have put a link there that leads to a file of ours.
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o644)
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = _holder(file)
            os.close(file)
            if error.errno not in {errno.EAGAIN, errno.EACCES}:
                raise
            if holder is not None:
                raise ServerError("server.running", pid=holder, path=path) from error
            continue  # it has ended just now
        if _is_at(file, path):
            return file
        os.close(file)


def _holder(file: int) -> int | None:
    """The process that holds the lock; None: nobody does any more."""
    asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    answered = _FLOCK.unpack(fcntl.fcntl(file, fcntl.F_GETLK, asked))
    return None if answered[0] == fcntl.F_UNLCK else int(answered[-1])


def _is_at(file: int, path: Path) -> bool:
    """Whether the path still names the open file."""
    try:
        return os.path.samestat(os.fstat(file), path.lstat())
    except FileNotFoundError:
        return False


def _refuse_foreign(file: int, path: Path) -> None:
    """Never overwrite what is no pid file: a wrong path must not cost anybody their work."""
    status = os.fstat(file)
    ours = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
    if not (ours and _CONTENT.fullmatch(os.pread(file, _LOOK, 0))):
        raise ServerError("server.pid-file-foreign", path=path)
