"""The connections of a run: opened, lost, and opened again. For datagrams a connection is a connected socket.

Theory of operation
    Nothing blocks: `connect` is begun, and epoll tells when to ask how it went. On loopback the handshake
    is over before `connect` returns, so it is asked once at once. A connection that fails is closed, its
    requests without an answer are cut off, and it is opened again: at once if it had brought an answer,
    else after a pause that grows. At the start not all are opened at once either: a backlog of usual size
    must not overflow, for the SYN that it drops is sent again only a second later.
"""

import errno
import itertools
import os
import select
import socket
import time
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Final

from services.client.load.exchange import Exchange, MakeExchange
from services.client.load.plan import SECOND, pause
from services.client.load.tally import OWN_TIMER, Tally
from services.client.load.target import Target

IN: Final = select.EPOLLIN
OUT: Final = select.EPOLLOUT

_IN_PROGRESS: Final = frozenset({errno.EINPROGRESS, errno.EALREADY})
_CONNECTED: Final = frozenset({0, errno.EISCONN})
_BURST: Final = 64
"""So many connections are opened at once: half of a usual backlog."""
_BURST_GAP: Final = SECOND // 100


class Connection:
    """One connection, or datagram socket.

    Args:
        exchange: what is asked on it.
    """

    __slots__ = (
        "asked_at",
        "at",
        "connecting",
        "exchange",
        "failures",
        "fd",
        "free_since",
        "paused",
        "since",
        "sock",
        "unsent",
    )

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.sock: socket.socket | None = None
        self.fd = -1
        self.connecting = False
        """Whether `connect` has begun and not ended."""
        self.since = 0
        """When it was begun to be opened, in ns."""
        self.at: int | None = None
        """What the latency of the one request counts from for which it is being opened."""
        self.asked_at: int | None = None
        """What the latency of its first request counts from."""
        self.unsent: bytes | memoryview = b""
        """What the kernel has not taken yet."""
        self.failures = 0
        """How often in a row it failed without an answer."""
        self.paused = False
        """Whether it waits to be opened."""
        self.free_since: int | None = None
        """Since when it waits for the next request to be due, in ns; None: it does not."""

    @property
    def usable(self) -> bool:
        """Whether requests may be sent on it now."""
        return self.sock is not None and not self.connecting and self.exchange.ready and not self.unsent

    @property
    def productive(self) -> bool:
        """Whether the fast loop has sent a second request on it, as it does after an answer."""
        return self.asked_at is not None and self.exchange.at > self.asked_at


class Connections:
    """Opens connections, sends on them, and tells when one can be used.

    Args:
        target: where to.
        make: makes what is asked on a new connection.
        tally: what is counted.
        timeout: for a connection to open, and for an answer, in ns.
        can_send: is told a connection on which requests may be sent (again), and the time.
        resume: is told a connection that may be opened (again), and the time.
    """

    def __init__(
        self,
        target: Target,
        make: MakeExchange,
        tally: Tally,
        timeout: int,
        *,
        can_send: Callable[[Connection, int], None],
        resume: Callable[[Connection, int], None],
    ) -> None:
        self.clock: Callable[[], int] = time.monotonic_ns
        self.epoll = select.epoll()
        self.by_fd: dict[int, Connection] = {}
        self.exchanges: dict[int, Exchange] = {}
        """Of the connections that are open, by their descriptor."""
        self._datagrams = target.kind == socket.SOCK_DGRAM
        self._target = target
        self._make = make
        self._tally = tally
        self._timeout = timeout
        self._can_send = can_send
        self._resume = resume
        self._later: list[tuple[int, int, Connection]] = []
        self._serial = itertools.count()  # of two that are due at once the first is first; they have no order
        self._burst = self._burst_ends = 0
        self._overdue_at = 0

    def later(self, connection: Connection, when: int) -> None:
        """Have `resume` told of it at that time, in ns."""
        connection.paused = True
        heappush(self._later, (when, next(self._serial), connection))

    def adopt(self, connection: Connection, sock: socket.socket, now: int) -> None:
        """Use a socket that is connected already."""
        self._register(connection, sock, now, IN)
        self._established(connection, now)

    def open(self, connection: Connection, now: int) -> None:
        """Begin to open one."""
        try:
            sock = self._target.socket()
        except OSError as error:
            self._tally.fail("socket", named(error))
            self._tally.cut += connection.at is not None
            connection.at = None
            self._again(connection, now)
            return
        address = self._target.address
        failed = sock.connect_ex(address)
        if failed in _IN_PROGRESS:
            failed = sock.connect_ex(address)
        self._register(connection, sock, now, OUT if failed in _IN_PROGRESS else IN)
        self._advance(connection, failed, now)

    def connect_event(self, connection: Connection, now: int) -> None:
        """Ask how the `connect` of one went that epoll told of."""
        assert connection.sock is not None  # noqa: S101 - for mypy: it is connecting
        failed = connection.sock.connect_ex(self._target.address)
        if failed in _CONNECTED:
            self.epoll.modify(connection.fd, IN)
        self._advance(connection, failed, now)

    def _register(self, connection: Connection, sock: socket.socket, now: int, events: int) -> None:
        connection.sock = sock
        connection.fd = sock.fileno()
        connection.since = now
        connection.connecting = True
        connection.asked_at = None
        connection.exchange = self._make()
        self.by_fd[connection.fd] = connection
        self.epoll.register(connection.fd, events)

    def _advance(self, connection: Connection, failed: int, now: int) -> None:
        if failed in _CONNECTED:
            self._established(connection, now)
        elif failed not in _IN_PROGRESS:
            self.fail(connection, "connect", errno.errorcode.get(failed, str(failed)), now)

    def _established(self, connection: Connection, now: int) -> None:
        connection.connecting = False
        self.exchanges[connection.fd] = connection.exchange
        self._tally.opened += 1
        if hello := connection.exchange.hello():
            self.send(connection, hello, now)
        else:
            self._can_send(connection, now)

    def send(self, connection: Connection, data: bytes, now: int) -> None:
        """Send; what the kernel does not take now, it is given when it has room."""
        try:
            count = os.write(connection.fd, data)
        except OSError as error:
            self.not_sent(connection, data, error, now)
            return
        if count < len(data):
            self.keep(connection, memoryview(data)[count:])

    def not_sent(self, connection: Connection, data: bytes, error: OSError, now: int) -> None:
        """Deal with a `write` that gave an error."""
        if isinstance(error, BlockingIOError):
            self.keep(connection, memoryview(data))
        else:
            self.fail(connection, "send", named(error), now)

    def keep(self, connection: Connection, rest: memoryview) -> None:
        """Keep what the kernel did not take."""
        connection.unsent = rest
        self.epoll.modify(connection.fd, IN | OUT)

    def flush(self, connection: Connection, now: int) -> None:
        """Send what was kept."""
        try:
            count = os.write(connection.fd, connection.unsent)
        except BlockingIOError:
            return
        except OSError as error:
            self.fail(connection, "send", named(error), now)
            return
        connection.unsent = connection.unsent[count:]
        if not connection.unsent:
            self.epoll.modify(connection.fd, IN)
            if connection.exchange.ready:
                self._can_send(connection, now)

    def fail(self, connection: Connection, call: str, what: str, now: int) -> None:
        """Count a call that failed; the connection is over, and will be opened again."""
        self._tally.fail(call, what)
        self.close(connection)
        self._again(connection, now)

    def close(self, connection: Connection) -> None:
        """Close one; its requests without an answer are cut off."""
        if connection.sock is None:
            return
        self._tally.cut += connection.exchange.outstanding + (connection.at is not None)
        self.by_fd.pop(connection.fd)
        self.exchanges.pop(connection.fd, None)
        connection.sock.close()  # epoll forgets it with that (epoll(7))
        connection.sock = None
        connection.fd = -1
        connection.at = None
        connection.unsent = b""

    def close_all(self) -> None:
        """Close everything; what is outstanding stays uncounted."""
        for connection in self.by_fd.values():
            if connection.sock is not None:
                connection.sock.close()
        self.epoll.close()

    def _again(self, connection: Connection, now: int) -> None:
        if connection.productive:
            connection.failures = 0
        self.later(connection, now + pause(connection.failures))
        connection.failures += 1

    @property
    def due(self) -> int:
        """When `tick` has something to do, in ns."""
        if not self._later:
            return self._overdue_at
        opens_at = self._later[0][0]
        if self._burst >= _BURST:
            opens_at = max(opens_at, self._burst_ends)
        return min(self._overdue_at, opens_at)

    def tick(self, now: int) -> None:
        """Open what is to be opened by now, and end what takes too long."""
        if now >= self._burst_ends:
            self._burst, self._burst_ends = 0, now + _BURST_GAP
        while self._later and self._later[0][0] <= now and self._burst < _BURST:
            self._burst += 1
            connection = heappop(self._later)[2]
            connection.paused = False
            self._resume(connection, now)
        if now >= self._overdue_at:
            # Whatever is sent from now on has until then at least: nothing is overdue before.
            self._overdue_at = now + self._timeout
            for connection in list(self.by_fd.values()):
                self._overdue_at = min(self._overdue_at, self._end_if_overdue(connection, now))

    def _end_if_overdue(self, connection: Connection, now: int) -> int:
        """End what took too long on one connection; when the next on it does, in ns."""
        before = now - self._timeout
        exchange = connection.exchange
        if not exchange.ready or connection.connecting:
            if connection.since > before:
                return connection.since + self._timeout
            if connection.at is not None:
                connection.at = None
                self._tally.timed_out += 1
            self.fail(connection, "connect" if connection.connecting else "handshake", OWN_TIMER, now)
            return now + self._timeout
        oldest = exchange.oldest()
        if oldest is not None and oldest <= before:
            count = exchange.overdue(before)
            self._tally.timed_out += count
            if self._datagrams:
                oldest = exchange.oldest()
                self._can_send(connection, now)
            else:
                # The answer may still come, and would be taken for that to the next request.
                self.close(connection)
                self._tally.cut -= count
                self._again(connection, now)
                oldest = None
        return now + self._timeout if oldest is None else oldest + self._timeout


def named(error: OSError) -> str:
    """The symbolic name of an error's number."""
    return errno.errorcode.get(error.errno or 0, str(error.errno))
