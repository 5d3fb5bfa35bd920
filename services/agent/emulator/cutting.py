"""Faults that end a connection: reset, limit.

Theory of operation
    A kernel takes a RST only where it expects the next byte (RFC 5961 3.2), so the numbers must be right. The
    matched packet itself, turned into a RST, is what its receiver expects next. For its sender a RST is made
    whose number is the one that the packet acknowledges: just that the sender expects next. So both ends get
    ECONNRESET, and neither needs the other.
"""

import struct

from services.agent.emulator.checksums import mended
from services.agent.emulator.line import Line
from services.agent.emulator.packet import ACK, RST, SYN, TCP, Flow, Packet
from services.agent.emulator.stage import Bite, Stage
from socketlab.wire.fault import Limit, Reset

_HEADER = struct.Struct(">HHIIBBHHH")
_WORDS = 5 << 4
"""A header without options, in TCP's own measure."""
_HOPS = 64
_NO_FRAGMENTS = 0x4000
_SPACE = 1 << 32
_MOST_FLOWS = 65_536


def reset(stage: Stage, _fault: Reset, line: Line) -> Bite:
    """Both ends are told that the connection is no more."""

    def bite(now: int, packet: Packet, ordinal: int) -> bool:
        stage.bitten += 1
        line.log.write(now, stage.lease, packet, ordinal, "reset")
        cut(stage, packet, line)
        return False

    return bite


def cut(stage: Stage, packet: Packet, line: Line) -> None:
    """Turn a packet into a RST for its receiver, and send one to its sender."""
    line.inject(stage, for_sender(packet))
    packet.change(for_receiver(packet))
    packet.change(mended(packet))


def for_receiver(packet: Packet) -> bytes:
    """The packet turned into a RST; length and sums are still to be mended.

    Its headers of IP stay, options too: the kernel knows already where the one of TCP begins.
    """
    flow = packet.flow
    flags = RST | packet.flags & ACK
    header = _HEADER.pack(flow.sport, flow.dport, packet.seq, packet.ack, _WORDS, flags, 0, 0, 0)
    data = bytearray(packet.data[: packet.transport] + header)
    if len(flow.source) == 4:  # noqa: PLR2004 - IPv4
        struct.pack_into(">H", data, 2, len(data))
    else:
        struct.pack_into(">H", data, 4, len(data) - 40)
    return bytes(data)


def for_sender(packet: Packet) -> Packet:
    """A RST that the packet's sender takes, as if its receiver had sent it."""
    flow = packet.flow
    if packet.flags & ACK:
        seq, ack, flags = packet.ack, 0, RST
    else:
        seq, ack, flags = 0, (packet.seq + packet.stream_length) % _SPACE, RST | ACK
    header = _HEADER.pack(flow.dport, flow.sport, seq, ack, _WORDS, flags, 0, 0, 0)
    made = Packet(_ip_header(flow, len(header)) + header, arriving=not packet.arriving, device=packet.device)
    made.change(mended(made))
    return made


def _ip_header(flow: Flow, length: int) -> bytes:
    """The way back."""
    if len(flow.source) == 4:  # noqa: PLR2004 - IPv4
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + length, 0, _NO_FRAGMENTS, _HOPS, TCP, 0)
    else:
        head = struct.pack(">IHBB", 6 << 28, length, TCP, _HOPS)
    return head + flow.destination + flow.source


def limit(stage: Stage, fault: Limit, line: Line) -> Bite:
    """Whole packets pass until the flow has had its bytes; then those with payload do not.

    In TCP a place in the stream counts, not the bytes seen: what is sent again counts once.
    """
    places: dict[Flow, _Place] = {}

    def bite(now: int, packet: Packet, ordinal: int) -> bool:
        place = places.get(packet.flow)
        if place is None or packet.flags & SYN:
            if place is None and len(places) >= _MOST_FLOWS:
                del places[next(iter(places))]
            place = places[packet.flow] = _Place(packet)
        if packet.length <= 0 or place.end_of(packet) <= fault.bytes:
            return False
        stage.bitten += 1
        line.log.write(now, stage.lease, packet, ordinal, "cut", f"after {fault.bytes} bytes")
        if fault.then == "reset":
            cut(stage, packet, line)
            return False
        line.drop(packet)
        return True

    return bite


class _Place:
    """How far a flow has come.

    Args:
        first: its first packet that is known.
    """

    __slots__ = ("_next", "_passed", "_stream")

    def __init__(self, first: Packet) -> None:
        self._stream = first.flow.protocol == TCP
        self._next = (first.seq + bool(first.flags & SYN)) % _SPACE
        self._passed = 0

    def end_of(self, packet: Packet) -> int:
        """How many bytes the flow has had with this packet; in a stream, up to its end."""
        if not self._stream:
            self._passed += packet.length
            return self._passed
        ahead = (packet.seq + packet.length - self._next + _SPACE // 2) % _SPACE - _SPACE // 2
        end = self._passed + ahead
        if ahead > 0:
            self._next = (self._next + ahead) % _SPACE
            self._passed = end
        return end
