"""What the tests of client and runner start: programs of ours as processes, and small peers for them."""

import os
import queue
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).parents[3]
PATIENCE = 30.0
"""Seconds for what takes a moment: a bound for a machine under load, never waited out."""


def environment(**more: str) -> dict[str, str]:
    """English and UTF-8, whoever runs the tests, unless a test asks for something else."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "SOCKETLAB_"))}
    return kept | {"LANG": "en_US.UTF-8", "PYTHONPATH": str(ROOT), "COLUMNS": "80"} | more


@dataclass
class Program:
    """A process of ours that runs, and the lines it writes."""

    process: subprocess.Popen[str]
    lines: "queue.SimpleQueue[str]" = field(default_factory=queue.SimpleQueue)

    def __post_init__(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))

    def line(self) -> str:
        """The next line it writes."""
        return self.lines.get(timeout=PATIENCE)

    def line_with(self, text: str) -> str:
        """The next line that holds `text`."""
        while text not in (line := self.line()):
            pass
        return line

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send it a signal and wait for its exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@dataclass
class Peer:
    """A TCP server in this process: a thread a connection, as its handler says."""

    listener: socket.socket
    port: int

    def stop(self) -> None:
        """Listen no more; closing alone would not wake the thread that accepts."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


Handler = Callable[[socket.socket], object]


class Run(Protocol):
    """Runs the client to its end."""

    def __call__(
        self, *arguments: str, send: bytes = b"", env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]: ...


class Start(Protocol):
    """Starts a module of `services`."""

    def __call__(self, module: str, *arguments: str, env: dict[str, str] | None = None) -> Program: ...


class Serve(Protocol):
    """Starts a `Peer`."""

    def __call__(self, handler: Handler, port: int = 0) -> Peer: ...


def echo(connection: socket.socket) -> None:
    """Hand back every byte."""
    while data := connection.recv(65536):
        connection.sendall(data)
