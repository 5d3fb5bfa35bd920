"""From a match to a function that says whether a packet is taken. `which` is not its business.

Theory of operation
    What a match says becomes a row of tests, each a closure over numbers and bytes that were computed once; a
    packet is taken when it passes all. The cheapest and most selective come first.
"""

from collections.abc import Callable
from typing import TypeAlias

from services.agent.emulator.packet import ICMP, ICMP6, TCP, UDP, Flow, Packet, PacketError
from socketlab.wire.fault import Reject, SlowHandshake
from socketlab.wire.match import Match, Network, flags_of, ports_of

Taken: TypeAlias = Callable[[Packet], bool]

_NUMBERS = {"tcp": TCP, "udp": UDP, "icmp": ICMP, "icmp6": ICMP6}
_ADDRESS_BYTES = {"ipv4": 4, "ipv6": 16}
_SYN, _SYN_ACK, _RST = 0x02, 0x12, 0x04
_SPACE = 1 << 32
_MOST_OPENING = 4096


def taken_by(match: Match) -> Taken:
    """Whether a match takes a packet, apart from its `which`."""
    return _all_of(
        [
            *_directions(match),
            *_families(match),
            *_protocols(match),
            *_ports(match),
            *_peers(match.networks),
            *_flags(match),
            *_payloads(match),
        ]
    )


def _all_of(tests: list[Taken]) -> Taken:
    if not tests:
        return lambda _packet: True
    if len(tests) == 1:
        return tests[0]
    row = tuple(tests)

    def taken(packet: Packet) -> bool:
        for test in row:  # noqa: SIM110 - `all` of a generator takes twice as long
            if not test(packet):
                return False
        return True

    return taken


def _directions(match: Match) -> list[Taken]:
    if match.direction == "both":
        return []
    arriving = match.direction == "in"
    return [lambda packet: packet.arriving is arriving]


def _families(match: Match) -> list[Taken]:
    if len(match.families) > 1:
        return []
    (family,) = match.families
    size = _ADDRESS_BYTES[family]
    return [lambda packet: len(packet.flow.source) == size]


def _protocols(match: Match) -> list[Taken]:
    numbers = frozenset(_NUMBERS[each] for each in match.protocols)
    return [lambda packet: packet.flow.protocol in numbers] if numbers else []


def _ports(match: Match) -> list[Taken]:
    tests: list[Taken] = []
    if match.port is not None:
        low, high = ports_of(match.port)
        tests.append(lambda packet: low <= packet.flow.dport <= high or low <= packet.flow.sport <= high)
    if match.own_port is not None:
        own_low, own_high = ports_of(match.own_port)
        tests.append(
            lambda packet: (
                own_low <= (packet.flow.dport if packet.arriving else packet.flow.sport) <= own_high
            )
        )
    if match.peer_port is not None:
        peer_low, peer_high = ports_of(match.peer_port)
        tests.append(
            lambda packet: (
                peer_low <= (packet.flow.sport if packet.arriving else packet.flow.dport) <= peer_high
            )
        )
    return tests


def _peers(networks: tuple[Network, ...]) -> list[Taken]:
    if not networks:
        return []
    single = frozenset(
        each.network_address.packed for each in networks if each.prefixlen == each.max_prefixlen
    )
    wide = tuple(
        (len(each.network_address.packed), int(each.netmask), int(each.network_address))
        for each in networks
        if each.prefixlen < each.max_prefixlen
    )

    def taken(packet: Packet) -> bool:
        peer = packet.flow.source if packet.arriving else packet.flow.destination
        if peer in single:
            return True
        for size, mask, network in wide:
            if len(peer) == size and int.from_bytes(peer, "big") & mask == network:
                return True
        return False

    return [taken]


def _flags(match: Match) -> list[Taken]:
    if match.flags is None:
        return []
    mask, value = flags_of(match.flags)
    return [lambda packet: packet.flags & mask == value]


def _payloads(match: Match) -> list[Taken]:
    wanted = match.payload
    if wanted is None:
        return []
    return [lambda packet: packet.data.find(wanted, packet.payload, packet.end) >= 0]


def handshake_of(fault: SlowHandshake) -> Taken:
    """SYNs; and SYN,ACKs where both directions are asked for."""
    mask = _SYN if fault.match.direction == "both" else _SYN_ACK
    return _all_of([taken_by(fault.match), lambda packet: packet.flags & mask == _SYN])


def opening_of(match: Match) -> Taken:
    """SYNs and SYN,ACKs: they carry TCP's options for the whole connection."""
    return _all_of([taken_by(match), lambda packet: packet.flags & _SYN != 0])


def established_of(match: Match) -> Taken:
    """Packets of connections that are open: not those three that open one, nor a RST, which has ended it.

    Whoever asks for flags gets those, SYNs too.
    """
    matched = taken_by(match)
    if match.flags is not None:
        return _all_of([matched, lambda packet: not packet.flags & _RST])
    opening: dict[Flow, int] = {}

    def taken(packet: Packet) -> bool:
        if not matched(packet) or packet.flags & _RST:
            return False
        if packet.flags & _SYN:
            if packet.flags & _SYN_ACK == _SYN:
                if len(opening) >= _MOST_OPENING:
                    del opening[next(iter(opening))]
                opening[packet.flow] = packet.seq
            return False
        opened = opening.pop(packet.flow, None)  # the next one after the SYN completes the handshake
        return opened is None or packet.seq != (opened + 1) % _SPACE or packet.stream_length > 0

    return taken


_UNREACHABLE = {ICMP: 3, ICMP6: 1}
_QUOTE_AT = 8
"""Both have eight bytes of header before the packet that they quote (RFC 792, RFC 4443 3.1)."""


def answers_to(reject: Reject, code: int) -> Taken:
    """Whether a packet is the ICMP error that this host's kernel sends for a refusal.

    The packet that it quotes tells: it arrived here, and the refusal takes it. Of its payload only a part is
    quoted, so that is not looked at.

    Args:
        reject: with an ICMP answer.
        code: of destination unreachable.
    """
    match = reject.match
    quoted = _all_of(
        [*_families(match), *_protocols(match), *_ports(match), *_peers(match.networks), *_flags(match)]
    )

    def taken(packet: Packet) -> bool:
        kind = _UNREACHABLE.get(packet.flow.protocol)
        at = packet.transport
        if packet.arriving or packet.end - at <= _QUOTE_AT or packet.data[at] != kind:
            return False
        if packet.data[at + 1] != code:
            return False
        try:
            quote = Packet(_whole(packet.data[at + _QUOTE_AT : packet.end]), arriving=True)
        except PacketError:
            return False
        return quoted(quote)

    return taken


def _whole(quote: bytes) -> bytes:
    """A quoted packet with the length in its header cut to what is quoted, so that it can be read."""
    if not quote:
        return quote
    data = bytearray(quote)
    if data[0] >> 4 == 4 and len(data) >= 4:  # noqa: PLR2004 - the version, and where the length ends
        data[2:4] = min(int.from_bytes(data[2:4], "big"), len(data)).to_bytes(2, "big")
    elif data[0] >> 4 == 6 and len(data) >= 40:  # noqa: PLR2004 - the version, and the header's size
        data[4:6] = min(int.from_bytes(data[4:6], "big"), len(data) - 40).to_bytes(2, "big")
    return bytes(data)
