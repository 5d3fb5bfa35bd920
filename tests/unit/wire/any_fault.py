"""Any fault that can be made, as hypothesis draws them."""

import ipaddress
from typing import Any, get_args

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from socketlab.wire.errors import FaultError
from socketlab.wire.fault import (
    ANSWERS,
    KINDS,
    MOST_SECONDS,
    ROUTE_TYPES,
    Checksum,
    Distribution,
    Fault,
    Then,
)
from socketlab.wire.match import FLAGS, Direction, Family, Match, Protocol, Which

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=40)
"""For tests of these: a fault is much to draw, and a busy machine is no mistake of ours."""

NAMES = st.text("aZ09-_.ñ漢'\"$\\#~", min_size=1, max_size=12)
_IPV4 = st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address)
_IPV6 = st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address)
ADDRESSES = (_IPV4 | _IPV6).filter(lambda address: not address.is_loopback).map(str)
COUNTS = st.integers(1, 2**31 - 1)
SEEDS = st.none() | st.integers(0, 2**53)
SHARES = st.floats(1e-9, 1)
SECONDS = st.floats(1e-6, MOST_SECONDS)
PORTS = st.integers(1, 65535) | st.tuples(st.integers(1, 65535), st.integers(1, 65535)).map(
    lambda ends: f"{min(ends)}-{max(ends)}"
)


def networks() -> st.SearchStrategy[str]:
    """Networks of both families, single addresses too."""

    def network(address: Any, bits: int) -> str:
        return str(ipaddress.ip_network((address, bits % (address.max_prefixlen + 1)), strict=False))

    return st.builds(network, _IPV4 | _IPV6, st.integers(0, 128))


@st.composite
def flags(draw: st.DrawFn) -> str:
    """TCP flags, some of them to be clear."""
    names = draw(st.lists(st.sampled_from(sorted(FLAGS)), min_size=1, max_size=3, unique=True))
    return ",".join(f"{draw(st.sampled_from(['', '!']))}{name}" for name in names)


def _or_none(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def made(cls: Any, **members: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects of a class; members that make no sense together are drawn anew."""

    def make(values: dict[str, Any]) -> Any:
        try:
            return cls(**values)
        except FaultError:
            return None

    return st.fixed_dictionaries(members).map(make).filter(lambda each: each is not None)


WHICH = made(
    Which,
    nth=_or_none(COUNTS),
    first=_or_none(COUNTS),
    every=_or_none(st.integers(1, 50)),
    after=_or_none(COUNTS),
    at_most=_or_none(COUNTS),
    probability=_or_none(SHARES),
    seed=SEEDS,
)
FEW = {"peer": _or_none(NAMES | ADDRESSES), "family": _or_none(st.sampled_from(get_args(Family)))}
SELECTORS = FEW | {
    "port": _or_none(PORTS),
    "own_port": _or_none(PORTS),
    "peer_port": _or_none(PORTS),
    "proto": _or_none(st.sampled_from(get_args(Protocol))),
    "direction": st.sampled_from(get_args(Direction)),
}
EVERYTHING = SELECTORS | {
    "flags": _or_none(flags()),
    "payload": _or_none(st.binary(min_size=1, max_size=12)),
    "which": _or_none(WHICH),
}
MATCHES = made(Match, **EVERYTHING)

_OWN: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "drop": {},
    "reject": {"answer": st.sampled_from(ANSWERS), "delay": st.just(0.0) | SECONDS},
    "delay": {
        "seconds": st.just(0.0) | SECONDS,
        "jitter": st.just(0.0) | SECONDS,
        "distribution": st.sampled_from(get_args(Distribution)),
        "reorder": st.booleans(),
        "seed": SEEDS,
    },
    "loss": {"probability": SHARES, "burst": _or_none(st.floats(1, 10_000)), "seed": SEEDS},
    "duplicate": {"copies": st.integers(1, 10)},
    "reorder": {"gap": st.integers(1, 1000), "seconds": SECONDS},
    "corrupt": {
        "checksum": st.sampled_from(get_args(Checksum)),
        "bits": st.integers(1, 64),
        "seed": SEEDS,
    },
    "throttle": {
        "rate": st.integers(8_000, 10**10),
        "queue": SECONDS,
        "burst": _or_none(st.integers(1_600, 10**8)),
    },
    "mtu": {"bytes": st.integers(68, 65_535), "to": _or_none(networks())},
    "pmtu-black-hole": {},
    "slow-handshake": {"seconds": SECONDS},
    "reset": {"now": st.booleans()},
    "hold": {"most": st.integers(1, 1000)},
    "limit": {"bytes": st.integers(0, 2**48), "then": st.sampled_from(get_args(Then))},
    "segments": {"bytes": st.integers(48, 65_495)},
    "route": {"type": st.sampled_from(ROUTE_TYPES), "to": networks()},
    "link": {
        "device": _or_none(st.from_regex(r"[A-Za-z0-9_.@-]{1,15}", fullmatch=True)),
        "down": _or_none(st.floats(0.05, MOST_SECONDS)),
        "up": _or_none(st.floats(0.05, MOST_SECONDS)),
    },
    "neighbour": {},
}
_UNFLAGGED = {name: strategy for name, strategy in EVERYTHING.items() if name != "flags"}
_MATCH: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "throttle": SELECTORS,
    "pmtu-black-hole": FEW,
    "neighbour": FEW | {"peer": NAMES | ADDRESSES},
    "slow-handshake": _UNFLAGGED,
    "segments": _UNFLAGGED,
}


def faults(kind: str) -> st.SearchStrategy[Fault]:
    """Any fault of a kind."""
    members = dict(_OWN[kind])
    if "match" in KINDS[kind].__dataclass_fields__:
        members["match"] = made(Match, **_MATCH[kind]) if kind in _MATCH else _likely(kind)
    return made(KINDS[kind], **members)


def _likely(kind: str) -> st.SearchStrategy[Match]:
    """Matches of kinds that take everything; for those of TCP mostly of TCP: few are drawn in vain."""
    if kind not in {"reject", "reset"}:
        return MATCHES
    tcp = made(Match, **EVERYTHING | {"proto": st.just("tcp")})
    few = made(Match, **FEW | {"port": _or_none(PORTS)})
    return st.one_of(tcp, few, MATCHES)


ANY_FAULT: st.SearchStrategy[Fault] = st.sampled_from(sorted(KINDS)).flatmap(faults)
