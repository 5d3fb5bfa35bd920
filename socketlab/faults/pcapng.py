"""Captured packets as a pcapng file: one section, an interface for each link of a host. Pure.

The format is draft-ietf-opsawg-pcapng: blocks of little-endian 32-bit words, each with its type and, at both
ends, its length; options are a code, a length and a value, padded to four bytes.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

ETHERNET: Final = 1
"""LINKTYPE_ETHERNET."""
_SECTION: Final = 0x0A0D0D0A
_INTERFACE: Final = 1
_PACKET: Final = 6
_ORDER: Final = 0x1A2B3C4D
_UNKNOWN_LENGTH: Final = (1 << 64) - 1
_END: Final = 0
_COMMENT: Final = 1
_USER_APPLICATION: Final = 4
_NAME: Final = 2
_DESCRIPTION: Final = 3
_RESOLUTION: Final = 9
_FLAGS: Final = 2
_NANOSECONDS: Final = 9
"""A negative power of ten."""
_INBOUND: Final = 1
_OUTBOUND: Final = 2
_MOST_OPTION: Final = 65_532


class Packet(NamedTuple):
    """A captured packet.

    Args:
        at_ns: when, nanoseconds since 1970.
        host: whose link saw it.
        device: which of its links.
        outgoing: whether that host sent it.
        length: bytes on the wire.
        data: the first of them, from the link layer's header.
        comment: what is to be said of it; empty: nothing.
    """

    at_ns: int
    host: str
    device: str
    outgoing: bool
    length: int
    data: bytes
    comment: str = ""


def written(packets: Iterable[Packet], application: str, snap: int = 0) -> Iterator[bytes]:
    """A file, block by block.

    Args:
        packets: in the order in which they shall stand; each link is described before its first packet.
        application: that writes it, and its version.
        snap: bytes of a packet that were kept at most; 0: no limit.
    """
    version = struct.pack("<IHHQ", _ORDER, 1, 0, _UNKNOWN_LENGTH)
    yield _block(_SECTION, version + _options([(_USER_APPLICATION, application.encode())]))
    numbers: dict[tuple[str, str], int] = {}
    for packet in packets:
        link = packet.host, packet.device
        if link not in numbers:
            numbers[link] = len(numbers)
            yield _interface(*link, snap)
        yield _packet(packet, numbers[link])


def _interface(host: str, device: str, snap: int) -> bytes:
    options = [
        (_NAME, f"{host}:{device}".encode()),
        (_DESCRIPTION, f"{device} of {host}".encode()),
        (_RESOLUTION, bytes([_NANOSECONDS])),
    ]
    return _block(_INTERFACE, struct.pack("<HHI", ETHERNET, 0, snap) + _options(options))


def _packet(packet: Packet, interface: int) -> bytes:
    high, low = divmod(packet.at_ns, 1 << 32)
    options = [(_FLAGS, struct.pack("<I", _OUTBOUND if packet.outgoing else _INBOUND))]
    if packet.comment:
        options.insert(0, (_COMMENT, packet.comment.encode()[:_MOST_OPTION]))
    header = struct.pack("<IIIII", interface, high, low, len(packet.data), packet.length)
    return _block(_PACKET, header + _padded(packet.data) + _options(options))


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _options(options: Iterable[tuple[int, bytes]]) -> bytes:
    written = b"".join(struct.pack("<HH", code, len(value)) + _padded(value) for code, value in options)
    return written + struct.pack("<HH", _END, 0)


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length
