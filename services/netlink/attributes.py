"""Netlink attributes: length, type, data, padded to four bytes (netlink(7), linux/netlink.h).

Numbers inside an attribute are big-endian in nfnetlink and in the machine's order in rtnetlink: `number`
is the former.
"""

import struct

from services.netlink.errors import malformed

_HEADER = struct.Struct("=HH")
_NESTED = 0x8000
_TYPE = 0x3FFF
"""The two upper bits of a type are flags: nested, and network byte order."""


def padding(length: int) -> int:
    """Bytes from `length` to the next multiple of four."""
    return -length % 4


def attribute(kind: int, data: bytes) -> bytes:
    """One attribute, padded."""
    return _HEADER.pack(_HEADER.size + len(data), kind) + data + bytes(padding(len(data)))


def nested(kind: int, *parts: bytes) -> bytes:
    """An attribute that holds attributes."""
    return attribute(kind | _NESTED, b"".join(parts))


def text(kind: int, value: str) -> bytes:
    """A NUL-terminated string."""
    return attribute(kind, value.encode() + b"\0")


def number(kind: int, value: int) -> bytes:
    """An unsigned number of 32 bits, big-endian."""
    return attribute(kind, struct.pack(">I", value))


def parse(data: bytes) -> list[tuple[int, bytes]]:
    """Attributes as pairs of type and data, in their order.

    Raises:
        MalformedError: an attribute is cut off, or shorter than its own header.
    """
    found = []
    offset, end, head = 0, len(data), _HEADER.size
    while offset < end:
        if end - offset < head:
            raise malformed("attribute", f"{end - offset} bytes")
        length, kind = _HEADER.unpack_from(data, offset)
        if not head <= length <= end - offset:
            raise malformed("attribute", f"length {length} in {end - offset} bytes")
        found.append((kind & _TYPE, data[offset + head : offset + length]))
        offset += length + (-length & 3)
    return found


def read_text(data: bytes) -> str:
    """The string in an attribute; bytes that are not UTF-8 are shown as escapes."""
    return data.partition(b"\0")[0].decode("utf-8", "backslashreplace")


def read_number(data: bytes, order: str = ">") -> int:
    """An unsigned number of 8, 16, 32 or 64 bits.

    Args:
        data: the attribute's data.
        order: `>` big-endian, `=` the machine's.

    Raises:
        MalformedError: of no such width.
    """
    code = {1: "B", 2: "H", 4: "I", 8: "Q"}.get(len(data))
    if code is None:
        raise malformed("number", f"{len(data)} bytes")
    value: int = struct.unpack(order + code, data)[0]
    return value
