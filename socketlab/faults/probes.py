"""Packets that a match takes, or just does not: IPv4 and IPv6 with TCP or UDP, built byte by byte. Pure.

A probe comes from a port of its own. It never reaches a program: where it ends, a sink takes it
(`wire.message.Probe`).
"""

import ipaddress
import struct
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from socketlab.wire.match import FLAGS, Family, Match, flags_of, ports_of

Carrier: TypeAlias = Literal["tcp", "udp"]
MSS: Final = 1460
_TCP: Final = 6
_UDP: Final = 17
_TTL: Final = 64
_ANY_PORT: Final = 7
"""Echo of old (RFC 862): nobody has it, and here nobody hears it."""
_WINDOW: Final = 65_535
_DONT_FRAGMENT: Final = 0x4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a probe is.

    Args:
        source: its address.
        target: the other one.
        proto: what it carries.
        sport: its own port.
        dport: the other one.
        flags: TCP's, as bits.
        payload: its data.
    """

    source: str
    target: str
    proto: Carrier
    sport: int
    dport: int = _ANY_PORT
    flags: int = FLAGS["SYN"]
    payload: bytes = b""

    @property
    def family(self) -> Family:
        """IPv4 or IPv6."""
        return "ipv4" if ipaddress.ip_address(self.source).version == 4 else "ipv6"  # noqa: PLR2004


def carriers(match: Match) -> tuple[Carrier, ...]:
    """What can carry probes of a match; none: it takes neither TCP nor UDP."""
    asked = match.protocols or ("tcp", "udp")
    return tuple(each for each in ("tcp", "udp") if each in asked)


def own_ports(match: Match, direction: Literal["in", "out"]) -> tuple[int, int] | None:
    """The range that a probe's own port must be of; None: any will do.

    A probe arrives from the peer's port, or leaves from the host's own.
    """
    bound = match.peer_port if direction == "in" else match.own_port
    return None if bound is None else tuple(ports_of(bound))  # type: ignore[return-value] # two numbers


def fitting(match: Match, shape: Shape, direction: Literal["in", "out"]) -> Shape:
    """The probe that a match takes, whose ends and protocol are given."""
    bound = match.port or (match.own_port if direction == "in" else match.peer_port)
    dport = ports_of(bound).first if bound is not None else shape.dport
    flags = shape.flags
    if match.flags is not None:
        wanted = flags_of(match.flags)
        flags = wanted.value or _flags_without(wanted.mask)
    payload = match.payload if match.payload is not None else shape.payload
    return replace(shape, dport=dport, flags=flags, payload=payload)


def _flags_without(mask: int) -> int:
    """Any flag that need not be clear: a segment without one is no segment."""
    return next((bit for name in ("ACK", "PSH", "SYN") if not (bit := FLAGS[name]) & mask), 0)


def beside(match: Match, shape: Shape, direction: Literal["in", "out"]) -> Shape | None:
    """A probe like a fitting one that the match does not take; None: it takes all these ends can send."""
    bound = match.port or (match.own_port if direction == "in" else match.peer_port)
    if bound is not None:
        ports = ports_of(bound)
        other = ports.last + 1 if ports.last < 65_000 else ports.first - 1  # noqa: PLR2004 - room above
        if other > 0 and other != shape.sport:
            return replace(shape, dport=other)
    if match.flags is not None:
        wanted = flags_of(match.flags)
        return replace(shape, flags=(~wanted.value & wanted.mask) or _flags_without(wanted.mask))
    if match.proto in {"tcp", "udp"}:
        return replace(shape, proto="udp" if match.proto == "tcp" else "tcp", payload=b"")
    if match.payload is not None:
        return replace(shape, payload=b"")
    return None


def packet(shape: Shape, *, dont_fragment: bool = False) -> bytes:
    """The bytes of a probe, from the IP header on; both sums are right."""
    source, target = ipaddress.ip_address(shape.source), ipaddress.ip_address(shape.target)
    segment = _tcp(shape) if shape.proto == "tcp" else _udp(shape)
    number = _TCP if shape.proto == "tcp" else _UDP
    pseudo = source.packed + target.packed + struct.pack(">II", len(segment), number)
    found = _sum(pseudo + segment)
    if shape.proto == "udp" and not found:
        found = 0xFFFF  # 0 would say that there is none (RFC 768)
    at = 16 if shape.proto == "tcp" else 6
    segment = segment[:at] + struct.pack(">H", found) + segment[at + 2 :]
    if source.version == 6:  # noqa: PLR2004 - the version itself
        return (
            struct.pack(">IHBB", 6 << 28, len(segment), number, _TTL)
            + source.packed
            + target.packed
            + segment
        )
    fragment = _DONT_FRAGMENT if dont_fragment else 0
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), 1, fragment, _TTL, number, 0)
    header += source.packed + target.packed
    return header[:10] + struct.pack(">H", _sum(header)) + header[12:] + segment


def _tcp(shape: Shape) -> bytes:
    opens = bool(shape.flags & FLAGS["SYN"])
    options = struct.pack(">BBH", 2, 4, MSS) if opens else b""
    words = 5 + len(options) // 4
    number = 1 if shape.flags & FLAGS["ACK"] else 0
    header = struct.pack(
        ">HHIIBBHHH", shape.sport, shape.dport, 1, number, words << 4, shape.flags, _WINDOW, 0, 0
    )
    return header + options + shape.payload


def _udp(shape: Shape) -> bytes:
    return struct.pack(">HHHH", shape.sport, shape.dport, 8 + len(shape.payload), 0) + shape.payload


def _sum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    data += bytes(len(data) % 2)
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
