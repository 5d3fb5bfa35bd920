"""What has happened on a host: an event that is made when somebody looks at it, as few are.

Writing a call and its outcome as text takes as long as the call; what is kept instead is a few references. A
call that carries much data is written at once: what is kept must not hold it.
"""

from collections.abc import Callable
from typing import Any, Final

from socketlab.wire.event import Event
from socketlab.wire.values import Handle

_PLAIN: Final = frozenset({int, bool, float, type(None), Handle})
_LIGHT: Final = 256
"""Bytes, or letters, that may be kept."""
_FEW: Final = 8


class HostEvent:
    """Something that has happened on a host.

    Args:
        host: its name.
        name: of the event.
        make: makes the event.
        light: whether what `make` holds may be kept; else the event is made now.
    """

    __slots__ = ("_event", "_make", "host", "name")

    def __init__(self, host: str, name: str, make: Callable[[], Event], *, light: bool = True) -> None:
        self.host = host
        self.name = name
        self._event: Event | None = None
        self._make: Callable[[], Event] | None = make
        if not light:
            self._look(make)

    @property
    def event(self) -> Event:
        """What has happened; its times are of the host's clock."""
        make = self._make
        if make is None and self._event is not None:
            return self._event
        assert make is not None  # noqa: S101 - it is dropped only when the event is there
        return self._look(make)

    def _look(self, make: Callable[[], Event]) -> Event:
        self._event = event = make()
        self._make = None  # after the event is there: another thread may look at the same time
        return event

    def __repr__(self) -> str:
        return f"<HostEvent {self.host} {self.event!r}>"


def is_light(value: Any) -> bool:
    """Whether a value of the wire is so small that it may be kept."""
    kind = type(value)
    if kind in _PLAIN:
        return True
    if kind is bytes or kind is str:
        return len(value) <= _LIGHT
    return kind is tuple and len(value) <= _FEW and all(map(is_light, value))
