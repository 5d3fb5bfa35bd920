"""`socketlab-fault`, as it is typed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from socketlab.wire import Applied, Drop, Failure, HeldPackets, KindList, Leases, LogPage, Match, decode
from tests.namespace.agent.lab import CLIENT, ROOT, SECONDS, Agent, Lab

STANDING = "drop --port 7001 --proto tcp"


@pytest.fixture
def agent(lab: Lab) -> Agent:
    return lab.agent(lab.server, STANDING).ready()


def test_add_list_heal(lab: Lab, agent: Agent) -> None:
    words = f"drop --peer {CLIENT['ipv4']} --port 7000 --proto tcp"
    added = agent.command("add", *words.split())
    assert added.returncode == 0, added.stderr
    assert added.stdout.splitlines() == [
        f"f2 in force (until healed): {words}",
        "To heal it: socketlab-fault heal f2",
    ]
    timed = agent.command("add", "route", "throw", "10.98.0.224/27", "--for", "2m")
    assert timed.stdout == "f3 in force (120.0 s): route throw 10.98.0.224/27\n"
    assert lab.connect("ipv4", timeout=0.3) == "timeout"
    heading, standing, held, route = agent.command("list").stdout.splitlines()
    assert heading.split() == ["id", "what", "bitten", "time", "left"]
    assert standing.split() == ["f1", *STANDING.split(), "0", "standing"]
    assert held.split()[:-3] == ["f2", *words.split()]
    assert int(held.split()[-3]) >= 1
    assert held.endswith("  until healed")
    assert route.split()[:5] == ["f3", "route", "throw", "10.98.0.224/27", "-"]
    healed = agent.command("heal", "--all").stdout
    assert "f2 healed" in healed
    assert "f3 healed" in healed
    assert "f1" not in healed
    assert "standing ones, which stay" in agent.command("heal", "--all").stdout
    assert "returns when the agent is started again" in agent.command("heal", "f1").stdout
    assert agent.command("list").stdout == "no fault is in force\n"


def test_what_is_listed_can_be_typed(agent: Agent) -> None:
    words = ["drop", "--payload", r"GET /\x0d\x0a 'x'", "--flags", "SYN,!ACK", "--nth", "3"]
    words += ["--probability", "0.5", "--seed", "7"]
    assert agent.command("add", *words).returncode == 0
    assert agent.command("add", "loss", "30%", "--port", "7000-7009").returncode == 0
    by_hand, drawn = agent.leases()[1:]
    assert by_hand.fault.kind == "drop"
    for lease in (by_hand, drawn):
        shown = agent.command("list").stdout.splitlines()
        line = next(each for each in shown if each.startswith(f"{lease.id} "))
        typed = line.removeprefix(f"{lease.id} ").rsplit("  ", 2)[0].strip()
        again = subprocess.run(
            [
                "sh",
                "-c",
                f"exec {sys.executable} -m services.agent.command add {typed} --run-dir {agent.folder}",
            ],
            check=True,
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=SECONDS,
        )
        assert again.returncode == 0
        assert agent.leases()[-1].fault == lease.fault


def test_json_is_the_wire(agent: Agent) -> None:
    added = decode(agent.command("add", "drop", "--port", "9", "--proto", "udp", "--json").stdout.encode())
    assert isinstance(added, Applied)
    assert added.lease.fault == Drop(Match(port=9, proto="udp"))
    listed = decode(agent.command("list", "--json").stdout.encode())
    assert isinstance(listed, Leases)
    assert [lease.holder for lease in listed.leases] == ["standing", "agent"]
    assert isinstance(decode(agent.command("kinds", "--json").stdout.encode()), KindList)
    assert isinstance(decode(agent.command("held", "--json").stdout.encode()), HeldPackets)
    assert isinstance(decode(agent.command("log", "--json").stdout.encode()), LogPage)
    failed = agent.command("heal", "f99", "--json")
    failure = decode(failed.stdout.encode())
    assert isinstance(failure, Failure)
    assert failure.code == "agent.unknown-lease"
    assert failed.returncode == 1
    assert "there are: f1 f2" in failed.stderr


def test_kinds_say_what_a_call_gets(agent: Agent) -> None:
    shown = agent.command("kinds").stdout
    assert "reject icmp-host  (" in shown
    assert "    TCP connect: EHOSTUNREACH, as soon as the answer is there" in shown
    assert all(len(line) < 80 for line in shown.splitlines())
    assert agent.command("kinds", "mtu").stdout.startswith("mtu  (")
    assert agent.leases()[1:] == (), "what is tried is taken out again"


def test_packets_are_stepped_one_by_one(lab: Lab, agent: Agent) -> None:
    assert agent.command("add", "hold", "--port", "7000", "--proto", "udp").returncode == 0
    assert agent.command("held").stdout == "no packet waits\n"
    receiver = lab.datagrams["ipv4", 7000]
    receiver.settimeout(SECONDS)
    sender = lab.open(lab.client, "ipv4", 2)
    sender.bind((CLIENT["ipv4"], 4711))
    address = receiver.getsockname()
    for data in (b"one", b"two", b"three"):
        sender.sendto(data, address)
    heading, *rows = agent.command("held").stdout.splitlines()
    assert heading.split() == ["packet", "by", "waits", "bytes", "what"]
    numbers = [row.split()[0] for row in rows]
    assert len(numbers) == 3
    assert all(f"{CLIENT['ipv4']}:4711" in row for row in rows)
    left = agent.command("step", numbers[2]).stdout
    assert receiver.recv(10) == b"three"
    assert len(left.splitlines()) == 3
    assert agent.command("step", numbers[0], "--drop").returncode == 0
    assert agent.command("step", numbers[1], "--duplicate").stdout == "no packet waits\n"
    assert [receiver.recv(10), receiver.recv(10)] == [b"two", b"two"]
    unknown = agent.command("step", "9999")
    assert unknown.returncode == 1
    assert "9999" in unknown.stderr
    actions = [line.split()[5] for line in agent.command("log").stdout.splitlines()]
    assert actions.count("held") == 3
    assert {"released", "dropped", "duplicated"} <= set(actions)
    assert agent.command("log", "f1").stdout == ""
    last = agent.command("log", "f2").stdout.splitlines()[-1].split()[0]
    assert agent.command("log", "--after", last).stdout == ""


@contextmanager
def watching(agent: Agent, *words: str) -> Iterator[subprocess.Popen[str]]:
    """`socketlab-fault watch`, which has said its first line."""
    program = [
        sys.executable,
        "-m",
        "services.agent.command",
        "watch",
        "--run-dir",
        str(agent.folder),
        *words,
    ]
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line_with(process: subprocess.Popen[str], what: str) -> str:
    """The next line that holds a text; a watch that never says it ends with the test's own timeout."""
    assert process.stdout is not None
    for line in process.stdout:
        if what in line:
            return line
    raise AssertionError(what)


def test_what_happens_is_told_as_it_happens(lab: Lab, agent: Agent) -> None:
    with watching(agent) as process:
        assert "Ctrl-C" in line_with(process, "watching")
        assert "standing" in line_with(process, "f1 in force")
        agent.command("add", "drop", "--port", "7000", "--proto", "tcp")
        line_with(process, "f2 in force (until healed): drop --port 7000 --proto tcp")
        assert lab.connect("ipv4", timeout=0.2) == "timeout"
        line_with(process, "f2 bitten: ")
        agent.command("heal", "f2")
        assert "drop --port 7000" in line_with(process, "f2 gone: ")
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 130


def test_a_watch_ends_with_its_agent(agent: Agent) -> None:
    with watching(agent, "--json") as process:
        assert process.stdout is not None
        assert isinstance(decode(process.stdout.readline().encode()), Leases)
        agent.process.terminate()
        assert process.wait(SECONDS) == 4
        assert process.stderr is not None
        assert "it hung up" in process.stderr.read()


def test_what_the_agent_refuses(agent: Agent) -> None:
    for words in ("heal f99", "log f99", "held f99"):
        result = agent.command(*words.split())
        assert result.returncode == 1
        assert "there are: f1" in result.stderr
        assert result.stdout == ""
        assert "Traceback" not in result.stderr


def test_in_spanish(agent: Agent) -> None:
    assert "permanente" in agent.command("list", lang="es_ES.UTF-8").stdout
    refused = agent.command("heal", "f99", lang="es_ES.UTF-8")
    assert "no hay ningún fallo" in refused.stderr
    assert "sin respuesta" in agent.command("kinds", "drop", lang="es_ES.UTF-8").stdout
    assert agent.command("--help", lang="es_ES").stdout.isascii()


def test_without_an_agent(lab: Lab, agent: Agent) -> None:
    agent.process.terminate()
    assert agent.ended() == 0
    for command in ("list", "kinds", "log", "watch", "heal f1"):
        missing = agent.command(*command.split())
        assert missing.returncode == 4
        assert "no agent answers" in missing.stderr
    assert "Traceback" in agent.command("list", "--debug").stderr
    assert lab.connect("ipv4", 7001) == "connected"
