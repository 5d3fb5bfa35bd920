"""Hosts and agents that are killed, paused and restarted: what their peers see, and that nothing stays."""

import time
from collections.abc import Iterator

import docker.errors
import pytest

from services.ports import CHAT, DROPPED, ECHO
from socketlab.wire import Leases, Returned
from tests.docker.conftest import Hosts
from tests.docker.lab import HEALTH, Host, Lab, outcome, received, run
from tests.docker.test_calls import own_timer, raised

pytestmark = pytest.mark.docker

HEALED = 2.0
"""Seconds within which traffic flows again after an agent was killed."""
BACK = 30.0
"""Seconds, generous: the engine starts a container again after a pause that grows with each time."""


@pytest.fixture
def own(engine: None, labels: dict[str, str]) -> Iterator[Hosts]:  # noqa: ARG001 - asked for, not used
    """A lab of the test's own, to do to its hosts what it likes."""
    with Lab("lives", labels) as lab:
        server = lab.with_agent(lab.server(), f"drop --port {DROPPED} --proto tcp")
        client = lab.with_agent(lab.caller("client", 20), "route throw " + lab.network("ipv4", 224))
        yield Hosts(lab, server, client, client)


@pytest.fixture(params=["-4", "-6"], ids=["ipv4", "ipv6"])
def only(request: pytest.FixtureRequest) -> str:
    """Both families, one after the other."""
    return str(request.param)


def connects(host: Host, port: int = ECHO, timeout: str = "0.5") -> bool:
    """Whether a connection to the server can be made."""
    return host.call("connect", "tcp", "server", str(port), "-4", "--timeout", timeout).result == Returned(
        None
    )


def seconds_until_connected(host: Host, limit: float, port: int = ECHO) -> float:
    """How long it takes until a connection can be made; each try is one SYN or two, never a sleep."""
    started = time.monotonic()
    while not connects(host, port):
        assert time.monotonic() - started < limit, "no connection could be made"
    return time.monotonic() - started


def test_the_server_is_killed_in_mid_connection(own: Hosts, only: str) -> None:
    conversation = own.client.begin_once(
        "tcp", "server", str(ECHO), only, "--send", "x", "--hold", "--timeout", "20"
    )
    events = []
    for event in conversation:
        events.append(event)
        if event.outcome and event.outcome.result == Returned(b"x"):
            own.server.container.get_wrapped_container().kill("SIGKILL")
    assert outcome(events, "recv").result == Returned(b""), (
        "the kernel closed what the dead process held: FIN"
    )


def test_the_server_is_paused_in_mid_connection(own: Hosts, only: str) -> None:
    server = own.server.container.get_wrapped_container()
    conversation = own.client.begin_once(
        "tcp", "server", str(ECHO), only, "--send", "x", "--hold", "--timeout", "1.5"
    )
    events = []
    try:
        for event in conversation:
            events.append(event)
            if event.outcome and event.outcome.result == Returned(b"x"):
                server.pause()
                held = own.client.once("tcp", "server", str(ECHO), only, "--send", "y", "--timeout", "1")
                assert outcome(held, "connect").result == Returned(None), "its kernel answers for it"
                assert own_timer(outcome(held, "recv"))
    finally:
        server.unpause()
    assert own_timer(outcome(events, "recv")), "silence, neither FIN nor RST"
    assert (
        received(own.client.once("tcp", "server", str(ECHO), only, "--send", "z", "--timeout", "10")) == b"z"
    )


def test_an_agent_that_is_killed_leaves_no_fault(own: Hosts) -> None:
    assert own.server.agent is not None
    before = run(own.server.agent, "ip", "route")[1]
    own.server.fault("add", "drop", "--peer", "client", "--port", str(ECHO), "--proto", "tcp")
    assert not connects(own.client)
    own.server.agent.get_wrapped_container().kill("SIGKILL")
    assert seconds_until_connected(own.client, limit=BACK) < HEALED
    own.server.agent.get_wrapped_container().start()
    wait_for_agent(own.server)
    assert run(own.server.agent, "ip", "route")[1] == before


def test_what_a_killed_agent_held_is_undone_and_held_again_by_the_next(own: Hosts) -> None:
    """Routes outlive the process that made them: the nanny undoes them; the next agent holds them anew."""
    agent = own.client.agent
    assert agent is not None
    route = own.lab.network("ipv4", 200)
    target = own.lab.address("ipv4", 200)
    own.client.fault("add", "route", "unreachable", route)
    result = own.client.call("connect", "tcp", target, str(ECHO), "--timeout", "0.5")
    assert raised(result) == "EHOSTUNREACH"
    # The agent is the youngest process of its container: the nanny started it.
    code, _, err = run(agent, "python3", "-c", KILL_YOUNGEST)
    assert code == 0, err
    wait_for_agent(own.client)
    assert b" undone: " in agent.get_wrapped_container().logs()
    (leases,) = own.client.fault("list")
    assert isinstance(leases, Leases)
    assert [lease.holder for lease in leases.leases] == ["standing", "agent"]
    result = own.client.call("connect", "tcp", target, str(ECHO), "--timeout", "0.5")
    assert raised(result) == "EHOSTUNREACH"
    own.client.fault("heal", "--all")
    result = own.client.call("connect", "tcp", target, str(ECHO), "--timeout", "0.5")
    assert raised(result) != "EHOSTUNREACH", "there is one such route, and it is healed"


KILL_YOUNGEST = """
import os, signal
me = os.getpid()
def command(pid):
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read().split(b"\\0")
others = [pid for pid in os.listdir("/proc") if pid.isdigit() and int(pid) != me]
agents = [int(pid) for pid in others if b"services.agent" in command(pid)]
os.kill(max(agents), signal.SIGKILL)
"""


def wait_for_agent(host: Host) -> None:
    """Wait until the engine has started a host's agent again and it is ready."""
    assert host.agent is not None
    started = time.monotonic()
    while True:
        container = host.agent.get_wrapped_container()
        container.reload()
        # While the engine starts it again an exec is refused: the one answer there is to wait for is `ready`.
        if container.status == "running" and run_quietly(host, [*HEALTH, "@socketlab-agent"]) == 0:
            return
        assert time.monotonic() - started < BACK, container.logs().decode()


def run_quietly(host: Host, command: list[str]) -> int | None:
    """A command's exit code; None while the container is between two lives."""
    assert host.agent is not None
    try:
        return run(host.agent, *command)[0]
    except docker.errors.APIError:
        return None


def test_an_agent_follows_its_host(own: Hosts) -> None:
    """After a restart of the host its old namespace is dead; the agent comes back in the new one."""
    server = own.server.container.get_wrapped_container()
    own.server.fault("add", "drop", "--port", str(ECHO), "--proto", "tcp")
    server.restart(timeout=3)
    seconds_until_connected(own.client, BACK, CHAT)
    wait_for_agent(own.server)
    assert not connects(own.client, DROPPED), "the standing fault is in force again"
    assert not connects(own.client), "and so is the other one, which nobody has healed"
    own.server.fault("heal", "--all")
    assert connects(own.client), "and it takes commands"
