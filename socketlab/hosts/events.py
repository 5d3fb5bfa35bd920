"""What happens on a lab's hosts, kept and told: the calls made there, and what is done to the hosts."""

import threading
import warnings
from collections import deque
from collections.abc import Callable
from typing import Final

from socketlab.messages import say
from socketlab.sockets.host_event import HostEvent

KEPT: Final = 10_000


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

    def add(self, happened: HostEvent) -> None:
        """Keep what has happened, and tell of it."""
        self.kept.append(happened)
        for callback in self._told:
            try:
                callback(happened)
            except Exception as error:  # noqa: BLE001 - a listener's mistake must not end somebody's call
                self._leave_out(callback)
                warnings.warn(say("lab.deaf", why=repr(error)), RuntimeWarning, stacklevel=2)
