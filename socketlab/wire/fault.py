"""Faults: what can be wrong with a network, as data.

A fault is immutable and says nothing of mechanisms: the agent finds one. One model serves the command line,
the wire, Python and plans. What makes no sense is refused when it is made, with the reason. Times are
seconds, sizes bytes, rates bit/s. The faults of this module are those of one host's network; what needs more
than one host's agent (a partition, names, pausing a host) is in `socketlab.faults`.
"""

import dataclasses
import ipaddress
import re
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias, TypeVar, get_args

from socketlab.wire.errors import FaultError
from socketlab.wire.match import (
    Direction,
    Family,
    Match,
    Protocol,
    Which,
    check_choice,
    check_seed,
    check_share,
    family_of,
)

ResetAnswer: TypeAlias = Literal["tcp-reset"]
Icmp4Answer: TypeAlias = Literal[
    "icmp-port",
    "icmp-host",
    "icmp-net",
    "icmp-proto",
    "icmp-admin",
    "icmp-host-prohibited",
    "icmp-net-prohibited",
]
Icmp6Answer: TypeAlias = Literal[
    "icmp6-port", "icmp6-addr", "icmp6-no-route", "icmp6-admin", "icmp6-policy", "icmp6-reject-route"
]
Answer: TypeAlias = Literal[
    "tcp-reset",
    "icmp-port",
    "icmp-host",
    "icmp-net",
    "icmp-proto",
    "icmp-admin",
    "icmp-host-prohibited",
    "icmp-net-prohibited",
    "icmp6-port",
    "icmp6-addr",
    "icmp6-no-route",
    "icmp6-admin",
    "icmp6-policy",
    "icmp6-reject-route",
]
RouteType: TypeAlias = Literal["unreachable", "prohibit", "blackhole", "throw"]
Distribution: TypeAlias = Literal["uniform", "normal", "pareto"]
Checksum: TypeAlias = Literal["broken", "valid"]
Then: TypeAlias = Literal["drop", "reset"]

ANSWERS: tuple[Answer, ...] = get_args(Answer)
ROUTE_TYPES: tuple[RouteType, ...] = get_args(RouteType)
MOST_SECONDS = 3600.0
MOST_HELD = 1000
_ALL_BUT_FLAGS = ", ".join(each.name for each in dataclasses.fields(Match) if each.name != "flags")
_DEVICE = re.compile(r"[A-Za-z0-9_.@-]{1,15}", re.ASCII)

F = TypeVar("F", bound="Fault")


def _is_number(value: object) -> bool:
    return type(value) in {int, float}


def _seconds(name: str, value: float, *, zero: bool = False) -> None:
    if not (_is_number(value) and (0 if zero else 1e-6) <= value <= MOST_SECONDS):
        raise FaultError("fault-seconds", name=name, limit=f"{MOST_SECONDS:g}", seen=ascii(value)[:60])


def _number(name: str, value: float, least: float, most: float) -> None:
    if not (_is_number(value) and least <= value <= most):
        seen = ascii(value)[:60]
        raise FaultError("fault-number", name=name, least=f"{least:.15g}", most=f"{most:.15g}", seen=seen)


def _count(name: str, value: int, least: int, most: int) -> None:
    """There is no half of what is counted."""
    if not (type(value) is int and least <= value <= most):
        raise FaultError("fault-count", name=name, least=least, most=most, seen=ascii(value)[:60])


def _as_tcp(fault: "SlowHandshake | Reset | Segments | Limit") -> None:
    """Such a fault is of TCP: a match that does not say so is made to, one that says otherwise is refused."""
    match = fault.match
    if match.proto not in {None, "tcp"}:
        raise FaultError("fault-tcp-only", kind=fault.kind, seen=match.proto)
    if match.proto is None:
        object.__setattr__(fault, "match", dataclasses.replace(match, proto="tcp"))


def _only(kind: str, match: Match, *allowed: str) -> None:
    """Refuse what a kind has no use for in its match."""
    for each in dataclasses.fields(match):
        if each.name not in allowed and getattr(match, each.name) != each.default:
            raise FaultError("fault-match-member", kind=kind, name=each.name, allowed=", ".join(allowed))


@dataclass(frozen=True, slots=True)
class Drop:
    """Matched packets vanish. At the sender (`out`) they vanish silently too, as on a lossy wire."""

    kind: ClassVar[str] = "drop"
    match: Match


@dataclass(frozen=True, slots=True)
class Reject:
    """Matched packets are answered with a refusal.

    Args:
        answer: what is sent back. `icmp-...` exists on IPv4 only, `icmp6-...` on IPv6 only,
            `tcp-reset` on TCP of both.
        match: which packets.
        delay: seconds after which an ICMP answer goes out: on a path without any latency a socket feels it
            1 s later than on any real network (`design.md`). 0: at once, as the kernel would.

    Raises:
        FaultError: the answer does not exist for what the match can bite.
    """

    kind: ClassVar[str] = "reject"
    answer: Answer
    match: Match
    delay: float = 0.001

    def __post_init__(self) -> None:
        check_choice("answer", self.answer, ANSWERS)
        _seconds("delay", self.delay, zero=True)
        if self.answer == "tcp-reset" and self.match.proto != "tcp":
            raise FaultError("fault-reset-needs-tcp", seen=self.match.proto or "any protocol")
        if (family := self.family) is not None and family not in self.match.families:
            raise FaultError("fault-family", answer=self.answer, family=family, peer=self.match.peer or "-")

    @property
    def family(self) -> Family | None:
        """The family whose packets it can answer; None is both."""
        if self.answer == "tcp-reset":
            return None
        return "ipv6" if self.answer.startswith("icmp6-") else "ipv4"


@dataclass(frozen=True, slots=True)
class Delay:
    """Matched packets arrive later, never early, in their order unless `reorder` is asked.

    Args:
        seconds: later by so much.
        match: which packets.
        jitter: more or less by so much: `uniform` within +-jitter, `normal` with it as the deviation,
            `pareto` a long tail of that scale. Never less than 0 in all.
        distribution: of the jitter.
        reorder: let a packet overtake another of its flow.
        seed: of the jitter; None: one is drawn, and shown in the lease.
    """

    kind: ClassVar[str] = "delay"
    seconds: float
    match: Match
    jitter: float = 0.0
    distribution: Distribution = "uniform"
    reorder: bool = False
    seed: int | None = None

    def __post_init__(self) -> None:
        _seconds("jitter", self.jitter, zero=True)
        _seconds("seconds", self.seconds, zero=self.jitter > 0)
        check_choice("distribution", self.distribution, get_args(Distribution))
        check_seed(self.seed)
        if self.distribution == "uniform" and self.jitter > self.seconds:
            raise FaultError("fault-jitter", seconds=self.seconds, seen=self.jitter)


@dataclass(frozen=True, slots=True)
class Loss:
    """Each matched packet is lost with this chance; with `burst`, in runs (Gilbert's model).

    Args:
        probability: share of the packets, at least 1e-9, at most 1.
        match: which packets.
        burst: mean length of a run of lost packets, at least 1; None: each for itself.
        seed: the same seed loses the same ordinals; None: one is drawn, and shown in the lease.
    """

    kind: ClassVar[str] = "loss"
    probability: float
    match: Match
    burst: float | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        check_share(self.probability)
        check_seed(self.seed)
        if self.burst is not None:
            _number("burst", self.burst, 1, 10_000)
            if self.probability < 1 and self.probability / (1 - self.probability) > self.burst:
                raise FaultError("fault-burst", probability=self.probability, seen=self.burst)


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Matched packets arrive more than once, one right after the other.

    Args:
        match: which packets.
        copies: how many more of each.
    """

    kind: ClassVar[str] = "duplicate"
    match: Match
    copies: int = 1

    def __post_init__(self) -> None:
        _count("copies", self.copies, 1, 10)


@dataclass(frozen=True, slots=True)
class Reorder:
    """A matched packet is overtaken: it waits until `gap` later packets of its flow have gone by.

    What goes by while one waits is not held itself.

    Args:
        match: which packets.
        gap: so many overtake it.
        seconds: it goes on after so long at the latest.
    """

    kind: ClassVar[str] = "reorder"
    match: Match
    gap: int = 1
    seconds: float = 0.1

    def __post_init__(self) -> None:
        _count("gap", self.gap, 1, 1000)
        _seconds("seconds", self.seconds)


@dataclass(frozen=True, slots=True)
class Corrupt:
    """Bits of matched packets' transport payload are turned.

    Args:
        match: which packets.
        checksum: `broken` leaves the sum as it was, so the receiver's kernel throws the packet away; `valid`
            mends it, so wrong bytes reach the program.
        bits: how many are turned, each in another place.
        seed: of the places; None: one is drawn, and shown in the lease.
    """

    kind: ClassVar[str] = "corrupt"
    match: Match
    checksum: Checksum = "broken"
    bits: int = 1
    seed: int | None = None

    def __post_init__(self) -> None:
        check_choice("checksum", self.checksum, get_args(Checksum))
        check_seed(self.seed)
        _count("bits", self.bits, 1, 64)


@dataclass(frozen=True, slots=True)
class Throttle:
    """Matched packets pass at a rate at most; they wait in a queue, and are lost where it is full.

    Args:
        rate: bit/s on the wire, headers included.
        match: which packets: peer, port, protocol, direction, family only.
        queue: seconds of that rate that may wait.
        burst: bytes that may pass at once; None: as many as the rate needs.
    """

    kind: ClassVar[str] = "throttle"
    rate: int
    match: Match
    queue: float = 0.05
    burst: int | None = None

    def __post_init__(self) -> None:
        _count("rate", self.rate, 8_000, 10_000_000_000)
        _seconds("queue", self.queue)
        if self.burst is not None:
            _count("burst", self.burst, 1_600, 100_000_000)
        allowed = "peer", "addresses", "port", "own_port", "peer_port", "proto", "direction", "family"
        _only(self.kind, self.match, *allowed)


@dataclass(frozen=True, slots=True)
class Mtu:
    """The host may send no larger packets: EMSGSIZE for a datagram that must not be fragmented (ip(7)).

    Args:
        bytes: of the largest packet, headers included; for IPv6 at least 1280 (RFC 8200 5).
        to: destination, `address` or `address/bits`; None: whatever is on the host's links, whose MTU is
            set then (below 1280 that would take IPv6 away from the link, so it is refused).
    """

    kind: ClassVar[str] = "mtu"
    bytes: int
    to: str | None = None

    def __post_init__(self) -> None:
        least = 68 if self.to is not None and family_of(self.to) == "ipv4" else 1280
        _count("bytes", self.bytes, least, 65_535)


@dataclass(frozen=True, slots=True)
class PmtuBlackHole:
    """The host never learns that its packets are too large: ICMP's "fragmentation needed" is lost.

    IPv4: type 3 code 4 (RFC 1191); IPv6: packet too big (RFC 8201). It takes a smaller link somewhere on the
    way to be felt.

    Args:
        match: `peer` (who would tell) and `family` only.
    """

    kind: ClassVar[str] = "pmtu-black-hole"
    match: Match = field(default_factory=Match)

    def __post_init__(self) -> None:
        _only(self.kind, self.match, "peer", "addresses", "family")


@dataclass(frozen=True, slots=True)
class SlowHandshake:
    """TCP's SYN (and SYN,ACK, where both directions are asked for) comes later; what is open stays."""

    kind: ClassVar[str] = "slow-handshake"
    seconds: float
    match: Match

    def __post_init__(self) -> None:
        _seconds("seconds", self.seconds)
        _as_tcp(self)
        if self.match.flags is not None:
            raise FaultError("fault-match-member", kind=self.kind, name="flags", allowed=_ALL_BUT_FLAGS)


@dataclass(frozen=True, slots=True)
class Reset:
    """Matched TCP connections that are open are reset at both ends by their next packet: ECONNRESET.

    Args:
        match: which connections.
        now: do not wait for a connection's next packet: the kernel ends it (SOCK_DIAG), with ECONNABORTED
            here and a RST for the peer. Once, for the connections that there are.
    """

    kind: ClassVar[str] = "reset"
    match: Match
    now: bool = False

    def __post_init__(self) -> None:
        _as_tcp(self)
        if self.now:
            allowed = "peer", "addresses", "port", "own_port", "peer_port", "proto", "family"
            _only(f"{self.kind} --now", self.match, *allowed)


@dataclass(frozen=True, slots=True)
class Hold:
    """Matched packets wait, are listed, and are released, dropped or doubled one by one, by command.

    Args:
        match: which packets.
        most: so many at most; the next ones are dropped, and counted as such.
    """

    kind: ClassVar[str] = "hold"
    match: Match
    most: int = MOST_HELD

    def __post_init__(self) -> None:
        _count("most", self.most, 1, MOST_HELD)


@dataclass(frozen=True, slots=True)
class Limit:
    """Of each flow so many bytes of payload pass, whole packets; then it is cut.

    Args:
        bytes: of transport payload, counted in the match's direction.
        match: which flows.
        then: packets with payload vanish (`drop`), or the TCP connection is reset at both ends (`reset`).
    """

    kind: ClassVar[str] = "limit"
    bytes: int
    match: Match
    then: Then = "drop"

    def __post_init__(self) -> None:
        check_choice("then", self.then, get_args(Then))
        _count("bytes", self.bytes, 0, 2**48)
        if self.then == "reset":
            _as_tcp(self)


@dataclass(frozen=True, slots=True)
class Segments:
    """TCP connections that are opened from now on send small segments (RFC 9293 3.7.1: the MSS option).

    Args:
        bytes: largest payload of a segment.
        match: which connections; by the SYN or SYN,ACK that carries the option.
    """

    kind: ClassVar[str] = "segments"
    bytes: int
    match: Match

    def __post_init__(self) -> None:
        _count("bytes", self.bytes, 48, 65_495)
        _as_tcp(self)
        if self.match.flags is not None:
            raise FaultError("fault-match-member", kind=self.kind, name="flags", allowed=_ALL_BUT_FLAGS)


@dataclass(frozen=True, slots=True)
class Route:
    """A route of this host that leads nowhere: the host's own calls fail at once, nothing is sent.

    Args:
        type: `unreachable` gives EHOSTUNREACH, `prohibit` EACCES, `blackhole` EINVAL, `throw` ENETUNREACH as
            where no route is (`ip-route(8)`; measured alike on IPv4 and IPv6).
        to: the destination, `address` or `address/bits`.

    Raises:
        FaultError: not a network, or bits set beyond its mask.
    """

    kind: ClassVar[str] = "route"
    type: RouteType
    to: str

    def __post_init__(self) -> None:
        check_choice("type", self.type, ROUTE_TYPES)
        try:
            ipaddress.ip_network(self.to)
        except ValueError as error:
            raise FaultError("fault-network", seen=ascii(self.to)[:60], why=error) from error

    @property
    def network(self) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
        """The destination."""
        return ipaddress.ip_network(self.to)


@dataclass(frozen=True, slots=True)
class Link:
    """A link of this host is down, or flaps. Its addresses and routes are put back each time it comes up.

    Args:
        device: which; None: the only one that it has.
        down: seconds that it is down at a time; None: all the time.
        up: seconds that it is up at a time; given exactly when `down` is.
    """

    kind: ClassVar[str] = "link"
    device: str | None = None
    down: float | None = None
    up: float | None = None

    def __post_init__(self) -> None:
        if self.device is not None and not _DEVICE.fullmatch(self.device):
            raise FaultError("fault-device", seen=ascii(self.device)[:60])
        if (self.down is None) != (self.up is None):
            raise FaultError("fault-flap")
        for name, value in (("down", self.down), ("up", self.up)):
            if value is not None:
                _number(name, value, 0.05, MOST_SECONDS)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """The peer's hardware address is one that nobody has: what is sent to it is lost on the link.

    Args:
        match: `peer` and `family` only; the peer must be on a link of this host.
    """

    kind: ClassVar[str] = "neighbour"
    match: Match

    def __post_init__(self) -> None:
        _only(self.kind, self.match, "peer", "addresses", "family")
        if self.match.peer is None:
            raise FaultError("fault-needs-peer", kind=self.kind)


Fault: TypeAlias = (
    Drop
    | Reject
    | Delay
    | Loss
    | Duplicate
    | Reorder
    | Corrupt
    | Throttle
    | Mtu
    | PmtuBlackHole
    | SlowHandshake
    | Reset
    | Hold
    | Limit
    | Segments
    | Route
    | Link
    | Neighbour
)
KINDS: dict[str, type[Fault]] = {cls.kind: cls for cls in get_args(Fault)}


def match_of(fault: Fault) -> Match | None:
    """The match of a fault; None: its kind has none."""
    return getattr(fault, "match", None)


def with_match(fault: F, match: Match) -> F:
    """The same fault with another match.

    Raises:
        FaultError: it makes no sense with that.
    """
    return dataclasses.replace(fault, match=match)  # type: ignore[arg-type] # all that have one


__all__ = [
    "ANSWERS",
    "KINDS",
    "MOST_HELD",
    "MOST_SECONDS",
    "ROUTE_TYPES",
    "Answer",
    "Checksum",
    "Corrupt",
    "Delay",
    "Direction",
    "Distribution",
    "Drop",
    "Duplicate",
    "Family",
    "Fault",
    "Hold",
    "Limit",
    "Link",
    "Loss",
    "Match",
    "Mtu",
    "Neighbour",
    "PmtuBlackHole",
    "Protocol",
    "Reject",
    "Reorder",
    "Reset",
    "Route",
    "RouteType",
    "Segments",
    "SlowHandshake",
    "Then",
    "Throttle",
    "Which",
    "family_of",
    "match_of",
    "with_match",
]
