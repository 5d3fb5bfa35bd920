"""What is done to a host from outside, as a fault that can be healed.

Healing undoes what was done, and nothing else: a host that somebody has killed meanwhile is not resumed, one
that has been booted not booted again.
"""

from typing import Final

from socketlab.errors import EndedError, FaultsError, HostError, LabError
from socketlab.faults.model import HostAction
from socketlab.hosts.host import Host

_NOBODY: Final = 3
_SECONDS: Final = 20.0
_STOP: Final = r"""
import os, signal, sys, time
own = os.readlink("/proc/self/ns/net")
mine = {os.getpid(), os.getppid()}
found = []
for name in os.listdir("/proc"):
    if not name.isdigit() or int(name) in mine:
        continue
    try:
        with open(f"/proc/{name}/cmdline", "rb") as file:
            words = file.read().replace(b"\0", b" ")
        with open(f"/proc/{name}/stat", "rb") as file:
            born = file.read().rpartition(b")")[2].split()[19].decode()
        if b"services.actor" in words or os.readlink(f"/proc/{name}/ns/net") != own:
            continue
        if sys.argv[1].encode() in words:
            os.kill(int(name), signal.SIGSTOP)
            found.append((name, born))
    except OSError:
        continue

def runs(pid):
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"T", b"t", b"Z", b"X", b"D")
    except OSError:
        return False

until = time.monotonic() + 2
while any(runs(pid) for pid, _ in found) and time.monotonic() < until:
    time.sleep(0.0005)
print(" ".join(f"{pid}:{born}" for pid, born in found))
sys.exit(0 if found else 3)
"""
_CONTINUE: Final = r"""
import os, signal, sys
for word in sys.argv[1:]:
    pid, _, born = word.partition(":")
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            if file.read().rpartition(b")")[2].split()[19].decode() == born:
                os.kill(int(pid), signal.SIGCONT)
    except OSError:
        pass
"""
"""A process is told by its number and its start (proc_pid_stat(5), field 22): numbers are used again."""


class ActionPart:
    """Something done to a host.

    Args:
        host: which.
        fault: what.
    """

    bitten = None

    def __init__(self, host: Host, fault: HostAction) -> None:
        self.fault = fault
        self.trouble: LabError | None = None
        self._host = host
        self._done = False
        self._processes: list[str] = []

    @property
    def host(self) -> str:
        """Where."""
        return self._host.name

    def put(self) -> None:
        """Do it.

        Raises:
            HostError: the host's state does not allow it, or its backend cannot.
            FaultsError: no such process.
        """
        match self.fault.do:
            case "pause":
                self._host.pause()
            case "stop-process":
                self._stop_processes(self.fault.process or "")
            case "kill":
                self._host.kill()
            case "restart":
                self._host.stop()
            case "disconnect":
                self._host.disconnect(self.fault.network)
        self._done = True

    def take_away(self) -> None:
        """Undo it, if there still is anything to undo.

        Raises:
            HostError: it cannot be undone.
        """
        if not self._done:
            return
        self._done = False
        state = self._host.state
        match self.fault.do, state:
            case "pause", "paused":
                self._host.resume()
            case "stop-process", "running" if self._processes:
                self._run(_CONTINUE, *self._processes)
            case (("kill" | "restart"), "stopped"):
                self._host.boot()
            case "disconnect", ("running" | "paused"):
                try:
                    self._host.reconnect(self.fault.network)
                except HostError:
                    if self.fault.network is not None:
                        raise
                    for each in self._host.addresses:  # some of it is connected already: the rest, then
                        self._reconnect(each)

    def _reconnect(self, network: str) -> None:
        try:
            self._host.reconnect(network)
        except HostError as error:
            self.trouble = error

    def _stop_processes(self, process: str) -> None:
        code, said = self._run(_STOP, process)
        if code == _NOBODY:
            raise FaultsError("faults.no-process", host=self._host.name, seen=ascii(process))
        if code:
            raise FaultsError("faults.stop-process", host=self._host.name, status=code)
        self._processes = said.split()

    def _run(self, script: str, *arguments: str) -> tuple[int, str]:
        try:
            done = self._host.run(["python3", "-I", "-S", "-c", script, *arguments], timeout=_SECONDS)
        except EndedError:
            return 0, ""  # with its host, or its lab, went all that could be undone
        return done.exit_code, done.stdout.decode("ascii", "replace")
