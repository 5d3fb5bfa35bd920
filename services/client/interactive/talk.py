"""What is said and heard: lines, datagrams, chat. No I/O; `framed_talk` has the fourth.

Theory of operation
    A talk is told what the person typed and what the peer sent, and gives steps: bytes to send, something
    heard, something to be noticed. Bytes of a stream come in any segmentation; a line that is not complete is
    shown after a short quiet (`tick`), since many a server asks "Name: " and waits.
"""

import codecs
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from services.messages import say
from services.protocol.chat import BYE, LIMIT, ChatEvent, ChatSession, Ended, Line
from services.protocol.errors import LocalProtocolError, RemoteProtocolError

QUIET: Final = 0.2
"""Seconds after which a line that is not complete is shown."""
PIECE: Final = 4096
"""Characters of a line without an end; more are shown in pieces."""
DATAGRAM: Final = 65535
"""Bytes of a datagram that are shown; more than UDP can carry."""
_SHOWN: Final = 40

WELL: Final = 0
NETWORK_SAID_NO: Final = 1


@dataclass(frozen=True, slots=True)
class Send:
    """These bytes, or this datagram, are to be sent."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Heard:
    """The peer said something.

    Args:
        text: a line, or a piece of one; bytes that are no UTF-8 stand in it as PEP 383 has it.
        begins: whether it is the beginning of a line.
        ended: whether the line is complete.
        datagram: whether it is a datagram: a line end in it is its own.
    """

    text: str
    begins: bool = True
    ended: bool = True
    datagram: bool = False

    @property
    def shown(self) -> str:
        """What a person reads of it: a line end may be CRLF."""
        return self.text.removesuffix("\r") if self.ended and not self.datagram else self.text


@dataclass(frozen=True, slots=True)
class Notice:
    """Something happened.

    Args:
        text: one sentence.
        bad: the peer, or the network, said no.
    """

    text: str
    bad: bool = False


Step: TypeAlias = Send | Heard | Notice


class Talk:
    """One conversation, as a protocol sees it; by itself one in which everybody is silent."""

    code: int | None = None
    """The exit code, once the protocol has come to its end."""
    closing: bool = False
    """Whether our side has said its last."""
    unsent: bool = False
    """Whether something typed has not been given as `Send` yet."""

    @property
    def due(self) -> float | None:
        """When `tick` has something, on the clock; None: never."""
        return None

    @property
    def expecting(self) -> int:
        """So many answers to datagrams have not come."""
        return 0

    def open(self) -> list[Step]:
        """What comes first."""
        return []

    def typed(self, text: str) -> list[Step]:
        """A line was typed."""
        raise NotImplementedError

    def received(self, data: bytes) -> list[Step]:
        """Bytes, or a datagram, came; `b""` of a stream is its end."""
        raise NotImplementedError

    def refused(self) -> None:
        """The network said that a datagram was not delivered."""

    def tick(self) -> list[Step]:
        """What has come due."""
        return []


def to_bytes(text: str) -> bytes:
    """What was typed, byte for byte."""
    return text.encode("utf-8", "surrogateescape")


def broken(error: RemoteProtocolError) -> Notice:
    """The peer broke a rule of the protocol."""
    return Notice(say("interactive.broken", what=error), bad=True)


class Lines(Talk):
    """Lines over a stream, of whatever bytes.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._unfinished = ""
        self._begun = False
        self._due: float | None = None

    @property
    def due(self) -> float | None:
        """When it will have been quiet for long enough to show an unfinished line."""
        return self._due

    def typed(self, text: str) -> list[Step]:
        """Send it with a LF."""
        return [Send(to_bytes(text) + b"\n")]

    def received(self, data: bytes) -> list[Step]:
        """Cut it into lines."""
        new = self._decoder.decode(data, final=not data)
        *lines, self._unfinished = (self._unfinished + new).split("\n")
        steps: list[Step] = [self._heard(line, ended=True) for line in lines]
        self._due = self._clock() + QUIET
        if not data or len(self._unfinished) > PIECE:
            return steps + self.tick()
        if not self._unfinished:
            self._due = None
        return steps

    def tick(self) -> list[Step]:
        """Show what is there of a line."""
        self._due = None
        piece, self._unfinished = self._unfinished, ""
        return [self._heard(piece, ended=False)] if piece else []

    def _heard(self, text: str, *, ended: bool) -> Heard:
        begins, self._begun = not self._begun, not ended
        return Heard(text, begins, ended)


class Datagrams(Talk):
    """A line is a datagram, without LF: a datagram needs none, it has an end.

    Args:
        connected: whether an empty one is the end of the connection (SOCK_SEQPACKET).
    """

    def __init__(self, *, connected: bool = False) -> None:
        self._connected = connected
        self._expecting = 0

    @property
    def expecting(self) -> int:
        """One answer to each datagram, as far as anybody can know."""
        return self._expecting

    def typed(self, text: str) -> list[Step]:
        """Send it; an empty one is a datagram too, but where there is a connection it looks like the end."""
        if self._connected and not text:
            return [Notice(say("interactive.empty-record"))]
        self._expecting += 1
        return [Send(to_bytes(text))]

    def received(self, data: bytes) -> list[Step]:
        """Show it."""
        if self._connected and not data:
            return []
        self._expecting = max(0, self._expecting - 1)
        steps: list[Step] = [Heard(data[:DATAGRAM].decode("utf-8", "surrogateescape"), datagram=True)]
        if len(data) > DATAGRAM:
            steps.append(Notice(say("interactive.cut", size=DATAGRAM)))
        return steps

    def refused(self) -> None:
        """One answer fewer will come."""
        self._expecting = max(0, self._expecting - 1)


class Chat(Talk):
    """Lines of UTF-8; the line `bye` ends it."""

    def __init__(self) -> None:
        self._session = ChatSession()

    def typed(self, text: str) -> list[Step]:
        """Send it, if it is a line."""
        try:
            data = self._session.send(text)
        except LocalProtocolError:
            return [Notice(say("interactive.not-a-line", limit=LIMIT, seen=ascii(text[:_SHOWN])))]
        self.closing = text == BYE
        return [Send(data)]

    def received(self, data: bytes) -> list[Step]:
        """Show the lines, and look for the end."""
        try:
            return [step for event in self._session.receive(data) for step in self._steps(event)]
        except RemoteProtocolError as error:
            self.code = NETWORK_SAID_NO
            steps = [step for event in error.events for step in self._steps(event)]
            return [*steps, broken(error)]

    def _steps(self, event: ChatEvent) -> list[Step]:
        match event:
            case Line(text):
                return [Heard(text)]
            case Ended("bye"):
                self.code = WELL
                return [Heard(BYE), Notice(say("interactive.bye"))]
        return []  # the end of the stream is told by who reads it
