"""What is asked on one connection, and whether what comes back answers it. No I/O.

Theory of operation
    An exchange knows the requests of one connection that have no answer yet. `ask` gives the bytes of new
    ones; `take` is given what arrives, counts in the `Tally` what it answers, and says how many requests
    that were. A request has two times. `at` is what its latency counts from: in a closed loop when it was
    sent, in an open one when it was due. `sent` is what its time limit counts from.

    The engine's fast loop, for requests that are all sent at once and answered before the next are, does not
    call. Where `whole` is set it is the whole answer to all requests that are outstanding, which were sent
    `at`, as many as the plan has in flight. The loop compares, and writes both for the next requests, whose
    bytes `payloads` gives. All else it leaves to `take`.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, Protocol, TypeAlias

from services.client.load.tally import MISMATCH, Tally

_POOL: Final = 61
"""Different contents of requests: an answer to another request, or another client, is a wrong one."""
_POOL_BYTES: Final = 16 * 1024 * 1024


class BrokenError(Exception):
    """What arrived makes no sense: on a stream, nothing after it does.

    Args:
        call: which gave it: `recv`, or `handshake`.
        what: what was wrong, in a word.
    """

    def __init__(self, call: str, what: str) -> None:
        super().__init__(call, what)
        self.call = call
        self.what = what


class Exchange(Protocol):
    """The requests of one connection."""

    at: int
    whole: bytes | None
    payloads: Iterator[bytes]

    @property
    def outstanding(self) -> int:
        """How many requests have no answer yet."""

    @property
    def ready(self) -> bool:
        """Whether requests may be made: the handshake, where there is one, is over."""

    def hello(self) -> bytes:
        """What to send first, before any request; maybe nothing."""

    def ask(self, count: int, at: int, now: int) -> bytes:
        """Begin requests.

        Args:
            count: how many; of datagrams one.
            at: what their latency counts from, in ns.
            now: in ns.

        Returns:
            what to send.
        """

    def take(self, data: bytes, now: int) -> int:
        """Take what arrived; of datagrams, one.

        Returns:
            how many requests are no longer outstanding.

        Raises:
            BrokenError: it answers nothing that was asked. What came before it has been counted.
        """

    def oldest(self) -> int | None:
        """When the oldest request without an answer was sent, in ns; None: there is none."""

    def overdue(self, before: int) -> int:
        """How many requests sent `before` (ns) or then have no answer; datagrams are given up with that."""


MakeExchange: TypeAlias = Callable[[], Exchange]


def contents(size: int) -> list[bytes]:
    """Different contents of `size` bytes; fewer where they are large."""
    return [os.urandom(size) for _ in range(max(2, min(_POOL, _POOL_BYTES // max(1, size))))]


class StreamEcho:
    """Bytes over a stream, which all come back in order.

    Args:
        payloads: contents, without end, of as many requests as may be outstanding.
        size: of one request, in bytes.
        tally: what is counted.
    """

    __slots__ = ("_flights", "_position", "_size", "_tally", "at", "outstanding", "payloads", "whole")

    ready: Final = True

    def __init__(self, payloads: Iterator[bytes], size: int, tally: Tally) -> None:
        self.payloads = payloads
        self.at = 0
        self.whole: bytes | None = None
        self.outstanding = 0
        self._size = size
        self._tally = tally
        # What was sent at once is a flight: when its latency counts from, when it was sent, its bytes.
        self._flights: deque[tuple[int, int, bytes]] = deque()
        self._position = 0
        """Bytes of the first flight that have come back."""

    def hello(self) -> bytes:
        """Nothing: the first bytes are a request."""
        return b""

    def ask(self, count: int, at: int, now: int) -> bytes:
        """As of `Exchange`."""
        most = next(self.payloads)
        data = most[: count * self._size]
        self._land()
        if at == now and not self.outstanding and len(data) == len(most):
            self.at, self.whole = at, data
        else:
            self._flights.append((at, now, data))
        self.outstanding += count
        return data

    def take(self, data: bytes, now: int) -> int:
        """As of `Exchange`."""
        if data == self.whole:
            answered, self.whole, self.outstanding = self.outstanding, None, 0
            self._tally.answer(now - self.at, answered)
            return answered
        self._land()
        answered = start = 0
        while start < len(data):
            done, start = self._match(data, start, now)
            answered += done
        return answered

    def oldest(self) -> int | None:
        """As of `Exchange`."""
        if self.whole is not None:
            return self.at
        return self._flights[0][1] if self._flights else None

    def overdue(self, before: int) -> int:
        """As of `Exchange`."""
        self._land()
        size = sum(len(payload) for _, sent, payload in self._flights if sent <= before)
        return size // self._size - self._position // self._size if size else 0

    def _land(self) -> None:
        """Make the requests of the fast loop like the others."""
        if self.whole is not None:
            self._flights.append((self.at, self.at, self.whole))
            self.whole = None

    def _match(self, data: bytes, start: int, now: int) -> tuple[int, int]:
        """Compare `data` from `start` on with the first flight: how many requests end, and up to where."""
        if not self._flights:
            raise BrokenError("recv", MISMATCH)  # nobody asked for more
        at, _, payload = self._flights[0]
        position = self._position
        count = min(len(data) - start, len(payload) - position)
        if data[start : start + count] != payload[position : position + count]:
            raise BrokenError("recv", MISMATCH)
        self._position = position + count
        done = self._position // self._size - position // self._size
        if done:
            self.outstanding -= done
            self._tally.answer(now - at, done)
        if self._position == len(payload):
            self._flights.popleft()
            self._position = 0
        return done, start + count
