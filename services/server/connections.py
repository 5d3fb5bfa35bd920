"""The connections that are open: how many there may be, and when the last has ended."""

import threading
from collections.abc import Callable


class Connections:
    """Runs one thread a connection, at most so many at once.

    Args:
        limit: most at once.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._open = 0
        self._changed = threading.Condition()

    def start(self, serve: Callable[[], None]) -> bool:
        """Serve one connection in its own thread; False: too many are open, or no thread is to be had."""
        with self._changed:
            if self._open >= self.limit:
                return False
            self._open += 1
        try:
            # Daemons: the program ends when the drain's time is up, whatever a peer still does.
            threading.Thread(target=self._run, args=(serve,), daemon=True).start()
        except RuntimeError:  # a container's limit of processes counts threads (cgroups(7), pids)
            self._ended()
            return False
        return True

    def drain(self, seconds: float) -> int:
        """Wait for all to end, at most so long; how many are left."""
        with self._changed:
            self._changed.wait_for(lambda: self._open == 0, seconds)
            return self._open

    def _run(self, serve: Callable[[], None]) -> None:
        try:
            serve()
        finally:
            self._ended()

    def _ended(self) -> None:
        with self._changed:
            self._open -= 1
            self._changed.notify_all()
