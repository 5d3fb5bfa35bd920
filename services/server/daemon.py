"""The server as a daemon: in the background, without a terminal, on its own.

Theory of operation
    (The steps of daemon(7), "SysV daemons".) The starter forks. The child begins a session (setsid), and
    with it loses the terminal: no SIGHUP when that is closed, no Ctrl-C of it. It forks again and ends, so
    that the daemon leads no session and can never get another terminal by opening one (tty(4)). It keeps
    nothing of the starter: standard streams, other descriptors, working directory, umask, blocked and
    ignored signals.

    The starter waits at a pipe for one word of the daemon: it serves, or why not. So whoever started it sees
    the error, and the exit code, as of a server in the foreground; and exit code 0 means that it serves.
    When the starter is gone before that (Ctrl-C), the daemon ends too: it was called off.
"""

import contextlib
import fcntl
import os
import signal
import sys
from pathlib import Path
from typing import Final, NoReturn

from services.messages import say
from services.server.errors import EXIT_CANNOT, EXIT_INTERRUPTED, EXIT_OK, ServerError, complain, named
from services.server.pid_file import PidFile

_UMASK: Final = 0o027
"""What the daemon makes, its group may read and nobody else; to connect to its Unix socket, only its user."""
_LOG_MODE: Final = 0o640
_PYTHONS_OWN: Final = frozenset((signal.SIGPIPE, signal.SIGXFSZ))
"""Ignored by the interpreter itself, so that the calls give EPIPE and EFBIG."""
_STREAMS: Final = 3
_END: Final = b"\0"
"""Ends the word in the pipe: the workers of a server may hold its other end longer than the daemon does."""


class Started:
    """The daemon's side of its start: the starter waits until one of the two words is said.

    Args:
        teller: the writing end of the pipe.
    """

    def __init__(self, teller: int) -> None:
        self._teller = teller
        self._waited_for = True
        self.pid_file: PidFile | None = None

    def ready(self, text: str) -> None:
        """Have the starter print `text` and exit with 0.

        Raises:
            ServerError: the starter is gone.
        """
        if not self._tell(EXIT_OK, text):
            raise ServerError("server.called-off")

    def failed(self, text: str, code: int) -> None:
        """Have the starter print the error `text` and exit with `code`; nothing once it has heard `ready`."""
        self._tell(code, text)

    def close(self) -> None:
        """Remove the pid file: the daemon ends."""
        if self.pid_file:
            self.pid_file.remove()

    def _tell(self, code: int, text: str) -> bool:
        """Say one word and hang up; whether the starter was there to hear it, or had heard one before."""
        if not self._waited_for:
            return True
        self._waited_for = False
        try:
            os.write(self._teller, f"{code} {text}".encode(errors="backslashreplace") + _END)
        except BrokenPipeError:
            return False
        finally:
            os.close(self._teller)
        return True


def daemonize(pid_file: Path, log_file: Path | None) -> Started:
    """Go on as a daemon. Call it before any thread is started and any file is opened.

    Args:
        pid_file: made, locked and removed by the daemon.
        log_file: where its standard output and error go, at the end of what is there; None: nowhere.

    Returns:
        In the daemon: what it must tell the starter.

    Raises:
        SystemExit: in the starter, with the code that the daemon gave.
    """
    pid_file, log_file = pid_file.absolute(), log_file and log_file.absolute()
    for stream in (sys.stdout, sys.stderr):
        if stream:  # what is in a buffer would be written by each copy of this process
            stream.flush()
    hearer, teller = os.pipe()
    try:
        if _fork():
            os.close(teller)
            _hand_on(hearer)
    except KeyboardInterrupt:
        raise SystemExit(EXIT_INTERRUPTED) from None
    os.close(hearer)
    os.setsid()
    # Where the starter has closed its standard streams, the pipe may have got one of their numbers.
    teller = fcntl.fcntl(teller, fcntl.F_DUPFD_CLOEXEC, _STREAMS)
    started = Started(teller)
    try:
        if _fork():
            os._exit(EXIT_OK)
        _leave_all(log_file, teller)
        started.pid_file = PidFile(pid_file)
    except ServerError as error:
        started.failed(str(error), error.exit_code)
        os._exit(error.exit_code)
    return started


def _fork() -> int:
    """As os.fork(), with an error of ours.

    Raises:
        ServerError: no process is to be had.
    """
    try:
        return os.fork()
    except OSError as error:
        raise ServerError("server.fork", seen=named(error)) from error


def _hand_on(hearer: int) -> NoReturn:
    """Wait for the daemon's word, say it, and end as it tells."""
    word = b""
    while not word.endswith(_END) and (part := os.read(hearer, 4096)):
        word += part
    if not word.endswith(_END):
        complain(say("error.server.died"))
        raise SystemExit(EXIT_CANNOT)
    code, _, text = word.removesuffix(_END).decode().partition(" ")
    if int(code):
        complain(text)
    else:
        print(text)  # noqa: T201 - unlike write(), quiet where the stream was closed
    raise SystemExit(int(code))


def _leave_all(log_file: Path | None, kept: int) -> None:
    """Give up what came from the starter, but for one descriptor."""
    for number in signal.valid_signals() - _PYTHONS_OWN:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.umask(_UMASK)
    os.chdir("/")  # so that no file system is kept from being unmounted
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - numbers, no paths
        if int(name) not in {0, 1, 2, kept}:
            with contextlib.suppress(OSError):  # the listing's own is among them, and closed by now
                os.close(int(name))
    _redirect(log_file)


def _redirect(log_file: Path | None) -> None:
    """Standard input from nowhere, standard output and error to the log file, or nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    output = nowhere if log_file is None else _open_log(log_file)
    for source, target in ((nowhere, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    for source in {nowhere, output} - {0, 1, 2}:
        os.close(source)
    # Anew: Python has none of them where the starter had closed them, and a terminal's is buffered by lines.
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)


def _open_log(path: Path) -> int:
    """For appending: so whoever cuts the file off (logrotate's copytruncate) leaves no hole in it."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOCTTY | os.O_CLOEXEC
    try:
        return os.open(path, flags, _LOG_MODE)
    except OSError as error:
        raise ServerError("server.log-file", path=path, seen=named(error)) from error
