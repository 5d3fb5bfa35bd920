"""`socketlab-fault`, as it is typed."""

import pytest

from socketlab.wire import Applied, Drop, Failure, KindList, Leases, Match, decode
from tests.namespace.agent.lab import CLIENT, Agent, Lab

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


def test_json_is_the_wire(agent: Agent) -> None:
    added = decode(agent.command("add", "drop", "--port", "9", "--proto", "udp", "--json").stdout.encode())
    assert isinstance(added, Applied)
    assert added.lease.fault == Drop(Match(port=9, proto="udp"))
    listed = decode(agent.command("list", "--json").stdout.encode())
    assert isinstance(listed, Leases)
    assert [lease.holder for lease in listed.leases] == ["standing", "agent"]
    assert isinstance(decode(agent.command("kinds", "--json").stdout.encode()), KindList)
    failed = agent.command("heal", "f99", "--json")
    failure = decode(failed.stdout.encode())
    assert isinstance(failure, Failure)
    assert failure.code == "agent.unknown-lease"
    assert failed.returncode == 1
    assert "there are: f1 f2" in failed.stderr


def test_kinds_say_what_a_call_gets(agent: Agent) -> None:
    shown = agent.command("kinds").stdout
    assert "reject icmp-host\n    TCP connect: EHOSTUNREACH. UDP: not reported" in shown
    assert all(len(line) < 80 for line in shown.splitlines())


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("add drop --port 7000", 2, "port 7000 of which protocol?"),
        ("add drop --prt 7000", 2, "no option --prt is known"),
        ("add reject icmp-hst", 2, "saw icmp-hst"),
        ("add drop --peer no-such-host.invalid", 1, "has no address"),
        ("add drop --peer 127.0.0.1", 1, "is this host itself"),
        ("add drop --for 30d", 2, "expected 30s"),
        ("heal", 2, "--all"),
        ("heal f99", 1, "there are: f1"),
        ("", 2, "expected add"),
    ],
)
def test_what_cannot_be_done(agent: Agent, words: str, code: int, said: str) -> None:
    result = agent.command(*words.split())
    assert result.returncode == code
    assert said in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_in_spanish(agent: Agent) -> None:
    assert "permanente" in agent.command("list", lang="es_ES.UTF-8").stdout
    refused = agent.command("heal", "f99", lang="es_ES.UTF-8")
    assert "no hay ninguna falla" in refused.stderr
    assert agent.command("--help", lang="es_ES").stdout.isascii()


def test_without_an_agent(lab: Lab, agent: Agent) -> None:
    agent.process.terminate()
    assert agent.ended() == 0
    missing = agent.command("list")
    assert missing.returncode == 4
    assert "no agent answers" in missing.stderr
    assert "Traceback" in agent.command("list", "--debug").stderr
    assert lab.connect("ipv4", 7001) == "connected"
