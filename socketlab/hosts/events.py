"""What happens on a lab's hosts, kept and told: the calls made there, and what is done to the hosts."""

import threading
import warnings
from collections import deque
from collections.abc import Callable
from typing import Final

from socketlab.messages import say
from socketlab.sockets.happening import Happening
from socketlab.wire.event import Event

KEPT: Final = 10_000


class HostEvent:
    """Something that happened on a host.

    Args:
        host: its name.
        happening: what.
    """

    __slots__ = ("_happening", "host")

    def __init__(self, host: str, happening: Happening) -> None:
        self.host = host
        self._happening = happening

    @property
    def event(self) -> Event:
        """What happened; its times are of the host's clock (`Host.clock_offset_ns`)."""
        return self._happening.event

    def __repr__(self) -> str:
        return f"<HostEvent {self.host} {self.event!r}>"


class Events:
    """The newest events of a lab, and who is told of each."""

    def __init__(self) -> None:
        self.kept: deque[HostEvent] = deque(maxlen=KEPT)
        self._lock = threading.Lock()
        self._told: tuple[Callable[[HostEvent], object], ...] = ()

    def subscribe(self, callback: Callable[[HostEvent], object]) -> Callable[[], None]:
        """Have a function told of each event from now on, in the thread that learns of it.

        Args:
            callback: must be quick, and not make calls on a host; one that raises is told no more.

        Returns:
            a function that ends it.
        """
        with self._lock:
            self._told = (*self._told, callback)
        return lambda: self._leave_out(callback)

    def _leave_out(self, callback: Callable[[HostEvent], object]) -> None:
        with self._lock:
            self._told = tuple(each for each in self._told if each is not callback)

    def add(self, host: str, happening: Happening) -> None:
        """Keep what has happened, and tell of it."""
        happened = HostEvent(host, happening)
        self.kept.append(happened)
        for callback in self._told:
            try:
                callback(happened)
            except Exception as error:  # noqa: BLE001 - a listener's mistake must not end somebody's call
                self._leave_out(callback)
                warnings.warn(say("lab.deaf", why=repr(error)), RuntimeWarning, stacklevel=2)
