"""The command as a user starts it, with a runtime folder of its own and hosts in namespaces."""

import contextlib
import json
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
SECONDS = 30.0
"""A deadline for what takes a second."""


class Command:
    """`socketlab`, for one test or some of them.

    Args:
        folder: stands for the user's runtime directory.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {
            **os.environ,
            "XDG_RUNTIME_DIR": str(folder),
            "SOCKETLAB_BACKEND": "namespace",
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
        }

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "socketlab", *words]

    def run(self, *words: str, said: bytes = b"", **environ: str) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            self.argv(*words),
            input=said,
            capture_output=True,
            timeout=SECONDS,
            check=False,
            env={**self.environ, **environ},
        )

    def well(self, *words: str, said: bytes = b"") -> str:
        """Its standard output; it must end well."""
        done = self.run(*words, said=said)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def json(self, *words: str) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.well(*words, "--json"))
        return told

    def start(self, *words: str, **more: Any) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            self.argv(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environ, **more
        )

    def files(self) -> list[str]:
        place = self.folder / "socketlab"
        return sorted(path.name for path in place.iterdir()) if place.exists() else []

    def close(self) -> None:
        """Close what labs there are; a test that failed leaves some."""
        self.run("down", "--all")


def end_of(pid: int, seconds: float = SECONDS) -> bool:
    """Wait for a process's end; whether it came."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)


def descendants(pid: int) -> list[int]:
    """Everything below a process, as far as it is seen from here."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                more = [int(word) for word in children.read_text(encoding="ascii").split()]
                found += more
                waiting += more
    return found


class Terminal:
    """The command on a terminal."""

    def __init__(self, command: Command, *words: str, then: str = "") -> None:
        """Start it; `then` is what a shell does on the same terminal afterwards."""
        self.said = b""
        argv = command.argv(*words)
        if then:
            argv = ["sh", "-c", f"{shlex.join(argv)}; {then}"]
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            environ = {**command.environ, "TERM": "xterm"}
            os.execvpe(argv[0], argv, environ)  # noqa: S606 - no shell is wanted

    def until(self, pattern: bytes) -> bytes:
        """Read until something is said that no `until` has seen yet."""
        deadline = time.monotonic() + SECONDS
        while not (match := re.search(pattern, self.said)):
            left = deadline - time.monotonic()
            assert left > 0, self.said
            assert select.select([self.master], [], [], left)[0], self.said
            self.said += os.read(self.master, 4096)
        seen, self.said = self.said[: match.end()], self.said[match.end() :]
        return seen

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def end(self) -> tuple[int, bytes]:
        """Its exit status, and what it said last."""
        try:
            while data := os.read(self.master, 4096):
                self.said += data
        except OSError:  # EIO: nobody has the other side any more
            pass
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.master)
        return status, self.said


@contextlib.contextmanager
def ended(process: "subprocess.Popen[bytes]") -> Iterator["subprocess.Popen[bytes]"]:
    """A process that is over when the block is."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate(timeout=SECONDS)
