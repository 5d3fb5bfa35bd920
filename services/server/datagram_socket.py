"""A bound datagram socket, and how its answers find their way.

Theory of operation
    The kernel chooses the source address of a datagram by the route to the peer. On a socket that is bound to
    all addresses of a host with several, that may be another address than the one that was asked, and a
    connected client never sees such an answer (`catalogue.md`, udp-reply-from-other-address). So there each
    datagram is taken together with the address it was sent to (IPV6_PKTINFO, RFC 3542 6; IP_PKTINFO, ip(7)),
    and the answer goes out from there. A socket bound to one address has no choice, and does with the cheaper
    calls.

    A Unix socket loses nothing: what its peer has not read stays in our send buffer. A connected peer that
    never reads can fill it (some 280 small answers), and until it goes everybody's answers are lost; the
    server does not block meanwhile.

    Who sent a datagram is one value, a `Sender`: what the answer needs, and what tells one peer from another.
"""

import errno
import os
import socket
from collections.abc import Callable, Hashable
from typing import Final, TypeAlias, cast

from services.protocol.serving import DatagramServing
from services.server.accepting import spelled_peer
from services.server.errors import named
from services.server.listeners import Bound
from services.server.log import debugging, log

Sender: TypeAlias = Hashable
_Told: TypeAlias = tuple[tuple[str, int], tuple[tuple[int, int, bytes], ...]]
"""An address, and the control messages that name the one it was sent to."""

_AT_ONCE: Final = 64
"""Datagrams answered before the others have their turn."""
_LARGEST: Final = 65535
"""No UDP datagram is longer."""
_LARGEST_UNIX: Final = 256 * 1024
"""More than the send buffer of an ordinary process has room for (net.core.wmem_max), so none is cut."""
_CONTROL: Final = socket.CMSG_SPACE(20)
"""Room for a `struct in6_pktinfo`; a `struct in_pktinfo` is smaller."""
_IP_PKTINFO: Final = 8
"""Linux; the `socket` module has the name from Python 3.14 on."""


class DatagramSocket:
    """Receives and answers; never waits.

    Args:
        name: what is served.
        sock: bound; it is owned from now on.
    """

    def __init__(self, name: str, sock: socket.socket) -> None:
        sock.settimeout(0)
        self._sock = sock
        self.bound = Bound.of(name, sock)
        self._receive: Callable[[], tuple[bytes, Sender]] = self._receive_plain
        self._send: Callable[[bytes, Sender], object] = sock.sendto  # type: ignore[assignment]
        self._largest = _LARGEST_UNIX if sock.family == socket.AF_UNIX else _LARGEST
        if self.bound.address in {"::", "0.0.0.0"}:
            if sock.family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
            else:
                sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
            self._receive = self._receive_told
            self._send = self._send_told

    def fileno(self) -> int:
        """The descriptor; -1 when it is closed."""
        return self._sock.fileno()

    def serve(self, serving: DatagramServing) -> None:
        """Answer what has arrived, until none is left or others should have their turn.

        A datagram with a wrong checksum wakes poll(2) too, and is not there (select(2), BUGS).
        """
        receive, answer_to, send, debug = self._receive, serving.receive, self._send, debugging()
        for _ in range(_AT_ONCE):
            try:
                datagram, sender = receive()
            except BlockingIOError:
                return
            if debug:
                log("DEBUG", "datagram", bound=self.bound, peer=spelled_sender(sender), size=len(datagram))
            answer = answer_to(datagram, sender)
            if answer is not None:
                try:
                    send(answer, sender)
                except (OSError, TypeError) as error:
                    self._unanswered(sender, error)

    def tick(self, serving: DatagramServing) -> None:
        """Send the answers that have come due."""
        for sender, answer in serving.tick():
            self.send(answer, sender)

    def send(self, datagram: bytes, sender: Sender) -> None:
        """Send to a peer, if it can be sent: a datagram may be lost, also here."""
        try:
            self._send(datagram, sender)
        except (OSError, TypeError) as error:
            self._unanswered(sender, error)

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    def _receive_plain(self) -> tuple[bytes, Sender]:
        return self._sock.recvfrom(self._largest)

    def _receive_told(self) -> tuple[bytes, Sender]:
        datagram, told, _, address = self._sock.recvmsg(_LARGEST, _CONTROL)
        return datagram, (address, tuple(told))

    def _send_told(self, datagram: bytes, sender: Sender) -> None:
        address, told = cast("_Told", sender)
        self._sock.sendmsg((datagram,), told, 0, address)

    def _unanswered(self, sender: Sender, error: OSError | TypeError) -> None:
        """No route to this peer, a firewall of our own, a full queue; or it has no name (unix(7))."""
        if isinstance(error, TypeError):
            error = OSError(errno.EDESTADDRREQ, os.strerror(errno.EDESTADDRREQ))
        if debugging():
            log("DEBUG", "unanswered", bound=self.bound, peer=spelled_sender(sender), why=named(error))


def spelled_sender(sender: Sender) -> str:
    """Who sent a datagram, for a log line."""
    match sender:
        case ((str(), int(), *_) as address, tuple()):
            return spelled_peer(address)
        case _:
            return spelled_peer(sender)
