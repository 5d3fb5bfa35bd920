"""The Internet checksum (RFC 1071), and where it stands in a packet."""

import struct

from services.agent.emulator.packet import ICMP, ICMP6, TCP, UDP, Packet

_SUM_AT = {TCP: 16, UDP: 6, ICMP: 2, ICMP6: 2}
"""Offset of the sum in the transport header."""
_V4_SUM_AT, _V4_LENGTH_AT, _V6_LENGTH_AT, _V6_SIZE = 10, 2, 4, 40
_VALID = 0xFFFF


def total(data: bytes) -> int:
    """The one's complement sum, 0 only if all bytes are 0.

    2**16 is 1 modulo 0xffff, so the sum of all words is the number itself modulo 0xffff.
    """
    number = int.from_bytes(data + b"\0" if len(data) & 1 else data, "big")
    return number and (number % _VALID or _VALID)


def checksum(data: bytes) -> int:
    """What makes these bytes sum up: never 0 where any of them is set, as UDP wants it."""
    return _VALID - total(data) % _VALID


def _pseudo_header(packet: Packet) -> bytes:
    """What the sum covers besides (RFC 9293 3.1, RFC 8200 8.1); nothing for ICMP of IPv4."""
    flow = packet.flow
    if flow.protocol == ICMP:
        return b""
    return flow.source + flow.destination + struct.pack(">II", packet.end - packet.transport, flow.protocol)


def sum_at(packet: Packet) -> int | None:
    """Where in the packet its transport's checksum stands; None: it has none, or not all that it covers."""
    offset = _SUM_AT.get(packet.flow.protocol)
    if offset is None or packet.fragment or packet.end - packet.transport < offset + 2:
        return None
    return packet.transport + offset


def has_valid_sum(packet: Packet) -> bool:
    """Whether a receiver takes it: the sum is right, or there is none (of UDP over IPv4 a sum of 0)."""
    at = sum_at(packet)
    if at is None or (packet.flow.protocol == UDP and packet.data[at : at + 2] == b"\0\0"):
        return True
    return total(_pseudo_header(packet) + packet.data[packet.transport : packet.end]) == _VALID


def mended(packet: Packet) -> bytes:
    """The packet's bytes with the right length in the IP header, and right sums in both headers."""
    data = bytearray(packet.data)
    if len(packet.flow.source) == 4:  # noqa: PLR2004 - IPv4
        header = (data[0] & 0xF) * 4
        struct.pack_into(">H", data, _V4_LENGTH_AT, packet.end)
        struct.pack_into(">H", data, _V4_SUM_AT, 0)
        struct.pack_into(">H", data, _V4_SUM_AT, checksum(bytes(data[:header])))
    else:
        struct.pack_into(">H", data, _V6_LENGTH_AT, packet.end - _V6_SIZE)
    at = sum_at(packet)
    if at is not None:
        struct.pack_into(">H", data, at, 0)
        covered = _pseudo_header(packet) + bytes(data[packet.transport : packet.end])
        struct.pack_into(">H", data, at, checksum(covered))
    return bytes(data)
