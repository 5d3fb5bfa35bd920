"""Throttles: matched packets pass at their rate, in either direction, and nothing else is touched."""

import os
import signal
import socket
import struct
import threading
import time
from typing import Any

import pytest

from services.agent.asking import AgentError
from socketlab.wire import Drop, Match, Throttle
from tests.namespace.agent.lab import CLIENT, OTHER_PORT, PORT, SERVER, Agent, Lab, match

_PAYLOAD = 1000
_FRAME = {"ipv4": _PAYLOAD + 8 + 20 + 14, "ipv6": _PAYLOAD + 8 + 40 + 14}
_SECONDS = 0.6
_TIMESTAMPNS = 35
"""SO_TIMESTAMPNS (linux/socket.h): the socket module has no name for it."""
_MBIT = 1_000_000


def arriving(receiver: socket.socket, seconds: float) -> list[float]:
    """When datagrams come, until none has for a while, or the time is over: as the kernel stamped them."""
    receiver.settimeout(0.3)
    receiver.setsockopt(socket.SOL_SOCKET, _TIMESTAMPNS, 1)
    times: list[float] = []
    while not times or times[-1] - times[0] < seconds:
        try:
            _data, ancillary, _flags, _address = receiver.recvmsg(2000, 64)
        except TimeoutError:
            break
        ((_level, _kind, stamp),) = ancillary
        whole, nanoseconds = struct.unpack("=qq", stamp)
        times.append(whole + nanoseconds / 1e9)
    return times


def rate(lab: Lab, family: str, port: int = PORT) -> float:
    """Bits on the wire in a second, of datagrams that the client sends as fast as it can."""
    receiver = lab.datagrams[family, port]
    receiver.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)
    sending = lab.open(lab.client, family, socket.SOCK_DGRAM)
    sending.bind((CLIENT[family], 0))
    sending.connect((SERVER[family], port))
    over = threading.Event()

    def send() -> None:
        while not over.is_set():
            sending.send(bytes(_PAYLOAD))

    thread = threading.Thread(target=send)
    thread.start()
    times = arriving(receiver, _SECONDS)
    over.set()
    thread.join()
    arriving(receiver, 60)  # what is on its way still
    assert len(times) > 10
    settled = times[len(times) // 5 :]  # the bucket was full at the start
    return (len(settled) - 1) * _FRAME[family] * 8 / (settled[-1] - settled[0])


@pytest.mark.parametrize("wanted", [_MBIT, 10 * _MBIT, 100 * _MBIT])
def test_the_rate_on_the_wire(lab: Lab, agent: Agent, wanted: int) -> None:
    lease = agent.add(Throttle(wanted, match("ipv4", proto="udp")))
    seen = rate(lab, "ipv4")
    assert 0.5 * wanted < seen < 1.05 * wanted  # how near it is to the rate the bench measures
    assert lease.by == "tc"
    assert (agent.bitten(lease) or 0) > 10


@pytest.mark.parametrize("family", ["ipv4", pytest.param("ipv6", marks=pytest.mark.full)])
def test_what_is_sent_is_throttled_where_it_is_sent(lab: Lab, family: str) -> None:
    agent = lab.agent(lab.client).ready()
    before = lab.client.state()
    peer = Match(peer="server", addresses=(SERVER[family],), port=PORT, direction="out")
    lease = agent.add(Throttle(4 * _MBIT, peer))
    assert 0.5 * 4 * _MBIT < rate(lab, family) < 1.05 * 4 * _MBIT
    assert rate(lab, family, OTHER_PORT) > 20 * _MBIT
    agent.heal(lease.id)
    assert rate(lab, family) > 20 * _MBIT
    assert lab.client.state() == before


@pytest.mark.parametrize(
    ("others", "is_throttled"),
    [
        ({}, True),
        ({"own_port": "6999-7000", "port": None}, True),
        pytest.param({"peer_port": PORT, "port": None}, False, marks=pytest.mark.full),
        ({"port": "7001-7009"}, False),
        pytest.param({"proto": "tcp"}, False, marks=pytest.mark.full),
        ({"peer": "fd00:98::/64", "addresses": ()}, True),
        pytest.param({"peer": "fd00:97::/64", "addresses": ()}, False, marks=pytest.mark.full),
        pytest.param({"peer": None, "addresses": (), "family": "ipv4"}, False, marks=pytest.mark.full),
        pytest.param({"direction": "out"}, False, marks=pytest.mark.full),
        ({"direction": "both", "proto": None}, True),
    ],
)
def test_all_that_a_match_says_must_hold(
    lab: Lab, agent: Agent, others: dict[str, Any], *, is_throttled: bool
) -> None:
    peer = {"peer": "client", "addresses": (CLIENT["ipv6"],)}
    lease = agent.add(Throttle(2 * _MBIT, Match(**{**peer, "port": PORT, "proto": "udp", **others})))
    seen = rate(lab, "ipv6")
    assert (seen < 2.1 * _MBIT) == is_throttled
    assert ((agent.bitten(lease) or 0) > 10) == is_throttled


@pytest.mark.parametrize("order", [(0, 1), pytest.param((1, 0), marks=pytest.mark.full)])
def test_two_throttles_are_healed_one_by_one(lab: Lab, agent: Agent, order: tuple[int, int]) -> None:
    before = lab.server.state()
    wanted = {PORT: 2 * _MBIT, OTHER_PORT: 5 * _MBIT}
    leases = {port: agent.add(Throttle(bits, Match(port=port))) for port, bits in wanted.items()}
    for port, bits in wanted.items():
        assert rate(lab, "ipv4", port) < 1.05 * bits
    first, second = (list(wanted)[place] for place in order)
    agent.heal(leases[first].id)
    assert rate(lab, "ipv4", first) > 20 * _MBIT
    assert rate(lab, "ipv4", second) < 1.05 * wanted[second]
    agent.heal(leases[second].id)
    assert lab.server.state() == before


def test_bystanders_lose_nothing_while_throttles_come_and_go(lab: Lab, agent: Agent) -> None:
    """Setting a link's own queue would lose what is sent in that moment."""
    receiver = lab.datagrams["ipv4", OTHER_PORT]
    receiver.setsockopt(socket.SOL_SOCKET, 33, 1 << 22)
    echo = lab.open(lab.client, "ipv4", socket.SOCK_DGRAM)
    echo.bind((CLIENT["ipv4"], 0))
    echo.setsockopt(socket.SOL_SOCKET, 33, 1 << 22)
    over = threading.Event()
    sent = 0

    def send() -> None:
        nonlocal sent
        while not over.is_set():
            receiver.sendto(sent.to_bytes(4, "big"), echo.getsockname())
            echo.sendto(sent.to_bytes(4, "big"), (SERVER["ipv4"], OTHER_PORT))
            sent += 1
            time.sleep(0.0005)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        for _ in range(10):
            lease = agent.add(Throttle(_MBIT, Match(port=PORT, direction="both")))
            agent.heal(lease.id)
    finally:
        over.set()
        thread.join()
    assert (len(arriving(receiver, 60)), len(arriving(echo, 60))) == (sent, sent)


def test_a_throttle_and_a_drop(lab: Lab, agent: Agent) -> None:
    throttle = agent.add(Throttle(2 * _MBIT, match("ipv4", proto="udp")))
    drop = agent.add(Drop(match("ipv4", proto="udp")))
    assert lab.deliver("ipv4") == "timeout"
    assert (agent.bitten(throttle), agent.bitten(drop)) == (1, 1)
    agent.heal(drop.id)
    assert rate(lab, "ipv4") < 2.1 * _MBIT


def test_a_burst_that_no_packet_passes(lab: Lab, agent: Agent) -> None:
    before = lab.server.state()
    lab.server.run("ip", "link", "set", "eth0", "mtu", "9000")
    with pytest.raises(AgentError, match="at least 9018 bytes"):
        agent.add(Throttle(_MBIT, Match(), burst=2000))
    lab.server.run("ip", "link", "set", "eth0", "mtu", "1500")
    assert lab.server.state() == before
    assert agent.leases() == ()


def test_a_link_that_came_later_is_throttled_too(lab: Lab, agent: Agent) -> None:
    lab.server.run("ip", "link", "delete", "eth0")
    lab.connect_hosts()
    lab.settle()
    agent.add(Throttle(2 * _MBIT, match("ipv4", proto="udp")))
    assert rate(lab, "ipv4") < 2.1 * _MBIT


@pytest.mark.parametrize("same_folder", [True, pytest.param(False, marks=pytest.mark.full)])
def test_without_an_owner_nothing_is_left_by_the_killed(lab: Lab, *, same_folder: bool) -> None:
    before = lab.server.state()
    agent = lab.agent(lab.server, options=("--without", "owner")).ready()
    agent.add(Throttle(2 * _MBIT, match("ipv4", proto="udp")))
    os.kill(agent.child, signal.SIGKILL)
    assert agent.ended() == 1
    assert lab.server.state() == before
    agent = lab.agent(lab.server, options=("--without", "owner")).ready()
    agent.add(Throttle(2 * _MBIT, match("ipv4", proto="udp")))
    child = agent.child
    os.kill(agent.process.pid, signal.SIGSTOP)
    os.kill(child, signal.SIGKILL)
    os.kill(agent.process.pid, signal.SIGKILL)
    agent.ended()
    assert "netdev" in lab.server.run("nft", "list", "ruleset")
    if not same_folder:
        lab.server.run(
            "nft", "delete", "table", "inet", "socketlab"
        )  # that of the filters refuses such an agent
    following = lab.agent(lab.server, folder=agent.folder if same_folder else None).ready()
    following.heal()
    following.add(Throttle(2 * _MBIT, match("ipv4", proto="udp")))
    assert rate(lab, "ipv4") < 2.1 * _MBIT
    following.process.terminate()
    assert following.ended() == 0
    assert lab.server.state() == before
