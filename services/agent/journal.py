"""The undo journal: what the agent has put where the kernel keeps it after the agent's death.

Theory of operation
    JSON lines, written ahead: before something is changed the steps that undo it are in the journal
    (`Intent`), and after it is undone the line that settles it. So at any moment the intents without such a
    line name everything that may be left, and perhaps one thing that was never made: undoing is harmless
    then. A second intent of a lease takes the place of its first. The last line may be torn by a death in the
    middle of a write; its action had not begun. The file is emptied whenever nothing is left.

    The first line says which network namespace it is about: its cookie, which no other namespace gets until
    the machine is started anew, and which start of the machine. A journal may outlive its namespace (a host
    that is restarted has a new one), and what it names went with that.

    `Journal` is the file; the rest is pure. The file is locked while an agent, or its nanny, lives: one agent
    to a folder. What an earlier one has left there is undone by the next, before it serves.
"""

import fcntl
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from services.agent.undo import Undo
from services.messages import ServiceError
from socketlab.wire.errors import SocketlabError
from socketlab.wire.lines import parse, render
from socketlab.wire.schema import from_plain, to_plain

FILE_NAME = "undo.jsonl"
_COOKIE = getattr(socket, "SO_NETNS_COOKIE", 71)
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_OWN = Path("/proc/self/ns/net")


@dataclass(frozen=True, slots=True)
class About:
    """Which network namespace a journal is about.

    Args:
        boot: the kernel's name for this start of the machine.
        namespace: the namespace's cookie, or its inode where the kernel is older than Linux 5.14.
    """

    boot: str
    namespace: int


@dataclass(frozen=True, slots=True)
class Intent:
    """Something is about to be changed.

    Args:
        lease: for whom.
        undo: the steps that undo it, in the order to take them.
    """

    lease: str
    undo: tuple[Undo, ...]


@dataclass(frozen=True, slots=True)
class Settled:
    """What a lease had changed is as it was."""

    settled: str


Entry = About | Intent | Settled


def line_of(entry: Entry) -> bytes:
    """One line of the journal."""
    return render(to_plain(entry))


def here() -> About:
    """The network namespace of the caller.

    Raises:
        OSError: the machine does not tell.
    """
    with socket.socket(socket.AF_UNIX) as asked:
        try:
            cookie = int.from_bytes(asked.getsockopt(socket.SOL_SOCKET, _COOKIE, 8), "little")
        except OSError:
            cookie = _OWN.stat().st_ino
    return About(_BOOT.read_text(encoding="ascii").strip(), cookie)


def outstanding(journal: bytes, where: About) -> list[Intent]:
    """What may still be in the kernel, the latest first: the order to undo it in.

    A line that cannot be read is passed over, so that what the others name is undone all the same.

    Args:
        journal: what the file holds.
        where: the namespace that is asked about; a journal of another one has nothing for it.
    """
    intents: dict[str, Intent] = {}
    is_here = False
    for line in journal.split(b"\n")[:-1]:
        entry = _read(line)
        if isinstance(entry, About):
            is_here = entry == where
        elif isinstance(entry, Intent) and is_here:
            intents.pop(entry.lease, None)
            intents[entry.lease] = entry
        elif isinstance(entry, Settled):
            intents.pop(entry.settled, None)
    return list(reversed(intents.values()))


def _read(line: bytes) -> Entry | None:
    try:
        members = parse(line)
        if "settled" in members:
            return from_plain(Settled, members)
        return from_plain(About, members) if "boot" in members else from_plain(Intent, members)
    except SocketlabError:
        return None


class Journal:
    """The journal's file, locked. What an earlier agent of this namespace has left stays in it until `clear`.

    Args:
        folder: where it is: on a volume it outlives the agent's container.

    Raises:
        ServiceError: another agent holds it.
        OSError: the file cannot be made there.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / FILE_NAME
        self._here = here()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._file)
            raise ServiceError("agent.run-dir-in-use", folder=folder) from error
        left = self.outstanding()
        self._open = {intent.lease for intent in left}
        self._is_torn = bool(left)
        """Whether the last line may have no end, so that the next one must begin with it."""
        if not left:
            os.ftruncate(self._file, 0)

    def intend(self, lease: str, undo: tuple[Undo, ...]) -> None:
        """Note how to undo something before it is done. The note survives the process, not the machine.

        Args:
            lease: for whom; a note of the same lease is replaced.
            undo: the steps, in the order to take them.

        Raises:
            ServiceError: it cannot be written, so nothing must be changed.
        """
        lines = line_of(Intent(lease, undo))
        if not self._open:
            lines = line_of(self._here) + lines
        if self._is_torn:
            lines = b"\n" + lines
        self._is_torn = True
        try:
            written = os.write(self._file, lines)
        except OSError as error:
            raise ServiceError("agent.journal-full", why=error.strerror) from error
        if written != len(lines):
            raise ServiceError("agent.journal-full", why=f"{written} < {len(lines)}")
        self._is_torn = False
        self._open.add(lease)

    def settle(self, lease: str) -> None:
        """Note that something is undone. Not to have noted it is harmless: it would be undone once more."""
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
        """What may still be in the kernel of this namespace, the latest first."""
        size = os.fstat(self._file).st_size
        return outstanding(os.pread(self._file, size, 0), self._here)
