"""The tour's steps: what is called, and what it is documented to give.

Theory of operation
    A few short functions make real calls; `TOUR` says where each step makes which of them, and the one
    outcome that it must have there. The last call that is made decides: an earlier one that fails ends the
    step and is then the last. Why the outcome is what it is says the catalogue, under `tour.why.<id>`.
"""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from services import ports
from services.client.calls import Address, Tell, ToldSocket, resolve
from services.client.expectation import OWN_TIMER, Expectation, raises, returns
from services.client.timeclass import IMMEDIATE, NAME_LOOKUP, NEIGHBOUR_LOST, after_timer, reject_is_felt
from socketlab.wire.fault import Family

Group: TypeAlias = Literal["talk", "nobody", "silence", "firewall", "end"]

NO_SUCH_NAME: Final = "no.invalid"
"""No resolver ever knows a name under `.invalid` (RFC 6761 6.4)."""

FAMILIES: Final = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """The hosts that the tour visits.

    Args:
        family: of all its calls.
        server: name of the server's host.
        server_ip: its address.
        unused: an address of the own subnet that nobody has.
        unrouted: an address that this host's routing table leads nowhere.
    """

    family: Family
    server: str
    server_ip: str
    unused: str
    unrouted: str


@dataclass(frozen=True, slots=True)
class Caller:
    """Makes the sockets of one step; every call on them is told.

    Args:
        lab: the hosts.
        timeout: seconds that each call may take.
        tell: is told each outcome.
    """

    lab: Lab
    timeout: float
    tell: Tell

    def tcp(self) -> ToldSocket:
        """A TCP socket."""
        return self._socket(socket.SOCK_STREAM)

    def udp(self) -> ToldSocket:
        """A UDP socket."""
        return self._socket(socket.SOCK_DGRAM)

    def _socket(self, kind: socket.SocketKind) -> ToldSocket:
        hosts = {self.lab.server: self.lab.server_ip}
        return ToldSocket(FAMILIES[self.lab.family], kind, self.tell, self.timeout, hosts)


def connect(call: Caller, address: Address) -> None:
    """Connect, no more."""
    with call.tcp() as sock:
        sock.connect(address)


def tcp_ask(call: Caller, address: Address) -> None:
    """Send a line over TCP and read what comes."""
    with call.tcp() as sock:
        sock.connect(address)
        sock.sendall(b"hello\n")
        sock.recv(100)


def udp_ask(call: Caller, address: Address) -> None:
    """Send a datagram and wait for one."""
    with call.udp() as sock:
        sock.connect(address)
        sock.sendall(b"hello\n")
        sock.recv(100)


def say_bye(call: Caller, address: Address) -> None:
    """End a chat by a line in two segments: Nagle holds the second until the first is acknowledged."""
    with call.tcp() as sock:
        sock.connect(address)
        sock.sendall(b"b")
        sock.sendall(b"ye\n")
        sock.recv_to_end()


def half_close(call: Caller, address: Address) -> None:
    """Send, close the own side, and read on to the end."""
    with call.tcp() as sock:
        sock.connect(address)
        sock.sendall(b"all of it")
        sock.shutdown()
        sock.recv_to_end()


def have_it_killed(call: Caller, address: Address) -> None:
    """Have the server killed in the middle of a connection."""
    with call.tcp() as sock:
        sock.connect(address)
        sock.sendall(b"kill\n")
        sock.recv(100)


def look_up(call: Caller, address: Address) -> None:
    """Look up a name that nobody has."""
    _, port = address
    resolve(NO_SUCH_NAME, port, FAMILIES[call.lab.family], socket.SOCK_STREAM, call.tell)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the tour.

    Args:
        id: its name; part of the interface.
        group: under which heading it stands.
        make: makes the calls.
        port: where it calls.
        to: whose address it calls, a field of `Lab`.
        timeout: seconds that each call may take.
        expects: the documented outcome.
        expects6: the one on IPv6, where it is another.
    """

    id: str
    group: Group
    make: Callable[[Caller, Address], None]
    port: int
    to: Literal["server", "unused", "unrouted"] = "server"
    timeout: float = 5.0
    expects: Expectation
    expects6: Expectation | None = None

    def expected(self, family: Family) -> Expectation:
        """The documented outcome on a family."""
        return self.expects6 if family == "ipv6" and self.expects6 is not None else self.expects

    def address(self, lab: Lab) -> Address:
        """Where it calls."""
        return {"server": lab.server, "unused": lab.unused, "unrouted": lab.unrouted}[self.to], self.port


_REFUSED: Final = raises("connect", ConnectionRefusedError, "ECONNREFUSED", when=IMMEDIATE)

TOUR: Final = (
    Step(
        id="tcp-echo",
        group="talk",
        make=tcp_ask,
        port=ports.ECHO,
        expects=returns("recv", b"hello\n", when=IMMEDIATE),
    ),
    Step(
        id="udp-echo",
        group="talk",
        make=udp_ask,
        port=ports.ECHO,
        expects=returns("recv", b"hello\n", when=IMMEDIATE),
    ),
    Step(
        id="chat-bye",
        group="talk",
        make=say_bye,
        port=ports.CHAT,
        expects=returns("recv", b"bye\n", when=IMMEDIATE),
    ),
    Step(
        id="half-close",
        group="talk",
        make=half_close,
        port=ports.ECHO,
        expects=returns("recv", b"all of it", when=IMMEDIATE),
    ),
    Step(
        id="no-such-name",
        group="nobody",
        make=look_up,
        port=ports.ECHO,
        expects=raises("getaddrinfo", socket.gaierror, "EAI_NONAME", "EAI_AGAIN", when=NAME_LOOKUP),
    ),
    Step(id="closed-port", group="nobody", make=connect, port=ports.CLOSED, expects=_REFUSED),
    Step(
        id="closed-udp-port",
        group="nobody",
        make=udp_ask,
        port=ports.CLOSED,
        expects=raises("recv", ConnectionRefusedError, "ECONNREFUSED", when=IMMEDIATE),
    ),
    Step(id="loopback-only", group="nobody", make=connect, port=ports.LOOPBACK_ONLY, expects=_REFUSED),
    Step(
        id="host-unreachable",
        group="nobody",
        make=connect,
        port=ports.ECHO,
        to="unused",
        timeout=20.0,  # only a bound: the kernel gives up long before
        expects=raises("connect", OSError, "EHOSTUNREACH", when=NEIGHBOUR_LOST),
    ),
    Step(
        id="network-unreachable",
        group="nobody",
        make=connect,
        port=ports.ECHO,
        to="unrouted",
        expects=raises("connect", OSError, "ENETUNREACH", when=IMMEDIATE),
    ),
    Step(
        id="full-backlog",
        group="silence",
        make=connect,
        port=ports.BACKLOG_FULL,
        timeout=1.0,
        expects=raises("connect", TimeoutError, OWN_TIMER, when=after_timer(1.0)),
    ),
    Step(
        id="dropped",
        group="silence",
        make=connect,
        port=ports.DROPPED,
        timeout=1.0,
        expects=raises("connect", TimeoutError, OWN_TIMER, when=after_timer(1.0)),
    ),
    Step(
        id="read-timeout",
        group="silence",
        make=tcp_ask,
        port=ports.SILENT,
        timeout=0.5,
        expects=raises("recv", TimeoutError, OWN_TIMER, when=after_timer(0.5)),
    ),
    Step(
        id="udp-timeout",
        group="silence",
        make=udp_ask,
        port=ports.SILENT,
        timeout=0.5,
        expects=raises("recv", TimeoutError, OWN_TIMER, when=after_timer(0.5)),
    ),
    Step(id="rejected-by-reset", group="firewall", make=connect, port=ports.REJECTED_RST, expects=_REFUSED),
    Step(
        id="rejected-by-icmp",
        group="firewall",
        make=connect,
        port=ports.REJECTED_ICMP,
        expects=raises(
            "connect", OSError, "EHOSTUNREACH", when=reject_is_felt("icmp-admin", "ipv4", blocking=False)
        ),
        expects6=raises(
            "connect", PermissionError, "EACCES", when=reject_is_felt("icmp6-admin", "ipv6", blocking=False)
        ),
    ),
    Step(
        id="reset-by-peer",
        group="end",
        make=tcp_ask,
        port=ports.RESETS,
        expects=raises("recv", ConnectionResetError, "ECONNRESET", when=IMMEDIATE),
    ),
    Step(
        id="server-killed",
        group="end",
        make=have_it_killed,
        port=ports.KILLED,
        expects=returns("recv", b"", when=IMMEDIATE),
    ),
)
"""The steps, in the order in which the tour makes them."""
