"""Fragments of a packet that is too large for its link.

The kernel makes those of what programs send behind the place where the emulator meets it, and of what a raw
socket sends it makes none.
"""

import struct

from services.agent.emulator.checksums import mended
from services.agent.emulator.packet import Packet

SMALLEST_LINK = 1280
"""Bytes that every link carries that has IPv6 (RFC 8200 5); those of IPv4 here do, too."""
_V6_SIZE, _FRAGMENT_SIZE, _FRAGMENT = 40, 8, 44
_NO_FRAGMENTS, _MORE = 0x4000, 0x2000
_MORE_V6 = 1


def fragments(packet: Packet, number: int) -> list[bytes]:
    """A packet in fragments that every link carries; none where it must not be cut, or is cut already.

    Args:
        packet: the packet.
        number: what tells its fragments from those of others to the same host.
    """
    if packet.fragment:
        return []
    if len(packet.flow.source) == 4:  # noqa: PLR2004 - IPv4
        return _of_v4(packet, number)
    return _of_v6(packet, number)


def _of_v4(packet: Packet, number: int) -> list[bytes]:
    header = bytearray(packet.data[: packet.transport])
    if struct.unpack_from(">H", header, 6)[0] & _NO_FRAGMENTS:
        return []
    made = []
    for offset, part, more in _parts(packet, SMALLEST_LINK - len(header)):
        struct.pack_into(
            ">HHH", header, 2, len(header) + len(part), number & 0xFFFF, offset // 8 | more * _MORE
        )
        made.append(mended(Packet(bytes(header) + part, arriving=False)))
    return made


def _of_v6(packet: Packet, number: int) -> list[bytes]:
    if packet.transport != _V6_SIZE:
        return []  # other headers may have to stand before the fragment's
    header = bytearray(packet.data[:_V6_SIZE])
    header[6] = _FRAGMENT
    made = []
    for offset, part, more in _parts(packet, SMALLEST_LINK - _V6_SIZE - _FRAGMENT_SIZE):
        struct.pack_into(">H", header, 4, _FRAGMENT_SIZE + len(part))
        place = struct.pack(">BBHI", packet.flow.protocol, 0, offset | more * _MORE_V6, number & 0xFFFF_FFFF)
        made.append(bytes(header) + place + part)
    return made


def _parts(packet: Packet, room: int) -> list[tuple[int, bytes, bool]]:
    """Offset, bytes, and whether more follow."""
    size = room & ~7
    whole = packet.data[packet.transport : packet.end]
    return [(at, whole[at : at + size], at + size < len(whole)) for at in range(0, len(whole), size)]
