"""Connections that are ended at once, idle as they are."""

import socket

import pytest

from services.agent.asking import AgentError
from socketlab.wire import Match, Reset
from tests.namespace.agent.lab import (
    CLIENT,
    FAMILY,
    OTHER_PORT,
    PORT,
    SECONDS,
    SERVER,
    Agent,
    Host,
    Lab,
    outcome,
)


def connected(lab: Lab, family: str, port: int) -> tuple[socket.socket, socket.socket]:
    """The client's and the server's end of a connection with nothing on its way."""
    listener = lab.listeners[family, port]
    client = lab.open(lab.client, family, socket.SOCK_STREAM)
    client.bind((CLIENT[family], 0))
    client.settimeout(SECONDS)
    client.connect((SERVER[family], port))
    listener.settimeout(SECONDS)
    while True:
        server, peer = listener.accept()
        server.settimeout(SECONDS)
        if peer[:2] == client.getsockname()[:2]:
            client.sendall(b"x")
            assert server.recv(1) == b"x"
            return client, lab.keep(server)
        server.close()


@pytest.mark.parametrize("family", FAMILY)
@pytest.mark.parametrize("at_server", [True, False])
def test_a_connection_is_ended_at_both_ends(lab: Lab, family: str, *, at_server: bool) -> None:
    host: Host = lab.server if at_server else lab.client
    agent = lab.agent(host).ready()
    client, server = connected(lab, family, PORT)
    spared, spared_end = connected(lab, family, OTHER_PORT)
    peer = CLIENT[family] if at_server else SERVER[family]
    lease = agent.add(Reset(Match(peer=peer, port=PORT), now=True))
    assert (lease.by, lease.bitten) == ("sockets", 1)
    here, there = (server, client) if at_server else (client, server)
    assert outcome(lambda: here.recv(1), "received") == "ECONNABORTED"
    assert outcome(lambda: there.recv(1), "received") == "ECONNRESET"
    spared.sendall(b"y")
    assert spared_end.recv(1) == b"y"
    agent.heal(lease.id)


def test_none_matches(lab: Lab, agent: Agent) -> None:
    client, server = connected(lab, "ipv4", PORT)
    own = client.getsockname()[1]
    for match in (
        Match(own_port=own),
        Match(peer="10.98.0.21"),
        Match(port=OTHER_PORT),
        Match(family="ipv6", peer_port=own),
    ):
        with pytest.raises(AgentError, match=f"There are: .*10.98.0.10:7000 > 10.98.0.20:{own} ESTAB"):
            agent.add(Reset(match, now=True))
    assert agent.leases() == ()
    client.sendall(b"z")
    assert server.recv(1) == b"z"
    assert agent.add(Reset(Match(peer_port=own, own_port="6999-7000"), now=True)).bitten == 1


def test_loopback_is_left_alone(lab: Lab, agent: Agent) -> None:
    with lab.server.open("ipv4", socket.SOCK_STREAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with lab.server.open("ipv4", socket.SOCK_STREAM) as one:
            one.connect(listener.getsockname())
            port = listener.getsockname()[1]
            with pytest.raises(AgentError, match="no TCP connection matches"):
                agent.add(Reset(Match(port=port), now=True))
            one.sendall(b"x")


def test_a_connection_of_a_socket_for_both_families(lab: Lab, agent: Agent) -> None:
    """It is IPv4 on the wire, and stands among those of IPv6 in the kernel."""
    with lab.server.open("ipv6", socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(("::", 7500))
        listener.listen()
        client = lab.open(lab.client, "ipv4", socket.SOCK_STREAM)
        client.settimeout(SECONDS)
        client.connect((SERVER["ipv4"], 7500))
        lease = agent.add(Reset(Match(peer="client", addresses=(CLIENT["ipv4"],), port=7500), now=True))
        assert (lease.bitten or 0) >= 1
        assert outcome(lambda: client.recv(1), "received") == "ECONNRESET"
