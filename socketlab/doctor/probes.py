"""Trying each thing: the edge where the doctor meets the machine.

Each probe runs in a thread of its own and has one deadline with all others: what has not answered by then
is written down as that. A probe's processes are in groups of their own and end with it.
"""

import contextlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Generic, TypeVar

from socketlab.doctor.seen import Engine, Seen, Trace, Tried
from socketlab.doctor.verdicts import FORBIDDING
from socketlab.hosts import where
from socketlab.messages import say
from socketlab.wire.errors import SocketlabError

DEADLINE: Final = 2.5
"""Seconds that everything together may take."""
_OLDEST_COMPOSE: Final = 2
_HOSTS: Final = ("here", "there")
_T = TypeVar("_T")


class _Probe(Generic[_T]):
    """One try, under way.

    Args:
        work: tries.
        otherwise: what is written down when it does not end in time, or for a mistake of ours; is given why.
    """

    def __init__(self, work: Callable[[], _T], otherwise: Callable[[str], _T]) -> None:
        self._otherwise = otherwise
        self._work = work
        self._found: _T | None = None
        # A daemon: a try that hangs, an engine far away, must not hold the command back.
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._found = self._work()
        except SocketlabError as error:
            self._found = self._otherwise(str(error))
        except Exception as error:  # noqa: BLE001 - a doctor tells what is wrong, whatever it is
            self._found = self._otherwise(f"{type(error).__name__}: {error}")

    def result(self, until: float) -> _T:
        """What was seen, at the latest at `until` (monotonic clock)."""
        self._thread.join(max(0.0, until - time.monotonic()))
        found = self._found
        return self._otherwise(say("doctor.seen.late", seconds=f"{DEADLINE:g}")) if found is None else found


def look() -> Seen:
    """Try everything, at once."""
    until = time.monotonic() + DEADLINE
    linux = platform.system() == "Linux"
    engine = _Probe(_engine, lambda why: Engine(usable=False, why=why))
    kernel = _Probe(_kernel if linux else _Kernel, lambda why: _Kernel(why=why))
    hosts = _Probe(_hosts if linux else _no_hosts, lambda why: Tried(works=False, seen=why))
    trace: _Probe[tuple[Trace, str]] = _Probe(_trace, lambda why: ("refused", why))
    found_kernel, (traced, trace_seen) = kernel.result(until), trace.result(until)
    return Seen(
        system=platform.system(),
        release=platform.release(),
        python=platform.python_version(),
        engine=engine.result(until),
        kernel=found_kernel.tries,
        kernel_why=found_kernel.why,
        sysctls=_sysctls(),
        hosts=hosts.result(until),
        trace=traced,
        trace_seen=trace_seen,
    )


@dataclass(frozen=True, slots=True)
class _Kernel:
    """What `services.doctor` has told, or why it has told nothing."""

    tries: Mapping[str, Tried] = field(default_factory=dict)
    why: str = ""


def _kernel() -> _Kernel:
    """Have the kernel's parts tried in namespaces of another process."""
    path = os.pathsep.join(map(str, where.code()))
    status, out, err = _run([sys.executable, "-m", "services.doctor"], extra={"PYTHONPATH": path})
    tries = {}
    for line in out.splitlines():
        told = json.loads(line)
        tries[told["probe"]] = Tried(told["works"], told.get("errno", ""), told.get("seen", ""))
    return _Kernel(tries, "" if tries else _last_line(err) or str(status))


def _engine() -> Engine:
    """Ask the engine who it is, whether it has our images; and for Compose, where it answers."""
    from socketlab.hosts.docker import probe  # noqa: PLC0415 - in this thread, beside the other tries

    asking = _Probe(_compose, lambda _why: None)
    found = probe()
    error = found.error
    return Engine(
        usable=found.usable,
        kind=found.kind,
        version=found.version,
        where=found.where,
        why=found.why_not,
        lacks_images=error is not None and error.code == "docker.image",
        compose=asking.result(time.monotonic() + DEADLINE) if found.kind else None,
    )


def _hosts() -> Tried:
    """Make a lab of two hosts on namespaces, and have one look the other's name up."""
    from socketlab.hosts.lab import lab  # noqa: PLC0415 - in this thread, beside the other tries

    started = time.monotonic()
    with lab("doctor", hosts=_HOSTS, backend="namespace") as made:
        asking, asked = (made.hosts[name] for name in _HOSTS)
        found = asking.gethostbyname(asked.name)
        expected = asked.address
    if found != expected:
        words = say("doctor.seen.resolves", name=_HOSTS[1], expected=expected, seen=found)
        return Tried(works=False, seen=words)
    took = round((time.monotonic() - started) * 1000)
    return Tried(works=True, seen=say("doctor.seen.hosts", milliseconds=took))


def _no_hosts() -> Tried:
    return Tried(works=False)


def _trace() -> tuple[Trace, str]:
    """Have strace show a program's calls: a child of its own, as on a host."""
    if shutil.which("strace") is None:
        return "absent", ""
    status, _out, err = _run(["strace", "-qq", "-e", "trace=execve", sys.executable, "-I", "-S", "-c", ""])
    return ("works", "") if status == 0 and "execve(" in err else ("refused", _last_line(err))


def _compose() -> str | None:
    """The version of the Compose plugin, when it is new enough."""
    try:
        status, out, _err = _run(["docker", "compose", "version", "--format", "json"])
        version = str(json.loads(out)["version"]).removeprefix("v") if status == 0 else ""
        return version if int(version.partition(".")[0]) >= _OLDEST_COMPOSE else None
    except (OSError, ValueError, KeyError):
        return None


def _sysctls() -> dict[str, str]:
    """The settings that can forbid user namespaces, as far as this kernel has them."""
    found = {}
    for name in FORBIDDING:
        with contextlib.suppress(OSError):
            found[name] = Path("/proc/sys", *name.split(".")).read_text(encoding="ascii").strip()
    return found


def _run(argv: Sequence[str], extra: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """Run a program to its end; its status, what it wrote and what it complained of.

    Raises:
        OSError: there is no such program.
        subprocess.TimeoutExpired: it took too long; nothing of it runs any more.
    """
    with subprocess.Popen(  # noqa: S603 - programs of ours and of the machine's owner, by argument list
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **(extra or {})},
        start_new_session=True,
        text=True,
        errors="replace",
    ) as program:
        try:
            out, err = program.communicate(timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            _kill(program)
            raise
    return program.returncode, out, err


def _kill(program: "subprocess.Popen[str]") -> None:
    """End a program and what it has started, as far as the system knows groups."""
    if hasattr(os, "killpg"):
        os.killpg(program.pid, signal.SIGKILL)
    else:
        program.kill()


def _last_line(text: str) -> str:
    return next(reversed(text.strip().splitlines()), "")
