"""Labs and hosts as their user holds them, on a backend of actors on loopback."""

import contextlib
import subprocess
import sys
import threading
from typing import Any

import pytest

from socketlab.errors import BackendError, CallError, EndedError, HostError, SpecError, UsageError
from socketlab.hosts.lab import Lab, lab
from socketlab.hosts.spec import HostSpec, LabSpec, Plug
from socketlab.sockets import Socket
from socketlab.sockets.host_event import HostEvent
from tests.unit.hosts.on_loopback import LoopbackBackend, LoopbackMachines

LOOPBACK = "127.0.0.1"


def connected(demo: Lab) -> tuple[Socket, Socket]:
    """A connection: the client's end, and the server's."""
    with demo.server.create_server((LOOPBACK, 0)) as listener:
        pending = listener.begin.accept()
        client = demo.client.create_connection(listener.getsockname(), 5)
        return client, pending.result(timeout=5)[0]


def test_what_a_host_is(demo: Lab) -> None:
    assert (demo.name, demo.backend, list(demo.hosts)) == ("demo", "loopback", ["client", "server"])
    server = demo.server
    assert (server.name, server.address, server.address6) == ("server", "10.77.0.11", "fd77::11")
    assert server.addresses == {"lab": ("10.77.0.11", "fd77::11")}
    assert server.state == "running"
    assert demo["server"] is server is demo.hosts["server"]
    assert "server" in dir(demo)
    assert abs(server.clock_offset_ns) < 1_000_000_000  # the same machine's clock
    assert "loopback" in demo.why


def test_a_conversation(demo: Lab) -> None:
    with contextlib.ExitStack() as opened:
        here, there = (opened.enter_context(each) for each in connected(demo))
        here.sendall(b"hello")
        assert there.recv(5) == b"hello"


def test_a_name_that_is_no_host(demo: Lab) -> None:
    with pytest.raises(AttributeError, match="Did you mean server"):
        _ = demo.servre
    with pytest.raises(AttributeError, match="client, server"):
        _ = demo.quux
    with pytest.raises(KeyError, match="client, server"):
        _ = demo["quux"]
    with lab(hosts=["my-host"], backend=LoopbackBackend()) as other:
        assert other["my-host"].name == "my-host"
        with pytest.raises(AttributeError, match=r'lab\["my-host"\]'):
            _ = other.my_host


def test_a_lab_without_a_name_has_one_of_its_own() -> None:
    assert len({lab().name for _ in range(20)}) == 20


@pytest.mark.parametrize("bad", ["server", b"server", [7], [None]])
def test_one_text_is_not_several_names(bad: Any) -> None:
    with pytest.raises(SpecError):
        lab(hosts=bad)


def test_bad_input_is_refused_before_anything_is_made(backend: LoopbackBackend) -> None:
    with pytest.raises(SpecError):
        lab(hosts=["a", "a"], backend=backend)
    assert backend.made == []


def test_before_and_after() -> None:
    backend = LoopbackBackend()
    demo = lab("demo", backend=backend)
    for early in (lambda: demo.server, lambda: demo["server"], lambda: demo.hosts, lambda: demo.plan):
        with pytest.raises(HostError) as raised:
            early()
        assert raised.value.code == "lab.not-open"
    demo.close()  # nothing to close
    with pytest.raises(HostError):
        demo.open()
    with lab("demo", backend=backend) as demo:
        server = demo.server
        with pytest.raises(HostError):
            demo.open()
    demo.close()
    for late in (lambda: demo["server"], server.socket, server.pause, lambda: server.state):
        with pytest.raises(EndedError) as ended:
            late()
        assert ended.value.code == "lab.closed"
    assert backend.made[0].closed


def test_a_call_nobody_waited_for_is_an_error_at_the_end(backend: LoopbackBackend) -> None:
    demo = lab(backend=backend).open()
    listener = demo.server.create_server((LOOPBACK, 0))
    pending = listener.begin.accept()
    with pytest.raises(CallError, match="accept"):
        demo.__exit__(None, None, None)
    assert backend.made[0].closed
    assert pending.done()
    listener.close()


def test_but_not_where_another_error_is_on_its_way(backend: LoopbackBackend) -> None:
    demo = lab(backend=backend).open()
    listener = demo.server.create_server((LOOPBACK, 0))
    pending = listener.begin.accept()
    demo.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
    assert backend.made[0].closed
    assert pending.done()
    listener.close()


class Failing(LoopbackBackend):
    """Its second host has no actor."""

    def open(self, spec: LabSpec) -> LoopbackMachines:
        machines = super().open(spec)
        give = machines.actor

        def actor(host: str) -> Any:
            if host == "server":
                raise BackendError("lab.no-backend", docker="-", namespace="-")
            return give(host)

        machines.actor = actor  # type: ignore[method-assign]
        return machines


def test_an_error_while_opening_leaves_nothing() -> None:
    backend = Failing()
    with pytest.raises(BackendError), lab(backend=backend):
        pytest.fail("it is not open")
    assert backend.made[0].closed


def test_a_server_that_does_not_start_leaves_nothing(backend: LoopbackBackend) -> None:
    spec = LabSpec(name="demo", hosts=(HostSpec(name="server"),))
    with pytest.raises(SpecError), Lab(spec, backend, {"server": [{"program": "/absent.py"}]}):
        pytest.fail("it is not open")
    assert backend.made[0].closed


def test_servers_of_the_lab_itself(backend: LoopbackBackend) -> None:
    spec = LabSpec(name="demo", hosts=(HostSpec(name="server"),))
    with Lab(spec, backend, {"server": [{"port": 0, "address": LOOPBACK}]}) as demo:
        rows = [row for row in demo.server.sockets() if row["proto"] == "tcp" and row["program"]]
        assert any(row["state"] == "LISTEN" for row in rows)


def test_what_was_open_on_a_host_ends_with_it_and_says_why(demo: Lab) -> None:
    client, served = connected(demo)
    running = demo.server.start(["sleep", "60"])
    waiting = served.begin.recv(1)
    demo.server.kill()
    for lost in (lambda: waiting.result(timeout=5), lambda: served.recv(1), running.wait):
        with pytest.raises(EndedError) as raised:
            lost()
        causes = [raised.value, raised.value.__cause__]
        assert "lab.host-killed" in {each.code for each in causes if isinstance(each, EndedError)}
    assert running.end() is None
    with pytest.raises(HostError):
        demo.server.socket()
    demo.server.boot()
    assert demo.server.gethostname()
    client.close()
    served.close()


def test_actions_undo_themselves(demo: Lab, machines: LoopbackMachines) -> None:
    server = demo.server
    with server.paused():
        assert machines.states()["server"] == "paused"
    with server.stopped():
        assert demo.hosts["server"].state == "stopped"
    with server.disconnected(), server.link_is_down("lab"):
        pass
    server.restart()
    assert machines.done == [
        ("server", "pause"),
        ("server", "resume"),
        ("server", "stop"),
        ("server", "start"),
        ("server", "unplug", "lab"),
        ("server", "down", "lab"),
        ("server", "up", "lab"),
        ("server", "plug", "lab"),
        ("server", "stop"),
        ("server", "start"),
    ]


def test_actions_are_undone_after_an_error_too(demo: Lab, machines: LoopbackMachines) -> None:
    with pytest.raises(ZeroDivisionError), demo.server.paused():
        raise ZeroDivisionError
    assert machines.done[-1] == ("server", "resume")


def test_what_the_block_did_itself_stays(demo: Lab, machines: LoopbackMachines) -> None:
    with demo.server.disconnected():
        demo.server.kill()
    with demo.client.paused():
        demo.client.resume()
    assert machines.done == [
        ("server", "unplug", "lab"),
        ("server", "kill"),
        ("client", "pause"),
        ("client", "resume"),
    ]


def test_a_network_that_the_host_is_not_on(demo: Lab) -> None:
    with pytest.raises(SpecError, match="lab"):
        demo.server.link_down("other")


def test_all_networks_unless_one_is_named(backend: LoopbackBackend) -> None:
    both = HostSpec(name="both", plugs=(Plug(network="a"), Plug(network="b")))
    with lab(hosts=[both], networks=["a", "b"], backend=backend) as demo:
        demo.both.disconnect()
        demo.both.reconnect("b")
    assert backend.made[0].done == [("both", "unplug", "a"), ("both", "unplug", "b"), ("both", "plug", "b")]


def test_events_tell_calls_and_actions(demo: Lab) -> None:
    told: list[HostEvent] = []
    stop = demo.subscribe(told.append)
    demo.server.gethostname()
    demo.server.pause()
    demo.server.resume()
    stop()
    demo.server.gethostname()
    seen = [(each.host, each.event.name, each.event.phase) for each in told]
    assert seen == [
        ("server", "call.gethostname", "started"),
        ("server", "call.gethostname", "completed"),
        ("server", "host.pause", "started"),
        ("server", "host.pause", "changed"),
        ("server", "host.resume", "started"),
        ("server", "host.resume", "changed"),
    ]
    assert list(demo.events)[-2:][0].event.name == "call.gethostname"
    assert told[-1] in demo.events


def test_an_action_that_fails_is_told_so(demo: Lab, machines: LoopbackMachines) -> None:
    def refuse(*_: object) -> None:
        raise HostError("lab.not-open", lab="demo")

    machines.act = refuse  # type: ignore[method-assign,assignment]
    with pytest.raises(HostError):
        demo.server.pause()
    assert (demo.events[-1].event.name, demo.events[-1].event.phase) == ("host.pause", "failed")


def test_a_listener_that_raises_is_told_no_more(demo: Lab) -> None:
    told = []

    def raises(event: HostEvent) -> None:
        told.append(event)
        raise ZeroDivisionError

    demo.subscribe(raises)
    with pytest.warns(RuntimeWarning, match="ZeroDivisionError"):
        demo.server.gethostname()
    demo.server.gethostname()
    assert len(told) == 1


def test_select_over_one_host_and_over_two(demo: Lab) -> None:
    with contextlib.ExitStack() as opened:
        here, there = (opened.enter_context(each) for each in connected(demo))
        assert demo.select([here], [], [], 0) == ([], [], [])
        assert demo.select([here, there], [], [], 0.05) == ([], [], [])
        assert demo.select([here, there], [here, there], [], 5)[1] == [here, there]
        timer = threading.Timer(0.1, here.sendall, [b"x"])
        timer.start()
        assert demo.select([here, there], [], [], 20) == ([there], [], [])
        timer.join()
        assert demo.select([there], [here], [], 5) == ([there], [here], [])


def test_select_takes_sockets_of_hosts_only(demo: Lab) -> None:
    with pytest.raises(UsageError):
        demo.select([1], [], [])  # type: ignore[list-item]
    with pytest.raises(SpecError):
        demo.select([], [], [])
    assert demo.select([], [], [], 0) == ([], [], [])


HIDDEN = ["fcntl", "grp", "pwd", "pty", "resource", "syslog", "termios", "tty", "docker"]
ELSEWHERE = f"""
import sys
for name in {HIDDEN!r}:
    sys.modules[name] = None
sys.platform = sys.argv[1]
import socketlab
from socketlab import lab, Lab
from socketlab.errors import BackendError
demo = lab(backend="namespace")
try:
    demo.open()
except BackendError as error:
    print(error)
"""


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_elsewhere_than_on_linux_it_imports_and_says_what_to_do(platform: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, platform], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.stderr == ""
    assert "Linux" in run.stdout
    assert "ocker" in run.stdout
