"""Where this user's holders are found: a folder with a lock, a socket and a log for each lab.

Theory of operation
    The lock is the truth: a holder has an flock(2) on `<name>.lock` for all its life, so two of one name
    cannot be, and whoever can take the lock knows that the holder is dead, SIGKILL or not, and may clear
    away what it left. The socket comes when the lab is open and goes before it is closed. The folder is
    this user's alone: another's, or a symlink in its place, is refused.
"""

import os
import re
import socket
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, Self, TypeAlias

from socketlab.errors import BackendError, SpecError

Standing: TypeAlias = Literal["running", "busy", "dead"]
"""Of a lab: its holder answers, it is opening or closing its lab, or it is gone."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
_LONGEST_PATH = 100
"""Bytes of a Unix socket's path: 108 with the closing zero on Linux, 104 on macOS (unix(7))."""
_LOCK_SECONDS = 0.5
"""Who only looks whether a lock is free holds it for microseconds: longer is a holder."""
_CONNECT_SECONDS = 5.0


def check_name(name: str) -> str:
    """A lab's name, if it can be a file's.

    Raises:
        SpecError: it cannot.
    """
    if not _NAME.fullmatch(name):
        raise SpecError("holder.name", seen=ascii(name)[:60])
    return name


def folder() -> Path:
    """The runtime folder, made if need be.

    Raises:
        BackendError: it is not ours alone, or cannot be made; or this system has no Unix sockets.
    """
    if not hasattr(os, "geteuid") or not hasattr(socket, "AF_UNIX"):
        raise BackendError("holder.system")
    place = _place()
    try:
        with suppress(FileExistsError):
            place.mkdir(mode=0o700)
        status = place.lstat()
    except OSError as error:
        raise BackendError("holder.folder-made", folder=place, seen=error.strerror) from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise BackendError(
            "holder.folder", folder=place, mode=stat.filemode(status.st_mode), uid=status.st_uid
        )
    return place


def _place() -> Path:
    """`$XDG_RUNTIME_DIR/socketlab`, else in /tmp: `sudo` may leave us another user's folder."""
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    if given.startswith("/"):
        with suppress(OSError):
            status = Path(given).stat()
            if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid():
                return Path(given) / "socketlab"
    return Path(tempfile.gettempdir()) / f"socketlab-{os.geteuid()}"


class Lock:
    """A holder's lock, from when it is made until `release`.

    Args:
        path: the lock file.

    Raises:
        BlockingIOError: somebody else has it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        deadline = time.monotonic() + _LOCK_SECONDS
        while not self._try():
            if time.monotonic() >= deadline:
                raise BlockingIOError(path)
            time.sleep(0.01)

    def _try(self) -> bool:
        import fcntl  # noqa: PLC0415 - no such module on Windows, where this package is imported too

        descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had it may have removed the file since we opened it: then this is a lock of nothing.
            if os.fstat(descriptor).st_ino == self._path.stat().st_ino:
                self._descriptor = descriptor
                return True
        except (BlockingIOError, FileNotFoundError):
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return False

    def release(self) -> None:
        """Let go of it, and remove the file."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


class Seat:
    """The files of one lab's holder.

    Args:
        name: of the lab.

    Raises:
        SpecError: it can be no file's name, or is too long for a socket's.
        BackendError: the folder is not to be had.
    """

    def __init__(self, name: str) -> None:
        self.name = check_name(name)
        place = folder()
        self.socket = place / f"{name}.sock"
        self.lock = place / f"{name}.lock"
        self.log = place / f"{name}.log"
        if len(os.fsencode(self.socket)) > _LONGEST_PATH:
            raise SpecError("holder.path", path=self.socket, limit=_LONGEST_PATH)

    def connect(self) -> socket.socket:
        """A connection to the holder.

        Raises:
            OSError: nobody listens there (any more).
        """
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(_CONNECT_SECONDS)
            connection.connect(str(self.socket))
        except BaseException:
            connection.close()
            raise
        return connection

    def listen(self) -> socket.socket:
        """The holder's socket; who calls has the lock, so a socket that lies there is a dead one's."""
        self.socket.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(str(self.socket))
            self.socket.chmod(0o600)
            listener.listen(64)
        except BaseException:
            listener.close()
            raise
        return listener

    def standing(self) -> Standing:
        """How the lab stands; what a dead holder left is cleared away (but for its log)."""
        try:
            self.connect().close()
        except OSError:
            pass
        else:
            return "running"
        try:
            with self.taken():
                self.socket.unlink(missing_ok=True)
        except BlockingIOError:
            return "busy"
        return "dead"

    def files(self) -> list[Path]:
        """Those of its files that are there."""
        return [path for path in (self.socket, self.lock, self.log) if path.exists()]

    def clear(self) -> None:
        """Remove what a dead holder left; of one that lives, nothing."""
        with suppress(BlockingIOError), self.taken():
            self.socket.unlink(missing_ok=True)
            self.log.unlink(missing_ok=True)

    @contextmanager
    def taken(self) -> Iterator[Self]:
        """Have the lock for the length of a block.

        Raises:
            BlockingIOError: a holder has it.
        """
        lock = Lock(self.lock)
        try:
            yield self
        finally:
            lock.release()


def seats() -> list[tuple[Seat, Standing]]:
    """This user's labs that are held, or just being opened or closed, by name."""
    found = [Seat(path.stem) for path in sorted(folder().glob("*.lock")) if _NAME.fullmatch(path.stem)]
    return [(seat, standing) for seat in found if (standing := seat.standing()) != "dead"]


def dead() -> list[Seat]:
    """Labs whose holder is gone and has left files."""
    names = {path.stem for kind in ("lock", "sock", "log") for path in folder().glob(f"*.{kind}")}
    found = [Seat(name) for name in sorted(names) if _NAME.fullmatch(name)]
    return [seat for seat in found if _is_dead(seat)]


def _is_dead(seat: Seat) -> bool:
    if not seat.lock.exists():
        return True
    try:
        with seat.taken():
            return True
    except BlockingIOError:
        return False
