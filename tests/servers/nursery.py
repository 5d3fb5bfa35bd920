"""Forks servers from a process that has imported all of the server's program.

Theory of operation
    To import the server takes some 0.2 s of processor time, more than nearly every test of it: hundreds of
    starts would be most of what this suite costs. So one process imports it once, and forks for each command
    line. From there on a fork does what `python -m services.server` does: it runs the command's `main` and
    ends with its exit code, its standard output and error being its own. That the command itself starts like
    that is tested in `tests/loopback`.

    The tests ask on a socket, with the two descriptors, and are told the process id. The process has no
    thread and serves nobody, so a fork takes no lock or connection along. It reaps a server when it is asked
    to, so a process id is not used again behind the tests' back. When the tests are gone, so are it and its
    servers.
"""

import contextlib
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import IO, Any

from tests.loopback.running import DEADLINE, ROOT, Server, health_name, watched, with_usual

_LONGEST = 65536
"""Bytes of a request."""


class Nursery:
    """The tests' side."""

    def __init__(self) -> None:
        self._asking: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @contextlib.contextmanager
    def served(self, *arguments: str) -> Iterator[Server]:
        """A server with these arguments, before which stands a free port; it is ready."""
        health = health_name()
        with (
            tempfile.TemporaryFile("w+", encoding="utf-8") as stderr,
            self._born(with_usual(health, arguments), stderr) as process,
            watched(Server(process, health, stderr)) as server,
        ):
            yield server

    def close(self) -> None:
        """End it."""
        if self._asking and self._process:
            self._asking.close()
            self._process.communicate(timeout=DEADLINE)
        self._asking = self._process = None

    def reap(self, pid: int) -> int:
        """The exit status of a server that has ended."""
        return int(self._ask({"reap": pid}))

    @contextlib.contextmanager
    def _born(self, arguments: list[str], stderr: IO[str]) -> Iterator["Newborn"]:
        reading, writing = os.pipe()
        with open(reading, encoding="utf-8") as stdout:  # noqa: PTH123 - a descriptor
            try:
                pid = self._ask({"arguments": arguments}, writing, stderr.fileno())
            finally:
                os.close(writing)
            newborn = Newborn(pid, stdout, self)
            try:
                yield newborn
            finally:
                newborn.close()

    def _ask(self, request: dict[str, Any], *descriptors: int) -> int:
        asking = self._asking or self._start()
        socket.send_fds(asking, [json.dumps(request).encode()], descriptors)
        answer = asking.recv(_LONGEST)
        assert answer, "the nursery has ended"
        return int(json.loads(answer))

    def _start(self) -> socket.socket:
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "tests.servers.nursery", str(its.fileno())]
        with its:
            # A pipe, as a server has: Python remembers of its standard output whether it can seek.
            self._process = subprocess.Popen(
                command, cwd=ROOT, stdout=subprocess.PIPE, pass_fds=[its.fileno()]
            )
        ours.settimeout(DEADLINE)
        self._asking = ours
        return ours


class Newborn:
    """A forked server; a `Process`."""

    def __init__(self, pid: int, stdout: IO[str], nursery: Nursery) -> None:
        self.pid = pid
        self.stdout = stdout
        self._nursery = nursery
        self._returncode: int | None = None
        self._end = os.pidfd_open(pid)  # readable when it has ended

    def poll(self) -> int | None:
        """As of `subprocess.Popen`."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """As of `subprocess.Popen`."""
        returncode = self._ended(timeout)
        if returncode is None:
            raise subprocess.TimeoutExpired(f"server {self.pid}", timeout or 0)
        return returncode

    def send_signal(self, sig: int) -> None:
        """As of `subprocess.Popen`."""
        if self._returncode is None:
            signal.pidfd_send_signal(self._end, sig)

    def terminate(self) -> None:
        """As of `subprocess.Popen`."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """As of `subprocess.Popen`."""
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Forget it."""
        os.close(self._end)

    def _ended(self, seconds: float | None) -> int | None:
        if self._returncode is None and select.select([self._end], [], [], seconds)[0]:
            self._returncode = os.waitstatus_to_exitcode(self._nursery.reap(self.pid))
        return self._returncode


def fork_servers(answering: socket.socket) -> list[str]:
    """The other side: answer, until the tests are gone; in each fork return its arguments.

    Args:
        answering: the socket.
    """
    servers: set[int] = set()
    while True:
        data, descriptors, _, _ = socket.recv_fds(answering, _LONGEST, 2)
        if not data:
            break
        request = json.loads(data)
        if "reap" in request:
            pid, status = os.waitpid(request["reap"], 0)
            servers.discard(pid)
            answering.sendall(json.dumps(status).encode())
            continue
        pid = os.fork()
        if pid == 0:
            answering.close()
            for number, descriptor in enumerate(descriptors, start=1):
                os.dup2(descriptor, number)
                os.close(descriptor)
            arguments: list[str] = request["arguments"]
            return arguments
        servers.add(pid)
        for descriptor in descriptors:
            os.close(descriptor)
        answering.sendall(json.dumps(pid).encode())
    for pid in servers:
        os.kill(pid, signal.SIGKILL)
    sys.exit()


def _main() -> int:
    from services.server import log, program  # noqa: F401, PLC0415 - what `main` imports when it is needed
    from services.server.cli import main  # noqa: PLC0415 - only on this side

    gc.freeze()  # what is there now stays; a collector that looked at it would copy the pages of every fork
    return main(fork_servers(socket.socket(fileno=int(sys.argv[1]))))


NURSERY = Nursery()
"""Of this test process; started by the first who needs it, closed in the end of all."""

if __name__ == "__main__":
    sys.exit(_main())
