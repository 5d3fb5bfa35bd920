"""One connection served from top to bottom: wait, receive, answer, with calls that block.

Theory of operation
    Each connection has a thread or a process to itself, at least for its turn. It waits for the peer, hands
    what came to the protocol and sends the answer with sendall(): a peer that does not read stops its own
    thread, by the window of TCP, and nothing piles up here. So a connection costs a thread and one chunk of
    memory, and one that is reset, vanishes or is slow ends or waits alone.

    A connection is closed in two steps: our FIN first, then what the peer still sends is read and thrown
    away until its own FIN. close() with unread data would send a RST, and a RST takes from the peer what it
    has not read yet: our last words (RFC 2525 2.17).

    When the program is to stop, a connection goes on until its peer has closed or nothing has arrived for
    `Limits.quiet`: what was in flight is answered.
"""

import contextlib
import errno
import os
import select
import socket
import struct
import time
from collections.abc import Callable
from typing import Final, TypeAlias

from services.protocol.serving import Served, Serving, Stage
from services.server.accepting import spelled_peer
from services.server.errors import named
from services.server.listeners import Bound
from services.server.log import debugging, log
from services.server.patience import Patience
from services.server.service import Limits
from services.server.shared import Program
from services.server.waiting import Stopping, Waiter, Woke

CHUNK: Final = 448 << 9
"""Most bytes taken from a connection at once, and held for it."""
_PIECE: Final = 448
"""Bytes taken at first; doubled for a peer that fills it. As in `services.server.loop.connection`."""
_BETWEEN: Final = Stage.BETWEEN
_READABLE: Final = Woke.READABLE
"""Asked for with every request: to look up a member of an enum is a call (until Python 3.12)."""
_RECORD_MOST: Final = 1024 * 1024
"""Room for one record of a SOCK_SEQPACKET socket; a sender's buffer (net.core.wmem_max) is most often
smaller."""

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
        self.limits = limits
        self.stopping = stopping
        self._waiter = Waiter(conn, stopping)
        self._patience = Patience(limits, time.monotonic())
        self._records = conn.type == socket.SOCK_SEQPACKET
        self._piece = _PIECE
        # In the kernel and not with settimeout(), which would add a poll(2) to every call.
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(limits.send))
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(limits.quiet))

    def wait_for(self, serving: Serving) -> str | None:
        """Wait until something is there to be received (None), or for as long as the peer may be silent.

        What the protocol has to say meanwhile is sent.

        Returns:
            None, or why it is over: `idle`, `handshake`, `slow`, `stopping`, `orphaned`, or the protocol's
            own.
        """
        heard = now = time.monotonic()
        while serving.over is None:
            until, why = self._patience.until(serving, heard, now)
            if now >= until:
                return why
            due = serving.due
            woke = self._waiter.wait((until if due is None else min(until, due)) - now)
            if woke is _READABLE:
                return None
            if woke is Woke.ORPHANED:
                return "orphaned"
            now = time.monotonic()
            if woke is Woke.STOPPING:
                self._waiter.forget_stopping()
                self._patience.draining = True
                heard = now
            self.say_what_is_due(serving)
        return serving.over

    def receive(self) -> bytes | None:
        """What the peer has sent, `b""` when it has closed its side.

        Returns:
            None for an empty record (SOCK_SEQPACKET), which says nothing.

        Raises:
            OSError: of recv(2); EMSGSIZE: a record that is longer than is taken.
        """
        if not self._records:
            data = self.conn.recv(self._piece)
            if len(data) == self._piece < CHUNK:
                self._piece *= 2
            return data
        record, _, flags, _ = self.conn.recvmsg(_RECORD_MOST)
        if flags & socket.MSG_TRUNC:
            raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
        return record if record or self._has_closed() else None

    def receive_soon(self, serving: Serving) -> bytes | None:
        """As `receive`, for a peer that is about to send: waits a moment, in the same call.

        Two calls a request instead of three are a third of its cost, and of the fights of threads for the
        interpreter's lock. A peer that is silent for that moment is waited for by `wait_for`, which notices
        the request to stop; who stops meanwhile has had the moment of silence that is given then.

        Returns:
            None: nothing came, or the protocol waits for more than the next message.
        """
        if serving.stage is not _BETWEEN or serving.due is not None:
            return None
        try:
            return self.receive()
        except BlockingIOError:  # SO_RCVTIMEO (socket(7))
            return None

    def say_what_is_due(self, serving: Serving) -> None:
        """Send what the protocol has to say by now."""
        if serving.due is not None and (answer := serving.tick()):
            self.conn.sendall(answer)

    def answer_the_rest(self, serving: Serving) -> None:
        """The peer has closed its side: send the answers that are still due, each at its time."""
        while serving.over is None and serving.due is not None:
            if self.stopping.orphaned(within=serving.due - time.monotonic()):
                return
            self.say_what_is_due(serving)

    def take_leave(self) -> None:
        """Send our FIN, and give the peer the time to read what we have sent."""
        self.conn.shutdown(socket.SHUT_WR)
        self.conn.settimeout(self.limits.farewell)
        deadline = time.monotonic() + self.limits.farewell
        with contextlib.suppress(TimeoutError):
            while self.conn.recv(CHUNK) and time.monotonic() < deadline:
                pass

    def _has_closed(self) -> bool:
        poll = select.poll()
        poll.register(self.conn, select.POLLRDHUP)
        return bool(poll.poll(0))


def _timeval(seconds: float) -> bytes:
    """As the kernel takes it: seconds and microseconds, at least one, as 0 would be for ever (socket(7))."""
    whole, fraction = divmod(seconds, 1)
    return struct.pack("@ll", int(whole), max(int(fraction * 1e6), 0 if whole else 1))


def converse(served: Served) -> Handler:
    """The handler that serves a protocol."""

    def handle(peer: Peer) -> str:
        serving = served.connection()
        why = None
        while why is None:
            data = peer.receive_soon(serving)
            if data is None and (why := peer.wait_for(serving)) is None:
                data = peer.receive()
            if data is None:
                continue
            if answer := serving.receive(data):
                peer.conn.sendall(answer)
            if not data:
                peer.answer_the_rest(serving)
            why = serving.over
        if why == "orphaned":
            return why
        if serving.over is None and (words := serving.give_up(why)):
            peer.conn.sendall(words)
        if serving.over != "eof":
            peer.take_leave()
        return why

    return handle


def serve(conn: socket.socket, address: object, bound: Bound, handler: Handler, program: Program) -> None:
    """Serve one connection, from its first byte to its end; nothing that it does leaves from here."""
    if debugging():
        log("DEBUG", "connected", bound=bound, peer=spelled_peer(address))
    with conn:
        try:
            why = handler(Peer(conn, program.limits, program.stopping))
        except BlockingIOError:  # SO_SNDTIMEO (socket(7))
            why = "unread"
        except OSError as error:
            why = named(error)
    if debugging():
        log("DEBUG", "disconnected", bound=bound, peer=spelled_peer(address), why=why)
