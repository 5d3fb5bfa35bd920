"""The history in a file, where the environment names one; a host is read-only, so by default none does."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from services.client.interactive.prompt import REMEMBERED
from services.messages import say

VARIABLE: Final = "SOCKETLAB_HISTORY"
_MODE: Final = 0o600
"""What somebody typed is nobody else's business."""


class Remembered:
    """Lines typed in earlier sessions.

    Args:
        path: of the file; None: nothing is kept.
        tell: is told, once, that the file cannot be used.
    """

    def __init__(self, path: Path | None, tell: Callable[[str], None]) -> None:
        self._path = path
        self._tell = tell

    def read(self) -> list[str]:
        """The last lines, oldest first; of a file grown too long only these are kept."""
        if self._path is None:
            return []
        try:
            lines = self._path.read_bytes().decode("utf-8", "surrogateescape").split("\n")[:-1]
            if len(lines) > 2 * REMEMBERED:
                _replace(self._path, lines[-REMEMBERED:])
        except FileNotFoundError:
            return []
        except OSError as error:
            self._give_up(error)
            return []
        return lines[-REMEMBERED:]

    def add(self, line: str) -> None:
        """Keep one more line."""
        if self._path is None:
            return
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)
            try:
                os.write(descriptor, _bytes([line]))
            finally:
                os.close(descriptor)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._path = None
        self._tell(say("interactive.no-history", variable=VARIABLE, why=error))


def history_path(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The file that the environment names."""
    named = environ.get(VARIABLE)
    # os.path: a `~` that means nobody stays, where pathlib raises
    return Path(os.path.expanduser(named)) if named else None  # noqa: PTH111 - above


def _bytes(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


def _replace(path: Path, lines: list[str]) -> None:
    """Replace the file, whole or not at all."""
    new = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        new.write_bytes(_bytes(lines))
        new.chmod(_MODE)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
