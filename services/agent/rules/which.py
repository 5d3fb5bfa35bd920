"""Which of the packets that match: what nft can count itself, exactly.

Theory of operation
    A rule of nft has a counter of its own that says how many packets came this far before this one. Loaded
    before anything is compared, it is the packet's ordinal among all that match, so `nth`, `first`, `after`
    and `every` are comparisons of one or two such numbers. `at_most` counts again, behind those comparisons:
    only what they let by. A rule that ends at a comparison has counted all the same, so any of them combine.

    The numbers are of 32 bits: beyond four thousand million packets the ordinals begin anew.

    Chance is left to the emulator: nft's own cannot be seeded.
"""

import struct

from services.netlink import nftables
from socketlab.wire.match import Match, Which

_MODULUS = 0xFFFF_FFFF


def is_countable(match: Match, *, exact: bool) -> bool:
    """Whether nft can tell the packets of this match by itself.

    Args:
        match: which packets.
        exact: whether each packet that nft sees is one on the wire. Where links segment and merge, TCP's and
            UDP's data comes in larger ones, and only what opens a connection is one for sure.
    """
    if match.payload is not None:
        return False
    which = match.which
    if which is None:
        return True
    return which.probability is None and (exact or _is_single(match))


def _is_single(match: Match) -> bool:
    """Whether such packets are never merged: they carry no data in a flow."""
    asked = (match.flags or "").split(",")
    return bool({"SYN", "RST"} & set(asked)) or match.proto in {"icmp", "icmp6"}


def counting(which: Which) -> tuple[bytes, ...]:
    """The expressions that let by only the packets chosen; they come behind all selectors, before the bite.

    Args:
        which: without a probability.
    """
    lowest, highest = _bounds(which)
    load: list[bytes] = []
    compare: list[bytes] = []
    if lowest > 1 or highest is not None:
        load += nftables.count(_MODULUS, nftables.FIRST)
        compare += _within(lowest - 1, None if highest is None else highest - 1, nftables.FIRST)
    if which.every is not None and which.every > 1:
        load += nftables.count(which.every, nftables.SECOND)
        compare += _within(which.every - 1, which.every - 1, nftables.SECOND)
    if which.at_most is not None:
        compare += nftables.count(_MODULUS, nftables.THIRD)
        compare += _within(0, which.at_most - 1, nftables.THIRD)
    return *load, *compare


def _bounds(which: Which) -> tuple[int, int | None]:
    """The first and the last ordinal that may be bitten; None: there is no last."""
    if which.nth is not None:
        return which.nth, which.nth
    return (which.after or 0) + 1, which.first


def _within(lowest: int, highest: int | None, register: int) -> list[bytes]:
    if lowest == highest:
        return [nftables.compare(nftables.EQUAL, struct.pack(">I", lowest), register)]
    found = [] if lowest == 0 else [nftables.compare(nftables.AT_LEAST, struct.pack(">I", lowest), register)]
    if highest is not None:
        found.append(nftables.compare(nftables.AT_MOST, struct.pack(">I", highest), register))
    return found
