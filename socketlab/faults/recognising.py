"""Which of the captured packets a fault bit, found from outside: an agent does not mark them.

Theory of operation
    What the emulator did is in its log: an entry names flow, sequence number and time, and the packet that it
    was about is the last one captured before it that is like that. What the kernel's own rules did is decided
    again here: they take the arriving packets that fit the match, and choose by ordinals, which are known as
    long as the capture has seen every packet since the fault was put in force. A packet that vanished at its
    sender was never on the link, so nobody has captured it.
"""

import ipaddress
import struct
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Protocol

from socketlab.wire.fault import Fault, match_of
from socketlab.wire.lease import LogEntry
from socketlab.wire.match import Match, Network, Which, flags_of, network_of, ports_of
from socketlab.wire.message import Frame

_ETHERNET: Final = 14
_IPV4: Final = 0x0800
_IPV6: Final = 0x86DD
_IPV4_LEAST: Final = 20
_IPV6_HEADER: Final = 40
_PROTOCOLS: Final = {6: "tcp", 17: "udp", 1: "icmp", 58: "icmp6"}
_TCP_LEAST: Final = 20
_UDP_HEADER: Final = 8
_BEFORE_NS: Final = 50_000_000
"""Within which of its capture a packet has been decided about; the emulator may be behind."""
_CLOCKS_NS: Final = 1_000_000
"""By which a capture's times may be off: the kernel stamps by the clock of the time of day."""


class Heard(NamedTuple):
    """What a captured packet says of itself.

    Args:
        proto: `tcp`, `udp`, `icmp`, `icmp6`; None: another.
        source: its address.
        target: the other one.
        sport: its port; None: it has none.
        dport: the other one.
        flags: TCP's.
        seq: TCP's sequence number.
        payload: as much of it as was captured.
    """

    proto: str | None
    source: str
    target: str
    sport: int | None = None
    dport: int | None = None
    flags: int = 0
    seq: int | None = None
    payload: bytes = b""

    @property
    def flow(self) -> str:
        """As a log names it."""
        ends = (_end(self.source, self.sport), _end(self.target, self.dport))
        return f"{self.proto} {ends[0]} > {ends[1]}"


def _end(address: str, port: int | None) -> str:
    if port is None:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def heard(data: bytes) -> Heard | None:
    """What a captured packet says; None: it is no IP packet, or too little of it was kept."""
    if len(data) < _ETHERNET:
        return None
    (kind,) = struct.unpack_from(">H", data, 12)
    rest = data[_ETHERNET:]
    if kind == _IPV4 and len(rest) >= _IPV4_LEAST:
        length = (rest[0] & 0xF) * 4
        (whole,) = struct.unpack_from(">H", rest, 2)
        source, target = (str(ipaddress.IPv4Address(rest[at : at + 4])) for at in (12, 16))
        return _transport(rest[9], source, target, rest[length:whole])
    if kind == _IPV6 and len(rest) >= _IPV6_HEADER:
        (whole,) = struct.unpack_from(">H", rest, 4)
        source, target = (str(ipaddress.IPv6Address(rest[at : at + 16])) for at in (8, 24))
        return _transport(rest[6], source, target, rest[_IPV6_HEADER : _IPV6_HEADER + whole])
    return None


def _transport(number: int, source: str, target: str, data: bytes) -> Heard:
    proto = _PROTOCOLS.get(number)
    if proto == "tcp" and len(data) >= _TCP_LEAST:
        sport, dport, seq = struct.unpack_from(">HHI", data)
        payload = data[(data[12] >> 4) * 4 :]
        return Heard(proto, source, target, sport, dport, data[13], seq, payload)
    if proto == "udp" and len(data) >= _UDP_HEADER:
        sport, dport = struct.unpack_from(">HH", data)
        return Heard(proto, source, target, sport, dport, payload=data[_UDP_HEADER:])
    return Heard(proto, source, target, payload=data)


class Bitten(Protocol):
    """What must be known of a fault on a host: a `socketlab.faults.reach.Part`."""

    fault: Fault
    began_ns: int
    probe_ports: set[int]
    ended_ns: int | None

    @property
    def is_emulated(self) -> bool:
        """Whether the emulator does it, and keeps a log."""

    @property
    def log(self) -> tuple[LogEntry, ...]:
        """Of the emulator."""

    @property
    def bitten(self) -> int | None:
        """Packets that it has bitten."""


def bitten_by(part: Bitten, frames: Sequence[Frame], offset_ns: int) -> list[int]:
    """Which of a host's captured packets a fault there bit, by their places.

    Args:
        part: the fault.
        frames: captured on its host, in the order of their times, which are of our monotonic clock.
        offset_ns: by how much the host's clock is ahead of ours.
    """
    if part.is_emulated:
        return _by_log(part.log, frames, offset_ns)
    match = match_of(part.fault)
    if match is None or not part.bitten:
        return []
    since = [
        place
        for place, frame in enumerate(frames)
        if frame.at_ns >= part.began_ns and (part.ended_ns is None or frame.at_ns <= part.ended_ns)
    ]
    fitting = [
        place
        for place in since
        if not frames[place].outgoing
        and (said := heard(frames[place].data)) is not None
        and said.sport not in part.probe_ports
        and fits(match, said)
    ]
    return list(chosen(match.which, fitting))


def _by_log(log: Iterable[LogEntry], frames: Sequence[Frame], offset_ns: int) -> list[int]:
    by_flow: dict[str, list[tuple[int, int | None]]] = {}
    for place, frame in enumerate(frames):
        said = heard(frame.data)
        if said is not None:
            by_flow.setdefault(said.flow, []).append((place, said.seq))
    found: dict[int, None] = {}
    ordinals: set[int] = set()
    for entry in log:
        if entry.action == "passed" or entry.ordinal in ordinals:
            continue
        ordinals.add(entry.ordinal)
        at = entry.at_ns - offset_ns
        for place, seq in reversed(by_flow.get(entry.flow, [])):
            near = at - _BEFORE_NS <= frames[place].at_ns <= at + _CLOCKS_NS
            if near and place not in found and (seq is None or f"seq {seq} " in f"{entry.detail} "):
                found[place] = None
                break
    return sorted(found)


def fits(match: Match, said: Heard) -> bool:
    """Whether an arriving packet is one that a match takes, `which` apart."""
    if match.direction == "out" or (match.protocols and said.proto not in match.protocols):
        return False
    source = network_of(said.source)
    if f"ipv{source.version}" not in match.families or not _ports_fit(match, said):
        return False
    if match.peer is not None and not any(_within(source, network) for network in match.networks):
        return False
    wanted = None if match.flags is None else flags_of(match.flags)
    if wanted is not None and said.flags & wanted.mask != wanted.value:
        return False
    return match.payload is None or match.payload in said.payload


def _ports_fit(match: Match, said: Heard) -> bool:
    asked = (
        (match.own_port, (said.dport,)),
        (match.peer_port, (said.sport,)),
        (match.port, (said.dport, said.sport)),
    )
    for given, seen in asked:
        if given is not None:
            first, last = ports_of(given)
            if not any(port is not None and first <= port <= last for port in seen):
                return False
    return True


def _within(source: Network, network: Network) -> bool:
    return source.version == network.version and source.subnet_of(network)  # type: ignore[arg-type] # of one version


def chosen(which: Which | None, places: Iterable[int]) -> Iterable[int]:
    """Those that `which` chooses of the packets that match, in their order."""
    taken = 0
    for ordinal, place in enumerate(places, 1):
        if which is not None:
            if which.at_most is not None and taken >= which.at_most:
                return
            if not _is_chosen(which, ordinal):
                continue
        taken += 1
        yield place


def _is_chosen(which: Which, ordinal: int) -> bool:
    return (
        (which.nth is None or ordinal == which.nth)
        and (which.first is None or ordinal <= which.first)
        and (which.every is None or ordinal % which.every == 0)
        and (which.after is None or ordinal > which.after)
    )
