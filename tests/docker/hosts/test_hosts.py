"""Two hosts in containers, as a user of a lab meets them."""

import errno
import socket

import pytest

from socketlab.hosts.docker.engine import Engine
from socketlab.hosts.docker.machines import DockerMachines
from socketlab.hosts.docker.ownership import LAB, ONE, OWNER, PROCESS, Process
from socketlab.hosts.docker.removal import labelled
from socketlab.hosts.lab import Lab
from socketlab.wire import Add, Applied, Drop, Heal, Leases, Match, decode, encode
from socketlab.wire.message import Message

pytestmark = pytest.mark.docker
SEGMENT = 1448


def exchange(machines: DockerMachines, host: str, request: Message) -> Message:
    """One request to a host's agent, and its answer."""
    stream = machines.agent(host)
    try:
        stream.send(encode(request))
        line = b""
        while not line.endswith(b"\n"):
            data = stream.receive(10)
            assert data, stream.last_words
            line += data
        return decode(line)
    finally:
        stream.close()


def machines_of(lab: Lab) -> DockerMachines:
    """The lab in its backend's hands."""
    assert isinstance(lab.machines, DockerMachines)
    return lab.machines


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_they_talk(demo: Lab, family: socket.AddressFamily) -> None:
    address = demo.server.address if family == socket.AF_INET else demo.server.address6
    with demo.server.socket(family) as listener, demo.client.socket(family) as calling:
        listener.bind((address, 0))
        listener.listen(1)
        accepting = listener.begin.accept()
        calling.settimeout(5)
        calling.connect(listener.getsockname())
        accepted, peer = accepting.result(timeout=5)
        with accepted:
            calling.sendall(b"hello over there")
            assert accepted.recv(100) == b"hello over there"
            assert peer[:2] == calling.getsockname()[:2]


def test_the_actor_is_nobody_special(demo: Lab) -> None:
    about = demo.client.actor.call("about")
    assert (about["uid"], about["gid"], about["hostname"]) == (10001, 10001, "client")
    assert set(about["capabilities"].values()) == {0}
    assert about["no_new_privs"] is True


def test_a_host_is_set_up_as_on_the_other_backend(demo: Lab) -> None:
    with demo.client.socket() as unprivileged, pytest.raises(PermissionError):
        unprivileged.bind(("0.0.0.0", 80))
    assert demo.client.run(["touch", "/anything"]).exit_code != 0, "the root is read-only"
    assert demo.client.run(["sh", "-c", "cd /tmp && touch anything"]).exit_code == 0
    rates = [
        demo.client.run(["cat", f"/proc/sys/net/{name}"]).stdout
        for name in ("ipv4/icmp_ratelimit", "ipv6/icmp/ratelimit")
    ]
    assert rates == [b"0\n", b"0\n"]


def test_hosts_know_each_other_by_name(demo: Lab) -> None:
    for host in (demo.client, demo.server):
        found = {info[4][0] for info in demo.client.getaddrinfo(host.name, 7000)}
        assert found == {host.address, host.address6}
    with pytest.raises(socket.gaierror):
        demo.client.getaddrinfo("nobody.example.org", 7000)


def test_what_programs_need_is_there(demo: Lab) -> None:
    modules = "services.server, services.client, services.runner, services.actor, dns, loguru"
    assert demo.server.run(["python3", "-c", f"import {modules}"]).exit_code == 0
    assert demo.server.run(["strace", "-V"]).exit_code == 0


def test_all_of_it_is_labelled(demo: Lab, engine_here: Engine) -> None:
    machines = machines_of(demo)
    containers, networks = labelled(engine_here, ONE, machines.token)
    assert len(networks) == 1
    assert len(containers) >= 2
    for thing in (*containers, *networks):
        assert thing["Labels"][LAB] == "hosts"
        assert Process.from_label(thing["Labels"][PROCESS]) == Process.own()
        assert thing["Labels"][OWNER]


def test_a_fault_bites_and_is_healed(demo: Lab) -> None:
    machines = machines_of(demo)
    added = exchange(machines, "server", Add(id=1, fault=Drop(Match(proto="udp", port=7000)), seconds=30))
    assert isinstance(added, Applied)
    with (
        demo.server.socket(type=socket.SOCK_DGRAM) as there,
        demo.client.socket(type=socket.SOCK_DGRAM) as here,
    ):
        there.bind((demo.server.address, 7000))
        there.settimeout(0.3)
        here.sendto(b"lost", (demo.server.address, 7000))
        with pytest.raises(TimeoutError):
            there.recv(100)
        assert isinstance(exchange(machines, "server", Heal(id=2, lease=added.lease.id)), Leases)
        there.settimeout(5)
        here.sendto(b"found", (demo.server.address, 7000))
        assert there.recv(100) == b"found"


def test_a_packet_is_a_segment_once_there_are_agents(demo: Lab) -> None:
    machines_of(demo).agent("client").close()
    before = segments_out(demo)
    with demo.server.socket() as listener, demo.client.socket() as calling:
        listener.bind((demo.server.address, 0))
        listener.listen(1)
        calling.connect(listener.getsockname())
        accepted, _ = listener.accept()
        with accepted:
            calling.sendall(bytes(20 * SEGMENT))
            received = 0
            while received < 20 * SEGMENT:
                received += len(accepted.recv(1 << 16))
    assert segments_out(demo) - before >= 20


def test_there_is_no_default_route_once_there_are_agents(demo: Lab) -> None:
    machines_of(demo).agent("client").close()
    for family, outside in ((socket.AF_INET, "198.51.100.1"), (socket.AF_INET6, "2001:db8::1")):
        with demo.server.socket(family) as calling:
            calling.settimeout(5)
            assert calling.connect_ex((outside, 7000)) == errno.ENETUNREACH


def segments_out(demo: Lab) -> int:
    """Packets that have left the client."""
    return int(demo.client.run(["cat", "/sys/class/net/eth0/statistics/tx_packets"]).stdout)
