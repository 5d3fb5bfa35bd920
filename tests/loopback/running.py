"""Starts the server as a process of its own and reads its log."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
HEALTH = ROOT / "services" / "health.py"
DEADLINE = 10.0
"""Seconds for what takes milliseconds: only a hang is to be noticed."""


@dataclass
class Server:
    """A server process and where it serves."""

    process: subprocess.Popen[str]
    health: str
    events: list[dict[str, Any]] = field(default_factory=list)

    def port(self, name: str, transport: str = "tcp") -> int:
        [serving] = [event for event in self.events if event["event"] == "serving"]
        ports = {
            bound["port"]
            for bound in serving["bound"]
            if (bound["name"], bound["transport"]) == (name, transport)
        }
        [port] = ports
        return int(port)

    def wait_for(self, name: str) -> dict[str, Any]:
        """Read the log up to the next such event."""
        assert self.process.stdout
        for line in self.process.stdout:
            event: dict[str, Any] = json.loads(line)
            self.events.append(event)
            if event["event"] == name:
                return event
        message = f"the log ended before {name}: {self.events}"
        raise AssertionError(message)

    def stop(self) -> int:
        """Ask it to stop; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE)


@contextlib.contextmanager
def served(*arguments: str) -> Iterator[Server]:
    """A server with these arguments, ready."""
    health = f"@socketlab-test-{uuid.uuid4().hex}"
    command = [sys.executable, "-m", "services.server", "--port", "0", "--health", health, *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        server = Server(process, health)
        try:
            server.wait_for("serving")
            yield server
        finally:
            process.kill()


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
