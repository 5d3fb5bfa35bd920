"""Who tells which sockets are ready: select(2) or epoll(7), behind one face.

Both are level-triggered: a socket is reported for as long as there is something to read, so a handler may
take one piece and come back. What differs is the price. select() is given every descriptor again each time,
and looks at all of them, up to number 1023; epoll keeps the list in the kernel and names the ready ones
only.
"""

import errno
import select
from typing import Final, Protocol

from services.messages import say

READ: Final = select.EPOLLIN
WRITE: Final = select.EPOLLOUT
"""Errors and hang-ups are reported as `READ`, or `WRITE` where only that is waited for: the next call
tells."""

FD_SETSIZE: Final = 1024
"""A descriptor set of select(2) has room for the numbers below this, whatever `ulimit -n` allows."""
_MOST: Final = 256
"""Events taken from the kernel at once."""


class Poller(Protocol):
    """Keeps the descriptors that are waited for."""

    def add(self, fd: int, events: int) -> None:
        """Wait for one more.

        Raises:
            OSError: EMFILE, it cannot be waited for in this way.
        """

    def change(self, fd: int, events: int) -> None:
        """Wait for something else, or with 0 for nothing."""

    def remove(self, fd: int) -> None:
        """Forget it."""

    def closing(self, fd: int) -> None:
        """It will be closed at once, by the one process that has it: forget it, as cheaply as can be."""

    def wait(self, seconds: float | None) -> list[tuple[int, int]]:
        """Wait until some are ready, at most so long; each with its events."""

    def close(self) -> None:
        """Free what it holds."""


class EpollPoller:
    """By epoll(7): the kernel keeps the list."""

    def __init__(self) -> None:
        self._epoll = epoll = select.epoll()
        # The methods of the kernel's object themselves: each request comes through here.
        self.add = epoll.register
        self.change = epoll.modify
        self.remove = epoll.unregister
        self._poll = epoll.poll

    def closing(self, fd: int) -> None:
        """Nothing to do: the kernel takes a closed descriptor off the list (epoll(7), Q&A)."""

    def wait(self, seconds: float | None) -> list[tuple[int, int]]:
        """Wait until some are ready."""
        return self._poll(seconds, _MOST)

    def close(self) -> None:
        """Close the descriptor of the list."""
        self._epoll.close()


class SelectPoller:
    """By select(2): the list is ours, and is given to the kernel each time."""

    def __init__(self) -> None:
        self._readers: set[int] = set()
        self._writers: set[int] = set()

    def add(self, fd: int, events: int) -> None:
        """Wait for one more, if its number fits in a descriptor set.

        Raises:
            OSError: EMFILE, it does not. A program in C that did it all the same would write behind the set.
        """
        if fd >= FD_SETSIZE:
            raise OSError(errno.EMFILE, say("server.fd-setsize", fd=fd, limit=FD_SETSIZE))
        self.change(fd, events)

    def change(self, fd: int, events: int) -> None:
        """Wait for something else."""
        self.remove(fd)
        if events & READ:
            self._readers.add(fd)
        if events & WRITE:
            self._writers.add(fd)

    def remove(self, fd: int) -> None:
        """Forget it."""
        self._readers.discard(fd)
        self._writers.discard(fd)

    closing = remove

    def wait(self, seconds: float | None) -> list[tuple[int, int]]:
        """Wait until some are ready."""
        readable, writable, _ = select.select(self._readers, self._writers, (), seconds)
        if not writable:
            return [(fd, READ) for fd in readable]
        events = dict.fromkeys(readable, READ)
        for fd in writable:
            events[fd] = events.get(fd, 0) | WRITE
        return list(events.items())

    def close(self) -> None:
        """Nothing is held."""
