"""A program that the actor started.

Theory of operation
    A thread waits for its end and takes the exit code, whether or not anybody asks, so that no zombie stays.
    It looks first without reaping (WNOWAIT) and reaps under a lock: a signal is sent under the same lock, so
    it never goes to another process that got the same number.
"""

import _thread
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from services.actor.handles import Handles, Held
from services.actor.later import Later
from services.actor.limits import RefusalError
from services.actor.stopped import await_stopped


class HeldProcess(Held):
    """A process, the leader of its own session and process group.

    Args:
        pid: of our child.
        handles: the table that it stands in.
        on_close: called when the handle is closed.
    """

    __slots__ = ("_ended", "_handles", "_lock", "_on_close", "code", "pid")

    def __init__(self, pid: int, handles: Handles, on_close: Callable[["HeldProcess"], None]) -> None:
        super().__init__("process")
        self.pid = pid
        self.code: int | None = None
        self._handles = handles
        self._on_close = on_close
        # A signal that ends the actor may come to the thread that holds it, and then kills the programs.
        self._lock = _thread.RLock()
        self._ended = threading.Event()
        try:
            _thread.start_new_thread(self._watch, ())
        except RuntimeError as error:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise RefusalError("actor.threads", why=error) from error

    def _watch(self) -> None:
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:
            _, status = os.waitpid(self.pid, 0)
            self.code = os.waitstatus_to_exitcode(status)
        self._ended.set()

    def fileno(self) -> int:
        """It has none."""
        return -1

    def release(self) -> None:
        """Kill its process group, if it runs still."""
        with suppress(OSError):  # one that became another user may not be killed
            self.signal(signal.SIGKILL)
        self._on_close(self)

    def method(self, name: str) -> Callable[..., Any] | None:
        """The call of that name; None: there is none."""
        return getattr(self, name) if name in _CALLS else None

    def wait(self, timeout: float | None = None) -> Any:
        """Its exit code, -N when signal N ended it.

        Raises:
            TimeoutError: it has not ended within `timeout` seconds.
        """
        if self._ended.is_set():
            return self.code
        return Later(lambda: self.ending(timeout))

    def ending(self, timeout: float | None) -> int | None:
        """Wait here.

        Raises:
            TimeoutError: it has not ended within `timeout` seconds.
        """
        if not self._ended.wait(timeout):
            raise TimeoutError("timed out")
        return self.code

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        return self.code

    def signal(self, number: int) -> Any:
        """Send a signal to its process group; nothing when it has ended.

        SIGSTOP is over when it has stopped: its threads run on until each has noticed (signal(7)).
        """
        with self._lock:
            if self.code is None:
                os.killpg(self.pid, number)
        return Later(partial(await_stopped, lambda: [self.pid])) if number == signal.SIGSTOP else None

    def close(self) -> None:
        """As `release`, and it counts no longer."""
        self._handles.closed(self)
        self.release()


_CALLS = frozenset({"wait", "poll", "signal", "close"})
