"""What an actor holds and carries at most, and the error of whoever asks for more."""

from dataclasses import dataclass

from socketlab.wire.errors import SocketlabError


@dataclass(frozen=True, slots=True)
class Limits:
    """Over any of them a call is refused, and nothing else changes.

    Args:
        sockets: handles open at once: sockets, pollers, files and processes together.
        known: handles known at once, those that are closed and not yet forgotten included.
        calls: calls at once that wait; each has a thread.
        data: bytes that one call may ask for.
        waiting: bytes of the lines of all calls that wait.
        files: bytes of all files put on the host.
        programs: programs started and not yet closed.
    """

    sockets: int = 1024
    known: int = 65536
    calls: int = 512
    data: int = 16 * 1024 * 1024
    waiting: int = 128 * 1024 * 1024
    files: int = 16 * 1024 * 1024
    programs: int = 128


class RefusalError(SocketlabError):
    """The actor does not make the call. Its sentence is said by the controller, from its own catalogue."""
