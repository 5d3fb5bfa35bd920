"""However the agent ends, the network is as it was before."""

import os
import signal
import time
from pathlib import Path

import pytest

from services.ports import AGENT_READY
from socketlab.wire import Drop, Lease, Ready, Route, decode
from tests.namespace.agent.lab import SECONDS, Agent, Host, Lab, match

STANDING = ("drop --port 7001 --proto tcp", "route throw 10.98.0.224/27", "route prohibit fd00:98:0:0:1::/80")


def _faulty(lab: Lab) -> tuple[Agent, tuple[str, ...]]:
    """An agent with faults of every mechanism, standing and not, and the state before them."""
    before = lab.server.state()
    agent = lab.agent(lab.server, *STANDING).ready()
    agent.add(Drop(match("ipv4")))
    agent.add(Route("unreachable", "10.98.0.99"))
    assert lab.connect("ipv4", timeout=0.2) == "timeout"
    assert "throw" in lab.server.state()[1]
    return agent, before


def _assert_restored(lab: Lab, before: tuple[str, ...]) -> None:
    assert lab.server.state() == before
    assert lab.connect("ipv4") == lab.connect("ipv6") == "connected"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end(lab: Lab, number: signal.Signals) -> None:
    agent, before = _faulty(lab)
    agent.process.send_signal(number)
    assert agent.ended() == 0
    _assert_restored(lab, before)
    assert not (agent.folder / "agent.sock").exists()


def test_the_agent_is_killed(lab: Lab) -> None:
    agent, before = _faulty(lab)
    os.kill(agent.child, signal.SIGKILL)
    killed = time.monotonic()
    while "throw" in lab.server.state()[1]:
        assert time.monotonic() - killed < 2
    assert agent.ended() == 1
    _assert_restored(lab, before)
    said = "".join(agent.said)
    assert "killed by SIGKILL" in said
    assert said.index("f5 undone: RTM_DELROUTE") < said.index("f2 undone: RTM_DELROUTE")


def test_the_nanny_is_killed(lab: Lab) -> None:
    agent, before = _faulty(lab)
    agent.process.kill()
    agent.ended()  # once the child has let go of its standard error
    _assert_restored(lab, before)


@pytest.mark.parametrize("same_folder", [True, False])
def test_both_are_killed_and_the_next_agent_sweeps(lab: Lab, *, same_folder: bool) -> None:
    agent, before = _faulty(lab)
    child = agent.child
    os.kill(agent.process.pid, signal.SIGSTOP)
    os.kill(child, signal.SIGKILL)
    os.kill(agent.process.pid, signal.SIGKILL)
    agent.ended()
    assert lab.connect("ipv4") == "connected"  # the table went with its owner
    assert "throw" in lab.server.state()[1]  # a route does not
    following = lab.agent(lab.server, folder=agent.folder if same_folder else None).ready()
    words = "undone" if same_folder else "left by an agent that was killed"
    assert sum(words in line for line in following.said) == 3
    # What the agent held itself is noted in its folder, and in force again.
    assert _named(following.leases()) == (["f4", "f5"] if same_folder else [])
    following.process.terminate()
    assert following.ended() == 0
    _assert_restored(lab, before)


def test_a_second_agent_is_refused_and_harms_nothing(lab: Lab) -> None:
    agent, _ = _faulty(lab)
    state, leases = lab.server.state(), agent.leases()
    elsewhere = lab.agent(lab.server, "route throw 10.77.0.0/16")
    assert elsewhere.ended() == 1
    assert "another agent is at work in this network namespace" in elsewhere.said[-1]
    beside = lab.agent(lab.server, folder=agent.folder)
    assert beside.ended() == 1
    assert "another agent is at work with the run directory" in beside.said[-1]
    assert lab.server.state() == state
    assert _named(agent.leases()) == _named(leases)


def _named(leases: tuple[Lease, ...]) -> list[str]:
    return [lease.id for lease in leases]


def test_the_host_is_gone(lab: Lab) -> None:
    agent, _ = _faulty(lab)
    lab.client.run("ip", "link", "delete", "eth0")
    assert agent.ended() == 75
    assert "no link but lo is left" in agent.said[-1]
    tables, *_ = lab.server.state()
    assert '"table"' not in tables


def test_without_a_link_it_is_not_ready(lab: Lab) -> None:
    """The old namespace of a host that was restarted: whoever waits for the agent must not take this one."""
    agent = lab.agent(lab.server).ready()
    lab.client.run("ip", "link", "delete", "eth0")
    said = b"the kernel has yet to tell it"
    while said:
        with lab.server.unix_socket() as asking:
            asking.connect(AGENT_READY)  # refused once it has ended
            said = asking.makefile("rb").readline()
    assert agent.ended() == 75


def test_a_link_that_comes_back_is_no_end(lab: Lab) -> None:
    """As when a host is disconnected from its network and connected again."""
    agent, _ = _faulty(lab)
    leases = _named(agent.leases())
    lab.client.run("ip", "link", "delete", "eth0")
    lab.server.run("ip", "link", "add", "eth1", "type", "veth")
    lease = agent.add(Route("throw", "10.98.7.0/24"), seconds=2.5)  # longer than it waits for a lost link
    agent.wait_for(f"{lease.id} healed, its time is up")
    assert _named(agent.leases()) == leases


def test_started_before_its_link_it_waits(lonely: Agent) -> None:
    lonely.host.run("ip", "link", "add", "eth0", "type", "veth")
    lonely.ready()


def test_started_where_no_link_comes(lonely: Agent) -> None:
    assert lonely.ended() == 75


def test_a_link_that_the_kernel_puts_everywhere_is_no_host(lab: Lab) -> None:
    agent = lab.agent(lab.server).ready()
    lab.server.run("ip", "link", "add", "sit0", "type", "veth", "peer", "name", "tunl0")
    lab.client.run("ip", "link", "delete", "eth0")
    assert agent.ended() == 75


def test_a_fault_ends_by_itself(lab: Lab, agent: Agent) -> None:
    before = lab.server.state()
    asked = time.monotonic()
    lease = agent.add(Drop(match("ipv4")), seconds=0.4)
    lasting = agent.add(Drop(match("ipv6")))
    route = agent.add(Route("throw", "10.98.0.224/27"), seconds=0.5)
    assert 0 < (lease.seconds_left or 0) <= 0.4
    agent.wait_for(f"{lease.id} healed, its time is up")
    assert time.monotonic() - asked >= 0.4
    agent.wait_for(f"{route.id} healed, its time is up")
    assert _named(agent.leases()) == [lasting.id]
    agent.heal()
    assert lab.server.state() == before


def test_ready_once_the_standing_faults_are_there(lab: Lab) -> None:
    agent = lab.agent(lab.server, *STANDING)
    _await_readiness(lab, agent)
    assert lab.connect("ipv4", 7001, timeout=0.2) == "timeout"
    assert [lease.holder for lease in agent.leases()] == ["standing"] * 3
    lease = agent.add(Drop(match("ipv4")))
    assert _named(agent.heal()) == [lease.id]
    assert len(agent.leases()) == 3


def _await_readiness(lab: Lab, agent: Agent) -> None:
    """By the socket of its namespace, from the first moment it is there."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        assert agent.process.poll() is None
        with lab.server.unix_socket() as asking:
            try:
                asking.connect(AGENT_READY)
            except ConnectionRefusedError:
                time.sleep(0.02)
                continue
            assert decode(asking.makefile("rb").readline()) == Ready("agent")
            assert asking.recv(1) == b""
            return
    pytest.fail("not ready in time")


def test_a_standing_fault_that_cannot_be_had(lab: Lab) -> None:
    before = lab.server.state()
    agent = lab.agent(lab.server, STANDING[1], STANDING[1])
    assert agent.ended() == 1
    assert "there is a route to exactly" in agent.said[-1]
    assert lab.server.state() == before


@pytest.mark.parametrize(
    "standing", ["drop --port 70001", "drop --for 3s", "rejct icmp-port", 'drop --peer "x', ""]
)
def test_a_standing_fault_that_makes_no_sense(lab: Lab, standing: str) -> None:
    agent = lab.agent(lab.server, standing)
    assert agent.ended() == 2


def test_without_net_admin(host: Host) -> None:
    host.run("ip", "link", "add", "eth0", "type", "veth")
    agent = Agent(host, before=("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", "--"))
    try:
        assert agent.ended() == 4
        assert "NET_ADMIN" in agent.said[-1]
    finally:
        agent.close()


def test_nothing_is_left_in_the_journal_after_healing(agent: Agent) -> None:
    journal = Path(agent.folder) / "undo.jsonl"
    first = agent.add(Route("throw", "10.98.0.224/27"))
    second = agent.add(Route("throw", "10.98.0.192/27"))
    agent.heal(first.id)
    assert journal.read_text().count("\n") == 4  # where, two that were made, one of them settled
    agent.heal(second.id)
    assert journal.read_bytes() == b""
