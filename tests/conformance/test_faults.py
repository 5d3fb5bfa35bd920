"""Faults from Python, on every backend: they bite what they shall, are counted, come back with a host."""

import errno
import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from socketlab.errors import AgentError, EndedError, FaultsError, SpecError
from socketlab.faults import (
    at_most,
    delay,
    disconnect,
    dns,
    drop,
    every,
    first,
    hold,
    kill,
    link,
    nth,
    partition,
    pause,
    reject,
    restart,
    route,
    stop_process,
)
from socketlab.faults.board import Board
from socketlab.hosts.host import Host
from socketlab.hosts.lab import Lab
from tests.conformance.places import DEADLINE, Family, Talk
from tests.conformance.test_actions import answers, silent

if TYPE_CHECKING:
    from socketlab.faults.watching import Told

ROOT = Path(__file__).parents[2]
CLOCKS_NS = 2_000_000
"""How far the turning of one clock into another may be off on a busy machine."""

SHORT_IN_NAMESPACES = [
    pytest.param("namespace"),
    pytest.param("docker", marks=(pytest.mark.docker, pytest.mark.full)),
]
"""Of what takes long between containers."""


def eventually(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def echo(
    near: Host, family: Family, address: tuple[str, int], data: bytes, seconds: float = 0.3
) -> bytes | None:
    """What comes back for one datagram."""
    with near.socket(family.number, socket.SOCK_DGRAM) as sock:
        sock.settimeout(seconds)
        sock.connect(address)
        sock.send(data)
        try:
            received: bytes = sock.recv(100)
        except TimeoutError:
            return None
        return received


def test_the_first_syn_is_dropped_and_not_the_second(talk: Talk) -> None:
    at = talk.listener().getsockname()
    fault = drop(peer=talk.client, port=at[1], proto="tcp", flags="SYN", which=first(1))
    with talk.server.faults.apply(fault) as lease:
        began = time.monotonic()
        near = talk.tcp()
        near.settimeout(DEADLINE)
        near.connect(at[:2])
        assert time.monotonic() - began >= 0.95  # at the second SYN
        assert (lease.bitten, lease.seen) == (1, 2)
        assert [each.id for each in talk.server.faults.list()] == [lease.id]
    assert not lease.in_force
    assert (lease.bitten, lease.seen) == (1, 2)
    assert talk.server.faults.list() == ()


def test_only_the_pair_that_was_asked_for_feels_it(talk: Talk) -> None:
    at = talk.listener().getsockname()[:2]
    other = talk.listener().getsockname()[:2]
    with talk.server.faults.apply(drop(peer=talk.client, port=at[1])):
        assert silent(talk.client, talk.family, at)
        assert not silent(talk.lab.third, talk.family, at)
        assert not silent(talk.client, talk.family, other)
    assert not silent(talk.client, talk.family, at)


def test_a_refusal_reaches_the_caller_as_its_errno(talk: Talk) -> None:
    at = talk.listener().getsockname()[:2]
    is_four = talk.family.number == socket.AF_INET
    fault = reject("icmp-host" if is_four else "icmp6-addr", peer=talk.client, port=at[1])
    with talk.server.faults.apply(fault):
        near = talk.tcp()
        near.settimeout(DEADLINE)
        began = time.monotonic()
        with pytest.raises(OSError, match="route") as raised:
            near.connect(at)
        assert raised.value.errno == errno.EHOSTUNREACH
        assert time.monotonic() - began < 0.9, "it was felt at the second SYN only"


def test_faults_stack_and_are_healed_in_any_order(talk: Talk) -> None:
    far = talk.udp(talk.server, bound=True)
    at = far.getsockname()[:2]
    board = talk.server.faults
    near = talk.udp()
    near.connect(at)
    second = board.apply(drop(peer=talk.client, port=at[1], which=nth(2)))
    late = board.apply(delay(0.05, peer=talk.client, port=at[1]))
    assert [each.id for each in board.list()] == [second.id, late.id]
    for number in range(1, 4):
        near.send(b"%d" % number)
    far.settimeout(DEADLINE)
    assert [far.recv(10), far.recv(10)] == [b"1", b"3"]
    assert (second.bitten, late.bitten) == (1, 2)
    assert [(each.ordinal, each.action) for each in late.log] == [(1, "delayed"), (2, "delayed")]
    second.heal()
    near.send(b"4")
    assert far.recv(10) == b"4"
    assert late.bitten == 3
    late.heal()
    late.heal()
    assert [each.ordinal for each in late.log] == [1, 2, 3]


def test_held_packets_go_one_by_one_in_any_order(talk: Talk) -> None:
    far = talk.udp(talk.server, bound=True)
    far.settimeout(DEADLINE)
    near = talk.udp()
    near.connect(far.getsockname()[:2])
    with talk.server.faults.apply(hold(peer=talk.client, port=far.getsockname()[1])) as lease:
        for data in (b"one", b"two", b"three", b"four"):
            near.send(data)
        eventually(lambda: len(lease.held()) == 4)
        one, two, three, _four = (each.number for each in lease.held())
        lease.release(three)
        assert far.recv(10) == b"three"
        assert len(lease.duplicate(one)) == 2
        assert [far.recv(10), far.recv(10)] == [b"one", b"one"]
        assert len(lease.drop(two)) == 1
        with pytest.raises(AgentError):
            lease.release(two)
    assert far.recv(10) == b"four"  # what is held goes on when it is healed
    with pytest.raises(FaultsError, match="has been healed"):
        lease.held()


def test_a_partition_separates_groups_and_nobody_else(demo: Lab, family: Family) -> None:
    services = [host.serve(transport="both") for host in (demo.client, demo.server)]
    hosts = {"client": demo.client, "server": demo.server}
    with demo.faults.apply(partition([demo.client], ["server"])) as lease:
        assert set(lease.hosts) == {"client", "server"}
        for here, there in (("client", "server"), ("server", "client")):
            at = family.of(hosts[there]), 7000
            assert silent(hosts[here], family, at)
            assert echo(hosts[here], family, at, b"x") is None
            assert not silent(demo.third, family, at)
            assert echo(demo.third, family, at, b"x", DEADLINE) == b"x"
        assert lease.bitten
        assert demo.third.faults.list() == ()
        assert [each.id for each in demo.client.faults.list()] == [lease.id]
    assert not silent(demo.client, family, (family.of(demo.server), 7000))
    for service in services:
        service.end(0)


def test_one_way_a_partition_lets_the_other_way_pass(demo: Lab, family: Family) -> None:
    near, far = (host.socket(family.number, socket.SOCK_DGRAM) for host in (demo.client, demo.server))
    with near, far, demo.faults.apply(partition([demo.client], [demo.server], one_way=True)):
        near.bind((family.of(demo.client), 0))
        far.bind((family.of(demo.server), 0))
        for sock in (near, far):
            sock.settimeout(0.3)
        near.sendto(b"there", far.getsockname()[:2])
        with pytest.raises(TimeoutError):
            far.recv(10)
        far.sendto(b"back", near.getsockname()[:2])
        assert near.recv(10) == b"back"


def test_its_time_is_up_and_the_last_count_is_known(talk: Talk) -> None:
    at = talk.listener().getsockname()[:2]
    lease = talk.server.faults.apply(drop(peer=talk.client, port=at[1]), seconds=0.6)
    assert lease.seconds_left is not None
    assert 0 < lease.seconds_left <= 0.6
    assert silent(talk.client, talk.family, at)
    eventually(lambda: not lease.in_force)
    assert lease.bitten is not None
    assert lease.bitten >= 1
    assert answers(talk.client, talk.family, at)


def test_a_lease_is_told_and_watched(demo: Lab) -> None:
    board = demo.faults
    assert isinstance(board, Board)
    told: list[Told] = []
    end = board.watch(told.append)
    with (
        demo.server.socket(type=socket.SOCK_DGRAM) as far,
        demo.client.socket(type=socket.SOCK_DGRAM) as near,
    ):
        far.bind((demo.server.address, 0))
        at = far.getsockname()
        with demo.server.faults.apply(delay(0.01, peer=demo.client, port=at[1])) as lease:
            near.sendto(b"x", at)
            eventually(lambda: any(each.log for each in told))
    end()
    logged = next(each for each in told if each.log)
    assert logged.host == "server"
    assert logged.log[0][0] == lease.id
    assert [each.leases for each in told if each.leases is not None][-1] == ()
    names = [each.name for each in demo.events if each.name.startswith("fault.")]
    assert names[-2:] == ["fault.applied", "fault.healed"]


def test_everything_captured_is_on_one_clock_and_says_what_bit_it(demo: Lab, tmp_path: Path) -> None:
    with (
        demo.server.socket(type=socket.SOCK_DGRAM) as far,
        demo.client.socket(type=socket.SOCK_DGRAM) as near,
    ):
        far.bind((demo.server.address, 0))
        far.settimeout(DEADLINE)
        at = far.getsockname()
        with demo.faults.capture(tmp_path) as capture:
            chosen = every(2) & at_most(1)
            with (
                demo.server.faults.apply(drop(peer=demo.client, port=at[1], which=chosen)) as gone,
                demo.server.faults.apply(delay(0.02, peer=demo.client, port=at[1], payload="four")) as late,
            ):
                for data in (b"one", b"two", b"three", b"four"):
                    near.sendto(data, at)
                assert [far.recv(10) for _ in range(3)] == [b"one", b"three", b"four"]
        ours = [
            (host, frame) for host, frame in capture.frames if frame.data.endswith((b"one", b"two", b"four"))
        ]
    assert [frame.data[-3:] for frame in gone.packets] == [b"two"]
    assert [frame.data[-4:] for frame in late.packets] == [b"four"]
    assert len(ours) == 6  # each at both ends
    # What is known of a host's clock has an error; the busier the machine was then, the larger.
    apart = CLOCKS_NS + sum(host.actor.offset_error_ns for host in (demo.client, demo.server))
    sent = [frame for host, frame in ours if host == "client" and frame.outgoing]
    assert len(sent) == 3
    for frame in sent:
        arrived = next(each for host, each in ours if host == "server" and each.data == frame.data)
        assert frame.at_ns <= arrived.at_ns + apart
    assert capture.missing == 0
    (file,) = tmp_path.iterdir()
    assert f"lease {gone.id}: drop".encode() in file.read_bytes()


@pytest.mark.parametrize(
    ("answer", "felt"),
    [
        ("nxdomain", {socket.EAI_NONAME}),
        ("nodata", {socket.EAI_NODATA, socket.EAI_NONAME}),
        ("servfail", {socket.EAI_AGAIN}),
        ("refused", {socket.EAI_AGAIN}),
        ("silence", {socket.EAI_AGAIN}),
    ],
)
def test_a_names_answer_is_another_one_until_it_is_healed(named: Lab, answer: str, felt: set[int]) -> None:
    with named.faults.apply(dns("www.lab.test", answer)) as lease:  # type: ignore[arg-type] # it is one of them
        with pytest.raises(socket.gaierror) as raised:
            named.client.getaddrinfo("www.lab.test", 80)
        assert raised.value.errno in felt
        assert lease.bitten
        assert named.client.getaddrinfo("three.lab.test", 80)
    assert named.client.getaddrinfo("www.lab.test", 80)


def test_a_name_is_slow_or_leads_elsewhere(named: Lab) -> None:
    with named.faults.apply(dns("www.lab.test", "slow", seconds=0.3)):
        began = time.monotonic()
        assert named.client.getaddrinfo("www.lab.test", 80)
        assert time.monotonic() - began >= 0.3
    with named.faults.apply(dns("www.lab.test", "address", named.client)):
        found = named.server.getaddrinfo("www.lab.test", 80, socket.AF_INET)
        assert {each[4][0] for each in found} == {named.client.address}
    found = named.server.getaddrinfo("www.lab.test", 80, socket.AF_INET)
    assert {each[4][0] for each in found} == {named.server.address}


def test_names_that_nobody_asks_for_are_refused(named: Lab, demo: Lab) -> None:
    with pytest.raises(FaultsError, match=r"Did you mean www\.lab\.test"):
        named.faults.apply(dns("wwww.lab.test"))
    with pytest.raises(FaultsError, match="has no name server"):
        demo.faults.apply(dns("www.lab.test"))


@pytest.mark.parametrize("backend", SHORT_IN_NAMESPACES, indirect=True)
def test_what_is_done_to_a_host_is_undone(own: Callable[..., Lab]) -> None:
    with own(hosts=["client", "server"]) as made:
        server = made.server
        service = server.serve()
        with server.faults.apply(pause()):
            assert state(server) == "paused"
        assert state(server) == "running"
        with server.faults.apply(stop_process("services.server")), made.client.socket() as near:
            near.settimeout(0.5)
            near.connect((server.address, 7000))
            near.send(b"x\n")
            with pytest.raises(TimeoutError):
                near.recv(10)
            assert server.run(["true"]).exit_code == 0
        with made.client.create_connection((server.address, 7000), DEADLINE) as near:
            near.send(b"x\n")
            assert near.recv(10) == b"x\n"
        with server.faults.apply(disconnect()), made.client.socket() as near:
            near.settimeout(0.3)
            with pytest.raises(OSError):  # noqa: PT011 - silence, or no way to it
                near.connect((server.address, 7000))
        service.end(0)
        dropping = server.faults.apply(drop(peer=made.client, port=7000))
        with server.faults.apply(kill()):
            assert state(server) == "stopped"
        assert state(server) == "running"
        server.serve()
        with made.client.socket() as near:
            near.settimeout(0.4)
            with pytest.raises(TimeoutError):
                near.connect((server.address, 7000))
        assert dropping.bitten
        assert dropping.trouble is None
        lease = server.faults.apply(restart(0.3))
        assert state(server) == "stopped"
        eventually(lambda: state(server) == "running")
        eventually(lambda: not lease.in_force)
        with pytest.raises(FaultsError, match="no process on server"):
            server.faults.apply(stop_process("nobody at all"))
        made.faults.heal()
        assert made.faults.list() == ()


def state(host: Host) -> str:
    """How a host stands: mypy believes that what was compared once stays so."""
    return host.state


def test_nothing_is_half_in_force(demo: Lab) -> None:
    taken = demo.third.faults.apply(route("unreachable", "192.0.2.0/24"))
    with taken, pytest.raises(AgentError):
        demo.third.faults.apply(route("prohibit", "192.0.2.0/24"))
    with pytest.raises(SpecError, match="Did you mean server"):
        demo.faults.apply(partition(["client", "third"], ["servr"]))
    with pytest.raises(SpecError, match="Did you mean client"):
        demo.server.faults.apply(drop(peer="cliant"))
    with pytest.raises(SpecError, match="on which host"):
        demo.faults.apply(drop())
    with pytest.raises(SpecError, match="fault of the whole lab"):
        demo.faults.apply(partition(["client"], ["server"]), on="client")
    with pytest.raises(FaultsError, match="no fault '99999' is in force"):
        demo.server.faults.heal("99999")
    for host in demo.hosts.values():
        assert host.faults.list() == ()


def test_a_lease_ends_with_its_lab_and_needs_an_open_one(own: Callable[..., Lab]) -> None:
    with own(hosts=["client", "server"]) as made:
        lease = made.server.faults.apply(drop(peer=made.client))
        handle = made.faults
    assert not lease.in_force
    lease.heal()
    with pytest.raises(EndedError, match="is closed"):
        handle.apply(drop(), on="server")


HOLDING = """
    import sys, time
    from socketlab.faults import delay, drop, partition
    from socketlab.holder.attached import attach

    with attach(sys.argv[1]) as lab:
        lab.server.faults.apply(drop(peer="client", port=7000))
        lab.client.faults.apply(delay(0.01))
        print("held", flush=True)
        time.sleep(60)
"""


def test_faults_are_healed_when_their_holder_is_killed(namespaces: str, tmp_path: Path) -> None:
    """Another process holds faults in a lab that is not its own, and dies by SIGKILL."""
    environ = {"XDG_RUNTIME_DIR": str(tmp_path), "SOCKETLAB_BACKEND": namespaces}
    command = [sys.executable, "-m", "socketlab"]
    variables = {**os.environ, **environ}
    name = f"held-{os.getpid()}"
    subprocess.run(
        [*command, "up", name, "--backend", namespaces],
        check=True,
        cwd=ROOT,
        env=variables,
        timeout=60,
    )
    try:
        holder = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(HOLDING), name],
            cwd=ROOT,
            env=variables,
            stdout=subprocess.PIPE,
        )
        with holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            holder.kill()
        killed = time.monotonic()
        listing = [sys.executable, "-c", textwrap.dedent(LISTING), name]
        found = subprocess.run(listing, cwd=ROOT, env=variables, capture_output=True, timeout=60, check=True)
        assert found.stdout.strip() == b"0"
        assert time.monotonic() - killed < DEADLINE
    finally:
        subprocess.run([*command, "down", name], check=True, cwd=ROOT, env=variables, timeout=60)


LISTING = """
    import sys, time
    from socketlab.holder.attached import attach

    with attach(sys.argv[1]) as lab:
        agents = [lab.faults.reach(name).agent() for name in lab.hosts]
        until = time.monotonic() + 2
        while any(agent.leases() for agent in agents) and time.monotonic() < until:
            time.sleep(0.01)
        print(sum(len(agent.leases()) for agent in agents))
"""


@pytest.mark.parametrize("backend", SHORT_IN_NAMESPACES, indirect=True)
def test_an_agent_that_dies_is_followed_by_one_with_the_same_faults(own: Callable[..., Lab]) -> None:
    with own(hosts=["client", "server"]) as made:
        server = made.server
        server.serve()
        lease = server.faults.apply(drop(peer=made.client, port=7000))
        board = made.faults
        assert isinstance(board, Board)
        again = threading.Event()
        made.subscribe(lambda each: again.set() if each.name == "fault.again" else None)
        board.reach("server").agent()._stream.close()  # noqa: SLF001 - as when the engine loses it
        assert again.wait(DEADLINE)
        with made.client.socket() as near:
            near.settimeout(0.4)
            with pytest.raises(TimeoutError):
                near.connect((server.address, 7000))
        assert lease.bitten
        assert lease.in_force
        with server.faults.apply(link()), server.socket() as near:
            with pytest.raises(OSError) as raised:  # noqa: PT011 - its errno is what counts
                near.connect((made.client.address, 7000))
            assert raised.value.errno == errno.ENETUNREACH
