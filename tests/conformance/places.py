"""Where the tests of this folder take place: families, shared labs, and the conversations of two hosts."""

import itertools
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final

from socketlab.hosts.host import Host
from socketlab.hosts.lab import Lab, lab
from socketlab.hosts.plan import Record
from socketlab.hosts.spec import HostSpec, NetworkSpec, Plug
from socketlab.sockets import Socket

DEADLINE: Final = 20.0
"""Seconds that nothing here takes; a busy machine included."""
_PORTS = itertools.count(20000)

NAMED: Final = (
    Record(name="www.lab.test", kind="A", value="server"),
    Record(name="www.lab.test", kind="AAAA", value="server"),
    Record(name="alias.lab.test", kind="CNAME", value="www.lab.test"),
    Record(name="three.lab.test", kind="A", value="10.0.0.1"),
    Record(name="three.lab.test", kind="A", value="10.0.0.2"),
    Record(name="three.lab.test", kind="A", value="10.0.0.3"),
    Record(name="v4only.lab.test", kind="A", value="10.0.0.4"),
    Record(name="nodata.lab.test", kind="NODATA"),
    Record(name="gone.lab.test", kind="NXDOMAIN"),
    Record(name="servfail.lab.test", kind="SERVFAIL"),
    Record(name="refused.lab.test", kind="REFUSED"),
    Record(name="silence.lab.test", kind="SILENCE"),
)


TUNED: Final[dict[str, str | int]] = {
    "net.ipv4.tcp_syn_retries": 2,
    "net.ipv4.ip_local_port_range": "40000 40001",
}


@dataclass(frozen=True)
class Family:
    """IPv4 or IPv6."""

    number: socket.AddressFamily
    loopback: str
    wildcard: str

    def of(self, host: Host) -> str:
        """A host's address."""
        if self.number == socket.AF_INET:
            return host.address
        assert host.address6 is not None
        return host.address6

    def name(self, address: Sequence[Any]) -> tuple[Any, ...]:
        """An address as the kernel tells it: of IPv6 with flow and scope."""
        return (*address[:2], 0, 0) if self.number == socket.AF_INET6 else tuple(address[:2])


FAMILIES: Final = {
    "IPv4": Family(socket.AF_INET, "127.0.0.1", "0.0.0.0"),
    "IPv6": Family(socket.AF_INET6, "::1", "::"),
}


class Labs:
    """The labs that the tests of one worker share; each is made when it is first asked for."""

    def __init__(self, labels: dict[str, str], worker: int) -> None:
        self._labels = labels
        self._worker = worker
        self._open: dict[tuple[str, str], Lab] = {}
        self._stack = ExitStack()

    def plain(self, backend: str) -> Lab:
        """Hosts client, server and third."""
        return self._lab(
            "plain",
            backend,
            lambda: lab(hosts=["client", "server", "third"], backend=backend, labels=self._labels),
        )

    def named(self, backend: str) -> Lab:
        """Hosts client, server and dns, which serves `NAMED`."""
        hosts: list[str | HostSpec] = ["client", "server", HostSpec(name="dns", role="names", records=NAMED)]
        return self._lab("named", backend, lambda: lab(hosts=hosts, backend=backend, labels=self._labels))

    def shaped(self, backend: str) -> Lab:
        """Networks a, which is given, and b; hosts here (a; `TUNED`), there (b) and both; offloads on."""
        given = NetworkSpec(
            name="a",
            subnet=f"10.{200 + self._worker}.{os.getpid() % 250}.0/24",
            subnet6=f"fd00:77:77:{100 + self._worker}::/64",
        )
        address = (given.subnet or "").replace(".0/24", ".7")
        hosts = [
            HostSpec(name="here", plugs=(Plug(network="a", address=address),), sysctls=TUNED),
            HostSpec(name="there", plugs=(Plug(network="b"),)),
            HostSpec(name="both", plugs=(Plug(network="a"), Plug(network="b"))),
        ]
        networks = [given, NetworkSpec(name="b")]
        return self._lab(
            "shaped",
            backend,
            lambda: lab(hosts=hosts, networks=networks, offload=True, backend=backend, labels=self._labels),
        )

    def _lab(self, shape: str, backend: str, make: Callable[[], Lab]) -> Lab:
        key = (shape, backend)
        if key not in self._open:
            self._open[key] = self._stack.enter_context(make())
        return self._open[key]

    def close(self) -> None:
        """Close all of them."""
        self._stack.close()


@dataclass
class Talk:
    """A client and a server that speak one family. What is made by it is closed after the test."""

    lab: Lab
    family: Family
    client: Host
    server: Host
    stack: ExitStack = field(default_factory=ExitStack)

    def keep(self, sock: Socket) -> Socket:
        """Have a socket closed after the test."""
        return self.stack.enter_context(sock)

    def tcp(self, host: Host | None = None) -> Socket:
        """A TCP socket, of the client unless told."""
        return self.keep((host or self.client).socket(self.family.number, socket.SOCK_STREAM))

    def udp(self, host: Host | None = None, *, bound: bool = False) -> Socket:
        """A UDP socket, of the client unless told."""
        host = host or self.client
        sock = self.keep(host.socket(self.family.number, socket.SOCK_DGRAM))
        if bound:
            sock.bind((self.family.of(host), 0))
        return sock

    def unused(self, host: Host | None = None) -> tuple[str, int]:
        """An address of a host, the server unless told, with a port that nothing listens on."""
        return self.family.of(host or self.server), next(_PORTS)

    def listener(self, host: Host | None = None, backlog: int = 8) -> Socket:
        """A TCP socket that listens, on the server unless told."""
        host = host or self.server
        sock = self.tcp(host)
        sock.bind((self.family.of(host), 0))
        sock.listen(backlog)
        return sock

    def connection(self) -> tuple[Socket, Socket]:
        """A TCP connection: the client's end and the server's, both blocking."""
        listener = self.listener()
        near = self.tcp()
        near.connect(listener.getsockname())
        far, _ = listener.accept()
        self.keep(far)
        listener.close()
        return near, far

    def datagrams(self) -> tuple[Socket, Socket]:
        """Two UDP sockets, each connected with the other: the client's and the server's."""
        near, far = self.udp(self.client, bound=True), self.udp(self.server, bound=True)
        near.connect(far.getsockname())
        far.connect(near.getsockname())
        return near, far
