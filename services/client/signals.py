"""Stopping: SIGTERM and Ctrl-C end the client at once, whatever call is being made.

Theory of operation
    Python runs a signal's handler in the main thread, once the call that this thread is in lets go; a look-up
    in the C library's resolver does not, for seconds. So calls that may block are made in another thread and
    the main thread waits where a signal reaches it. The handler raises `Stopped` there, once.
"""

import signal
import threading
from collections.abc import Iterable, Iterator
from queue import SimpleQueue
from types import FrameType
from typing import TypeVar

T = TypeVar("T")


class Stopped(BaseException):
    """SIGTERM or SIGINT came.

    Args:
        signum: which.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum

    @property
    def exit_code(self) -> int:
        """What a shell would report for a program ended by this signal."""
        return 128 + self.signum


def stop_on_signals() -> None:
    """Raise `Stopped` in the main thread at the first SIGTERM or SIGINT; later ones change nothing."""

    def stop(signum: int, _: FrameType | None) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(signum)

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, stop)


def from_thread(items: Iterable[T]) -> Iterator[T]:
    """The items of an iterable that is advanced in a thread of its own; what it raises is raised here."""
    queue: SimpleQueue[tuple[T] | BaseException | None] = SimpleQueue()

    def advance() -> None:
        try:
            for item in items:
                queue.put((item,))
        except BaseException as error:  # noqa: BLE001 - it is raised again, in the thread that reads
            queue.put(error)
        else:
            queue.put(None)

    threading.Thread(target=advance, daemon=True).start()
    while (entry := queue.get()) is not None:
        if isinstance(entry, BaseException):
            raise entry
        yield entry[0]
