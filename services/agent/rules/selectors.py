"""Selectors: which packets a fault's match takes, as rows of conditions of which one is to hold.

Theory of operation
    A rule of nft is an AND. A match may ask for several networks, for TCP and UDP, and for a port on either
    side: each such choice is a list of alternatives, and each combination of alternatives becomes a row. All
    rows of a fault stand in one chain and `goto` the fault, so a packet that several rows take is bitten, and
    counted, once.

    What a match says of payload and of ordinals is not told here: the rows take more then, not less.
"""

import itertools
import struct
from typing import Literal, TypeAlias

from services.agent.rules.verdicts import ICMP_CODES
from services.netlink import nftables
from socketlab.wire.fault import PmtuBlackHole, Reject
from socketlab.wire.match import Direction, Family, Match, Network, Ports, Protocol, flags_of, ports_of

Hook: TypeAlias = Literal["in", "out"]
"""Where a packet is met: where it arrives for this host's programs, or where they have sent it."""
Side: TypeAlias = Literal["source", "destination"]
Row: TypeAlias = tuple[bytes, ...]
_Alternatives: TypeAlias = list[Row]

HOOKS: dict[Direction, tuple[Hook, ...]] = {"in": ("in",), "out": ("out",), "both": ("in", "out")}

_NFPROTO: dict[Family, int] = {"ipv4": 2, "ipv6": 10}
_L4PROTO: dict[Protocol, int] = {"tcp": 6, "udp": 17, "icmp": 1, "icmp6": 58}
_ADDRESS_AT: dict[tuple[int, Side], int] = {
    (4, "source"): 12,
    (4, "destination"): 16,
    (6, "source"): 8,
    (6, "destination"): 24,
}
"""Offsets in the network header (RFC 791 3.1, RFC 8200 3)."""
_PORT_AT: dict[Side, int] = {"source": 0, "destination": 2}
"""Offsets in the transport header, TCP and UDP alike."""
_FLAGS_AT = 13
"""Offset in TCP's header (RFC 9293 3.1)."""
_RST = 0x04
_PEER_SIDE: dict[Hook, Side] = {"in": "source", "out": "destination"}
_OWN_SIDE: dict[Hook, Side] = {"in": "destination", "out": "source"}
_UNREACHABLE: dict[Family, int] = {"ipv4": 3, "ipv6": 1}
_TOO_BIG: dict[Family, bytes] = {"ipv4": bytes([3, 4]), "ipv6": bytes([2])}
"""ICMP's "fragmentation needed", type and code (RFC 1191); ICMPv6's "packet too big", a type (RFC 4443)."""
_ICMP_OF: dict[Family, Protocol] = {"ipv4": "icmp", "ipv6": "icmp6"}


def rows(match: Match, hook: Hook, family: Family | None = None) -> list[Row]:
    """The rows of a match.

    Args:
        match: which packets; its payload and `which` are passed over.
        hook: where they are met.
        family: only of this one; None: as the match says.
    """
    return _product(
        _peers(match, hook, family),
        [is_protocol(proto) for proto in match.protocols] or [()],
        _ports(match, hook),
        [()] if match.flags is None else [_flags(*flags_of(match.flags))],
    )


def black_hole_rows(fault: PmtuBlackHole) -> list[Row]:
    """The rows of what tells this host that its packets are too large."""
    found: list[Row] = []
    for family in sorted(fault.match.families):
        told = _TOO_BIG[family]
        row = *is_protocol(_ICMP_OF[family]), *_is(nftables.payload(nftables.TRANSPORT, 0, len(told)), told)
        found += _product(_peers(fault.match, "in", family), [row])
    return found


def answer_rows(fault: Reject) -> list[Row]:
    """The rows of the ICMP answers of a refusal, on their way out: at least those, to the match's peers."""
    family = fault.family
    if family is None:
        return []
    return _product(_peers(fault.match, "out", family), [_unreachable(family, ICMP_CODES[fault.answer])])


def own_answer_rows(fault: Reject, hook: Hook) -> list[Row]:
    """The rows of this refusal's own answers, where they might be taken for what is to be refused.

    The kernel would not answer them, and lose them.
    """
    if hook == "in":
        return []
    if fault.family is None:
        return [(*is_protocol("tcp"), *_flags(_RST, _RST))]
    if _ICMP_OF[fault.family] in (fault.match.protocols or (_ICMP_OF[fault.family],)):
        return [_unreachable(fault.family, ICMP_CODES[fault.answer])]
    return []


def probe_rows(port: int) -> list[Row]:
    """The rows of probes: TCP or UDP from that port."""
    return [(*is_protocol(proto), *_in_range(Ports(port, port), "source")) for proto in ("tcp", "udp")]


def is_family(family: Family) -> Row:
    """Only packets of one family."""
    return _is(nftables.meta(nftables.NFPROTO), bytes([_NFPROTO[family]]))


def is_protocol(proto: Protocol) -> Row:
    """Only packets of one transport."""
    return _is(nftables.meta(nftables.L4PROTO), bytes([_L4PROTO[proto]]))


def _is(load: bytes, value: bytes) -> Row:
    return load, nftables.compare(nftables.EQUAL, value)


def _product(*choices: _Alternatives) -> list[Row]:
    return [tuple(itertools.chain(*row)) for row in itertools.product(*choices)]


def _peers(match: Match, hook: Hook, family: Family | None) -> _Alternatives:
    families = match.families if family is None else match.families & {family}
    if match.addresses:
        return [
            _network(each, _PEER_SIDE[hook]) for each in match.networks if f"ipv{each.version}" in families
        ]
    return [()] if len(families) > 1 else [is_family(each) for each in families]


def _network(network: Network, side: Side) -> Row:
    family: Family = "ipv4" if network.version == 4 else "ipv6"  # noqa: PLR2004 - the version itself
    wire = network.network_address.packed
    if network.prefixlen == 0:
        return is_family(family)
    load = nftables.payload(nftables.NETWORK, _ADDRESS_AT[network.version, side], len(wire))
    compare = nftables.compare(nftables.EQUAL, wire)
    if network.prefixlen == network.max_prefixlen:
        return *is_family(family), load, compare
    return *is_family(family), load, nftables.mask(network.netmask.packed), compare


def _ports(match: Match, hook: Hook) -> _Alternatives:
    if match.port is not None:
        ports = ports_of(match.port)
        return [_in_range(ports, "destination"), _in_range(ports, "source")]
    row: Row = ()
    for given, side in ((match.own_port, _OWN_SIDE[hook]), (match.peer_port, _PEER_SIDE[hook])):
        if given is not None:
            row += _in_range(ports_of(given), side)
    return [row]


def _in_range(ports: Ports, side: Side) -> Row:
    load = nftables.payload(nftables.TRANSPORT, _PORT_AT[side], 2)
    first, last = (struct.pack(">H", port) for port in ports)
    if first == last:
        return _is(load, first)
    return load, nftables.compare(nftables.AT_LEAST, first), nftables.compare(nftables.AT_MOST, last)


def _flags(mask: int, value: int) -> Row:
    load = nftables.payload(nftables.TRANSPORT, _FLAGS_AT, 1)
    return load, nftables.mask(bytes([mask])), nftables.compare(nftables.EQUAL, bytes([value]))


def _unreachable(family: Family, code: int) -> Row:
    told = bytes([_UNREACHABLE[family], code])
    return *is_protocol(_ICMP_OF[family]), *_is(nftables.payload(nftables.TRANSPORT, 0, 2), told)
