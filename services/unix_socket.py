"""A listener on a Unix socket, as the programs of a host have one for their health check."""

import errno
import os
import socket

_BACKLOG = 16


def listen(path: str) -> socket.socket:
    """Listen on a Unix socket, also where a program that was killed has left its file.

    Args:
        path: of the socket; `@name`: an abstract one (unix(7)).

    Raises:
        OSError: the kernel refused; EADDRINUSE: a living program listens there.
    """
    address = "\0" + path[1:] if path.startswith("@") else path
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        try:
            listener.bind(address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not _left_behind(address):
                raise
            os.unlink(address)  # noqa: PTH108 - a name, which pathlib would change (`//`, `./`)
            listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _left_behind(address: str) -> bool:
    """Whether a socket is there on which nobody listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asker:
        try:
            asker.connect(address)
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False
