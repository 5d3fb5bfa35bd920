"""Faults: nonsense is refused when it is made, and says why."""

from collections.abc import Callable

import pytest

from socketlab.wire import ANSWERS, Drop, Fault, FaultError, Match, Reject, Route

V4 = Match(peer="client", addresses=("10.0.0.1",), port=7000, proto="tcp")
V6 = Match(peer="client", addresses=("fd00::1",), port=7000, proto="udp")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Drop(Match(port=0, proto="tcp")), "1 to 65535, saw 0"),
        (lambda: Drop(Match(port=65536, proto="tcp")), "1 to 65535, saw 65536"),
        (lambda: Drop(Match(port=80)), "Add --proto tcp or --proto udp"),
        (lambda: Drop(Match(peer="client")), "has 0 addresses"),
        (lambda: Drop(Match(addresses=("10.0.0.1",))), "has 1 addresses"),
        (
            lambda: Drop(Match(peer="x", addresses=("client",))),
            "expected an IPv4 or IPv6 address, saw 'client'",
        ),
        (lambda: Reject("tcp-reset", V6), "answers TCP only, and the match takes udp"),
        (lambda: Reject("tcp-reset", Match()), "answers TCP only, and the match takes any protocol"),
        (lambda: Reject("icmp-host", V6), "exists on ipv4 only"),
        (lambda: Reject("icmp6-port", V4), "exists on ipv6 only"),
        (lambda: Route("throw", "10.0.0.1/24"), "expected a network"),
        (lambda: Route("throw", "client"), "expected a network"),
    ],
)
def test_nonsense_is_refused(make: Callable[[], Fault], says: str) -> None:
    with pytest.raises(FaultError, match=says):
        make()


def test_every_answer_has_packets_it_can_answer() -> None:
    for answer in ANSWERS:
        family = Reject(answer, Match(proto="tcp")).family
        assert family == {"icmp6": "ipv6", "icmp": "ipv4", "tcp": None}[answer.split("-")[0]]


def test_the_families_of_a_match() -> None:
    assert V4.families == {"ipv4"}
    assert V6.families == {"ipv6"}
    assert Match().families == {"ipv4", "ipv6"}


def test_a_single_address_is_a_network_of_one() -> None:
    assert str(Route("unreachable", "fd00::1").network) == "fd00::1/128"
