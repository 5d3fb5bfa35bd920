"""What can be done to a host, and what its peer sees."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from socketlab.errors import EndedError, HostError
from socketlab.hosts.docker import DockerBackend
from socketlab.hosts.docker.machines import DockerMachines
from socketlab.hosts.lab import Lab
from socketlab.hosts.spec import LabSpec
from tests.docker.hosts.conftest import PAIR

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def lab(engine: None) -> Iterator[Lab]:  # noqa: ARG001 - asked for, not used
    with Lab(LabSpec(name="actions", hosts=PAIR), DockerBackend()) as made:
        yield made


@contextmanager
def connected(lab: Lab) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connection from client to server: both ends."""
    with lab.server.socket() as listener, lab.client.socket() as calling:
        listener.bind((lab.server.address, 0))
        listener.listen(1)
        calling.connect(listener.getsockname())
        accepted, _ = listener.accept()
        with accepted:
            calling.settimeout(5)
            accepted.settimeout(5)
            yield calling, accepted  # type: ignore[misc]


def exchange(ends: tuple[socket.socket, socket.socket]) -> None:
    """Bytes get through."""
    calling, accepted = ends
    calling.sendall(b"through")
    assert accepted.recv(100) == b"through"


def closed_port(lab: Lab) -> None:
    """The server is there: its kernel refuses."""
    for family, address in ((socket.AF_INET, lab.server.address), (socket.AF_INET6, lab.server.address6)):
        with lab.client.socket(family) as calling:
            calling.settimeout(5)
            assert calling.connect_ex((address, 9)) == errno.ECONNREFUSED


def test_paused_hosts_kernel_goes_on(lab: Lab) -> None:
    with connected(lab) as (calling, accepted):
        lab.server.pause()
        assert set(lab.machines.states().values()) == {"running", "paused"}
        calling.sendall(b"kept")
        closed_port(lab)
        lab.server.resume()
        assert accepted.recv(100) == b"kept"
    assert lab.server.state == "running"


def test_stop_asks_programs_first(lab: Lab) -> None:
    told = "import signal,socket,sys; s=socket.create_connection(sys.argv[1:]); "
    told += "signal.signal(signal.SIGTERM, lambda *_: (s.sendall(b'asked'), sys.exit(0))); "
    told += "s.sendall(b'ready'); signal.pause()"
    with lab.client.socket() as listener:
        listener.bind((lab.client.address, 0))
        listener.listen(1)
        port = str(listener.getsockname()[1])
        lab.server.start(["python3", "-c", told, lab.client.address, port])
        there, _ = listener.accept()
        with there:
            there.settimeout(10)
            assert there.recv(100) == b"ready"
            lab.server.stop()
            assert there.recv(100) == b"asked"
            assert there.recv(100) == b""
    assert lab.server.state == "stopped"
    lab.server.boot()
    closed_port(lab)


def test_killed_host_comes_back_as_it_was(lab: Lab) -> None:
    before = lab.server.address, lab.server.address6
    listener = lab.server.socket()
    lab.server.kill()
    assert lab.server.state == "stopped"
    with pytest.raises(EndedError):
        listener.listen(1)
    lab.server.boot()
    assert (lab.server.address, lab.server.address6) == before
    closed_port(lab)
    assert lab.server.run(["cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start"]).stdout == b"1024\n"


def test_disconnected_host_keeps_its_connections(lab: Lab) -> None:
    with connected(lab) as ends:
        lab.server.disconnect()
        ends[0].sendall(b"lost for now, ")
        lab.server.reconnect()
        ends[0].sendall(b"and sent again")
        received = b""
        while not received.endswith(b"again"):
            received += ends[1].recv(100)
        assert received == b"lost for now, and sent again"
    closed_port(lab)


def test_link_down_and_up_with_all_its_routes(lab: Lab) -> None:
    def state() -> list[bytes]:
        words = (["ip", "route"], ["ip", "-6", "route"], ["ip", "-br", "address", "show", "scope", "global"])
        return [lab.server.run(argv).stdout for argv in words]

    assert isinstance(lab.machines, DockerMachines)
    lab.machines.agent("server").close()  # with the first agent the default route goes, for good
    before = state()
    with connected(lab) as ends:
        lab.server.link_down()
        with (
            lab.server.socket(type=socket.SOCK_DGRAM) as sending,
            pytest.raises(OSError, match="unreachable"),
        ):
            sending.sendto(b"", (lab.client.address, 9))
        lab.server.link_up()
        exchange(ends)
    assert [sorted(part.split(b"\n")) for part in state()] == [sorted(part.split(b"\n")) for part in before]


def test_what_makes_no_sense_is_refused(lab: Lab) -> None:
    machines = lab.machines
    assert isinstance(machines, DockerMachines)
    for act in (partial(machines.act, "server", "resume"), partial(machines.act, "server", "start")):
        with pytest.raises(HostError) as refused:
            act()
        assert refused.value.code == "docker.state"
    with pytest.raises(HostError) as refused:
        machines.link("server", "lab", up=True)
    assert refused.value.code == "docker.link"
    with pytest.raises(HostError) as refused:
        machines.plug("server", "lab", connected=True)
    assert refused.value.code == "docker.cannot"
    with pytest.raises(HostError) as refused:
        machines.plug("server", "elsewhere", connected=False)
    assert refused.value.code == "docker.no-network"


def test_stopped_host_has_no_actor_and_no_agent(lab: Lab) -> None:
    machines = lab.machines
    lab.server.stop()
    try:
        for reach in (machines.actor, machines.agent):
            with pytest.raises(HostError):
                reach("server")
    finally:
        lab.server.boot()
    machines.agent("server").close()
