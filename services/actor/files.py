"""Files put on the host for the programs that the actor starts."""

import os
from contextlib import suppress

from services.actor.limits import Limits, RefusalError


def _new_folder() -> str:
    """As `tempfile.mkdtemp` does it, which takes 20 ms to load."""
    parent = os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 - a new name that nobody can guess, and mkdir is exclusive
    path = os.path.join(parent, f"socketlab-actor-{os.urandom(8).hex()}")  # noqa: PTH118 - pathlib is not loaded here
    os.mkdir(path, 0o700)  # noqa: PTH102 - as above
    return path


class Files:
    """A folder that only the actor's own user reads, made when the first file comes.

    Args:
        limits: bytes of all of them.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._folder: str | None = None
        self._sizes: dict[str, int] = {}

    def put(self, name: str, data: bytes, mode: int = 0o600) -> str:
        """Write a file; one of the same name is replaced, and who has that one open keeps it.

        Args:
            name: without a folder.
            data: its content.
            mode: permissions.

        Returns:
            Its path.

        Raises:
            RefusalError: that is no name, or too much.
            OSError: the host cannot hold it.
        """
        if not name or "/" in name or "\0" in name or name in {".", ".."}:
            raise RefusalError("actor.name", seen=ascii(name)[:60])
        total = sum(self._sizes.values()) - self._sizes.get(name, 0) + len(data)
        if total > self._limits.files:
            raise RefusalError("actor.files", limit=self._limits.files, seen=total)
        if self._folder is None:
            self._folder = _new_folder()
        path = os.path.join(self._folder, name)  # noqa: PTH118 - pathlib is not loaded here
        with suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._sizes[name] = len(data)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
            file.write(data)
            os.fchmod(descriptor, mode & 0o777)
        return path

    def remove(self) -> None:
        """Remove all of them, and what programs have put beside them; what cannot be removed stays."""
        if self._folder is None:
            return
        for folder, folders, files in os.walk(self._folder, topdown=False):
            for name in files + folders:
                path = os.path.join(folder, name)  # noqa: PTH118
                with suppress(OSError):
                    os.unlink(path) if name in files or os.path.islink(path) else os.rmdir(path)  # noqa: PTH106, PTH108, PTH114
        with suppress(OSError):
            os.rmdir(self._folder)  # noqa: PTH106
