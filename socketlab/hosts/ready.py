"""When a program started on a host is ready: when it says so, or when its user's function does."""

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from socketlab.hosts.programs import Argument, Program, ProgramError, ProgramTimeoutError, start
from socketlab.hosts.streams import Calls, Output

_MOST_UNREADY: Final = 1024 * 1024
"""Bytes that a program may say before it is ready."""
_WINDOW: Final = 8192
"""Bytes in which what tells readiness is looked for: it may come in pieces."""
_AGAIN: Final = 0.02

Ready: TypeAlias = bytes | str | re.Pattern[bytes] | re.Pattern[str] | Callable[[Program], object]


def await_ready(program: Program, ready: Ready, timeout: float) -> None:
    """Wait until a program is ready.

    Args:
        program: just started.
        ready: what it says then, on either stream: a text, or a regular expression; or a function that is
            asked again and again.
        timeout: seconds.

    Raises:
        ProgramError: it ended instead; its exit code and last words are told.
        ProgramTimeoutError: it did not get ready in time; it still runs.
    """
    deadline = time.monotonic() + timeout
    if callable(ready):
        _ask(program, ready, deadline, timeout)
    else:
        _hear(program, _pattern(ready), deadline, timeout)


def _pattern(ready: bytes | str | re.Pattern[bytes] | re.Pattern[str]) -> re.Pattern[bytes]:
    if isinstance(ready, str):
        return re.compile(re.escape(ready.encode()))
    if isinstance(ready, bytes):
        return re.compile(re.escape(ready))
    if isinstance(ready.pattern, str):
        return re.compile(ready.pattern.encode(), ready.flags & ~re.UNICODE)
    return re.compile(ready.pattern, ready.flags)


def _ask(program: Program, ready: Callable[[Program], object], deadline: float, timeout: float) -> None:
    while not ready(program):
        if (code := program.poll()) is not None:
            raise ended_early(program, code)
        if time.monotonic() >= deadline:
            raise ProgramTimeoutError(
                "program.not-ready", **program.named(), seconds=f"{timeout:g}", said=program.last_words()
            )
        time.sleep(_AGAIN)  # nothing tells when a question of the user's has another answer


def _hear(program: Program, pattern: re.Pattern[bytes], deadline: float, timeout: float) -> None:
    found = threading.Event()
    changed = threading.Condition()
    windows: dict[threading.Thread, bytes] = {}
    said = 0
    ended = 0

    def enough(data: bytes) -> bool:
        nonlocal said
        me = threading.current_thread()
        windows[me] = (windows.get(me, b"") + data)[-(_WINDOW + len(data)) :]
        with changed:
            said += len(data)
            if pattern.search(windows[me]):
                found.set()
            changed.notify_all()
            return found.is_set() or said > _MOST_UNREADY

    def listen(output: Output) -> None:
        nonlocal ended
        output.listen(enough)
        with changed:
            ended += 1
            changed.notify_all()

    outputs = program.outputs
    for output in outputs:
        threading.Thread(target=listen, args=(output,), daemon=True).start()
    with changed:
        over = changed.wait_for(
            lambda: found.is_set() or ended == len(outputs) or said > _MOST_UNREADY,
            max(0.0, deadline - time.monotonic()),
        )
    if found.is_set():
        return
    if over and said <= _MOST_UNREADY:
        left = max(0.0, deadline - time.monotonic())
        raise ended_early(program, program.wait(left))
    raise ProgramTimeoutError(
        "program.not-ready", **program.named(), seconds=f"{timeout:g}", said=program.last_words()
    )


def ended_early(program: Program, code: int) -> ProgramError:
    """The error of a program that ended in place of getting ready."""
    program.hear_out()
    return ProgramError("program.ended", **program.named(), status=code, said=program.last_words())


def start_ready(
    calls: Calls,
    host: str,
    argv: Sequence[Argument],
    ready: Ready,
    timeout: float,
    *,
    env: Mapping[str, str] | None = None,
    stdin: bool = True,
    tty: tuple[int, int] | None = None,
) -> Program:
    """Start a program and wait until it is ready; one that does not get so is ended.

    Args:
        calls: the host's actor.
        host: its name.
        argv: the program, found on the host's PATH, and its arguments.
        ready: as of `await_ready`.
        timeout: seconds.
        env: variables that it gets besides the host's own.
        stdin: whether it has a standard input to write to.
        tty: rows and columns of a terminal that it gets; None: it has pipes.

    Raises:
        ProgramError: it ended instead, or did not get ready in time (`ProgramTimeoutError`).
        OSError: the host cannot start it: `FileNotFoundError`.
    """
    program = start(calls, host, argv, env=env, stdin=stdin, tty=tty, kind=Program)
    try:
        await_ready(program, ready, timeout)
    except BaseException:
        program.end(0.0)
        raise
    return program
