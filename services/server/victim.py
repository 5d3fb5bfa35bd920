"""The process that is killed: an echo server of lines, one connection at a time; the line `kill` is its end.

`python3 -I -S victim.py DESCRIPTOR`: a listener inherited from the server. One file, standard library only,
so that it starts in 25 ms. It ends when its standard input does: then the server that started it is gone.

SIGKILL takes it as it takes any process: nothing of its own runs any more, and the kernel closes its
descriptors. It has read all its peer sent by then, so the peer sees a FIN; unread data would make it a RST.
"""

import contextlib
import os
import select
import signal
import socket
import sys

IDLE = 10.0
"""Seconds after which a silent connection is closed: others wait for their turn."""
LONGEST = 4096
"""Most bytes of an unfinished line."""


def readable(sock: socket.socket, seconds: float | None = None) -> bool:
    """Wait for the socket; False: nothing came for so long, or the server that started us is gone."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    poll.register(sys.stdin, select.POLLIN)
    ready = poll.poll(None if seconds is None else seconds * 1000)
    return [descriptor for descriptor, _ in ready] == [sock.fileno()]


def read_rest(conn: socket.socket) -> None:
    """Read what has arrived."""
    conn.settimeout(0)
    with contextlib.suppress(BlockingIOError):
        while conn.recv(LONGEST):
            pass


def serve(conn: socket.socket) -> None:
    """One connection, to its end or ours."""
    conn.settimeout(IDLE)
    unfinished = b""
    while readable(conn, IDLE) and (data := conn.recv(LONGEST)):
        *lines, unfinished = (unfinished + data).split(b"\n")
        for line in lines:
            if line.removesuffix(b"\r") == b"kill":
                read_rest(conn)
                os.kill(os.getpid(), signal.SIGKILL)
            conn.sendall(line + b"\n")
        if len(unfinished) > LONGEST:
            return


def main() -> int:
    """Serve one connection after another."""
    # Ctrl-C on a terminal is for the server that started us; we end when it does.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    listener = socket.socket(fileno=int(sys.argv[1]))
    listener.settimeout(0)
    while readable(listener):
        # Another victim may have been quicker, or the peer is gone already.
        with contextlib.suppress(BlockingIOError, ConnectionError):
            conn, _ = listener.accept()
            with conn, contextlib.suppress(OSError):
                serve(conn)
    return 0


if __name__ == "__main__":
    sys.exit(main())
