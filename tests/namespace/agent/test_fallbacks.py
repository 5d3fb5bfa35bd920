"""What nf_tables lacks, something else does: the same faults, and nothing left of them."""

import os
import re
import signal
import socket
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from services.agent.asking import AgentError
from services.agent.lacking import LACKS
from services.nursery.offload import turn_off
from socketlab.wire import Delay, Drop, Fault, Reject
from socketlab.wire.match import Which
from socketlab.wire.message import Probe
from socketlab.wire.words import words
from tests.namespace.agent.controller import Controller
from tests.namespace.agent.lab import (
    BYSTANDER,
    CLIENT,
    OTHER_PORT,
    PORT,
    SECONDS,
    SERVER,
    Agent,
    Host,
    Lab,
    match,
)

EVERYTHING = "owner,queue,compat,reject"
WITHOUT = [
    "owner",
    EVERYTHING,
    pytest.param("queue", marks=pytest.mark.full),
    pytest.param("queue,compat", marks=pytest.mark.full),
    pytest.param("reject", marks=pytest.mark.full),
]


def iptables(host: Host) -> list[str]:
    """What iptables of the old kind has; the tables that it has been asked for stay, empty."""
    saved = [
        host.run(f"{command}-save", "-t", table)
        for command in ("iptables-legacy", "ip6tables-legacy")
        for table in ("filter", "mangle")
    ]
    return [re.sub(r"\[\d+:\d+\]|#.*", "", text) for text in saved]


def state(host: Host) -> tuple[object, ...]:
    return host.state(), iptables(host)


def until(is_so: Callable[[], bool], seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "not so in time"
        time.sleep(0.01)


def without(lab: Lab, parts: str, folder: Path | None = None) -> Agent:
    with lab.server.inside():
        turn_off("eth0")  # else ordinals would be for the emulator
    return lab.agent(lab.server, folder=folder, options=("--without", parts)).ready()


@pytest.mark.parametrize("parts", WITHOUT)
def test_each_fault_is_felt_as_ever_and_healed_without_a_trace(lab: Lab, parts: str) -> None:
    bare = state(lab.server)
    agent = without(lab, parts)
    attached = state(lab.server)
    for family in ("ipv4", "ipv6"):
        chosen = match(family, which=Which(probability=1.0, seed=1))  # by the emulator, refused by the kernel
        for asked in match(family), chosen:
            _refused(lab, agent, Reject("icmp-port" if family == "ipv4" else "icmp6-port", asked), family)
        _refused(lab, agent, Reject("tcp-reset", match(family)), family)
        _refused(lab, agent, Reject("tcp-reset", match(family, which=Which(nth=1))), family)
        _silent(lab, agent, family)
        _late(lab, agent, family)
        assert state(lab.server) == attached
    agent.close()
    assert state(lab.server) == bare


def _refused(lab: Lab, agent: Agent, fault: Fault, family: str) -> None:
    lease = agent.add(fault)
    assert lab.connect(family) == "ECONNREFUSED"
    assert (agent.bitten(lease) or 0) >= 1
    assert lab.connect(family, OTHER_PORT) == "connected"
    assert lab.connect(family, source=BYSTANDER) == "connected"
    assert lab.deliver(family) == "delivered"
    agent.heal(lease.id)
    assert lab.connect(family) == "connected"


def _silent(lab: Lab, agent: Agent, family: str) -> None:
    """What the server sends vanishes, the first two times, and it is not told."""
    lease = agent.add(Drop(match(family, proto="udp", direction="out", which=Which(first=2))))
    with lab.client.open(family, socket.SOCK_DGRAM) as receiver:
        receiver.bind((CLIENT[family], 0))
        receiver.settimeout(SECONDS)
        for label in (b"1", b"2", b"3"):
            assert lab.datagrams[family, PORT].sendto(label, receiver.getsockname()) == 1
        assert receiver.recv(10) == b"3"
    (last,) = agent.heal(lease.id)
    assert (last.bitten, last.seen) == (2, 3)


def _late(lab: Lab, agent: Agent, family: str) -> None:
    lease = agent.add(Delay(0.1, match(family, proto="udp")))
    receiver = lab.datagrams[family, PORT]
    receiver.settimeout(SECONDS)
    with lab.client.open(family, socket.SOCK_DGRAM) as sending:
        sending.bind((CLIENT[family], 0))
        sent = time.monotonic()
        sending.sendto(b"x", (SERVER[family], PORT))
        assert receiver.recv(10) == b"x"
        assert time.monotonic() - sent >= 0.1
        assert lab.deliver(family, OTHER_PORT) == "delivered"
    (last,) = agent.heal(lease.id)
    assert last.bitten == 1


@pytest.mark.parametrize(
    ("fault", "bitten", "passed"),
    [
        (Reject("icmp-port", match("ipv4", proto="udp")), 1, 0),
        (Reject("icmp-port", match("ipv4", proto="udp", payload=b"x")), 1, 0),
        (Drop(match("ipv4", proto="udp", direction="both")), 1, 0),
        (Delay(0.01, match("ipv4", proto="udp")), 1, 1),
    ],
    ids=["reject", "emulated reject", "drop", "delay"],
)
def test_a_probe_meets_a_twin_as_ever(lab: Lab, fault: Fault, bitten: int, passed: int) -> None:
    agent = without(lab, EVERYTHING)
    attached = state(lab.server)
    lease = agent.add(fault)
    with (
        closing(Controller(agent.folder)) as controller,
        lab.client.open("ipv4", socket.SOCK_DGRAM) as probing,
    ):
        controller.ask(Probe, do="open", port=40000, lease=lease.id)
        probing.bind((CLIENT["ipv4"], 40000))
        probing.connect((SERVER["ipv4"], PORT))
        probing.send(b"x")
        wanted = bitten, passed
        until(lambda: _counted(controller) == wanted)
        controller.ask(Probe, do="close", port=40000)
    (last,) = agent.heal(lease.id)
    assert (last.bitten, last.seen) == (0, 0)
    assert state(lab.server) == attached


def _counted(controller: Controller) -> tuple[int, int]:
    answer = controller.ask(Probe, do="read", port=40000)
    return answer.bitten, answer.passed


@pytest.mark.parametrize("parts", ["owner", EVERYTHING])
def test_a_killed_agents_nanny_clears_what_stays_in_the_kernel(lab: Lab, parts: str) -> None:
    bare = state(lab.server)
    agent = without(lab, parts)
    agent.add(Reject("tcp-reset", match("ipv4")))
    agent.add(Drop(match("ipv6", proto="udp", direction="out")))
    agent.add(Delay(0.01, match("ipv6")))
    assert lab.connect("ipv4") == "ECONNREFUSED"
    os.kill(agent.child, signal.SIGKILL)
    until(lambda: state(lab.server) == bare)
    assert lab.connect("ipv4") == "connected"
    assert agent.ended() == 1


@pytest.mark.parametrize("parts", ["owner", EVERYTHING])
def test_the_next_agent_clears_what_one_left_that_was_killed_with_its_nanny(lab: Lab, parts: str) -> None:
    bare = state(lab.server)
    agent = without(lab, parts)
    agent.add(Reject("tcp-reset", match("ipv4")), seconds=60)
    child = agent.child
    agent.process.send_signal(signal.SIGSTOP)
    os.kill(child, signal.SIGKILL)
    until(lambda: Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "Z")
    agent.process.kill()
    agent.process.wait(SECONDS)
    assert lab.connect("ipv4") == "ECONNREFUSED"
    for kept in agent.folder.glob("leases*"):
        kept.unlink()  # else the next one takes up the fault again, as it should
    lab.agent(lab.server, folder=agent.folder).ready().close()
    assert lab.connect("ipv4") == "connected"
    assert state(lab.server) == bare


def test_a_second_agent_is_told_of_the_first_where_tables_have_no_owners(lab: Lab) -> None:
    first = without(lab, "owner")
    second = lab.agent(lab.server)
    assert second.ended() != 0
    assert "another agent is at work" in "".join(second.said)
    lease = first.add(Drop(match("ipv4", proto="udp")))
    assert lab.deliver("ipv4") == "timeout"
    assert first.heal(lease.id)[0].bitten == 1


def test_a_table_without_an_owner_that_somebody_deletes(lab: Lab) -> None:
    agent = without(lab, "owner")
    lease = agent.add(Drop(match("ipv4", proto="udp")))
    lab.server.run("nft", "flush", "ruleset")
    assert lab.deliver("ipv4") == "delivered"
    with pytest.raises(AgentError) as refused:
        agent.add(Drop(match("ipv4")))
    assert refused.value.code == "agent.table-gone"
    assert agent.bitten(lease) is None
    agent.heal(lease.id)
    agent.close()
    assert agent.process.returncode == 0


HIDDEN = "for each in /usr/sbin/*tables-legacy*; do mount --bind /dev/null $each; done"


@pytest.mark.parametrize(
    ("parts", "lacking"),
    [
        ("queue,compat", Drop(match("ipv4", direction="out"))),
        ("reject", Reject("tcp-reset", match("ipv4"))),
        pytest.param("queue,compat", Delay(0.01, match("ipv4")), marks=pytest.mark.full),
        pytest.param("reject", Reject("icmp-port", match("ipv4", payload=b"x")), marks=pytest.mark.full),
    ],
    ids=lambda value: value if isinstance(value, str) else words(value),
)
def test_a_fault_that_nothing_here_can_do_is_refused_by_name(lab: Lab, parts: str, lacking: Fault) -> None:
    before = ("unshare", "--mount", "sh", "-c", f'{HIDDEN}; exec "$@"', "sh")
    agent = lab.agent(lab.server, before=before, options=("--without", parts)).ready()
    attached = lab.server.state()
    with pytest.raises(AgentError) as refused:
        agent.add(lacking)
    assert refused.value.code == LACKS
    assert "iptables-legacy-restore" in str(refused.value)
    assert "package iptables" in str(refused.value)
    assert lab.server.state() == attached
    assert agent.leases() == ()
    lease = agent.add(Drop(match("ipv4", proto="udp")))
    assert lab.deliver("ipv4") == "timeout"
    agent.heal(lease.id)
