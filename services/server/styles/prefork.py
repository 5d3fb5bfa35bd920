"""Prefork: a fixed number of processes, made before the first client comes; each serves many, from a loop.

The one style that uses every core. On TCP and UDP each worker has a socket of its own on the same address and
port (SO_REUSEPORT, socket(7)): the kernel chooses one by a hash of both ends' addresses and ports, so a
client always meets the same worker, and none is woken for another's client. On a Unix socket there is one
listener that all inherit, and EPOLLEXCLUSIVE wakes one of them.

The parent keeps the sockets open, so what waits at a worker that has died waits for the next one and is not
reset. Each worker is a process: what one remembers, such as the answers that `framed` has given, the others
do not know.
"""

import select
import socket
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from services.server.listeners import Bound
from services.server.log import log
from services.server.loop.pollers import READ, EpollPoller
from services.server.loop.welcomes import datagram_service, stream_service
from services.server.service import Service
from services.server.shared import Program
from services.server.styles.style import Opening, Style

_PAUSE: Final = 0.1
"""Seconds between a worker's death and the next start."""
_FAILURES: Final = 5
"""So many deaths within `_SOON` of the start, in a row, and a worker is given up."""
_SOON: Final = 1.0

Make = Callable[[socket.socket, Program], Service]
"""Makes what a worker serves its socket with."""


class PreforkServer:
    """Keeps workers on some sockets.

    Args:
        name: what it serves.
        sockets: one for each worker, or the same for all; the server owns them from now on.
        make: of a worker.
        program: what the parent process shares. It must have no thread but the main one.
        drain: seconds that a worker has for what is in flight when the stop is asked.
    """

    def __init__(
        self, name: str, sockets: Sequence[socket.socket], make: Make, program: Program, drain: float
    ) -> None:
        self._sockets = sockets
        self._make = make
        self._program = program
        self._drain = drain
        self._failures = [0] * len(sockets)
        self._alive = True
        self.bound = Bound.of(name, sockets[0])
        program.sockets.extend(sockets)

    def start(self) -> None:
        """Start the workers."""
        for number in range(len(self._sockets)):
            self._fork(number)

    def alive(self) -> bool:
        """Whether each worker lives, or is being started again."""
        return self._alive

    def close(self) -> None:
        """Give up the sockets; the workers close theirs when the stop is asked."""
        for sock in self._sockets:
            sock.close()

    def _fork(self, number: int) -> None:
        if self._program.stopping.asked():
            return
        try:
            pid = self._program.children.fork(
                partial(self._work, number), partial(self._ended, number, time.monotonic())
            )
        except OSError as error:
            log("ERROR", "no-worker", bound=self.bound, why=str(error))
            self._alive = False
            return
        log("INFO", "worker", bound=self.bound, number=number, pid=pid)

    def _work(self, number: int) -> None:
        """In the child: serve until the stop."""
        self._program.become_child(keep=self._sockets[number])
        limits = self._program.limits
        share = -(-self._program.connections.limit // len(self._sockets))
        program = Program(limits, share, EpollPoller(), self._program.stopping)
        service = self._make(self._sockets[number], program)
        service.start()
        program.serve()
        service.close()
        if left := program.drain(self._drain):
            log("WARNING", "cut", left=left, drain=self._drain)

    def _ended(self, number: int, started: float, status: int) -> None:
        """In the parent: start another, unless they die as soon as they are born."""
        if self._program.stopping.asked():
            return
        soon = time.monotonic() - started < _SOON
        self._failures[number] = self._failures[number] + 1 if soon else 0
        log("ERROR", "worker-ended", bound=self.bound, number=number, status=status)
        if self._failures[number] < _FAILURES:
            self._program.loop.at(self._program.loop.now + _PAUSE, partial(self._fork, number))
        else:
            self._alive = False


def _streams(opening: Opening) -> Service:
    return _server(opening, partial(stream_service, opening.offer, events=READ | select.EPOLLEXCLUSIVE))


def _datagrams(opening: Opening) -> Service:
    return _server(opening, partial(datagram_service, opening.offer))


def _server(opening: Opening, make: Make) -> Service:
    return PreforkServer(opening.offer.name, opening.sockets, make, opening.program, opening.drain)


STYLE: Final = Style(connections=10_000, streams=_streams, datagrams=_datagrams, own_sockets=True)
