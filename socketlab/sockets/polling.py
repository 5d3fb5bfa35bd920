"""`select`, `poll` and `epoll` over there.

Over there they take descriptors; here they take and give the sockets themselves, since a number of another
machine would be taken for one of this.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

from socketlab.errors import UsageError
from socketlab.sockets import arguments as check
from socketlab.sockets.over_there import Socket
from socketlab.sockets.request import Request, same

if TYPE_CHECKING:
    from collections.abc import Iterable

    from socketlab.sockets.actor import Actor, Begin
    from socketlab.sockets.pending import Pending
    from socketlab.wire.values import Handle

Lists: TypeAlias = "tuple[list[Socket], list[Socket], list[Socket]]"
_MILLI: Final = 1000.0
_READ: Final = 7
"""POLLIN | POLLPRI | POLLOUT, what `poll.register` watches unless told: the same numbers on every Linux."""


def _sockets(given: Iterable[Socket], actor: Actor | None = None) -> list[Socket]:
    """The sockets to be watched.

    Raises:
        UsageError: something else is among them, or a socket of another host.
        ValueError: a closed one is.
    """
    found = []
    for each in given:
        if not isinstance(each, Socket):
            raise UsageError("sockets.not-a-socket", seen=ascii(each)[:80])
        if actor is not None and each.actor is not actor:
            raise UsageError("sockets.other-host", socket=repr(each), host=actor.host)
        if each.closed:
            raise ValueError("file descriptor cannot be a negative integer (-1)")
        found.append(each)
    return found


def _select(actor: Actor, lists: Lists, timeout: float | None) -> Request[Lists]:
    known = {sock.handle.number: sock for watched in lists for sock in watched}

    def read(came: tuple[list[int], list[int], list[int]]) -> Lists:
        readable, writable, exceptional = ([known[number] for number in ready] for ready in came)
        return readable, writable, exceptional

    del actor
    numbers = [[sock.handle.number for sock in watched] for watched in lists]
    return Request("select", (*numbers, timeout), read, keep=known)


def _wait_of(timeout: float | None) -> float | None:
    if timeout is not None and not isinstance(timeout, int | float):
        raise TypeError("timeout must be a float or None")
    if timeout is not None and timeout < 0:
        raise ValueError("timeout must be non-negative")
    return check.seconds(timeout)


def select_on(
    self: Actor,
    rlist: Iterable[Socket],
    wlist: Iterable[Socket],
    xlist: Iterable[Socket],
    timeout: float | None = None,
    /,
) -> Lists:
    """Wait until sockets of this host are ready.

    Args:
        self: the host's actor.
        rlist: to be read from.
        wlist: to be written to.
        xlist: with an exceptional condition.
        timeout: seconds at most; None: as long as it takes.

    Raises:
        UsageError: something that is no socket of this host.
        ValueError: a closed socket, or a negative timeout.
    """
    lists = (_sockets(rlist, self), _sockets(wlist, self), _sockets(xlist, self))
    return self.make(_select(self, lists, _wait_of(timeout)))


def begin_select_on(
    self: Begin,
    rlist: Iterable[Socket],
    wlist: Iterable[Socket],
    xlist: Iterable[Socket],
    timeout: float | None = None,
    /,
) -> Pending[Lists]:
    """The same, begun and awaited later."""
    actor = self.actor
    lists = (_sockets(rlist, actor), _sockets(wlist, actor), _sockets(xlist, actor))
    return actor.start(_select(actor, lists, _wait_of(timeout)))


class _Poller:
    """What `poll` and `epoll` have in common: an object over there that knows sockets by their handles."""

    def __init__(self, actor: Actor, handle: Handle) -> None:
        self.actor = actor
        self.handle = handle
        self._known: dict[int, Socket] = {}
        self._closed = False

    def _make(self, name: str, *args: Any) -> Any:
        return self.actor.make(Request(name, args, same, self.handle.number, self))

    def _number(self, sock: Socket) -> int:
        (one,) = _sockets([sock], self.actor)
        return one.handle.number

    def modify(self, sock: Socket, eventmask: int) -> None:
        """Watch for other events of a socket."""
        self._make("modify", self._number(sock), check.integer(eventmask))

    def unregister(self, sock: Socket) -> None:
        """Watch a socket no more."""
        number = self._number(sock)
        self._make("unregister", number)
        self._known.pop(number, None)

    def _register(self, sock: Socket, mask: int) -> None:
        number = self._number(sock)
        self._make("register", number, check.integer(mask))
        self._known[number] = sock

    def _poll(self, seconds: float, *rest: int) -> list[tuple[Socket, int]]:
        ready = self._make("poll", seconds, *rest)
        return [(self._known[number], mask) for number, mask in ready if number in self._known]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.actor.host}:{self.handle.number} of {len(self._known)} sockets>"


class Poll(_Poller):
    """`select.poll()` over there; made by `host.poll()`."""

    def register(self, sock: Socket, eventmask: int = _READ, /) -> None:
        """Watch a socket."""
        self._register(sock, eventmask)

    def poll(self, timeout: float | None = None, /) -> list[tuple[Socket, int]]:
        """Wait for events: pairs of a socket and what is with it.

        Args:
            timeout: milliseconds at most; None or negative: as long as it takes.
        """
        return self._poll(-1 if timeout is None or timeout < 0 else timeout / _MILLI)

    def __del__(self) -> None:
        self.actor.forget(self.handle.number)


class Epoll(_Poller):
    """`select.epoll()` over there; made by `host.epoll()`."""

    def register(self, sock: Socket, eventmask: int = _READ) -> None:
        """Watch a socket."""
        self._register(sock, eventmask)

    def poll(self, timeout: float | None = None, maxevents: int = -1) -> list[tuple[Socket, int]]:
        """Wait for events: pairs of a socket and what is with it.

        Args:
            timeout: seconds at most; None or negative: as long as it takes.
            maxevents: how many at most; -1: as many as there are.
        """
        seconds = -1.0 if timeout is None or timeout < 0 else float(timeout)
        return self._poll(seconds, *(() if maxevents == -1 else (check.integer(maxevents),)))

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def close(self) -> None:
        """Close it over there. Any number of times."""
        if not self._closed:
            self._closed = True
            self._make("close")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.actor.forget(self.handle.number)
        if not self._closed and not self.actor.ended:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2, source=self)


def poll(self: Actor) -> Poll:
    """A `select.poll()` over there."""
    return self.make(Request("poll", (), lambda handle: Poll(self, _poller(handle, "poll"))))


def epoll(self: Actor) -> Epoll:
    """A `select.epoll()` over there."""
    return self.make(Request("epoll", (), lambda handle: Epoll(self, _poller(handle, "epoll"))))


def _poller(handle: Any, what: str) -> Handle:
    if getattr(handle, "what", None) != what:
        raise TypeError(type(handle).__name__)
    return handle  # type: ignore[no-any-return]
