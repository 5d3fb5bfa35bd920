"""What a run of the load generator shall do, and when the next request is due. No I/O."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from services.messages import ServiceError

SECOND: Final = 1_000_000_000
"""In ns, as all times here."""

Transport: TypeAlias = Literal["tcp", "udp", "unix-stream", "unix-dgram", "unix-seqpacket"]
Protocol: TypeAlias = Literal["echo", "framed"]

_DATAGRAMS: Final[frozenset[Transport]] = frozenset({"udp", "unix-dgram"})
_RECORDS: Final = _DATAGRAMS | {"unix-seqpacket"}

ID_SIZE: Final = 8
"""Bytes of a datagram that tell which request it answers: an echo cannot be smaller."""
_LARGEST_DATAGRAM: Final = 65_507
"""Bytes: 65,535 of an IPv4 packet, less its header and that of UDP (RFC 768, RFC 791)."""
_LARGEST_STREAMED: Final = 16 * 1024 * 1024
_LARGEST_VALUE: Final = 60_000
"""Bytes of a `framed` request's value: with what stands around it, less than a server takes."""
_OUTSTANDING_MOST: Final = 128 * 1024 * 1024
"""Bytes of requests without an answer: they are kept, to be compared with it."""


class PlanError(ServiceError):
    """A plan that makes no sense."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the command line asks for.

    Args:
        transport: of the connections; with `unix-` the server is at `host`, a path, and `port` is 0.
        host: name, address or path (`@name`: an abstract Unix socket).
        port: of the server.
        family: `ipv4` or `ipv6`; None: whichever the name resolves to and connects first.
        protocol: what is spoken.
        connections: how many; of datagrams: how many sockets.
        in_flight: most requests on one connection that have no answer yet.
        size: bytes of a request's content, without what `framed` puts around it.
        duration: seconds to send for; None: `count` requests are sent.
        count: how many requests to send; None: it sends for `duration`.
        warm_up: seconds of the same before, that do not count.
        rate: requests per second in total, on a fixed schedule; None: the next follows the answer.
        reconnect: a new connection for each request.
        timeout: seconds for an answer, and for a connection.
        json: the result as JSON.
        progress: a line every second.
    """

    transport: Transport
    host: str
    port: int
    family: Literal["ipv4", "ipv6"] | None = None
    protocol: Protocol = "echo"
    connections: int = 1
    in_flight: int = 1
    size: int = 64
    duration: float | None = 10.0
    count: int | None = None
    warm_up: float = 0.0
    rate: float | None = None
    reconnect: bool = False
    timeout: float = 5.0
    json: bool = False
    progress: bool = False

    @property
    def datagrams(self) -> bool:
        """Whether requests may get lost, doubled, and late."""
        return self.transport in _DATAGRAMS

    @property
    def records(self) -> bool:
        """Whether each request is sent by itself, because the transport keeps apart what is sent apart."""
        return self.transport in _RECORDS

    def check(self) -> None:
        """See whether it makes sense.

        Raises:
            PlanError: it does not.
        """
        least, most = self._sizes()
        if not least <= self.size <= most:
            code = "load.size-datagram" if self.datagrams and self.size < least else "load.size"
            raise PlanError(code, least=least, most=most, seen=self.size)
        if self.reconnect and self.datagrams:
            raise PlanError("load.reconnect-datagrams")
        if self.reconnect and self.in_flight > 1:
            raise PlanError("load.reconnect-in-flight", seen=self.in_flight)
        outstanding = self.connections * self.in_flight * self.size
        if outstanding > _OUTSTANDING_MOST:
            raise PlanError("load.outstanding", most=_OUTSTANDING_MOST, seen=outstanding)

    def _sizes(self) -> tuple[int, int]:
        if self.protocol == "framed":
            return 0, _LARGEST_VALUE
        least = ID_SIZE if self.datagrams else 1
        return least, _LARGEST_DATAGRAM if self.records else _LARGEST_STREAMED


class Schedule:
    """When each request of an open loop is due: `start`, and then one every 1/rate seconds.

    The schedule never waits: a server that stalls finds the requests of that time due all at once, and each
    is late by as much as its user would have waited ("coordinated omission" is to leave them out).

    Args:
        rate: requests per second.
        start: when the first is due, in ns.
        end: when none is due any more; None: it goes on.
    """

    __slots__ = ("_end", "_gap", "_start", "due", "taken")

    def __init__(self, rate: float, start: int, end: int | None = None) -> None:
        self._start = start
        self._end = end
        self._gap = SECOND / rate
        self.taken = 0
        """How many were begun."""
        self.due: int | None = start
        """When the next is due, in ns; None: none is to come."""

    def take(self) -> None:
        """Begin the request that is due next."""
        self.taken += 1
        due = self._start + int(self.taken * self._gap)  # from the start on: no rounding adds up
        self.due = due if self._end is None or due < self._end else None

    def left(self) -> int:
        """How many requests were due by the end, and have not been begun.

        Only for a schedule with an end.
        """
        if self._end is None:
            return 0
        length = self._end - self._start
        total = int(length / self._gap)
        while int(total * self._gap) < length:  # the division was rounded, and may have been exact
            total += 1
        return max(0, total - self.taken)


def pause(failures: int) -> int:
    """How long to wait before a connection is opened again, in ns: never a busy loop, and a second at most.

    Args:
        failures: how often in a row it has failed, without an answer in between; 0: at once.
    """
    return 0 if failures <= 0 else min(SECOND, SECOND // 100 * 2 ** min(failures - 1, 10))
