"""framed: requests and answers in frames; the serving side, over a stream and in datagrams.

Theory of operation
    A stream session opens with HELLO, answered by WELCOME, which tells our limits. From then on each REQUEST
    is answered by a RESPONSE or an ERROR with its id, in whatever order the answers are ready.

    Whoever breaks the framing cannot be understood any more: one ERROR frame of the session (id 0) tells why,
    and the session is over. A request that cannot be executed costs only itself. Every ERROR has a code for
    programs, which never changes, and a sentence for people: the code is a key of `error.protocol`.

        over with it:   bad-magic, bad-version, bad-type, bad-flags, bad-id, payload-too-large,
                        payload-not-utf8, not-json, not-an-object, too-deep, bad-number,
                        unexpected-type, hello-repeated, unfinished-frame; given-up (our own doing)
        goes on:        unknown-op, no-value, bad-seconds, busy, answer-too-large
        in datagrams:   these too, where they apply, and bad-length, no-handshake, bad-nonce

    A datagram may come twice, or its answer be lost and the request sent again. So the answer to each (peer,
    nonce, id) is kept for a while: a repeated request gets it once more, byte for byte, and is not executed
    again. There is no handshake; each datagram tells its version. What is not ours, and what only a server
    sends, is never answered: two servers would else answer each other for ever, over one forged address.
"""

import time
from collections.abc import Callable, Hashable, Iterator
from typing import Final, NamedTuple

from services.protocol.answered import Answered
from services.protocol.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from services.protocol.framing import (
    DATAGRAM_LIMITS,
    JSON,
    LIMITS,
    NONCE_MAX,
    SESSION,
    FrameBuffer,
    Kind,
    Limits,
    error_payload,
    frame,
    read_datagram,
    recognise,
    request_alone,
    to_json,
)
from services.protocol.operations import EXECUTED, LONGEST_WAIT, Operations, RequestError
from services.protocol.serving import Stage

_RESPONSE: Final = int(Kind.RESPONSE)
"""Said for each request: to look up a member of an enum is a call (until Python 3.12)."""


class FramedServing:
    """The serving side of one connection.

    Args:
        limits: what the peer may ask for.
        executed: as of `Operations`.
        clock: the monotonic clock, in seconds.
        epoch_ns: the time of day, in ns since the epoch.
    """

    __slots__ = (
        "_between",
        "_buffer",
        "_eof",
        "_epoch_ns",
        "_limits",
        "_operations",
        "_welcomed",
        "due",
        "messages",
        "over",
    )

    def __init__(
        self,
        limits: Limits = LIMITS,
        executed: Iterator[int] = EXECUTED,
        clock: Callable[[], float] = time.monotonic,
        epoch_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.over: str | None = None
        self.due: float | None = None
        self.messages = 0
        self._limits = limits
        self._epoch_ns = epoch_ns
        self._buffer = FrameBuffer(limits)
        self._operations: Operations[int] = Operations(limits, executed, clock)
        self._welcomed = False
        self._between = False
        """Whether a request may come next, and nothing of it has come."""
        self._eof = False

    @property
    def stage(self) -> Stage:
        """What it waits for."""
        if not self._welcomed:
            return Stage.HANDSHAKE
        return Stage.MESSAGE if self._buffer.unfinished else Stage.BETWEEN

    def receive(self, data: bytes) -> bytes:
        """Take what the peer sent (`b""`: it closed its side); give what to answer.

        Raises:
            LocalProtocolError: called after the end, or after `b""`.
        """
        try:
            if self._between and (alone := request_alone(data, self._limits)) is not None:
                self.messages += 1
                ident, request = alone
                return self._answer(ident, request)
        except RemoteProtocolError as error:
            return self._offended(error)
        return self._take(data)

    def tick(self) -> bytes:
        """Give the late answers that are due."""
        answers = [self._frame(Kind.RESPONSE, ident, body) for ident, body in self._operations.take_due()]
        self.due = self._operations.due
        if self._eof and self.due is None and self.over is None:
            self.over = "eof"
        return b"".join(answers)

    def give_up(self, why: str) -> bytes:
        """End it, and say why in an ERROR frame; late answers are not given any more."""
        return self._end(why, error_payload("given-up", why))

    def _take(self, data: bytes) -> bytes:
        if self.over is not None or self._eof:
            raise LocalProtocolError("protocol.after-end")
        if not data:
            return self._finish()
        answers: list[bytes] = []
        try:
            for kind, ident, payload, _ in self._buffer.frames(data):
                self.messages += 1
                if kind == Kind.REQUEST and self._welcomed:
                    answers.append(self._answer(ident, payload))
                else:
                    answers.append(self._welcome(kind, ident))
        except RemoteProtocolError as error:
            answers.append(self._offended(error))
        else:
            self._between = self._welcomed and not self._buffer.unfinished
        return b"".join(answers)

    def _answer(self, ident: int, request: dict[str, JSON]) -> bytes:
        if ident == SESSION:
            raise RemoteProtocolError("protocol.bad-id")
        try:
            answer = self._operations.execute(ident, request)
        except RequestError as error:
            return self._frame(Kind.ERROR, ident, _told(error))
        if answer is None:
            self.due = self._operations.due
            return b""
        return frame(_RESPONSE, ident, answer, self._epoch_ns())

    def _welcome(self, kind: int, ident: int) -> bytes:
        if kind != Kind.HELLO:
            expected = Kind.REQUEST if self._welcomed else Kind.HELLO
            raise RemoteProtocolError(
                "protocol.unexpected-type", expected=expected.name, seen=Kind(kind).name
            )
        if self._welcomed:
            raise RemoteProtocolError("protocol.hello-repeated")
        self._welcomed = True
        limits = self._limits
        told: dict[str, JSON] = {
            "payload": limits.payload,
            "depth": limits.depth,
            "waits": limits.waits,
            "seconds": LONGEST_WAIT,
        }
        return self._frame(Kind.WELCOME, ident, to_json({"limits": told}))

    def _finish(self) -> bytes:
        self._eof = True
        self._between = False
        try:
            self._buffer.finish()
        except RemoteProtocolError as error:
            return self._offended(error)
        if self.due is None:
            self.over = "eof"
        return b""

    def _offended(self, error: RemoteProtocolError) -> bytes:
        return self._end(str(error), _told(error))

    def _end(self, why: str, told: bytes) -> bytes:
        self.over = why
        self.due = None
        self._between = False
        self._operations.forget()
        return self._frame(Kind.ERROR, SESSION, told)

    def _frame(self, kind: Kind, ident: int, body: bytes) -> bytes:
        return frame(kind, ident, body, self._epoch_ns())


class DatagramRequest(NamedTuple):
    """By what a request in a datagram is known again."""

    peer: Hashable
    nonce: str
    ident: int


class FramedDatagrams:
    """The serving side of one datagram socket, for all its peers.

    Args:
        limits: what the peers may ask for.
        answered: the answers that are kept for repeated requests; None: with its default bounds.
        executed: as of `Operations`.
        clock: the monotonic clock, in seconds.
        epoch_ns: the time of day, in ns since the epoch.
    """

    def __init__(
        self,
        limits: Limits = DATAGRAM_LIMITS,
        answered: Answered[DatagramRequest] | None = None,
        executed: Iterator[int] = EXECUTED,
        clock: Callable[[], float] = time.monotonic,
        epoch_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._limits = limits
        self._epoch_ns = epoch_ns
        self._answered: Answered[DatagramRequest] = Answered(clock=clock) if answered is None else answered
        self._operations: Operations[DatagramRequest] = Operations(limits, executed, clock)
        self._late: set[DatagramRequest] = set()

    @property
    def due(self) -> float | None:
        """When the next late answer is due."""
        return self._operations.due

    def receive(self, datagram: bytes, peer: Hashable) -> bytes | None:
        """Take one datagram; give the answer, or None: there is none, or it comes later."""
        recognised = recognise(datagram)
        if recognised is None:
            return None
        kind, ident = recognised
        if kind in (Kind.WELCOME, Kind.RESPONSE, Kind.ERROR):
            return None
        try:
            return self._answer(datagram, peer)
        except (RemoteProtocolError, RequestError) as error:
            return self._frame(Kind.ERROR, ident, _told(error))

    def tick(self) -> list[tuple[Hashable, bytes]]:
        """Give the late answers that are due, each with its peer."""
        due: list[tuple[Hashable, bytes]] = []
        for request, body in self._operations.take_due():
            self._late.discard(request)
            due.append((request.peer, self._keep(request, Kind.RESPONSE, body)))
        return due

    def _answer(self, datagram: bytes, peer: Hashable) -> bytes | None:
        kind, ident, payload, _ = read_datagram(datagram, self._limits)
        if kind != Kind.REQUEST:
            raise RemoteProtocolError("protocol.no-handshake")
        if ident == SESSION:
            raise RemoteProtocolError("protocol.bad-id")
        request = DatagramRequest(peer, _nonce(payload), ident)
        if request in self._late:
            return None
        answer = self._answered.get(request)
        if answer is not None:
            return answer
        try:
            body = self._operations.execute(request, payload)
        except RequestError as error:
            # Kept like an answer: what was once refused as busy must not be executed for its late double.
            return self._keep(request, Kind.ERROR, _told(error))
        if body is None:
            self._late.add(request)
            return None
        return self._keep(request, Kind.RESPONSE, body)

    def _keep(self, request: DatagramRequest, kind: Kind, body: bytes) -> bytes:
        answer = self._frame(kind, request.ident, body)
        self._answered.put(request, answer)
        return answer

    def _frame(self, kind: Kind, ident: int, body: bytes) -> bytes:
        return frame(kind, ident, body, self._epoch_ns())


def _told(error: ProtocolError) -> bytes:
    """The payload of the ERROR frame that tells the peer of an error."""
    return error_payload(error.code.removeprefix("protocol."), str(error))


def _nonce(request: dict[str, JSON]) -> str:
    nonce = request.get("nonce")
    if not isinstance(nonce, str) or not 1 <= len(nonce) <= NONCE_MAX:
        raise RequestError("protocol.bad-nonce", most=NONCE_MAX, seen=ascii(nonce)[:NONCE_MAX])
    return nonce
