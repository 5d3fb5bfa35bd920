"""Starts programs.

Theory of operation
    posix_spawn(3) does all between fork and exec in the C library, which is safe in a process with threads.
    The new process leads a session of its own. Where it is to have a terminal, its standard input is opened
    *by name* after that: so the terminal becomes the session's own. All other descriptors of the actor close
    themselves at exec, since Python opens them so; those that were made inheritable by a call are closed
    here.
"""

import _thread
import os
import signal
import termios
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from errno import ENOENT
from typing import Any

from services.actor.handles import Handles
from services.actor.held_file import HeldFile
from services.actor.held_process import HeldProcess
from services.actor.limits import Limits, RefusalError
from socketlab.wire.values import Handle

_DEFAULTS = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
_DYING = 2.0
"""Seconds in which killed programs are waited for."""


class Programs:
    """The programs of an actor.

    Args:
        handles: where they, their pipes and terminals are put.
        limits: how many there may be.
    """

    def __init__(self, handles: Handles, limits: Limits) -> None:
        self._handles = handles
        self._limits = limits
        self._started: set[HeldProcess] = set()
        self._lock = _thread.RLock()
        """Held from a program's start until it stands in the set, so that none is started behind `kill`."""

    def popen(
        self,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        stdin: bool = False,  # noqa: FBT001, FBT002 - a call of the wire has positional arguments only
        tty: tuple[int, int] | None = None,
    ) -> tuple[Handle, int, Handle | None, Handle, Handle | None]:
        """Start a program.

        Args:
            argv: its arguments, its own name first.
            env: its environment; None: the actor's own.
            stdin: whether it can be written to; else it reads nothing.
            tty: rows and columns of a terminal of its own; its errors go there too.

        Returns:
            Process, pid, and what is connected to its standard input, output and errors.
        """
        if len(self._started) >= self._limits.programs:
            raise RefusalError("actor.programs", limit=self._limits.programs)
        self._handles.expect_room(4)
        environ = dict(os.environ if env is None else env)
        with ExitStack() as on_error, ExitStack() as theirs:
            if tty is None:
                actions, ours = _pipes(on_error, theirs, stdin=stdin)
            else:
                actions, ours = _terminal(on_error, theirs, tty, stdin=stdin)
            with self._lock:
                pid = _spawn(list(argv), environ, actions)
                process = HeldProcess(pid, self._handles, self._started.discard)
                self._started.add(process)
            on_error.pop_all()
        files = [None if end is None else self._keep(end) for end in ours]
        assert files[1] is not None  # noqa: S101 - for mypy: there is always an output
        return self._handles.add(process), pid, files[0], files[1], files[2]

    def _keep(self, descriptor: int) -> Handle:
        return self._handles.add(HeldFile(descriptor, self._handles, self._limits))

    def kill(self) -> None:
        """Kill all of them, and wait a little until they are gone. The actor ends: no other is started."""
        self._lock.acquire()
        running = list(self._started)
        for process in running:
            process.release()
        deadline = time.monotonic() + _DYING
        for process in running:
            try:
                process.ending(max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                return


_Ends = tuple[int | None, int, int | None]
_Actions = list[tuple[Any, ...]]


def _pipes(on_error: ExitStack, theirs: ExitStack, *, stdin: bool) -> tuple[_Actions, _Ends]:
    actions: _Actions = []
    to_it: int | None = None
    if stdin:
        its_input, to_it = _pipe(theirs, on_error)
        actions.append((os.POSIX_SPAWN_DUP2, its_input, 0))
    else:
        actions.append((os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0))
    from_it, its_output = _pipe(on_error, theirs)
    errors, its_errors = _pipe(on_error, theirs)
    actions += [(os.POSIX_SPAWN_DUP2, its_output, 1), (os.POSIX_SPAWN_DUP2, its_errors, 2)]
    return actions, (to_it, from_it, errors)


def _pipe(keeps_reader: ExitStack, keeps_writer: ExitStack) -> tuple[int, int]:
    reader, writer = os.pipe()
    keeps_reader.callback(os.close, reader)
    keeps_writer.callback(os.close, writer)
    return reader, writer


def _terminal(
    on_error: ExitStack, theirs: ExitStack, size: tuple[int, int], *, stdin: bool
) -> tuple[_Actions, _Ends]:
    ours, its = os.openpty()
    on_error.callback(os.close, ours)
    theirs.callback(os.close, its)
    termios.tcsetwinsize(ours, size)
    actions: _Actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.ttyname(its), os.O_RDWR, 0),
        (os.POSIX_SPAWN_DUP2, 0, 1),
        (os.POSIX_SPAWN_DUP2, 0, 2),
    ]
    typed: int | None = None
    if stdin:
        typed = os.dup(ours)
        on_error.callback(os.close, typed)
    return actions, (typed, ours, None)


def _spawn(argv: list[str], environ: dict[str, str], actions: _Actions) -> int:
    """Start it in a session of its own, found on the PATH of its own environment as execvpe(3) does.

    Raises:
        OSError: it cannot be started; with its name.
        ValueError: there is no name.
    """
    if not argv:
        raise ValueError("argv must not be empty")
    actions = [*actions, *((os.POSIX_SPAWN_CLOSE, each) for each in _inheritable())]
    name = argv[0]
    places = [""] if "/" in name else os.get_exec_path(environ)
    denied: OSError | None = None
    for place in places:
        path = os.path.join(place, name) if place else name  # noqa: PTH118 - pathlib drops a leading "./"
        try:
            return os.posix_spawn(
                path, argv, environ, file_actions=actions, setsid=True, setsigmask=[], setsigdef=_DEFAULTS
            )
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError as error:
            denied = denied or error
    raise denied or FileNotFoundError(ENOENT, os.strerror(ENOENT), name)


def _inheritable() -> list[int]:
    """Descriptors above the standard ones that would outlive exec."""
    found = []
    for each in os.listdir("/proc/self/fd"):  # noqa: PTH208 - names, no paths
        descriptor = int(each)
        try:
            if descriptor > 2 and os.get_inheritable(descriptor):  # noqa: PLR2004 - standard errors
                found.append(descriptor)
        except OSError:
            continue  # that of the listing itself
    return found
