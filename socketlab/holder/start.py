"""Start a holder, and wait until its lab is open or it has said why not."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

import socketlab
from socketlab.errors import EndedError
from socketlab.holder import job as jobs
from socketlab.holder.process import KEEP
from socketlab.holder.protocol import ANSWER, About, about, read_answer

_GONE_SECONDS = 30.0
"""Of a holder that gives up: it clears away what there is of its lab."""
_BOOT = (
    "import sys; where = {where!r}; where in sys.path or sys.path.insert(0, where); "
    "from socketlab.holder.process import main; main()"
)
_END_LINES = 20


def start(job: jobs.Job, opening: Callable[[str], None]) -> About:
    """Have a lab opened and held by a process of its own.

    Args:
        job: which.
        opening: is told the lab's name once it is known and free.

    Returns:
        What is held.

    Raises:
        SocketlabError: why it is not; nothing is left of it.
    """
    where = str(Path(socketlab.__file__).parents[1])
    line = jobs.write(job)
    with tempfile.TemporaryFile() as stderr:
        # -P: no module of the folder that the user happens to be in.
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-P", "-c", _BOOT.format(where=where)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
        )
        assert process.stdin is not None  # noqa: S101 - it was asked for
        assert process.stdout is not None  # noqa: S101 - the same
        kept = False
        try:
            _send(process.stdin, line)
            opening(str(read_answer(_line(process, stderr)).get("opening", "")))
            held = about(read_answer(_line(process, stderr)))
            _send(process.stdin, KEEP)
            kept = True
        finally:
            for stream in (process.stdin, process.stdout):
                with suppress(OSError):
                    stream.close()
            if not kept:
                _await_end(process)
            else:
                process.returncode = 0  # it is nobody's child from now on: no ResourceWarning for that
        return held


def _send(stream: IO[bytes], line: bytes) -> None:
    with suppress(BrokenPipeError):  # it has ended: what it said tells why
        stream.write(line)
        stream.flush()


def _line(process: subprocess.Popen[bytes], stderr: IO[bytes]) -> bytes:
    """The next line of the holder.

    Raises:
        EndedError: it ended without one.
    """
    assert process.stdout is not None  # noqa: S101 - it was asked for
    line = process.stdout.readline(ANSWER.line + 1)
    if not line.endswith(b"\n"):
        process.wait()
        stderr.seek(0)
        said = stderr.read().decode("utf-8", "replace").rstrip().splitlines()[-_END_LINES:]
        raise EndedError(
            "holder.died", status=process.returncode, end="\n".join(f"  {each}" for each in said)
        )
    return line


def _await_end(process: subprocess.Popen[bytes]) -> None:
    """Let a holder that nobody wants any more clear away; the end of its stdin has told it."""
    try:
        process.wait(_GONE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
