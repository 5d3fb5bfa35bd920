"""The agent's image by itself: one fault by hand on any container, and what a killed sidecar leaves."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from services.ports import ECHO
from socketlab.wire import Applied, Leases, Returned
from tests.docker.conftest import Hosts
from tests.docker.foreign import state_of
from tests.docker.lab import VERSION, Host, run
from tests.docker.test_calls import own_timer
from tests.docker.test_faults import CONNECTED, OTHER_PORT, connect, udp_echo

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]

IMAGE = f"socketlab/agent:{VERSION}"
BY_HAND = (
    *("--cap-drop", "ALL", "--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW"),
    *("--read-only", "--security-opt", "no-new-privileges"),
)
"""As docs/attach.md has it: no tmpfs, no volume, no init."""
SECONDS = 15.0


def within(seconds: float, what: Callable[[], bool]) -> bool:
    """Whether it comes true in time."""
    until = time.monotonic() + seconds
    while not (true := what()) and time.monotonic() < until:
        time.sleep(0.1)
    return true


def id_of(host: Host) -> str:
    """Its container's id."""
    return str(host.container.get_wrapped_container().id)


@contextmanager
def by_hand(host: Host, labels: dict[str, str], *words: str) -> Iterator["subprocess.Popen[str]"]:
    """`docker run --network container:HOST ... socketlab-fault WORDS`, once it has said what it applied."""
    tags = [part for key, value in labels.items() for part in ("--label", f"{key}={value}")]
    argv = ["docker", "run", "--rm", "--network", f"container:{id_of(host)}", *BY_HAND, *tags, IMAGE]
    with subprocess.Popen(
        [*argv, "socketlab-fault", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(SECONDS)


def test_one_fault_by_hand_on_any_container(hosts: Hosts, labels: dict[str, str]) -> None:
    host = hosts.bystander  # it has no agent
    before = state_of(id_of(host))
    drop = ("add", "drop", "--port", str(ECHO), "--peer", hosts.server.addresses["ipv4"], "--for", "4s")
    with by_hand(host, labels, *drop) as process:
        assert own_timer(udp_echo(host, "ipv4", timeout="1"))
        assert connect(host, "ipv4", OTHER_PORT).result == CONNECTED, "another port"
        assert udp_echo(host, "ipv6").result == Returned(b"x"), "another address"
        assert udp_echo(hosts.client, "ipv4").result == Returned(b"x"), "another host"
        assert process.wait(30) == 0, "its time was up"
    assert udp_echo(host, "ipv4").result == Returned(b"x"), "healed"
    assert state_of(id_of(host)) == before


def test_ctrl_c_heals_a_fault_by_hand(hosts: Hosts, labels: dict[str, str]) -> None:
    host = hosts.bystander
    before = state_of(id_of(host))
    with by_hand(host, labels, "add", "route", "unreachable", hosts.server.addresses["ipv4"]) as process:
        assert state_of(id_of(host)) != before
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0
    assert state_of(id_of(host)) == before


def test_nonsense_by_hand_is_told_and_nothing_stays(hosts: Hosts) -> None:
    host = hosts.bystander
    before = state_of(id_of(host))
    argv = ["docker", "run", "--rm", "--network", f"container:{id_of(host)}", *BY_HAND, IMAGE]
    done = subprocess.run(
        [*argv, "socketlab-fault", "add", "drop", "--port", "99999"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "99999" in done.stderr
    assert "Traceback" not in done.stderr
    assert state_of(id_of(host)) == before


@pytest.mark.parametrize(
    "without",
    ["owner", pytest.param("owner,queue,compat,reject", marks=pytest.mark.full)],
)
def test_fallbacks_work_in_the_image(hosts: Hosts, labels: dict[str, str], without: str) -> None:
    """Not owning a table, or without nf_tables' own parts, the image has what is used instead."""
    host = hosts.bystander
    before = state_of(id_of(host))
    words = ("--port", str(ECHO), "--proto", "udp", "--without", without, "--for", "60s")
    with by_hand(host, labels, "run", "drop", *words):
        assert own_timer(udp_echo(host, "ipv4", timeout="1"))
        assert connect(host, "ipv4").result == CONNECTED, "the other protocol"
    assert udp_echo(host, "ipv4").result == Returned(b"x"), "healed"
    assert state_of(id_of(host)) == before


@pytest.fixture(scope="module")
def third(hosts: Hosts) -> Host:
    """A host whose agent is killed here."""
    return hosts.lab.with_agent(hosts.lab.caller("third", 23))


def kill_sidecar(host: Host) -> None:
    """Nanny and agent at once; the engine starts nothing that was killed by command."""
    assert host.agent is not None
    container = host.agent.get_wrapped_container()
    container.kill("KILL")
    container.wait()


def start_sidecar(host: Host) -> None:
    """The next agent of that namespace; returns when it answers."""
    assert host.agent is not None
    host.agent.get_wrapped_container().start()
    agent = host.agent
    assert within(SECONDS, lambda: run(agent, "socketlab-fault", "list")[0] == 0)


def test_the_next_agent_clears_what_a_killed_sidecar_left(hosts: Hosts, third: Host) -> None:
    before = state_of(id_of(third))
    network = hosts.lab.network("ipv4", 224)
    third.fault("add", "route", "unreachable", network, "--for", "2s")
    third.fault("add", "throttle", "1mbit", "--for", "2s")
    kill_sidecar(third)
    left = state_of(id_of(third))
    assert network in left
    assert "tbf" in left or "htb" in left
    time.sleep(2)  # their time is up while nobody is there to see to it
    start_sidecar(third)
    assert third.fault("list") == [Leases(1, ())]
    assert state_of(id_of(third)) == before


def test_what_an_agent_holds_itself_comes_back_after_a_killed_sidecar(hosts: Hosts, third: Host) -> None:
    before = state_of(id_of(third))
    network = hosts.lab.network("ipv4", 224)
    (made,) = third.fault("add", "route", "unreachable", network, "--for", "60s")
    assert isinstance(made, Applied)
    kill_sidecar(third)
    start_sidecar(third)
    (listed,) = third.fault("list")
    assert isinstance(listed, Leases)
    (lease,) = listed.leases
    assert lease.fault == made.lease.fault
    assert 0 < (lease.seconds_left or 0) < 60, "with the time that it had left"
    third.fault("heal", "--all")
    assert state_of(id_of(third)) == before
