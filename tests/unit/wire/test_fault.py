"""Faults: nonsense is refused when it is made, and says why."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given

from socketlab.wire import ANSWERS, KINDS, FaultError, Match, Reject, Route, Which
from socketlab.wire.fault import (
    Corrupt,
    Delay,
    Drop,
    Duplicate,
    Fault,
    Hold,
    Limit,
    Link,
    Loss,
    Mtu,
    Neighbour,
    PmtuBlackHole,
    Reorder,
    Reset,
    Segments,
    SlowHandshake,
    Throttle,
    match_of,
    with_match,
)
from socketlab.wire.schema import from_plain, to_plain
from tests.unit.wire.any_fault import ANY_FAULT, patient

V4 = Match(peer="client", addresses=("10.0.0.1",), port=7000, proto="tcp")
V6 = Match(peer="client", addresses=("fd00::1",), port=7000, proto="udp")
ALL = Match()


def make(cls: type[Any], *values: Any, **members: Any) -> Callable[[], Fault]:
    """A fault of values that mypy need not allow."""
    return lambda: cls(*values, **members)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (make(Reject, "tcp-reset", V6), "answers TCP only, and the match takes udp"),
        (make(Reject, "tcp-reset", ALL), "answers TCP only, and the match takes any protocol"),
        (make(Reject, "icmp-host", V6), "exists on ipv4 only"),
        (make(Reject, "icmp6-port", V4), "exists on ipv6 only"),
        (make(Reject, "icmp-hst", V4), "answer: expected tcp-reset"),
        (make(Reject, "icmp-host", V4, -1.0), "delay is a time"),
        (make(Delay, 0, ALL), "seconds is a time greater than 0 and at most 3600 s, saw 0"),
        (make(Delay, 3601, ALL), "saw 3601"),
        (make(Delay, math.nan, ALL), "saw nan"),
        (make(Delay, math.inf, ALL), "saw inf"),
        (make(Delay, "200ms", ALL), "saw '200ms'"),
        (make(Delay, seconds=True, match=ALL), "saw True"),
        (make(Delay, 0.1, ALL, 0.2), "a jitter of 0.2 s around 0.1 s"),
        (make(Delay, 0.1, ALL, -0.2), "jitter is a time"),
        (make(Delay, 0.1, ALL, 0.05, "gauss"), "distribution: expected uniform"),
        (make(Delay, 0.1, ALL, seed=-1), "expected a seed"),
        (make(Loss, 1.3, ALL), "expected a probability from 1e-09 to 1"),
        (make(Loss, 0, ALL), "expected a probability"),
        (make(Loss, 0.3, ALL, 0.5), "burst is 1 to 10000, saw 0.5"),
        (make(Loss, 0.9, ALL, 2), "runs of 2 packets cannot lose 0.9 of all"),
        (make(Loss, 0.3, ALL, seed=1.5), "expected a seed"),
        (make(Duplicate, ALL, 0), "copies is a whole number from 1 to 10, saw 0"),
        (make(Duplicate, ALL, 1.5), "copies is a whole number"),
        (make(Duplicate, ALL, copies=True), "saw True"),
        (make(Reorder, ALL, 0), "gap is a whole number"),
        (make(Reorder, ALL, 1, 0), "seconds is a time"),
        (make(Corrupt, ALL, "wrong"), "checksum: expected broken"),
        (make(Corrupt, ALL, bits=65), "bits is a whole number from 1 to 64, saw 65"),
        (make(Corrupt, ALL, seed="x"), "expected a seed"),
        (make(Throttle, 7_999, ALL), "rate is a whole number from 8000 to 10000000000, saw 7999"),
        (make(Throttle, 1e6, ALL), "rate is a whole number"),
        (make(Throttle, 10**6, ALL, 0), "queue is a time"),
        (make(Throttle, 10**6, ALL, burst=100), "burst is a whole number from 1600"),
        (make(Throttle, 10**6, Match(flags="SYN")), "throttle cannot choose by flags; it takes: peer"),
        (make(Throttle, 10**6, Match(payload=b"x")), "cannot choose by payload"),
        (make(Throttle, 10**6, Match(which=Which(first=1))), "cannot choose by which"),
        (make(Mtu, 1279), "bytes is a whole number from 1280 to 65535, saw 1279"),
        (make(Mtu, 1279, "fd00::/64"), "from 1280"),
        (make(Mtu, 67, "10.0.0.0/8"), "from 68"),
        (make(Mtu, 600, "client"), "expected an IPv4 or IPv6 address"),
        (make(PmtuBlackHole, Match(port=1)), "pmtu-black-hole cannot choose by port; it takes: peer"),
        (make(SlowHandshake, 0, ALL), "seconds is a time"),
        (make(SlowHandshake, 3, V6), "slow-handshake is for TCP only, and the match takes udp"),
        (make(SlowHandshake, 3, Match(flags="SYN")), "slow-handshake cannot choose by flags; it takes: peer"),
        (make(Reset, V6), "reset is for TCP only"),
        (make(Reset, Match(flags="FIN"), now=True), "reset --now cannot choose by flags"),
        (make(Reset, Match(direction="out"), now=True), "reset --now cannot choose by direction"),
        (make(Hold, ALL, 0), "most is a whole number from 1 to 1000, saw 0"),
        (make(Limit, -1, ALL), "bytes is a whole number from 0"),
        (make(Limit, 1.5, ALL), "bytes is a whole number"),
        (make(Limit, 1, ALL, "close"), "then: expected drop"),
        (make(Limit, 1, V6, "reset"), "limit is for TCP only"),
        (make(Segments, 47, ALL), "bytes is a whole number from 48"),
        (make(Segments, 100, Match(flags="FIN")), "segments cannot choose by flags"),
        (make(Segments, 100, V6), "segments is for TCP only"),
        (make(Route, "throw", "10.0.0.1/24"), "expected a network"),
        (make(Route, "throw", "client"), "expected a network"),
        (make(Route, "nowhere", "10.0.0.0/8"), "type: expected unreachable"),
        (make(Link, ""), "expected the name of a link like eth0"),
        (make(Link, "eth0; reboot"), "expected the name of a link"),
        (make(Link, down=1.0), "needs both"),
        (make(Link, down=1.0, up=0.01), "up is 0.05 to 3600, saw 0.01"),
        (make(Neighbour, ALL), "neighbour needs a peer"),
        (make(Neighbour, V4), "neighbour cannot choose by port; it takes: peer"),
    ],
)
def test_nonsense_is_refused(make: Callable[[], Fault], says: str) -> None:
    with pytest.raises(FaultError, match=says):
        make()


@pytest.mark.parametrize(
    "make",
    [
        make(Delay, 0, ALL, 0.1, "normal"),
        make(Loss, 1, ALL),
        make(Loss, 1, ALL, 1),
        make(Limit, 0, ALL),
        make(Mtu, 68, "10.0.0.0/8"),
        make(Reject, "icmp-host", ALL, 0.0),
        make(Link, "eth0.7@x", 0.05, 0.05),
        make(Reset, V4, now=True),
    ],
)
def test_what_is_just_possible_is_taken(make: Callable[[], Fault]) -> None:
    assert make().kind in KINDS


def test_every_answer_has_packets_it_can_answer() -> None:
    for answer in ANSWERS:
        family = Reject(answer, Match(proto="tcp")).family
        assert family == {"icmp6": "ipv6", "icmp": "ipv4", "tcp": None}[answer.split("-")[0]]


def test_what_is_of_tcp_only_says_so_in_its_match() -> None:
    for fault in (Reset(ALL), SlowHandshake(1, ALL), Segments(100, ALL), Limit(1, ALL, "reset")):
        assert fault.match.proto == "tcp"
    assert Limit(1, ALL).match.proto is None


def test_a_single_address_is_a_network_of_one() -> None:
    assert str(Route("unreachable", "fd00::1").network) == "fd00::1/128"


@patient
@given(ANY_FAULT)
def test_any_fault_is_the_same_after_a_journey(fault: Fault) -> None:
    plain = to_plain(fault)
    assert plain["kind"] == fault.kind
    assert from_plain(KINDS[fault.kind], plain) == fault
    assert hash(fault) == hash(from_plain(KINDS[fault.kind], plain))


@patient
@given(ANY_FAULT)
def test_a_match_can_be_put_back(fault: Fault) -> None:
    match = match_of(fault)
    if match is not None:
        assert with_match(fault, match) == fault


def test_faults_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Drop(ALL).match = V4  # type: ignore[misc]


def test_every_kind_is_known_by_its_name() -> None:
    assert all(cls.kind == kind for kind, cls in KINDS.items())
    assert len(KINDS) == 18
