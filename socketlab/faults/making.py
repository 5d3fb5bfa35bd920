"""Functions that make faults: `drop(peer=client, port=7000, proto="tcp", flags="SYN", which=first(2))`.

Every fault of a host's network takes the same keywords, all ANDed: `peer` (a host, its name, an address or a
network), `port` (the service's, whichever side has it), `own_port`, `peer_port`, `proto`, `direction` (`in`:
what arrives at the host that the fault is on), `family`, `flags`, `payload`, `which`. Nonsense raises
`FaultError` here, when it is made.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeAlias, TypedDict, Unpack

from socketlab.faults.model import Dns, DnsAnswer, HostAction, Partition
from socketlab.hosts.host import Host
from socketlab.wire import fault
from socketlab.wire.fault import (
    Answer,
    Checksum,
    Direction,
    Distribution,
    Family,
    Match,
    Protocol,
    RouteType,
    Then,
)
from socketlab.wire.match import Which

Peer: TypeAlias = Host | str | IPv4Address | IPv6Address | IPv4Network | IPv6Network


class Selectors(TypedDict, total=False):
    """The keywords of a match."""

    peer: Peer | None
    port: int | str | None
    own_port: int | str | None
    peer_port: int | str | None
    proto: Protocol | None
    direction: Direction
    family: Family | None
    flags: str | None
    payload: bytes | str | None
    which: Which | None


def match(**selectors: Unpack[Selectors]) -> Match:
    """Which packets.

    Raises:
        FaultError: nonsense, or what cannot match anything.
    """
    given = dict(selectors)
    payload = given.get("payload")
    if isinstance(payload, str):
        given["payload"] = payload.encode()
    peer = selectors.get("peer")
    if isinstance(peer, Host):
        given["peer"] = peer.name
        given["addresses"] = addresses_of(peer)
    elif peer is not None:
        given["peer"] = str(peer)
    return Match(**given)  # type: ignore[arg-type]  # what Selectors has


def addresses_of(host: Host) -> tuple[str, ...]:
    """Every address of a host on every network."""
    return tuple(address for pair in host.addresses.values() for address in pair if address is not None)


def first(count: int) -> Which:
    """The first so many."""
    return Which(first=count)


def nth(number: int) -> Which:
    """Only this one, counted from 1."""
    return Which(nth=number)


def every(count: int) -> Which:
    """Each n-th: n, 2n, 3n ..."""
    return Which(every=count)


def after(count: int) -> Which:
    """Only those after the first so many."""
    return Which(after=count)


def at_most(count: int) -> Which:
    """Bite so many, and let all others pass."""
    return Which(at_most=count)


def probability(chance: float, seed: int | None = None) -> Which:
    """Each with this chance; the same seed chooses the same ordinals."""
    return Which(probability=chance, seed=seed)


def drop(**selectors: Unpack[Selectors]) -> fault.Drop:
    """Packets vanish, silently at a sender, too."""
    return fault.Drop(match(**selectors))


def reject(answer: Answer, *, delay: float = 0.001, **selectors: Unpack[Selectors]) -> fault.Reject:
    """Packets are answered with a refusal.

    Args:
        answer: `tcp-reset`, `icmp-port`, `icmp-host` ..., `icmp6-port` ...
        delay: seconds after which an ICMP answer goes out.
        **selectors: which packets.
    """
    return fault.Reject(answer, match(**selectors), delay)


def delay(
    seconds: float,
    *,
    jitter: float = 0.0,
    distribution: Distribution = "uniform",
    reorder: bool = False,
    seed: int | None = None,
    **selectors: Unpack[Selectors],
) -> fault.Delay:
    """Packets arrive later: `seconds`, more or less by `jitter`; in their order unless `reorder`."""
    return fault.Delay(seconds, match(**selectors), jitter, distribution, reorder, seed)


def loss(
    chance: float, *, burst: float | None = None, seed: int | None = None, **selectors: Unpack[Selectors]
) -> fault.Loss:
    """Each packet is lost with this chance; with `burst`, in runs of that mean length."""
    return fault.Loss(chance, match(**selectors), burst, seed)


def duplicate(*, copies: int = 1, **selectors: Unpack[Selectors]) -> fault.Duplicate:
    """Packets arrive more than once."""
    return fault.Duplicate(match(**selectors), copies)


def reorder(*, gap: int = 1, seconds: float = 0.1, **selectors: Unpack[Selectors]) -> fault.Reorder:
    """A packet is overtaken by `gap` later ones of its flow; it waits `seconds` at the longest."""
    return fault.Reorder(match(**selectors), gap, seconds)


def corrupt(
    *, checksum: Checksum = "broken", bits: int = 1, seed: int | None = None, **selectors: Unpack[Selectors]
) -> fault.Corrupt:
    """Bits of the payload are turned; with a `valid` checksum the wrong bytes reach the program."""
    return fault.Corrupt(match(**selectors), checksum, bits, seed)


def throttle(
    rate: int, *, queue: float = 0.05, burst: int | None = None, **selectors: Unpack[Selectors]
) -> fault.Throttle:
    """Packets pass at `rate` bit/s at most, and wait in a queue of so many seconds."""
    return fault.Throttle(rate, match(**selectors), queue, burst)


def mtu(size: int, *, to: Peer | None = None) -> fault.Mtu:
    """The host may send no packets larger than `size` bytes, to one destination or at all."""
    return fault.Mtu(size, None if to is None else _destination(to))


def pmtu_black_hole(*, peer: Peer | None = None, family: Family | None = None) -> fault.PmtuBlackHole:
    """The host never learns that its packets are too large."""
    return fault.PmtuBlackHole(match(peer=peer, family=family))


def slow_handshake(seconds: float, **selectors: Unpack[Selectors]) -> fault.SlowHandshake:
    """TCP connections take so much longer to open; those that are open do not feel it."""
    return fault.SlowHandshake(seconds, match(**selectors))


def reset(*, now: bool = False, **selectors: Unpack[Selectors]) -> fault.Reset:
    """TCP connections are reset at both ends: on their next packet, or `now`."""
    return fault.Reset(match(**selectors), now)


def hold(*, most: int = fault.MOST_HELD, **selectors: Unpack[Selectors]) -> fault.Hold:
    """Packets wait for a word: `lease.held()`, `lease.release(number)`."""
    return fault.Hold(match(**selectors), most)


def limit(size: int, *, then: Then = "drop", **selectors: Unpack[Selectors]) -> fault.Limit:
    """Of each flow `size` bytes of payload pass; then it is cut: `drop` or `reset`."""
    return fault.Limit(size, match(**selectors), then)


def segments(size: int, **selectors: Unpack[Selectors]) -> fault.Segments:
    """TCP connections opened from now on send segments of at most `size` bytes."""
    return fault.Segments(size, match(**selectors))


def route(kind: RouteType, to: Peer) -> fault.Route:
    """A route that leads nowhere: `unreachable`, `prohibit`, `blackhole`, `throw`. Of a host: to its IPv4."""
    return fault.Route(kind, _destination(to))


def link(*, device: str | None = None, down: float | None = None, up: float | None = None) -> fault.Link:
    """A link of the host is down; with `down` and `up`, for so many seconds in turn."""
    return fault.Link(device, down, up)


def neighbour(peer: Peer, *, family: Family | None = None) -> fault.Neighbour:
    """The peer's hardware address is one that nobody has."""
    return fault.Neighbour(match(peer=peer, family=family))


def _destination(to: Peer) -> str:
    return to.address if isinstance(to, Host) else str(to)


def partition(*groups: Sequence[Host | str], one_way: bool = False) -> Partition:
    """Hosts of different groups hear nothing of each other: `partition([a, b], [c])`, for `lab.faults`.

    Args:
        *groups: each some hosts or their names.
        one_way: only what goes from an earlier group to a later one is lost.
    """
    return Partition(tuple(tuple(map(_name, group)) for group in groups), one_way)


def _name(host: Host | str) -> str:
    return host.name if isinstance(host, Host) else host


def dns(name: str, answer: DnsAnswer = "nxdomain", *addresses: object, seconds: float | None = None) -> Dns:
    """What the lab's name server says of a name, for `lab.faults`.

    Args:
        name: fully qualified: `www.lab.test`.
        answer: `nxdomain`, `nodata`, `servfail`, `refused`, `silence`, `slow`, `address`.
        *addresses: of `address`: hosts or numeric ones.
        seconds: of `slow`.
    """
    found: list[str] = []
    for each in addresses:
        found += addresses_of(each) if isinstance(each, Host) else [str(each)]
    return Dns(name, answer, seconds, tuple(found))


def pause() -> HostAction:
    """No program on the host gets to run; its kernel goes on."""
    return HostAction("pause")


def stop_process(process: str) -> HostAction:
    """Processes whose command line contains this text get no processor."""
    return HostAction("stop-process", process=process)


def kill() -> HostAction:
    """Every program on the host ends at once, and its links; healed, it boots."""
    return HostAction("kill")


def restart(seconds: float = 0.0) -> HostAction:
    """The host is stopped and boots after so long."""
    return HostAction("restart", seconds=seconds)


def disconnect(network: str | None = None) -> HostAction:
    """The host's cable is pulled."""
    return HostAction("disconnect", network=network)
