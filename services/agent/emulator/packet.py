"""An IP packet's bytes, read as far as a match may ask.

IPv4 with options, IPv6 with extension headers, TCP, UDP, ICMP; of all else addresses and protocol. What is
not there is absent: a fragment behind the first has no ports, a header that is cut off has no flags. Only an
IP header that cannot be read is an error; such a packet is nobody's business here and passes.
"""

import struct
from typing import NamedTuple

from services.messages import ServiceError

TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58
FIN, SYN, RST, PSH, ACK, URG = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
ABSENT = -1
"""A port, of what has none."""

_V4 = struct.Struct(">BxHxxHxBxx4s4s")
_V6 = struct.Struct(">IHBx16s16s")
_PORTS = struct.Struct(">HH")
_TCP = struct.Struct(">HHIIBB")
_V4_SIZE, _V6_SIZE, _TCP_SIZE, _UDP_SIZE, _ICMP_SIZE = 20, 40, 20, 8, 8
_PLAIN_V4 = 0x45
_OFFSET, _MORE = 0x1FFF, 0x2000
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION, _MOBILITY = 0, 43, 44, 51, 60, 135
_EXTENSIONS = frozenset((_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION, _MOBILITY))
_FIRST_GROUP, _GROUPS = 224, 0xFF
"""First bytes of multicast addresses (RFC 1112, RFC 4291 2.7)."""
_MOST_EXTENSIONS = 16
"""More than any packet has; it bounds the work that a hostile one may ask for."""


class Flow(NamedTuple):
    """What a packet has in common with those before and behind it; ports that there are not are `ABSENT`."""

    protocol: int
    source: bytes
    destination: bytes
    sport: int
    dport: int


class PacketError(ServiceError):
    """Bytes that are no IP packet."""


def _unreadable(why: str) -> PacketError:
    return PacketError("emulator.packet", seen=why)


class Packet:
    """A packet on its way through the stages.

    Args:
        data: from its IP header on.
        arriving: whether it arrives at this host; else this host sends it.
        number: the kernel's, for the verdict; None: the kernel does not have it (any more).
        device: index of the link that it came by, or goes by.

    Raises:
        PacketError: its IP header cannot be read.
    """

    __slots__ = (
        "ack",
        "arriving",
        "changed",
        "data",
        "device",
        "end",
        "flags",
        "flow",
        "fragment",
        "number",
        "owner",
        "passed",
        "payload",
        "seq",
        "transport",
        "twin",
    )

    def __init__(self, data: bytes, *, arriving: bool, number: int | None = None, device: int = 0) -> None:
        self.data = data
        self.arriving = arriving
        self.number = number
        self.device = device
        self.passed = 0
        """Order of the last stage that it has left."""
        self.changed = False
        self.owner = ""
        """The lease by which it is not in the kernel's queue."""
        self.twin = False
        """Whether it is a probe, and decided by the twin of a fault."""
        self._read()

    def _read(self) -> None:  # flat, for it is done for every packet
        data = self.data
        length = len(data)
        if length < _V4_SIZE:
            raise _unreadable(f"{length} bytes")
        first, total, place, protocol, source, destination = _V4.unpack_from(data)
        if first == _PLAIN_V4 and not place & (_OFFSET | _MORE):
            at, fragment, offset = _V4_SIZE, False, 0
        elif first >> 4 == 4:  # noqa: PLR2004 - the version
            at, fragment, offset = (first & 0xF) * 4, bool(place & (_OFFSET | _MORE)), place & _OFFSET
        elif first >> 4 == 6:  # noqa: PLR2004 - the version
            at, total, protocol, source, destination, place = _read_v6(data)
            fragment, offset = place != 0, place & ~1
        else:
            raise _unreadable(f"version {first >> 4}")
        if not _V4_SIZE <= at <= total <= length:
            raise _unreadable(f"a header of {at} and a length of {total} in {length} bytes")
        self.transport = at
        self.end = total
        self.fragment = fragment
        self.flags = self.seq = self.ack = 0
        room = total - at
        if offset:
            self.payload = at
            self.flow = Flow(protocol, source, destination, ABSENT, ABSENT)
        elif protocol == TCP and room >= _TCP_SIZE:
            sport, dport, self.seq, self.ack, words, self.flags = _TCP.unpack_from(data, at)
            self.payload = min(at + max((words >> 4) * 4, _TCP_SIZE), total)
            self.flow = Flow(protocol, source, destination, sport, dport)
        elif protocol in {TCP, UDP} and room >= _PORTS.size:
            sport, dport = _PORTS.unpack_from(data, at)
            self.payload = min(at + _UDP_SIZE, total) if protocol == UDP else total
            self.flow = Flow(protocol, source, destination, sport, dport)
        else:
            self.payload = min(at + _ICMP_SIZE, total) if protocol in {ICMP, ICMP6} else at
            self.flow = Flow(protocol, source, destination, ABSENT, ABSENT)

    @property
    def length(self) -> int:
        """Bytes of payload."""
        size: int = self.end - self.payload
        return size

    @property
    def stream_length(self) -> int:
        """Sequence numbers that a TCP segment takes: its payload, and one each for SYN and FIN."""
        return self.length + bool(self.flags & SYN) + bool(self.flags & FIN)

    @property
    def is_broadcast(self) -> bool:
        """Whether it goes to a multicast group or to all on a link (that of a subnet cannot be told)."""
        first = self.flow.destination[0]
        return first >= _FIRST_GROUP if len(self.flow.destination) == 4 else first == _GROUPS  # noqa: PLR2004

    def change(self, data: bytes) -> None:
        """Give it other bytes, from the IP header on."""
        self.data = data
        self.changed = True
        self._read()

    def copy(self) -> "Packet":
        """The same packet once more, which the kernel does not have."""
        other = Packet(self.data, arriving=self.arriving, device=self.device)
        other.passed = self.passed
        return other


def _read_v6(data: bytes) -> tuple[int, int, int, bytes, bytes, int]:
    """Transport offset, length, protocol, addresses, the fragment's place: offset, with bit 0 for more."""
    if len(data) < _V6_SIZE:
        raise _unreadable(f"{len(data)} bytes")
    _, payload, protocol, source, destination = _V6.unpack_from(data)
    at, total, place = _V6_SIZE, _V6_SIZE + payload, 0
    if total > len(data):
        raise _unreadable(f"a length of {total} in {len(data)} bytes")
    for _ in range(_MOST_EXTENSIONS):
        if protocol not in _EXTENSIONS or place & ~1:
            return at, total, protocol, source, destination, place
        if total - at < 8:  # noqa: PLR2004 - the least of each
            raise _unreadable("an extension header that is cut off")
        if protocol == _FRAGMENT:
            (field,) = struct.unpack_from(">H", data, at + 2)
            place = field & ~6
            step = 8
        else:
            step = (data[at + 1] + 2) * 4 if protocol == _AUTHENTICATION else (data[at + 1] + 1) * 8
        protocol = data[at]
        at += step
    raise _unreadable("too many extension headers")
