"""NFQUEUE: packets handed to a program, and its verdicts (linux/netfilter/nfnetlink_queue.h).

Pure: requests that set a queue up, messages with packets read, verdicts written. A packet's message and a
verdict are made as flat as they can be, for each packet costs both.
"""

import struct
from typing import NamedTuple

from services.netlink.attributes import attribute, number
from services.netlink.errors import malformed
from services.netlink.message import ACK, ERROR, REQUEST, Request

ARRIVES = 1
"""The hook of what arrives for this host's programs; that of what they send is 3 (linux/netfilter.h)."""

_SUBSYSTEM = 3 << 8
_PACKET, _VERDICT, _CONFIG = 0, 1, 2
_BIND = 1
_COMMAND, _PARAMETERS, _LENGTH = 1, 2, 3
_COPY_PACKET = 2
_WHOLE = 0xFFFF
_GENERAL = struct.Struct(">BBH")
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_PACKET_HEADER = struct.Struct(">IHB")
_WORD = struct.Struct(">I")
_ERRNO = struct.Struct("=i")
_FIRST = _HEADER.size + _GENERAL.size
_INDEV, _OUTDEV, _PAYLOAD = 5, 6, 10
_MARK = 3
_ACCEPT, _DROP = 1, 0
_VERDICT_SIZE = _FIRST + 12
_TWO_WORDS = struct.Struct(">II")


class Queued(NamedTuple):
    """A packet in the queue.

    Args:
        id: the kernel's number for it, which a verdict names.
        arrives: whether it arrives at this host; else it is sent.
        device: index of the link.
        data: its bytes, from the IP header on.
    """

    id: int
    arrives: bool
    device: int
    data: bytes


class Refused(NamedTuple):
    """The kernel did not take a message of ours.

    Args:
        sequence: the message's; a verdict's is the id of its packet.
        errno: why; 0: it was taken.
    """

    sequence: int
    errno: int


def _config(queue: int, *attributes: bytes) -> Request:
    payload = _GENERAL.pack(0, 0, queue) + b"".join(attributes)
    return Request("NFQNL_MSG_CONFIG", _SUBSYSTEM | _CONFIG, REQUEST | ACK, payload)


def bind(queue: int, length: int) -> list[Request]:
    """Ask for the packets of a queue, whole, and as segments if they are larger (no NFQA_CFG_F_GSO).

    Args:
        queue: its number.
        length: so many packets may wait for a verdict; more are dropped.
    """
    return [
        _config(queue, attribute(_COMMAND, struct.pack(">BBH", _BIND, 0, 0))),
        _config(queue, attribute(_PARAMETERS, struct.pack(">IB", _WHOLE, _COPY_PACKET))),
        _config(queue, number(_LENGTH, length)),
    ]


def read(buffer: bytes | bytearray, length: int) -> Queued | Refused | None:
    """The message in a buffer; None: it is of another kind.

    Args:
        buffer: holds it, from its start.
        length: its bytes.

    Raises:
        MalformedError: it is cut off.
    """
    if length < _HEADER.size:
        raise malformed("message", f"{length} bytes")
    _size, kind, _flags, sequence, _port = _HEADER.unpack_from(buffer)
    if kind != _SUBSYSTEM | _PACKET:
        if kind != ERROR or length < _HEADER.size + _ERRNO.size:
            return None
        # The answer quotes our message, whose own number is what matters here.
        return Refused(sequence, -_ERRNO.unpack_from(buffer, _HEADER.size)[0])
    if length < _FIRST + 4 + _PACKET_HEADER.size:
        raise malformed("queued packet", f"{length} bytes")
    packet, _protocol, hook = _PACKET_HEADER.unpack_from(buffer, _FIRST + 4)
    device = 0
    at = _FIRST + 12
    while at + 4 <= length:
        size, name = _ATTRIBUTE.unpack_from(buffer, at)
        if name == _PAYLOAD:
            return Queued(packet, hook == ARRIVES, device, bytes(buffer[at + 4 : min(at + size, length)]))
        if name in {_INDEV, _OUTDEV}:
            (device,) = _WORD.unpack_from(buffer, at + 4)
        if size < 4:  # noqa: PLR2004 - an attribute's own header
            raise malformed("queued packet", f"an attribute of {size} bytes")
        at += (size + 3) & ~3
    return Queued(packet, hook == ARRIVES, device, b"")


class Verdicts:
    """Writes verdicts for one queue.

    Args:
        queue: its number.
    """

    def __init__(self, queue: int) -> None:
        self._general = _GENERAL.pack(0, 0, queue) + _ATTRIBUTE.pack(12, 2)

    def accept(self, packet: int, data: bytes | None = None, mark: int = 0) -> bytes:
        """Let a packet go on, to the next base chain.

        Args:
            packet: its id.
            data: other bytes for it; None: as it is.
            mark: for the rules that it meets; 0: as it is.
        """
        if data is None and not mark:
            head = _HEADER.pack(_VERDICT_SIZE, _SUBSYSTEM | _VERDICT, REQUEST, packet, 0)
            return head + self._general + _TWO_WORDS.pack(_ACCEPT, packet)
        more = b"" if not mark else number(_MARK, mark)
        if data is not None:
            more += attribute(_PAYLOAD, data)
        head = _HEADER.pack(_VERDICT_SIZE + len(more), _SUBSYSTEM | _VERDICT, REQUEST, packet, 0)
        return head + self._general + _TWO_WORDS.pack(_ACCEPT, packet) + more

    def drop(self, packet: int) -> bytes:
        """Let a packet vanish; whoever sent it is not told, on this host neither."""
        head = _HEADER.pack(_VERDICT_SIZE, _SUBSYSTEM | _VERDICT, REQUEST, packet, 0)
        return head + self._general + _TWO_WORDS.pack(_DROP, packet)
