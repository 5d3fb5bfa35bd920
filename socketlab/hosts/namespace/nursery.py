"""The nursery of this process: started with the first lab, shared by all, gone with this process.

Theory of operation
    The nursery reads its requests from one end of a Unix stream; we hold the other. Its end of file is our
    end, however we end, and then everything that it has made goes. Nothing else may hold our end: it is not
    inherited by what we execute, and what we fork closes it first thing.

    One request at a time: a lab costs milliseconds, so threads wait for each other. Where a wait is broken
    off (Ctrl-C), the answer that comes late is read and dropped by whoever asks next.
"""

import array
import json
import os
import select
import signal
import socket
import sys
import threading
from collections import deque
from contextlib import suppress
from dataclasses import replace
from typing import ClassVar

from socketlab.errors import BackendError, EndedError, HostError, LabError
from socketlab.hosts import where
from socketlab.wire.errors import WireError
from socketlab.wire.lines import LineBuffer
from socketlab.wire.nursery import (
    LONGEST,
    MOST_DESCRIPTORS,
    NURSERY_VERSION,
    Answer,
    Ask,
    Done,
    Failed,
    Hello,
    read_answer,
    write,
)

_BEGIN = """\
import sys
sys.path[:0] = sys.argv[3:]
from services.nursery.__main__ import main
main(sys.argv[1:3])
"""
LOG = "SOCKETLAB_NURSERY_LOG"
"""Variable that names a file for tracebacks of the nursery and of what it forks; without it they are lost."""
_START_SECONDS = 60.0
_ANSWER_SECONDS = 120.0
_READ = 1 << 18
_STREAM = 3
"""The descriptor on which the nursery finds its stream."""
_SIGNALS = tuple(
    number for number in signal.Signals if number not in {signal.SIGKILL, signal.SIGSTOP}
)  # back to their defaults: an ignored one would be ignored in every program on every host
_OF_HOST = tuple(
    f"namespace.{name}"
    for name in ("state", "unplugged", "plugged", "link", "no-host", "no-network", "agent", "host")
)


class Nursery:
    """A nursery, and the requests to it.

    Raises:
        BackendError: this machine cannot, or it did not start.
    """

    _current: ClassVar["Nursery | None"] = None
    _starting: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines = LineBuffer(LONGEST)
        self._waiting: deque[bytes] = deque()
        self._descriptors: deque[int] = deque()
        self._asked = 0
        self._ended = False
        own, nurserys = socket.socketpair()
        self._stream = own
        try:
            with nurserys:
                self.pid = _spawn(nurserys)
            self.hello = self._greeting()
        except BaseException:
            self.close()
            raise

    @classmethod
    def shared(cls) -> "Nursery":
        """The one of this process, started where none runs."""
        with cls._starting:
            if cls._current is None or not cls._current.is_alive():
                if cls._current is not None:
                    cls._current.close()
                cls._current = cls()
            return cls._current

    @classmethod
    def forget_in_child(cls) -> None:
        """In a process that we have forked: the nursery is our parent's, and we must not hold its stream."""
        nursery, cls._current = cls._current, None
        cls._starting = threading.Lock()
        if nursery is not None:
            nursery._ended = True  # noqa: SLF001 - our own
            nursery._lock = threading.Lock()  # noqa: SLF001 - another thread of the parent may hold it
            with suppress(OSError):
                os.close(nursery._stream.detach())  # noqa: SLF001 - our own

    def _greeting(self) -> Hello:
        try:
            answer = self._receive(_START_SECONDS)
        except (EndedError, OSError) as error:
            raise BackendError("namespace.nursery-died") from error
        if isinstance(answer, Failed):
            raise BackendError(answer.code, **answer.details)
        if not isinstance(answer, Hello) or answer.version != NURSERY_VERSION:
            raise BackendError("namespace.version", seen=ascii(answer)[:60], expected=NURSERY_VERSION)
        return answer

    def is_alive(self) -> bool:
        """Whether its stream has not ended."""
        if self._ended:
            return False
        with self._lock:
            poll = select.poll()
            poll.register(self._stream, select.POLLIN)
            try:
                return not poll.poll(0) or self._stream.recv(1, socket.MSG_PEEK) != b""
            except OSError:
                return False

    def ask(self, ask: Ask) -> tuple[Done, socket.socket | None]:
        """Make a request and wait for what comes of it.

        Args:
            ask: its id is given here.

        Returns:
            The answer, and the stream that came with it.

        Raises:
            BackendError: the machine cannot.
            HostError: the host cannot, in the state that it is in.
            EndedError: the nursery is gone.
        """
        with self._lock:
            if self._ended:
                raise EndedError("namespace.nursery-ended")
            self._asked += 1
            number = self._asked
            try:
                self._stream.settimeout(_ANSWER_SECONDS)
                self._stream.sendall(write(replace(ask, id=number)))
                answer = self._answer_to(number)
            except (OSError, WireError) as error:
                self._end()
                raise EndedError("namespace.nursery-ended") from error
            if isinstance(answer, Failed):
                raise _error(answer)
            return answer, socket.socket(fileno=self._descriptors.popleft()) if answer.descriptors else None

    def _answer_to(self, number: int) -> Done | Failed:
        """The answer with this number; earlier ones are of requests that nobody waits for any more."""
        while True:
            answer = self._receive(_ANSWER_SECONDS)
            if isinstance(answer, Hello):
                raise WireError("wire-message", expected="done | failed", seen="hello")
            if answer.id == number:
                return answer
            for _ in range(answer.descriptors if isinstance(answer, Done) else 0):
                os.close(self._descriptors.popleft())

    def _receive(self, seconds: float) -> Answer:
        """The next line."""
        while not self._waiting:
            self._stream.settimeout(seconds)
            room = socket.CMSG_LEN(MOST_DESCRIPTORS * array.array("i").itemsize)
            data, ancillary, _flags, _address = self._stream.recvmsg(_READ, room, socket.MSG_CMSG_CLOEXEC)
            for level, kind, content in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    self._descriptors.extend(_numbers(content))
            if not data:
                self._end()
                raise EndedError("namespace.nursery-ended")
            self._waiting.extend(self._lines.feed(data))
        return read_answer(self._waiting.popleft())

    def _end(self) -> None:
        """Give it up: after an end or a mistake nothing that comes can be told apart."""
        self._ended = True
        self._stream.close()
        while self._descriptors:
            os.close(self._descriptors.popleft())
        with suppress(ChildProcessError, AttributeError):  # somebody else waits for all our children
            os.waitpid(self.pid, 0)

    def close(self) -> None:
        """End it, and all of its labs; returns when its process is gone."""
        self._end()


def _numbers(content: bytes) -> "array.array[int]":
    numbers = array.array("i")
    numbers.frombytes(content[: len(content) - len(content) % numbers.itemsize])
    return numbers


def _error(failed: Failed) -> LabError:
    """What the nursery has told, to be raised."""
    if failed.code in _OF_HOST:
        return HostError(failed.code, **failed.details)
    if failed.code in {"namespace.closed", "namespace.host-ended"}:
        return EndedError(failed.code, **failed.details)
    return BackendError(failed.code, **failed.details)


def _spawn(stream: socket.socket) -> int:
    """Start the nursery's program on its end of a stream; its process's number."""
    code = [str(folder) for folder in where.code()]
    sources = {
        "interpreter": str(where.interpreter()),
        "code": code,
        "packages": [str(folder) for folder in where.packages()],
    }
    words = [sys.executable, "-I", "-S", "-c", _BEGIN, str(_STREAM), json.dumps(sources), *code]
    nowhere = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(2)]
    log = os.environ.get(LOG, os.devnull)
    nowhere.append((os.POSIX_SPAWN_OPEN, 2, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    hand_over = (os.POSIX_SPAWN_DUP2, stream.fileno(), _STREAM)
    return os.posix_spawn(
        sys.executable,
        words,
        os.environ,
        file_actions=[hand_over, *nowhere],
        setsid=True,
        setsigmask=(),
        setsigdef=_SIGNALS,
    )


os.register_at_fork(after_in_child=Nursery.forget_in_child)
