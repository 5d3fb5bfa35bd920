"""What a `framed` server can be asked, over a stream and in datagrams alike.

Theory of operation
    A request is a JSON object with an `op`. Most are answered at once; `wait` is answered later, and what
    was asked after it overtakes it. Its answer is made at once and kept until it is due, so what it costs is
    known when it is accepted: both the number of kept answers and their bytes are bounded, and one more is
    refused. A refusal touches one request; the session goes on.
"""

import itertools
import time
from collections.abc import Callable, Hashable, Iterator
from heapq import heappop, heappush
from typing import Final, Generic, TypeVar

from services.protocol.errors import ProtocolError
from services.protocol.framing import JSON, LIMITS, Limits, encode_json, to_bytes

Key = TypeVar("Key", bound=Hashable)

LONGEST_WAIT: Final = 10
"""Seconds."""
_WITH_VALUE: Final = ("echo", "wait")
_SHOWN: Final = 40
EXECUTED: Final = itertools.count(1)
"""The number of the next request that this process executes."""


class RequestError(ProtocolError):
    """One request cannot be executed; the peer is told, and may send others."""


class Operations(Generic[Key]):
    """Executes requests.

    Args:
        limits: what the peer may ask for.
        executed: numbers the executed requests: how many, this one included.
        clock: the monotonic clock, in seconds.
    """

    __slots__ = ("_clock", "_executed", "_held", "_late", "_limits")

    def __init__(
        self,
        limits: Limits = LIMITS,
        executed: Iterator[int] = EXECUTED,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = limits
        self._executed = executed
        self._clock = clock
        self._late: list[tuple[float, int, Key, bytes]] = []
        self._held = 0

    @property
    def due(self) -> float | None:
        """When the next late answer is due, on the clock; None: none is to come."""
        return self._late[0][0] if self._late else None

    def execute(self, key: Key, request: dict[str, JSON]) -> bytes | None:
        """Execute one request.

        Args:
            key: under which `take_due` gives a late answer.
            request: its payload.

        Returns:
            The payload of the answer; None: it comes later.

        Raises:
            RequestError: it was not executed.
        """
        op = request.get("op")
        if op == "count":
            return to_bytes(f'{{"value":{next(self._executed)}}}')
        if op not in _WITH_VALUE:
            raise RequestError("protocol.unknown-op", seen=ascii(op)[:_SHOWN])
        if "value" not in request:
            raise RequestError("protocol.no-value")
        # Joined by hand: the encoder is 5 times as fast for a string as for an object that holds it.
        answer = to_bytes(f'{{"value":{encode_json(request["value"])}}}')
        if len(answer) > self._limits.payload:  # 1e15 comes back as 1000000000000000.0
            raise RequestError("protocol.answer-too-large", limit=self._limits.payload, seen=len(answer))
        if op == "wait":
            self._wait(key, _seconds(request), answer)
            return None
        next(self._executed)
        return answer

    def take_due(self) -> list[tuple[Key, bytes]]:
        """The late answers that are due by now, in order, each under the key of its request."""
        now = self._clock()
        due = []
        while self._late and self._late[0][0] <= now:
            _, _, key, answer = heappop(self._late)
            self._held -= len(answer)
            due.append((key, answer))
        return due

    def forget(self) -> None:
        """Nobody waits for late answers any more."""
        self._late.clear()
        self._held = 0

    def _wait(self, key: Key, seconds: float, answer: bytes) -> None:
        if len(self._late) >= self._limits.waits or self._held + len(answer) > self._limits.payload:
            raise RequestError("protocol.busy", waits=self._limits.waits, size=self._limits.payload)
        number = next(self._executed)  # of two that are due at once, the older is first: keys need no order
        heappush(self._late, (self._clock() + seconds, number, key, answer))
        self._held += len(answer)


def _seconds(request: dict[str, JSON]) -> float:
    seconds = request.get("seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= LONGEST_WAIT:
        raise RequestError("protocol.bad-seconds", most=LONGEST_WAIT, seen=ascii(seconds)[:_SHOWN])
    return seconds
