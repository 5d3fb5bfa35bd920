"""Each kind of fault that the emulator has, felt by real sockets: it bites what it is to bite and no more."""

import random
import socket
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from socketlab.wire import (
    Corrupt,
    Delay,
    Drop,
    Duplicate,
    Limit,
    Loss,
    Reject,
    Reorder,
    Reset,
    Segments,
    SlowHandshake,
    Which,
)
from socketlab.wire.fault import Checksum
from tests.namespace.agent.emulated import FAMILIES, Datagrams, counts, did, log, stream, until
from tests.namespace.agent.lab import BYSTANDER, CLIENT, OTHER_PORT, PORT, SERVER, Agent, Lab, match, outcome

NUMBERS = [b"%d" % number for number in range(1, 9)]


@pytest.fixture
def lab(shared_lab: Lab) -> Lab:
    return shared_lab


@pytest.fixture
def agent(shared_agent: Agent) -> Iterator[Agent]:
    yield shared_agent
    shared_agent.heal()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_datagram_comes_later_and_never_early(lab: Lab, agent: Agent, family: str) -> None:
    before = lab.server.state()
    talk, control = Datagrams(lab, family), Datagrams(lab, family, OTHER_PORT)
    lease = agent.add(Delay(0.05, match(family, proto="udp")))
    assert lease.by == "queue"
    for number in range(5):
        begun = time.monotonic()
        talk.send(b"%d" % number)
        control.send(b"control")
        assert control.receiver.recv(10) == b"control"
        talk.receiver.settimeout(5)
        assert talk.receiver.recv(10) == b"%d" % number
        assert time.monotonic() - begun >= 0.05
    assert counts(agent, lease) == (5, 5, 0)
    agent.heal(lease.id)
    assert lab.server.state() == before


def test_what_is_sent_comes_later_and_tcp_does_not_notice_who_delays_it(lab: Lab, agent: Agent) -> None:
    """A kernel that still had the segments would send a few only, and then wait for them to be gone."""
    sent = bytes(4_000_000)
    agent.add(Delay(0.02, match("ipv4", direction="out")))
    begun = time.monotonic()
    client, server = stream(lab, "ipv4")
    assert time.monotonic() - begun >= 0.02
    server.settimeout(0)
    rest, got, deadline = memoryview(sent), 0, time.monotonic() + 15
    while got < len(sent):
        assert time.monotonic() < deadline, f"{got} bytes in 15 s"
        if rest:
            with suppress(BlockingIOError):
                rest = rest[server.send(rest) :]
        client.settimeout(0.001 if rest else 5)
        try:
            got += len(client.recv(1 << 20))
        except (TimeoutError, BlockingIOError):
            continue


def test_only_the_fin_comes_later(lab: Lab, agent: Agent) -> None:
    agent.add(Delay(0.2, match("ipv4", flags="FIN")))
    client, server = stream(lab, "ipv4")
    client.send(b"hello")
    assert server.recv(10) == b"hello"
    begun = time.monotonic()
    client.close()
    assert server.recv(10) == b""
    assert time.monotonic() - begun >= 0.2


@pytest.mark.parametrize("family", FAMILIES)
def test_a_seed_says_which_datagrams_are_lost(lab: Lab, agent: Agent, family: str) -> None:
    talk = Datagrams(lab, family)
    chance = random.Random(4)  # noqa: S311 - the fault's own
    sent = [b"%d" % number for number in range(200)]
    expected = [each for each in sent if chance.random() >= 0.3]
    lease = agent.add(Loss(0.3, match(family, proto="udp"), seed=4))
    talk.send(*sent)
    assert talk.arrived(len(expected)) == expected
    assert counts(agent, lease) == (200 - len(expected), 200, 0)


@pytest.mark.parametrize("direction", ["in", "out"])
@pytest.mark.parametrize("family", FAMILIES)
def test_copies_follow_with_the_same_sender(lab: Lab, agent: Agent, family: str, direction: str) -> None:
    talk = Datagrams(lab, family)
    agent.add(Duplicate(match(family, proto="udp", direction=direction, which=Which(nth=2)), copies=2))
    back = direction == "out"
    (talk.answer if back else talk.send)(b"1", b"2", b"3")
    assert talk.arrived(5, back=back) == [b"1", b"2", b"2", b"2", b"3"]


@pytest.mark.parametrize(("family", "direction"), [("ipv4", "in"), ("ipv4", "out"), ("ipv6", "out")])
def test_what_goes_in_fragments_is_one_packet(lab: Lab, agent: Agent, family: str, direction: str) -> None:
    """But of IPv6 where it arrives: the kernel puts it together behind the place where faults meet it."""
    talk = Datagrams(lab, family)
    lease = agent.add(Duplicate(match(family, proto="udp", direction=direction)))
    back = direction == "out"
    (talk.answer if back else talk.send)(b"x" * 5000)
    assert talk.arrived(2, back=back) == [b"x" * 5000] * 2
    assert counts(agent, lease) == (1, 1, 0)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_fifth_is_overtaken_by_two(lab: Lab, agent: Agent, family: str) -> None:
    talk = Datagrams(lab, family)
    agent.add(Reorder(match(family, proto="udp", which=Which(every=5)), gap=2))
    talk.send(*NUMBERS)
    assert talk.arrived(8) == [b"1", b"2", b"3", b"4", b"6", b"7", b"5", b"8"]


@pytest.mark.parametrize("checksum", ["broken", "valid"])
def test_turned_bits(lab: Lab, agent: Agent, checksum: Checksum) -> None:
    for family in FAMILIES:
        talk = Datagrams(lab, family)
        agent.add(Corrupt(match(family, proto="udp"), checksum=checksum, bits=3, seed=1))
        talk.send(b"\0" * 20)
        if checksum == "broken":
            assert talk.arrived(0) == []
            continue
        (changed,) = talk.arrived(1)
        assert int.from_bytes(changed, "big").bit_count() == 3


def test_tcp_mends_what_was_corrupted(lab: Lab, agent: Agent) -> None:
    lease = agent.add(Corrupt(match("ipv4", payload=b"hello", which=Which(first=1)), seed=1))
    client, server = stream(lab, "ipv4")
    client.send(b"hello")
    assert server.recv(10) == b"hello"
    assert did(agent, lease) == [(1, "corrupted")]
    bitten, seen, _ = counts(agent, lease)
    assert bitten == 1
    assert (seen or 0) >= 2


@pytest.mark.parametrize("direction", ["in", "out", "both"])
@pytest.mark.parametrize("family", FAMILIES)
def test_both_ends_are_reset(lab: Lab, agent: Agent, family: str, direction: str) -> None:
    client, server = stream(lab, family)
    lease = agent.add(Reset(match(family, direction=direction)))
    (server if direction == "out" else client).send(b"hello")
    for end in (client, server):
        assert outcome(lambda end=end: end.recv(10), "read") == "ECONNRESET"
    assert did(agent, lease)[0] == (1, "reset")
    agent.heal(lease.id)
    client, server = stream(lab, family)
    client.send(b"hello")
    assert server.recv(10) == b"hello"


def test_a_reset_spares_who_connects_and_other_peers(lab: Lab, agent: Agent) -> None:
    agent.add(Reset(match("ipv4")))
    assert lab.connect("ipv4") == "connected"
    assert lab.connect("ipv4", source=BYSTANDER) == "connected"


def test_a_flow_is_cut_after_so_many_bytes(lab: Lab, agent: Agent) -> None:
    talk = Datagrams(lab, "ipv4")
    agent.add(Limit(10, match("ipv4", proto="udp")))
    talk.send(b"12345", b"67890", b"1", b"2")
    assert talk.arrived(2) == [b"12345", b"67890"]
    client, server = stream(lab, "ipv4")
    lease = agent.add(Limit(10, match("ipv4"), then="reset"))
    client.send(b"1234567890")
    assert server.recv(20) == b"1234567890"
    client.send(b"1")
    for end in (client, server):
        assert outcome(lambda end=end: end.recv(10), "read") == "ECONNRESET"
    assert did(agent, lease)[0][1] == "cut"


@pytest.mark.parametrize("family", FAMILIES)
def test_connections_send_small_segments(lab: Lab, agent: Agent, family: str) -> None:
    lease = agent.add(Segments(400, match(family)))
    client, server = stream(lab, family)
    assert 300 < server.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) <= 400
    assert client.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) > 1000
    assert did(agent, lease) == [(1, "clamped")]
    server.send(b"x" * 3000)
    got = b""
    while len(got) < 3000:
        got += client.recv(4000)


@pytest.mark.parametrize("direction", ["in", "both"])
def test_who_connects_waits_and_who_is_connected_does_not(lab: Lab, agent: Agent, direction: str) -> None:
    client, server = stream(lab, "ipv4")
    agent.add(SlowHandshake(0.3, match("ipv4", direction=direction)))
    begun = time.monotonic()
    client.send(b"hello")
    assert server.recv(10) == b"hello"
    quick = time.monotonic() - begun
    begun = time.monotonic()
    assert lab.connect("ipv4") == "connected"
    assert time.monotonic() - begun >= (0.6 if direction == "both" else 0.3)
    assert quick < 0.3


@pytest.mark.parametrize("family", FAMILIES)
def test_a_payload_chooses_what_is_dropped(lab: Lab, agent: Agent, family: str) -> None:
    talk = Datagrams(lab, family)
    lease = agent.add(Drop(match(family, proto="udp", payload=b"secret")))
    assert lease.by == "queue"
    talk.send(b"open", b"a secret", b"open too")
    assert talk.arrived(2) == [b"open", b"open too"]
    assert counts(agent, lease) == (1, 1, 0)


@pytest.mark.parametrize(("family", "answer"), [("ipv4", "icmp-port"), ("ipv6", "icmp6-port")])
def test_a_payload_chooses_what_is_refused(lab: Lab, agent: Agent, family: str, answer: str) -> None:
    talk = Datagrams(lab, family)
    lease = agent.add(Reject(answer, match(family, proto="udp", payload=b"secret")))  # type: ignore[arg-type]
    talk.send(b"open")
    assert talk.arrived(1) == [b"open"]
    talk.send(b"a secret")
    talk.sender.settimeout(5)
    assert outcome(lambda: talk.sender.recv(10), "answered") == "ECONNREFUSED"
    assert talk.arrived(0) == []
    assert did(agent, lease) == [(1, "rejected")]
    agent.heal(lease.id)
    talk.send(b"a secret")
    assert talk.arrived(1) == [b"a secret"]


@pytest.mark.parametrize(("family", "answer"), [("ipv4", "icmp-host"), ("ipv6", "icmp6-port")])
def test_a_refusal_comes_later_and_is_felt_at_once(lab: Lab, agent: Agent, family: str, answer: str) -> None:
    expected = {"icmp-host": "EHOSTUNREACH", "icmp6-port": "ECONNREFUSED"}[answer]
    lease = agent.add(Reject(answer, match(family), delay=0.1))  # type: ignore[arg-type]
    connecting = lab.open(lab.client, family, socket.SOCK_STREAM)
    connecting.bind((CLIENT[family], 0))
    begun = time.monotonic()
    assert outcome(lambda: connecting.connect((SERVER[family], PORT)), "connected") == expected
    assert 0.1 <= time.monotonic() - begun < 0.95  # not at the second SYN
    assert (lease.by, agent.bitten(lease)) == ("nft", 1)
    assert log(agent, lease).entries == ()


def test_faults_stack_and_are_healed_in_any_order(lab: Lab, agent: Agent) -> None:
    before = lab.server.state()
    talk = Datagrams(lab, "ipv4")
    udp = match("ipv4", proto="udp")
    late = agent.add(Delay(0.05, udp))
    later = agent.add(Delay(0.05, udp))
    twice = agent.add(Duplicate(udp))
    lost = agent.add(Loss(1, match("ipv4", proto="udp", which=Which(every=2)), seed=1))
    begun = time.monotonic()
    talk.send(b"1")
    assert talk.arrived(1) == [b"1"]
    assert time.monotonic() - begun >= 0.1
    agent.heal(late.id)
    agent.heal(lost.id)
    begun = time.monotonic()
    talk.send(b"2")
    talk.receiver.settimeout(5)
    assert [talk.receiver.recv(10), talk.receiver.recv(10)] == [b"2", b"2"]
    assert time.monotonic() - begun >= 0.05
    agent.heal(later.id)
    talk.send(b"3")
    assert talk.arrived(2) == [b"3", b"3"]
    agent.heal(twice.id)
    talk.send(b"4")
    assert talk.arrived(1) == [b"4"]
    assert lab.server.state() == before


def test_both_directions_have_one_count(lab: Lab, agent: Agent) -> None:
    talk = Datagrams(lab, "ipv4")
    lease = agent.add(Drop(match("ipv4", proto="udp", direction="both", payload=b"x", which=Which(every=2))))
    for number in range(3):
        talk.send(b"x in %d" % number)
        least = 2 * number + 1
        until(lambda least=least: (counts(agent, lease)[1] or 0) >= least)  # type: ignore[misc]
        talk.answer(b"x out %d" % number)
    assert talk.arrived(3) == [b"x in 0", b"x in 1", b"x in 2"]
    assert talk.arrived(0, back=True) == []
    assert did(agent, lease) == [(2, "dropped"), (4, "dropped"), (6, "dropped")]
