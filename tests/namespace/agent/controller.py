"""A controller's connection to an agent: requests by id, and what it is told besides."""

import contextlib
import itertools
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from services.agent.meeting import ANSWER
from socketlab.wire import Attach, Captured, Failure, Frame, Message, Unwatch, Watching, decode, encode
from tests.namespace.agent.lab import SECONDS

M = TypeVar("M")


class Controller:
    """A connection, with all that has come over it."""

    def __init__(self, folder: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(SECONDS)
        self.socket.connect(str(folder / "agent.sock"))
        self._lines = self.socket.makefile("rb")
        self._ids = itertools.count(1)
        self.told: list[Message] = []
        self.ask(Attach)

    def next(self) -> Message:
        """What comes next."""
        line = self._lines.readline()
        assert line.endswith(b"\n"), "the agent hung up"
        return decode(line, ANSWER)

    def begin(self, kind: Any, *values: Any, **members: Any) -> int:
        """Ask for something; the request's id."""
        number = next(self._ids)
        self.socket.sendall(encode(kind(number, *values) if values else kind(id=number, **members)))
        return number

    def ask(self, kind: Any, *values: Any, **members: Any) -> Any:
        """Ask for something and wait for its answer; what comes in between is kept."""
        number = self.begin(kind, *values, **members)
        while getattr(answer := self.next(), "id", None) != number or isinstance(answer, Captured):
            self.told.append(answer)
        return answer

    def failure(self, kind: Any, *values: Any, **members: Any) -> str:
        """Ask for something that is refused; the code."""
        answer = self.ask(kind, *values, **members)
        assert isinstance(answer, Failure), answer
        return answer.code

    def wait_for(self, cls: type[M], is_it: Any = lambda _: True) -> M:
        """The first message of a class, of those that it is told, which fits."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            for place, message in enumerate(self.told):
                if isinstance(message, cls) and is_it(message):
                    del self.told[: place + 1]
                    return message
            self.told.append(self.next())
        raise AssertionError(f"not told: {self.told}")

    def unwatch(self, watch: int) -> list[Message]:
        """End a watch; all that it has told and nobody has taken."""
        assert isinstance(self.ask(Unwatch, watch), Watching)
        told, self.told = self.told, []
        return told

    def frames(self, watch: int) -> list[Frame]:
        """End a capture; its frames, of which none is missing."""
        told = [message for message in self.unwatch(watch) if isinstance(message, Captured)]
        assert sum(message.missing for message in told) == 0
        return [frame for message in told for frame in message.frames]

    def close(self) -> None:
        self._lines.close()
        self.socket.close()


@contextlib.contextmanager
def controlling(folder: Path) -> Iterator[Controller]:
    made = Controller(folder)
    try:
        yield made
    finally:
        made.close()
