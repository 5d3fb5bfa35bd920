"""A program on a host as if it ran here: its streams are ours, our signals are its own, so is its end.

Theory of operation
    A thread for each stream carries bytes as they come, a thread waits for the end, and the main thread
    waits on one queue for that end and for signals, which only note themselves there. When the program has
    ended, what is in its pipes is still carried; a grandchild that keeps them open is not waited for.
"""

import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from socketlab.cli.terminal import raw, size
from socketlab.errors import EndedError
from socketlab.sockets import Actor
from socketlab.wire.errors import SocketlabError

if TYPE_CHECKING:
    from socketlab.wire.values import Handle

NOT_FOUND: Final = 127
NOT_EXECUTABLE: Final = 126
SIGNALLED: Final = 128
"""As shells have it: the status of a program that a signal ended is 128 and the signal's number."""
_CHUNK: Final = 64 * 1024
_WITH_STDIN: Final = True
_QUIET_SECONDS: Final = 0.5
"""After the program's end: how long its pipes may bring nothing before they are somebody else's."""
_END_OF_INPUT: Final = b"\x04"
"""What a terminal takes for the end of input (VEOF, termios(3))."""


class _Happened(NamedTuple):
    """What the main thread waits for: the end with a status, a signal, or an error of the way there."""

    code: int | None = None
    signal: int | None = None
    error: BaseException | None = None


class Execution:
    """One program.

    Args:
        actor: on the program's host; nobody else uses it.
        argv: the program and its arguments.
        tty: give it a terminal.
    """

    def __init__(self, actor: Actor, argv: Sequence[str], *, tty: bool) -> None:
        self._actor = actor
        self._argv = list(argv)
        self._tty = tty
        self._happened: queue.SimpleQueue[_Happened] = queue.SimpleQueue()
        self._moved = threading.Event()
        self._process: Handle
        self._stdin: Handle | None
        self._stdout: Handle
        self._stderr: Handle | None

    def run(self) -> int:
        """Carry everything until the program has ended.

        Returns:
            Its exit status, as a shell would have it.

        Raises:
            FileNotFoundError: there is no such program.
            PermissionError: it is not executable.
            SocketlabError: the host or the lab went before.
        """
        # Keys and signals are the program's before it runs: none that comes early is ours.
        with raw(wanted=self._tty), self._signals():
            started = self._actor.popen(self._argv, None, _WITH_STDIN, size() if self._tty else None)
            self._process, _, self._stdin, self._stdout, self._stderr = started
            readers = [self._thread(self._carry, self._stdout, 1)]
            if self._stderr is not None:
                readers.append(self._thread(self._carry, self._stderr, 2))
            self._thread(self._feed)
            self._thread(self._await_end)
            code = self._await_happening()
            self._drain(readers)
        return SIGNALLED - code if code < 0 else code

    def _await_happening(self) -> int:
        while True:
            happened = self._happened.get()
            if happened.code is not None:
                return happened.code
            if happened.error is not None:
                raise happened.error
            if happened.signal is not None:
                self._hand_on(happened.signal)

    def _hand_on(self, number: int) -> None:
        with suppress(OSError):  # the program has ended meanwhile
            if self._tty and number == signal.SIGWINCH:
                self._actor.call("resize", *size(), on=self._stdout)
            else:
                self._actor.call("signal", number, on=self._process)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Our signals become the program's for the length of a block."""

        def note(number: int, _frame: FrameType | None) -> None:
            self._happened.put(_Happened(signal=number))

        numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT]
        if self._tty:
            numbers.append(signal.SIGWINCH)
        before = {number: signal.signal(number, note) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _thread(self, work: Callable[..., None], *arguments: Any) -> threading.Thread:
        def guarded() -> None:
            try:
                work(*arguments)
            except (SocketlabError, OSError) as error:
                self._happened.put(_Happened(error=error))

        thread = threading.Thread(target=guarded, daemon=True)
        thread.start()
        return thread

    def _await_end(self) -> None:
        code = self._actor.call("wait", None, on=self._process)
        self._happened.put(_Happened(code=code))

    def _feed(self) -> None:
        """Our standard input to the program's, as it comes."""
        with suppress(OSError):  # the program has closed its own, or has ended; or we have none
            while data := os.read(0, _CHUNK):
                self._actor.call("write", data, on=self._stdin)
        with suppress(OSError):
            if self._tty:  # closing our end would hang it up
                self._actor.call("write", _END_OF_INPUT, on=self._stdin)
            else:
                self._actor.call("close", on=self._stdin)

    def _carry(self, handle: Any, descriptor: int) -> None:
        """A stream of the program to one of ours, until its end or ours."""
        while data := self._actor.call("read", _CHUNK, on=handle):
            self._moved.set()
            try:
                write_all(descriptor, data)
            except OSError:  # whoever read us has gone: let the program feel it, as it would in a shell
                self._actor.call("close", on=handle)
                return

    def _drain(self, readers: Sequence[threading.Thread]) -> None:
        for reader in readers:
            while reader.is_alive():
                self._moved.clear()
                reader.join(_QUIET_SECONDS)
                if reader.is_alive() and not self._moved.is_set():
                    break


def write_all(descriptor: int, data: bytes) -> None:
    """All of it to one of our own descriptors."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def execute(actor: Actor, argv: Sequence[str], *, tty: bool) -> int:
    """Run a program to its end.

    Returns:
        Its exit status.

    Raises:
        SocketlabError: the host or the lab went before; `cli.no-program` has the status that shells give.
    """
    try:
        return Execution(actor, argv, tty=tty).run()
    except FileNotFoundError as error:
        raise NoProgramError("cli.no-program", NOT_FOUND, program=argv[0]) from error
    except PermissionError as error:
        raise NoProgramError("cli.not-executable", NOT_EXECUTABLE, program=argv[0]) from error


class NoProgramError(EndedError):
    """The program could not be run.

    Args:
        code: of the sentence.
        status: what a shell would exit with.
        details: of the sentence.
    """

    def __init__(self, code: str, status: int, **details: object) -> None:
        super().__init__(code, **details)
        self.status = status
