"""A server that is measured: started, found, ended."""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from scripts.machine import ROOT
from scripts.machine.bench.cores import on_core
from scripts.machine.bench.failures import FailedRunError, last_words

READY_DEADLINE: Final = 15.0
"""Seconds until a server serves; it takes tenths."""
_LOOK_AGAIN: Final = 0.005


@dataclass(frozen=True, slots=True)
class Server:
    """A server under way, and its process group."""

    group: int
    port: int


@contextlib.contextmanager
def serving(argv: Sequence[str], transport: str, core: int) -> Iterator[Server]:
    """Start a server in a process group of its own, on one core; the group is killed in the end.

    Args:
        argv: the program; its first line on stdout, or a later one, is the event `serving` (JSON).
        transport: `tcp` or `udp`: of the socket whose port is asked.
        core: where it runs.

    Raises:
        FailedRunError: it did not say that it serves.
    """
    # Files, not pipes: nobody has to read them while something is measured.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with on_core(core):
            process = subprocess.Popen(
                argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=err, process_group=0
            )
        try:
            yield Server(process.pid, _port(process, out, err, transport))
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _port(process: subprocess.Popen[bytes], out: IO[bytes], err: IO[bytes], transport: str) -> int:
    deadline = time.monotonic() + READY_DEADLINE
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        if (port := port_in(_text(out), transport)) is not None:
            return port
        if ended:
            raise FailedRunError(
                "machine.bench-ended", status=process.returncode, seen=last_words(_text(err), _text(out))
            )
        time.sleep(_LOOK_AGAIN)
    raise FailedRunError(
        "machine.bench-not-serving", seconds=f"{READY_DEADLINE:g}", seen=last_words(_text(err), _text(out))
    )


def port_in(log: str, transport: str) -> int | None:
    """The port of a transport in the event `serving` of a log, if it is there already."""
    for line in log.splitlines(keepends=True):
        if not line.endswith("\n") or '"serving"' not in line:
            continue
        event = json.loads(line)
        for bound in event["bound"] if event["event"] == "serving" else ():
            if bound["transport"] == transport:
                return int(bound["port"])
    return None


def _text(file: IO[bytes]) -> str:
    """A file from its beginning, without moving where the program writes (the position is shared with it)."""
    return Path(f"/proc/self/fd/{file.fileno()}").read_text(encoding="utf-8", errors="replace")
