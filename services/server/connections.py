"""How many connections are open, and how many there may be."""

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Connections:
    """Counts; may be asked from any thread.

    Args:
        limit: most at once.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.open = 0
        self.emptied: Callable[[], None] | None = None
        """Called, in the thread that it was served in, when the last one has ended; None: nobody waits for
        that."""
        self._lock = threading.Lock()

    def enter(self) -> bool:
        """Count one more; False: there are too many."""
        with self._lock:
            if self.open >= self.limit:
                return False
            self.open += 1
            return True

    def leave(self) -> None:
        """One has ended."""
        with self._lock:
            self.open -= 1
            empty = self.open == 0
        if empty and self.emptied:
            self.emptied()
