"""Socket calls that are told: what each one gave, as an `Outcome`.

Theory of operation
    `perform` makes one call and tells its outcome before it returns or raises what the call did; `attempt` is
    the same for a caller who wants the outcome only. `ToldSocket` has the methods of `socket.socket`, each
    made by `perform`: code that uses it reads like the textbook, and who listens gets every call in order.
"""

import contextlib
import errno
import logging
import socket
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final, Self, TypeAlias, TypeVar

from socketlab.wire import Event, Outcome, Raised, Returned, Value

Tell: TypeAlias = Callable[[Outcome], None]
Address: TypeAlias = tuple[str, int]
T = TypeVar("T", bound=Value)

LOG: Final = logging.getLogger(__name__)
"""Every call, for `--debug`. Not loguru as in the server: its import takes longer than a conversation."""

RECV: Final = 16 * 1024
"""Bytes asked for by one `recv` of a stream; its base64 fits on one line of the wire."""

# `linux/in.h` and `linux/in6.h`; Python does not name them.
_IP_RECVERR: Final = 11
_IPV6_RECVERR: Final = 25
RECVERR: Final = {
    socket.AF_INET: (socket.IPPROTO_IP, _IP_RECVERR, "IPPROTO_IP, IP_RECVERR"),
    socket.AF_INET6: (socket.IPPROTO_IPV6, _IPV6_RECVERR, "IPPROTO_IPV6, IPV6_RECVERR"),
}
"""Level, option and spelling of what has the kernel report ICMP errors (ip(7), ipv6(7))."""

_EAI_NAMES: Final = {
    value: name for name, value in vars(socket).items() if name.startswith("EAI_") and isinstance(value, int)
}


def errno_name(error: Exception) -> str | None:
    """The symbolic name of an exception's errno.

    Returns:
        `ECONNREFUSED`; `EAI_NONAME` for the resolver's errors, which have numbers of their own
        (getaddrinfo(3)); None where Python set none, as when a socket's own timer ran out.
    """
    if not isinstance(error, OSError) or error.errno is None:
        return None
    names = _EAI_NAMES if isinstance(error, socket.gaierror) else errno.errorcode
    return names.get(error.errno, str(error.errno))


def perform(call: str, function: Callable[[], T], tell: Tell) -> T:
    """Make one call and tell what it gave.

    Args:
        call: the call as written, `connect(('server', 7000))`.
        function: makes it.
        tell: is told the outcome, before this returns or raises.

    Raises:
        OSError: what the call raised.
        ValueError: the same, for a name that cannot be encoded.
    """
    started = time.monotonic_ns()

    def over(ended: int, result: Returned | Raised) -> None:
        LOG.debug("%s -> %s in %.1f ms", call, result, (ended - started) / 1e6)
        tell(Outcome(call=call, result=result, started_ns=started, ended_ns=ended))

    try:
        value = function()
    except (OSError, ValueError) as error:
        over(time.monotonic_ns(), Raised(type(error).__name__, errno_name(error), str(error)))
        raise
    over(time.monotonic_ns(), Returned(value))
    return value


def attempt(call: str, function: Callable[[], Value]) -> Outcome:
    """Make one call; its outcome is what is returned, also when it raised (as `perform` says)."""
    told: list[Outcome] = []
    with contextlib.suppress(OSError, ValueError):  # it is in the outcome
        perform(call, function, told.append)
    return told[0]


def resolve(
    host: str, port: int, family: socket.AddressFamily, kind: socket.SocketKind, tell: Tell
) -> list[tuple[socket.AddressFamily, Address]]:
    """Ask the resolver for a host's addresses, in the order it prefers (RFC 6724).

    Returns:
        for each address its family and what `connect` takes.

    Raises:
        socket.gaierror: the name does not resolve (getaddrinfo(3)).
        ValueError: the name is none that a resolver could be asked for.
    """
    found: list[tuple[socket.AddressFamily, Address]] = []

    def look_up() -> str:
        for each, _, _, _, address in socket.getaddrinfo(host, port, family, kind):
            found.append((each, (str(address[0]), port)))
        return " ".join(ip for _, (ip, _) in found)

    perform(f"getaddrinfo({host!r}, {port})", look_up, tell)
    return found


class ToldSocket:
    """A socket whose calls are told.

    Args:
        family: AF_INET or AF_INET6.
        kind: SOCK_STREAM or SOCK_DGRAM.
        tell: is told the outcome of each call.
        timeout: seconds that each call may take (`settimeout`); None: it blocks.
        hosts: addresses of names that `connect` shall not look up again.
    """

    def __init__(
        self,
        family: socket.AddressFamily,
        kind: socket.SocketKind,
        tell: Tell,
        timeout: float | None = None,
        hosts: Mapping[str, str] | None = None,
    ) -> None:
        self._tell = tell
        self._hosts = hosts or {}
        self._open(family, kind)
        self._socket.settimeout(timeout)

    def _open(self, family: socket.AddressFamily, kind: socket.SocketKind) -> None:
        def make() -> str:
            self._socket = socket.socket(family, kind)
            return f"<socket fd={self._socket.fileno()}>"

        perform(f"socket({family.name}, {kind.name})", make, self._tell)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close it; not told, since it always succeeds."""
        self._socket.close()

    def settimeout(self, seconds: float | None) -> None:
        """As `socket.settimeout`."""
        self._socket.settimeout(seconds)

    def report_icmp_errors(self) -> None:
        """Have the kernel report every ICMP error, also the transient ones (ip(7), IP_RECVERR)."""
        level, option, name = RECVERR[socket.AddressFamily(self._socket.family)]
        perform(f"setsockopt({name}, 1)", lambda: self._socket.setsockopt(level, option, 1), self._tell)

    def connect(self, address: Address) -> None:
        """As `socket.connect`."""
        host, port = address
        numeric = (self._hosts.get(host, host), port)
        perform(f"connect({address})", lambda: self._socket.connect(numeric), self._tell)

    def sendall(self, data: bytes) -> None:
        """As `socket.sendall`; a datagram is sent by `send`, which takes it whole or not at all."""
        if self._socket.type == socket.SOCK_DGRAM:
            perform(f"send({shown(data)})", lambda: self._socket.send(data), self._tell)
        else:
            perform(f"sendall({shown(data)})", lambda: self._socket.sendall(data), self._tell)

    def shutdown(self) -> None:
        """As `socket.shutdown(SHUT_WR)`: half-close, the peer reads to the end and may still answer."""
        perform("shutdown(SHUT_WR)", lambda: self._socket.shutdown(socket.SHUT_WR), self._tell)

    def recv(self, size: int) -> bytes:
        """As `socket.recv`."""
        return perform(f"recv({size})", lambda: self._socket.recv(size), self._tell)

    def recv_to_end(self) -> bytes:
        """`recv` until the peer has closed; told as one call, with all that came."""

        def read() -> bytes:
            return b"".join(iter(lambda: self._socket.recv(RECV), b""))

        return perform("recv() until b''", read, self._tell)


def of_call(part: str, outcome: Outcome) -> Event:
    """The event that tells of a call, named `<part>.<call>`: `once.connect`."""
    name = outcome.call.partition("(")[0]
    returned = isinstance(outcome.result, Returned)
    return Event(
        name=f"{part}.{name}",
        phase="completed" if returned else "failed",
        at_ns=outcome.ended_ns,
        outcome=outcome,
    )


def shown(data: bytes, limit: int = 24) -> str:
    """Bytes as Python writes them; of long ones the beginning and how many there are."""
    return repr(data) if len(data) <= limit else f"{data[:limit]!r}... {len(data)} bytes"
