"""A netlink socket: the one place of this package that does I/O."""

import os
import socket
from collections.abc import Iterable, Sequence
from errno import EINTR, ETIMEDOUT

from services.netlink.errors import NetlinkError
from services.netlink.message import (
    ACK,
    DONE,
    DUMP_INTERRUPTED,
    ERROR,
    Reply,
    Request,
    acknowledgement,
    split,
)

ROUTE = socket.NETLINK_ROUTE
NETFILTER = 12
"""linux/netlink.h; the socket module has no name for it."""
LINKS = 1
"""RTMGRP_LINK, the group that is told of links coming, changing and going (rtnetlink(7))."""

_SOL_NETLINK = 270
_CAP_ACK = 10
_EXT_ACK = 11
_LARGEST = 1 << 17
"""More than the kernel puts into one datagram of a dump (32 KiB)."""
_BUFFER = 1 << 22
"""Room for the acknowledgements of the largest batch: they all come before `send` returns."""
_TIMEOUT = 5.0
_DUMPS = 10
"""How often a dump is made again when what is dumped keeps changing."""


class Connection:
    """Requests to the kernel, one at a time.

    Args:
        protocol: `ROUTE` or `NETFILTER`.

    Raises:
        OSError: the kernel has no such protocol, or forbids it.
    """

    def __init__(self, protocol: int) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
        try:
            self._socket.setsockopt(_SOL_NETLINK, _CAP_ACK, 1)
            self._socket.setsockopt(_SOL_NETLINK, _EXT_ACK, 1)
            self._enlarge()
            self._socket.settimeout(_TIMEOUT)
            self._socket.bind((0, 0))
        except OSError:
            self._socket.close()
            raise
        self._sequence = 0

    def _enlarge(self) -> None:
        """Make room; beyond the system's maximum only who has NET_ADMIN in the first user namespace may."""
        for level, force, plain in (
            (socket.SOL_SOCKET, getattr(socket, "SO_RCVBUFFORCE", 33), socket.SO_RCVBUF),
            (socket.SOL_SOCKET, getattr(socket, "SO_SNDBUFFORCE", 32), socket.SO_SNDBUF),
        ):
            try:
                self._socket.setsockopt(level, force, _BUFFER)
            except PermissionError:
                self._socket.setsockopt(level, plain, _BUFFER)

    def transact(self, requests: Sequence[Request]) -> list[Reply]:
        """Send requests in one datagram and wait until the kernel has answered each that asks for it.

        Returns:
            What the kernel said besides: what it has made, for requests with `ECHO`.

        Raises:
            NetlinkError: the kernel refused one: the first in their order.
        """
        said: list[Reply] = []
        first = self._sequence + 1
        self._send(requests)
        waiting = {first + place for place, request in enumerate(requests) if request.flags & ACK}
        refused: dict[int, NetlinkError] = {}
        while waiting:
            for reply in self._receive(requests[0].name):
                place = reply.sequence - first
                if not 0 <= place < len(requests):
                    continue
                if reply.type != ERROR:
                    said.append(reply)
                    continue
                answer = acknowledgement(reply)
                if answer.errno:
                    refused[place] = NetlinkError(requests[place].name, answer.errno, answer.why)
                if answer.errno and reply.sequence not in waiting:
                    raise refused[place]  # the head of a batch: the rest of it is not answered
                waiting.discard(reply.sequence)
        if refused:
            raise refused[min(refused)]
        return said

    def ask(self, request: Request) -> Reply:
        """The one answer to a request for one thing, sent without `ACK`.

        Raises:
            NetlinkError: the kernel has none, or refused.
        """
        self._send([request])
        while True:
            for reply in self._receive(request.name):
                if reply.sequence != self._sequence:
                    continue
                if reply.type != ERROR:
                    return reply
                answer = acknowledgement(reply)
                raise NetlinkError(request.name, answer.errno, answer.why)

    def dump(self, request: Request) -> list[Reply]:
        """All answers to a request for a dump.

        Raises:
            NetlinkError: the kernel refused, or what is dumped did not keep still.
        """
        for _ in range(_DUMPS):
            self._send([request])
            replies = self._dumped(request)
            if replies is not None:
                return replies
        raise NetlinkError(request.name, EINTR, os.strerror(EINTR))

    def _dumped(self, request: Request) -> list[Reply] | None:
        """The answers of one dump; None: something changed meanwhile."""
        found: list[Reply] = []
        interrupted = False
        while True:
            for reply in self._receive(request.name):
                if reply.sequence != self._sequence:
                    continue
                interrupted |= bool(reply.flags & DUMP_INTERRUPTED)
                if reply.type not in {ERROR, DONE}:
                    found.append(reply)
                    continue
                answer = acknowledgement(reply)
                if answer.errno not in {0, EINTR}:
                    raise NetlinkError(request.name, answer.errno, answer.why)
                return None if interrupted or answer.errno else found

    def _send(self, requests: Iterable[Request]) -> None:
        packed = bytearray()
        for request in requests:
            self._sequence += 1
            packed += request.pack(self._sequence)
        self._socket.send(packed)

    def _receive(self, name: str) -> list[Reply]:
        """The messages of the next datagram from the kernel; others may write to a netlink socket too."""
        while True:
            try:
                data, (port, _groups) = self._socket.recvfrom(_LARGEST)
            except TimeoutError as error:
                raise NetlinkError(name, ETIMEDOUT, os.strerror(ETIMEDOUT)) from error
            if port == 0:
                return split(data)

    def close(self) -> None:
        """Close the socket; the kernel then removes the nft tables that it owns."""
        self._socket.close()


class LinkWatch:
    """Becomes readable when a link of this network namespace comes, changes or goes.

    Raises:
        OSError: the kernel forbids it.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, ROUTE)
        try:
            self._socket.bind((0, LINKS))
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._socket.fileno()

    def drain(self) -> None:
        """Forget what has been told so far: whoever is woken looks at the links themselves."""
        while True:
            try:
                self._socket.recv(_LARGEST)
            except BlockingIOError:
                return
            except OSError:  # ENOBUFS: more was told than there was room for, which is news enough
                continue

    def close(self) -> None:
        """Watch no longer."""
        self._socket.close()
