"""Whoever connects to the command socket, and whatever they send, the agent serves the others."""

import json
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from services.agent.asking import AgentError
from services.agent.clients import MAX_CLIENTS
from services.agent.kinds import EXAMPLES
from services.agent.meeting import MAX_ADDRESSES, MAX_LEASES
from socketlab.wire import Drop, Failure, Leases, List, Match, decode, encode
from tests.namespace.agent.lab import SECONDS, Agent, Host

LIST = encode(List(7))
WIDE = 4


@pytest.fixture(scope="module")
def agent(namespaces: None) -> Iterator[Agent]:  # noqa: ARG001 - a fixture of a fixture
    """One agent for all: each test leaves it as it was, or shows that it does not."""
    host = Host()
    agent = Agent(host)
    try:
        host.run("ip", "link", "add", "eth0", "type", "veth")
        yield agent.ready()
    finally:
        agent.close()
        host.close()


def connection(agent: Agent) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.connect(str(agent.folder / "agent.sock"))
    made.settimeout(SECONDS)
    return made


def everything(client: socket.socket) -> bytes:
    """What it is sent until the agent hangs up."""
    received = bytearray()
    while data := client.recv(1 << 16):
        received += data
    return bytes(received)


def assert_served(agent: Agent) -> None:
    assert agent.leases() == ()
    assert agent.process.poll() is None


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"\n", "wire-json"),
        (b"\xff\xfe\n", "wire-json"),
        (b"GET / HTTP/1.1\n", "wire-json"),
        (b"[" * 1000 + b"\n", "wire-depth"),
        (b'{"v":2,"type":"list","id":1}\n', "wire-version"),
        (b'{"v":1,"type":"list"}\n', "wire-missing"),
        (b'{"v":1,"type":"ready","who":"me"}\n', "agent.no-request"),
        (b'{"v":1,"type":"heal","id":1,"lease":"f999"}\n', "agent.unknown-lease"),
        (b'{"v":1,"type":"log","id":1,"lease":"f999"}\n', "agent.unknown-lease"),
        (b'{"v":1,"type":"held","id":1,"lease":"f999"}\n', "agent.unknown-lease"),
        (b'{"v":1,"type":"advance","id":1,"packet":1}\n', "emulator.not-held"),
        (b'{"v":1,"type":"watch","id":1}\n', "agent.watch-nothing"),
        (b'{"v":1,"type":"unwatch","id":1,"watch":2}\n', "agent.unknown-watch"),
        (b'{"v":1,"type":"probe","id":1,"do":"read","port":40000}\n', "agent.probe-unknown"),
        (b'{"v":1,"type":"probe","id":1,"do":"open","port":0}\n', "agent.probe-port"),
        (
            b'{"v":1,"type":"probe","id":1,"do":"open","port":40000,"lease":"f999"}\n',
            "agent.unknown-lease",
        ),
        (b'{"v":1,"type":"send","id":1,"packet":{"base64":""}}\n', "agent.packet"),
        (b'{"v":1,"type":"send","id":1,"packet":{"base64":"eHh4"}}\n', "agent.packet"),
        (
            b'{"v":1,"type":"add","id":1,"holder":"standing","fault":{"kind":"drop","match":{}}}\n',
            "agent.holder",
        ),
        (
            b'{"v":1,"type":"add","id":1,"fault":{"kind":"route","type":"throw","to":"x"}}\n',
            "fault-network",
        ),
    ],
)
def test_a_line_that_makes_no_sense(agent: Agent, line: bytes, code: str) -> None:
    with connection(agent) as client:
        client.sendall(line + LIST)
        answers = client.makefile("rb")
        failure = decode(answers.readline())
        assert isinstance(failure, Failure)
        assert failure.code == code
        assert decode(answers.readline()) == Leases(7, ())
    assert_served(agent)


def test_a_line_without_end(agent: Agent) -> None:
    with connection(agent) as client:
        client.sendall(b"x" * 6000)
        failure = decode(client.makefile("rb").readline())
        assert isinstance(failure, Failure)
        assert failure.code == "wire-line"
    assert_served(agent)


def test_random_bytes(agent: Agent) -> None:
    for size in (1, 100, 4096, 4097, 100_000):
        with connection(agent) as client:
            try:
                client.sendall(os.urandom(size))
            except OSError:  # it has hung up already
                continue
    assert_served(agent)


def test_a_request_in_pieces_and_half_closed(agent: Agent) -> None:
    with connection(agent) as client:
        for byte in LIST:
            client.sendall(bytes([byte]))
        client.sendall(LIST)
        client.shutdown(socket.SHUT_WR)
        assert everything(client).count(b"\n") == 2
    with connection(agent) as client:
        client.sendall(LIST[:-1])
        client.shutdown(socket.SHUT_WR)
        assert everything(client) == b""


def test_who_asks_and_does_not_read_holds_up_nobody(agent: Agent) -> None:
    with connection(agent) as client:
        client.settimeout(0.5)
        with pytest.raises(TimeoutError):
            client.sendall(LIST * 100_000)
        assert_served(agent)
    assert_served(agent)


def test_clients_that_stay_silent_make_room(agent: Agent) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(connection(agent)) for _ in range(2 * MAX_CLIENTS)]
        assert_served(agent)
        for client in silent[:MAX_CLIENTS]:
            assert client.recv(1) == b""
    assert_served(agent)


def test_the_socket_is_for_root_only(agent: Agent) -> None:
    assert stat.S_IMODE((agent.folder / "agent.sock").stat().st_mode) == 0o600


def test_bounds(agent: Agent) -> None:
    """As many faults as it holds, each as wide as it can be: listed in one answer, all healed."""
    before = agent.host.state()
    addresses = tuple(f"fd00:1234:5678:9abc:def0:1234:5678:{number:04x}" for number in range(MAX_ADDRESSES))
    widest = Drop(Match(peer="\N{SNOWMAN}" * 60, addresses=addresses, port=7000, proto="tcp"))
    few = Drop(Match(port=7000, proto="tcp"))
    for number in range(MAX_LEASES):
        agent.add(widest if number < WIDE else few)
    with pytest.raises(AgentError, match="at most 256 faults"):
        agent.add(few)
    assert len(agent.leases()) == MAX_LEASES
    assert len(agent.host.rules()) > WIDE * 2 * MAX_ADDRESSES + MAX_LEASES
    assert len(agent.heal()) == MAX_LEASES
    assert agent.host.state() == before
    too_many = Match(peer="x", addresses=tuple(f"10.0.0.{number}" for number in range(65)))
    with pytest.raises(AgentError, match="at most 64 addresses"):
        agent.add(Drop(too_many))
    for seconds in (0.0, -1.0, 1e9):
        with pytest.raises(AgentError, match="more than 0"):
            agent.add(few, seconds)
    assert_served(agent)


def test_kinds_leave_nothing_behind(agent: Agent) -> None:
    before = agent.host.state()
    shown = json.loads(agent.command("kinds", "--json").stdout)
    assert [kind["name"] for kind in shown["kinds"]] == list(EXAMPLES)
    assert all(kind["by"] for kind in shown["kinds"])
    assert agent.host.state() == before
