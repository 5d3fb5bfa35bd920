"""Who owns what is on an engine: labels that say it, and a reaper that acts on it.

Theory of operation
    Whatever a controller makes carries `org.socketlab.owner`, a number of its own, and
    `org.socketlab.process`, by which others can tell whether it still lives: the machine, its boot, the PID
    namespace, the pid and when that process started. Before its first lab a controller starts a reaper, a
    process in a session of its own, and holds the write end of its stdin. While labs are open the reaper
    knows; when its stdin ends, however the controller ended, it removes what carries the owner's label.
    Where both are killed, `leftovers` finds what is left by the second label. What a controller has done to
    somebody else's container it notes with the reaper first, as the requests that undo it.
"""

import atexit
import json
import os
import platform
import subprocess
import sys
import threading
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from socketlab.hosts.docker.endpoint import Endpoint

LAB = "org.socketlab.lab"
"""The lab's name; also on what Compose makes, which is nobody's here."""
OWNER = "org.socketlab.owner"
PROCESS = "org.socketlab.process"
ONE = "org.socketlab.id"
"""One making of a lab: two labs may have one name."""
RUN = "org.socketlab.run"
END = "org.socketlab.end"
"""Of a container in somebody else's network namespace: `STOP` or `START`; others are simply removed."""
STOP = "stop"
"""It ends by SIGTERM before it is removed: it has things to undo there."""
START = "start"
"""It is run once before it is removed: that puts back what it was made to put back."""
_LINGER_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Process:
    """A process, told apart from every other one of any time and machine.

    Args:
        machine: its machine.
        boot: one run of that machine's kernel; empty where nothing tells.
        namespace: of process ids.
        pid: its number.
        started: when it started, in the kernel's own measure.
    """

    machine: str
    boot: str
    namespace: str
    pid: int
    started: str

    def label(self) -> str:
        """As a label's value."""
        return "/".join((self.machine, self.boot, self.namespace, str(self.pid), self.started))

    @classmethod
    def from_label(cls, value: str) -> "Process | None":
        """What `label` wrote; None: something else."""
        parts = value.split("/")
        if len(parts) != 5 or not parts[3].isdecimal():  # noqa: PLR2004
            return None
        return cls(parts[0], parts[1], parts[2], int(parts[3]), parts[4])

    @classmethod
    def own(cls) -> "Process":
        """This one."""
        pid = os.getpid()
        return cls(_machine(), _boot(), _namespace(), pid, _started(pid))

    def is_gone(self) -> bool:
        """Whether it surely lives no more; one that we cannot look at counts as alive."""
        if self.machine != _machine():
            return False
        if self.boot != _boot():
            return True
        if self.namespace != _namespace():
            return False
        started = _started(self.pid)
        return started != self.started


@cache
def _machine() -> str:
    with suppress(OSError):
        if text := Path("/etc/machine-id").read_text(encoding="ascii").strip():
            return text
    return platform.node().replace("/", "_")


@cache
def _boot() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""


@cache
def _namespace() -> str:
    with suppress(OSError):
        return str(Path("/proc/self/ns/pid").readlink()).strip("pid:[]")
    return ""


def _started(pid: int) -> str:
    """When a process started; empty: there is none, or it is a zombie."""
    try:
        # Field 22 of proc(5), counted from behind the name, which may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
        state, *rest = fields.split()
        return "" if state in "ZX" else rest[18]
    except (FileNotFoundError, ProcessLookupError):
        if Path("/proc/self/stat").exists():
            return ""
    except (OSError, IndexError, ValueError):
        return "?"
    answer = subprocess.run(  # noqa: S603 - no /proc: macOS
        ["ps", "-o", "lstart=", "-p", str(pid)],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
    )
    return "-".join(answer.stdout.split())


class Request(NamedTuple):
    """A POST to an engine.

    Args:
        path: `/containers/1f3.../unpause`.
        body: as JSON; None: none.
    """

    path: str
    body: Any = None


class Owner:
    """This controller as the owner of labs. One a process: `owner()`."""

    def __init__(self) -> None:
        self.id = str(uuid.uuid4())
        self._lock = threading.Lock()
        self._reaper: subprocess.Popen[bytes] | None = None
        self._told: list[Endpoint] = []
        self._undo: dict[str, tuple[Endpoint, str, tuple[Request, ...]]] = {}
        self._open = 0
        self._pid = os.getpid()

    def labels(self) -> dict[str, str]:
        """What everything it makes carries."""
        run = os.environ.get("SOCKETLAB_RUN", "")
        return {OWNER: self.id, PROCESS: Process.own().label(), **({RUN: run} if run else {})}

    @property
    def reaper_pid(self) -> int | None:
        """Its reaper, once it has one."""
        return self._reaper.pid if self._reaper else None

    def opening(self, endpoint: Endpoint) -> None:
        """Say that a lab is about to be made there; from now on the reaper watches over it."""
        with self._lock:
            if self._reaper is not None and self._reaper.poll() is not None:
                self._forget()
            try:
                self._watch(endpoint)
            except OSError:  # it was killed just now
                self._forget()
                self._watch(endpoint)
            self._open += 1

    def closed(self) -> None:
        """Say that nothing is left of one lab."""
        with self._lock:
            self._open -= 1
            if not self._open:
                with suppress(OSError):
                    self._tell({"idle": True})

    def undoing(self, endpoint: Endpoint, key: str, requests: Sequence[Request]) -> None:
        """Note what undoes a thing, before it is done; none: it is undone.

        Args:
            endpoint: of the engine, on which a lab is open.
            key: tells this thing from any other.
            requests: to the engine, in their order.
        """
        with self._lock:
            noted = (endpoint, key, tuple(requests))
            self._undo = {k: each for k, each in self._undo.items() if k != key}
            if requests:
                self._undo[key] = noted
            with suppress(OSError):  # it was killed: the next one is told all that is noted
                self._tell_undo(*noted)

    def _tell_undo(self, endpoint: Endpoint, key: str, requests: tuple[Request, ...]) -> None:
        asked = [[request.path, request.body] for request in requests]
        self._tell({"undo": key, "at": endpoint.as_json(), "requests": asked})

    def _watch(self, endpoint: Endpoint) -> None:
        if self._reaper is None:
            self._reaper = _start_reaper()
            self._told = []
            self._tell({"owner": self.id})
            for noted in self._undo.values():
                self._tell_undo(*noted)
        if endpoint not in self._told:
            self._told.append(endpoint)
            self._tell({"engine": endpoint.as_json()})
        self._tell({"idle": False})

    def _tell(self, what: dict[str, object]) -> None:
        if self._reaper is not None and self._reaper.stdin is not None:
            self._reaper.stdin.write(json.dumps(what).encode() + b"\n")
            self._reaper.stdin.flush()

    def _forget(self) -> None:
        if self._reaper is not None and self._reaper.stdin is not None:
            with suppress(OSError):
                self._reaper.stdin.close()
            self._reaper.poll()
        self._reaper = None

    def leave(self) -> None:
        """End the reaper's stdin, and see it off where it has nothing to do."""
        with self._lock:
            reaper, self._reaper = self._reaper, None
            if reaper is None or self._pid != os.getpid():
                return
            if reaper.stdin is not None:
                with suppress(OSError):
                    reaper.stdin.close()
            if not self._open:
                with suppress(subprocess.TimeoutExpired):
                    reaper.wait(_LINGER_SECONDS)
            if reaper.returncode is None:
                reaper.returncode = 0  # it has work to do and outlives us: no warning about that

    def disown(self) -> None:
        """In a forked child: the labs are the parent's, and so is its reaper."""
        if self._reaper is not None and self._reaper.stdin is not None:
            with suppress(OSError):
                self._reaper.stdin.close()
            self._reaper.returncode = 0


def _start_reaper() -> "subprocess.Popen[bytes]":
    """A reaper, in a session of its own: no Ctrl-C and no closed terminal reaches it."""
    root = str(Path(__file__).resolve().parents[3])
    start = (
        f"import sys; sys.path.insert(0, {root!r}); from socketlab.hosts.docker.reaper import main; main()"
    )
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-I", "-S", "-c", start],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/" if os.name == "posix" else None,
        bufsize=0,
    )


_owner: Owner | None = None
_making = threading.Lock()


def owner() -> Owner:
    """This process as an owner."""
    global _owner  # noqa: PLW0603 - one a process is the point
    with _making:
        if _owner is None:
            _owner = Owner()
            atexit.register(_owner.leave)
        return _owner


def _in_child() -> None:
    """A forked child owns nothing yet."""
    global _owner, _making  # noqa: PLW0603
    _making = threading.Lock()
    if _owner is not None:
        atexit.unregister(_owner.leave)
        _owner.disown()
        _owner = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
