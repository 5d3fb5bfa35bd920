"""TCP, a thread for each connection: the style in which a connection's code reads from top to bottom.

Theory of operation
    One thread accepts. Each connection gets a thread of its own, which waits for the peer, hands what came
    to the protocol and sends the answer with sendall(): a peer that does not read stops its own thread, by
    the window of TCP, and nothing piles up here. So a connection costs a thread and one chunk of memory,
    and one that is reset, vanishes or is slow ends or waits alone.

    A connection is closed in two steps: our FIN first, then what the peer still sends is read and thrown
    away until its own FIN. close() with unread data would send a RST, and a RST takes from the peer what it
    has not read yet: our last words (RFC 2525 2.17).

    When the program is to stop, the listener closes, and a connection goes on until its peer has closed or
    nothing has arrived for `Limits.quiet`: what was in flight is answered.
"""

import contextlib
import errno
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import TypeAlias

from services.protocol.served import Serving
from services.server.errors import named
from services.server.listeners import Bound, spelled
from services.server.log import log
from services.server.service import Limits, Program
from services.server.waiting import Stopping, Waiter, Woke, join

CHUNK = 64 * 1024
"""Most bytes taken from a connection at once, and held for it."""
_ACCEPT_PAUSE = 0.05
"""Seconds until accept() is tried again when there is no descriptor or memory for one more connection."""
_LAST = 128
"""When stopping, so many that are connected already, as far as they and the kernel know, are still taken."""
_DEAD_LISTENER = frozenset((errno.EBADF, errno.EINVAL, errno.ENOTSOCK))

Handler: TypeAlias = Callable[["Peer"], str]
"""Serves one connection; says why it ended."""


class Peer:
    """The other side of one accepted connection.

    Args:
        conn: the connection.
        limits: what it may cost.
        stopping: the program's.
    """

    def __init__(self, conn: socket.socket, limits: Limits, stopping: Stopping) -> None:
        self.conn = conn
        self._limits = limits
        self._patience = limits.idle
        self._waiter = Waiter(conn, stopping)
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # In the kernel and not with settimeout(), which would add a poll(2) to every call.
        seconds, fraction = divmod(limits.send, 1)
        timeval = struct.pack("@ll", int(seconds), int(fraction * 1e6))
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)

    def wait(self) -> Woke:
        """Wait for what the peer sends next."""
        return self._waiter.wait(self._patience)

    def receive(self) -> bytes | None:
        """What the peer sends next, `b""` when it has closed its side; None: nothing, for too long."""
        woke = self.wait()
        if woke is Woke.STOPPING:
            self._waiter.forget_stopping()
            self._patience = self._limits.quiet
            woke = self.wait()
        return self.conn.recv(CHUNK) if woke is Woke.READABLE else None

    def take_leave(self) -> None:
        """Send our FIN, and give the peer the time to read what we have sent."""
        self.conn.shutdown(socket.SHUT_WR)
        self.conn.settimeout(self._limits.farewell)
        deadline = time.monotonic() + self._limits.farewell
        with contextlib.suppress(TimeoutError):
            while self.conn.recv(CHUNK) and time.monotonic() < deadline:
                pass


def converse(make: Callable[[], Serving]) -> Handler:
    """The handler that serves a protocol."""

    def handle(peer: Peer) -> str:
        serving = make()
        while serving.over is None and (data := peer.receive()) is not None:
            if answer := serving.receive(data):
                peer.conn.sendall(answer)
        if serving.over != "eof":
            peer.take_leave()
        return serving.over or "idle"

    return handle


class StreamServer:
    """Serves one listener.

    Args:
        name: what it serves.
        listener: in the state LISTEN; the server owns it from now on.
        handler: serves one connection.
        program: what the process shares.
    """

    def __init__(self, name: str, listener: socket.socket, handler: Handler, program: Program) -> None:
        listener.settimeout(0)
        self._listener = listener
        self._handler = handler
        self._program = program
        self.bound = Bound.of(name, listener)
        self._acceptor = threading.Thread(target=self._accept_all, name=str(self.bound), daemon=True)

    def start(self) -> None:
        """Accept from now on."""
        self._acceptor.start()

    def alive(self) -> bool:
        """Whether it accepts."""
        return self._acceptor.is_alive()

    def close(self) -> None:
        """Close the listener."""
        join(self._acceptor)
        self._listener.close()

    def _accept_all(self) -> None:
        waiter = Waiter(self._listener, self._program.stopping)
        last = _LAST
        while waiter.wait() is Woke.READABLE and last:
            last -= self._program.stopping.asked()
            try:
                conn, address = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                continue  # it was reset before we took it; that is its own affair
            except OSError as error:
                if error.errno in _DEAD_LISTENER:
                    raise
                log("WARNING", "accept-failed", bound=self.bound, why=named(error))
                self._program.stopping.wait(_ACCEPT_PAUSE)
                continue
            self._take(conn, spelled(*address[:2]))

    def _take(self, conn: socket.socket, peer: str) -> None:
        if self._program.connections.start(lambda: self._serve(conn, peer)):
            return
        log("WARNING", "refused", bound=self.bound, peer=peer, limit=self._program.connections.limit)
        with conn, contextlib.suppress(OSError):
            # With unread data close() would reset it, and the client would blame the network.
            conn.recv(CHUNK, socket.MSG_DONTWAIT)

    def _serve(self, conn: socket.socket, address: str) -> None:
        log("DEBUG", "connected", bound=self.bound, peer=address)
        with conn:
            try:
                why = self._handler(Peer(conn, self._program.limits, self._program.stopping))
            except BlockingIOError:
                why = "unread"
            except OSError as error:
                why = named(error)
        log("DEBUG", "disconnected", bound=self.bound, peer=address, why=why)
