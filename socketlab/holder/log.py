"""A holder's log: a file that never grows past a bound."""

import os
import threading
from datetime import UTC, datetime
from pathlib import Path

MOST = 256 * 1024
"""Bytes. When there are more it begins anew: what a holder writes in a course is a few lines."""


class Log:
    """A file of lines, each with its time.

    Args:
        path: the file; what is in it from an earlier holder goes.

    Raises:
        OSError: it cannot be made there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(path, flags, 0o600)
        self._lock = threading.Lock()

    def take_stderr(self) -> None:
        """Let all that this process writes to stderr from now on stand in it, too."""
        os.dup2(self._descriptor, 2)

    def line(self, text: str) -> None:
        """Write a line."""
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        with self._lock:
            if os.fstat(self._descriptor).st_size > MOST:
                os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, f"{time} {text}\n".encode("utf-8", "replace")[:4096])

    def remove(self) -> None:
        """Take the file away."""
        self._path.unlink(missing_ok=True)
