"""Unix sockets by name: bound where a killed program has left its file, and removed by whoever made it.

Theory of operation
    bind(2) makes a file, and nothing but a program removes it: after SIGKILL it stays, and the next bind
    gives EADDRINUSE, as it does when a living program is there. connect(2) tells them apart: ECONNREFUSED
    comes from a file that no socket is bound to. We ask with a datagram socket, whatever is there: a living
    stream socket answers EPROTOTYPE, so its server never sees the question as a client, its full backlog
    does not hold us, and one that is bound and does not listen yet is not taken for dead.

    ECONNREFUSED also comes from a file that is no socket at all (unix(7)), so that is looked at first: a
    program that is given the wrong path must not delete its user's work.

    Two programs that find the same dead file must not each delete it and bind: the second would delete the
    first one's. Both hold a lock on the folder (flock(2)) from the question to the bind.

    Who ends removes the file that it made, and no other: it may have been replaced meanwhile. That cannot be
    asked with connect(2), for a socket lives on after close() while a thread is in a call with it, or a child
    process has it. So the file is kept open as a mere place (O_PATH, open(2)): while that is so, no other
    file gets the number of its inode, and the two can be told apart.

    The file's mode is 0777 without the umask, and to connect takes the right to write: with the usual umask
    022 the owner alone may, and `umask 0` lets everybody.
"""

import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST = 107
"""Bytes of a path: `sun_path` has 108, with the NUL (unix(7)). Of an abstract name: with the `@`."""
_BACKLOG = 16
_made: dict[str, int] = {}
"""The files that `bind` has made, by path; each is open (O_PATH) until it is removed."""


def listen(path: str) -> socket.socket:
    """Listen on a Unix socket, also where a program that was killed has left its file.

    Args:
        path: of the socket; `@name`: an abstract one (unix(7)).

    Raises:
        OSError: the kernel refused; EADDRINUSE: a living program is there, or a file that is no socket.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bind(listener, path)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def bind(sock: socket.socket, path: str) -> None:
    """Bind a Unix socket; arguments and errors as of `listen`."""
    if path.startswith("@"):
        sock.bind(address_of(path))
        return
    with _folder_locked(path):
        if _left_behind(path):
            os.unlink(path)  # noqa: PTH108 - a name, which pathlib would change (`//`, `./`)
        sock.bind(path)
        _forget(path)
        _made[path] = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)


def remove(path: str) -> None:
    """Remove the file that `bind` made in this process, if it is still the same.

    Args:
        path: as of `listen`; an abstract name goes with its socket.

    Raises:
        OSError: the kernel refused.
    """
    if path not in _made:
        return
    try:
        with _folder_locked(path):
            if os.path.samestat(os.fstat(_made[path]), os.lstat(path)):
                os.unlink(path)  # noqa: PTH108 - as above
    except FileNotFoundError:
        pass  # somebody else has removed it
    finally:
        _forget(path)


def address_of(path: str) -> str:
    """The address that bind(2) and connect(2) take: an abstract name begins with NUL there."""
    return "\0" + path[1:] if path.startswith("@") else path


def path_of(address: str | bytes) -> str:
    """How an address is written, `address_of` the other way round; empty: the socket has none."""
    path = os.fsdecode(address)
    return "@" + path[1:] if path.startswith("\0") else path


@contextmanager
def _folder_locked(path: str) -> Iterator[None]:
    folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # noqa: PTH120 - as above
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _forget(path: str) -> None:
    if path in _made:
        os.close(_made.pop(path))


def _left_behind(path: str) -> bool:
    """Whether a socket's file is there that no socket is bound to."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            return False
    except FileNotFoundError:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asker:
        return asker.connect_ex(path) == errno.ECONNREFUSED
