"""Programs on a host: started, talked with, ended.

Theory of operation
    The actor starts a program in a session of its own and holds its pipes; here are its streams (`streams`),
    its signals, which go to its whole process group, and its end. Nothing is read in the background of a
    started program, but while it is waited for to be ready: what it says until then is kept for its user.
"""

import contextlib
import io
import os
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self, TypeAlias, TypeVar

from socketlab.errors import EndedError, LabError, SpecError
from socketlab.hosts.streams import CHUNK, Calls, Input, Output

GRACE: Final = 2.0
"""Seconds between SIGTERM and SIGKILL."""
_LAST_WORDS: Final = 2000

Argument: TypeAlias = str | bytes | os.PathLike[str]
_P = TypeVar("_P", bound="Program")


@dataclass(frozen=True, slots=True)
class Completed:
    """A program that has ended.

    Args:
        argv: what was run.
        exit_code: its own; negative: the number of the signal that ended it.
        stdout: all that it said there.
        stderr: the same of its standard error.
        seconds: from its start to its end, as seen from here.
    """

    argv: tuple[str, ...]
    exit_code: int
    stdout: bytes
    stderr: bytes
    seconds: float


class ProgramError(LabError):
    """A program on a host did not do what it was started for.

    `completed` is what is known of it; None: it goes on.
    """

    completed: Completed | None = None


class ProgramTimeoutError(ProgramError, TimeoutError):
    """A program on a host took longer than it was given."""


class Program:
    """A program that runs on a host. As a context manager it ends with its block.

    Args:
        calls: the host's actor.
        host: its name.
        argv: what was started.
        opened: what the actor gave for it.
    """

    def __init__(self, calls: Calls, host: str, argv: tuple[str, ...], opened: tuple[Any, ...]) -> None:
        process, pid, stdin, stdout, stderr = opened
        self.host = host
        self.argv = argv
        self.pid: int = pid
        """As the host numbers it."""
        self._calls = calls
        self._process = process
        self._exit_code: int | None = None
        self._closed = False
        self.outputs = [Output(calls, handle) for handle in (stdout, stderr) if handle is not None]
        self.stdin: Input | None = Input(calls, stdin) if stdin is not None else None
        """None: it was started without; unbuffered."""
        self.stdout = io.BufferedReader(self.outputs[0], CHUNK)
        """Its standard output; of a program on a terminal: all that it shows there."""
        self.stderr = io.BufferedReader(self.outputs[1], CHUNK) if stderr is not None else None
        """None: it has a terminal."""

    def __repr__(self) -> str:
        state = "runs" if self._exit_code is None else f"exit code {self._exit_code}"
        return f"<{type(self).__name__} {self.host}:{self.pid} {' '.join(self.argv)[:80]} ({state})>"

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Args:
            timeout: seconds; None: for as long as it takes.

        Returns:
            its exit code; negative: the number of the signal that ended it.

        Raises:
            ProgramTimeoutError: it still runs.
            EndedError: its host is gone.
        """
        if self._exit_code is None:
            try:
                code = self._calls.call("wait", timeout, on=self._process.number)
            except TimeoutError:
                code = None
            if code is None:
                raise ProgramTimeoutError("program.still-runs", **self.named(), seconds=f"{timeout:g}")
            self._exit_code = int(code)
        return self._exit_code

    def poll(self) -> int | None:
        """Its exit code; None: it still runs."""
        if self._exit_code is None:
            self._exit_code = self._calls.call("poll", on=self._process.number)
        return self._exit_code

    def signal(self, number: int) -> None:
        """Send a signal to it and to all that it started and that is still in its process group."""
        self._calls.call("signal", int(number), on=self._process.number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.signal(9)  # `signal` of Windows does not know its name

    def suspend(self) -> None:
        """SIGSTOP: it gets no processor, and its sockets stay."""
        self.signal(19)

    def carry_on(self) -> None:
        """SIGCONT: after `suspend`."""
        self.signal(18)

    def resize(self, rows: int, columns: int) -> None:
        """Say that its terminal has another size."""
        self._calls.call("resize", rows, columns, on=self.outputs[0].handle.number)

    def end(self, grace: float = GRACE) -> int | None:
        """End it, by SIGTERM first, and let go of it. Any number of times.

        Args:
            grace: seconds that it gets before SIGKILL.

        Returns:
            its exit code; None: it went with its host or its lab, and nobody knows.
        """
        if self._closed:
            return self._exit_code
        self._closed = True
        try:
            if self.poll() is None:
                self._stop(grace)
            for stream in (self.stdin, self.stdout, self.stderr):
                if stream is not None:
                    stream.close()
            self._calls.call("close", on=self._process.number)
        except EndedError:
            pass
        return self._exit_code

    def _stop(self, grace: float) -> None:
        try:
            self.terminate()
            self.carry_on()  # one that is suspended would not see the end coming
            self.wait(grace)
        except (ProgramTimeoutError, ProcessLookupError):
            with contextlib.suppress(ProcessLookupError):
                self.kill()
            with contextlib.suppress(ProgramTimeoutError):  # of a paused host: it goes when that goes on
                self.wait(GRACE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def hear_out(self, seconds: float = 1.0) -> None:
        """Read ahead to the end of what it says; a program of its own may hold that open for longer."""
        until = time.monotonic() + seconds
        threads = [
            threading.Thread(target=output.listen, args=(lambda _: False,), daemon=True)
            for output in self.outputs
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))

    def last_words(self) -> str:
        """The end of what it said and nobody has read."""
        said = b"".join(output.heard for output in self.outputs)
        return said[-_LAST_WORDS:].decode("utf-8", "replace").strip()

    def named(self) -> dict[str, str]:
        """Its host and its command, as fields of a sentence."""
        return {"host": self.host, "program": " ".join(self.argv)[:200]}

    def completed(self, began: float) -> Completed:
        """What is known of it now."""
        heard = [output.heard for output in self.outputs]
        code = self._exit_code if self._exit_code is not None else 0
        stderr = heard[1] if len(heard) > 1 else b""
        return Completed(self.argv, code, heard[0], stderr, time.monotonic() - began)


def arguments(argv: Sequence[Argument]) -> tuple[str, ...]:
    """A command as texts.

    Raises:
        SpecError: it is a text, empty, or not made of texts.
    """
    if isinstance(argv, str | bytes) or not argv:
        raise SpecError("program.argv", seen=ascii(argv)[:80])
    texts = []
    for each in argv:
        if not isinstance(each, str | bytes | os.PathLike):
            raise SpecError("program.argv", seen=ascii(argv)[:80])
        text = os.fsdecode(each)
        if "\0" in text:
            raise SpecError("program.argv", seen=ascii(text)[:80])
        texts.append(text)
    return tuple(texts)


def _assignments(env: Mapping[Any, Any]) -> list[str]:
    for name, value in env.items():
        # mypy has looked at those who use it; others write a number, or a path.
        texts = isinstance(name, str) and isinstance(value, str)
        if not texts or not name or "=" in name or "\0" in name + value:
            raise SpecError("program.env", seen=ascii((name, value))[:80])
    return [f"{name}={value}" for name, value in env.items()]


def start(
    calls: Calls,
    host: str,
    argv: Sequence[Argument],
    *,
    env: Mapping[str, str] | None = None,
    stdin: bool = True,
    tty: tuple[int, int] | None = None,
    kind: type[_P],
) -> _P:
    """Start a program; it may not be ready for anything yet.

    Args:
        calls: the host's actor.
        host: its name.
        argv: the program, found on the host's PATH, and its arguments.
        env: variables that it gets besides the host's own.
        stdin: whether it has a standard input to write to.
        tty: rows and columns of a terminal that it gets; None: it has pipes.
        kind: of the object that stands for it.

    Raises:
        SpecError: the command makes no sense.
        OSError: the host cannot start it: `FileNotFoundError`.
    """
    command = arguments(argv)
    sent = list(command)
    if env:
        # The actor takes a whole environment or none; its own, with these besides, is env(1)'s work.
        sent = ["env", "--", *_assignments(env), *command]
    return kind(calls, host, command, calls.call("popen", sent, None, stdin, tty))
