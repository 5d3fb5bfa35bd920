"""Netlink messages: a header, then what the family makes of it (netlink(7), linux/netlink.h).

Theory of operation
    A `Request` is packed with a sequence number, and whatever the kernel answers to it carries the same
    number: one acknowledgement for each request with the flag `ACK`, so that in a batch it can be told which
    one the kernel refused. A dump is answered by many messages with `MULTI`, ended by `DONE`.
"""

import os
import struct
from dataclasses import dataclass

from services.netlink.attributes import padding, parse, read_text
from services.netlink.errors import malformed

REQUEST = 0x1
ACK = 0x4
ECHO = 0x8
DUMP = 0x300
REPLACE = 0x100
EXCL = 0x200
CREATE = 0x400
APPEND = 0x800

DUMP_INTERRUPTED = 0x10
"""What was dumped changed meanwhile: the dump must be made again."""

ERROR = 2
DONE = 3

_CAPPED = 0x100
_ACK_ATTRIBUTES = 0x200
_ATTRIBUTE_WORDS = 1
_HEADER = struct.Struct("=IHHII")
_ERRNO = struct.Struct("=i")


@dataclass(frozen=True, slots=True)
class Request:
    """One message to the kernel.

    Args:
        name: as the kernel's headers call it, for errors.
        type: the message's type, its subsystem included.
        flags: `REQUEST` and others.
        payload: everything behind the header.
    """

    name: str
    type: int
    flags: int
    payload: bytes

    def pack(self, sequence: int) -> bytes:
        """The message's bytes, padded."""
        length = _HEADER.size + len(self.payload)
        header = _HEADER.pack(length, self.type, self.flags, sequence, 0)
        return header + self.payload + bytes(padding(length))


@dataclass(frozen=True, slots=True)
class Reply:
    """One message from the kernel."""

    type: int
    flags: int
    sequence: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What became of a request.

    Args:
        errno: 0 if it was done.
        why: the kernel's own words, else those of the errno.
    """

    errno: int
    why: str


def split(data: bytes) -> list[Reply]:
    """The messages of one datagram.

    Raises:
        MalformedError: a message is cut off, or shorter than its own header.
    """
    replies = []
    offset = 0
    while offset < len(data):
        if len(data) - offset < _HEADER.size:
            raise malformed("message", f"{len(data) - offset} bytes")
        length, kind, flags, sequence, _port = _HEADER.unpack_from(data, offset)
        if not _HEADER.size <= length <= len(data) - offset:
            raise malformed("message", f"length {length} in {len(data) - offset} bytes")
        replies.append(Reply(kind, flags, sequence, data[offset + _HEADER.size : offset + length]))
        offset += length + padding(length)
    return replies


def acknowledgement(reply: Reply) -> Acknowledgement:
    """Read a message of type `ERROR` or `DONE`.

    Raises:
        MalformedError: it is cut off.
    """
    if len(reply.payload) < _ERRNO.size:
        raise malformed("acknowledgement", f"{len(reply.payload)} bytes")
    errno = -_ERRNO.unpack_from(reply.payload)[0]
    if errno == 0:
        return Acknowledgement(0, "")
    return Acknowledgement(errno, _own_words(reply) or os.strerror(errno))


def _own_words(reply: Reply) -> str:
    """What the kernel says about an error in words (NETLINK_EXT_ACK); often nothing."""
    if not reply.flags & _ACK_ATTRIBUTES:
        return ""
    start = _ERRNO.size
    if reply.type == ERROR:
        start += _HEADER.size
        if not reply.flags & _CAPPED:
            if len(reply.payload) < start:
                raise malformed("acknowledgement", f"{len(reply.payload)} bytes")
            refused = _HEADER.unpack_from(reply.payload, _ERRNO.size)[0]
            start = _ERRNO.size + refused + padding(refused)
    return read_text(dict(parse(reply.payload[start:])).get(_ATTRIBUTE_WORDS, b""))
