"""`compose.yaml` as a user runs it: the tour, the heartbeat, a fault by hand, a learner's own server."""

import json
import os
import queue
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest

from socketlab.wire import Happened, decode
from tests.docker.foreign import state_of

pytestmark = [pytest.mark.docker, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]
WORKERS = 16
"""Of pytest-xdist, between which the subnets are shared out."""
CTRL_C = 5.0
"""Seconds in which Ctrl-C must have stopped everything."""
CLEAR_LINE = "\x1b[2K"
"""Compose 2.26 writes it before each line of a log, also into a pipe and with `--ansi never`."""
FELT = 20.0
"""Seconds, generous, to wait for the heartbeat to say something."""


@dataclass(frozen=True)
class Project:
    """A compose project of our `compose.yaml`, on a subnet of its own."""

    command: list[str]
    environment: dict[str, str]

    def compose(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `docker compose ARGUMENTS` to its end."""
        done = subprocess.run(
            [*self.command, *arguments],
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        done.stdout = done.stdout.replace(CLEAR_LINE, "")
        return done

    def start(self, *arguments: str, **environment: str) -> "Output":
        """Start `docker compose ARGUMENTS` in a process group of its own, and read what it prints."""
        process = subprocess.Popen(
            [*self.command, *arguments],
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        return Output(process)

    def containers(self) -> list[dict[str, Any]]:
        """What the engine knows of each container of the project."""
        ids = self.compose("--profile", "mine", "ps", "-aq").stdout.split()
        if not ids:
            return []
        inspect = subprocess.run(["docker", "inspect", *ids], capture_output=True, text=True, check=True)
        found: list[dict[str, Any]] = json.loads(inspect.stdout)
        return found


class Output:
    """What a running program prints, line by line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in stream:
                self._lines.put(line)

    def wait_for(self, *words: str, seconds: float) -> str:
        """The next line that has all the words, and came within that time."""
        deadline = time.monotonic() + seconds
        seen: list[str] = []
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                pytest.fail(f"no line with {words} within {seconds} s, but: {''.join(seen)}")
            if all(word in line for word in words):
                return line
            seen.append(line)

    def end(self, number: signal.Signals) -> float:
        """Send its whole group a signal, as a terminal does; gives the seconds until it has ended."""
        started = time.monotonic()
        os.killpg(self.process.pid, number)
        self.process.wait(timeout=60)
        self._reader.join()
        return time.monotonic() - started


def free_number(engine: docker.DockerClient) -> int:
    """Third number of a /24 of 10.214 that no network of the engine has, among this worker's own."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
    pools = [pool for network in engine.networks.list() for pool in network.attrs["IPAM"]["Config"] or []]
    taken = {pool.get("Subnet") for pool in pools}
    own = range(worker * 256 // WORKERS, (worker + 1) * 256 // WORKERS)
    free = [number for number in own if f"10.214.{number}.0/24" not in taken]
    return random.choice(free)  # noqa: S311 - which of them is taken guards nothing


@contextmanager
def project(labels: dict[str, str], folder: Path) -> Iterator[Project]:
    """A project on some subnet; nothing of it is left at the end."""
    with closing(docker.from_env()) as client:
        number = free_number(client)
    name = f"socketlab-test-{os.getpid()}-{number}"
    services = ("server", "server-agent", "client", "client-agent", "mine", "mine-client")
    override = {
        "services": {service: {"labels": labels} for service in services},
        "networks": {"lab": {"labels": labels}},
    }
    (folder / "labels.yaml").write_text(json.dumps(override), encoding="utf-8")
    command = [
        "docker",
        "compose",
        "-p",
        name,
        "-f",
        str(ROOT / "compose.yaml"),
        "-f",
        str(folder / "labels.yaml"),
    ]
    command += ["--project-directory", str(ROOT)]
    environment = {
        key: value for key, value in os.environ.items() if key not in {"ONCE", "PROGRAM", "LC_ALL"}
    }
    environment |= {
        "LAB_NET": f"10.214.{number}",
        "LAB_NET6": f"fd00:214:{number}:0",
        "LANG": "en_US.UTF-8",
        "SOCKETLAB_LAB": name,
    }
    made = Project(command, environment)
    try:
        yield made
    finally:
        down = made.compose("--profile", "mine", "down", "-v", "--remove-orphans", "-t", "2")
        assert down.returncode == 0, down.stderr


@pytest.fixture(scope="module")
def lab(engine: None, labels: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:  # noqa: ARG001 - asked for, not used
    """The lab, up in the background: the heartbeat runs, no tour has been made."""
    with project(labels, tmp_path_factory.mktemp("project")) as made:
        up = made.compose("up", "-d", "--wait", LAB_CLIENT="heartbeat")
        assert up.returncode == 0, up.stderr
        yield made


@pytest.fixture
def fresh(engine: None, labels: dict[str, str], tmp_path: Path) -> Iterator[Project]:  # noqa: ARG001 - asked for, not used
    """A project of which nothing has been started."""
    with project(labels, tmp_path) as made:
        yield made


def test_once_serves_ci(fresh: Project) -> None:
    run = fresh.compose("up", "--exit-code-from", "client", ONCE="1")
    assert run.returncode == 0, run.stdout + run.stderr
    client = [line.partition("| ")[2] for line in run.stdout.splitlines() if line.startswith("client")]
    for errno in ("ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "ECONNRESET", "TimeoutError, own timer"):
        assert any(errno in line for line in client), errno
    assert max(map(len, client)) <= 66, "it fits beside compose's own column"
    assert {item["State"]["ExitCode"] for item in fresh.containers()} == {0}, "everybody ended well"


def test_ctrl_c_stops_all(fresh: Project) -> None:
    output = fresh.start("up", "--no-color")
    output.wait_for("udp server:7000", seconds=90)
    assert output.end(signal.SIGINT) < CTRL_C
    assert {item["State"]["Running"] for item in fresh.containers()} == {False}


def test_everything_is_hardened(lab: Project) -> None:
    containers = {item["Config"]["Labels"]["com.docker.compose.service"]: item for item in lab.containers()}
    assert set(containers) == {"server", "server-agent", "client", "client-agent"}
    for name, item in containers.items():
        host = item["HostConfig"]
        agent = name.endswith("-agent")
        assert host["CapDrop"] == ["ALL"]
        assert sorted(host["CapAdd"] or []) == (["NET_ADMIN", "NET_RAW"] if agent else [])
        assert host["ReadonlyRootfs"]
        assert not host["Privileged"]
        assert "no-new-privileges=true" in host["SecurityOpt"]
        assert item["Config"]["User"] == ("0:0" if agent else "10001:10001")
        assert item["Config"]["Labels"]["org.socketlab.lab"] == lab.environment["SOCKETLAB_LAB"]
        assert not host["PortBindings"]
        proxies = [value for value in item["Config"]["Env"] if "_proxy=" in value.lower()]
        assert all(value.endswith("=") for value in proxies)


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_the_tour_as_json_is_all_as_documented(lab: Project, family: str) -> None:
    tour = ("exec", "-T", "client", "python3", "-m", "services.client", "tour", "--json", "--family", family)
    run = lab.compose(*tour)
    assert run.returncode == 0, run.stdout + run.stderr
    events = [
        message.event
        for message in map(decode, run.stdout.encode().splitlines())
        if isinstance(message, Happened)
    ]
    assert len(events) >= 16
    assert {event.verdict for event in events} == {"as documented"}
    assert all(event.outcome and event.said for event in events)


def test_the_tour_in_spanish(lab: Project) -> None:
    tour = ("exec", "-T", "-e", "LANG=es_ES.UTF-8", "client", "python3", "-m", "services.client", "tour")
    run = lab.compose(*tour)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "conexión" in run.stdout
    assert " the " not in run.stdout


def test_a_fault_by_hand_is_seen_by_the_heartbeat(lab: Project) -> None:
    """The README's one minute: break it, see it, heal it."""
    logs = lab.start("logs", "-f", "--no-log-prefix", "client")
    fault = ("exec", "-T", "server-agent", "socketlab-fault")
    try:
        logs.wait_for("tcp server:7000", "ok", seconds=FELT)
        add = lab.compose(
            *fault, "add", "drop", "--peer", "client", "--port", "7000", "--proto", "tcp", "--for", "30s"
        )
        assert add.returncode == 0, add.stderr
        changed = logs.wait_for("tcp server:7000", "->", seconds=FELT)
        assert "timed out (no answer to SYN)" in changed
        listed = lab.compose(*fault, "list").stdout
        assert "drop --peer client --port 7000 --proto tcp" in listed
        assert "standing" in listed
        assert lab.compose(*fault, "heal", "--all").returncode == 0
        logs.wait_for("tcp server:7000", "-> ok", seconds=FELT)
        listed = lab.compose(*fault, "list").stdout
        assert "--port 7000" not in listed
        assert "drop --port 7005 --proto tcp" in listed, "heal --all leaves the standing ones"
    finally:
        logs.end(signal.SIGTERM)


@dataclass(frozen=True)
class ByHand:
    """A fault as an instructor types it, and what the heartbeat then shows.

    Args:
        words: after `socketlab-fault add`.
        target: of the heartbeat, that notices.
        shows: how its line says it; empty: the beats go on as before.
        at: whose agent.
    """

    words: str
    target: str = "tcp"
    shows: str = ""
    at: str = "server-agent"

    @property
    def mark(self) -> Any:
        """Some are tried each time, all with --full; named by their words."""
        often = {"reject tcp-reset", "delay", "slow-handshake", "neighbour"}
        is_often = any(self.words.startswith(each) for each in often)
        return pytest.param(self, marks=() if is_often else pytest.mark.full, id=self.words)


TCP, UDP = "--port 7000 --proto tcp", "--port 7000 --proto udp"
NO_SYN, SILENT, UNANSWERED = (
    "timed out (no answer to SYN)",
    "timed out (connected, no answer)",
    "timed out (no answer)",
)
BY_HAND = [
    ByHand(f"drop {UDP}", "udp", UNANSWERED),
    ByHand(f"reject tcp-reset {TCP} --peer client", "tcp", "ECONNREFUSED"),
    ByHand(f"reject icmp-host {TCP}", "tcp", "EHOSTUNREACH"),
    ByHand(f"reject icmp-port {UDP}", "udp", "ECONNREFUSED"),
    ByHand(f"delay 2s {UDP}", "udp", UNANSWERED),
    ByHand(f"loss 100% {UDP}", "udp", UNANSWERED),
    ByHand(f"duplicate {UDP}", "udp"),
    ByHand(f"reorder {UDP}", "udp"),
    ByHand(f"corrupt {UDP}", "udp", UNANSWERED),
    ByHand(f"corrupt --checksum valid {UDP}", "udp", "->"),
    ByHand("throttle 1mbit"),
    ByHand("mtu 1300"),
    ByHand("pmtu-black-hole"),
    ByHand(f"slow-handshake 3s {TCP}", "tcp", NO_SYN),
    ByHand(f"reset {TCP}", "tcp", "ECONNRESET"),
    ByHand(f"hold {UDP}", "udp", UNANSWERED),
    ByHand(f"limit 4b {TCP}", "tcp", SILENT),
    ByHand(f"limit 4b --then reset {TCP}", "tcp", "ECONNRESET"),
    ByHand("segments 200 --port 7000"),
    ByHand("route unreachable {server}", "tcp", "EHOSTUNREACH", at="client-agent"),
    ByHand("route throw {server}", "udp", "ENETUNREACH", at="client-agent"),
    ByHand("route prohibit {server}", "tcp", "EACCES", at="client-agent"),
    ByHand("link", "tcp", "ENETUNREACH", at="client-agent"),
    ByHand("neighbour --peer client", "tcp", NO_SYN),
]


@pytest.mark.parametrize("case", [case.mark for case in BY_HAND])
def test_each_kind_by_hand(lab: Project, case: ByHand) -> None:
    """Broken and healed in a running `docker compose up`, with an eye on the heartbeat."""
    host = case.at.removesuffix("-agent")
    container = lab.compose("ps", "-q", host).stdout.strip()
    before = state_of(container)
    words = case.words.format(server=f"{lab.environment['LAB_NET']}.10").split()
    fault = ("exec", "-T", case.at, "socketlab-fault")
    target = f"{case.target} server:7000"
    logs = lab.start("logs", "-f", "--no-log-prefix", "--tail", "0", "client")
    try:
        add = lab.compose(*fault, "add", *words, "--for", "60s")
        assert add.returncode == 0, add.stderr
        if case.shows:
            logs.wait_for(target, "->", case.shows, seconds=FELT)
        assert words[0] in lab.compose(*fault, "list").stdout
        heal = lab.compose(*fault, "heal", "--all")
        assert heal.returncode == 0, heal.stderr
        if case.shows:
            logs.wait_for(target, "-> ok", seconds=FELT)
        else:
            once = ("exec", "-T", "client", "python3", "-m", "services.client", "once", "--json")
            echo = lab.compose(*once, case.target, "server", "7000", "--send", "x")
            assert '"eA=="' in echo.stdout or echo.returncode == 0, echo.stdout
        assert state_of(container) == before
    finally:
        lab.compose(*fault, "heal", "--all")
        logs.end(signal.SIGTERM)


LOOPBACK_ONLY = """
import socket
server = socket.create_server(("127.0.0.1", 5000))
while True:
    connection, _ = server.accept()
    connection.sendall(connection.recv(100))
"""
UP_MINE = (
    *("--profile", "mine", "up", "--no-deps"),
    *("--exit-code-from", "mine-client", "mine", "mine-client"),
)
CRASHES = "import socket\nraise RuntimeError('no socket today')\n"


@pytest.mark.parametrize(
    ("source", "mode", "code", "says"),
    [
        (None, 0o644, 0, "sends back what it gets"),
        (LOOPBACK_ONLY, 0o644, 1, "0.0.0.0"),
        (CRASHES, 0o644, 1, "no socket today"),
        (LOOPBACK_ONLY, 0o600, 1, "chmod"),
    ],
    ids=["example", "loopback only", "crashes", "unreadable"],
)
def test_a_learners_own_server(
    lab: Project, tmp_path: Path, source: str | None, mode: int, code: int, says: str
) -> None:
    program = ROOT / "examples" / "my_server.py"
    if source is not None:
        program = tmp_path / "server.py"
        program.write_text(source, encoding="utf-8")
        program.chmod(mode)
    try:
        run = lab.compose(*UP_MINE, PROGRAM=str(program))
        assert run.returncode == code, run.stdout + run.stderr
        assert says in " ".join(run.stdout.split())
    finally:
        lab.compose("--profile", "mine", "rm", "-fsv", "mine", "mine-client")


def test_a_program_that_is_not_there_is_said_so(lab: Project, tmp_path: Path) -> None:
    run = lab.compose("--profile", "mine", "up", "--no-deps", "mine", PROGRAM=str(tmp_path / "missing.py"))
    assert run.returncode != 0
    assert "missing.py" in run.stderr
    assert not (tmp_path / "missing.py").exists(), "Docker made no folder of that name"
