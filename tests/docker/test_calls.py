"""What each socket call gives between two hosts, on IPv4 and on IPv6.

The server serves every port of `services.ports`; no firewall stands before any of them here.
"""

import pytest

from services.ports import BACKLOG_FULL, CHAT, CLOSED, ECHO, KILLED, LOOPBACK_ONLY, RESETS, SILENT
from socketlab.wire import Outcome, Raised, Returned
from tests.docker.conftest import Hosts
from tests.docker.lab import applied, outcome, received

pytestmark = pytest.mark.docker

UNUSED = 99
"""Number of an address of the subnet that no host has."""
NEIGHBOUR_FAILS = 2.9
"""Seconds. Three ARP requests or neighbour solicitations, one a second: never earlier (catalogue, timers)."""


@pytest.fixture(params=["ipv4", "ipv6"])
def family(request: pytest.FixtureRequest) -> str:
    """Both families, one after the other."""
    return str(request.param)


@pytest.fixture
def only(family: str) -> str:
    """The client's option for the family."""
    return {"ipv4": "-4", "ipv6": "-6"}[family]


def own_timer(result: Outcome) -> bool:
    """Whether the program's own timer ran out: TimeoutError without errno."""
    return isinstance(result.result, Raised) and (result.result.exception, result.result.errno) == (
        "TimeoutError",
        None,
    )


def raised(result: Outcome) -> str | None:
    """The errno of an outcome; None if it returned."""
    return result.result.errno if isinstance(result.result, Raised) else None


def test_tcp_echo(hosts: Hosts, only: str) -> None:
    events = hosts.client.once("tcp", "server", str(ECHO), only, "--send", "hello over there")
    assert outcome(events, "connect").result == Returned(None)
    assert received(events) == b"hello over there"
    assert outcome(events, "recv").result == Returned(b""), "and at its end the server closed too"
    code, out, err = hosts.client.run(
        "python3",
        "-m",
        "services.client",
        "once",
        "tcp",
        "server",
        str(ECHO),
        only,
        "--send",
        "hello over there",
    )
    assert (code, out.strip(), err) == (0, "hello over there", "")


def test_udp_echo(hosts: Hosts, only: str) -> None:
    assert hosts.client.call(
        "recv", "udp", "server", str(ECHO), only, "--send", "datagram"
    ).result == Returned(b"datagram")


def test_chat_ends_with_bye(hosts: Hosts, only: str) -> None:
    command = (
        "python3",
        "-m",
        "services.client",
        "once",
        "tcp",
        "server",
        str(CHAT),
        only,
        "--send",
        "hola\nbye\nlost\n",
    )
    code, out, _ = hosts.client.run(*command)
    assert (code, out) == (0, "hola\nbye\n")


@pytest.mark.parametrize("port", [CLOSED, LOOPBACK_ONLY])
def test_tcp_refused(hosts: Hosts, only: str, port: int) -> None:
    result = hosts.client.call("connect", "tcp", "server", str(port), only, "--timeout", "10")
    assert raised(result) == "ECONNREFUSED"
    assert result.seconds < 1.0, "a RST answers the first SYN, no retransmission is waited for"


def test_udp_refused_on_a_connected_socket(hosts: Hosts, only: str) -> None:
    events = hosts.client.once("udp", "server", str(CLOSED), only, "--send", "x", "--timeout", "10")
    assert outcome(events, "send").result == Returned(1)
    assert raised(outcome(events, "recv")) == "ECONNREFUSED"


def test_tcp_host_unreachable(hosts: Hosts, family: str) -> None:
    result = hosts.client.call(
        "connect", "tcp", hosts.lab.address(family, UNUSED), str(ECHO), "--timeout", "20"
    )
    assert raised(result) == "EHOSTUNREACH"
    assert result.seconds > NEIGHBOUR_FAILS


def test_udp_to_an_unused_address_is_silence(hosts: Hosts, family: str) -> None:
    target = hosts.lab.address(family, UNUSED)
    result = hosts.client.call("recv", "udp", target, str(ECHO), "--send", "x", "--timeout", "5")
    assert own_timer(result), "connected, without IP_RECVERR: the kernel tells nobody"


def test_udp_to_an_unused_address_is_told_with_recverr(hosts: Hosts, family: str) -> None:
    target = hosts.lab.address(family, UNUSED)
    result = hosts.client.call(
        "recv", "udp", target, str(ECHO), "--send", "x", "--timeout", "20", "--recverr"
    )
    assert raised(result) == "EHOSTUNREACH"
    assert result.seconds > NEIGHBOUR_FAILS


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize(
    ("route", "errno"), [("unreachable", "EHOSTUNREACH"), ("prohibit", "EACCES"), ("throw", "ENETUNREACH")]
)
def test_a_route_that_leads_nowhere_fails_at_once(
    hosts: Hosts, family: str, protocol: str, route: str, errno: str
) -> None:
    before = hosts.client.network_state()
    target = hosts.lab.address(family, 200)
    with applied(hosts.client, "route", route, hosts.lab.network(family, 200)):
        result = hosts.client.call("connect", protocol, target, str(ECHO), "--timeout", "10")
        assert raised(result) == errno
        assert result.seconds < 1.0, "no packet is sent, nothing is waited for"
        assert hosts.client.call("connect", "tcp", "server", str(ECHO)).result == Returned(None)
    assert hosts.client.network_state() == before


def test_tcp_connect_timeout(hosts: Hosts, only: str) -> None:
    result = hosts.client.call("connect", "tcp", "server", str(BACKLOG_FULL), only, "--timeout", "1")
    assert own_timer(result), "a full accept queue drops the SYN: never refused"
    assert result.seconds >= 1.0


def test_tcp_read_timeout(hosts: Hosts, only: str) -> None:
    events = hosts.client.once("tcp", "server", str(SILENT), only, "--send", "x", "--timeout", "1", "--hold")
    assert outcome(events, "connect").result == Returned(None)
    assert own_timer(outcome(events, "recv"))


def test_udp_read_timeout(hosts: Hosts, only: str) -> None:
    assert own_timer(
        hosts.client.call("recv", "udp", "server", str(SILENT), only, "--send", "x", "--timeout", "1")
    )


def test_reset_by_the_peer(hosts: Hosts, only: str) -> None:
    result = hosts.client.call("recv", "tcp", "server", str(RESETS), only, "--send", "x", "--hold")
    assert raised(result) == "ECONNRESET"


def test_a_killed_server_process_is_seen_as_fin(hosts: Hosts, only: str) -> None:
    events = hosts.client.once("tcp", "server", str(KILLED), only, "--send", "kill\n", "--hold")
    assert outcome(events, "recv").result == Returned(b"")


def test_a_name_gives_both_families(hosts: Hosts, family: str) -> None:
    code, out, _ = hosts.client.run("getent", f"ahosts{family[2:]}", "server")
    assert code == 0
    assert {line.split()[0] for line in out.splitlines()} == {hosts.server.addresses[family]}


def test_an_unknown_name(hosts: Hosts, only: str) -> None:
    result = hosts.client.call("getaddrinfo", "tcp", "no-such-host", str(ECHO), only)
    assert isinstance(result.result, Raised)
    assert result.result.exception == "gaierror"
    # The engine's resolver says either that there is no such name, or that it could find nobody to ask.
    assert result.result.errno in {"EAI_NONAME", "EAI_AGAIN", "EAI_NODATA"}
