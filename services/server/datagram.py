"""UDP, the loop of recvfrom() and sendto(): one thread, no connection, one datagram at a time.

Theory of operation
    The socket is bound to all addresses of the host, so the kernel would choose the source address of an
    answer by the route to the peer. On a host with several addresses that may be another than the one that
    was asked, and a connected client never sees such an answer. So each datagram is taken together with the
    address it was sent to (IPV6_PKTINFO, RFC 3542 6; IP_PKTINFO, ip(7)), and the answer goes out from there.
"""

import socket
import threading
from collections.abc import Callable

from services.server.errors import named
from services.server.listeners import Bound, spelled
from services.server.log import log
from services.server.service import Program
from services.server.waiting import Waiter, Woke, join

_LARGEST = 65535
_CONTROL = socket.CMSG_SPACE(20)
"""Room for a `struct in6_pktinfo`; a `struct in_pktinfo` is smaller."""
_IP_PKTINFO = 8
"""Linux; the `socket` module has the name from Python 3.14 on."""


class DatagramServer:
    """Serves one bound datagram socket.

    Args:
        name: what it serves.
        sock: bound; the server owns it from now on.
        answer: makes the answer to one datagram; None is no answer.
        program: what the process shares.
    """

    def __init__(
        self,
        name: str,
        sock: socket.socket,
        answer: Callable[[bytes], bytes | None],
        program: Program,
    ) -> None:
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        sock.settimeout(0)
        self._sock = sock
        self._answer = answer
        self._program = program
        self.bound = Bound.of(name, sock)
        self._loop = threading.Thread(target=self._serve, name=str(self.bound), daemon=True)

    def start(self) -> None:
        """Answer from now on."""
        self._loop.start()

    def alive(self) -> bool:
        """Whether it answers."""
        return self._loop.is_alive()

    def close(self) -> None:
        """Close the socket, unless datagrams keep coming even now: then it ends with the process."""
        join(self._loop, self._program.limits.quiet)
        if not self._loop.is_alive():
            self._sock.close()

    def _serve(self) -> None:
        """Answer until the stop; what had arrived by then is still answered."""
        waiter = Waiter(self._sock, self._program.stopping)
        while waiter.wait() is Woke.READABLE:
            try:
                datagram, told, _, peer = self._sock.recvmsg(_LARGEST, _CONTROL)
            except BlockingIOError:
                continue  # a datagram with a wrong checksum wakes poll(2) and is not there (select(2), BUGS)
            log("DEBUG", "datagram", bound=self.bound, peer=spelled(*peer[:2]), size=len(datagram))
            answer = self._answer(datagram)
            if answer is None:
                continue
            try:
                self._sock.sendmsg([answer], told, 0, peer)
            except OSError as error:  # of this peer: no route to it, a firewall of our own, a full queue
                log("DEBUG", "unanswered", bound=self.bound, peer=spelled(*peer[:2]), why=named(error))
