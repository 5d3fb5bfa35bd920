"""Programs in containers: one that is run to its end, one whose streams are held open."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from socketlab.hosts.docker.engine import Engine, segment
from socketlab.hosts.docker.streams import STDERR, Demux, ExecStream


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a program.

    Args:
        code: its exit code.
        out: what it said on stdout.
        err: on stderr.
    """

    code: int
    out: bytes
    err: bytes


def start(engine: Engine, container: str, host: str, argv: Sequence[str]) -> ExecStream:
    """Start a program in a running container, and hold its streams.

    Args:
        engine: which engine.
        container: its id.
        host: the host's name, for errors.
        argv: the program.

    Raises:
        EngineError: the container does not run, or is paused.
    """
    made = _make(engine, container, argv, stdin=True)
    return ExecStream(host, *engine.hijack(f"/exec/{made}/start", {"Detach": False, "Tty": False}))


def run(engine: Engine, container: str, argv: Sequence[str], timeout: float = 30.0) -> Ran:
    """Run a program in a running container to its end.

    Args:
        engine: which engine.
        container: its id.
        argv: the program.
        timeout: seconds that each part of what it says may take.

    Raises:
        EngineError: the container does not run, or is paused.
        TimeoutError: it said nothing for too long.
    """
    made = _make(engine, container, argv, stdin=False)
    connection, first = engine.hijack(f"/exec/{made}/start", {"Detach": False, "Tty": False})
    demux = Demux()
    parts = demux.feed(first)
    with connection:
        connection.settimeout(timeout)
        while data := connection.recv(1 << 16):
            parts += demux.feed(data)
    told = engine.ask("GET", f"/exec/{made}/json")
    out = b"".join(payload for stream, payload in parts if stream != STDERR)
    err = b"".join(payload for stream, payload in parts if stream == STDERR)
    return Ran(int(told["ExitCode"] or 0), out, err)


def _make(engine: Engine, container: str, argv: Sequence[str], *, stdin: bool) -> str:
    body: dict[str, Any] = {
        "AttachStdin": stdin,
        "AttachStdout": True,
        "AttachStderr": True,
        "Cmd": list(argv),
    }
    return str(engine.ask("POST", f"/containers/{segment(container)}/exec", body=body)["Id"])
