"""Each kind of fault, and which conversations of four hosts it changes, to what. All others stay fine.

The fault is on `b` and against `a`, or for what only its own host feels on `a` and against `b`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from socketlab.faults import making
from socketlab.faults.making import every
from socketlab.faults.model import LabFault
from socketlab.hosts.lab import Lab
from socketlab.wire.match import Family
from tests.conformance.matrix.classifying import Class
from tests.conformance.matrix.talking import PORT, Cell

if TYPE_CHECKING:
    from socketlab.wire.fault import Answer

HOSTS: Final = ("a", "b", "c", "d")
Made: TypeAlias = Callable[[Lab, Family], tuple[str | None, LabFault]]
Allowed: TypeAlias = Mapping[Cell, tuple[Class, ...]]


@dataclass(frozen=True)
class Situation:
    """One kind of fault.

    Args:
        name: as a test shows it.
        make: the host that it is on (None: the lab) and the fault.
        expect: what changes; a conversation that may go either way has more than one word.
        families: it is tried in.
        mute: hosts that cannot call while it lasts.
        mechanism: who does it; of each one is tried wherever time is short.
    """

    name: str
    make: Made
    expect: Callable[[Family], Allowed]
    families: tuple[Family, ...] = ("ipv4", "ipv6")
    mute: tuple[str, ...] = ()
    mechanism: str = field(default="", compare=False)


def _pair(tcp: Iterable[Class], udp: Iterable[Class]) -> Callable[[Family], Allowed]:
    """Only what `a` asks `b`, in the fault's own family."""
    return lambda family: {
        Cell("a", "b", "tcp", family): tuple(tcp),
        Cell("a", "b", "udp", family): tuple(udp),
    }


def _on_b(fault: Callable[..., LabFault], *args: object, **members: object) -> Made:
    """On `b`, against what `a` asks of its service."""
    return lambda lab, family: (
        "b",
        fault(*args, peer=lab["a"], own_port=PORT, family=family, **members),
    )


def _nothing(_family: Family) -> Allowed:
    return {}


def _both_ways(
    *pairs: tuple[str, str], families: Iterable[Family] | None = None
) -> Callable[[Family], Allowed]:
    def expect(family: Family) -> Allowed:
        found: dict[Cell, tuple[Class, ...]] = {}
        for one, other in pairs:
            for source, target in ((one, other), (other, one)):
                for proto in ("tcp", "udp"):
                    for each in families or (family,):
                        found[Cell(source, target, proto, each)] = ("silent",)
        return found

    return expect


def _cut_off(host: str) -> Callable[[Family], Allowed]:
    """It is on no link: its own calls fail at once, and those to it get no answer."""

    def expect(_family: Family) -> Allowed:
        found: dict[Cell, tuple[Class, ...]] = {}
        for other in HOSTS:
            if other != host:
                for proto in ("tcp", "udp"):
                    for family in ("ipv4", "ipv6"):
                        found[Cell(host, other, proto, family)] = ("unreachable",)
                        found[Cell(other, host, proto, family)] = ("silent", "unreachable")
        return found

    return expect


def _rejects() -> Iterable[Situation]:
    told: dict[Answer, tuple[Class, Class]] = {
        "icmp-port": ("refused", "refused"),
        "icmp-host": ("unreachable", "silent"),
        "icmp-net": ("unreachable", "silent"),
        "icmp-proto": ("refused", "refused"),
        "icmp-admin": ("unreachable", "unreachable"),
        "icmp-host-prohibited": ("unreachable", "unreachable"),
        "icmp-net-prohibited": ("unreachable", "unreachable"),
        "icmp6-port": ("refused", "refused"),
        "icmp6-addr": ("unreachable", "silent"),
        "icmp6-no-route": ("unreachable", "silent"),
        "icmp6-admin": ("unreachable", "unreachable"),
        "icmp6-policy": ("unreachable", "unreachable"),
        "icmp6-reject-route": ("unreachable", "unreachable"),
    }
    for answer, (tcp, udp) in told.items():
        one: Family = "ipv6" if answer.startswith("icmp6") else "ipv4"
        made = _on_b(making.reject, answer)
        yield Situation(f"reject {answer}", made, _pair([tcp], [udp]), families=(one,))


def _to_b(lab: Lab, family: Family) -> str:
    return lab["b"].address if family == "ipv4" else str(lab["b"].address6)


def _route_gone(family: Family) -> Allowed:
    """What `a` asks fails at once; what `b` asks is never answered.

    But for IPv4's datagrams: the echo answers by the link that the question came by (IP_PKTINFO), and with a
    link given Linux takes a destination without a route to be on it.
    """
    return {
        Cell("a", "b", "tcp", family): ("unreachable",),
        Cell("a", "b", "udp", family): ("unreachable",),
        Cell("b", "a", "tcp", family): ("silent",),
        Cell("b", "a", "udp", family): ("fine",) if family == "ipv4" else ("silent",),
    }


SITUATIONS: Final = (
    Situation("drop", _on_b(making.drop), _pair(["silent"], ["silent"]), mechanism="nft"),
    Situation(
        "drop both",
        lambda lab, family: ("b", making.drop(peer=lab["a"], family=family, direction="both")),
        _both_ways(("a", "b")),
    ),
    Situation(
        "drop out",
        lambda lab, family: (
            "a",
            making.drop(peer=lab["b"], peer_port=PORT, family=family, direction="out"),
        ),
        _pair(["silent"], ["silent"]),
    ),
    Situation(
        "drop every 2",
        _on_b(making.drop, proto="udp", which=every(2)),
        _pair(["fine"], ["lossy"]),
    ),
    Situation(
        "reject tcp-reset", _on_b(making.reject, "tcp-reset", proto="tcp"), _pair(["refused"], ["fine"])
    ),
    *_rejects(),
    Situation("delay", _on_b(making.delay, 0.8), _pair(["slow"], ["slow"]), mechanism="queue"),
    Situation("loss", _on_b(making.loss, 1.0, proto="udp"), _pair(["fine"], ["silent"])),
    Situation(
        "duplicate",
        _on_b(making.duplicate),
        _pair(["fine"], ["doubled"]),
    ),
    Situation(
        "reorder",
        _on_b(making.reorder, proto="udp", which=every(3)),
        _pair(["fine"], ["disordered"]),
    ),
    Situation("corrupt", _on_b(making.corrupt), _pair(["silent"], ["silent"])),
    Situation("corrupt valid", _on_b(making.corrupt, checksum="valid"), _pair(["corrupted"], ["corrupted"])),
    Situation(
        "throttle",
        _on_b(making.throttle, 80_000, queue=3.0),
        _pair(["slow"], ["slow"]),
        mechanism="tc",
    ),
    Situation("slow handshake", _on_b(making.slow_handshake, 0.8), _pair(["slow"], ["fine"])),
    Situation("reset", _on_b(making.reset), _pair(["reset"], ["fine"])),
    Situation("hold", _on_b(making.hold), _pair(["silent"], ["silent"])),
    Situation("limit", _on_b(making.limit, 2500), _pair(["silent"], ["lossy"])),
    Situation("limit then reset", _on_b(making.limit, 2500, then="reset"), _pair(["reset"], ["fine"])),
    Situation("segments", _on_b(making.segments, 200), _pair(["fine"], ["fine"])),
    Situation(
        "mtu",
        lambda lab, family: ("a", making.mtu(1280, to=_to_b(lab, family))),
        _nothing,
    ),
    Situation(
        "pmtu black hole",
        lambda lab, family: ("a", making.pmtu_black_hole(peer=lab["b"], family=family)),
        _nothing,
    ),
    *(
        Situation(
            f"route {kind}",
            lambda lab, family, kind=kind: ("a", making.route(kind, _to_b(lab, family))),  # type: ignore[misc]
            _route_gone,
            mechanism="route" if kind == "throw" else "",
        )
        for kind in ("unreachable", "prohibit", "blackhole", "throw")
    ),
    Situation("link", lambda _lab, _family: ("b", making.link()), _cut_off("b"), families=("ipv4",)),
    Situation(
        "neighbour",
        lambda lab, family: ("a", making.neighbour(lab["b"], family=family)),
        _both_ways(("a", "b")),
    ),
    Situation(
        "partition",
        lambda _lab, _family: (None, making.partition(["a", "b"], ["c"])),
        _both_ways(("a", "c"), ("b", "c"), families=("ipv4", "ipv6")),
        families=("ipv4",),
    ),
    Situation(
        "partition one way",
        lambda _lab, _family: (None, making.partition(["a"], ["b"], one_way=True)),
        _both_ways(("a", "b"), families=("ipv4", "ipv6")),
        families=("ipv4",),
    ),
    Situation(
        "pause",
        lambda _lab, _family: ("b", making.pause()),
        lambda _family: {
            Cell(other, "b", proto, family): ("silent",)
            for other in ("a", "c", "d")
            for proto in ("tcp", "udp")
            for family in ("ipv4", "ipv6")
        },
        families=("ipv4",),
        mute=("b",),
    ),
    Situation(
        "disconnect",
        lambda _lab, _family: ("b", making.disconnect()),
        _cut_off("b"),
        families=("ipv4",),
    ),
)
