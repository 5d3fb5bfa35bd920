"""Why the server cannot serve, and with which code it then ends."""

import errno
import os
import socket
import sys
from typing import ClassVar

from services.messages import ServiceError, say

EXIT_OK = 0
EXIT_BUG = 1
EXIT_USAGE = 2
EXIT_CANNOT = 4
EXIT_INTERRUPTED = 130
"""By Ctrl-C while a daemon is being started; a server that serves drains and exits with 0."""
_EAI = {getattr(socket, name): name for name in dir(socket) if name.startswith("EAI_")}
"""What getaddrinfo(3) fails with; these are not numbers of errno(3)."""


class ServerError(ServiceError):
    """The server cannot serve."""

    exit_code: ClassVar[int] = EXIT_CANNOT


class UsageError(ServerError):
    """The command line asks for what makes no sense."""

    exit_code: ClassVar[int] = EXIT_USAGE


class OpenError(ServerError):
    """A socket could not be opened.

    Args:
        what: the address as a person writes it, with its transport.
        error: what the kernel said.
    """

    def __init__(self, what: str, error: OSError) -> None:
        super().__init__("server.open", what=what, seen=named(error), advice=_advice(error.errno))
        self.no_such_address = error.errno in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}
        """Whether the machine does not have the address, or not its whole family."""


def named(error: OSError) -> str:
    """An error as a person looks it up: `EADDRINUSE (Address already in use)`."""
    if error.errno is None:
        return str(error) or type(error).__name__
    if isinstance(error, socket.gaierror):
        return f"{_EAI.get(error.errno, error.errno)} ({error.strerror})"
    return f"{errno.errorcode.get(error.errno, error.errno)} ({error.strerror or os.strerror(error.errno)})"


def complain(sentence: str) -> None:
    """Say why the program ends, on standard error."""
    print(f"socketlab-server: {sentence}", file=sys.stderr)  # noqa: T201 - unlike write(), quiet where it is closed


def _advice(number: int | None) -> str:
    """What to do about it."""
    match number:
        case errno.EADDRINUSE | errno.EADDRNOTAVAIL | errno.EACCES | errno.EAFNOSUPPORT | errno.ENOENT:
            return say(f"server.advice.{errno.errorcode[number]}")
        case _:
            return say("server.advice.other")
