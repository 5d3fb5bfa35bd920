"""What the lab's server host shows besides good servers: silence, a reset, a queue that is full."""

import socket
import struct

from services.protocol.echo import EchoServing
from services.server.blocking.peer import Peer
from services.server.errors import OpenError, ServerError
from services.server.listeners import Bound, open_tcp
from services.server.socket_options import reset_on_close

_QUEUE = struct.Struct("@24x2I")
"""Of `struct tcp_info` (linux/tcp.h): 8 bytes and four counters, then `tcpi_unacked` and `tcpi_sacked`, which
of a listener are the connections that wait for accept() and the backlog."""
_BACKLOG = 0
"""Linux queues one more than the backlog; so one connection fills it, and the next SYN gets no answer."""
_FILL_ATTEMPTS = 5
_FILL_SECONDS = 0.3


def keep_silent(peer: Peer) -> str:
    """The handler that reads all it is sent and never answers."""
    echo = EchoServing()  # what it waits for is the same
    while (why := peer.wait_for(echo)) is None:
        if not peer.receive():
            return "eof"
    return why


def reset(peer: Peer) -> str:
    """The handler that answers the first bytes with a RST."""
    if why := peer.wait_for(EchoServing()):
        return why
    if not peer.receive():
        return "eof"
    reset_on_close(peer.conn)
    return "reset"


class FullBacklog:
    """A listener that never accepts, with its accept queue full of connections of our own, over loopback.

    A client's SYN gets no answer then: its connect() ends by a timer.

    Args:
        name: what it serves.
        address: numeric; None: all addresses.
        port: 0: one that is free.

    Raises:
        OpenError: the kernel refused.
        ServerError: the queue did not fill.
    """

    def __init__(self, name: str, address: str | None, port: int) -> None:
        self._listener = open_tcp(address, port, _BACKLOG)
        self._fillers: list[socket.socket] = []
        self.bound = Bound.of(name, self._listener)
        try:
            self._fill()
        except ServerError:
            self.close()
            raise

    def start(self) -> None:
        """Nothing to do: the kernel completes handshakes, or does not, by itself."""

    def alive(self) -> bool:
        """Whether the queue is full, as the kernel counts."""
        queued, backlog = _QUEUE.unpack(
            self._listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _QUEUE.size)
        )
        return bool(queued > backlog)

    def close(self) -> None:
        """Close the listener and what fills it."""
        for sock in (*self._fillers, self._listener):
            sock.close()

    def _fill(self) -> None:
        """Connect to ourselves until the queue is full.

        A connect that times out is no failure: its SYN met a queue that was full, or about to be.
        """
        address, port = self._own_address()
        for _ in range(_FILL_ATTEMPTS):
            if self.alive():
                return
            try:
                self._fillers.append(socket.create_connection((address, port), timeout=_FILL_SECONDS))
            except TimeoutError:
                continue
            except OSError as error:
                raise OpenError(str(self.bound), error) from error
        if not self.alive():
            raise ServerError("server.backlog-not-full", bound=self.bound, attempts=_FILL_ATTEMPTS)

    def _own_address(self) -> tuple[str, int]:
        wildcard = {"::": "127.0.0.1", "0.0.0.0": "127.0.0.1"}
        return wildcard.get(self.bound.address, self.bound.address), self.bound.port
