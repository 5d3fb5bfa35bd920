"""The engine: sends requests when it is their time, takes the answers, and counts. One thread, one epoll.

Theory of operation
    A phase sends for some seconds or a number of requests, then waits for what is still out: so every
    request that is counted was begun in the phase, and every one that was begun is accounted for. The
    warm-up is a phase like the other, whose counts are forgotten.

    Two loops. `volley` is for echoes that are answered all at once; `_turn` is for all the rest, and for what
    `volley` hands over.

    In a closed loop the answer makes the next request be sent. In an open one the schedule does: a connection
    that has room waits in `_free`, and if none does, the request waits, and its latency grows meanwhile.

    Signals set a flag, and a descriptor that wakes epoll (`signal.set_wakeup_fd`): counts never stop
    half-way.
"""

import contextlib
import os
import select
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final

from services.client.load.connections import IN, OUT, Connection, Connections, named
from services.client.load.exchange import BrokenError, MakeExchange
from services.client.load.plan import SECOND, Plan, Schedule
from services.client.load.result import Measured
from services.client.load.tally import EOF, Tally
from services.client.load.target import Target
from services.client.load.volley import volley

_READ_MOST: Final = 256 * 1024
_READ_LEAST: Final = 4096
_VOLLEY_SIZE_MOST: Final = 16 * 1024
"""Larger answers seldom come in one piece."""
_FRAMES_MOST: Final = 64 * 1024
"""More than any frame that is asked for: a datagram must be read whole."""
_BURST: Final = 64
"""So many requests are sent at most before answers are looked for."""
_NEVER: Final = sys.maxsize


class Engine:
    """Makes the load.

    Args:
        plan: what is to be done.
        target: where to.
        make: makes what is asked on a new connection.
        tally: what is counted.
        on_second: called about every second of a phase, with the seconds since its start; None: nothing is.
    """

    def __init__(
        self,
        plan: Plan,
        target: Target,
        make: MakeExchange,
        tally: Tally,
        on_second: Callable[[float], None] | None = None,
    ) -> None:
        self._plan = plan
        self._tally = tally
        self._on_second = on_second
        self._timeout = int(plan.timeout * SECOND)
        self._connections = Connections(
            target, make, tally, self._timeout, can_send=self._can_send, resume=self._resume
        )
        self._clock = self._connections.clock
        self._all = [Connection(make()) for _ in range(plan.connections)]
        self._read = _read_size(plan)
        self._fast = (
            plan.protocol == "echo"
            and (plan.in_flight == 1 or not plan.records)
            and plan.rate is None
            and not plan.reconnect
            and plan.in_flight * plan.size <= _VOLLEY_SIZE_MOST
        )
        self._fast_most = plan.connections * plan.in_flight
        self._signum: int | None = None
        self._sending = False
        self._budget = 0
        self._schedule: Schedule | None = None
        self._free: deque[Connection] = deque()
        self._started = 0
        self._until = self._next_second = _NEVER
        self._last_answer = self._last_open = 0

    def set_up(self, first: socket.socket) -> None:
        """Open all connections; where each request has its own, none.

        Args:
            first: a connection that is open already.
        """
        now = self._clock()
        if self._plan.reconnect:
            first.close()
            return
        self._connections.adopt(self._all[0], first, now)
        for connection in self._all[1:]:
            self._connections.later(connection, now)
        give_up = now + self._timeout
        while self._signum is None and now < give_up:
            self._connections.tick(now)
            if all(connection.usable or connection.failures for connection in self._all):
                break
            self._turn(now, give_up)
            now = self._clock()

    def phase(self, seconds: float | None, count: int | None) -> Measured:
        """Send for some seconds or a number of requests, and wait for what is still out.

        Args:
            seconds: None: as long as `count` takes.
            count: None: as many as can be in that time.
        """
        cpu = time.process_time()
        start = self._begin(seconds, count)
        now, sent_until = start, None
        while self._signum is None:
            now = self._clock()
            if sent_until is None and self._has_sent(now):
                sent_until, cpu = now, time.process_time() - cpu
            if not self._sending and not self._is_anything_out():
                break
            self._turn(now, self._until if self._sending else _NEVER)
        if sent_until is None:
            sent_until, cpu = self._clock(), time.process_time() - cpu
        self._sending = False
        return Measured(
            seconds=(max(sent_until, self._last_answer) - start) / SECOND,
            sending=(sent_until - start) / SECOND,
            cpu=cpu,
            signum=self._signum,
        )

    def close(self) -> None:
        """Close all connections."""
        self._connections.close_all()

    @contextlib.contextmanager
    def stopped_by_signals(self) -> Iterator[None]:
        """Let SIGINT and SIGTERM end the phase, with whole counts; as before in the end."""
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._connections.epoll.register(reader, IN)

        def stop(signum: int, _: FrameType | None) -> None:
            self._signum = signum

        before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
        woken = signal.set_wakeup_fd(writer)
        try:
            yield
        finally:
            signal.set_wakeup_fd(woken)
            for each, handler in before.items():
                signal.signal(each, handler)
            os.close(reader)
            os.close(writer)

    def _begin(self, seconds: float | None, count: int | None) -> int:
        start = self._clock()
        self._until = _NEVER if seconds is None else start + int(seconds * SECOND)
        self._budget = _NEVER if count is None else count
        self._sending = self._signum is None
        self._started, self._next_second = start, start + SECOND
        self._last_answer = self._last_open = start
        self._free.clear()
        if self._plan.rate is not None:
            self._schedule = Schedule(self._plan.rate, start, None if seconds is None else self._until)
        for connection in self._all:
            connection.free_since = None
            if not connection.paused:
                self._can_send(connection, start)
        return start

    def _has_sent(self, now: int) -> bool:
        """Whether this is the end of sending."""
        if now >= self._until:
            self._dispatch(now, _NEVER)  # what was due until then, and can be sent
            if self._schedule is not None:
                self._tally.unsent += self._schedule.left()
        elif self._nobody_there(now):
            self._tally.unsent += self._budget
        elif self._budget:
            return False
        self._sending = False
        return True

    def _nobody_there(self, now: int) -> bool:
        """Whether a number of requests cannot be sent, because for long no connection has been open."""
        if self._connections.exchanges or self._plan.reconnect or self._until != _NEVER:
            self._last_open = now
        return now - self._last_open > self._timeout

    def _is_anything_out(self) -> bool:
        return any(
            connection.at is not None or connection.exchange.outstanding
            for connection in self._connections.by_fd.values()
        )

    def _turn(self, now: int, until: int) -> None:
        """Do what is due, wait for something to happen until then at most, and deal with it."""
        if now >= self._connections.due:
            self._connections.tick(now)
        if now >= self._next_second:
            self._next_second += SECOND
            if self._on_second is not None:
                self._on_second((now - self._started) / SECOND)
        wake = min(until, self._connections.due, self._next_second)
        if self._fast and self._sending and self._budget > self._fast_most:
            self._volley(now, wake)
            return
        if self._schedule is not None:
            self._dispatch(now)
            if self._free and self._schedule.due is not None and self._sending:
                wake = min(wake, self._schedule.due)
        by_fd = self._connections.by_fd
        for fd, mask in self._wait(wake):
            connection = by_fd.get(fd)
            if connection is not None:  # else it is the signals' descriptor, or was closed in this turn
                self.event(connection, mask)

    def _volley(self, now: int, until: int) -> None:
        done = volley(self._connections, self._plan, self._tally, now, until, self._budget, self)
        self._budget -= done
        self._tally.begun += done
        self._tally.answered += done
        if done:
            self._last_answer = self._clock()

    def _wait(self, wake: int) -> list[tuple[int, int]]:
        left = max(0, wake - self._clock()) / SECOND
        if self._schedule is None:
            return self._connections.epoll.poll(left)
        # epoll_wait(2) counts in milliseconds, select(2) in microseconds; one may wait for the other.
        if left:
            select.select([self._connections.epoll], [], [], left)
        return self._connections.epoll.poll(0)

    def event(self, connection: Connection, mask: int) -> None:
        """Deal with what epoll told of one."""
        if connection.connecting:
            self._connections.connect_event(connection, self._clock())
            return
        if mask & OUT:
            self._connections.flush(connection, self._clock())
        if mask & ~OUT and connection.sock is not None:
            try:
                data = os.read(connection.fd, self._read)
            except OSError as error:
                self.not_received(connection, error)
                return
            self.received(connection, data, self._clock())

    def not_received(self, connection: Connection, error: OSError) -> None:
        """Deal with a `read` that gave an error."""
        if not isinstance(error, BlockingIOError):
            self._connections.fail(connection, "recv", named(error), self._clock())

    def received(self, connection: Connection, data: bytes, now: int) -> None:
        """Deal with what a `read` gave."""
        exchange, answered = connection.exchange, self._tally.answered
        was_ready = exchange.ready
        if not data and not self._plan.datagrams:
            self._connections.fail(connection, "recv" if was_ready else "handshake", EOF, now)
            return
        try:
            ended = exchange.take(data, now)
        except BrokenError as error:
            self._broken(connection, error, now)
            return
        finally:
            if self._tally.answered != answered:
                connection.failures, self._last_answer = 0, now
        if ended and self._plan.reconnect:
            self._connections.close(connection)
        if ended or exchange.ready != was_ready:
            self._can_send(connection, now)

    def _broken(self, connection: Connection, error: BrokenError, now: int) -> None:
        if self._plan.datagrams:
            self._tally.fail(error.call, error.what)
            return
        if connection.exchange.outstanding:
            self._tally.mismatched += 1
            self._tally.cut -= 1  # one of those that are cut off now
        self._connections.fail(connection, error.call, error.what, now)

    def _resume(self, connection: Connection, now: int) -> None:
        if self._plan.reconnect:
            self._can_send(connection, now)
        else:
            self._connections.open(connection, now)

    def _can_send(self, connection: Connection, now: int) -> None:
        """There may be room for requests on a connection, or for a connection."""
        if connection.at is not None:
            at, connection.at = connection.at, None
            connection.asked_at = at
            self._connections.send(connection, connection.exchange.ask(1, at, now), now)
        elif not self._sending:
            return
        elif self._schedule is not None:
            if connection.free_since is None and self._room(connection):
                connection.free_since = now
                self._free.append(connection)
        else:
            while (count := min(self._room(connection), self._budget)) > 0:
                self._ask(connection, 1 if self._plan.records else count, now, now)

    def _dispatch(self, now: int, most: int = _BURST) -> None:
        """Send what the schedule has due, as far as there is room."""
        schedule, free = self._schedule, self._free
        if schedule is None or not self._sending:
            return
        for _ in range(most):
            if schedule.due is None or schedule.due > now or not free or not self._budget:
                break
            connection = free.popleft()
            since, connection.free_since = connection.free_since, None
            if since is None or not self._room(connection):
                continue  # it will tell when it can be used again
            due = schedule.due
            schedule.take()
            now = self._clock()
            self._tally.waited += since > due
            self._tally.lag.record(now - max(since, due))
            self._ask(connection, 1, due, now)
            if self._room(connection):
                connection.free_since = since
                free.append(connection)

    def _room(self, connection: Connection) -> int:
        """How many requests may be sent on it now; 1 where it may be opened for one."""
        if self._plan.reconnect:
            return int(connection.sock is None and not connection.paused)
        return self._plan.in_flight - connection.exchange.outstanding if connection.usable else 0

    def _ask(self, connection: Connection, count: int, at: int, now: int) -> None:
        self._budget -= count
        self._tally.begun += count
        if self._plan.reconnect:
            connection.at = at
            self._connections.open(connection, now)
            return
        if connection.asked_at is None:
            connection.asked_at = at
        self._connections.send(connection, connection.exchange.ask(count, at, now), now)


def _read_size(plan: Plan) -> int:
    """How much to ask `read` for: all answers that may come at once, and a byte that nobody asked for."""
    if plan.protocol == "framed":
        return _FRAMES_MOST
    if plan.records:
        return plan.size + 1
    return max(_READ_LEAST, min(_READ_MOST, plan.in_flight * plan.size + 1))
