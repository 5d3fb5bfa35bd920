"""One case, measured: five kinds of calls at once, each bounded by a timer, and what they gave."""

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from errno import errorcode
from typing import Final

from scripts.machine.effects.cases import PORT, Case
from socketlab.faults.effects import COLUMNS, Column, Effect, When
from socketlab.faults.words import fault_of_lab
from socketlab.hosts.host import Host
from socketlab.hosts.lab import Lab
from socketlab.sockets import Socket
from socketlab.wire.match import Family

SYSCTLS: Final = {"net.ipv4.tcp_syn_retries": 1}
TIMERS: Final[dict[str, float]] = {
    "tcp-connect-timeout": 2.5,
    "tcp-established": 1.5,
    "udp-connected": 1.0,
    "udp-unconnected": 1.0,
}
BLOCKING_SECONDS: Final = 15.0
"""Longer than any call that waits for the kernel's own timers here."""
_SECOND_SYN: Final = (0.9, 1.9)
"""Seconds: TCP sends it again after 1 s (RFC 6298 2.1)."""
_IMMEDIATE: Final = 0.45
_FAMILY: Final = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
_SERVED_SECONDS: Final = 5.0
_DISCOVER, _DO, _DISCOVER6, _DO6 = 10, 2, 23, 2
"""IP_MTU_DISCOVER, IP_PMTUDISC_DO and their likes of IPv6 (linux/in.h, linux/in6.h)."""


@dataclass(slots=True)
class _Seen:
    """What a row of calls gave, and when it was over."""

    value: str = ""
    error: OSError | None = None
    seconds: float = 0.0


def serve(server: Host) -> None:
    """Start what answers: an echo on TCP and UDP."""
    server.serve(style="threaded", transport="both", port=PORT)


def measure(lab: Lab, case: Case) -> dict[Family, dict[Column, Effect]]:
    """Put a case in force on a lab with the hosts `client` and `server`, and make all kinds of calls at once.

    Args:
        lab: its server serves already.
        case: the fault.

    Returns:
        What each kind of call gave, in each of the case's families.
    """
    client, server = lab["client"], lab["server"]
    targets = {"ipv4": server.address, "ipv6": str(server.address6)}
    words = [case.fault.format(family=family, peer=targets[family]) for family in case.families]
    with ExitStack() as stack:
        established = {
            family: stack.enter_context(_connected(client, family, targets[family]))
            for family in case.families
        }
        pool = stack.enter_context(ThreadPoolExecutor(len(COLUMNS) * len(case.families)))
        faults = [fault_of_lab(each.split()) for each in dict.fromkeys(words)]
        for fault in faults:
            stack.enter_context(lab.faults.apply(fault, on=case.on))
        running = {
            family: {
                column: pool.submit(act)
                for column, act in _steps(client, family, targets[family], case, established[family]).items()
            }
            for family in case.families
        }
        seen = {
            family: {name: each.result() for name, each in row.items()} for family, row in running.items()
        }
    own = _own_time(faults[0])
    return {
        family: {name: _effect(name, each, own) for name, each in row.items()} for family, row in seen.items()
    }


def _steps(
    client: Host, family: Family, target: str, case: Case, established: Socket
) -> dict[Column, Callable[[], _Seen]]:
    return {
        "tcp-connect": lambda: _connect(client, family, target, None),
        "tcp-connect-timeout": lambda: _connect(client, family, target, TIMERS["tcp-connect-timeout"]),
        "tcp-established": lambda: _talk(established, case),
        "udp-connected": lambda: _datagram(client, family, target, case, connected=True),
        "udp-unconnected": lambda: _datagram(client, family, target, case, connected=False),
    }


@contextmanager
def _connected(client: Host, family: Family, target: str) -> Iterator[Socket]:
    """A connection from before the fault, with which a byte has come back."""
    with client.socket(_FAMILY[family], socket.SOCK_STREAM) as made:
        made.settimeout(_SERVED_SECONDS)
        made.connect((target, PORT))
        made.sendall(b"!")
        if made.recv(1) != b"!":
            raise AssertionError("the server does not echo")
        yield made


def _own_time(fault: object) -> float | None:
    """How long a fault itself makes packets wait; None: it does not."""
    found = getattr(fault, "seconds", None)
    return found if isinstance(found, float) else None


def _timed(act: Callable[[], str]) -> _Seen:
    seen = _Seen()
    started = time.monotonic()
    try:
        seen.value = act()
    except OSError as error:
        seen.error = error
    seen.seconds = time.monotonic() - started
    return seen


def _connect(client: Host, family: Family, target: str, timeout: float | None) -> _Seen:
    with client.socket(_FAMILY[family], socket.SOCK_STREAM) as made:
        made.settimeout(timeout)

        def act() -> str:
            made.begin.connect((target, PORT)).result(timeout=BLOCKING_SECONDS)
            return "connected"

        return _timed(act)


def _talk(made: Socket, case: Case) -> _Seen:
    made.settimeout(TIMERS["tcp-established"])
    data = bytes(range(97, 102)) * (case.size // 5)

    def act() -> str:
        made.sendall(data)
        back = b""
        while len(back) < len(data):
            piece = made.recv(len(data))
            if not piece:
                return "end of stream"
            back += piece
        return "echo" if back == data else "other bytes"

    return _timed(act)


def _datagram(client: Host, family: Family, target: str, case: Case, *, connected: bool) -> _Seen:
    with client.socket(_FAMILY[family], socket.SOCK_DGRAM) as made:
        made.settimeout(TIMERS["udp-connected"])
        if not case.fragment:
            v6 = family == "ipv6"
            level = socket.IPPROTO_IPV6 if v6 else socket.IPPROTO_IP
            made.setsockopt(level, _DISCOVER6 if v6 else _DISCOVER, _DO6 if v6 else _DO)
        data = bytes(range(97, 102)) * (case.size // 5)

        def act() -> str:
            if connected:
                made.connect((target, PORT))
                made.send(data)
            else:
                made.sendto(data, (target, PORT))
            back = made.recv(2 * len(data))
            return "echo" if back == data else "other bytes"

        return _timed(act)


def _effect(column: Column, seen: _Seen, fault_seconds: float | None) -> Effect:
    error = seen.error
    outcome = seen.value if error is None else type(error).__name__
    named = None
    if error is not None and error.errno is not None:
        named = errorcode[error.errno]
    when, seconds = _when(column, seen, named, fault_seconds)
    return Effect(outcome=outcome, errno=named, when=when, seconds=seconds)


def _when(
    column: Column, seen: _Seen, named: str | None, fault_seconds: float | None
) -> tuple[When, float | None]:
    took = seen.seconds
    if seen.error is not None and named is None:
        return "never by itself", None
    if fault_seconds is not None and took >= fault_seconds:
        return "after a timer", fault_seconds
    if took < _IMMEDIATE:
        return "immediate", None
    if column.startswith("tcp-connect") and _SECOND_SYN[0] <= took < _SECOND_SYN[1]:
        return "at the second SYN", None
    return "after a timer", float(round(took))
