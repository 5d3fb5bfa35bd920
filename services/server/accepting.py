"""What every style does alike when it accepts: with a peer too many, and when accept() fails."""

import contextlib
import errno
import socket
from typing import Final

from services.server.errors import named
from services.server.listeners import Bound, spelled
from services.server.log import log
from services.server.socket_options import resets_on_close

PAUSE: Final = 0.05
"""Seconds until accept() is tried again when there is no descriptor or memory for one more connection."""
LAST: Final = 128
"""When stopping, so many that are connected already, as far as they and the kernel know, are still taken."""
_DEAD: Final = frozenset((errno.EBADF, errno.EINVAL, errno.ENOTSOCK))
_PEEK: Final = 64 * 1024


class Trouble:
    """Remembers that accept() fails, so that it is told once and not every time that it is tried."""

    def __init__(self) -> None:
        self.told = False
        """Set to False when accept() has worked."""

    def tell(self, bound: Bound, error: OSError) -> None:
        """accept() has failed.

        Raises:
            OSError: the same, if this listener can never accept again.
        """
        if error.errno in _DEAD:
            raise error
        if not self.told:
            log("WARNING", "accept-failed", bound=bound, why=named(error))
        self.told = True


def refuse(
    conn: socket.socket, bound: Bound, address: object, limit: int, error: OSError | None = None
) -> None:
    """Close a connection for which there is no room: with a FIN, so that the peer does not blame the network.

    Args:
        conn: just accepted.
        bound: by which listener.
        address: of the peer, as accept() gave it.
        limit: how many there may be.
        error: what the kernel refused for it; None: there were that many.
    """
    peer = spelled_peer(address)
    if error is None:
        log("WARNING", "refused", bound=bound, peer=peer, limit=limit)
    else:
        log("WARNING", "no-room", bound=bound, peer=peer, why=named(error))
    with conn, contextlib.suppress(OSError):
        if not resets_on_close(conn):
            conn.shutdown(socket.SHUT_WR)  # the FIN goes first, whatever arrives in the next moment
        conn.recv(_PEEK, socket.MSG_DONTWAIT)  # with unread data close() would send a RST


def spelled_peer(address: object) -> str:
    """The peer's address, as accept() or recvfrom() gave it, for a log line.

    A client on a Unix socket most often has no name (`catalogue.md`, unix-stream).
    """
    match address:
        case (str(host), int(port), *_):
            return spelled(host, port)
        case bytes(name):
            return "@" + ascii(name[1:])[2:-1]
        case str(path) if path:
            return ascii(path)[1:-1]
        case _:
            return "unnamed"
