"""A timer for what is due next: set as often as one likes, rung once."""

from collections.abc import Callable

from services.server.loop.loop import Loop


class Alarm:
    """Rings in the loop when the earliest of the times that it was set to has come.

    Args:
        loop: which it stands in.
        ring: called then; may set it again.
    """

    __slots__ = ("_at", "_loop", "_ring")

    def __init__(self, loop: Loop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._at: float | None = None

    def set(self, due: float | None) -> None:
        """Ring at that time, by `time.monotonic`, unless it rings before; None: nothing is due."""
        if due is not None and (self._at is None or due < self._at):
            self._at = due
            self._loop.at(due, self._rung)

    def _rung(self) -> None:
        self._at = None
        self._ring()
