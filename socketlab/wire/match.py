"""Which packets a fault bites, as data.

Theory of operation
    Everything that a `Match` says must hold: peer AND port AND protocol AND direction AND family AND flags
    AND payload. Of the packets that do, `which` chooses by their ordinals, counted from 1 when the fault is
    put in force: so "the first two SYNs of this client" is `Match(peer=..., flags="SYN", which=first(2))`.
    What cannot match anything is refused when it is made.
"""

import dataclasses
import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeAlias, cast, get_args

from socketlab.wire.errors import FaultError

Protocol: TypeAlias = Literal["tcp", "udp", "icmp", "icmp6"]
Direction: TypeAlias = Literal["in", "out", "both"]
Family: TypeAlias = Literal["ipv4", "ipv6"]
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

FLAGS: dict[str, int] = {"FIN": 0x01, "SYN": 0x02, "RST": 0x04, "PSH": 0x08, "ACK": 0x10, "URG": 0x20}
"""TCP's flags and their bits (RFC 9293 3.1)."""
MOST_PAYLOAD = 256
"""Bytes that a match may look for."""
_PORT_MAX = 65535
_COUNT_MAX = 2**31 - 1
_SHARE_MIN = 1e-9
_NAME_MAX = 253
_MAPPED_BITS = 96
"""How much of an IPv6 address says that an IPv4 address is mapped into it (RFC 4291 2.5.5.2)."""
_SEED_MAX = 2**53
_NETWORKS = 1024
"""So many are kept as they were read: of one fault each is asked for a dozen times."""
_PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?", re.ASCII)
_ONLY: dict[str, Family] = {"icmp": "ipv4", "icmp6": "ipv6"}
_BOTH: frozenset[Family] = frozenset(("ipv4", "ipv6"))


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Refuse what is none of the words that a member takes.

    Raises:
        FaultError: it is none.
    """
    if value not in choices:
        raise FaultError("fault-choice", name=name, expected=" | ".join(choices), seen=ascii(value)[:60])


def check_seed(seed: int | None) -> None:
    """Refuse what is no seed; None is one that is drawn later.

    Raises:
        FaultError: it is none.
    """
    if seed is not None and not (type(seed) is int and 0 <= seed <= _SEED_MAX):
        raise FaultError("fault-seed", limit=_SEED_MAX, seen=ascii(seed)[:60])


def check_share(share: float) -> None:
    """Refuse what is no probability that something happens with.

    Raises:
        FaultError: it is none.
    """
    if type(share) not in {int, float} or not _SHARE_MIN <= share <= 1:
        raise FaultError("fault-probability", least=_SHARE_MIN, seen=ascii(share)[:60])


class Ports(NamedTuple):
    """A range of ports, both ends included."""

    first: int
    last: int


class Flags(NamedTuple):
    """TCP flags to look for: `flags & mask == value`."""

    mask: int
    value: int


def ports_of(given: int | str) -> Ports:
    """The range that `7000`, `"7000"` or `"7000-7009"` means.

    Raises:
        FaultError: it is none, or a port out of range.
    """
    found = _PORTS.fullmatch(str(given))
    if found is None:
        raise FaultError("fault-port", seen=ascii(given)[:60])
    first = int(found[1])
    last = int(found[2] or first)
    if not 1 <= first <= last <= _PORT_MAX:
        raise FaultError("fault-port", seen=ascii(given)[:60])
    return Ports(first, last)


def flags_of(given: str) -> Flags:
    """The bits that `SYN`, `SYN,ACK` or `FIN,!ACK` means.

    Flags named must be set, those with `!` clear, others may be either; `SYN` without a word about ACK is the
    SYN that opens a connection, so ACK is clear then.

    Raises:
        FaultError: an unknown flag, or one that is to be set and clear.
    """
    mask = value = 0
    for word in given.upper().split(","):
        name = word.removeprefix("!")
        bit = FLAGS.get(name)
        if bit is None or mask & bit:
            raise FaultError("fault-flags", seen=ascii(given)[:60], known=",".join(FLAGS))
        mask |= bit
        value |= 0 if word.startswith("!") else bit
    if value & FLAGS["SYN"] and not mask & FLAGS["ACK"]:
        mask |= FLAGS["ACK"]
    return Flags(mask, value)


@lru_cache(_NETWORKS)
def network_of(text: str) -> Network:
    """The network of an address (one of its own) or of `address/bits`.

    An IPv4 address mapped into IPv6 is IPv4, as it is in a packet.

    Raises:
        FaultError: neither, or bits are set beyond the mask, or it names a link (`fe80::1%eth0`).
    """
    try:
        found = ipaddress.ip_network(text)
    except ValueError as error:
        raise FaultError("fault-address", seen=ascii(text)[:60], why=error) from error
    if isinstance(found, ipaddress.IPv6Network):
        if "%" in text:
            raise FaultError("fault-zone", seen=ascii(text)[:60])
        mapped = found.network_address.ipv4_mapped
        if mapped is not None and found.prefixlen >= _MAPPED_BITS:
            return ipaddress.IPv4Network((mapped, found.prefixlen - _MAPPED_BITS))
    return found


def _plain(text: str) -> str:
    """An address or a network as it is always written."""
    network = network_of(text)
    return str(network.network_address if network.prefixlen == network.max_prefixlen else network)


def family_of(address: str) -> Family:
    """`ipv4` or `ipv6`, of an address or a network.

    Raises:
        FaultError: it is neither.
    """
    return "ipv4" if network_of(address).version == 4 else "ipv6"  # noqa: PLR2004 - the version itself


def _is_address(peer: str) -> bool:
    """Whether a peer is an address or a network, and no name; what has a colon, a slash or a zone is no name.

    Raises:
        FaultError: it is neither.
    """
    if {":", "/", "%"} & set(peer):
        network_of(peer)
        return True
    try:
        network_of(peer)
    except FaultError:
        return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Which of the packets that match, by their ordinals (the first is 1). All that is given must hold.

    Args:
        nth: only this one.
        first: the first so many.
        every: each n-th: n, 2n, 3n ...
        after: only those after the first so many.
        at_most: bite so many, and let all others pass.
        probability: bite each with this chance, at least 1e-9, at most 1.
        seed: of that chance: the same bites the same ordinals. None: one is drawn, and shown in the lease.

    Raises:
        FaultError: a number out of range, or numbers that no packet can satisfy.
    """

    nth: int | None = None
    first: int | None = None
    every: int | None = None
    after: int | None = None
    at_most: int | None = None
    probability: float | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        for name in ("nth", "first", "every", "after", "at_most"):
            given = getattr(self, name)
            if given is not None and not (type(given) is int and 1 <= given <= _COUNT_MAX):
                raise FaultError("fault-which", name=name, seen=ascii(given)[:60])
        chance = self.probability
        if chance is not None:
            check_share(chance)
        check_seed(self.seed)
        if self.seed is not None and chance is None:
            raise FaultError("fault-seed-alone")
        if not self._given():
            raise FaultError("fault-which-nothing")
        lowest = (self.after or 0) + 1
        highest = self.first or _COUNT_MAX
        if self.nth is not None:
            lowest, highest = max(lowest, self.nth), min(highest, self.nth)
        step = self.every or 1
        if lowest > highest or -(-lowest // step) * step > highest:
            raise FaultError("fault-which-never", seen=str(self))

    def __and__(self, other: "Which") -> "Which":
        """Both must hold.

        Raises:
            FaultError: both speak of the same, or nothing satisfies them.
        """
        mine, theirs = self._given(), other._given()
        for name in mine.keys() & theirs.keys():
            raise FaultError("fault-which-twice", name=name)
        return Which(**mine, **theirs)

    def _given(self) -> dict[str, Any]:
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def __str__(self) -> str:
        return " ".join(f"--{name.replace('_', '-')} {value}" for name, value in self._given().items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which packets a fault bites. What is left out matches all.

    Args:
        peer: the other side, as the user named it: a host's name, an address or a network.
        addresses: all addresses and networks of `peer`; empty: the name has not been resolved yet. An
            address or network as `peer` is its own.
        port: the service's port, whichever side has it: `7000` or `"7000-7009"`. TCP and UDP, where `proto`
            says nothing.
        own_port: a port of the host that the fault is on.
        peer_port: a port of the other side.
        proto: `tcp`, `udp`, `icmp` (IPv4 only) or `icmp6` (IPv6 only).
        direction: `in` bites what arrives at the host (as a network would), `out` what it sends.
        family: `ipv4` or `ipv6`.
        flags: TCP flags: `SYN`, `SYN,ACK`, `FIN,!ACK` (`flags_of`). Makes `proto` tcp.
        payload: bytes that the transport payload (of ICMP: the message) contains.
        which: which of those packets; None: all.

    Raises:
        FaultError: nonsense, or what cannot match anything.
    """

    peer: str | None = None
    addresses: tuple[str, ...] = ()
    port: int | str | None = None
    own_port: int | str | None = None
    peer_port: int | str | None = None
    proto: Protocol | None = None
    direction: Direction = "in"
    family: Family | None = None
    flags: str | None = None
    payload: bytes | None = None
    which: Which | None = None

    def __post_init__(self) -> None:
        check_choice("direction", self.direction, get_args(Direction))
        if self.proto is not None:
            check_choice("proto", self.proto, get_args(Protocol))
        if self.family is not None:
            check_choice("family", self.family, get_args(Family))
        self._check_ports()
        if self.flags is not None:
            flags_of(self.flags)
            if self.proto not in {None, "tcp"}:
                raise FaultError("fault-flags-proto", seen=self.proto)
            object.__setattr__(self, "flags", self.flags.upper())
            object.__setattr__(self, "proto", "tcp")
        payload = self.payload
        if payload is not None and not (type(payload) is bytes and 1 <= len(payload) <= MOST_PAYLOAD):
            raise FaultError("fault-payload", limit=MOST_PAYLOAD, seen=ascii(self.payload)[:60])
        self._check_peer()
        if not self.families:
            raise FaultError("fault-no-family", match=self.peer or "-", proto=self.proto, family=self.family)

    def _check_ports(self) -> None:
        given = [name for name in ("port", "own_port", "peer_port") if getattr(self, name) is not None]
        for name in given:
            ports = ports_of(getattr(self, name))
            plain = ports.first if ports.first == ports.last else f"{ports.first}-{ports.last}"
            object.__setattr__(self, name, plain)
        if given and self.proto in {"icmp", "icmp6"}:
            raise FaultError("fault-port-proto", proto=self.proto)
        if self.port is not None and len(given) > 1:
            raise FaultError("fault-port-twice")

    def _check_peer(self) -> None:
        if self.peer is None:
            if self.addresses:
                raise FaultError("fault-peer", seen=len(self.addresses))
            return
        if not (self.peer.isprintable() and 0 < len(self.peer.strip()) <= len(self.peer) <= _NAME_MAX):
            raise FaultError("fault-peer-name", limit=_NAME_MAX, seen=ascii(self.peer)[:60])
        addresses = self.addresses or ((self.peer,) if _is_address(self.peer) else ())
        plain = tuple(dict.fromkeys(map(_plain, addresses)))
        object.__setattr__(self, "addresses", plain)
        if plain and all(network_of(each).is_loopback for each in plain):
            raise FaultError("fault-loopback", peer=self.peer)

    @property
    def is_resolved(self) -> bool:
        """Whether its peer's addresses are known; true without a peer."""
        return self.peer is None or bool(self.addresses)

    @property
    def networks(self) -> tuple[Network, ...]:
        """The peer's addresses and networks of the families that can match, each once."""
        found, families = dict.fromkeys(map(network_of, self.addresses)), self.families
        return tuple(each for each in found if f"ipv{each.version}" in families)

    @property
    def families(self) -> frozenset[Family]:
        """The families whose packets can match."""
        found = frozenset(map(family_of, self.addresses)) or _BOTH
        if self.family is not None:
            found &= {self.family}
        if self.proto in _ONLY:
            found &= {_ONLY[cast("str", self.proto)]}
        return found

    @property
    def protocols(self) -> tuple[Protocol, ...]:
        """The protocols whose packets can match; empty: all, also those that have no name here."""
        if self.proto is not None:
            return (self.proto,)
        has_port = any(each is not None for each in (self.port, self.own_port, self.peer_port))
        return ("tcp", "udp") if has_port else ()
