"""An actor as a program of its own, driven by lines: over pipes, or forked on a Unix socket."""

import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from socketlab.wire.call import Answer, Call, Cancel, Hello, Raised, Refused, Value, read_answer, write
from socketlab.wire.values import Handle

ROOT = Path(__file__).parents[3]
DEADLINE = 20.0
_FORKED = """
import os, sys
from services.actor.limits import Limits
from services.actor.program import run
pid = os.fork()
if pid:
    os.close(int(sys.argv[1]))
    os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
if sys.argv[3] == "bare":
    from services.actor.calls import preload
    preload()
    sys.meta_path.clear()
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(10001, 10001, 10001)
        os.setresuid(10001, 10001, 10001)
run(int(sys.argv[1]), int(sys.argv[1]), Limits(**eval(sys.argv[2])))
"""


class Driven:
    """An actor, and what it has answered so far.

    Args:
        process: what was started.
        reader: descriptor of its answers.
        writer: descriptor for calls; it may be the same.
    """

    def __init__(self, process: subprocess.Popen[bytes], reader: int, writer: int) -> None:
        self.process = process
        self._reader = reader
        self._writer = writer
        self._rest = b""
        self._last = 0
        self._answers: dict[int | None, Answer] = {}
        hello = self.next()
        assert isinstance(hello, Hello)
        self.hello = hello
        self.pid = hello.pid

    def next(self) -> Answer | Hello:
        """The next line."""
        deadline = time.monotonic() + DEADLINE
        pieces = [self._rest]
        while b"\n" not in pieces[-1]:
            assert select.select([self._reader], [], [], deadline - time.monotonic())[0], "no answer"
            piece = os.read(self._reader, 1 << 20)
            if not piece:
                raise EOFError
            pieces.append(piece)
        line, _, self._rest = b"".join(pieces).partition(b"\n")
        return read_answer(line)

    def raw(self, data: bytes) -> None:
        """Send bytes."""
        while data:
            data = data[os.write(self._writer, data) :]

    def begin(self, name: str, *args: Any, on: Handle | None = None) -> int:
        """Send a call; its number."""
        self._last += 1
        self.raw(write(Call(self._last, name, args, None if on is None else on.number)))
        return self._last

    def cancel(self, number: int) -> None:
        self.raw(write(Cancel(number)))

    def answer(self, number: int | None) -> Answer:
        """The answer to a call; those to others are kept."""
        while number not in self._answers:
            seen = self.next()
            assert not isinstance(seen, Hello)
            self._answers[seen.id] = seen
        return self._answers.pop(number)

    def answered(self, number: int) -> bool:
        """Whether a call has an answer by now: every line before that of a quick call has been read."""
        self.call("clock")
        return number in self._answers

    def ask(self, name: str, *args: Any, on: Handle | None = None) -> Answer:
        return self.answer(self.begin(name, *args, on=on))

    def value(self, number: int) -> Any:
        """What a call returned."""
        answer = self.answer(number)
        assert isinstance(answer, Value), answer
        assert answer.started_ns <= answer.ended_ns
        return answer.value

    def call(self, name: str, *args: Any, on: Handle | None = None) -> Any:
        return self.value(self.begin(name, *args, on=on))

    def raised(self, name: str, *args: Any, on: Handle | None = None) -> tuple[str, tuple[Any, ...]]:
        """Class and arguments of what a call raised."""
        answer = self.ask(name, *args, on=on)
        assert isinstance(answer, Raised), answer
        return answer.exception, answer.args

    def refused(self, name: str, *args: Any, on: Handle | None = None) -> str:
        """Code of why a call was refused."""
        answer = self.ask(name, *args, on=on)
        assert isinstance(answer, Refused), answer
        return answer.code

    def descriptors(self) -> int:
        """How many it has open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def close_stream(self) -> None:
        """End its stream."""
        for each in {self._reader, self._writer} - {-1}:
            os.close(each)
        self._reader = self._writer = -1

    def end(self) -> int:
        """End its stream and wait; its exit code."""
        self.close_stream()
        return self.process.wait(DEADLINE)


@contextmanager
def driven(way: str = "streams", **limits: int) -> Iterator[Driven]:
    """An actor for as long as the block lasts.

    Args:
        way: `streams`: its standard streams are pipes; `forked`: without exec, on one Unix socket; `bare`:
            the same, and it can import nothing more, and is another user if this one is root.
        limits: other than usual; not with `streams`.
    """
    if way == "streams" and not limits:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.actor"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        reader, writer = os.dup(process.stdout.fileno()), os.dup(process.stdin.fileno())
        process.stdin.close()
        process.stdout.close()
    else:
        ours, its = socket.socketpair()
        with its:
            process = subprocess.Popen(
                [sys.executable, "-c", _FORKED, str(its.fileno()), repr(limits), way],
                cwd=ROOT,
                pass_fds=[its.fileno()],
            )
        reader = writer = ours.detach()
    actor: Driven | None = None
    try:
        actor = Driven(process, reader, writer)
        yield actor
    finally:
        if actor is not None:
            actor.close_stream()
        try:
            process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
