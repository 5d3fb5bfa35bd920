"""Requests in datagrams: which may get lost, come twice, and come late. No I/O.

Theory of operation
    Every request has a number that its answer must bear, so an answer is known whatever the network did to
    the order. The numbers of one socket are consecutive, from a random one on: an answer whose number was
    never given belongs to somebody else. One that was, and waits no more, was given up (it is late), or
    answered (it is a duplicate). Nothing is ever sent again: what gets lost is to be counted.
"""

import itertools
import operator
import secrets
from collections.abc import Iterator
from struct import Struct
from typing import Final

from services.client.load.exchange import BrokenError
from services.client.load.tally import MISMATCH, Tally

NUMBER: Final = Struct("!Q")
_REMEMBERED: Final = 4096
"""So many requests that were given up are remembered; a late answer to an older one counts as a duplicate."""


class Numbered:
    """The requests of one socket by number, and those that were given up.

    Args:
        tally: what is counted.
    """

    __slots__ = ("_given_up", "_tally", "_waiting", "first", "next")

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self.first = self.next = secrets.randbits(62)
        """The numbers of the first request, and of the one after the last."""
        self._waiting: dict[int, tuple[int, int]] = {}
        self._given_up: dict[int, None] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def begin(self, number: int, at: int, now: int) -> None:
        """Begin a request; the times as of `Exchange.ask`."""
        self._waiting[number] = (at, now)
        self.next = number + 1

    def end(self, number: int, now: int, wrong: str | None = None) -> int:
        """Count an answer.

        Args:
            number: which it bears.
            now: in ns.
            wrong: what is wrong with the rest of it, in a word; None: it is right.

        Returns:
            how many requests it ended: 1, or 0 where none with that number was outstanding.

        Raises:
            BrokenError: it answers no request that ever was.
        """
        if (times := self._waiting.pop(number, None)) is not None:
            if wrong is None:
                self._tally.answer(now - times[0])
            else:
                self._tally.mismatch(wrong)
            return 1
        if wrong is not None or not self.first <= number < self.next:
            raise BrokenError("recv", wrong or MISMATCH)
        if number in self._given_up:
            del self._given_up[number]
            self._tally.late += 1
        else:
            self._tally.duplicates += 1
        return 0

    def oldest(self) -> int | None:
        """When the oldest request without an answer was sent, in ns."""
        return next(iter(self._waiting.values()))[1] if self._waiting else None

    def give_up(self, before: int) -> int:
        """Give up the requests sent `before` (ns) or then; how many."""
        overdue = list(itertools.takewhile(lambda number: self._waiting[number][1] <= before, self._waiting))
        for number in overdue:
            del self._waiting[number]
            self._given_up[number] = None
        while len(self._given_up) > _REMEMBERED:
            del self._given_up[next(iter(self._given_up))]
        return len(overdue)


class DatagramEcho:
    """Datagrams that come back whole: in each the number of the request, then the same filling.

    Args:
        filling: what follows the number.
        tally: what is counted.
    """

    __slots__ = ("_filling", "_numbered", "_tally", "at", "payloads", "whole")

    ready: Final = True

    def __init__(self, filling: bytes, tally: Tally) -> None:
        self._filling = filling
        self._tally = tally
        self._numbered = Numbered(tally)
        self.at = 0
        self.whole: bytes | None = None
        self.payloads = _datagrams(self._numbered.first, filling)

    @property
    def outstanding(self) -> int:
        """As of `Exchange`."""
        return len(self._numbered) + (self.whole is not None)

    def hello(self) -> bytes:
        """Nothing: datagrams have no handshake."""
        return b""

    def ask(self, count: int, at: int, now: int) -> bytes:  # noqa: ARG002 - a datagram is one request
        """As of `Exchange`."""
        datagram = next(self.payloads)
        if at == now and not self.outstanding:
            self.at, self.whole = at, datagram
        else:
            self._land()
            self._numbered.begin(_number(datagram), at, now)
        return datagram

    def take(self, data: bytes, now: int) -> int:
        """As of `Exchange`."""
        if data == self.whole:
            self.whole = None
            self._numbered.next = _number(data) + 1
            self._tally.answer(now - self.at)
            return 1
        self._land()
        if len(data) < NUMBER.size:
            raise BrokenError("recv", MISMATCH)
        wrong = None if data[NUMBER.size :] == self._filling else MISMATCH
        return self._numbered.end(_number(data), now, wrong)

    def oldest(self) -> int | None:
        """As of `Exchange`."""
        return self.at if self.whole is not None else self._numbered.oldest()

    def overdue(self, before: int) -> int:
        """As of `Exchange`."""
        self._land()
        return self._numbered.give_up(before)

    def _land(self) -> None:
        """Make the request of the fast loop one of the others."""
        if self.whole is not None:
            self._numbered.begin(_number(self.whole), self.at, self.at)
            self.whole = None


def _datagrams(first: int, filling: bytes) -> Iterator[bytes]:
    """Requests, numbered from `first` on; made in C, since the fast loop takes one for each answer."""
    return map(operator.add, map(NUMBER.pack, itertools.count(first)), itertools.repeat(filling))


def _number(datagram: bytes) -> int:
    number: int = NUMBER.unpack_from(datagram)[0]
    return number
