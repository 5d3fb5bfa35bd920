"""The processes that a server forks: each is watched, none becomes a zombie, none outlives the server.

Theory of operation
    A child is waited for by its pidfd (pidfd_open(2)), which becomes readable when the child has ended; it is
    then reaped, and its exit status told. SIGCHLD would need a handler, says nothing about which child ended,
    and several may be lost in one.

    fork(2) copies one thread only: a lock that another one holds at that moment stays locked in the child for
    ever. So a server that forks has one thread, and all it waits for is in its loop.
"""

import contextlib
import os
import signal
import traceback
from collections.abc import Callable

from services.server.loop.loop import Loop

_CRASHED = 70
"""Exit status of a child that our own mistake has ended (sysexits.h, EX_SOFTWARE)."""


class Children:
    """Forks, watches and reaps.

    Args:
        loop: of the process that forks.
    """

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self._watched: dict[int, _Child] = {}

    @property
    def alive(self) -> int:
        """How many there are."""
        return len(self._watched)

    def fork(self, work: Callable[[], None], ended: Callable[[int], None]) -> int:
        """Make a child that does this and ends.

        Args:
            work: what the child does; it is to begin with `Program.become_child`.
            ended: called here when it has ended, with its exit status, negative for a signal.

        Returns:
            its process id.

        Raises:
            OSError: there is no process or memory to be had (EAGAIN, ENOMEM).
        """
        pid = os.fork()
        if pid == 0:
            _run(work)
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise
        child = _Child(pid, pidfd, self, ended)
        self._watched[pid] = child
        self.loop.add(pidfd, child)
        return pid

    def kill(self) -> None:
        """End them all at once."""
        for pid in tuple(self._watched):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def forget(self) -> None:
        """In a child: these are the parent's."""
        self._watched.clear()

    def reaped(self, pid: int) -> None:
        """One is no more."""
        self._watched.pop(pid, None)


class _Child:
    """What stands behind a pidfd in the loop."""

    def __init__(self, pid: int, pidfd: int, children: Children, ended: Callable[[int], None]) -> None:
        self._pid = pid
        self._pidfd = pidfd
        self._children = children
        self._ended = ended

    def ready(self, _: int) -> None:
        """It has ended."""
        _, status = os.waitpid(self._pid, 0)
        self.failed()
        self._ended(os.waitstatus_to_exitcode(status))

    def failed(self) -> None:
        """Forget it."""
        if self._pidfd >= 0:
            self._children.reaped(self._pid)
            self._children.loop.remove(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1


def _run(work: Callable[[], None]) -> None:
    """The whole life of a child: it never returns into the parent's code."""
    status = _CRASHED
    try:
        work()
        status = 0
    except BaseException:  # noqa: BLE001 - nothing of the parent's may run in the child
        traceback.print_exc()
    finally:
        os._exit(status)
