"""Starts the server as a process of its own and reads its log.

Theory of operation
    The log is read as it comes, by a thread, so that a server never waits for a test that does not read. The
    end of the log is the end of the last process that holds it: the server, and whatever it has forked.
"""

import contextlib
import json
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Protocol

ROOT = Path(__file__).parents[2]
HEALTH = ROOT / "services" / "health.py"
DEADLINE = 10.0
"""Seconds for what takes milliseconds: only a hang is to be noticed."""


class Process(Protocol):
    """What tests need of `subprocess.Popen`."""

    pid: int

    @property
    def stdout(self) -> IO[str] | None:
        """The pipe of its standard output."""

    def poll(self) -> int | None:
        """Its exit code, if it has ended."""

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, when it has ended."""

    def send_signal(self, sig: int) -> None:
        """Send it a signal."""

    def terminate(self) -> None:
        """Ask it to stop."""

    def kill(self) -> None:
        """End it."""


class Server:
    """A server process and where it serves.

    Args:
        process: its standard output is a pipe of text.
        health: path of its health answer.
        stderr: takes its standard error.
    """

    def __init__(self, process: Process, health: str, stderr: IO[str]) -> None:
        self.process = process
        self.health = health
        self.events: list[dict[str, Any]] = []
        """What `wait_for` has read of the log."""
        self._stderr = stderr
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Of the process, or of the parent where there are more."""
        return self.process.pid

    @property
    def bound(self) -> list[dict[str, Any]]:
        """Where it serves, as its log says."""
        [serving] = [event for event in self.events if event["event"] == "serving"]
        bound: list[dict[str, Any]] = serving["bound"]
        return bound

    def port(self, name: str, transport: str = "tcp") -> int:
        ports = {
            bound["port"] for bound in self.bound if (bound["name"], bound["transport"]) == (name, transport)
        }
        [port] = ports
        return int(port)

    def wait_for(self, name: str, such: Callable[[dict[str, Any]], bool] = lambda _: True) -> dict[str, Any]:
        """Read the log up to the next such event."""
        while (event := self._next()) is not None:
            if event["event"] == name and such(event):
                return event
        message = f"the log ended before {name}: {self.events}\n{self.complaints()}"
        raise AssertionError(message)

    def read_so_far(self) -> list[dict[str, Any]]:
        """What has come of the log, without waiting for more."""
        while not self._lines.empty() and self._next() is not None:
            pass
        return self.events

    def read_log(self) -> list[dict[str, Any]]:
        """The whole log, to its end."""
        while self._next() is not None:
            pass
        return self.events

    def complaints(self) -> str:
        """What it has written on standard error."""
        self._stderr.seek(0)
        return self._stderr.read()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(DEADLINE)

    def has_ended(self) -> bool:
        """Whether every process of this server ends within a generous time: nobody holds the log any more."""
        self._reader.join(DEADLINE)
        return not self._reader.is_alive()

    def _read(self) -> None:
        assert self.process.stdout
        with contextlib.suppress(ValueError):  # it was closed at the end of the test
            for line in self.process.stdout:
                self._lines.put(line)
        self._lines.put(None)

    def _next(self) -> dict[str, Any] | None:
        try:
            line = self._lines.get(timeout=2 * DEADLINE)
        except queue.Empty:
            message = f"the log is silent after {self.events}\n{self.complaints()}"
            raise AssertionError(message) from None
        if line is None:
            self._lines.put(None)  # it stays at its end
            return None
        event: dict[str, Any] = json.loads(line)
        self.events.append(event)
        return event


@contextlib.contextmanager
def served(*arguments: str) -> Iterator[Server]:
    """A server with these arguments, before which stands a free port; it is ready."""
    health = health_name()
    command = [sys.executable, "-m", "services.server", *with_usual(health, arguments)]
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as stderr,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=stderr, text=True) as process,
        watched(Server(process, health, stderr)) as server,
    ):
        yield server


def health_name() -> str:
    """A health socket that nobody else has."""
    return f"@socketlab-test-{uuid.uuid4().hex}"


def with_usual(health: str, arguments: Iterable[str]) -> list[str]:
    """A server's command line with what every test needs; what is asked for comes later, and so holds."""
    return ["--port", "0", "--health", health, *arguments]


@contextlib.contextmanager
def watched(server: Server) -> Iterator[Server]:
    """A server that has just been started, as soon as it is ready; in the end it is killed."""
    try:
        server.wait_for("serving")
        yield server
    finally:
        server.process.kill()
        server.process.wait(DEADLINE)
        ended = server.has_ended()
        sys.stderr.write(server.complaints())
    assert ended, "a process of this server has outlived it"


def run_server(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """A server that is expected to end by itself."""
    command = [sys.executable, "-m", "services.server", *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE, check=False, env=env
    )


def ask_health(path: str) -> subprocess.CompletedProcess[str]:
    """The health command, as a container runs it."""
    command = [sys.executable, "-I", "-S", str(HEALTH), path]
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=False)


def send_without_reading(conn: socket.socket) -> int:
    """Send until every buffer on the way is full; how many bytes that took."""
    conn.settimeout(0.5)
    sent = 0
    with contextlib.suppress(TimeoutError):
        while True:
            sent += conn.send(bytes(65536))
    conn.settimeout(DEADLINE)
    return sent


def read_to_end(conn: socket.socket) -> bytes:
    """All bytes up to the peer's FIN."""
    data = bytearray()
    while part := conn.recv(65536):
        data += part
    return bytes(data)
