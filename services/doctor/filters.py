"""Tries of what faults are made of: a table with an owner, a queue to a program, answers that refuse.

Each raises NetlinkError or OSError where the machine cannot: a rule that the kernel takes and that does not
bite is a TimeoutError. They rely on the loopback interface being up.
"""

import os
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from errno import ENOMSG
from typing import Final

from services.doctor.links import SECONDS
from services.netlink import nftables
from services.netlink.attributes import attribute
from services.netlink.connection import NETFILTER, Connection
from services.netlink.errors import NetlinkError
from services.netlink.message import ACK, ERROR, REQUEST, Request, acknowledgement, split

_TABLE: Final = "doctor"
_CHAIN: Final = "try"
_PRIORITY: Final = 0
_QUEUE: Final = 7
_QUEUE_SUBSYSTEM: Final = 3 << 8
_PACKET, _CONFIG = 0, 2
_BIND, _COPY = 1, 2
_COPY_WHOLE: Final = 2
IPV4, IPV6 = bytes([2]), bytes([10])
"""Families, as nft's `meta nfproto` has them (NFPROTO_*)."""
_PORT_UNREACHABLE: Final = {IPV4: 3, IPV6: 4}
_LOOPBACK: Final = {IPV4: (socket.AF_INET, "127.0.0.1"), IPV6: (socket.AF_INET6, "::1")}


@contextmanager
def owned_table(*rules: Sequence[bytes]) -> Iterator[None]:
    """A table that this process owns, with these rules for what arrives; gone at the end."""
    with closing(Connection(NETFILTER)) as connection:
        connection.transact(
            nftables.batch(
                [
                    nftables.new_owned_table(_TABLE),
                    nftables.new_base_chain(_TABLE, _CHAIN, nftables.INPUT, _PRIORITY),
                    *(nftables.new_rule(_TABLE, _CHAIN, rule, "try") for rule in rules),
                ]
            )
        )
        yield


def owner() -> None:
    """Make a table with an owner twice: the second is refused, unless the first went with its socket."""
    for _ in range(2):
        with owned_table([nftables.counter()]):
            pass


def _to(protocol: int, port: int) -> tuple[bytes, ...]:
    """The expressions that pick packets of a protocol to a port."""
    return (
        nftables.meta(nftables.L4PROTO),
        nftables.compare(nftables.EQUAL, bytes([protocol])),
        nftables.payload(nftables.TRANSPORT, 2, 2),
        nftables.compare(nftables.EQUAL, struct.pack(">H", port)),
    )


@contextmanager
def _receiver(family: bytes) -> Iterator[tuple[socket.socket, int]]:
    """A socket that is connected to a port of this host which takes datagrams, and that port."""
    kind, address = _LOOPBACK[family]
    with (
        socket.socket(kind, socket.SOCK_DGRAM) as taking,
        socket.socket(kind, socket.SOCK_DGRAM) as sending,
    ):
        taking.bind((address, 0))
        sending.connect(taking.getsockname())
        sending.settimeout(SECONDS)
        yield sending, taking.getsockname()[1]


def queue_native() -> None:
    """Have a datagram handed to this program by nft's own expression."""
    queued(nftables.queue(_QUEUE))


def queue_compat() -> None:
    """Have a datagram handed to this program by the target of xtables."""
    queued(nftables.target("NFQUEUE", 3, struct.pack("=HHHH", _QUEUE, 1, 0, 0)))


def queued(verdict: bytes) -> None:
    """Have a datagram handed to this program by a rule that ends with this verdict."""
    with (
        _receiver(IPV4) as (sending, port),
        owned_table([*_to(socket.IPPROTO_UDP, port), verdict]),
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETFILTER) as queue,
    ):
        queue.settimeout(SECONDS)
        queue.bind((0, 0))
        _configure(queue, attribute(_BIND, struct.pack(">BBH", 1, 0, 0)))
        _configure(queue, attribute(_COPY, struct.pack(">IB", 0xFFFF, _COPY_WHOLE)))
        sending.send(b"hold me")
        while all(reply.type != _QUEUE_SUBSYSTEM | _PACKET for reply in split(queue.recv(65536))):
            pass


def _configure(queue: socket.socket, setting: bytes) -> None:
    head = struct.pack(">BBH", socket.AF_UNSPEC, 0, _QUEUE)
    request = Request("NFQNL_MSG_CONFIG", _QUEUE_SUBSYSTEM | _CONFIG, REQUEST | ACK, head + setting)
    queue.send(request.pack(1))
    for reply in split(queue.recv(65536)):
        if reply.type == ERROR and (answer := acknowledgement(reply)).errno:
            raise NetlinkError(request.name, answer.errno, answer.why)


def reject_ipv4() -> None:
    """Have a datagram refused by ICMP, and a connection by a reset."""
    refused(IPV4)


def reject_ipv6() -> None:
    """The same over IPv6."""
    refused(IPV6)


def refused(family: bytes) -> None:
    """Have a datagram and a connection of a family refused."""
    kind, address = _LOOPBACK[family]
    only = (nftables.meta(nftables.NFPROTO), nftables.compare(nftables.EQUAL, family))
    with (
        _receiver(family) as (sending, port),
        socket.socket(kind, socket.SOCK_STREAM) as listener,
        socket.socket(kind, socket.SOCK_STREAM) as calling,
    ):
        listener.bind((address, 0))
        listener.listen()
        by_icmp = nftables.reject(nftables.ICMP, _PORT_UNREACHABLE[family])
        by_reset = nftables.reject(nftables.TCP_RESET, 0)
        rules = (
            [*only, *_to(socket.IPPROTO_UDP, port), by_icmp],
            [*only, *_to(socket.IPPROTO_TCP, listener.getsockname()[1]), by_reset],
        )
        with owned_table(*rules):
            sending.send(b"refuse me")
            with _refusal():
                sending.recv(100)
            calling.settimeout(SECONDS)
            with _refusal():
                calling.connect(listener.getsockname())


@contextmanager
def _refusal() -> Iterator[None]:
    """What is done here is refused, else it is an error."""
    with suppress(ConnectionRefusedError):
        yield
        raise OSError(ENOMSG, os.strerror(ENOMSG))
