"""What can go wrong around the emulator: it ends, is killed, others meddle, room is lacking. It is said."""

import signal
import time

import pytest

from services.agent.rules.verdicts import QUEUE
from services.messages import ServiceError
from services.netlink.queue_socket import QueueSocket
from socketlab.wire import Delay, Drop, Duplicate, Fault, Hold, Loss, Match, Probe, Probed, Which
from tests.namespace.agent.controller import Controller
from tests.namespace.agent.emulated import FAMILIES, Datagrams, counts, did, held, log, until
from tests.namespace.agent.lab import SECONDS, Agent, Lab, match


@pytest.mark.parametrize("family", FAMILIES)
def test_healing_delivers_at_once_what_waits(lab: Lab, agent: Agent, family: str) -> None:
    talk = Datagrams(lab, family)
    lease = agent.add(Delay(60, match(family, proto="udp")))
    talk.send(b"1", b"2", b"3")
    until(lambda: counts(agent, lease)[0] == 3)
    agent.heal(lease.id)
    assert talk.arrived(3) == [b"1", b"2", b"3"]


def test_an_agent_that_ends_delivers_what_waits(lab: Lab, agent: Agent) -> None:
    talk = Datagrams(lab, "ipv4")
    agent.add(Hold(match("ipv4", proto="udp")))
    slow = agent.add(Delay(60, match("ipv4", proto="udp", direction="out")))
    talk.send(b"1", b"2")
    talk.answer(b"3")
    until(lambda: len(held(agent)) == 2 and counts(agent, slow)[0] == 1)
    agent.process.send_signal(signal.SIGTERM)
    assert talk.arrived(2) == [b"1", b"2"]
    assert talk.arrived(1, back=True) == [b"3"]
    assert agent.ended() == 0


def test_after_a_killed_agent_packets_pass(lab: Lab, agent: Agent) -> None:
    talk = Datagrams(lab, "ipv4")
    lease = agent.add(Delay(60, match("ipv4", proto="udp")))
    talk.send(b"lost with it")
    until(lambda: counts(agent, lease)[0] == 1)
    agent.process.kill()
    agent.process.wait()

    def passes() -> bool:
        talk.send(b"again")
        talk.receiver.settimeout(0.05)
        try:
            return talk.receiver.recv(20) == b"again"
        except TimeoutError:
            return False

    begun = time.monotonic()
    until(passes)
    assert time.monotonic() - begun < 2


def test_somebody_elses_table_may_eat_what_waits_and_that_is_said(lab: Lab, agent: Agent) -> None:
    talk = Datagrams(lab, "ipv4")
    lease = agent.add(Hold(match("ipv4", proto="udp")))
    slow = agent.add(Delay(0.5, match("ipv4", proto="udp", direction="out")))
    talk.send(b"1", b"2")
    talk.answer(b"3")
    until(lambda: len(held(agent)) == 2 and counts(agent, slow)[0] == 1)
    lab.server.run(
        "nft", "add table inet theirs; add chain inet theirs c { type filter hook input priority 5; }"
    )
    lab.server.run("nft", "flush", "ruleset")
    until(lambda: counts(agent, lease)[2] == 2)
    assert held(agent) == ()
    assert did(agent, lease)[2:] == [(1, "lost"), (2, "lost")]
    assert "foreign" in log(agent, lease).entries[-1].detail
    until(lambda: counts(agent, slow)[2] == 1)
    talk.send(b"4")
    until(lambda: held(agent))  # ours is still there
    agent.heal(lease.id)
    assert talk.arrived(1) == [b"4"]


def test_a_queue_that_another_program_reads_is_named(lab: Lab, agent: Agent) -> None:
    before = lab.server.state()
    with lab.server.inside():
        other = QueueSocket(QUEUE, 10)
    with pytest.raises(ServiceError) as caught:
        agent.add(Delay(1, match("ipv4")))
    assert caught.value.code == "emulator.queue-taken"
    assert agent.leases() == ()
    assert lab.server.state() == before
    other.close()
    agent.add(Delay(0.01, match("ipv4")))
    assert lab.connect("ipv4") == "connected"


def test_what_there_is_no_room_for_is_counted(lab: Lab, agent: Agent) -> None:
    """20,000 packets may wait; whatever else comes is lost, and every one of them is told."""
    talk = Datagrams(lab, "ipv4")
    lease = agent.add(Delay(60, match("ipv4", proto="udp")))
    for _ in range(21_000):
        talk.sender.send(b"x")
    until(lambda: sum(counts(agent, lease)[::2]) >= 21_000)  # type: ignore[arg-type] # both are counted
    bitten, _seen, overflow = counts(agent, lease)
    assert (bitten or 0) + overflow == 21_000
    assert overflow >= 1000
    assert log(agent).missing == 0
    last = log(agent).last
    assert last >= 20_000


@pytest.mark.parametrize("family", FAMILIES)
def test_probes_show_the_fault_and_count_for_nothing(lab: Lab, agent: Agent, family: str) -> None:
    """A probe reaches no program: it ends in the twin, or in the sink behind it."""
    udp = match(family, proto="udp", which=Which(nth=9))
    faults: list[tuple[Fault, int, int]] = [
        (Loss(0.01, udp, seed=1), 1, 0),
        (Delay(0.02, udp), 1, 1),
        (Hold(udp), 1, 1),
        (Duplicate(udp), 1, 1),
    ]
    controller = Controller(agent.folder)
    for place, (fault, bitten, passed) in enumerate(faults):
        lease = agent.add(fault)
        port = 50_000 + place
        assert isinstance(controller.ask(Probe, do="open", port=port, lease=lease.id), Probed)
        probe, other = Datagrams(lab, family, source=port), Datagrams(lab, family)
        probe.send(b"probe")
        other.send(b"other")
        assert other.arrived(1) == [b"other"]

        deadline = time.monotonic() + SECONDS
        while (read := controller.ask(Probe, do="read", port=port)) != Probed(read.id, bitten, passed):
            assert time.monotonic() < deadline, f"{fault}: {read}"
        assert counts(agent, lease) == (0, 1, 0)
        assert log(agent, lease).entries == ()
        controller.ask(Probe, do="close", port=port)
        agent.heal(lease.id)
    controller.close()


@pytest.mark.parametrize("without", ["queue", "queue,compat"])
def test_other_ways_to_the_queue(lab: Lab, without: str) -> None:
    """By nft_compat, and by iptables where nf_tables has no way at all."""
    before = lab.server.state()
    agent = lab.agent(lab.server, options=("--without", without)).ready()
    for family in FAMILIES:
        talk = Datagrams(lab, family)
        agent.add(Delay(0.05, match(family, proto="udp")))
        agent.add(Drop(match(family, proto="udp", payload=b"secret")))
        lost = agent.add(Loss(1, match(family, proto="udp", which=Which(nth=2)), seed=1))
        begun = time.monotonic()
        talk.send(b"1", b"2", b"secret", b"3")
        assert talk.arrived(2) == [b"1", b"3"]
        assert time.monotonic() - begun >= 0.05
        assert counts(agent, lost) == (1, 3, 0)
    agent.close()
    assert lab.server.state() == before


def test_everything_but_what_is_spared_waits(lab: Lab, agent: Agent) -> None:
    """Neighbour discovery goes on, and so does what the agent itself sends."""
    agent.add(Delay(0.05, Match(direction="both")))
    lab.client.run("ip", "-6", "neigh", "flush", "dev", "eth0")
    begun = time.monotonic()
    assert lab.connect("ipv6") == "connected"
    assert time.monotonic() - begun >= 0.1  # SYN and SYN,ACK
