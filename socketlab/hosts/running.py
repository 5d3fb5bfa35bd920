"""Programs on a host, run to their end: both streams are collected while its input is fed."""

import contextlib
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Final

from socketlab.errors import EndedError, LabError
from socketlab.hosts.programs import (
    GRACE,
    Argument,
    Completed,
    Program,
    ProgramError,
    ProgramTimeoutError,
    start,
)
from socketlab.hosts.streams import Calls, Input

MOST_OUTPUT: Final = 64 * 1024 * 1024
"""Bytes that are collected of each stream."""


def run(
    calls: Calls,
    host: str,
    argv: Sequence[Argument],
    *,
    input: bytes = b"",  # noqa: A002 - as subprocess.run calls it
    timeout: float | None = 60,
    env: Mapping[str, str] | None = None,
    check: bool = False,
) -> Completed:
    """Run a program to its end.

    Args:
        calls: the host's actor.
        host: its name.
        argv: the program and its arguments.
        input: what it reads on its standard input.
        timeout: seconds; it is killed when they are over. None: as long as it takes.
        env: variables that it gets besides the host's own.
        check: another exit code than 0 is an error.

    Raises:
        ProgramTimeoutError: it took longer; `completed` has what it said.
        ProgramError: it said too much, or (`check`) failed.
        OSError: the host cannot start it.
    """
    began = time.monotonic()
    program = start(calls, host, argv, env=env, stdin=bool(input), kind=Program)
    try:
        return _run(program, input, began, timeout, check=check)
    finally:
        program.end(0.0)


def _run(program: Program, given: bytes, began: float, timeout: float | None, *, check: bool) -> Completed:
    deadline = None if timeout is None else began + timeout
    flooded = threading.Event()
    counts: dict[threading.Thread, int] = {}

    def enough(data: bytes) -> bool:
        me = threading.current_thread()
        counts[me] = counts.get(me, 0) + len(data)
        if counts[me] > MOST_OUTPUT:
            flooded.set()
            _kill(program)
            return True
        return False

    threads = [
        threading.Thread(target=output.listen, args=(enough,), daemon=True) for output in program.outputs
    ]
    for thread in threads:
        thread.start()
    if given and program.stdin is not None:
        threads.append(threading.Thread(target=_feed, args=(program.stdin, given), daemon=True))
        threads[-1].start()
    try:
        code = program.wait(timeout)
        # A grandchild may hold the pipes open for longer than its parent lived.
        for thread in threads:
            thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
        late = any(thread.is_alive() for thread in threads)
    except ProgramTimeoutError:
        late = True
    if late:
        raise _too_late(program, threads, began, timeout or 0.0)
    completed = program.completed(began)
    if flooded.is_set():
        error = ProgramError("program.flood", **program.named(), most=MOST_OUTPUT)
    elif check and code:
        error = ProgramError("program.failed", **program.named(), status=code, said=program.last_words())
    else:
        return completed
    error.completed = completed
    raise error


def _too_late(
    program: Program, threads: Sequence[threading.Thread], began: float, timeout: float
) -> ProgramTimeoutError:
    _kill(program)
    with contextlib.suppress(ProgramTimeoutError):
        program.wait(GRACE)
    until = time.monotonic() + GRACE
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    error = ProgramTimeoutError(
        "program.timeout", **program.named(), seconds=f"{timeout:g}", said=program.last_words()
    )
    error.completed = program.completed(began)
    return error


def _kill(program: Program) -> None:
    with contextlib.suppress(ProcessLookupError, EndedError):  # it is gone already
        program.kill()


def _feed(stdin: Input, data: bytes) -> None:
    try:
        stdin.write(data)
        stdin.close()
    except (OSError, LabError):
        pass  # it ended, or closed its input, before it had read all: its affair
