"""The socket of one NFQUEUE: packets come out, verdicts go in."""

import os
import socket
from errno import ENOBUFS

from services.netlink.errors import NetlinkError
from services.netlink.message import ERROR, Request, acknowledgement, split
from services.netlink.queue import Queued, Refused, bind, read

_NETFILTER = 12
_SOL_NETLINK = 270
_NO_ENOBUFS = 5
"""A full buffer is counted by the kernel, and is no error of the next call (netlink(7))."""
_FORCE = getattr(socket, "SO_RCVBUFFORCE", 33)
_BUFFER = 8 << 20
_LARGEST = 1 << 17
"""More than a message with a packet of 64 KiB."""
_TIMEOUT = 5.0


class QueueSocket:
    """Takes the packets of a queue.

    Args:
        queue: its number.
        length: so many packets may wait for a verdict.

    Raises:
        NetlinkError: another program has the queue, or the kernel has none.
        OSError: the kernel has no netfilter for programs, or forbids it.
    """

    def __init__(self, queue: int, length: int) -> None:
        self.queue = queue
        self._buffer = bytearray(_LARGEST)
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER)
        try:
            self._socket.setsockopt(_SOL_NETLINK, _NO_ENOBUFS, 1)
            try:
                self._socket.setsockopt(socket.SOL_SOCKET, _FORCE, _BUFFER)
            except PermissionError:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            self._socket.bind((0, 0))
            self._socket.settimeout(_TIMEOUT)
            for sequence, request in enumerate(bind(queue, length), 1):
                self._ask(request, sequence)
        except OSError:
            self._socket.close()
            raise
        except NetlinkError:
            self._socket.close()
            raise
        self._socket.settimeout(0)

    def _ask(self, request: Request, sequence: int) -> None:
        """No rule leads to the queue yet, so only the kernel's answer can come."""
        self._socket.send(request.pack(sequence))
        for reply in split(self._socket.recv(_LARGEST)):
            answer = acknowledgement(reply) if reply.type == ERROR else None
            if answer is not None and answer.errno:
                raise NetlinkError(request.name, answer.errno, answer.why)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._socket.fileno()

    def next(self) -> Queued | Refused | None:
        """The next packet, or what the kernel said of a verdict; None: nothing is there.

        Raises:
            MalformedError: the kernel sent what cannot be read.
        """
        while True:
            try:
                length = self._socket.recv_into(self._buffer)
            except BlockingIOError:
                return None
            except OSError as error:
                if error.errno == ENOBUFS:
                    continue
                raise
            if (found := read(self._buffer, length)) is not None:
                return found

    def send(self, verdict: bytes) -> int:
        """Send a verdict.

        Returns:
            0, or the errno with which the kernel did not take it.
        """
        try:
            self._socket.send(verdict)
        except OSError as error:
            return error.errno or -1
        return 0

    def close(self) -> None:
        """Take no more packets. What has no verdict is lost."""
        self._socket.close()


def kernel_counts(queue: int) -> tuple[int, int] | None:
    """How many packets wait in a queue, and how many it had no room for so far; None: it cannot be seen.

    The columns of `/proc/net/netfilter/nfnetlink_queue`: queue, port, waiting, mode, range, dropped (the
    queue was full), dropped (the socket was full), last id, 1.
    """
    try:
        descriptor = os.open("/proc/self/net/netfilter/nfnetlink_queue", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        lines = os.read(descriptor, 4096).splitlines()
    finally:
        os.close(descriptor)
    for line in lines:
        fields = [int(field) for field in line.split()]
        if fields[0] == queue:
            return fields[2], fields[5] + fields[6]
    return None
