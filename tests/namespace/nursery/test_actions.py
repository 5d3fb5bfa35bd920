"""What the actions on a host do to it, and what its peers see of it."""

import errno
import signal

import pytest

from socketlab.errors import HostError
from socketlab.hosts.lab import Lab, lab
from socketlab.hosts.spec import HostSpec, NetworkSpec, Plug
from tests.namespace.nursery.talking import SECONDS, pair

_QUIET = 0.3
"""Seconds in which nothing arrives, where it would take less than a millisecond."""


def test_a_paused_host_answers_by_its_kernel_only(demo: Lab) -> None:
    with pair(demo) as (client, accepted), demo.server.socket() as listener:
        listener.bind((demo.server.address, 7001))
        listener.listen(1)
        suspended = demo.server.start(["sleep", "60"])
        suspended.signal(signal.SIGSTOP)
        machines = demo.machines
        machines.act("server", "pause")
        assert machines.states() == {"client": "running", "server": "paused"}
        pending = accepted.begin.recv(100)
        client.sendall(b"later")
        with demo.client.socket() as late:
            late.settimeout(SECONDS)
            late.connect((demo.server.address, 7001))
        with pytest.raises(TimeoutError):
            pending.result(timeout=_QUIET)
        with pytest.raises(HostError):
            machines.act("server", "pause")
        with pytest.raises(HostError):
            machines.actor("server")
        machines.act("server", "resume")
        assert pending.result(timeout=SECONDS) == b"later"
        stat = demo.server.run(["cat", f"/proc/{suspended.pid}/stat"]).stdout.decode()
        assert stat.split()[2] == "T"  # stopped before, and still
        suspended.kill()
        suspended.wait(SECONDS)


@pytest.mark.parametrize("action", ["kill", "stop"])
def test_what_a_peer_sees_when_a_host_goes_and_comes_back(demo: Lab, action: str) -> None:
    machines = demo.machines
    with pair(demo) as (client, _accepted):
        with demo.server.start(["sleep", "1000"]):
            getattr(demo.server, action)()
        assert client.recv(100) == b""
        assert machines.states()["server"] == "stopped"
        with pytest.raises(HostError):
            machines.act("server", "pause")
        with pytest.raises(HostError):
            machines.plug("server", "lab", connected=False)
        with demo.client.socket() as late:
            late.settimeout(_QUIET)
            with pytest.raises(TimeoutError):
                late.connect((demo.server.address, 7000))
    demo.server.boot()
    assert machines.states()["server"] == "running"
    with pair(demo) as (client, accepted):
        client.sendall(b"again")
        assert accepted.recv(100) == b"again"
    assert demo.server.run(["hostname"]).stdout == b"server\n"


def test_stop_asks_first(demo: Lab) -> None:
    program = f"""if True:
        import signal, socket, sys
        calling = socket.create_connection(("{demo.client.address}", 7002))
        signal.signal(signal.SIGTERM, lambda *_: (calling.sendall(b"bye"), sys.exit()))
        calling.sendall(b"up")
        signal.pause()
    """
    with demo.client.socket() as listener:
        listener.bind((demo.client.address, 7002))
        listener.listen(1)
        listener.settimeout(SECONDS)
        with demo.server.start(["python3", "-c", program]), listener.accept()[0] as talking:
            talking.settimeout(SECONDS)
            assert talking.recv(2) == b"up"
            demo.server.stop()
            assert talking.recv(3) == b"bye"
            assert talking.recv(1) == b""


def test_a_disconnected_host_is_silence_and_comes_back_as_it_was(demo: Lab) -> None:
    machines = demo.machines
    with pair(demo) as (client, accepted), pair(demo, "ipv6") as (client6, accepted6):
        machines.plug("server", "lab", connected=False)
        with pytest.raises(HostError):
            machines.plug("server", "lab", connected=False)
        with pytest.raises(HostError):
            machines.link("server", "lab", up=False)
        client.sendall(b"held")
        client6.sendall(b"held, too")
        pending = accepted.begin.recv(100)
        with pytest.raises(TimeoutError):
            pending.result(timeout=_QUIET)
        assert demo.server.if_nameindex() == [(1, "lo")]
        machines.plug("server", "lab", connected=True)
        assert pending.result(timeout=SECONDS) == b"held"
        assert accepted6.recv(100) == b"held, too"
    assert [name for _index, name in demo.server.if_nameindex()] == ["lo", "eth0"]


def test_a_link_set_down_takes_its_routes_and_brings_them_back(namespaces: None) -> None:  # noqa: ARG001
    networks = [NetworkSpec(name="left"), NetworkSpec(name="right")]
    hosts = [
        HostSpec(name="client", plugs=(Plug(network="left"),)),
        HostSpec(name="middle", role="router"),
        HostSpec(name="server", plugs=(Plug(network="right"),)),
    ]
    with lab("routed", hosts=hosts, networks=networks, backend="namespace") as made:
        routes = ["cat", "/proc/net/route", "/proc/net/ipv6_route"]
        with pair(made) as (client, accepted), pair(made, "ipv6") as (client6, accepted6):
            before = {line.split()[0] for line in made.client.run(routes).stdout.decode().splitlines()}
            made.machines.link("client", "left", up=False)
            with made.client.socket() as late:
                with pytest.raises(OSError, match="unreachable") as raised:
                    late.connect((made.server.address, 7000))
                assert raised.value.errno == errno.ENETUNREACH
            accepted.sendall(b"held")
            accepted6.sendall(b"held, too")
            made.machines.link("client", "left", up=True)
            assert client.recv(100) == b"held"
            assert client6.recv(100) == b"held, too"
            assert {
                line.split()[0] for line in made.client.run(routes).stdout.decode().splitlines()
            } == before


def test_whatever_a_host_ran_is_gone_with_it(demo: Lab) -> None:
    program = """if True:
        import os, socket, time
        os.fork() and os._exit(0)
        os.setsid()
        os.fork() and os._exit(0)
        listener = socket.create_server(("", 7003))
        print("up", flush=True)
        accepted, _peer = listener.accept()
        accepted.sendall(b"here")
        time.sleep(1000)
    """
    with demo.server.start(["python3", "-c", program], ready=b"up"), demo.client.socket() as calling:
        calling.settimeout(SECONDS)
        calling.connect((demo.server.address, 7003))
        assert calling.recv(4) == b"here"
        demo.server.kill()
        assert calling.recv(1) == b""


def test_a_host_that_is_not_there(demo: Lab) -> None:
    with pytest.raises(HostError):
        demo.machines.plug("server", "nowhere", connected=False)
    with pytest.raises(HostError):
        demo.machines.act("nobody", "pause")
