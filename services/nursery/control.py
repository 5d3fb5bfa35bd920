"""Between the nursery and the first program of a host: small messages, with descriptors.

A message is a datagram that keeps the order (SOCK_SEQPACKET) and ends with either side.
"""

import array
import json
import socket
from dataclasses import dataclass, field
from typing import Any

from services.nursery.errors import HostFailedError
from socketlab.wire.errors import SocketlabError

_LARGEST = 1 << 16
_DESCRIPTORS = 4


@dataclass(slots=True)
class Said:
    """One message.

    Args:
        words: what it says.
        descriptors: what came with it; whoever receives them closes them.
    """

    words: dict[str, Any]
    descriptors: list[int] = field(default_factory=list)


class Control:
    """One end.

    Args:
        end: a connected socket.
    """

    def __init__(self, end: socket.socket) -> None:
        self.socket = end

    @classmethod
    def pair(cls) -> "tuple[Control, Control]":
        """Two ends."""
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(one), cls(other)

    def send(self, words: dict[str, Any], descriptors: tuple[int, ...] = ()) -> None:
        """Say something.

        Raises:
            OSError: nobody is there any more.
        """
        data = json.dumps(words).encode("ascii")
        socket.send_fds(self.socket, [data], list(descriptors))

    def receive(self, seconds: float | None = None) -> Said | None:
        """What the other side says; None: it has ended.

        Raises:
            TimeoutError: it has said nothing for so many seconds.
        """
        self.socket.settimeout(seconds)
        room = socket.CMSG_LEN(_DESCRIPTORS * array.array("i").itemsize)
        try:
            data, ancillary, _flags, _address = self.socket.recvmsg(_LARGEST, room, socket.MSG_CMSG_CLOEXEC)
        except ConnectionError:
            return None
        found = array.array("i")
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                found.frombytes(content[: len(content) - len(content) % found.itemsize])
        return Said(json.loads(data), list(found)) if data else None

    def ask(self, words: dict[str, Any], seconds: float) -> Said:
        """Say something and wait for the answer.

        Raises:
            HostFailedError: the other side could not, or has ended.
            TimeoutError: no answer within so many seconds.
        """
        try:
            self.send(words)
        except OSError as error:
            raise HostFailedError("namespace.host-ended") from error
        return self.answer(seconds)

    def answer(self, seconds: float) -> Said:
        """The answer to what was asked, or the next step of what was begun.

        Raises:
            HostFailedError: the other side could not, or has ended.
            TimeoutError: no answer within so many seconds.
        """
        said = self.receive(seconds)
        if said is None:
            raise HostFailedError("namespace.host-ended")
        if "failed" in said.words:
            raise HostFailedError("namespace.host", why=said.words["failed"])
        return said

    def fail(self, error: Exception) -> None:
        """Answer that it could not be done."""
        self.send({"failed": why(error)})

    def close(self) -> None:
        """Say nothing more: for the other side this side has ended."""
        self.socket.close()


def why(error: Exception) -> str:
    """An error in words, for whoever asked."""
    if isinstance(error, SocketlabError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"{type(error).__name__}: {error}"
