"""A listener of a loop: takes who comes, and keeps an eye on those who are there."""

import contextlib
import math
import os
import socket
from collections.abc import Callable
from typing import Final, TypeAlias

from services.server.accepting import LAST, PAUSE, Trouble, refuse, spelled_peer
from services.server.listeners import Bound
from services.server.log import debugging, log
from services.server.loop.connection import Guest, Left
from services.server.loop.loop import Loop
from services.server.loop.pollers import READ
from services.server.patience import pause_between_looks, shortest_of
from services.server.service import Limits
from services.server.shared import Program

Welcome: TypeAlias = Callable[[int, Loop, Limits, Left], Guest]
"""Makes what serves one accepted connection, from its non-blocking descriptor, which it then owns; raises
OSError if the loop cannot wait for it."""

_AT_ONCE: Final = 64
"""Connections accepted before the others in the loop get their turn."""


class LoopServer:
    """Serves one listener of streams in a loop.

    Args:
        name: what it serves.
        listener: in the state LISTEN; the server owns it from now on.
        welcome: makes what serves a connection.
        program: what the process shares; its loop is the one.
        events: what to wait for, with the flags of the poller.
        shortest: of what else limits a guest, in seconds.
    """

    def __init__(
        self,
        name: str,
        listener: socket.socket,
        welcome: Welcome,
        program: Program,
        events: int = READ,
        shortest: float = math.inf,
    ) -> None:
        listener.settimeout(0)
        self._listener = listener
        # accept() itself, from which `socket.accept` then makes an object: see `Connection`.
        self._accept_one: Callable[[], tuple[int, object]] = listener._accept  # type: ignore[attr-defined] # noqa: SLF001
        self._welcome = welcome
        self._program = program
        self._loop = program.loop
        self._events = events
        self._round = 0
        self._most = 1
        self._guests: set[Guest] = set()
        self._peers: dict[Guest, str] = {}
        self._looking = False
        self._trouble = Trouble()
        self._debug = debugging()
        self._alive = True
        self._period = pause_between_looks(shortest_of(program.limits), shortest)
        self.bound = Bound.of(name, listener)

    def __str__(self) -> str:
        return str(self.bound)

    def start(self) -> None:
        """Accept from now on."""
        self._loop.add(self._listener.fileno(), self, self._events)

    def alive(self) -> bool:
        """Whether it accepts."""
        return self._alive

    def close(self) -> None:
        """Take the last that are connected already, and close the listener."""
        if self._program.stopping.asked():
            with contextlib.suppress(OSError):
                self._accept(LAST)
            now = self._loop.now
            for guest in tuple(self._guests):
                guest.drain(now)
            self._period = pause_between_looks(self._program.limits.quiet)
            self._look_again()
        self._loop.discard(self._listener.fileno())
        self._listener.close()

    def ready(self, _: int) -> None:
        """Somebody waits to be accepted: one, or, where in the round before there was one too, ever more.

        To try until there is none would cost a call in vain for every client that comes alone.
        """
        again, self._round = self._loop.rounds == self._round + 1, self._loop.rounds
        self._most = min(2 * self._most, _AT_ONCE) if again else 1
        try:
            self._accept(self._most)
        except OSError as error:
            self._trouble.tell(self.bound, error)
            # The connection stays in the queue and the listener readable: without a pause this would spin.
            self._loop.rest(self._listener.fileno(), PAUSE, self._events)

    def failed(self) -> None:
        """It cannot accept any more."""
        self._alive = False
        self._loop.discard(self._listener.fileno())

    def _accept(self, most: int) -> None:
        for _ in range(most):
            try:
                fd, address = self._accept_one()
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue  # it was reset before we took it; that is its own affair
            self._trouble.told = False
            self._take(fd, address)

    def _take(self, fd: int, address: object) -> None:
        connections = self._program.connections
        if not connections.enter():
            refuse(socket.socket(fileno=fd), self.bound, address, connections.limit)
            return
        os.set_blocking(fd, False)
        try:
            guest = self._welcome(fd, self._loop, self._program.limits, self._left)
        except OSError as error:
            connections.leave()
            refuse(socket.socket(fileno=fd), self.bound, address, connections.limit, error)
            return
        self._guests.add(guest)
        if self._debug:
            self._peers[guest] = peer = spelled_peer(address)
            log("DEBUG", "connected", bound=self.bound, peer=peer)
        if not self._looking:
            self._look_again()

    def _left(self, guest: Guest, why: str) -> None:
        self._guests.discard(guest)
        self._program.connections.leave()
        if self._debug and (peer := self._peers.pop(guest, None)):
            log("DEBUG", "disconnected", bound=self.bound, peer=peer, why=why)

    def _look_again(self) -> None:
        self._looking = True
        self._loop.at(self._loop.now + self._period, self._look)

    def _look(self) -> None:
        now = self._loop.now
        for guest in tuple(self._guests):
            guest.check(now)
        self._looking = False
        if self._guests:
            self._look_again()
