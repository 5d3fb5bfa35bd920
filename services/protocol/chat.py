"""Chat: lines of UTF-8; the line `bye` ends the session.

Theory of operation
    Bytes come in any segmentation. `ChatSession.receive` cuts them into lines and returns events in order;
    `send` turns a text into bytes. Neither blocks nor knows a socket. A line ends with LF or CRLF; the last
    one before the peer closes its side may lack it. Once `Ended` has been returned, or an error raised, the
    session takes no more bytes, and what stood behind the `bye` is not looked at.

    Bytes are decoded a line at a time, never as they come: a segment may end in the middle of a code point.
    At most `limit` bytes of an unfinished line are held, so a peer that never ends its line costs no memory.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from services.protocol.errors import LocalProtocolError, RemoteProtocolError
from services.protocol.serving import Stage

LIMIT = 4096
"""Longest line in bytes, its line end not counted, where nothing else is asked for."""
BYE = "bye"
_SHOWN = 40
"""So much of an offending line is shown."""


@dataclass(frozen=True, slots=True)
class Line:
    """One complete line from the peer, without its line end."""

    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The session is over: the peer said `bye`, or closed its side without a word."""

    reason: Literal["bye", "eof"]


ChatEvent: TypeAlias = Line | Ended


class ChatSession:
    """One side of a chat.

    Args:
        limit: longest line accepted, in bytes, without its line end.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._unfinished = b""
        self._over = False

    @property
    def unfinished(self) -> bool:
        """Whether a line has begun and not ended."""
        return bool(self._unfinished)

    def receive(self, data: bytes) -> list[ChatEvent]:
        """Take what the peer sent; `b""` means it closed its side.

        Raises:
            RemoteProtocolError: a line over `limit`, or not UTF-8. The peer is at fault; the events before
                its offence are in the error.
            LocalProtocolError: called after the end. We are.
        """
        if self._over:
            raise LocalProtocolError("protocol.after-end")
        *lines, self._unfinished = (self._unfinished + data).split(b"\n")
        if not data and self._unfinished:
            lines.append(self._unfinished)
        events: list[ChatEvent] = []
        for line in lines:
            events.append(self._event(line, events))
            if isinstance(events[-1], Ended):
                return events
        self._check_length(self._unfinished, events)
        if not data:
            self._over = True
            events.append(Ended("eof"))
        return events

    def send(self, text: str) -> bytes:
        """One line to the peer, as bytes.

        Raises:
            LocalProtocolError: the text holds a LF or half a surrogate pair, or is over `limit`: it would not
                arrive as one line.
        """
        try:
            line = text.encode()
        except UnicodeEncodeError:
            line = b"\n"  # no bytes of UTF-8 stand for it: as little a line as one with a LF
        if b"\n" in line or len(line) > self._limit:
            raise LocalProtocolError("protocol.not-a-line", limit=self._limit, seen=ascii(text[:_SHOWN]))
        return line + b"\n"

    def _event(self, line: bytes, before: Sequence[ChatEvent]) -> ChatEvent:
        self._check_length(line, before)
        try:
            text = line.removesuffix(b"\r").decode("utf-8")
        except UnicodeDecodeError as error:
            self._over = True
            raise RemoteProtocolError(
                "protocol.not-utf8", before, seen=ascii(line[:_SHOWN]), at=error.start
            ) from error
        if text == BYE:
            self._over = True
            return Ended("bye")
        return Line(text)

    def _check_length(self, line: bytes, before: Sequence[ChatEvent]) -> None:
        if len(line.removesuffix(b"\r")) > self._limit:
            self._over = True
            raise RemoteProtocolError("protocol.line-too-long", before, limit=self._limit)


class ChatServing:
    """The serving side of one connection: each line comes back, `bye` is answered with `bye` and ends it.

    A peer that breaks the protocol is told so in one line; that ends it too.
    """

    due: Final = None

    def __init__(self) -> None:
        self.over: str | None = None
        self.messages = 0
        self._session = ChatSession()

    @property
    def stage(self) -> Stage:
        """What it waits for."""
        return Stage.MESSAGE if self._session.unfinished else Stage.BETWEEN

    def receive(self, data: bytes) -> bytes:
        """Take what the peer sent (`b""`: it closed its side); give what to answer.

        Raises:
            LocalProtocolError: called after the end.
        """
        try:
            return self._answers(self._session.receive(data))
        except RemoteProtocolError as error:
            answers = self._answers(error.events)
            self.over = str(error)
            return answers + self._session.send(self.over)

    def tick(self) -> bytes:
        """Nothing is ever due."""
        return b""

    def give_up(self, why: str) -> bytes:
        """End it, and say why in one line."""
        self.over = why
        return self._session.send(why)

    def _answers(self, events: Iterable[ChatEvent]) -> bytes:
        answers = []
        for event in events:
            match event:
                case Line(text):
                    self.messages += 1
                    answers.append(self._session.send(text))
                case Ended(reason):
                    self.over = reason
                    if reason == "bye":
                        answers.append(self._session.send(BYE))
        return b"".join(answers)
