"""Whatever a fault does to a host, nothing of it is left: byte for byte, however it ends.

What is compared is all that the kernel tells of the namespace (`network_state`).
"""

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from socketlab.wire import Fault, Match
from socketlab.wire.fault import (
    KINDS,
    Corrupt,
    Delay,
    Drop,
    Duplicate,
    Hold,
    Limit,
    Link,
    Loss,
    Mtu,
    Neighbour,
    PmtuBlackHole,
    Reject,
    Reorder,
    Reset,
    Route,
    Segments,
    SlowHandshake,
    Throttle,
)
from tests.namespace.agent.lab import CLIENT, PORT, SECONDS, SERVER, Agent, Host, Lab
from tests.namespace.agent.network_state import difference, network_state

_PEER = Match(peer="client", addresses=(CLIENT["ipv4"], CLIENT["ipv6"]), direction="both")
_TCP = Match(peer="client", addresses=(CLIENT["ipv4"],), port=PORT, proto="tcp")
FAULTS: dict[str, tuple[Fault, ...]] = {
    "drop": (Drop(_PEER), Drop(Match(port=PORT, direction="out"))),
    "reject": (Reject("tcp-reset", _TCP), Reject("icmp-host", Match(family="ipv4"))),
    "delay": (Delay(0.05, _PEER, jitter=0.01),),
    "loss": (Loss(0.3, _PEER, burst=2),),
    "duplicate": (Duplicate(_PEER),),
    "reorder": (Reorder(_PEER),),
    "corrupt": (Corrupt(_PEER),),
    "throttle": (Throttle(1_000_000, _PEER), Throttle(9_000_000, Match(port="7000-7005"))),
    "mtu": (Mtu(1300), Mtu(1290, CLIENT["ipv4"]), Mtu(1280, CLIENT["ipv6"])),
    "pmtu-black-hole": (PmtuBlackHole(),),
    "slow-handshake": (SlowHandshake(0.1, _TCP),),
    "reset": (Reset(_TCP), Reset(Match(own_port=PORT), now=True)),
    "hold": (Hold(_PEER),),
    "limit": (Limit(1000, _PEER), Limit(1000, _TCP, then="reset")),
    "segments": (Segments(500, _TCP),),
    "route": (
        Route("unreachable", "10.98.0.99"),
        Route("blackhole", "fd00:99::/64"),
        Route("throw", "10.1.0.0/16"),
    ),
    "link": (Link(), Link("eth0", down=0.2, up=0.2)),
    "neighbour": (Neighbour(Match(peer="client", addresses=(CLIENT["ipv4"], CLIENT["ipv6"]))),),
}


def test_every_kind_is_here() -> None:
    assert FAULTS.keys() == KINDS.keys()


@pytest.fixture
def host(lab: Lab) -> Host:
    """A host with more than a fresh one has: things that are somebody's, and must stay."""
    run = lab.server.run
    run("ip", "route", "add", "10.5.0.0/16", "via", CLIENT["ipv4"], "metric", "7")
    run("ip", "-6", "route", "add", "fd05::/64", "via", CLIENT["ipv6"], "table", "300")
    run("ip", "rule", "add", "from", "10.77.0.0/16", "table", "300")
    run("ip", "neigh", "add", "10.98.0.77", "lladdr", "02:00:00:00:00:77", "dev", "eth0")
    run(
        "nft",
        "add table inet theirs { chain in { type filter hook input priority 0; tcp dport 9 drop; }; }",
    )
    run("iptables-legacy", "-A", "INPUT", "-p", "tcp", "--dport", "9", "-j", "DROP")
    return lab.server


def state(host: Host) -> list[str]:
    """All that is told of a host, by command."""
    return network_state(host.run)


def wait_for(host: Host, expected: list[str]) -> float:
    """Until the host is as it was: the seconds that it took."""
    began = time.monotonic()
    while (seen := state(host)) != expected:
        assert time.monotonic() - began < SECONDS, difference(expected, seen)
    return time.monotonic() - began


def apply_all(lab: Lab, agent: Agent, faults: tuple[Fault, ...]) -> list[str]:
    """Put faults in force; one that ends connections has one to end."""
    leases = []
    for fault in faults:
        if isinstance(fault, Reset) and fault.now:
            connecting = lab.open(lab.client, "ipv4", socket.SOCK_STREAM)
            connecting.connect((SERVER["ipv4"], PORT))
        leases.append(agent.add(fault).id)
    return leases


def is_traceless(fault: Fault) -> bool:
    return isinstance(fault, Reset) and fault.now


@pytest.mark.parametrize("kind", KINDS)
def test_healed_nothing_is_left(lab: Lab, host: Host, kind: str) -> None:
    before = state(host)
    agent = lab.agent(host).ready()
    attached = state(host)
    assert attached[1:] == before[1:]  # nothing but its own tables
    faults = tuple(sorted(FAULTS[kind], key=is_traceless, reverse=True))
    leases = []
    for fault in faults:
        leases += apply_all(lab, agent, (fault,))
        assert (state(host) == attached) == is_traceless(fault) or len(leases) > 1
    for lease in leases:  # the first first: not in the order of a stack
        agent.heal(lease)
    wait_for(host, attached)
    agent.process.terminate()
    assert agent.ended() == 0
    wait_for(host, before)


ALL = tuple(fault for kind in (*KINDS.keys() - {"reset", "link"}, "link") for fault in FAULTS[kind])
"""All on one host: links last, and no connection is left to be ended."""


def test_told_to_end_it_leaves_nothing(lab: Lab, host: Host) -> None:
    before = state(host)
    agent = lab.agent(host).ready()
    apply_all(lab, agent, ALL)
    assert state(host) != before
    agent.process.terminate()
    assert agent.ended() == 0
    wait_for(host, before)


def test_killed_its_nanny_leaves_nothing(lab: Lab, host: Host) -> None:
    before = state(host)
    agent = lab.agent(host).ready()
    apply_all(lab, agent, ALL)
    os.kill(agent.child, signal.SIGKILL)
    assert agent.ended() == 1
    wait_for(host, before)
    assert "could not undo" not in "".join(agent.said)


@pytest.mark.full
@pytest.mark.parametrize("kind", KINDS)
def test_killed_nothing_of_a_kind_is_left(lab: Lab, host: Host, kind: str) -> None:
    before = state(host)
    agent = lab.agent(host).ready()
    apply_all(lab, agent, FAULTS[kind])
    os.kill(agent.child, signal.SIGKILL)
    assert agent.ended() == 1
    wait_for(host, before)


def test_killed_with_its_nanny_the_next_leaves_nothing(lab: Lab, host: Host, tmp_path: Path) -> None:
    before = state(host)
    agent = lab.agent(host, folder=tmp_path).ready()
    attached = state(host)
    apply_all(lab, agent, ALL)
    child = agent.child
    os.kill(agent.process.pid, signal.SIGSTOP)
    os.kill(child, signal.SIGKILL)
    os.kill(agent.process.pid, signal.SIGKILL)
    agent.ended()
    assert state(host) != before
    following = lab.agent(host, folder=tmp_path).ready()
    following.heal()  # what the agent held itself is back, as it should
    wait_for(host, attached)
    following.process.terminate()
    assert following.ended() == 0
    wait_for(host, before)
