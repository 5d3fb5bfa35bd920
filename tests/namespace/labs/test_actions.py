"""What is done to a host, and what its peers and its own sockets feel of it."""

import pytest

from socketlab.errors import EndedError, HostError, SpecError
from socketlab.hosts.lab import Lab, lab
from socketlab.hosts.spec import HostSpec
from socketlab.sockets import Socket

PORT = 7000
SHORT = 0.2


def conversation(demo: Lab) -> tuple[Socket, Socket]:
    with demo.server.create_server((demo.server.address, PORT)) as listener:
        pending = listener.begin.accept()
        client = demo.client.create_connection((demo.server.address, PORT), 5)
        return client, pending.result(timeout=5)[0]


def test_pause_stops_programs_and_not_the_kernel(own: Lab) -> None:
    with own.server.serve(port=PORT), own.client.create_connection((own.server.address, PORT), 5) as s:
        with own.server.paused():
            assert own.server.state == "paused"
            with own.client.create_connection((own.server.address, PORT), 5):
                pass  # the kernel shakes hands for a program that does not run
            s.sendall(b"hello")
            s.settimeout(SHORT)
            with pytest.raises(TimeoutError):
                s.recv(5)
        s.settimeout(5)
        assert s.recv(5) == b"hello"


def test_a_program_is_suspended_alone(own: Lab) -> None:
    service = own.server.serve(port=PORT)
    with service, own.client.create_connection((own.server.address, PORT), 5) as s:
        service.suspend()
        s.sendall(b"hello")
        s.settimeout(SHORT)
        with pytest.raises(TimeoutError):
            s.recv(5)
        assert own.server.gethostname() == "server"
        service.carry_on()
        s.settimeout(5)
        assert s.recv(5) == b"hello"


def test_disconnected_for_a_while(own: Lab) -> None:
    here, there = conversation(own)
    with here, there:
        here.settimeout(SHORT)
        with own.server.disconnected():
            there.sendall(b"late")
            with pytest.raises(TimeoutError):
                here.recv(4)
        here.settimeout(10)
        assert here.recv(4) == b"late"  # sent again, over the same connection


def test_link_down_for_a_while(own: Lab) -> None:
    here, there = conversation(own)
    with here, there:
        with own.server.link_is_down("lab"):
            here.sendall(b"late")
            there.settimeout(SHORT)
            with pytest.raises(TimeoutError):
                there.recv(4)
        there.settimeout(10)
        assert there.recv(4) == b"late"


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_what_was_on_a_host_that_is_gone(own: Lab, how: str) -> None:
    here, there = conversation(own)
    service = own.server.start(["sleep", "60"])
    getattr(own.server, how)()
    assert own.hosts["server"].state == "stopped"
    for lost in (lambda: there.send(b"x"), service.poll):
        with pytest.raises(EndedError) as raised:
            lost()
        causes = [raised.value, raised.value.__cause__]
        assert any(isinstance(each, EndedError) and each.code.startswith("lab.host-") for each in causes)
    with pytest.raises(HostError):
        own.server.socket()
    own.server.boot()
    assert own.server.state == "running"
    with own.server.serve(port=PORT), own.client.create_connection((own.server.address, PORT), 5):
        pass
    with here, there:
        here.settimeout(5)
        assert here.recv(1) == b""  # its kernel closed what its programs had open


def test_an_action_that_makes_no_sense(own: Lab) -> None:
    with pytest.raises(HostError):
        own.server.boot()
    with pytest.raises(SpecError):
        own.server.disconnect("elsewhere")
    with own.server.stopped(), pytest.raises(HostError):
        own.server.pause()


def test_sysctls_stay_after_a_boot() -> None:
    tuned = HostSpec(name="tuned", sysctls={"net.ipv4.tcp_syn_retries": 2})
    with lab(hosts=[tuned], backend="namespace") as demo:
        read = ["cat", "/proc/sys/net/ipv4/tcp_syn_retries"]
        assert demo.tuned.run(read).stdout == b"2\n"
        demo.tuned.restart()
        assert demo.tuned.run(read).stdout == b"2\n"


def test_select_over_hosts(own: Lab) -> None:
    here, there = conversation(own)
    with here, there:
        pending = here.begin.recv(1)
        there.sendall(b"xy")
        assert pending.result(timeout=5) == b"x"
        assert own.select([here, there], [], [], 5) == ([here], [], [])


def test_the_kernels_table(own: Lab) -> None:
    with own.server.serve(port=PORT) as service:
        rows = [row for row in own.server.sockets() if row["state"] == "LISTEN" and row["proto"] == "tcp"]
        assert [(row["local"][1], row["pid"]) for row in rows] == [(PORT, service.pid)]
        assert own.client.sockets() != own.server.sockets()
