"""Packets sent as they are: copies, resets, and what waited outside the kernel.

They carry a mark that every rule of the agent spares. One for an address of this host comes back to it by the
loopback link, with the sender that it has; any other goes out.
"""

import socket
from contextlib import suppress
from errno import EMSGSIZE

from services.agent.emulator.fragments import fragments
from services.agent.emulator.packet import Packet
from services.agent.rules import marks

_SO_MARK = getattr(socket, "SO_MARK", 36)
_IPPROTO_IPV6, _IPV6_HDRINCL, _RAW_V6 = 41, 36, 255
"""linux/in6.h; raw(7) and ipv6(7): of IPv6 the header is included only where it is asked for."""
_BUFFER = 4 << 20
_LINK_LOCAL = 0xFE80, 0xFFC0


class Injecting:
    """Two raw sockets, made when the first packet is sent."""

    def __init__(self) -> None:
        self._v4: socket.socket | None = None
        self._v6: socket.socket | None = None
        self._fragmented = 0

    def send(self, data: bytes, device: int) -> int:
        """Send a packet.

        Args:
            data: from its IP header on.
            device: index of the link that it came by or goes by, for an address that is of a link only.

        Returns:
            0, or the errno with which the kernel did not take it.
        """
        failed = self._send(data, device)
        if failed == EMSGSIZE:
            self._fragmented += 1
            parts = fragments(Packet(data, arriving=False), self._fragmented)
            return max((self._send(part, device) for part in parts), default=failed)
        return failed

    def _send(self, data: bytes, device: int) -> int:
        try:
            if data[0] >> 4 == 4:  # noqa: PLR2004 - the version
                if self._v4 is None:
                    self._v4 = _opened(socket.AF_INET, socket.IPPROTO_RAW)
                self._v4.sendto(data, (socket.inet_ntop(socket.AF_INET, data[16:20]), 0))
            else:
                if self._v6 is None:
                    self._v6 = _opened(socket.AF_INET6, _RAW_V6)
                    self._v6.setsockopt(_IPPROTO_IPV6, _IPV6_HDRINCL, 1)
                is_local = int.from_bytes(data[24:26], "big") & _LINK_LOCAL[1] == _LINK_LOCAL[0]
                there = socket.inet_ntop(socket.AF_INET6, data[24:40])
                self._v6.sendto(data, (there, 0, 0, device if is_local else 0))
        except OSError as error:
            return error.errno or -1
        return 0

    def close(self) -> None:
        """Send no more."""
        for each in (self._v4, self._v6):
            if each is not None:
                each.close()


def _opened(family: int, protocol: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, _SO_MARK, marks.INJECTED)
        with suppress(PermissionError):
            made.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_SNDBUFFORCE", 32), _BUFFER)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
    except OSError:
        made.close()
        raise
    return made
