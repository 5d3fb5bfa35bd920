"""The learner's program: whether its file can be run, the process, and the sockets on which it waits."""

import contextlib
import ipaddress
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from services.runner.proc_net import TCP_LISTEN, UDP_UNCONNECTED, Row, parse
from socketlab.wire import Listener, ProgramReport
from socketlab.wire.fault import Protocol

SETTLE: Final = 5.0
"""Seconds within which a program is expected to listen or to end."""
_AGAIN: Final = 0.02
_GRACE: Final = 1.5
"""Seconds between SIGTERM and SIGKILL; with it a host stays below the 2 s that compose may give it."""
_LAST_WORDS: Final = 1.0
_TAIL: Final = 20
_LINE: Final = 300
_LISTENERS: Final = 16
_TABLES: Final[tuple[tuple[str, Protocol, int], ...]] = (
    ("tcp", "tcp", TCP_LISTEN),
    ("tcp6", "tcp", TCP_LISTEN),
    ("udp", "udp", UDP_UNCONNECTED),
    ("udp6", "udp", UDP_UNCONNECTED),
)
"""Table, its protocol, and the state of a socket that waits for peers."""


def why_not(path: str) -> ProgramReport | None:
    """The report on a file that this user cannot run; None: it can be read."""
    name = _name(path)
    try:
        with Path(path).open("rb"):
            return None
    except IsADirectoryError:
        return ProgramReport(program=name, state="directory")
    except FileNotFoundError:
        return ProgramReport(program=name, state="missing")
    except OSError:
        return ProgramReport(program=name, state="unreadable", mode=_mode(Path(path)))


def _mode(path: Path) -> str:
    try:
        return stat.filemode(path.stat().st_mode)
    except OSError:
        return "?"  # a folder on the way to it is closed as well


def _name(path: str) -> str:
    """A path as text: its bytes may be no UTF-8."""
    return os.fsencode(path).decode("utf-8", "replace")


class Program:
    """A program that runs, in a session of its own, so that all it starts is found and ended with it.

    Args:
        path: a Python file.
        arguments: for it.
    """

    def __init__(self, path: str, arguments: list[str]) -> None:
        self._name = _name(path)
        self._settled_by = time.monotonic() + SETTLE
        self._last_lines: deque[str] = deque(maxlen=_TAIL)
        self._process = subprocess.Popen(  # noqa: S603 - running the learner's own file is the purpose
            [sys.executable, "-u", path, *arguments],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stderr is not None  # noqa: S101 - asked for above; for the type checker
        self._tail = threading.Thread(target=self._pass_on, args=(self._process.stderr,), daemon=True)
        self._tail.start()

    def settle(self) -> ProgramReport:
        """Wait until the program listens, has ended, or has had `SETTLE` seconds; then report.

        No event tells that another program called listen(), so this is a poll, every 20 ms, and bounded.
        """
        while (report := self.report()).state == "not-listening" and time.monotonic() < self._settled_by:
            time.sleep(_AGAIN)
        return report

    def report(self) -> ProgramReport:
        """How it stands now."""
        code = self._process.poll()
        if code is not None:
            self._hear_it_out()
            return ProgramReport(
                program=self._name, state="ended", exit_code=code, last_lines=tuple(self._last_lines)
            )
        listeners = self._listeners()
        return ProgramReport(
            program=self._name,
            state="listening" if listeners else "not-listening",
            listeners=listeners,
            last_lines=tuple(self._last_lines),
        )

    def wait(self) -> None:
        """Wait until it has ended."""
        self._process.wait()

    def stop(self) -> None:
        """End it and all it started: SIGTERM, then SIGKILL to what is left after `_GRACE` seconds."""
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE)
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._hear_it_out()

    def _hear_it_out(self) -> None:
        """Wait a moment for its last words; a child of its own may hold its stderr open for longer."""
        self._tail.join(_LAST_WORDS)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _pass_on(self, stderr: IO[bytes]) -> None:
        """Hand its standard error on, and keep the end of it."""
        for line in iter(lambda: stderr.readline(4 * _LINE), b""):
            sys.stderr.buffer.write(line)
            sys.stderr.buffer.flush()
            self._last_lines.append(line.decode("utf-8", "replace").rstrip()[:_LINE])

    def _listeners(self) -> tuple[Listener, ...]:
        """The sockets of its session that wait for peers."""
        own = set(_socket_inodes(self._process.pid))
        found: dict[Listener, None] = {}
        for table, proto, waiting in _TABLES:
            try:
                text = Path("/proc/net", table).read_text(encoding="ascii")
            except FileNotFoundError:
                continue  # a kernel without IPv6
            for row in parse(text):
                if row.state == waiting and row.inode in own:
                    found[_listener(proto, row)] = None
        return tuple(found)[:_LISTENERS]


def _listener(proto: Protocol, row: Row) -> Listener:
    loopback_only = ipaddress.ip_address(row.address).is_loopback
    return Listener(proto=proto, address=row.address, port=row.port, loopback_only=loopback_only)


def _socket_inodes(session: int) -> Iterator[int]:
    """The inodes of all sockets that the processes of a session hold (proc(5))."""
    for process in Path("/proc").glob("[0-9]*"):
        # It may end while it is looked at, or belong to somebody else.
        with contextlib.suppress(OSError):
            if os.getsid(int(process.name)) != session:
                continue
            for fd in (process / "fd").iterdir():
                with contextlib.suppress(OSError):
                    target = str(fd.readlink())
                    if target.startswith("socket:["):
                        yield int(target[len("socket:[") : -1])
