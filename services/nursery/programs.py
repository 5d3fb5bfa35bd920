"""All programs of a host, seen from its first one: stopped, continued, asked to end."""

import os
import signal
from contextlib import suppress
from pathlib import Path

from services.actor.stopped import await_stopped

_STOPPED = "T"
_OWN = 1


def _state(pid: int) -> str:
    """The letter of a process's state (proc_pid_stat(5)); empty: it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[0]


def _is_stopped(pid: int) -> bool:
    """Whether a process is stopped, or will be as soon as it gets to run (proc_pid_status(5))."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    pending = int(fields["SigPnd"], 16) | int(fields["ShdPnd"], 16)
    return fields["State"].startswith(_STOPPED) or bool(pending >> (signal.SIGSTOP - 1) & 1)


class Programs:
    """The programs of one host.

    Args:
        own_proc: whether /proc lists this PID namespace. Where it does not, what was stopped before a pause
            is not known, and is continued with the rest.
    """

    def __init__(self, *, own_proc: bool) -> None:
        self._own_proc = own_proc
        self._stopped_before: set[int] = set()

    def but(self, *left_out: int | None) -> list[int]:
        """The processes that are neither this one nor these, zombies left out."""
        if not self._own_proc:
            return []
        found = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
        return [pid for pid in found if pid not in {_OWN, *left_out} and _state(pid) not in {"Z", "X", ""}]

    def pause(self, agent: int | None) -> None:
        """Stop all but the agent, which no host can ask for its time; returns when they have stopped."""
        self._stopped_before = {pid for pid in self.but(agent) if _is_stopped(pid)}
        with suppress(ProcessLookupError):
            os.kill(-1, signal.SIGSTOP)
        if agent is not None:
            os.kill(agent, signal.SIGCONT)
        await_stopped(lambda: self.but(agent))

    def resume(self) -> None:
        """Continue those that `pause` has stopped."""
        if not self._own_proc:
            with suppress(ProcessLookupError):
                os.kill(-1, signal.SIGCONT)
            return
        for pid in self.but():
            if pid not in self._stopped_before:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def terminate(self, *left_out: int | None) -> None:
        """SIGTERM to all but these.

        The agent serves until the host is gone, and an actor would kill what it has started before that
        could answer the signal.
        """
        if not self._own_proc:
            with suppress(ProcessLookupError):
                os.kill(-1, signal.SIGTERM)
            return
        for pid in self.but(*left_out):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
