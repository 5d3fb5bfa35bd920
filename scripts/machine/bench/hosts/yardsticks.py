"""What one would do by hand, measured: the yardsticks."""

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any, Final, Self

from scripts.machine import ROOT

PYTHON: Final = str(getattr(sys, "_base_executable", None) or sys.executable)
"""The interpreter without the `.venv` around it, whose site-packages take time to find."""
_PAYLOAD: Final = "x" * 64
_PING_CHILD: Final = """
import json, sys
for line in sys.stdin.buffer:
    asked = json.loads(line)
    answer = {"id": asked["id"], "value": asked["args"][0], "at": [1, 2]}
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\\n")
    sys.stdout.buffer.flush()
"""
_SECONDS: Final = 60.0
_IMAGE_LABEL: Final = "org.socketlab.run"


class _Child:
    """A program that answers lines with lines."""

    def __init__(self, argv: list[str]) -> None:
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)

    def ask(self, line: bytes) -> bytes:
        """Its answer to a line.

        Raises:
            OSError: it ended instead.
        """
        there, back = _streams(self._process)
        there.write(line)
        there.flush()
        if not (answer := back.readline()):
            raise ConnectionResetError(f"{self._process.args!r} ended: {self._process.wait()}")
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for stream in _streams(self._process):
            with suppress(OSError):
                stream.close()
        try:
            self._process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _streams(process: "subprocess.Popen[bytes]") -> tuple[IO[bytes], IO[bytes]]:
    if process.stdin is None or process.stdout is None:
        raise ValueError(process)
    return process.stdin, process.stdout


class ByHand(_Child):
    """Makes two-host labs with `ip`, see `by_hand`."""

    def __init__(self) -> None:
        enter = ["unshare", "--user", "--map-root-user", "--net", "--mount", "--kill-child"]
        super().__init__(
            [*enter, "--fork", sys.executable, "-m", "scripts.machine.bench.hosts.by_hand", PYTHON]
        )

    def seconds(self) -> float:
        """Make one and clear it away; what making it took."""
        return float(self.ask(b"\n"))


class Ping(_Child):
    """A Python child that decodes a JSON line and answers with another, over pipes.

    Args:
        core: on which it runs.
    """

    def __init__(self, core: int) -> None:
        super().__init__([PYTHON, "-c", _PING_CHILD])
        os.sched_setaffinity(self._process.pid, {core})
        self._number = 0

    def __call__(self) -> None:
        """There and back, decoded and encoded at both ends: about 130 B a line."""
        self._number += 1
        asked: dict[str, Any] = {"id": self._number, "call": "recv", "on": 3, "args": [_PAYLOAD]}
        json.loads(self.ask(json.dumps(asked).encode() + b"\n"))


def microseconds_of(call: Callable[[], object], times: int) -> list[float]:
    """Microseconds of each of so many calls."""
    took = []
    for _ in range(times):
        started = time.perf_counter_ns()
        call()
        took.append((time.perf_counter_ns() - started) / 1000)
    return took


def docker_pair(image: str) -> float:
    """Two bare `docker run` on a fresh network, and away with them; the seconds until both ran."""
    name = f"socketlab-bench-{secrets.token_hex(4)}"
    containers = [f"{name}-{host}" for host in ("a", "b")]
    label = f"{_IMAGE_LABEL}={os.environ.get('SOCKETLAB_RUN', 'bench')}"
    started = time.perf_counter()
    try:
        _docker("network", "create", "--internal", "--label", label, name)
        for container in containers:
            run = ("run", "--detach", "--network", name, "--name", container, "--label", label)
            _docker(*run, image, "sleep", "300")
        return time.perf_counter() - started
    finally:
        for remove in (("rm", "--force", *containers), ("network", "rm", name)):
            subprocess.run(["docker", *remove], check=False, capture_output=True, timeout=_SECONDS)


def _docker(*words: str) -> None:
    subprocess.run(["docker", *words], check=True, capture_output=True, timeout=_SECONDS)
