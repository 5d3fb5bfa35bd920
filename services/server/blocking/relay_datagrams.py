"""A relay of datagrams that serves one after another: it asks the upstream, and waits for the answer.

Nothing in a datagram says which question it answers. So each question goes out from a new socket, with a port
of its own: an answer that comes too late finds that port closed, and is never taken for the answer to the
next.
"""

import contextlib
import socket
import time
from collections.abc import Hashable
from typing import Final

from services.server.datagram_socket import spelled_sender
from services.server.errors import named
from services.server.options import Upstream
from services.server.relay_datagrams import open_far_datagrams, receive_from_far
from services.server.relaying import own_timer, tell
from services.server.upstream import resolve
from services.server.waiting import Stopping, Waiter, Woke


class RelayOneByOne:
    """The serving side of one datagram socket; `receive` takes as long as the upstream does.

    Args:
        upstream: is asked.
        stopping: the program's; nothing is waited for after the stop.
    """

    due: Final = None

    def __init__(self, upstream: Upstream, stopping: Stopping) -> None:
        self._upstream = upstream
        self._stopping = stopping

    def receive(self, datagram: bytes, peer: Hashable) -> bytes | None:
        """Ask the upstream; its answer, or None."""
        started = time.monotonic()
        try:
            with open_far_datagrams(resolve(self._upstream, socket.SOCK_DGRAM)) as sock:
                sock.send(datagram)
                return self._answer(sock, started + self._upstream.answer)
        except TimeoutError:
            why = own_timer()
        except OSError as error:
            why = named(error)
        tell("upstream-failed", self._upstream, spelled_sender(peer), why, time.monotonic() - started)
        return None

    def tick(self) -> list[tuple[Hashable, bytes]]:
        """Nothing is ever due."""
        return []

    def _answer(self, sock: socket.socket, deadline: float) -> bytes | None:
        """What the upstream answers; None: the program is to stop.

        Raises:
            TimeoutError: nothing by then.
            OSError: of recv(2); ECONNREFUSED: nobody has this port (ICMP), udp(7).
        """
        waiter = Waiter(sock, self._stopping)
        while (woke := waiter.wait(deadline - time.monotonic())) is Woke.READABLE:
            with contextlib.suppress(BlockingIOError):  # the checksum was wrong (select(2), BUGS)
                return receive_from_far(sock)
        if woke is Woke.TIMEOUT:
            raise TimeoutError
        return None
