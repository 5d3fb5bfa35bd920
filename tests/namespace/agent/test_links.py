"""Links that are down, flap, or are narrow; and that all that hung on them is put back."""

import socket
import subprocess
import time
from typing import Any

import pytest

from services.agent.asking import AgentError
from socketlab.wire import Link, Match, Mtu, Neighbour
from tests.namespace.agent.lab import CLIENT, FAMILY, PORT, SECONDS, SERVER, Agent, Host, Lab

_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER, _DO = 10, 23, 2
_HEADERS = {"ipv4": 28, "ipv6": 48}


@pytest.fixture
def agent(lab: Lab) -> Agent:
    """The client's agent: links are of the host that calls."""
    return lab.agent(lab.client).ready()


def largest(lab: Lab, family: str, size: int) -> str:
    """What becomes of a datagram of so many bytes, headers included, that must not be fragmented."""
    with lab.client.open(family, socket.SOCK_DGRAM) as sending:
        if family == "ipv4":
            sending.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _DO)
        else:
            sending.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _DO)
        sending.bind((CLIENT[family], 0))
        sending.connect((SERVER[family], PORT))
        try:
            sending.send(bytes(size - _HEADERS[family]))
        except OSError as error:
            return "EMSGSIZE" if error.errno == 90 else str(error)
    return "sent"


def wait_for_state(host: Host, state: tuple[str, ...]) -> None:
    """Until the host is as it was: a link that is set up has its carrier a moment later."""
    deadline = time.monotonic() + SECONDS
    while (seen := state_of(host)) != state:
        assert time.monotonic() < deadline, [
            (one, other) for one, other in zip(state, seen, strict=True) if one != other
        ]


def state_of(host: Host) -> tuple[str, ...]:
    """Rules, links, addresses, routes and what somebody has set of neighbours."""
    links = (
        host.run("ip", "-d", "link"),
        host.run("ip", "addr"),
        host.run("ip", "neigh", "show", "nud", "permanent"),
    )
    return *host.state(), *links


def wait_until(felt: str, lab: Lab, family: str) -> None:
    """Until a TCP connect gets this."""
    deadline = time.monotonic() + SECONDS
    while (seen := lab.connect(family, timeout=1.0)) != felt:
        assert time.monotonic() < deadline, seen


@pytest.mark.parametrize("family", FAMILY)
def test_a_link_is_down(lab: Lab, agent: Agent, family: str) -> None:
    before = state_of(lab.client)
    lease = agent.add(Link())
    assert lease.by == "route"
    with (
        lab.client.open(family, socket.SOCK_STREAM) as connecting,
        pytest.raises(OSError, match="unreachable"),
    ):
        connecting.connect((SERVER[family], PORT))
    agent.heal(lease.id)
    wait_until("connected", lab, family)
    wait_for_state(lab.client, before)


def test_all_that_hung_on_a_link_is_put_back(lab: Lab, agent: Agent) -> None:
    """Gateways, metrics, other tables, addresses with their flags and order, neighbours that somebody set."""
    run = lab.client.run
    run("ip", "route", "add", "10.5.0.0/16", "via", SERVER["ipv4"], "metric", "7", "mtu", "1400")
    run("ip", "route", "add", "default", "via", SERVER["ipv4"], "proto", "static")
    run("ip", "route", "add", "10.6.0.0/16", "via", SERVER["ipv4"], "table", "300")
    run("ip", "-6", "route", "add", "default", "via", SERVER["ipv6"], "metric", "5")
    run("ip", "-6", "route", "add", "fd05::/64", "dev", "eth0", "table", "300")
    run("ip", "route", "add", "unreachable", "10.7.0.0/16")
    run("ip", "addr", "add", "fd00:97::1/64", "dev", "eth0", "nodad", "noprefixroute")
    run("ip", "addr", "add", "10.97.0.1/24", "dev", "eth0", "label", "eth0:other")
    run("ip", "neigh", "add", "10.98.0.77", "lladdr", "02:00:00:00:00:77", "dev", "eth0")
    before = state_of(lab.client)
    lease = agent.add(Link("eth0"))
    assert "10.98.0.77" not in run("ip", "neigh")
    agent.heal(lease.id)
    wait_for_state(lab.client, before)


def test_what_other_faults_had_on_a_link_is_put_back_while_they_hold(lab: Lab, agent: Agent) -> None:
    before = state_of(lab.client)
    narrow = agent.add(Mtu(600, SERVER["ipv4"]))
    dead = agent.add(Neighbour(Match(peer="10.98.0.55")))
    gone = agent.add(Mtu(700, "10.98.0.56"))
    between = state_of(lab.client)
    down = agent.add(Link())
    agent.heal(gone.id)
    agent.heal(down.id)
    wait_until("connected", lab, "ipv4")
    assert largest(lab, "ipv4", 601) == "EMSGSIZE"
    again = agent.add(Mtu(700, "10.98.0.56"))
    wait_for_state(lab.client, between)
    for lease in (dead, again, narrow):
        agent.heal(lease.id)
    wait_for_state(lab.client, before)


@pytest.mark.parametrize("first", [0, 1])
def test_a_link_is_up_when_the_last_of_its_faults_is_healed(lab: Lab, agent: Agent, first: int) -> None:
    before = state_of(lab.client)
    leases = [agent.add(Link("eth0")), agent.add(Link("eth0", down=30, up=30))]
    agent.heal(leases.pop(first).id)
    assert "state DOWN" in lab.client.run("ip", "link", "show", "eth0")
    agent.heal(leases[0].id)
    wait_for_state(lab.client, before)


def test_a_link_flaps(lab: Lab, agent: Agent) -> None:
    before = state_of(lab.client)
    began = time.monotonic()
    lease = agent.add(Link(down=0.1, up=0.3))
    with lab.client.open("ipv4", socket.SOCK_DGRAM) as sending:
        for is_up in (True, False, True, False):
            wait_to_turn(sending, is_up=is_up)
        assert wait_to_turn(sending, is_up=True) - began > 3 * 0.1 + 2 * 0.3
    agent.heal(lease.id)
    wait_for_state(lab.client, before)


def wait_to_turn(sending: socket.socket, *, is_up: bool) -> float:
    """When datagrams to the server can be sent, or cannot."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            sending.sendto(b"x", (SERVER["ipv4"], PORT))
            seen = True
        except OSError:
            seen = False
        if seen == is_up:
            return time.monotonic()
        assert time.monotonic() < deadline


def test_which_link(lab: Lab, agent: Agent) -> None:
    before = state_of(lab.client)
    with pytest.raises(AgentError, match="no link eth7; there are: eth0"):
        agent.add(Link("eth7"))
    with pytest.raises(AgentError, match="no link lo"):
        agent.add(Link("lo"))
    lab.client.run("ip", "link", "add", "eth1", "type", "veth")
    with pytest.raises(AgentError, match="Say which with --device"):
        agent.add(Link())
    with pytest.raises(AgentError, match="eth1 is down already"):
        agent.add(Link("eth1"))
    lab.client.run("ip", "link", "delete", "eth1")
    wait_for_state(lab.client, before)


def test_a_link_that_went_while_it_was_down_can_be_healed(lab: Lab, agent: Agent) -> None:
    lab.client.run("ip", "link", "add", "eth1", "type", "dummy" if has_dummy(lab) else "veth")
    lab.client.run("ip", "link", "set", "eth1", "up")
    lease = agent.add(Link("eth1"))
    lab.client.run("ip", "link", "delete", "eth1")
    assert agent.heal(lease.id)[0].id == lease.id
    assert lab.connect("ipv4") == "connected"


def has_dummy(lab: Lab) -> bool:
    try:
        lab.client.run("ip", "link", "add", "trydummy", "type", "dummy")
    except subprocess.CalledProcessError:
        return False
    lab.client.run("ip", "link", "delete", "trydummy")
    return True


# MTU


@pytest.mark.parametrize(
    ("family", "mtu", "fault"),
    [
        ("ipv4", 600, {"to": SERVER["ipv4"]}),
        ("ipv4", 600, {"to": "10.98.0.0/28"}),
        ("ipv6", 1280, {"to": SERVER["ipv6"]}),
        ("ipv4", 1300, {}),
        ("ipv6", 1300, {}),
    ],
)
def test_no_larger_packet_is_sent(
    lab: Lab, agent: Agent, family: str, mtu: int, fault: dict[str, Any]
) -> None:
    before = state_of(lab.client)
    lease = agent.add(Mtu(mtu, **fault))
    assert largest(lab, family, mtu) == "sent"
    assert largest(lab, family, mtu + 1) == "EMSGSIZE"
    agent.heal(lease.id)
    assert largest(lab, family, 1500) == "sent"
    assert state_of(lab.client) == before


def test_a_route_by_a_gateway_is_copied_with_its_metrics(lab: Lab, agent: Agent) -> None:
    lab.client.run("ip", "route", "add", "10.5.0.0/16", "via", SERVER["ipv4"], "advmss", "1000")
    before = state_of(lab.client)
    lease = agent.add(Mtu(600, "10.5.7.7"))
    shown = lab.client.run("ip", "route", "show", "10.5.7.7")
    assert f"via {SERVER['ipv4']} dev eth0" in shown
    assert "mtu lock 600" in shown
    assert "advmss 1000" in shown
    agent.heal(lease.id)
    assert state_of(lab.client) == before


@pytest.mark.parametrize("first", [0, 1])
def test_the_smallest_mtu_counts(lab: Lab, agent: Agent, first: int) -> None:
    before = state_of(lab.client)
    mtus = [1400, 1300]
    leases = [agent.add(Mtu(mtu)) for mtu in mtus]
    assert largest(lab, "ipv4", 1301) == "EMSGSIZE"
    agent.heal(leases.pop(first).id)
    mtus.pop(first)
    assert largest(lab, "ipv4", mtus[0]) == "sent"
    assert largest(lab, "ipv4", mtus[0] + 1) == "EMSGSIZE"
    agent.heal(leases[0].id)
    assert state_of(lab.client) == before


def test_an_mtu_that_changes_nothing_is_refused(lab: Lab, agent: Agent) -> None:
    before = state_of(lab.client)
    for to in (None, SERVER["ipv4"]):
        with pytest.raises(AgentError, match="changes nothing"):
            agent.add(Mtu(1500, to))
    with pytest.raises(AgentError, match=r"no route to 192\.0\.2\.9"):
        agent.add(Mtu(600, "192.0.2.9"))
    with pytest.raises(AgentError, match="there is a route to exactly"):
        agent.add(Mtu(600, "10.98.0.0/24"))
    assert state_of(lab.client) == before
    assert agent.leases() == ()
