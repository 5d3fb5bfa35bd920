"""`socketlab fault`: what is put in force bites, outlives the command, shows, is stepped and healed."""

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from socketlab.errors import FaultsError, SpecError
from socketlab.holder import attach
from socketlab.holder.client import connect
from socketlab.holder.protocol import FaultAsk, FaultOp
from socketlab.hosts.lab import Lab
from socketlab.hosts.serving import Service
from tests.namespace.cli.command import SECONDS, Command, Terminal

if TYPE_CHECKING:
    import subprocess

PORT = 7000


@pytest.fixture
def attached(held: Command, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(held.folder))
    with attach("demo") as lab:
        yield lab
    asked("heal")


@pytest.fixture
def server(attached: Lab) -> Iterator[Service]:
    service = attached.server.serve(style="threaded", protocol="echo", port=PORT, transport="both")
    yield service
    service.end()


def gives(lab: Lab, seconds: float = 1.0) -> str:
    """What a connect and a line to the server give the client."""
    with lab.client.socket() as sock:
        sock.settimeout(seconds)
        try:
            sock.connect((lab.server.address, PORT))
            sock.sendall(b"hello")
            return sock.recv(5).decode()
        except OSError as error:
            return type(error).__name__


def asked(op: FaultOp, **members: Any) -> dict[str, Any]:
    """What the holder answers, as a command is told; a command of its own would take long."""
    machines = connect("demo")
    try:
        return machines.fault(FaultAsk(op=op, **members))
    finally:
        machines.close()


def add(host: str | None, *words: str) -> dict[str, Any]:
    lease: dict[str, Any] = asked("add", host=host, words=words)["lease"]
    return lease


def leases(host: str | None = None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = asked("list", host=host)["leases"]
    return found


def test_a_fault_bites_after_its_command_has_ended_until_it_is_healed(
    attached: Lab, held: Command, server: Service
) -> None:
    assert gives(attached, SECONDS) == "hello"
    words = ("reject", "tcp-reset", "--peer", "client", "--port", str(PORT), "--proto", "tcp")
    lease = held.json("fault", "add", "server", *words)["lease"]
    assert lease["fault"] == f"reject tcp-reset --peer client --port {PORT} --proto tcp"
    assert lease["hosts"] == ["server"]
    assert gives(attached, SECONDS) == "ConnectionRefusedError"
    shown = held.well("fault", "list")
    assert re.search(rf"^{lease['id']} +server +reject tcp-reset .* 1 +until healed$", shown, re.MULTILINE)
    (healed,) = held.json("fault", "heal", lease["id"])["healed"]
    assert (healed["id"], healed["bitten"]) == (lease["id"], 1)
    assert gives(attached, SECONDS) == "hello"
    assert leases() == []
    assert server.poll() is None


def test_a_fault_goes_when_its_time_is_up(attached: Lab, held: Command, server: Service) -> None:
    del server
    lease = held.json("fault", "add", "server", "drop", "--port", str(PORT), "--for", "1s")["lease"]
    assert 0 < lease["seconds_left"] <= 1
    assert gives(attached, SECONDS) == "hello"  # by TCP's own retransmission, once it is gone
    assert leases() == []


def test_a_proven_fault_and_one_that_cannot_be(attached: Lab, held: Command, server: Service) -> None:
    del server
    done = held.run("fault", "add", "server", "delay", "50ms", "--peer", "client", "--verify")
    assert (done.returncode, b"Proven" in done.stderr) == (0, True)
    assert leases()[0]["bitten"] == 0  # its probes do not count
    with pytest.raises(FaultsError, match=r"10\.99\.0\.1"):
        add("client", "neighbour", "--peer", "10.99.0.1")
    assert len(leases()) == 1
    assert gives(attached, SECONDS) == "hello"


def test_faults_of_the_whole_lab_and_of_a_host(attached: Lab, server: Service) -> None:
    del server
    partition = add(None, "partition", "client", "/", "server")
    assert gives(attached) == "TimeoutError"
    asked("heal", lease=partition["id"])
    pause = add("server", "pause")
    assert attached.machines.states() == {"client": "running", "server": "paused"}
    assert [lease["id"] for lease in leases("server")] == [pause["id"]]
    assert leases("client") == []
    asked("heal", host="server")
    assert gives(attached, SECONDS) == "hello"


def test_status_shows_each_fault_once_by_the_id_that_heals_it(attached: Lab, held: Command) -> None:
    del attached
    first = add("server", "drop", "--port", "9")
    second = add("client", "delay", "10ms", "--port", "9")
    shown = {host["name"]: host["faults"] for host in held.json("status")["labs"][0]["hosts"]}
    assert [(each["id"], each["fault"], each["holder"]) for each in shown["server"]] == [
        (first["id"], "drop --port 9", "lab")
    ]
    assert [each["id"] for each in shown["client"]] == [second["id"]]
    assert re.search(rf"^server +{first['id']} +drop --port 9", held.well("status"), re.MULTILINE)


def test_a_fault_comes_again_when_its_host_restarts(attached: Lab) -> None:
    lease = add("server", "reject", "icmp-port", "--port", str(PORT), "--proto", "udp")
    attached.machines.act("server", "kill")
    attached.machines.act("server", "start")
    (after,) = leases()
    assert (after["id"], after["trouble"]) == (lease["id"], None)
    with attached.client.socket(type=2) as sock:
        sock.settimeout(SECONDS)
        sock.connect((attached.server.address, PORT))
        sock.send(b"anybody?")
        with pytest.raises(ConnectionRefusedError):
            sock.recv(1)
    assert leases()[0]["bitten"] == 1


def test_packets_are_stepped_one_by_one(attached: Lab, held: Command, server: Service) -> None:
    del server
    lease = add("server", "hold", "--peer", "client", "--port", str(PORT), "--proto", "udp")
    with attached.client.socket(type=2) as sock:
        sock.settimeout(SECONDS)
        sock.connect((attached.server.address, PORT))
        for data in (b"one", b"two", b"three", b"four"):
            sock.send(data)
        waiting = held.json("fault", "step")["held"]
        assert [each["length"] - 28 for each in waiting] == [3, 3, 5, 4]
        one, two, three, four = (str(each["number"]) for each in waiting)
        shown = held.well("fault", "step", lease["id"])
        assert re.search(
            rf"^{two} +server +{lease['id']} .*udp client:\d+ > server:{PORT}", shown, re.MULTILINE
        )
        held.well("fault", "step", "--release", three)
        assert sock.recv(10) == b"three"
        asked("step", packet=int(one), step="drop")
        held.well("fault", "step", "--duplicate", two)
        assert (sock.recv(10), sock.recv(10)) == (b"two", b"two")
        assert [each["number"] for each in asked("held")["held"]] == [int(four)]
        done = held.run("fault", "step", "--release", one)
        assert done.returncode == 3
        assert f"Held: {four}".encode() in done.stderr
        logged = held.json("fault", "log", lease["id"])["log"]
        actions = [(each["ordinal"], each["action"]) for each in logged]
        assert actions[:4] == [(1, "held"), (2, "held"), (3, "held"), (4, "held")]
        assert [ordinal for ordinal, _ in actions[4:]] == [3, 1, 2]
        assert f"client:{sock.getsockname()[1]} > server:{PORT}" in held.well("fault", "log")
        asked("heal")
        assert sock.recv(10) == b"four"
    assert asked("held")["held"] == []


def test_an_instructor_steps_at_a_terminal(attached: Lab, held: Command, server: Service) -> None:
    del server
    add("server", "hold", "--peer", "client", "--port", str(PORT), "--proto", "udp")
    terminal = Terminal(held, "fault", "step")
    terminal.until(rb"No packet is held")
    with attached.client.socket(type=2) as sock:
        sock.settimeout(SECONDS)
        sock.connect((attached.server.address, PORT))
        sock.send(b"one")
        terminal.until(rb"> +\d+ +udp client:\d+ > server:7000")
        sock.send(b"two")
        terminal.until(rb"> .*\n +\d+ +udp client")
        terminal.type(b"j\r")
        assert sock.recv(10) == b"two"
        terminal.until(rb"-> released")
        terminal.type(b"2")
        assert (sock.recv(10), sock.recv(10)) == (b"one", b"one")
        terminal.until(rb"-> duplicated")
    terminal.type(b"q")
    status, _ = terminal.end()
    assert status == 0


def test_who_watches_sees_faults_come_bite_and_go(attached: Lab, held: Command, server: Service) -> None:
    del server
    watching = held.start("fault", "watch", "--json")
    assert watching.stdout is not None
    assert watching.stderr is not None
    try:
        assert json.loads(watching.stdout.readline())["leases"] == []
        lease = add("server", "delay", "1ms", "--port", str(PORT), "--proto", "tcp", "--flags", "SYN")
        assert gives(attached, SECONDS) == "hello"
        seen = told_until(watching, lambda told: bool(told["log"]))
        assert [each["fault"] for each in seen["leases"]] == [lease["fault"]]
        assert (seen["log"][0]["action"], seen["log"][0]["lease"]) == ("delayed", lease["id"])
        asked("heal", lease=lease["id"])
        told_until(watching, lambda told: told["leases"] == [])
    finally:
        watching.terminate()
        watching.communicate(timeout=SECONDS)


def told_until(watching: "subprocess.Popen[bytes]", is_it: Any) -> dict[str, Any]:
    """The first line that is so; the test's own time limit ends a wait for nothing."""
    assert watching.stdout is not None
    while line := watching.stdout.readline():
        told: dict[str, Any] = json.loads(line)
        if is_it(told):
            return told
    raise AssertionError("the watch has ended")


def test_a_watch_on_a_terminal_ends_by_ctrl_c(attached: Lab, held: Command) -> None:
    del attached
    terminal = Terminal(held, "fault", "watch")
    terminal.until(rb"watching")
    lease = add("server", "drop", "--port", "9")
    terminal.until(rf"{lease['id']}  in force on server: drop --port 9".encode())
    asked("heal", lease=lease["id"])
    terminal.until(rf"{lease['id']}  gone: drop --port 9".encode())
    terminal.type(b"\x03")
    status, _ = terminal.end()
    assert status == 130


def test_what_this_kernel_has_for_each_kind(attached: Lab, held: Command) -> None:
    del attached
    kinds = {each["kind"]: each for each in held.json("fault", "kinds", "--host", "server")["kinds"]}
    (drop, _) = kinds["drop"]["variants"]
    assert (drop["by"], drop["missing"]) == ("nft", None)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("add", "serber", "drop"), 2, "did you mean server?"),
        (("add", "server", "drop", "--peer", "cliemt"), 2, "Did you mean client?"),
        (("add", "partition", "client", "/", "nobody"), 2, "nobody"),
        (("add", "dns", "www.lab.test", "nxdomain"), 3, "name server"),
        (("add", "server", "mtu", "600"), 2, "1280"),
        (("add", "server", "drop", "--lab", "other"), 3, "other"),
        (("heal", "999"), 3, "999"),
        (("log", "999"), 3, "999"),
        (("step", "999"), 3, "999"),
        (("list", "--lab", "other"), 3, "socketlab attach"),
        (("kinds", "--host", "nobody"), 2, "nobody"),
    ],
)
def test_what_cannot_be_is_told(held: Command, words: tuple[str, ...], status: int, said: str) -> None:
    done = held.run("fault", *words)
    assert (done.returncode, done.stdout) == (status, b""), done.stderr.decode()
    assert said in done.stderr.decode()
    assert b"Traceback" not in done.stderr


@pytest.mark.usefixtures("attached")
def test_nothing_is_half_applied_after_an_error() -> None:
    for words in (("mtu", "1300", "--to", "10.99.0.0/16"), ("link", "--device", "eth9")):
        with pytest.raises(FaultsError):
            add("server", *words)
    with pytest.raises(SpecError):
        add(None, "partition", "client", "/", "server,nobody")
    assert leases() == []
