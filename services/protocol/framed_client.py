"""framed: the asking side, over a stream (`FramedClient`) and in datagrams (`FramedCaller`), without I/O.

Theory of operation
    Both number their requests from 1 and hand out bytes to be sent; what arrives is turned into events. An
    answer is known by its id alone, since answers come in whatever order they are ready.

    Over a stream nothing is lost: `hello` is sent first, requests after `Welcomed`, within the limits that
    the server told. A server that does not conform ends the session with an exception, one that refuses it
    with `Ended`.

    Datagrams are lost, doubled and late. Each request is sent again after growing pauses (`Backoff`) until it
    is answered or given up, with the same id and nonce, by which the server knows it again and executes it
    only once. A second answer, or one to nobody's question, is nothing.
"""

import itertools
import time
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Final, Literal, TypeAlias

from services.protocol.errors import LocalProtocolError, RemoteProtocolError
from services.protocol.framing import (
    DATAGRAM_LIMITS,
    JSON,
    LIMITS,
    SESSION,
    Frame,
    FrameBuffer,
    Kind,
    Limits,
    frame,
    read_datagram,
    recognise,
    to_json,
)

_SHOWN: Final = 40


@dataclass(frozen=True, slots=True)
class Welcomed:
    """The server accepted the session.

    Args:
        payload: its limits, under `limits`.
        sent_ns: when it was sent, in ns since the epoch, by the server's clock.
    """

    payload: dict[str, JSON]
    sent_ns: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one request.

    Args:
        id: of the request.
        payload: the answer's `value`.
        sent_ns: when it was sent, in ns since the epoch, by the server's clock.
    """

    id: int
    payload: dict[str, JSON]
    sent_ns: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The server refused one request, or the session.

    Args:
        id: of the request; None: the session, which is over with it.
        code: why, for programs.
        why: why, for people, in the server's language.
    """

    id: int | None
    code: str
    why: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The session is over: the server closed its side between two frames, or refused the session."""

    reason: Literal["eof", "refused"]


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer to a request came, however often it was sent."""

    id: int
    attempts: int


FramedEvent: TypeAlias = Welcomed | Answer | Refused | Ended


class FramedClient:
    """The asking side of one stream session.

    Args:
        nonce: tells this client from others; in HELLO.
        limits: what an answer may be.
        epoch_ns: the time of day, in ns since the epoch.
    """

    __slots__ = ("_buffer", "_epoch_ns", "_ids", "_nonce", "_outstanding", "_over", "_server", "welcomed")

    def __init__(
        self, nonce: str, limits: Limits = LIMITS, epoch_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self.welcomed = False
        self._nonce = nonce
        self._epoch_ns = epoch_ns
        self._buffer = FrameBuffer(limits)
        self._server = LIMITS
        self._ids = itertools.count(1)
        self._outstanding: set[int] = set()
        self._over = False

    @property
    def outstanding(self) -> AbstractSet[int]:
        """The ids of the requests that have no answer yet; a view."""
        return self._outstanding

    def hello(self) -> bytes:
        """What to send first."""
        return frame(Kind.HELLO, SESSION, to_json({"nonce": self._nonce}), self._epoch_ns())

    def request(self, payload: Mapping[str, JSON]) -> tuple[int, bytes]:
        """One request: its id, and the bytes to send.

        Args:
            payload: what is asked, such as `{"op": "echo", "value": 1}`.

        Raises:
            LocalProtocolError: before `Welcomed` or after the end; or the server would not accept it.
        """
        if self._over:
            raise LocalProtocolError("protocol.after-end")
        if not self.welcomed:
            raise LocalProtocolError("protocol.not-welcomed")
        body = to_json(payload, self._server)
        ident = next(self._ids)
        self._outstanding.add(ident)
        return ident, frame(Kind.REQUEST, ident, body, self._epoch_ns())

    def receive(self, data: bytes) -> list[FramedEvent]:
        """Take what the server sent; `b""` means it closed its side.

        Raises:
            RemoteProtocolError: what it sent does not conform, or ends in the middle of a frame. The events
                before its offence are in the error.
            LocalProtocolError: called after the end. We are at fault.
        """
        if self._over:
            raise LocalProtocolError("protocol.after-end")
        events: list[FramedEvent] = []
        try:
            if not data:
                self._buffer.finish()
                self._over = True
                return [Ended("eof")]
            for arrived in self._buffer.frames(data):
                event = self._event(arrived)
                events.append(event)
                if isinstance(event, Refused) and event.id is None:
                    self._over = True
                    events.append(Ended("refused"))
                    break
        except RemoteProtocolError as error:
            self._over = True
            error.events = tuple(events)
            raise
        return events

    def _event(self, arrived: Frame) -> FramedEvent:
        kind, ident, payload, sent_ns = arrived
        if kind == Kind.ERROR and ident == SESSION:
            return Refused(None, _text(payload, "code"), _text(payload, "why"))
        if not self.welcomed:
            return self._welcome(kind, payload, sent_ns)
        event = _answered(arrived)
        try:
            self._outstanding.remove(ident)
        except KeyError as error:
            raise RemoteProtocolError("protocol.unasked", seen=ident) from error
        return event

    def _welcome(self, kind: int, payload: dict[str, JSON], sent_ns: int) -> Welcomed:
        if kind != Kind.WELCOME:
            raise _unexpected(Kind.WELCOME, kind)
        told = payload.get("limits")
        if not isinstance(told, dict):
            raise _bad_field("limits", told)
        self._server = Limits(payload=_count(told, "payload"), depth=_count(told, "depth"))
        self.welcomed = True
        return Welcomed(payload, sent_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How often, and after which pauses, a request without an answer is sent again.

    Args:
        first: seconds from the first sending to the second.
        factor: by which each pause is longer than the one before.
        longest: seconds that no pause exceeds.
        attempts: how often it is sent, the first time included, so at least 1; after one more pause it is
            lost.
    """

    first: float = 0.25
    factor: float = 2.0
    longest: float = 4.0
    attempts: int = 6

    def pauses(self) -> tuple[float, ...]:
        """Seconds to wait for an answer after each attempt."""
        pauses = [min(self.first, self.longest)]
        while len(pauses) < self.attempts:
            pauses.append(min(pauses[-1] * self.factor, self.longest))
        return tuple(pauses)


BACKOFF: Final = Backoff()
"""Sends at 0, 0.25, 0.75, 1.75, 3.75 and 7.75 s and gives up at 11.75 s: longer than the longest `wait`."""


@dataclass(slots=True)
class _Asked:
    datagram: bytes
    attempts: int = 1


class FramedCaller:
    """The asking side of one datagram socket, connected to one server.

    Args:
        nonce: tells this client from others of the same address, and from itself before it was started again.
        clock: the monotonic clock, in seconds.
        epoch_ns: the time of day, in ns since the epoch.
        retry: when to send again, and when to give up.
        limits: what an answer, and a request, may be.
    """

    def __init__(
        self,
        nonce: str,
        clock: Callable[[], float] = time.monotonic,
        epoch_ns: Callable[[], int] = time.time_ns,
        retry: Backoff = BACKOFF,
        limits: Limits = DATAGRAM_LIMITS,
    ) -> None:
        self._nonce = nonce
        self._clock = clock
        self._epoch_ns = epoch_ns
        self._pauses = retry.pauses()
        self._limits = limits
        self._ids = itertools.count(1)
        self._asked: dict[int, _Asked] = {}
        # One alarm for each sending; that of a request answered meanwhile goes when it would be the next.
        self._alarms: list[tuple[float, int]] = []

    @property
    def outstanding(self) -> AbstractSet[int]:
        """The ids of the requests that are neither answered nor lost; a view."""
        return self._asked.keys()

    @property
    def due(self) -> float | None:
        """When `tick` has something, on the clock; None: never."""
        while self._alarms and self._alarms[0][1] not in self._asked:
            heappop(self._alarms)
        return self._alarms[0][0] if self._alarms else None

    def request(self, payload: Mapping[str, JSON]) -> tuple[int, bytes]:
        """One request: its id, and the datagram to send now.

        Args:
            payload: what is asked, such as `{"op": "count"}`; the nonce is added.

        Raises:
            LocalProtocolError: the server would not accept it.
        """
        body = to_json({**payload, "nonce": self._nonce}, self._limits)
        ident = next(self._ids)
        datagram = frame(Kind.REQUEST, ident, body, self._epoch_ns())
        self._asked[ident] = _Asked(datagram)
        heappush(self._alarms, (self._clock() + self._pauses[0], ident))
        return ident, datagram

    def receive(self, datagram: bytes) -> list[Answer | Refused]:
        """Take one datagram. What is no frame, and an answer to nothing that is asked now, gives nothing."""
        claimed = recognise(datagram)
        if claimed is None or (ident := claimed[1]) not in self._asked:
            return []
        try:
            event = _answered(read_datagram(datagram, self._limits))
        except RemoteProtocolError:
            return []
        del self._asked[ident]
        return [event]

    def tick(self) -> list[bytes | Lost]:
        """The datagrams to send again by now, and what is given up."""
        now = self._clock()
        told: list[bytes | Lost] = []
        while (due := self.due) is not None and due <= now:
            _, ident = heappop(self._alarms)
            asked = self._asked[ident]
            if asked.attempts == len(self._pauses):
                del self._asked[ident]
                told.append(Lost(ident, asked.attempts))
                continue
            heappush(self._alarms, (now + self._pauses[asked.attempts], ident))
            asked.attempts += 1
            told.append(asked.datagram)
        return told


def _answered(arrived: Frame) -> Answer | Refused:
    """The answer to one request."""
    kind, ident, payload, sent_ns = arrived
    if kind == Kind.RESPONSE:
        return Answer(ident, payload, sent_ns)
    if kind != Kind.ERROR:
        raise _unexpected(Kind.RESPONSE, kind)
    return Refused(ident, _text(payload, "code"), _text(payload, "why"))


def _text(payload: dict[str, JSON], field: str) -> str:
    text = payload.get(field)
    if not isinstance(text, str):
        raise _bad_field(field, text)
    return text


def _count(payload: dict[str, JSON], field: str) -> int:
    count = payload.get(field)
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise _bad_field(field, count)
    return count


def _bad_field(field: str, seen: JSON) -> RemoteProtocolError:
    return RemoteProtocolError("protocol.bad-field", field=field, seen=ascii(seen)[:_SHOWN])


def _unexpected(expected: Kind, seen: int) -> RemoteProtocolError:
    return RemoteProtocolError("protocol.unexpected-type", expected=expected.name, seen=Kind(seen).name)
