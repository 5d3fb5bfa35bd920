"""Waiting for several at once: `select`, and poll and epoll objects, over what the actor holds.

Each is tried first without waiting. Numbers of handles stand where the real calls have descriptors.
"""

import select
from collections.abc import Callable
from typing import Any

from services.actor.handles import Handles, Held
from services.actor.later import Later

_MS = 1000


def select_handles(
    handles: Handles, rlist: Any, wlist: Any, xlist: Any, timeout: Any = None
) -> tuple[list[int], ...] | Later:
    """`select.select(rlist, wlist, xlist[, timeout])` in seconds; numbers in, numbers out."""
    lists = (rlist, wlist, xlist)
    readers, writers, others = ([handles.find(number) for number in each] for each in lists)
    ready = select.select(readers, writers, others, 0)
    if any(ready) or timeout == 0:
        return _numbers(ready)
    return Later(lambda: _numbers(select.select(readers, writers, others, timeout)))


def _numbers(ready: tuple[list[Held], ...]) -> tuple[list[int], ...]:
    return tuple([held.number for held in each] for each in ready)


class HeldPoller(Held):
    """A poll or an epoll object.

    Args:
        what: `poll` or `epoll`.
        real: the object.
        handles: what it may be asked to wait for.
    """

    __slots__ = ("_handles", "_numbers", "_real")

    def __init__(self, what: str, real: Any, handles: Handles) -> None:
        super().__init__(what)
        self._real = real
        self._handles = handles
        self._numbers: dict[int, int] = {}

    def fileno(self) -> int:
        """The descriptor of an epoll object; a poll object has none."""
        return -1 if self._is_poll() or self._real.closed else int(self._real.fileno())

    def release(self) -> None:
        """Close it; a poll object has nothing to close."""
        if not self._is_poll():
            self._real.close()

    def method(self, name: str) -> Callable[..., Any] | None:
        """The call of that name; None: there is none."""
        return getattr(self, name) if name in _CALLS else None

    def _is_poll(self) -> bool:
        return self.what == "poll"

    def register(self, number: Any, *mask: Any) -> None:
        """Wait for this handle too."""
        held = self._handles.find(number)
        self._real.register(held, *mask)
        self._numbers[held.fileno()] = held.number

    def modify(self, number: Any, mask: Any) -> None:
        """Wait for something else of it."""
        self._real.modify(self._handles.find(number), mask)

    def unregister(self, number: Any) -> None:
        """Wait for it no more."""
        held = self._handles.find(number)
        self._real.unregister(held)
        self._numbers.pop(held.fileno(), None)

    def poll(self, timeout: Any = -1, *most: Any) -> Any:
        """Seconds; None or less than 0: without an end."""
        ready = self._real.poll(0, *most)
        if ready or timeout == 0:
            return self._named(ready)
        if timeout is not None and timeout < 0:
            timeout = None
        if self._is_poll() and timeout is not None:
            timeout *= _MS
        return Later(lambda: self._named(self._real.poll(timeout, *most)))

    def close(self) -> None:
        """As `release`, and it counts no longer."""
        self.release()
        self._handles.closed(self)

    def _named(self, ready: list[tuple[int, int]]) -> list[tuple[int, int]]:
        return [(self._numbers.get(descriptor, -1), mask) for descriptor, mask in ready]


_CALLS = frozenset({"register", "modify", "unregister", "poll", "close", "fileno"})


def make_poller(handles: Handles, what: str, *args: Any) -> Any:
    """A new `select.poll()` or `select.epoll()`."""
    handles.expect_room()
    return handles.add(HeldPoller(what, getattr(select, what)(*args), handles))
