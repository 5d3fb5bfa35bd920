"""The event loop: one thread that waits for all sockets at once and calls what stands behind each.

Theory of operation
    A round is: wait until a descriptor is ready or a timer is due, call the channel of each ready descriptor,
    call the due timers. A channel must not block, or all others wait for it; it takes one piece and returns.
    A descriptor that was closed in this round may already belong to a new connection when its old event
    comes: the new channel finds nothing to read, and that is no error.

    What a channel raises is a mistake of ours. It ends that channel, is logged, and nobody else notices.
"""

import heapq
import itertools
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from services.server.log import log
from services.server.loop.pollers import READ, Poller

_Timer = tuple[float, int, Callable[[], None]]


class Channel(Protocol):
    """What stands behind a descriptor."""

    def ready(self, events: int) -> None:
        """The descriptor is ready: READ, WRITE or both."""

    def failed(self) -> None:
        """`ready` has raised what it should not: close, without another word."""


class Loop:
    """Waits and calls.

    Args:
        poller: tells what is ready.
    """

    def __init__(self, poller: Poller) -> None:
        self.now = time.monotonic()
        """When this round began: good enough for limits of seconds, and free."""
        self.rounds = 0
        """How often it has gone round."""
        self._poller = poller
        self._channels: dict[int, Channel] = {}
        self._resting: set[int] = set()
        self._timers: list[_Timer] = []
        self._numbers = itertools.count()
        self._waker = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._waking = threading.Lock()
        self._calls: deque[Callable[[], None]] = deque()
        self.add(self._waker, _Waker(self._waker, self._call_called))

    def add(self, fd: int, channel: Channel, events: int = READ) -> None:
        """Call this channel from now on.

        Raises:
            OSError: this descriptor cannot be waited for; nothing has changed.
        """
        self._poller.add(fd, events)
        self._channels[fd] = channel

    def change(self, fd: int, events: int) -> None:
        """Wait for these events from now on; with 0 for none."""
        self._poller.change(fd, events)

    def remove(self, fd: int) -> None:
        """Forget it; before it is closed."""
        del self._channels[fd]
        if fd in self._resting:
            self._resting.remove(fd)
        else:
            self._poller.remove(fd)

    def closing(self, fd: int) -> None:
        """Forget it: the caller, the one process that has it, closes it at once."""
        del self._channels[fd]
        self._poller.closing(fd)

    def discard(self, fd: int) -> bool:
        """Forget it, if it is there; whether it was."""
        there = fd in self._channels
        if there:
            self.remove(fd)
        return there

    def rest(self, fd: int, seconds: float, events: int = READ) -> None:
        """Wait for nothing on this descriptor for a moment; then for these events again."""
        channel = self._channels[fd]

        def resume() -> None:
            if self._channels.get(fd) is channel and fd in self._resting:
                self._resting.remove(fd)
                self._poller.add(fd, events)

        # Not by changing what is waited for: EPOLLEXCLUSIVE cannot be changed (epoll_ctl(2)).
        self._poller.remove(fd)
        self._resting.add(fd)
        self.at(self.now + seconds, resume)

    def at(self, when: float, call: Callable[[], None]) -> None:
        """Call it once, at `time.monotonic` or soon after."""
        heapq.heappush(self._timers, (when, next(self._numbers), call))

    def wake(self) -> None:
        """Begin the next round now. From any thread."""
        with self._waking:
            if self._waker >= 0:  # else it is closed, and nobody waits any more
                os.eventfd_write(self._waker, 1)

    def call_from_thread(self, call: Callable[[], None]) -> None:
        """Call it in the next round, in the loop's thread. From any thread; a closed loop calls nothing."""
        self._calls.append(call)
        self.wake()

    def run(self, until: Callable[[], bool], deadline: float = math.inf) -> None:
        """Go round until it is so, or the deadline (`time.monotonic`) has passed; asked before each wait."""
        channels, wait, timers = self._channels, self._poller.wait, self._timers
        self.now = time.monotonic()
        while not until() and self.now < deadline:
            first = timers[0][0] if timers and timers[0][0] < deadline else deadline
            left = first - self.now
            ready = wait(None if left == math.inf else max(0.0, left))
            self.now = time.monotonic()
            self.rounds += 1
            for fd, events in ready:
                if (channel := channels.get(fd)) is not None:
                    try:
                        channel.ready(events)
                    except Exception as error:  # noqa: BLE001 - whatever it is, it ends one channel only
                        _tell_crash(channel, error)
                        channel.failed()
            while timers and timers[0][0] <= self.now:
                self._call(heapq.heappop(timers)[2])

    def _call(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - whatever it is, the loop goes on
            _tell_crash(call, error)

    def _call_called(self) -> None:
        """Call what other threads want called here."""
        while self._calls:
            self._call(self._calls.popleft())

    def abandon(self, keep: int) -> None:
        """In a child after fork(2): close everything that stands in the parent's loop, but this."""
        for fd in self._channels:
            if fd != keep:
                os.close(fd)
        self._channels.clear()
        self._timers.clear()
        self._poller.close()

    def close(self) -> None:
        """Free what it holds; what stands in it belongs to others."""
        self._poller.close()
        with self._waking:
            os.close(self._waker)
            self._waker = -1


def _tell_crash(who: object, error: Exception) -> None:
    log("ERROR", "crashed", thread=str(who), why=ascii(error))


class _Waker:
    """What stands behind the loop's own descriptor."""

    def __init__(self, fd: int, call: Callable[[], None]) -> None:
        self._fd = fd
        self._call = call

    def ready(self, _: int) -> None:
        """The wait is over, and if a thread wants something called, it is."""
        os.eventfd_read(self._fd)
        self._call()

    def failed(self) -> None:
        """It cannot."""
