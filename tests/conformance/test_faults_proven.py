"""Faults are proven by probes: of every kind that can be, and what is not as it should be is an error."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from socketlab.errors import FaultsError, NotProvenError
from socketlab.faults import (
    corrupt,
    delay,
    drop,
    duplicate,
    first,
    hold,
    limit,
    link,
    loss,
    mtu,
    neighbour,
    nth,
    partition,
    pmtu_black_hole,
    probability,
    reject,
    reorder,
    reset,
    route,
    segments,
    slow_handshake,
    throttle,
)
from socketlab.faults.board import Board
from socketlab.hosts.lab import Lab
from socketlab.wire.fault import KINDS, Fault
from tests.conformance.places import DEADLINE

NEAR = {"peer": "client"}
PROVEN: dict[str, tuple[Fault, ...]] = {
    "drop": (
        drop(peer="client", port=7000, proto="tcp", flags="SYN", which=first(2)),
        drop(direction="out", peer="client"),
        drop(direction="both", peer="client", proto="udp"),
        drop(peer="client", payload="needle", which=probability(0.5, seed=1)),
        drop(),
    ),
    "reject": (
        reject("tcp-reset", peer="client", port=7000, proto="tcp"),
        reject("icmp-admin", peer="client", family="ipv4"),
        reject("icmp6-port", peer="client", which=nth(3)),
    ),
    "delay": (delay(0.03, jitter=0.01, peer="client"),),
    "loss": (loss(0.01, peer="client", seed=7),),
    "duplicate": (duplicate(peer="client", copies=2),),
    "reorder": (reorder(peer="client"),),
    "corrupt": (corrupt(peer="client"), corrupt(peer="client", checksum="valid")),
    "throttle": (throttle(1_000_000, peer="client"), throttle(1_000_000_000, peer="client")),
    "mtu": (mtu(1300),),
    "pmtu-black-hole": (pmtu_black_hole(),),
    "slow-handshake": (slow_handshake(0.03, peer="client"),),
    "reset": (reset(peer="client", port=7000),),
    "hold": (hold(peer="client"),),
    "limit": (limit(1000, peer="client"),),
    "segments": (segments(200, peer="client"),),
    "route": (route("throw", "198.51.100.1"),),
    "link": (link(),),
    "neighbour": (neighbour("client"),),
}
UNSEEN = {"pmtu-black-hole"}
"""Kinds that no probe can show."""


IN_CONTAINERS = ("drop", "delay", "throttle", "route")
"""One of each mechanism; the others there with --full."""


def _each_kind() -> Iterator[Any]:
    for kind in sorted(KINDS):
        yield pytest.param("namespace", kind)
        long = () if kind in IN_CONTAINERS else (pytest.mark.full,)
        yield pytest.param("docker", kind, marks=(pytest.mark.docker, *long))


@pytest.mark.parametrize(("backend", "kind"), list(_each_kind()), indirect=["backend"])
def test_each_kind_is_shown_to_bite_and_probes_never_count(demo: Lab, kind: str) -> None:
    board = demo.faults
    assert isinstance(board, Board)
    for fault in PROVEN[kind]:
        given = route(fault.type, demo.client) if kind == "route" and hasattr(fault, "type") else fault
        with board.apply(given, on="server", verify=True) as lease:
            assert lease.proof is not None
            assert bool(lease.proof.seen) == (kind not in UNSEEN and getattr(fault, "rate", 0) < 1e9), (
                lease.proof
            )
            if kind != "throttle":  # its queue is the kernel's, and counts what it gets
                assert lease.bitten in {0, None}
                assert lease.seen in {0, None}
            assert lease.log == ()
    assert board.list() == ()


def test_a_partition_is_shown_at_every_host(demo: Lab) -> None:
    board = demo.faults
    assert isinstance(board, Board)
    with board.apply(partition(["client"], ["server", "third"]), verify=True) as lease:
        assert lease.proof is not None
        assert {each.host for each in lease.proof.seen} == {"client", "server", "third"}
        assert all(each.bitten == 1 and each.passed == 0 for each in lease.proof.seen)


def test_ordinals_do_not_move_by_probes(demo: Lab) -> None:
    with (
        demo.server.socket(type=socket.SOCK_DGRAM) as far,
        demo.client.socket(type=socket.SOCK_DGRAM) as near,
    ):
        far.bind((demo.server.address, 0))
        far.settimeout(DEADLINE)
        at = far.getsockname()
        with demo.server.faults.apply(drop(peer="client", port=at[1], which=nth(2)), verify=True) as lease:
            for data in (b"1", b"2", b"3"):
                near.sendto(data, at)
            assert [far.recv(9), far.recv(9)] == [b"1", b"3"]
            assert (lease.bitten, lease.seen) == (1, 3)


def test_what_cannot_be_shown_is_refused_before_it_is_in_force(demo: Lab) -> None:
    faults = demo.server.faults
    for fault, said in (
        (drop(proto="icmp"), "probes are TCP and UDP"),
        (drop(peer="192.0.2.1"), "no host of this lab is such a peer"),
    ):
        with pytest.raises(FaultsError, match=said):
            faults.apply(fault, verify=True)
    with demo.client.socket() as used:
        used.bind((demo.client.address, 0))
        port = used.getsockname()[1]
        with pytest.raises(FaultsError, match="have every port that it takes"):
            faults.apply(drop(peer="client", peer_port=port, proto="tcp"), verify=True)
        with faults.apply(drop(peer="client", peer_port=f"{port}-{min(65535, port + 20)}"), verify=True):
            pass
    assert faults.list() == ()


def test_a_way_that_is_broken_already_proves_nothing(demo: Lab) -> None:
    with demo.client.faults.apply(neighbour("server")):
        with pytest.raises(NotProvenError, match="even before, no probe"):
            demo.server.faults.apply(drop(peer="client"), verify=True)
        assert demo.server.faults.list() == ()
    with pytest.raises(
        NotProvenError, match="would change nothing on server: sending there gives ENETUNREACH"
    ):
        demo.server.faults.apply(route("throw", "198.51.100.1"), verify=True)
