"""Where the load goes: the server's address, found by a first connection; and whether we may open many."""

import os
import resource
import socket
from dataclasses import dataclass
from typing import Final

from services.client.calls import Tell, perform, resolve
from services.client.load.plan import Plan, Transport
from services.client.signals import from_thread
from services.client.steps import FAMILIES
from services.client.words import explained
from services.messages import ServiceError
from services.unix_socket import address_of
from socketlab.wire import Outcome

_KINDS: Final[dict[Transport, socket.SocketKind]] = {
    "tcp": socket.SOCK_STREAM,
    "udp": socket.SOCK_DGRAM,
    "unix-stream": socket.SOCK_STREAM,
    "unix-dgram": socket.SOCK_DGRAM,
    "unix-seqpacket": socket.SOCK_SEQPACKET,
}
_SPARE: Final = 16
"""Descriptors for what is opened besides connections: epoll, signals, a module that is imported late."""


class NobodyError(ServiceError):
    """Nobody is there to make a load on."""


class DescriptorsError(ServiceError):
    """The process may not open as many connections."""


@dataclass(frozen=True, slots=True)
class Target:
    """The server's address.

    Args:
        family: of its sockets.
        kind: SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET.
        address: what `connect` takes.
    """

    family: socket.AddressFamily
    kind: socket.SocketKind
    address: tuple[str, int] | str

    def __str__(self) -> str:
        if isinstance(self.address, str):
            return self.address.replace("\0", "@", 1)
        host, port = self.address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def socket(self) -> socket.socket:
        """A new socket for it, which does not block.

        Raises:
            OSError: none is to be had.
        """
        sock = socket.socket(self.family, self.kind | socket.SOCK_NONBLOCK)
        try:
            if self.family != socket.AF_UNIX and self.kind == socket.SOCK_STREAM:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            elif self.family == socket.AF_UNIX and self.kind == socket.SOCK_DGRAM:
                sock.bind("")  # a name that the kernel chooses, for answers to go to (unix(7), autobind)
        except OSError:
            sock.close()
            raise
        return sock


def find(plan: Plan) -> tuple[Target, socket.socket]:
    """Connect to the first of the server's addresses that lets itself be connected to.

    Datagram sockets always let themselves: their first address is taken.

    Returns:
        the address, and the connection that proves it, which does not block.

    Raises:
        NobodyError: no address does, or the name has none.
    """
    told: list[Outcome] = []
    for target in _addresses(plan, told.append):
        try:
            return target, _connected(target, plan.timeout, told.append)
        except OSError:
            continue  # it was told
    raise NobodyError("load.nobody", seen=_last(told))


def _last(told: list[Outcome]) -> str:
    """What the last call gave, explained."""
    return "".join(map(explained, told[-1:]))


def _addresses(plan: Plan, tell: Tell) -> list[Target]:
    kind = _KINDS[plan.transport]
    if plan.transport.startswith("unix"):
        return [Target(socket.AF_UNIX, kind, address_of(plan.host))]
    family = socket.AF_UNSPEC if plan.family is None else FAMILIES[plan.family]
    try:
        # In a thread: Ctrl-C need not wait for a resolver.
        [found] = from_thread(resolve(*asked, tell) for asked in [(plan.host, plan.port, family, kind)])
    except (OSError, ValueError):
        return []  # it was told
    return [Target(each, kind, address) for each, address in found]


def _connected(target: Target, timeout: float, tell: Tell) -> socket.socket:
    sock = target.socket()
    try:
        sock.settimeout(timeout)
        perform(f"connect({target})", lambda: sock.connect(target.address), tell)
        sock.setblocking(False)  # noqa: FBT003 - its only parameter
    except BaseException:
        sock.close()
        raise
    return sock


def allow_descriptors(connections: int) -> int | None:
    """See to it that the process may open so many connections at once.

    Returns:
        the soft limit that was raised for it, as far as the hard one allows; None: it was enough.

    Raises:
        DescriptorsError: the hard limit is too low (getrlimit(2)).
    """
    needed = connections + len(os.listdir("/proc/self/fd")) + _SPARE  # noqa: PTH208 - names, not paths
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or needed <= soft:
        return None
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise DescriptorsError("load.descriptors", needed=needed, limit=hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    return soft
