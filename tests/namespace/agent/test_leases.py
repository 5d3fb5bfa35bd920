"""Who holds a fault, how long, and what becomes of it when holder or agent ends."""

import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from services.agent.asking import AgentError
from services.agent.rules.verdicts import QUEUE
from services.netlink.queue_socket import QueueSocket
from socketlab.wire import (
    Add,
    Delay,
    Drop,
    Fault,
    Heal,
    Lease,
    Loss,
    Match,
    Mtu,
    Reject,
    Route,
    Which,
    encode,
)
from tests.namespace.agent.controller import Controller, controlling
from tests.namespace.agent.lab import CLIENT, PORT, SECONDS, Agent, Lab, match

_HOLDING = """
import socket, sys
made = socket.socket(socket.AF_UNIX)
made.connect(sys.argv[1])
made.sendall(sys.argv[2].encode())
print(made.recv(4096).decode(), end="", flush=True)
made.recv(1)
"""
_ADD = encode(Add(id=1, fault=Drop(Match(port=PORT, proto="tcp")), holder="client")).decode("ascii")


@pytest.fixture
def controller(agent: Agent) -> Iterator[Controller]:
    with controlling(agent.folder) as made:
        yield made


def _ids(agent: Agent) -> list[str]:
    return [lease.id for lease in agent.leases()]


def test_a_client_holds_it_until_it_hangs_up(lab: Lab, agent: Agent) -> None:
    before = lab.server.state()
    kept = agent.add(Drop(match("ipv6")))
    with controlling(agent.folder) as controller:
        lease = controller.ask(Add, fault=Drop(match("ipv4")), holder="client").lease
        route = controller.ask(Add, fault=Route("throw", "10.98.0.224/27"), holder="client").lease
        assert (lease.holder, kept.holder) == ("client", "agent")
        assert lab.connect("ipv4", timeout=0.2) == "timeout"
    agent.wait_for(f"{route.id} healed, its holder is gone")
    assert _ids(agent) == [kept.id]
    assert lab.connect("ipv4") == "connected"
    agent.heal()
    assert lab.server.state() == before


def test_a_client_that_says_no_more_has_ended(agent: Agent) -> None:
    """Half closed is what an exec's relay hands on; that it does not read either changes nothing."""
    with controlling(agent.folder) as controller:
        lease = controller.ask(Add, fault=Drop(match("ipv4")), holder="client").lease
        controller.socket.shutdown(socket.SHUT_WR)
        agent.wait_for(f"{lease.id} healed, its holder is gone")
    assert _ids(agent) == []


def test_a_clients_process_is_killed(lab: Lab, agent: Agent) -> None:
    program = [sys.executable, "-c", _HOLDING, str(agent.folder / "agent.sock"), _ADD]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as holding:
        assert holding.stdout is not None
        assert '"applied"' in holding.stdout.readline()
        assert lab.connect("ipv4", timeout=0.2) == "timeout"
        holding.send_signal(signal.SIGKILL)
        killed = time.monotonic()
        agent.wait_for("its holder is gone")
        assert time.monotonic() - killed < 2
    assert lab.connect("ipv4") == "connected"
    assert _ids(agent) == []


def test_a_client_may_heal_what_others_hold_and_all_of_it(agent: Agent, controller: Controller) -> None:
    mine = controller.ask(Add, fault=Drop(match("ipv4")), holder="client").lease
    agents = agent.add(Drop(match("ipv6")))
    with controlling(agent.folder) as other:
        healed = other.ask(Heal).leases
    assert [lease.id for lease in healed] == [mine.id, agents.id]
    assert controller.failure(Heal, lease=mine.id) == "agent.unknown-lease"


def test_nobody_but_the_command_line_holds_standing_faults(controller: Controller) -> None:
    assert controller.failure(Add, fault=Drop(match("ipv4")), holder="standing") == "agent.holder"


def test_a_peer_that_nobody_has_resolved(lab: Lab, agent: Agent) -> None:
    before = lab.server.state()
    with pytest.raises(AgentError, match="has no address yet"):
        agent.add(Drop(Match(peer="www", port=PORT, proto="tcp")))
    assert lab.server.state() == before


def test_seeds_that_nobody_gave_are_shown(agent: Agent) -> None:
    loss = agent.add(Loss(0.5, match("ipv4")))
    some = agent.add(Drop(match("ipv4", which=Which(probability=0.5))))
    given = agent.add(Loss(0.5, match("ipv4"), seed=7))
    assert isinstance(loss.fault, Loss)
    assert isinstance(some.fault, Drop)
    assert loss.fault.seed is not None
    assert some.fault.match.which is not None
    assert some.fault.match.which.seed is not None
    assert given.fault == Loss(0.5, match("ipv4"), seed=7)
    assert [lease.fault for lease in agent.leases()] == [loss.fault, some.fault, given.fault]


_STACK: tuple[Fault, ...] = (
    Drop(match("ipv6")),
    Delay(0.05, match("ipv4")),
    Reject("icmp-host", match("ipv4", port=7001)),
    Mtu(1400, "10.98.0.20/32"),
)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::5])
def test_faults_of_all_mechanisms_are_healed_in_any_order(
    lab: Lab, agent: Agent, order: tuple[int, ...]
) -> None:
    before = lab.server.state()
    leases = [agent.add(fault) for fault in _STACK]
    assert [lease.by for lease in leases] == ["nft", "queue", "nft", "route"]
    assert lab.connect("ipv4", 7001) == "EHOSTUNREACH"
    for number in order:
        left = [lease for lease in agent.leases() if lease.id != leases[number].id]
        assert [lease.id for lease in agent.heal(leases[number].id)] == [leases[number].id]
        assert [lease.id for lease in agent.leases()] == [lease.id for lease in left]
    assert lab.server.state() == before
    assert lab.connect("ipv4", 7001) == lab.connect("ipv6") == "connected"


def test_an_answer_that_cannot_be_delayed_leaves_nothing(lab: Lab) -> None:
    """Another program has our queue: the refusal is there, the delay of its answers is not to be had."""
    with lab.server.inside():
        others = QueueSocket(QUEUE, 1)
    agent = lab.agent(lab.server).ready()
    before = lab.server.state()
    with pytest.raises(AgentError, match="queue"):
        agent.add(Reject("icmp-port", match("ipv4")))
    assert agent.leases() == ()
    assert lab.server.state() == before
    others.close()
    agent.add(Reject("icmp-port", match("ipv4")))
    assert lab.connect("ipv4") == "ECONNREFUSED"


def _kill_both(agent: Agent) -> None:
    child = agent.child
    os.kill(agent.process.pid, signal.SIGSTOP)
    os.kill(child, signal.SIGKILL)
    os.kill(agent.process.pid, signal.SIGKILL)
    agent.ended()


def test_what_the_agent_holds_comes_back_with_the_next_one(lab: Lab) -> None:
    before = lab.server.state()
    agent = lab.agent(lab.server, "drop --port 7001 --proto tcp").ready()
    healed = agent.add(Drop(match("ipv6")))
    lasting = agent.add(Delay(0.03, match("ipv4")))
    timed = agent.add(Route("throw", "10.98.0.224/27"), seconds=60)
    brief = agent.add(Drop(match("ipv4", port=7005)), seconds=0.3)
    agent.heal(healed.id)
    with controlling(agent.folder) as controller:
        controller.ask(Add, fault=Drop(match("ipv4", port=7006)), holder="client")
        _kill_both(agent)
    time.sleep(0.3)  # the brief one's time is up while nobody is there
    following = lab.agent(lab.server, "drop --port 7001 --proto tcp", folder=agent.folder).ready()
    there = {lease.id: lease for lease in following.leases()}
    assert [each.holder for each in there.values()] == ["standing", "agent", "agent"]
    assert there[lasting.id].fault == lasting.fault
    assert there[timed.id].fault == timed.fault
    assert brief.id not in there
    assert 0 < (there[timed.id].seconds_left or 0) < 60
    asked = time.monotonic()
    assert lab.connect("ipv4") == "connected"
    assert time.monotonic() - asked >= 0.03
    assert following.add(Drop(match("ipv6"))).id not in there
    following.process.terminate()
    assert following.ended() == 0
    assert lab.server.state() == before
    last = lab.agent(lab.server, folder=agent.folder).ready()
    assert last.leases() == ()  # it was told to end, and so forgot


def test_what_the_agent_holds_comes_back_in_the_hosts_new_namespace(lab: Lab) -> None:
    agent = lab.agent(lab.server).ready()
    lease = agent.add(Drop(match("ipv4")))
    gone = agent.add(Mtu(1400, f"{CLIENT['ipv4']}/32"))
    lab.client.run("ip", "link", "delete", "eth0")
    assert agent.ended() == 75
    new = lab.host()
    new.run("ip", "link", "add", "eth0", "type", "veth")
    following = lab.agent(new, folder=agent.folder).ready()
    assert [(each.id, each.fault, each.holder) for each in following.leases()] == [
        (lease.id, lease.fault, "agent")
    ]
    following.wait_for(f"could not put {gone.id} in force again")


def test_the_next_syn_after_a_kill_connects(lab: Lab, agent: Agent) -> None:
    """nft and the emulator alike: the kernel takes out what a dead agent has put there."""
    leases = [
        agent.add(Drop(match("ipv4"))),
        agent.add(Loss(1.0, match("ipv6"))),
        agent.add(Reject("icmp-port", match("ipv4", port=7001))),
    ]
    assert [lease.by for lease in leases] == ["nft", "queue", "nft"]
    assert lab.connect("ipv4", timeout=0.2) == lab.connect("ipv6", timeout=0.2) == "timeout"
    os.kill(agent.child, signal.SIGKILL)
    killed = time.monotonic()
    # A SYN is sent again after 1 s: to connect sooner the very first must have got through.
    while lab.connect("ipv4", timeout=0.2) == "timeout":
        assert time.monotonic() - killed < 2
    assert lab.connect("ipv6", timeout=0.9) == "connected"
    assert lab.connect("ipv4", 7001, timeout=0.9) == "connected"
    agent.ended()


def test_bounds_of_time(agent: Agent) -> None:
    for seconds in (0.0, -1.0, 1e9, float(2**62)):
        with pytest.raises(AgentError, match="more than 0"):
            agent.add(Drop(match("ipv4")), seconds)


def test_its_time_is_up_whoever_holds_it(agent: Agent, controller: Controller) -> None:
    asked = time.monotonic()
    lease: Lease = controller.ask(Add, fault=Drop(match("ipv4")), seconds=0.3, holder="client").lease
    assert lease.seconds_left is not None
    agent.wait_for(f"{lease.id} healed, its time is up")
    assert 0.3 <= time.monotonic() - asked < SECONDS
    assert _ids(agent) == []
