"""The control socket: a lab's controller has names answered otherwise, for as long as it stays connected.

    {"do": "answer", "id": 1, "name": "www.lab.test", "answer": "nxdomain", "seconds": 0, "addresses": []}
    {"do": "heal", "id": 1}       -> {"asked": 3}
    {"do": "counts"}              -> {"counts": {"1": 3}}

One JSON line is answered by one. The socket is an abstract one (unix(7)): it is of this network namespace,
and goes with the process. What a connection has asked for is forgotten when it ends, so nothing stays that
nobody knows of.
"""

import contextlib
import json
import selectors
import socket
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from services.names.answers import Answers, Override

NAME: Final = "\0socketlab-names"
_MOST_LINE: Final = 8192
_MOST_CLIENTS: Final = 16
_MOST_OVERRIDES: Final = 256
_PIECE: Final = 4096
_SECONDS_MOST: Final = 60.0
_ALSO: Final = {"slow", "address"}


class Control:
    """Takes what controllers say.

    Args:
        answers: whose answers are changed.
        name: of the socket.

    Raises:
        OSError: it is in use.
    """

    def __init__(self, answers: Answers, name: str = NAME) -> None:
        self._answers = answers
        self._clients: dict[socket.socket, _Client] = {}
        self._selector: selectors.BaseSelector | None = None
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._listener.bind(name)
            self._listener.listen()
            self._listener.settimeout(0)
        except BaseException:
            self._listener.close()
            raise

    def join(self, selector: selectors.BaseSelector) -> None:
        """Be served by a loop whose keys' data are called."""
        self._selector = selector
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # it has gone again
            sock, _ = self._listener.accept()
            if len(self._clients) >= _MOST_CLIENTS or self._selector is None:
                sock.close()
                return
            # A controller sends one line and reads one: what it has asked for is small, and always fits.
            sock.settimeout(0)
            self._clients[sock] = _Client(self._answers)
            self._selector.register(sock, selectors.EVENT_READ, partial(self._hear, sock))

    def _hear(self, sock: socket.socket) -> None:
        client = self._clients[sock]
        try:
            data = sock.recv(_PIECE)
            if data:
                for answer in client.hear(data):
                    sock.sendall(answer)
                return
        except BlockingIOError:
            pass  # of `sendall`: it asks, and does not read
        except (OSError, ValueError):
            pass
        self._drop(sock)

    def _drop(self, sock: socket.socket) -> None:
        self._clients.pop(sock).leave()
        if self._selector is not None:
            self._selector.unregister(sock)
        sock.close()

    def close(self) -> None:
        """Leave everybody."""
        for sock in list(self._clients):
            self._drop(sock)
        self._listener.close()


class _Client:
    """One controller, and what it has asked for. No I/O."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._mine: dict[int, Override] = {}
        self._rest = b""

    def hear(self, data: bytes) -> list[bytes]:
        """What arrived; the answers to the lines that are whole.

        Raises:
            ValueError: a line is too long.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        if any(len(line) > _MOST_LINE for line in (*lines, self._rest)):
            raise ValueError("line")
        return [json.dumps(self._do(line)).encode() + b"\n" for line in lines]

    def _do(self, line: bytes) -> dict[str, Any]:
        try:
            match json.loads(line):
                case {"do": "answer", "id": int(number), "name": str(name), "answer": str(answer), **more}:
                    return self._override(number, name, answer, more)
                case {"do": "heal", "id": int(number)}:
                    return self._heal(number)
                case {"do": "counts"}:
                    return {"counts": {str(number): each.asked for number, each in self._mine.items()}}
                case other:
                    return {"error": f"expected answer, heal or counts, saw {ascii(other)[:80]}"}
        except (ValueError, TypeError, RecursionError) as error:
            return {"error": str(error)[:200]}

    def _override(self, number: int, name: str, answer: str, more: Mapping[Any, Any]) -> dict[str, Any]:
        if number in self._mine or len(self._mine) >= _MOST_OVERRIDES:
            raise ValueError(f"id {number} is taken, or more than {_MOST_OVERRIDES} are asked for")
        seconds, addresses = float(more.get("seconds", 0)), more.get("addresses", [])
        if not 0 <= seconds <= _SECONDS_MOST or not all(isinstance(each, str) for each in addresses):
            raise ValueError(f"{seconds}, {ascii(addresses)[:80]}")
        behaviour = "" if answer in _ALSO else answer.upper()
        made = Override(name, behaviour, tuple(addresses), seconds)
        self._answers.override(made)
        self._mine[number] = made
        return {"ok": True}

    def _heal(self, number: int) -> dict[str, Any]:
        if number not in self._mine:
            raise ValueError(f"nothing has the id {number}")
        healed = self._mine.pop(number)
        self._answers.restore(healed)
        return {"asked": healed.asked}

    def leave(self) -> None:
        """It has gone: all is as it was."""
        for each in self._mine.values():
            self._answers.restore(each)
        self._mine.clear()
