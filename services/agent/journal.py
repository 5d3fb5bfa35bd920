"""The undo journal: what the agent has put where the kernel keeps it after the agent's death.

Theory of operation
    JSON lines, written ahead: before a route is made its intent is in the journal, and after it is deleted
    the line that settles it. So at any moment the intents without such a line name everything that may be
    left, and perhaps one thing that was never made: undoing is harmless then. The last line may be torn by
    a death in the middle of a write; its action had not begun. The file is emptied whenever nothing is left.
    `Journal` is the file; the rest is pure.

    The file is locked while an agent, or its nanny, lives: one agent to a run directory.
"""

import fcntl
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from services.messages import ServiceError
from socketlab.wire.errors import SocketlabError
from socketlab.wire.fault import Route
from socketlab.wire.lines import parse, render
from socketlab.wire.schema import from_plain, to_plain

FILE_NAME = "undo.jsonl"


@dataclass(frozen=True, slots=True)
class Intent:
    """A route is about to be made."""

    lease: str
    route: Route


@dataclass(frozen=True, slots=True)
class Settled:
    """The route of a lease is gone."""

    settled: str


def line_of(entry: Intent | Settled) -> bytes:
    """One line of the journal."""
    return render(to_plain(entry))


def outstanding(journal: bytes) -> list[Intent]:
    """What may still be in the kernel, the latest first: the order to undo it in.

    A line that cannot be read is passed over, so that what the others name is undone all the same.
    """
    intents: dict[str, Intent] = {}
    for line in journal.split(b"\n")[:-1]:
        entry = _read(line)
        if isinstance(entry, Intent):
            intents[entry.lease] = entry
        elif entry is not None:
            intents.pop(entry.settled, None)
    return list(reversed(intents.values()))


def _read(line: bytes) -> Intent | Settled | None:
    try:
        members = parse(line)
        return from_plain(Settled, members) if "settled" in members else from_plain(Intent, members)
    except SocketlabError:
        return None


class Journal:
    """The journal's file, locked and emptied: what an earlier agent left is swept by its mark, not by this.

    Args:
        folder: the agent's run directory.

    Raises:
        ServiceError: another agent holds it.
        OSError: the file cannot be made there.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / FILE_NAME
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._open: set[str] = set()
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._file)
            raise ServiceError("agent.run-dir-in-use", folder=folder) from error
        os.ftruncate(self._file, 0)

    def intend(self, lease: str, route: Route) -> None:
        """Note a route before it is made. The note survives the process, the machine it need not.

        Raises:
            ServiceError: it cannot be written, so the route must not be made.
        """
        line = line_of(Intent(lease, route))
        try:
            written = os.write(self._file, line)
        except OSError as error:
            raise ServiceError("agent.journal-full", why=error.strerror) from error
        if written != len(line):
            raise ServiceError("agent.journal-full", why=f"{written} < {len(line)}")
        self._open.add(lease)

    def settle(self, lease: str) -> None:
        """Note that a route is gone. Not to have noted it is harmless: it would be undone once more."""
        self._open.discard(lease)
        with suppress(OSError):
            if self._open:
                os.write(self._file, line_of(Settled(lease)))
            else:
                os.ftruncate(self._file, 0)

    def fileno(self) -> int:
        """The descriptor of the file, and so of its lock."""
        return self._file

    def clear(self) -> None:
        """Note that nothing is left of what an agent that has ended had made."""
        self._open.clear()
        os.ftruncate(self._file, 0)

    def outstanding(self) -> list[Intent]:
        """What may still be in the kernel, the latest first."""
        size = os.fstat(self._file).st_size
        return outstanding(os.pread(self._file, size, 0))
