"""What the actor holds, by number.

Theory of operation
    A number is never given twice. Whatever is closed stays known under its number, closed as it is, so that
    the next call on it gets what the kernel or Python says about a closed one, until the controller says
    that it has forgotten the number too.
"""

import _thread
from collections.abc import Callable
from typing import Any

from services.actor.limits import Limits, RefusalError
from socketlab.wire.values import Handle


class Held:
    """One thing that the actor holds. Its subclasses have the calls that can be made on it.

    Args:
        what: as `Handle` names it.
    """

    __slots__ = ("number", "open", "what")

    def __init__(self, what: str) -> None:
        self.what = what
        self.number = 0
        self.open = True

    def handle(self) -> Handle:
        """Its name on the wire."""
        return Handle(self.number, self.what)

    def fileno(self) -> int:
        """Its descriptor; -1 when it is closed."""
        raise NotImplementedError

    def release(self) -> None:
        """Close it at once, whatever it is; nothing is said when it is closed already."""
        raise NotImplementedError

    def method(self, name: str) -> Callable[..., Any] | None:
        """The call of that name; None: there is none."""
        raise NotImplementedError


class Handles:
    """The table of them.

    Args:
        limits: how many there may be.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held: dict[int, Held] = {}
        self._last = 0
        self._lock = _thread.allocate_lock()
        self._detached: set[int] = set()
        self.open = 0

    def expect_room(self, more: int = 1) -> None:
        """Check that more may be opened.

        Raises:
            RefusalError: not so many.
        """
        if self.open + more > self._limits.sockets:
            raise RefusalError("actor.sockets", limit=self._limits.sockets)
        if len(self._held) + more > self._limits.known:
            raise RefusalError("actor.known", limit=self._limits.known)

    def add(self, held: Held) -> Handle:
        """Give it a number."""
        with self._lock:
            self._last += 1
            held.number = self._last
            self._held[held.number] = held
            self.open += 1
        return held.handle()

    def find(self, number: Any) -> Held:
        """What has this number.

        Raises:
            RefusalError: nothing has, or nothing any more.
        """
        if isinstance(number, Handle):
            number = number.number
        held = self._held.get(number) if type(number) is int else None
        if held is None:
            raise RefusalError("actor.handle", number=ascii(number)[:40])
        return held

    def closed(self, held: Held) -> None:
        """It is closed from now on, and stays known."""
        with self._lock:
            if held.open:
                held.open = False
                self.open -= 1

    def detached(self, descriptor: int) -> None:
        """A descriptor belongs to nobody any more, and stays open."""
        with self._lock:
            self._detached.add(descriptor)
            self.open += 1

    def is_detached(self, descriptor: int) -> bool:
        """Whether a descriptor is open and belongs to nobody."""
        return descriptor in self._detached

    def adopted(self, descriptor: int) -> None:
        """A descriptor belongs to somebody again."""
        with self._lock:
            if descriptor in self._detached:
                self._detached.remove(descriptor)
                self.open -= 1

    def forget(self, numbers: Any) -> None:
        """Close those that are open, and know none of them any more; unknown numbers are passed over."""
        for number in numbers:
            held = self._held.pop(number.number if isinstance(number, Handle) else number, None)
            if held is not None:
                self.closed(held)
                held.release()
