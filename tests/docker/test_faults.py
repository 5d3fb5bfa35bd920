"""Each fault of the agent: what it must do, what it must not, and that nothing of it is left.

A control goes with each: another port, another peer and the other protocol must not notice.
"""

import pytest

from services.client.timeclass import IMMEDIATE, TimeClass, reject_is_felt
from services.ports import DROPPED, ECHO
from socketlab.wire import Applied, Lease, Leases, Outcome, Returned
from socketlab.wire.fault import Answer, Family
from tests.docker.conftest import Hosts
from tests.docker.lab import Host, applied, outcome
from tests.docker.test_calls import own_timer, raised

pytestmark = pytest.mark.docker

OTHER_PORT = DROPPED
"""An echo server like ECHO; no firewall stands before it in this lab."""
ONLY = {"ipv4": "-4", "ipv6": "-6"}
CONNECTED = Returned(None)

TCP_REJECTS: list[tuple[Answer, Family, str]] = [
    ("tcp-reset", "ipv4", "ECONNREFUSED"),
    ("tcp-reset", "ipv6", "ECONNREFUSED"),
    ("icmp-port", "ipv4", "ECONNREFUSED"),
    ("icmp-host", "ipv4", "EHOSTUNREACH"),
    ("icmp-net", "ipv4", "ENETUNREACH"),
    ("icmp-proto", "ipv4", "ENOPROTOOPT"),
    ("icmp-admin", "ipv4", "EHOSTUNREACH"),
    ("icmp6-port", "ipv6", "ECONNREFUSED"),
    ("icmp6-addr", "ipv6", "EHOSTUNREACH"),
    ("icmp6-no-route", "ipv6", "ENETUNREACH"),
    ("icmp6-admin", "ipv6", "EACCES"),
    ("icmp6-policy", "ipv6", "EACCES"),
    ("icmp6-reject-route", "ipv6", "EACCES"),
]
UDP_REJECTS: list[tuple[Answer, Family, str | None]] = [
    # What a connected socket without IP_RECVERR is told; None: nothing, it waits for its own timer.
    ("icmp-port", "ipv4", "ECONNREFUSED"),
    ("icmp-host", "ipv4", None),
    ("icmp-net", "ipv4", None),
    ("icmp-proto", "ipv4", "ENOPROTOOPT"),
    ("icmp-admin", "ipv4", "EHOSTUNREACH"),
    ("icmp6-port", "ipv6", "ECONNREFUSED"),
    ("icmp6-addr", "ipv6", None),
    ("icmp6-no-route", "ipv6", None),
    ("icmp6-admin", "ipv6", "EACCES"),
    ("icmp6-policy", "ipv6", "EACCES"),
    ("icmp6-reject-route", "ipv6", "EACCES"),
]


def connect(host: Host, family: str, port: int = ECHO, *options: str) -> Outcome:
    """What `connect` to the server gives."""
    return host.call("connect", "tcp", "server", str(port), ONLY[family], "--timeout", "5", *options)


def udp_echo(host: Host, family: str, port: int = ECHO, timeout: str = "5") -> Outcome:
    """What `recv` gives after a datagram has been sent to the server."""
    return host.call("recv", "udp", "server", str(port), ONLY[family], "--send", "x", "--timeout", timeout)


def in_class(result: Outcome, expected: TimeClass) -> bool:
    """Whether an outcome came no earlier than its time class allows, and not a whole class later."""
    return expected.earliest <= result.seconds < expected.earliest + 1.0


def lease_of(host: Host, lease_id: str) -> Lease:
    """A lease in force."""
    (leases,) = host.fault("list")
    assert isinstance(leases, Leases)
    return next(lease for lease in leases.leases if lease.id == lease_id)


def assert_tcp_untouched(hosts: Hosts, family: str) -> None:
    """The controls of a fault on the client's TCP to ECHO."""
    assert connect(hosts.client, family, OTHER_PORT).result == CONNECTED, "another port"
    assert connect(hosts.bystander, family).result == CONNECTED, "another peer"
    assert udp_echo(hosts.client, family).result == Returned(b"x"), "the other protocol"


@pytest.mark.parametrize("blocking", [False, True], ids=["settimeout", "blocking"])
@pytest.mark.parametrize(("answer", "family", "errno"), TCP_REJECTS)
def test_reject_tcp(hosts: Hosts, answer: Answer, family: Family, errno: str, *, blocking: bool) -> None:
    before = hosts.server.network_state()
    with applied(
        hosts.server, "reject", answer, "--peer", "client", "--port", str(ECHO), "--proto", "tcp"
    ) as lease:
        command = [
            "tcp",
            "server",
            str(ECHO),
            ONLY[family],
            *(["--blocking"] if blocking else ["--timeout", "10"]),
        ]
        result = hosts.client.call("connect", *command)
        assert raised(result) == errno
        assert in_class(result, reject_is_felt(answer, family, blocking=blocking))
        assert_tcp_untouched(hosts, family)
        bitten = lease_of(hosts.server, lease).bitten
        assert bitten in {1, 2, 3}, "the SYN, and what was sent again; nothing of the controls"
    assert connect(hosts.client, family).result == CONNECTED, "healed"
    assert hosts.server.network_state() == before


@pytest.mark.parametrize("blocking", [False, True], ids=["settimeout", "blocking"])
@pytest.mark.parametrize(("answer", "family"), [("icmp-host", "ipv4"), ("icmp6-addr", "ipv6")])
def test_a_refusal_without_latency_is_felt_as_on_no_network(
    hosts: Hosts, answer: Answer, family: Family, *, blocking: bool
) -> None:
    """The bare artefact of a path that takes no time, for who asks for it."""
    words = ("--delay", "0", "--peer", "client", "--port", str(ECHO), "--proto", "tcp")
    with applied(hosts.server, "reject", answer, *words):
        how = ["--blocking"] if blocking else ["--timeout", "10"]
        result = hosts.client.call("connect", "tcp", "server", str(ECHO), ONLY[family], *how)
        assert raised(result) == "EHOSTUNREACH"
        assert in_class(result, reject_is_felt(answer, family, blocking=blocking, delay=0.0))


@pytest.mark.parametrize(("answer", "family", "errno"), UDP_REJECTS)
def test_reject_udp(hosts: Hosts, answer: Answer, family: Family, errno: str | None) -> None:
    with applied(
        hosts.server, "reject", answer, "--peer", "client", "--port", str(ECHO), "--proto", "udp"
    ) as lease:
        result = udp_echo(hosts.client, family, timeout="1")
        assert raised(result) == errno
        assert own_timer(result) is (errno is None)
        assert lease_of(hosts.server, lease).bitten == 1
        assert udp_echo(hosts.bystander, family).result == Returned(b"x"), "another peer"
        assert connect(hosts.client, family).result == CONNECTED, "the other protocol"
    assert udp_echo(hosts.client, family).result == Returned(b"x"), "healed"


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_drop_tcp(hosts: Hosts, family: str) -> None:
    before = hosts.server.network_state()
    with applied(hosts.server, "drop", "--peer", "client", "--port", str(ECHO), "--proto", "tcp") as lease:
        assert own_timer(
            hosts.client.call("connect", "tcp", "server", str(ECHO), ONLY[family], "--timeout", "1.5")
        )
        assert (lease_of(hosts.server, lease).bitten or 0) >= 2, "the SYN was sent again"
        assert_tcp_untouched(hosts, family)
    assert connect(hosts.client, family).result == CONNECTED, "healed"
    assert hosts.server.network_state() == before


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_drop_udp(hosts: Hosts, family: str) -> None:
    with applied(hosts.server, "drop", "--peer", "client", "--port", str(ECHO), "--proto", "udp") as lease:
        assert own_timer(udp_echo(hosts.client, family, timeout="1"))
        assert lease_of(hosts.server, lease).bitten == 1
        assert udp_echo(hosts.bystander, family).result == Returned(b"x"), "another peer"
        assert connect(hosts.client, family).result == CONNECTED, "the other protocol"
    assert udp_echo(hosts.client, family).result == Returned(b"x"), "healed"


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_the_port_is_the_services_whichever_side_has_it(hosts: Hosts, family: str) -> None:
    """On the client's agent the same words bite what the server answers."""
    with applied(hosts.client, "drop", "--peer", "server", "--port", str(ECHO), "--proto", "udp") as lease:
        assert own_timer(udp_echo(hosts.client, family, timeout="1"))
        assert lease_of(hosts.client, lease).bitten == 1
        assert udp_echo(hosts.bystander, family).result == Returned(b"x"), "the server did get and answer it"


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_drop_at_the_sender_is_silent(hosts: Hosts, protocol: str) -> None:
    """A filter in the sender's own way out would give EPERM, which no network does."""
    out = ("--peer", "server", "--port", str(ECHO), "--proto", protocol, "--direction", "out")
    with applied(hosts.client, "drop", *out) as lease:
        events = hosts.client.once(protocol, "server", str(ECHO), "-4", "--send", "x", "--timeout", "1.5")
        assert own_timer(outcome(events, "connect" if protocol == "tcp" else "recv"))
        assert (lease_of(hosts.client, lease).bitten or 0) >= 1
        assert connect(hosts.client, "ipv4", OTHER_PORT).result == CONNECTED, "another port"


def test_a_fault_without_peer_bites_everybody(hosts: Hosts) -> None:
    with applied(hosts.server, "reject", "tcp-reset", "--port", str(ECHO), "--proto", "tcp"):
        for host in (hosts.client, hosts.bystander):
            result = connect(host, "ipv4")
            assert raised(result) == "ECONNREFUSED"
            assert in_class(result, IMMEDIATE)
        assert connect(hosts.client, "ipv4", OTHER_PORT).result == CONNECTED


def test_faults_compose_and_are_healed_one_by_one(hosts: Hosts) -> None:
    port = ("--port", str(ECHO), "--proto")
    with applied(hosts.server, "reject", "icmp-host", *port, "udp"):
        with applied(hosts.server, "reject", "tcp-reset", "--peer", "client", *port, "tcp"):
            assert raised(connect(hosts.client, "ipv4")) == "ECONNREFUSED"
        assert connect(hosts.client, "ipv4").result == CONNECTED
        assert own_timer(udp_echo(hosts.client, "ipv4", timeout="1"))
    assert udp_echo(hosts.client, "ipv4").result == Returned(b"x")


def test_a_fault_ends_when_its_time_is_up(hosts: Hosts) -> None:
    before = hosts.server.network_state()
    (answer,) = hosts.server.fault(
        "add", "drop", "--peer", "client", "--port", str(ECHO), "--proto", "tcp", "--for", "2s"
    )
    assert isinstance(answer, Applied)
    assert answer.lease.seconds_left is not None
    assert answer.lease.seconds_left <= 2.0
    # Nobody heals it: the connection is made by a SYN that was sent again after the agent had.
    result = hosts.client.call("connect", "tcp", "server", str(ECHO), "-4", "--timeout", "20")
    assert result.result == CONNECTED
    assert result.seconds >= 0.9, "the first SYN was dropped"
    assert hosts.server.network_state() == before
    assert hosts.server.fault("list") == [Leases(1, ())]
