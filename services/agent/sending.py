"""Packets sent as they are, for probes: from an address of this host only.

They carry no mark and go the way of every packet that this host sends, so that rules and faults take them.
"""

import errno
import ipaddress
import socket
import struct
from contextlib import suppress

from services.messages import ServiceError

MOST_PACKET = 2048
_IPV4, _IPV6 = 4, 6
_HEADER = {_IPV4: 20, _IPV6: 40}
_LENGTH_AT = {_IPV4: 2, _IPV6: 4}
_ADDRESSES = {_IPV4: (slice(12, 16), slice(16, 20)), _IPV6: (slice(8, 24), slice(24, 40))}
"""Source and destination (RFC 791 3.1, RFC 8200 3)."""
_RAW6 = 255
_HEADER_INCLUDED6 = 36
"""IPV6_HDRINCL (linux/in6.h); the socket module has no name for it."""


def ends_of(packet: bytes) -> tuple[str, str]:
    """Source and destination of an IP packet.

    Raises:
        ServiceError: it is none, or its length is not the one that it says.
    """
    version = packet[0] >> 4 if packet else 0
    header = _HEADER.get(version, 0)
    if not header or not header <= len(packet) <= MOST_PACKET:
        raise ServiceError("agent.packet", limit=MOST_PACKET, seen=len(packet))
    (length,) = struct.unpack_from(">H", packet, _LENGTH_AT[version])
    if length + (header if version == _IPV6 else 0) != len(packet):
        raise ServiceError("agent.packet-length", expected=length, seen=len(packet))
    source, destination = (str(ipaddress.ip_address(packet[place])) for place in _ADDRESSES[version])
    return source, destination


def _is_own(address: str) -> bool:
    """Whether this host may send from an address: the kernel binds a socket to no other."""
    there = ipaddress.ip_address(address)
    if there.is_unspecified or there.is_multicast:
        return False
    family = socket.AF_INET if there.version == _IPV4 else socket.AF_INET6
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as trying:
        trying.bind((address, 0))
        return True
    return False


def send(packet: bytes) -> None:
    """Send an IP packet.

    Raises:
        ServiceError: it is none, not from an address of this host, or the kernel refuses it: `errno` has its
            name then.
    """
    source, destination = ends_of(packet)
    if not _is_own(source):
        raise ServiceError("agent.send-source", seen=source)
    try:
        with _raw(packet[0] >> 4) as sending:
            sending.settimeout(0)
            sending.sendto(packet, (destination, 0))
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, str(error.errno))
        raise ServiceError("agent.send", to=destination, errno=name, why=error.strerror or error) from error


def _raw(version: int) -> socket.socket:
    if version == _IPV4:
        return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    made = socket.socket(socket.AF_INET6, socket.SOCK_RAW, _RAW6)
    try:
        made.setsockopt(socket.IPPROTO_IPV6, _HEADER_INCLUDED6, 1)
    except OSError:
        made.close()
        raise
    return made
