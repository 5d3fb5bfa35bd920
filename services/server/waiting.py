"""Waiting for a socket and for the end of the program at once.

Theory of operation
    A thread blocked in accept() or recv() does not notice a flag, and closing the descriptor under it does
    not wake it either. So every thread waits in poll(2) for two descriptors: its own socket, and one end of
    a socket pair. A byte written to the other end is never read, so that the first is readable for everybody
    and stays so: one write wakes all threads, those that come later too.

    A signal must wake the main thread in the very moment it arrives (`signal.set_wakeup_fd`). A handler in
    Python runs between two steps of the main thread: one that arrives after the last step before poll(2)
    would be noticed when poll(2) returns, which is never. It has a pair of its own, from which it is read
    away: the second signal must wake the thread too, when it has long noticed that it is to stop.

    The pair outlives fork(2): a byte written by the parent stops its children too. They have closed their
    copy of the writing end, so that the parent's death, whatever the cause, is the end of the stream for
    them.
"""

import contextlib
import os
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from enum import Enum, auto
from types import FrameType
from typing import Final, Protocol


class Stopping:
    """Asked once, felt by every thread that waits."""

    def __init__(self) -> None:
        felt, self._asking = socket.socketpair()
        self._asking.settimeout(0)
        self._felt = felt.detach()
        self.signalled, self._waking = socket.socketpair()
        """Becomes readable with each signal, for the main thread, which is to read it empty."""
        self.signalled.settimeout(0)
        self._waking.settimeout(0)
        self.at_once: list[Callable[[], None]] = []
        """What is called when the second signal ends the process: to take its children along."""

    def asked(self) -> bool:
        """Whether the program has been asked to stop."""
        return self.wait(0)

    def ask(self) -> None:
        """Stop. May be called often, from any thread."""
        with contextlib.suppress(BlockingIOError):  # it is full: asked more than enough
            self._asking.send(b"!")

    @contextlib.contextmanager
    def by_signals(self, *numbers: signal.Signals) -> Iterator[None]:
        """Ask when one of these signals arrives; the second ends the process at once. In the main thread."""
        arrived = 0

        def on_signal(number: int, _: FrameType | None) -> None:
            nonlocal arrived
            arrived += 1
            self.ask()
            if arrived > 1:
                for call in self.at_once:
                    call()
                # Not by the signal's default action: the first process of a container has none (kill(2)).
                os._exit(128 + number)

        signal.set_wakeup_fd(self._waking.fileno(), warn_on_full_buffer=False)
        for number in numbers:
            signal.signal(number, on_signal)
        try:
            yield
        finally:
            signal.set_wakeup_fd(-1)

    def inherit(self) -> None:
        """To be called in a child after fork(2): from now on the parent asks, or its death does."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all processes of a terminal
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self.at_once.clear()
        self._asking.close()
        self._waking.close()

    def orphaned(self, within: float = 0.0) -> bool:
        """Whether the process that asks is gone; wait so many seconds for it."""
        poll = select.poll()
        poll.register(self, 0)  # POLLHUP need not be asked for (poll(2))
        return bool(poll.poll(_milliseconds(within)))

    def close(self) -> None:
        """The process ends, and nobody will ask any more.

        What is felt stays open: a thread that is left behind, busy or not woken yet, finds its end there.
        """
        for sock in (self._asking, self._waking, self.signalled):
            sock.close()

    def fileno(self) -> int:
        """The descriptor that becomes readable."""
        return self._felt

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it is asked, at most so long; whether it was."""
        poll = select.poll()
        poll.register(self, select.POLLIN)
        return bool(poll.poll(_milliseconds(seconds)))


class Woke(Enum):
    """Why a wait is over."""

    READABLE = auto()
    STOPPING = auto()
    ORPHANED = auto()
    """The parent process is gone."""
    TIMEOUT = auto()


_READABLE: Final = Woke.READABLE
"""Asked for with every request: to look up a member of an enum is a call (until Python 3.12)."""


class Descriptor(Protocol):
    """What poll(2) can wait for."""

    def fileno(self) -> int:
        """Its number."""


class Waiter:
    """One thread's wait for one socket or pipe, and for the stop.

    Args:
        source: what to wait for. An error or the peer's end makes it readable too: the next call tells.
        stopping: the program's.
    """

    def __init__(self, source: Descriptor, stopping: Stopping) -> None:
        self._source = source.fileno()
        self._stopping = stopping
        self._poll = select.poll()
        self._poll.register(source, select.POLLIN)
        self._poll.register(stopping, select.POLLIN)

    def wait(self, seconds: float | None = None) -> Woke:
        """Wait, at most so long. A readable source goes before the stop: what has arrived is still served."""
        ready = self._poll.poll(_milliseconds(seconds))
        for descriptor, _ in ready:
            if descriptor == self._source:
                return _READABLE
        if not ready:
            return Woke.TIMEOUT
        return Woke.ORPHANED if ready[0][1] & select.POLLHUP else Woke.STOPPING

    def forget_stopping(self) -> None:
        """From now on wait for the source, and the parent's death: the stop has been noticed."""
        self._poll.modify(self._stopping, 0)


def join(thread: threading.Thread, seconds: float | None = None) -> None:
    """Wait for a thread that may never have been started."""
    if thread.ident is not None:
        thread.join(seconds)


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else max(0.0, seconds) * 1000
