"""The leases that the agent holds itself, kept on disk: the next agent puts them in force again.

Theory of operation
    A host that is restarted has a new network namespace, and its agent ends and comes back in it; what a
    controller holds the controller applies again, what nobody but the agent holds is here. JSON lines: one
    when a fault is in force, one when it has been healed. An end is noted by the clock that counts from the
    machine's start, suspended or not, with the name of that start: after another one it means nothing, and
    nothing is taken up. An agent that is told to end forgets all: whoever starts it anew, perhaps days later,
    expects a sound network.

    The journal's lock, in the same folder, keeps a second agent off this file.
"""

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from services.messages import ServiceError
from socketlab.wire.errors import SocketlabError
from socketlab.wire.fault import Fault
from socketlab.wire.lines import parse, render
from socketlab.wire.schema import from_plain, to_plain

FILE_NAME = "leases.jsonl"
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_IDLE_LINES = 256
"""So many lines that mean nothing any more are left standing before the file is written anew."""


@dataclass(frozen=True, slots=True)
class KeptLease:
    """A fault in force.

    Args:
        lease: its id.
        fault: the fault, seeds and all.
        until: when its time is up, seconds of CLOCK_BOOTTIME; None: it has no end.
        boot: the start of the machine that this clock counts from.
    """

    lease: str
    fault: Fault
    until: float | None
    boot: str


@dataclass(frozen=True, slots=True)
class Healed:
    """A fault that is no longer in force."""

    healed: str


def line_of(entry: KeptLease | Healed) -> bytes:
    """One line of the file."""
    return render(to_plain(entry))


def left_of(content: bytes, boot: str, now: float) -> list[KeptLease]:
    """The faults that are to be in force, in the order they came.

    Args:
        content: of the file; lines that cannot be read, a torn last one too, are passed over.
        boot: the present start of the machine.
        now: seconds of CLOCK_BOOTTIME.
    """
    kept: dict[str, KeptLease] = {}
    for line in content.split(b"\n")[:-1]:
        with suppress(SocketlabError):
            members = parse(line)
            if "healed" in members:
                kept.pop(from_plain(Healed, members).healed, None)
            else:
                entry = from_plain(KeptLease, members)
                kept[entry.lease] = entry
    return [each for each in kept.values() if each.boot == boot and (each.until is None or each.until > now)]


def boot_clock() -> float:
    """Seconds since the machine was started."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Kept:
    """The file.

    Args:
        folder: where the journal is.

    Raises:
        OSError: it cannot be made there.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._boot = _BOOT.read_text(encoding="ascii").strip()
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._there: dict[str, bytes] = {}
        self._idle = 0

    def take(self) -> list[KeptLease]:
        """What an agent before this one held; it is held no longer, until it is kept anew."""
        content = os.pread(self._file, os.fstat(self._file).st_size, 0)
        os.ftruncate(self._file, 0)
        return left_of(content, self._boot, boot_clock())

    def keep(self, lease: str, fault: Fault, seconds: float | None) -> None:
        """Note a fault that is in force.

        Raises:
            ServiceError: there is no room for it.
        """
        until = None if seconds is None else boot_clock() + seconds
        line = line_of(KeptLease(lease, fault, until, self._boot))
        try:
            written = os.write(self._file, line)
        except OSError as error:
            raise ServiceError("agent.not-kept", why=error.strerror or error) from error
        if written != len(line):
            raise ServiceError("agent.not-kept", why=f"{written} < {len(line)}")
        self._there[lease] = line

    def drop(self, lease: str) -> None:
        """Note that a fault is in force no longer; nothing to do for one that was never kept."""
        if self._there.pop(lease, None) is None:
            return
        self._idle += 2
        with suppress(OSError):
            if not self._there:
                self.clear()
            elif self._idle > _IDLE_LINES:
                self._write_anew()
            else:
                os.write(self._file, line_of(Healed(lease)))

    def _write_anew(self) -> None:
        """Only what is in force: in another file first, so that a death on the way loses nothing."""
        beside = self._path.with_suffix(".new")
        beside.write_bytes(b"".join(self._there.values()))
        beside.chmod(0o600)
        beside.replace(self._path)
        os.close(self._file)
        self._file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        self._idle = 0

    def clear(self) -> None:
        """Forget all."""
        self._there.clear()
        self._idle = 0
        with suppress(OSError):
            os.ftruncate(self._file, 0)

    def close(self) -> None:
        """Close the file; what is in it stays."""
        os.close(self._file)
