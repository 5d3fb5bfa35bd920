"""Whoever holds or does a fault is killed, whenever: nothing of it is left, and soon.

Theory of operation
    A lab is held by somebody who lives on, and is looked at from outside: leases by its agents, all else byte
    for byte by the kernel. Killed are who holds faults (a program, a plan), the agent, and its whole sidecar;
    at moments drawn from a seed, while faults come and go. SOCKETLAB_DEATH_SEED draws others; a failure tells
    the seed.
"""

import os
import random
import re
import secrets
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from socketlab.errors import LabError
from socketlab.faults import delay, drop, loss, mtu, neighbour, route, throttle
from socketlab.faults.agents import Agent
from socketlab.faults.board import Board
from socketlab.faults.resolving import resolved
from socketlab.holder import attach
from socketlab.hosts.lab import Lab
from socketlab.hosts.lab import lab as make_lab
from tests.conformance.death.churn import put_and_heal
from tests.conformance.death.inside import Inside, needs_root
from tests.conformance.death.victims import LAB
from tests.conformance.places import DEADLINE
from tests.conformance.test_faults import eventually
from tests.namespace.agent.network_state import COMMANDS
from tests.namespace.cli.command import Command, ended

if TYPE_CHECKING:
    from socketlab.hosts.faulting import FaultLease
    from socketlab.hosts.programs import Program

pytestmark = [needs_root, pytest.mark.timeout(300)]

SEED: Final = os.environ.get("SOCKETLAB_DEATH_SEED", "4")
WITHIN: Final = 2.0
"""Seconds after which nothing may be left."""
AT_ONCE: Final = 0.5
"""Seconds after which netfilter may have nothing left of a killed agent: a quiet machine needs 10 ms, a busy
one takes longer to end any process."""
MOMENTS: Final = {"namespace": (8, 100), "docker": (2, 30)}
"""How many moments a run draws, and one with --full."""
SHORT_IN_NAMESPACES: Final = [
    pytest.param("namespace"),
    pytest.param("docker", marks=(pytest.mark.docker, pytest.mark.full)),
]
MANY: Final = [pytest.param(0, id="some"), pytest.param(1, id="many", marks=pytest.mark.full)]
ELSEWHERE: Final = "198.51.100.1"
OUTLIVING: Final = (
    throttle(1_000_000, peer="client", port=7003),
    route("throw", ELSEWHERE),
    mtu(1400),
    neighbour("client"),
)
"""What the kernel keeps when the process that has made it is gone."""
EVERYTHING: Final = (drop(peer="client", port=7000), loss(1.0, peer="client", port=7001))
OF_NETFILTER: Final = (drop(peer="client", port=7000), delay(0.02, peer="client", port=7001))


# -- who holds a fault is killed


@pytest.fixture
def held(backend: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Command, str]]:
    """A lab with hosts client and server that another process holds, and the command."""
    with tempfile.TemporaryDirectory(prefix="sld") as folder:
        command = Command(Path(folder))
        command.environ["SOCKETLAB_BACKEND"] = backend
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        name = f"held-{secrets.token_hex(4)}"
        try:
            command.well("up", name)
            yield command, name
        finally:
            command.close()


class Watched:
    """A lab that is looked at while others work on it.

    Args:
        lab: attached.
    """

    def __init__(self, lab: Lab) -> None:
        assert isinstance(lab.faults, Board)
        self.agents = [lab.faults.reach(name).agent() for name in lab.hosts]
        self.places = [Inside(host) for host in lab.hosts.values()]
        self.before = [place.settled() for place in self.places]

    def leases(self) -> int:
        return sum(len(agent.leases()) for agent in self.agents)

    def nothing_is_left(self, told: str) -> None:
        """As before, in time."""
        killed = time.monotonic()
        while self.leases():
            assert time.monotonic() - killed < WITHIN, told
        for place, before in zip(self.places, self.before, strict=True):
            place.wait_for(before)


@pytest.mark.parametrize("many", MANY)
def test_whoever_holds_faults_is_killed_at_any_moment(
    backend: str, held: tuple[Command, str], many: int
) -> None:
    command, name = held
    argv = [sys.executable, "-m", "tests.conformance.death.churn", name]
    with (
        attach(name) as lab,
        subprocess.Popen(argv, env=command.environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as forking,
        ended(forking),
    ):
        assert forking.stdin is not None
        assert forking.stdout is not None
        watched = Watched(lab)
        assert forking.stdout.readline() == b"ready\n"
        for moment in range(MOMENTS[backend][many]):
            draw = random.Random(f"{SEED}.holder.{backend}.{moment}")  # noqa: S311 - drawn again from its seed
            delay_ = draw.uniform(0, 0.2)
            forking.stdin.write(f"{SEED}.{moment}\n".encode())
            forking.stdin.flush()
            pid = int(forking.stdout.readline())
            time.sleep(delay_)  # the moment itself: there is nothing to wait for
            os.kill(pid, signal.SIGKILL)
            watched.nothing_is_left(
                f"seed {SEED}, moment {moment}: {delay_ * 1000:.1f} ms after its first fault"
            )


PLAN: Final = """\
steps:
  - {at: 0, on: server, fault: drop --peer client --port 7000, for: 60s}
  - {at: 0, on: server, fault: mtu 1400, for: 60s}
  - {at: 60s, expect: client tcp server:7000 -> ECONNREFUSED}
probes: [client tcp server:7000 every 100ms within 30s]
"""


@pytest.mark.parametrize("backend", SHORT_IN_NAMESPACES, indirect=True)
def test_a_plan_is_killed(held: tuple[Command, str], tmp_path: Path) -> None:
    command, name = held
    plan = tmp_path / "long.yaml"
    plan.write_text(PLAN, encoding="utf-8")
    with attach(name) as lab:
        watched = Watched(lab)
        with ended(command.start("plan", "run", str(plan), "--lab", name)) as process:
            eventually(lambda: watched.leases() == 2)
            process.kill()
            watched.nothing_is_left("a plan")
        shown = command.json("status")["labs"][0]["hosts"]
        assert [(each["state"], each["faults"]) for each in shown] == [("running", [])] * 2


# -- the agent is killed

SENDER: Final = """
import socket, sys, time
made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
before = 0
while True:
    now = time.monotonic_ns()
    for port in (7000, 7001):
        made.sendto(b"%d %d" % (before, now), (sys.argv[1], port))
    before = now
    time.sleep(0.0005)
"""
RECEIVER: Final = """
import select, socket, sys
made = []
for port in (7000, 7001):
    made.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    made[-1].bind(("", port))
print("bound", flush=True)
while True:
    select.select([], [], [], 0.02)
    for sock in made:
        sock.setblocking(False)
        first = None
        try:
            while True:
                data = sock.recv(100)
                first = first or data
        except BlockingIOError:
            pass
        if first:
            print(sock.getsockname()[1], first.decode(), flush=True)
"""


@pytest.mark.parametrize("backend", SHORT_IN_NAMESPACES, indirect=True)
def test_what_netfilter_does_ends_with_the_agents_process(own: Callable[..., Lab]) -> None:
    """Whatever is sent after that gets through. What outlives a process is undone soon; nothing is kept."""
    with own(hosts=["client", "server"]) as made:
        agent = reached(made)
        server = Inside(made.server)
        before = server.settled()
        for fault in OUTLIVING:
            agent.add(resolved(fault, made.plan, "server"))
        with (
            made.server.start(["python3", "-c", RECEIVER], ready="bound") as receiver,
            made.client.start(["python3", "-c", SENDER, made.server.address]) as sender,
        ):
            biting = {agent.add(resolved(fault, made.plan, "server")).id for fault in EVERYTHING}
            eventually(lambda: all((each.bitten or 0) > 5 for each in agent.leases() if each.id in biting))
            killed, ended_at = kill_and_see(server.agent())
            last = max(last_bitten(receiver, killed).values())
            sender.kill()
            receiver.kill()
        server.wait_for(before, WITHIN, rules=False)
        assert last <= ended_at
        assert last - killed <= AT_ONCE * 1e9
        agent.close()
        agent = reached(made)
        assert agent.leases() == ()
        server.wait_for(before)
        agent.close()


def kill_and_see(pid: int) -> tuple[int, int]:
    """Kill a process: when, and when it had ended, in ns."""
    descriptor = os.pidfd_open(pid)
    try:
        killed = time.monotonic_ns()
        os.kill(pid, signal.SIGKILL)
        assert select.select([descriptor], [], [], DEADLINE)[0]
        return killed, time.monotonic_ns()
    finally:
        os.close(descriptor)


def last_bitten(receiver: "Program", killed: int) -> dict[int, int]:
    """By port, when the last datagram was sent that did not get through, in ns."""
    found: dict[int, int] = {}
    while len(found) < len(EVERYTHING):
        line = receiver.stdout.readline()
        assert line, receiver.last_words()
        if line != b"bound\n":
            port, before, at = map(int, line.split())
            if at >= killed:
                found.setdefault(port, before)
    return found


def reached(made: Lab) -> Agent:
    """The server's agent, by a stream that nobody mends; the one before may just be dying."""
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            return Agent(made.machines.agent("server"), "server")
        except LabError:
            assert time.monotonic() < deadline


@pytest.mark.docker
def test_a_whole_sidecar_is_killed(containers: str, labels: dict[str, str]) -> None:
    """The next one, which the controller starts, undoes what it left; what is still wanted is there again."""
    with make_lab(hosts=["client", "server"], backend=containers, labels=labels) as made:
        board = made.server.faults
        board.kinds()
        server = Inside(made.server)
        before = server.settled()
        leases = [board.apply(fault) for fault in (*OUTLIVING, *OF_NETFILTER)]
        in_force = without_numbers(server.state())
        again = threading.Semaphore(0)
        made.subscribe(lambda each: again.release() if each.name == "fault.again" else None)
        kill_sidecar(made)
        for _ in leases:
            assert again.acquire(timeout=DEADLINE)
        assert [each.trouble for each in leases] == [None] * len(leases)
        assert without_numbers(server.state()) == in_force
        kill_sidecar(made)
        made.faults.heal()
        server.wait_for(before)
        lease = board.apply(OUTLIVING[0])
        kill_sidecar(made)
        lease.heal()
        server.wait_for(before)


def kill_sidecar(made: Lab) -> None:
    """Nanny and agent at once; the engine starts nothing that was killed by command."""
    (agent,) = docker("ps", "-q", "--filter", f"label={LAB}={made.name}", "--filter", "name=-server-agent$")
    docker("kill", "-s", "KILL", agent)


def docker(*words: str) -> list[str]:
    done = subprocess.run(["docker", *words], check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.split()


def without_numbers(state: list[str]) -> list[str]:
    """What is told of rules, routes and neighbours; the next agent's queues and links have other numbers."""
    told = {"nft -s list ruleset", "ip route show table all", "ip -6 route show table all"}
    told.add("ip neigh show nud permanent")
    parts = [part for command, part in zip(COMMANDS, state, strict=True) if command in told]
    return [re.sub(r"sl-ifb\d+", "sl-ifb", part) for part in parts]


class Churning:
    """Faults that come and go, by a controller that lives on whoever dies.

    Args:
        made: the lab.
        seed: of their order.
    """

    def __init__(self, made: Lab, seed: str) -> None:
        self.wrong: list[BaseException] = []
        self._lab = made
        self._draw = random.Random(seed)  # noqa: S311 - drawn again from its seed
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._churn)

    def _churn(self) -> None:
        in_force: list[FaultLease] = []
        try:
            while not self._over.is_set():
                with suppress(LabError):  # the agent is away
                    put_and_heal(self._lab, self._draw, in_force)
        except BaseException as error:  # noqa: BLE001 - the test fails with it
            self.wrong.append(error)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


@pytest.mark.parametrize("many", MANY)
def test_the_agent_is_killed_at_any_moment(backend: str, own: Callable[..., Lab], many: int) -> None:
    with own(hosts=["client", "server"]) as made:
        assert isinstance(made.faults, Board)
        made.server.faults.kinds()
        server = Inside(made.server)
        before = server.settled()
        for moment in range(MOMENTS[backend][many]):
            draw = random.Random(f"{SEED}.agent.{backend}.{moment}")  # noqa: S311 - drawn again from its seed
            wait, linger = draw.uniform(0, 0.2), draw.choice((0, 0.3))
            whole = backend == "docker" and moment % 2
            told = f"seed {SEED}, moment {moment}: {wait * 1000:.1f} ms; {'sidecar' if whole else 'agent'}"
            made.faults.reach("server").agent()
            churning = Churning(made, told)
            with churning:
                time.sleep(wait)  # the moment itself: there is nothing to wait for
                if whole:
                    kill_sidecar(made)
                else:
                    os.kill(server.agent(), signal.SIGKILL)
                time.sleep(linger)
            assert churning.wrong == [], told
            made.faults.heal()
            assert made.faults.list() == (), told
            for name in made.hosts:
                assert made.faults.reach(name).agent().leases() == (), told
            server.wait_for(before)
