"""The fast loop: echoes, in a closed loop, where the requests of a connection are sent and answered at once.

Theory of operation
    What this loop takes for a request, the server seems to take. So it makes three system calls (epoll_wait
    for many, read, write), notes the time once, and calls no function of ours: what arrives is compared
    with what was sent (`Exchange.whole`), the time is recorded as `Histogram.record` does, and the next
    request is sent. The same reading of the clock ends one request and begins the next. While others are
    dealt with an answer waits, as it would at any client that busy, and that is in its latency. An event that
    is anything else, it hands over, and ends after the events that it has.
"""

import os
from typing import Final, Protocol

from services.client.load.connections import IN, Connection, Connections
from services.client.load.hdr import PRECISION
from services.client.load.plan import SECOND, Plan
from services.client.load.tally import Tally

_HALF: Final = PRECISION - 1


class Other(Protocol):
    """Deals with what is no plain answer."""

    def event(self, connection: Connection, mask: int) -> None:
        """Any event but that there is something to read."""

    def received(self, connection: Connection, data: bytes, now: int) -> None:
        """What a `read` gave."""

    def not_received(self, connection: Connection, error: OSError) -> None:
        """A `read` that gave an error."""


def volley(
    connections: Connections, plan: Plan, tally: Tally, now: int, until: int, budget: int, other: Other
) -> int:
    """Send, receive, and record latencies.

    Args:
        connections: those to use.
        plan: its `size` and `in_flight`.
        tally: gets the latencies, and no other count.
        now: in ns.
        until: when to return, in ns.
        budget: how many requests may be begun.
        other: deals with all that is no plain answer.

    Returns:
        how many requests were answered, and as many were begun after them.
    """
    by_fd, exchanges, counts = connections.by_fd, connections.exchanges, tally.latency.counts
    poll, read, write, clock = connections.epoll.poll, os.read, os.write, connections.clock
    times = plan.in_flight
    size = times * plan.size
    more = size + 1  # a byte that nobody asked for is to be seen
    most = budget - times * len(by_fd)
    done = 0
    plain = True
    while plain and done <= most and now < until:
        events = poll((until - now) / SECOND)
        if not events:
            break
        for fd, mask in events:
            if mask != IN:
                plain = False
                other.event(by_fd[fd], mask)
                continue
            try:
                exchange = exchanges[fd]
                data = read(fd, more)
            except KeyError:  # the signals' descriptor
                plain = False
                continue
            except OSError as error:
                plain = False
                other.not_received(by_fd[fd], error)
                continue
            now = clock()
            if data != exchange.whole:
                plain = False
                other.received(by_fd[fd], data, now)
                continue
            taken = now - exchange.at
            shift = (taken >> PRECISION).bit_length()
            counts[(shift << _HALF) + (taken >> shift)] += times
            exchange.at = now
            exchange.whole = payload = next(exchange.payloads)
            done += times
            try:
                count = write(fd, payload)
            except OSError as error:
                plain = False
                connections.not_sent(by_fd[fd], payload, error, now)
                continue
            if count != size:
                plain = False
                connections.keep(by_fd[fd], memoryview(payload)[count:])
    return done
