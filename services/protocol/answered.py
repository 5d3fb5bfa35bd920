"""The answers of a datagram server, kept for requests that come again.

Theory of operation
    A client that gets no answer sends its request again, and cannot know whether the request or the answer
    was lost. Executed twice, a request that changes something would do so twice; so its answer is kept, and
    given again. All are kept within three bounds, of number, bytes and age, and the one that nobody asked
    for longest goes first: "executed once" holds for as long as the answer is remembered, and no longer.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Answered(Generic[Key]):
    """Answers by request.

    Args:
        entries: most answers kept.
        size: most bytes that they have together; the keys come on top.
        age: seconds after which an answer that nobody asked for again is forgotten.
        clock: the monotonic clock, in seconds.
    """

    def __init__(
        self,
        entries: int = 4096,
        size: int = 4 * 1024 * 1024,
        age: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._entries = entries
        self._most = size
        self._age = age
        self._clock = clock
        # In the order of their last use: whichever bound is passed, it is the first that goes.
        self._answers: OrderedDict[Key, tuple[float, bytes]] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return len(self._answers)

    @property
    def size(self) -> int:
        """Bytes of all answers together."""
        return self._size

    def get(self, request: Key) -> bytes | None:
        """The answer to a request, if it is still known; it counts as used now."""
        now = self._clock()
        self._forget_old(now)
        known = self._answers.get(request)
        if known is None:
            return None
        self._answers[request] = (now, known[1])
        self._answers.move_to_end(request)
        return known[1]

    def put(self, request: Key, answer: bytes) -> None:
        """Keep the answer to a request that has none yet."""
        now = self._clock()
        self._forget_old(now)
        self._answers[request] = (now, answer)
        self._size += len(answer)
        while len(self._answers) > self._entries or self._size > self._most:
            self._forget_first()

    def _forget_old(self, now: float) -> None:
        while self._answers:
            used, _ = next(iter(self._answers.values()))
            if now - used < self._age:
                return
            self._forget_first()

    def _forget_first(self) -> None:
        _, (_, answer) = self._answers.popitem(last=False)
        self._size -= len(answer)
