"""Hosts: what they are when a lab opens, and what can be done to each, as itself and its peers see it."""

import errno
import socket
import struct
import time
from collections.abc import Callable
from contextlib import closing

import pytest

from socketlab.hosts.host import Host
from socketlab.hosts.lab import Lab
from socketlab.hosts.spec import HostSpec, NetworkSpec, Plug
from tests.conformance.places import DEADLINE, FAMILIES, Family, Labs, Talk
from tests.conformance.test_actions import SILENCE, answers
from tests.conformance.test_differences import offloads

UID = 10001


def sysctl(host: Host, name: str) -> str:
    """A setting of the host's kernel."""
    path = f"/proc/sys/{name.replace('.', '/')}"
    return host.run(["cat", path], check=True).stdout.decode().strip()


def test_addresses_and_names(demo: Lab) -> None:
    assert list(demo.hosts) == ["client", "server", "third"]
    assert demo["client"] is demo.client
    for host in demo.hosts.values():
        assert host.state == "running"
        assert host.gethostname() == host.name
        (network,) = demo.plan.networks
        assert host.addresses == {network.name: (host.address, host.address6)}
        assert str(host.plan.interfaces[0].address.network) == str(network.subnet)
    assert len({host.address for host in demo.hosts.values()}) == 3
    assert demo.why
    with pytest.raises(AttributeError, match="server"):
        _ = demo.sever
    with pytest.raises(KeyError, match="client"):
        _ = demo["clinet"]


def test_the_addresses_are_there_at_once(own: Callable[..., Lab]) -> None:
    """IPv6 as well: no time goes by in which another host might have the address (DAD)."""
    with own() as lab:
        for family in reversed(FAMILIES.values()):
            with lab.server.create_server((family.of(lab.server), 0), family=family.number) as server:
                at = server.getsockname()
                with lab.client.create_connection(at[:2], timeout=DEADLINE) as near:
                    assert near.getpeername() == at


def test_nobody_special(demo: Lab) -> None:
    for host in demo.hosts.values():
        about = host.actor.about()
        assert (about["uid"], about["gid"]) == (UID, UID)
        assert about["hostname"] == host.name
        assert about["no_new_privs"]
        capabilities = about["capabilities"]
        seen = capabilities.values() if isinstance(capabilities, dict) else capabilities
        assert set(seen) == {0}


def test_a_program_has_no_more_than_its_actor(demo: Lab) -> None:
    status = demo.client.run(["cat", "/proc/self/status"], check=True).stdout.decode()
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(fields[name], 16) == 0, name
    assert fields["NoNewPrivs"].strip() == "1"
    assert fields["Uid"].split() == [str(UID)] * 4


def test_read_only(demo: Lab) -> None:
    for path in ("/etc/hosts", "/etc/new", "/usr/new", "/new"):
        ran = demo.client.run(["sh", "-c", f"echo x >> {path}"])
        assert ran.exit_code != 0, path
    own = "/tmp/mine"  # noqa: S108 - on the host
    assert demo.client.run(["sh", "-c", f"echo x > {own} && cat {own}"]).stdout == b"x\n"
    assert demo.server.run(["ls", own]).exit_code != 0
    assert demo.client.run(["rm", own]).exit_code == 0
    before = sysctl(demo.client, "net.ipv4.ip_default_ttl")
    demo.client.run(["sh", "-c", "echo 7 > /proc/sys/net/ipv4/ip_default_ttl"])
    assert sysctl(demo.client, "net.ipv4.ip_default_ttl") == before


def test_settings_that_are_alike_everywhere(demo: Lab) -> None:
    for host in demo.hosts.values():
        assert sysctl(host, "net.ipv4.ip_unprivileged_port_start") == "1024"
        assert sysctl(host, "net.ipv4.icmp_ratelimit") == "0"


def test_settings_of_a_host(shaped: Lab) -> None:
    here, there = shaped.here, shaped.there
    assert sysctl(here, "net.ipv4.tcp_syn_retries") == "2"
    assert sysctl(there, "net.ipv4.tcp_syn_retries") != "2"
    with here.socket() as sock:
        sock.bind((here.address, 0))
        assert sock.getsockname()[1] in {40000, 40001}
    here.restart()
    assert sysctl(here, "net.ipv4.tcp_syn_retries") == "2"


def test_nothing_leads_out(labs: Labs, backend: str, family: Family) -> None:
    """To an address for documentation there is no way, as soon as there are agents (`differences`)."""
    lab = labs.named(backend)
    outside = "192.0.2.1" if family.number == socket.AF_INET else "2001:db8::1"
    with closing(lab.machines.agent("client")), lab.client.socket(family.number) as sock:
        sock.settimeout(2)
        with pytest.raises(OSError) as caught:  # noqa: PT011 - its errno is looked at
            sock.connect((outside, 80))
        assert caught.value.errno == errno.ENETUNREACH


def test_a_packet_is_a_segment(labs: Labs, backend: str, family: Family) -> None:
    """As soon as there are agents (`differences`): the kernel counts segments, and the link packets."""
    lab = labs.named(backend)
    with closing(lab.machines.agent("client")):
        pass
    for host in (lab.client, lab.server):
        assert not any(offloads(host).values())
    with (
        lab.server.create_server((family.of(lab.server), 0), family=family.number) as server,
        lab.client.create_connection(server.getsockname()[:2]) as near,
    ):
        far, _ = server.accept()
        with far:
            before = _packets(lab.client)
            near.sendall(bytes(32768))
            assert len(far.recv(32768, socket.MSG_WAITALL)) == 32768
            sent = _packets(lab.client) - before
            segments = near.tcp_info()["data_segs_out"]
    assert segments >= 32768 // 1460
    assert sent >= segments


def _packets(host: Host) -> int:
    """How many packets have left by its first link (proc(5), /proc/net/dev)."""
    lines = host.run(["cat", "/proc/net/dev"], check=True).stdout.decode().splitlines()
    return int(next(line.split()[10] for line in lines if line.strip().startswith("eth0:")))


def test_offloads_stay_on_where_asked_for(shaped: Lab) -> None:
    with closing(shaped.machines.agent("there")):
        found = offloads(shaped.there)
    assert (found["TSO"], found["GSO"]) == (1, 1)  # GRO is off on a veth that nobody has touched


def test_no_ipv6(own: Callable[..., Lab]) -> None:
    with own(ipv6=False) as lab:
        assert lab.client.address6 is None
        assert lab.plan.networks[0].subnet6 is None
        with lab.client.socket(socket.AF_INET6) as sock, pytest.raises(OSError) as caught:  # noqa: PT011
            sock.connect(("fd00:5ab::1", 80))
        assert caught.value.errno in {errno.ENETUNREACH, errno.EADDRNOTAVAIL}
        assert {each[0] for each in lab.client.getaddrinfo("server", 80)} == {socket.AF_INET}


def test_the_table_of_sockets(talk: Talk) -> None:
    listener = talk.listener()
    near, far = talk.connection()
    rows = talk.server.sockets()
    (waiting,) = [row for row in rows if row["local"] == listener.getsockname()[:2]]
    assert (waiting["proto"], waiting["state"], waiting["family"]) == ("tcp", "LISTEN", talk.family.number)
    (open_,) = [row for row in rows if row["peer"] == near.getsockname()[:2]]
    assert (open_["state"], open_["local"]) == ("ESTAB", far.getsockname()[:2])
    assert open_["pid"] == talk.server.actor.about()["pid"]
    far.send(b"unread")
    mine = next(row for row in talk.client.sockets() if row["local"] == near.getsockname()[:2])
    assert mine["uid"] == UID
    near.recv(6)


def test_clocks(demo: Lab) -> None:
    for host in demo.hosts.values():
        ahead = host.clock_offset_ns
        before = time.monotonic_ns()
        seen = host.actor.clock() - ahead
        after = time.monotonic_ns()
        slack = host.actor.offset_error_ns
        assert before - slack <= seen <= after + slack


def test_routers(own: Callable[..., Lab]) -> None:
    """Three networks in a row: every packet passes two routers, each of which takes one from its TTL."""
    lab = own(
        hosts=[
            HostSpec(name="left", plugs=(Plug(network="a"),)),
            HostSpec(name="one", role="router", plugs=(Plug(network="a"), Plug(network="b"))),
            HostSpec(name="two", role="router", plugs=(Plug(network="b"), Plug(network="c"))),
            HostSpec(name="right", plugs=(Plug(network="c"),)),
        ],
        networks=[NetworkSpec(name=name) for name in "abc"],
    )
    with lab:
        assert set(lab.one.addresses) == {"a", "b"}
        for family in FAMILIES.values():
            _passes_two_routers(lab, family)
            with lab.right.create_server((family.of(lab.right), 0), family=family.number) as server:
                at = server.getsockname()[:2]
                assert answers(lab.left, family, at)
                with lab.one.paused():  # forwarding is its kernel's, and goes on
                    assert answers(lab.left, family, at)
                with lab.one.disconnected("b"):
                    assert not answers_soon(lab.left, family, at)
                assert answers(lab.left, family, at)


def _passes_two_routers(lab: Lab, family: Family) -> None:
    level, option, kind = (
        (socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, socket.IPV6_HOPLIMIT)
        if family.number == socket.AF_INET6
        else (socket.IPPROTO_IP, 12, socket.IP_TTL)
    )
    right = lab.right.socket(family.number, socket.SOCK_DGRAM)
    left = lab.left.socket(family.number, socket.SOCK_DGRAM)
    with right, left:
        right.bind((family.of(lab.right), 0))
        right.settimeout(DEADLINE)
        right.setsockopt(level, option, 1)
        left.sendto(b"through two", right.getsockname())
        data, ancillary, _, sender = right.recvmsg(100, 100)
    assert data == b"through two"
    assert sender[0] == family.of(lab.left)
    assert ancillary == [(level, kind, struct.pack("i", 62))]


def answers_soon(host: Host, family: Family, address: tuple[str, int]) -> bool:
    with host.socket(family.number) as sock:
        sock.settimeout(SILENCE)
        return sock.connect_ex(address) == 0


def test_networks_that_no_router_joins(shaped: Lab) -> None:
    assert [name for _, name in shaped.both.if_nameindex()] == ["lo", "eth0", "eth1"]
    with shaped.there.create_server((shaped.there.address, 0)) as server:
        at = server.getsockname()
        with shaped.here.socket() as sock:
            sock.settimeout(SILENCE)
            with pytest.raises(OSError) as caught:  # noqa: PT011 - its errno is looked at
                sock.connect(at)
            assert caught.value.errno in {errno.ENETUNREACH, None}
        with shaped.both.socket() as sock:
            sock.settimeout(DEADLINE)
            sock.connect(at)


def test_given_subnets_and_addresses(shaped: Lab) -> None:
    network = shaped.plan.networks[0]
    assert str(network.subnet6).startswith("fd00:77:77:1")
    assert shaped.here.address == str(network.subnet[7])
    assert shaped.here.address6 == str(network.subnet6).replace("/64", "7")
    assert shaped.both.addresses["a"][0] == str(network.subnet[10])
    assert shaped.there.gethostbyname("here") == shaped.here.address
