"""Requests of the lab's own protocol, `framed`: an echo of a string, over a stream or in datagrams. No I/O.

Theory of operation
    Answers are known by their id and may come in any order. To decode JSON takes longer than all the rest, so
    an answer is first compared with the bytes that a server of ours gives; only another one, of a server that
    writes its JSON differently or of one that is wrong, is decoded. Requests are not sent again, also not in
    datagrams: what gets lost is to be counted.
"""

import re
import secrets
import time
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from services.client.load.datagram import Numbered
from services.client.load.exchange import BrokenError, contents
from services.client.load.tally import MISMATCH, Tally
from services.protocol.errors import RemoteProtocolError
from services.protocol.framed_client import FramedClient, Refused, Welcomed
from services.protocol.framing import (
    DATAGRAM_LIMITS,
    HEADER,
    JSON,
    LIMITS,
    MAGIC,
    SESSION,
    VERSION,
    Frame,
    FrameBuffer,
    Kind,
    Limits,
    frame,
    read_datagram,
    recognise,
    to_json,
)

_RESPONSE: Final = HEADER.pack(MAGIC, VERSION, Kind.RESPONSE, 0, 0, 0, 0)[:8]
"""The part of a response's header that is always the same."""
_CODE: Final = re.compile(r"[a-z0-9.-]{1,40}")


class Content(NamedTuple):
    """What a request asks for, and the payload that is to come back."""

    value: str
    request: bytes
    answer: bytes


def framed_contents(size: int, nonce: str | None = None) -> list[Content]:
    """Different contents of requests.

    Args:
        size: bytes of each value.
        nonce: goes with each request; None: none does, as over a stream.

    Raises:
        LocalProtocolError: they are larger than a server takes.
    """
    told: dict[str, JSON] = {} if nonce is None else {"nonce": nonce}
    limits: Limits = LIMITS if nonce is None else DATAGRAM_LIMITS
    found = []
    for data in contents(size):
        value = data.hex()[:size]
        request = to_json({"op": "echo", "value": value, **told}, limits)
        found.append(Content(value, request, to_json({"value": value}, limits)))
    return found


class FramedStream:
    """One session over a stream: the handshake, then requests.

    Args:
        pool: contents of requests.
        nonce: tells this client from others.
        tally: what is counted.
    """

    __slots__ = (
        "_buffer",
        "_next",
        "_pool",
        "_session",
        "_tally",
        "_waiting",
        "at",
        "payloads",
        "ready",
        "whole",
    )

    def __init__(self, pool: Sequence[Content], nonce: str, tally: Tally) -> None:
        self.at = 0
        self.whole: bytes | None = None  # never set: the fast loop knows no ids
        self.payloads: Iterator[bytes] = iter(())
        self.ready = False
        self._pool = pool
        self._tally = tally
        self._session = FramedClient(nonce)
        self._buffer = FrameBuffer()
        self._next = secrets.randbits(32) + 1  # an answer to another session's request is then a wrong one
        self._waiting: dict[int, tuple[int, int]] = {}

    @property
    def outstanding(self) -> int:
        """As of `Exchange`."""
        return len(self._waiting)

    def hello(self) -> bytes:
        """As of `Exchange`."""
        return self._session.hello()

    def ask(self, count: int, at: int, now: int) -> bytes:
        """As of `Exchange`."""
        epoch = time.time_ns()
        frames = []
        for ident in range(self._next, self._next + count):
            self._waiting[ident] = (at, now)
            frames.append(frame(Kind.REQUEST, ident, self._content(ident).request, epoch))
        self._next += count
        return b"".join(frames)

    def take(self, data: bytes, now: int) -> int:
        """As of `Exchange`."""
        if not self.ready:
            self._welcome(data)
            return 0
        before = len(self._waiting)
        if not self._buffer.unfinished:
            data = self._compare(data, now)
        try:
            for arrived in self._buffer.frames(data):
                self._decoded(arrived, now)
        except RemoteProtocolError as error:
            raise BrokenError("recv", _word(error.code)) from error
        return before - len(self._waiting)

    def oldest(self) -> int | None:
        """As of `Exchange`."""
        return next(iter(self._waiting.values()))[1] if self._waiting else None

    def overdue(self, before: int) -> int:
        """As of `Exchange`."""
        return sum(sent <= before for _, sent in self._waiting.values())

    def _content(self, ident: int) -> Content:
        return self._pool[ident % len(self._pool)]

    def _welcome(self, data: bytes) -> None:
        try:
            events = self._session.receive(data)
        except RemoteProtocolError as error:
            raise BrokenError("handshake", _word(error.code)) from error
        for event in events:
            if isinstance(event, Refused):
                raise BrokenError("handshake", _word(event.code))
            self.ready = self.ready or isinstance(event, Welcomed)

    def _compare(self, data: bytes, now: int) -> bytes:
        """Take the answers that are as expected, byte by byte; give what is left."""
        at = 0
        while len(data) - at >= HEADER.size and data.startswith(_RESPONSE, at):
            _, _, _, _, ident, length, _ = HEADER.unpack_from(data, at)
            body = at + HEADER.size
            times = self._waiting.get(ident)
            if times is None or data[body : body + length] != self._content(ident).answer:
                break
            del self._waiting[ident]
            self._tally.answer(now - times[0])
            at = body + length
        return data[at:]

    def _decoded(self, arrived: Frame, now: int) -> None:
        kind, ident, payload, _ = arrived
        if kind == Kind.ERROR and ident == SESSION:
            raise BrokenError("recv", _word(payload.get("code")))
        times = self._waiting.pop(ident, None)
        if times is None:
            raise BrokenError("recv", MISMATCH)
        if (wrong := _wrong(arrived, self._content(ident))) is None:
            self._tally.answer(now - times[0])
        else:
            self._tally.mismatch(wrong)


class FramedDatagrams:
    """The requests of one datagram socket.

    Args:
        pool: contents of requests, with the nonce in each.
        tally: what is counted.
    """

    __slots__ = ("_numbered", "_pool", "at", "payloads", "whole")

    ready: Final = True

    def __init__(self, pool: Sequence[Content], tally: Tally) -> None:
        self.at = 0
        self.whole: bytes | None = None  # never set, as in `FramedStream`
        self.payloads: Iterator[bytes] = iter(())
        self._pool = pool
        self._numbered = Numbered(tally)

    @property
    def outstanding(self) -> int:
        """As of `Exchange`."""
        return len(self._numbered)

    def hello(self) -> bytes:
        """Nothing: datagrams have no handshake."""
        return b""

    def ask(self, count: int, at: int, now: int) -> bytes:  # noqa: ARG002 - a datagram is one request
        """As of `Exchange`."""
        ident = self._numbered.next
        self._numbered.begin(ident, at, now)
        return frame(Kind.REQUEST, ident, self._content(ident).request, time.time_ns())

    def take(self, data: bytes, now: int) -> int:
        """As of `Exchange`."""
        claimed = recognise(data)
        if claimed is None:
            raise BrokenError("recv", MISMATCH)
        ident, content = claimed[1], self._content(claimed[1])
        if data.startswith(_RESPONSE) and data[HEADER.size :] == content.answer:
            return self._numbered.end(ident, now)
        try:
            wrong = _wrong(read_datagram(data), content)
        except RemoteProtocolError as error:
            wrong = _word(error.code)
        return self._numbered.end(ident, now, wrong)

    def oldest(self) -> int | None:
        """As of `Exchange`."""
        return self._numbered.oldest()

    def overdue(self, before: int) -> int:
        """As of `Exchange`."""
        return self._numbered.give_up(before)

    def _content(self, ident: int) -> Content:
        return self._pool[ident % len(self._pool)]


def _wrong(arrived: Frame, content: Content) -> str | None:
    """What is wrong with an answer, in a word; None: it is right."""
    kind, _, payload, _ = arrived
    if kind == Kind.ERROR:
        return _word(payload.get("code"))
    return None if kind == Kind.RESPONSE and payload.get("value") == content.value else MISMATCH


def _word(code: JSON) -> str:
    """An error's code, as far as a peer's word can be shown."""
    text = code.removeprefix("protocol.") if isinstance(code, str) else ""
    return text if _CODE.fullmatch(text) else MISMATCH
