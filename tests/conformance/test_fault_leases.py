"""Leases over the whole way, from Python to the kernel and back: nothing is left of them, in whatever order
they go and whoever else is at work, they come again with their host, and their chance repeats by its seed.

What is left is looked for in all that the kernel tells of a host's network namespace, byte for byte.
"""

import os
import random
import re
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import pytest

from socketlab.errors import AgentError, FaultsError
from socketlab.faults import (
    corrupt,
    delay,
    drop,
    duplicate,
    link,
    loss,
    mtu,
    neighbour,
    probability,
    reject,
    reset,
    route,
    throttle,
)
from socketlab.faults.board import Board
from socketlab.hosts.faulting import FaultLease
from socketlab.hosts.lab import Lab
from socketlab.wire.fault import KINDS, Fault
from tests.conformance.death.inside import Inside, needs_root
from tests.conformance.places import DEADLINE, FAMILIES, Family, Labs
from tests.conformance.test_faults import eventually
from tests.conformance.test_faults_proven import PROVEN

SEED: Final = os.environ.get("SOCKETLAB_LEASES_SEED", "5")
ELSEWHERE: Final = "198.51.100.1"
OF_EACH_MECHANISM: Final = (
    drop(peer="client", port=7000),
    delay(0.02, peer="client", port=7001),
    reject("icmp-host", peer="client", port=7002, family="ipv4"),
    throttle(1_000_000, peer="client", port=7003),
    route("throw", ELSEWHERE),
    mtu(1400),
    neighbour("client"),
)
ALONE: Final = ("delay", "throttle", "link")
"""Kinds that each run tries alone: all of them, in namespaces, `test_baseline` tries without a controller."""
OUR_RULES: Final = ("nft", "-s", "list", "table", "inet", "socketlab")
ON_ENGINE: Final = pytest.mark.docker
SHORT_IN_NAMESPACES: Final = [
    pytest.param("namespace"),
    pytest.param("docker", marks=(ON_ENGINE, pytest.mark.full)),
]


def faults_of(kind: str) -> tuple[Fault, ...]:
    """What is applied of a kind."""
    return tuple(fault for fault in PROVEN[kind] if not (isinstance(fault, type(reset())) and fault.now))


@pytest.fixture
def server(demo: Lab) -> Inside:
    """The host `server`, its agent at work and with nothing to do."""
    demo.server.faults.kinds()
    return Inside(demo.server)


def each_kind() -> Iterator[Any]:
    for kind in KINDS:
        long = () if kind in ALONE else (pytest.mark.full,)
        yield pytest.param("namespace", kind, marks=long)
        yield pytest.param("docker", kind, marks=(ON_ENGINE, *long))


@needs_root
@pytest.mark.parametrize(("backend", "kind"), list(each_kind()), indirect=["backend"])
def test_healed_nothing_of_a_kind_is_left(demo: Lab, server: Inside, kind: str) -> None:
    before = server.settled()
    for fault in faults_of(kind):
        with demo.server.faults.apply(fault) as lease:
            assert lease.in_force
            assert server.state() != before
        server.wait_for(before)


def orders(often: int, every: int) -> list[Any]:
    """Numbers of orders: some for each run, the others for one with --full."""
    return [pytest.param(each, marks=() if each < often else pytest.mark.full) for each in range(every)]


@needs_root
@pytest.mark.parametrize("order", orders(1, 20))
def test_all_kinds_at_once_are_healed_in_any_order(demo: Lab, server: Inside, order: int) -> None:
    draw = random.Random(f"{SEED}.{order}")  # noqa: S311 - drawn again from its seed
    before = server.settled()
    faults = [fault for kind in KINDS if kind != "link" for fault in faults_of(kind)]
    draw.shuffle(faults)
    leases = [demo.server.faults.apply(fault) for fault in faults]
    leases.append(demo.server.faults.apply(link()))  # what needs a link has it by now
    assert server.state() != before
    draw.shuffle(leases)
    left = [each.id for each in demo.server.faults.list()]
    for lease in leases:
        lease.heal()
        left.remove(lease.id)
        assert [each.id for each in demo.server.faults.list()] == left, (SEED, order)
    server.wait_for(before)


@contextmanager
def another(lab: Lab) -> Iterator[Board]:
    """A controller beside the lab's own."""
    made = Board(lab)
    try:
        yield made
    finally:
        made.close()


@needs_root
def test_two_controllers_hold_each_their_own(demo: Lab, server: Inside) -> None:
    before = server.settled()
    ours = demo.faults
    with another(demo) as theirs:
        mine = [ours.apply(fault, on="server") for fault in OF_EACH_MECHANISM]
        alone = server.state()
        other = theirs.apply(drop(peer="client", port=7000), on="server")
        stranger = theirs.apply(route("throw", "198.51.100.2"), on="server")
        both = server.state()
        with pytest.raises(AgentError, match=re.escape(ELSEWHERE)):
            theirs.apply(route("blackhole", ELSEWHERE), on="server")
        assert server.state() == both, "what was refused left nothing"
        assert [each.id for each in ours.list()] == [each.id for each in mine]
        assert [each.id for each in theirs.list()] == [other.id, stranger.id]
        with pytest.raises(FaultsError, match="no fault"):
            theirs.heal("99")
        assert len(theirs.reach("server").agent().leases()) == len(mine) + 2
        stranger.heal()
        assert [each.trouble for each in mine] == [None] * len(mine)
    server.wait_for(alone)  # the other one is gone, and only what it held
    ours.heal()
    server.wait_for(before)


@needs_root
@pytest.mark.parametrize("backend", SHORT_IN_NAMESPACES, indirect=True)
def test_two_controllers_at_the_same_moment_harm_nothing(demo: Lab, server: Inside) -> None:
    """Both want the same, which only one can have of routes, neighbours and the like."""
    before = server.settled()
    refused: list[str] = []
    wrong: list[BaseException] = []
    start = threading.Barrier(2)

    def work(board: Board, number: int) -> None:
        draw = random.Random(f"{SEED}.{number}")  # noqa: S311 - drawn again from its seed
        try:
            start.wait(DEADLINE)
            for _ in range(25):
                try:
                    lease = board.apply(draw.choice(OF_EACH_MECHANISM), on="server")
                except AgentError as error:
                    refused.append(error.code)
                else:
                    lease.heal()
        except BaseException as error:  # noqa: BLE001 - the test fails with it
            wrong.append(error)

    assert isinstance(demo.faults, Board)
    with another(demo) as theirs:
        threads = [
            threading.Thread(target=work, args=(board, number))
            for number, board in enumerate((demo.faults, theirs))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert demo.faults.list() == theirs.list() == ()
        server.wait_for(before)


@needs_root
@pytest.mark.parametrize("backend", SHORT_IN_NAMESPACES, indirect=True)
def test_faults_of_every_mechanism_come_again_with_their_host(own: Callable[..., Lab]) -> None:
    with own(hosts=["client", "server"]) as made:
        board = made.server.faults
        leases = [board.apply(fault) for fault in OF_EACH_MECHANISM]
        there = Inside(made.server).run(*OUR_RULES)
        made.server.restart()
        assert isinstance(made.faults, Board)
        agent = made.faults.reach("server").agent()
        assert [each.trouble for each in leases] == [None] * len(leases)
        assert [each.id for each in board.list()] == [each.id for each in leases]
        assert [each.fault for each in agent.leases()] == [each.fault for each in leases]
        server = Inside(made.server)
        assert server.run(*OUR_RULES) == there != ""
        assert ELSEWHERE in server.run("ip", "route")
        assert "tbf" in server.run("tc", "qdisc", "show") + server.run("tc", "class", "show", "dev", "eth0")
        far = made.server.socket(type=socket.SOCK_DGRAM)
        made.faults.heal()
        assert agent.leases() == ()
        assert ELSEWHERE not in server.run("ip", "route")
        far.close()


# -- chance


def chances(family: Family, port: int, seed: int) -> tuple[Fault, ...]:
    """Faults that leave it to chance whom they bite, and how."""
    to: dict[str, Any] = {"peer": "client", "port": port, "proto": "udp"}
    to["family"] = "ipv4" if family.number == socket.AF_INET else "ipv6"
    some = probability(0.5, seed=seed)
    return (
        loss(0.3, burst=2, seed=seed, **to),
        duplicate(which=some, **to),
        delay(0.001, jitter=0.001, seed=seed, **to),
        corrupt(which=some, seed=seed, **to),
    )


COUNT: Final = 60
SOURCE, TARGET = 40_100, 7_100
"""The same ports in each run: the flow is part of what repeats."""


def told(leases: Sequence[FaultLease]) -> Any:
    """What each fault did: flow, ordinal, action."""
    return [[(entry.flow, entry.ordinal, entry.action) for entry in lease.log] for lease in leases]


def without_flows(said: Any) -> Any:
    """Ordinals and actions alone: addresses are another lab's."""
    return [[entry[1:] for entry in each] for each in said]


def datagrams(lab: Lab, family: Family, seed: int) -> Any:
    """What the faults do with some datagrams."""
    kind = (family.number, socket.SOCK_DGRAM)
    with lab.client.socket(*kind) as near, lab.server.socket(*kind) as far:
        near.bind((family.of(lab.client), SOURCE))
        far.bind((family.of(lab.server), TARGET))
        leases = [lab.server.faults.apply(fault) for fault in chances(family, TARGET, seed)]
        for number in range(COUNT):
            near.sendto(b"%060d" % number, (family.of(lab.server), TARGET))
        lost, _, late, last = leases
        eventually(lambda: lost.seen == COUNT and late.seen == last.seen)
        said = told(leases)
        for lease in leases:
            lease.heal()
    return said


def handshake(lab: Lab, family: Family, seed: int) -> Any:
    """What the faults do with a handshake whose first SYN chance may lose."""
    to: dict[str, Any] = {"peer": "client", "port": TARGET, "proto": "tcp"}
    faults = (
        drop(flags="SYN", which=probability(0.5, seed=seed), **to),
        delay(0.02, flags="SYN", jitter=0.01, seed=seed, **to),
        delay(0.01, flags="SYN,ACK", direction="out", **to),
    )
    with lab.server.create_server((family.of(lab.server), TARGET), family=family.number) as listener:
        leases = [lab.server.faults.apply(fault) for fault in faults]
        with lab.client.socket(family.number) as near:
            near.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            near.bind((family.of(lab.client), SOURCE))
            near.settimeout(DEADLINE)
            near.connect(listener.getsockname()[:2])
            near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # no TIME-WAIT after it
            far, _ = listener.accept()
            said = told(leases)
            far.close()
        for lease in leases:
            lease.heal()
    return said


def test_the_same_seed_bites_the_same_datagrams(demo: Lab, family: Family) -> None:
    first = datagrams(demo, family, 5)
    assert all(len(each) > 10 for each in first)
    assert datagrams(demo, family, 5) == first
    assert datagrams(demo, family, 6)[0] != first[0]


def test_the_same_seed_bites_the_same_handshake(demo: Lab, family: Family) -> None:
    """Seed 1 loses the first SYN and lets the second go, seed 0 lets the first go."""
    first = handshake(demo, family, 1)
    assert without_flows(first) == [[(1, "dropped")], [(1, "delayed")], [(1, "delayed")]]
    assert handshake(demo, family, 1) == first
    assert handshake(demo, family, 0)[0] == []


@ON_ENGINE
@pytest.mark.full
def test_both_backends_bite_the_same(labs: Labs, namespaces: str, containers: str) -> None:
    here, there = labs.plain(namespaces), labs.plain(containers)
    for family in FAMILIES.values():
        assert without_flows(datagrams(here, family, 7)) == without_flows(datagrams(there, family, 7))
        assert without_flows(handshake(here, family, 1)) == without_flows(handshake(there, family, 1))
