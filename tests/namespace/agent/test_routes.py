"""Routes that lead nowhere: what the host's own calls get, and that its own routes are never touched."""

import socket

import pytest

from services.agent.asking import AgentError
from socketlab.wire import Route
from socketlab.wire.fault import RouteType
from tests.namespace.agent.lab import PORT, SERVER, Agent, Lab, outcome

FELT: list[tuple[RouteType, str]] = [
    ("unreachable", "EHOSTUNREACH"),
    ("prohibit", "EACCES"),
    ("blackhole", "EINVAL"),
    ("throw", "ENETUNREACH"),
]
UNUSED = {"ipv4": ("10.98.0.224/27", "10.98.0.230"), "ipv6": ("fd00:98:0:0:1::/80", "fd00:98::1:0:0:7")}


@pytest.fixture
def agent(lab: Lab) -> Agent:
    """The client's agent: routes are of the host that calls."""
    return lab.agent(lab.client).ready()


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM], ids=["tcp", "udp"])
@pytest.mark.parametrize("family", UNUSED)
@pytest.mark.parametrize(("type_", "felt"), FELT)
def test_a_route_is_felt_at_once(
    lab: Lab, agent: Agent, type_: RouteType, felt: str, family: str, kind: socket.SocketKind
) -> None:
    before = lab.client.state()
    network, address = UNUSED[family]
    lease = agent.add(Route(type_, network))
    assert lease.bitten is None
    calling = lab.open(lab.client, family, kind)
    calling.settimeout(5)
    assert outcome(lambda: calling.connect((address, PORT)), "connected") == felt
    assert lab.connect(family) == "connected"
    agent.heal(lease.id)
    assert lab.client.state() == before


@pytest.mark.parametrize("family", UNUSED)
def test_a_route_to_a_network_that_the_host_has_a_route_to(lab: Lab, agent: Agent, family: str) -> None:
    before = lab.client.state()
    network = {"ipv4": "10.98.0.0/24", "ipv6": "fd00:98::/64"}[family]
    if family == "ipv4":  # IPv4 has no stronger metric than that of a link's own route
        with pytest.raises(AgentError, match="there is a route to exactly"):
            agent.add(Route("unreachable", network))
    else:
        lease = agent.add(Route("unreachable", network))
        assert lab.connect(family) == "EHOSTUNREACH"
        agent.heal(lease.id)
    assert lab.connect(family) == "connected"
    assert lab.client.state() == before


def test_one_host_is_unreachable(lab: Lab, agent: Agent) -> None:
    lease = agent.add(Route("prohibit", SERVER["ipv4"]))
    assert lab.connect("ipv4") == "EACCES"
    assert lab.connect("ipv6") == "connected"
    agent.heal(lease.id)
    assert lab.connect("ipv4") == "connected"


def test_a_route_that_somebody_else_has_deleted_can_be_healed(lab: Lab, agent: Agent) -> None:
    before = lab.client.state()
    lease = agent.add(Route("throw", UNUSED["ipv4"][0]))
    lab.client.run("ip", "route", "del", "throw", UNUSED["ipv4"][0])
    assert agent.heal(lease.id)[0].id == lease.id
    assert lab.client.state() == before


def test_a_route_of_the_host_is_not_healed_away(lab: Lab, agent: Agent) -> None:
    lab.client.run("ip", "route", "add", "throw", UNUSED["ipv4"][0], "metric", "5")
    before = lab.client.state()
    lease = agent.add(Route("throw", UNUSED["ipv4"][0]))
    agent.heal(lease.id)
    assert lab.client.state() == before
