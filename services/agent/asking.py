"""Talking to an agent over its Unix socket: one line out, lines in.

Theory of operation
    `Asking` is one connection. `ask` puts a request and takes its answer; after a `Watch` the agent goes on
    telling, and `told` gives what it says. An agent that refuses raises here what it said, in the language of
    whoever asked.
"""

import socket
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from services.agent.grammar import Request
from services.agent.meeting import ANSWER, REQUEST, SOCKET_NAME
from services.messages import ServiceError, say
from socketlab.wire.lines import LineBuffer
from socketlab.wire.message import Attach, Failure, Message, decode, encode

SECONDS = 10.0
"""Longer than the agent takes for anything: it waits for nobody but the kernel."""
_READ = 1 << 16


class AgentError(ServiceError):
    """The agent refused; its own code and details, said here in the language of whoever asked."""

    def __str__(self) -> str:
        try:
            return super().__str__()
        except KeyError:  # an agent of another release
            return f"{self.code} {self.details}"


class NoAgentError(ServiceError):
    """Nobody answers on the agent's socket: there is no agent, or no longer."""


class Asking:
    """A connection to an agent.

    Args:
        folder: the agent's run directory.

    Raises:
        NoAgentError: no agent answers there.
        ServiceError: this user may not ask it.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / SOCKET_NAME
        self._lines = LineBuffer(ANSWER.line)
        self._waiting: deque[bytes] = deque()
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.settimeout(SECONDS)
        try:
            self._connection.connect(str(self._path))
        except PermissionError as error:
            self.close()
            raise ServiceError("agent.not-allowed", path=self._path, errno="EACCES") from error
        except OSError as error:
            self.close()
            raise NoAgentError("agent.missing", path=self._path, why=error.strerror or error) from error

    def ask(self, request: Request | Attach) -> Message:
        """Put a request.

        Returns:
            Its answer, never a `Failure`.

        Raises:
            AgentError: it refused.
            NoAgentError: it hung up, or is too slow.
        """
        try:
            self._connection.sendall(encode(request, REQUEST))
        except OSError as error:
            raise NoAgentError("agent.missing", path=self._path, why=error.strerror or error) from error
        return self._answer()

    def told(self) -> Iterator[Message]:
        """What the agent goes on telling, until it ends.

        Raises:
            AgentError: it ended what it had begun, with a reason.
        """
        self._connection.settimeout(None)
        while True:
            line = self._line()
            if line is None:
                return
            yield self._understood(line)

    def _answer(self) -> Message:
        line = self._line()
        if line is None:
            raise NoAgentError("agent.missing", path=self._path, why=say("agent.hung-up"))
        return self._understood(line)

    def _line(self) -> bytes | None:
        """The next line; None: the agent has hung up."""
        while not self._waiting:
            try:
                data = self._connection.recv(_READ)
            except ConnectionResetError:
                return None
            except OSError as error:
                raise NoAgentError("agent.missing", path=self._path, why=error.strerror or error) from error
            if not data:
                return None
            self._waiting += self._lines.feed(data)
        return self._waiting.popleft()

    @staticmethod
    def _understood(line: bytes) -> Message:
        message = decode(line, ANSWER)
        if isinstance(message, Failure):
            raise AgentError(message.code, **{detail.name: detail.value for detail in message.details})
        return message

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def ask(folder: Path, request: Request) -> Message:
    """Put one request to the agent of a run directory.

    Returns:
        Its answer, never a `Failure`.

    Raises:
        AgentError: it refused.
        NoAgentError: there is no agent, or it does not answer.
        ServiceError: this user may not ask it.
    """
    with Asking(folder) as asking:
        return asking.ask(request)
