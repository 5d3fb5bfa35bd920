"""The words of `socketlab-fault`, there and back."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.agent.grammar import UsageError, agent_options, command, duration, standing_fault
from services.agent.words import words
from socketlab.wire import (
    ANSWERS,
    ROUTE_TYPES,
    Add,
    Drop,
    Fault,
    FaultError,
    Heal,
    Kinds,
    List,
    Match,
    Reject,
)
from socketlab.wire.fault import Route

ADDRESSES = {"client": ("10.0.0.1", "fd00::1")}


def resolve(peer: str) -> tuple[str, ...]:
    return ADDRESSES[peer]


def asked(line: str) -> object:
    return command(line.split(), resolve).request


FULL = Match(peer="client", addresses=ADDRESSES["client"], port=7000, proto="tcp")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "add drop --peer client --port 7000 --proto tcp --for 30s",
            Add(id=1, fault=Drop(FULL), seconds=30.0),
        ),
        ("add --proto=tcp drop --peer=client --port=7000", Add(id=1, fault=Drop(FULL))),
        (
            "add reject icmp-host --direction out",
            Add(id=1, fault=Reject("icmp-host", Match(direction="out"))),
        ),
        (
            "add route throw 10.213.7.224/27 --for 1.5",
            Add(id=1, fault=Route("throw", "10.213.7.224/27"), seconds=1.5),
        ),
        ("list", List(1)),
        ("heal f3", Heal(1, "f3")),
        ("heal --all", Heal(1)),
        ("kinds", Kinds(1)),
    ],
)
def test_what_is_asked_for(line: str, expected: object) -> None:
    assert asked(line) == expected


def test_options_of_every_command() -> None:
    assert command(["list"], resolve).folder == Path("/run/socketlab")
    everywhere = command(["--json", "list", "--run-dir", "/tmp/x", "--debug"], resolve)  # noqa: S108 - only a name
    assert everywhere.json
    assert everywhere.folder == Path("/tmp/x")  # noqa: S108 - only a name


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("", "agent.usage-missing"),
        ("drop", "agent.usage-word"),
        ("add", "agent.usage-missing"),
        ("add dorp", "agent.usage-word"),
        ("add reject", "agent.usage-missing"),
        ("add reject icmp", "agent.usage-word"),
        ("add route throw", "agent.usage-missing"),
        ("add route blackhole 10.0.0.0/8", "agent.usage-word"),
        ("add route throw 10.0.0.0/8 --port 1", "agent.usage-extra"),
        ("add drop tcp", "agent.usage-extra"),
        ("add drop --port", "agent.usage-no-value"),
        ("add drop --port=", "agent.usage-no-value"),
        ("add drop --port x --proto tcp", "agent.usage-value"),
        ("add drop --port 7000000 --proto tcp", "agent.usage-value"),
        ("add drop --proto icmp", "agent.usage-value"),
        ("add drop --direction up", "agent.usage-value"),
        ("add drop --port 1 --port 2 --proto tcp", "agent.usage-twice"),
        ("add drop -p 1", "agent.usage-option"),
        ("add drop --all", "agent.usage-extra"),
        ("list --all", "agent.usage-extra"),
        ("list --for 3s", "agent.usage-extra"),
        ("heal", "agent.usage-heal"),
        ("heal f1 --all", "agent.usage-heal"),
        ("heal f1 f2", "agent.usage-extra"),
    ],
)
def test_words_that_make_no_sense(line: str, code: str) -> None:
    with pytest.raises(UsageError) as caught:
        asked(line)
    assert caught.value.code == code
    assert str(caught.value)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("add drop --port 7000", "fault-port-without-proto"),
        ("add drop --port 0 --proto tcp", "fault-port"),
        ("add reject tcp-reset", "fault-reset-needs-tcp"),
        ("add route throw 10.0.0.1/8", "fault-network"),
    ],
)
def test_faults_that_make_no_sense(line: str, code: str) -> None:
    with pytest.raises(FaultError) as caught:
        asked(line)
    assert caught.value.code == code


def test_a_name_is_looked_up_only_for_what_makes_sense() -> None:
    with pytest.raises(FaultError):  # not the KeyError of `resolve`
        asked("add drop --peer nobody --port 7000")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30.0), ("500ms", 0.5), ("2m", 120.0), ("1h", 3600.0), ("1.5", 1.5), ("0.5m", 30.0)],
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "0", "0s", "-1", "s", "1d", "1e3", "1 s", "nan", "inf", "\N{ARABIC-INDIC DIGIT ONE}s", "1" * 400],
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(UsageError):
        duration(text)


MATCHES = st.builds(
    lambda peer, service, direction: Match(
        peer=peer, addresses=ADDRESSES[peer] if peer else (), direction=direction, **service
    ),
    st.sampled_from([None, "client"]),
    st.one_of(
        st.just({}),
        st.fixed_dictionaries(
            {"proto": st.sampled_from(["tcp", "udp"]), "port": st.none() | st.integers(1, 65535)}
        ),
    ),
    st.sampled_from(["in", "out"]),
)
FAULTS = st.one_of(
    st.builds(Drop, MATCHES),
    st.builds(Reject, st.sampled_from(ANSWERS[1:]), MATCHES),
    st.builds(Route, st.sampled_from(ROUTE_TYPES), st.sampled_from(["10.0.0.0/8", "fd00::/64", "::1"])),
)


@given(FAULTS)
def test_what_is_listed_can_be_typed(fault: Fault) -> None:
    assert standing_fault(words(fault), resolve) == fault


@given(st.lists(st.text(max_size=20), max_size=8))
def test_any_words_are_a_command_or_refused(line: list[str]) -> None:
    with suppress(UsageError, FaultError):
        command(line, resolve)


def test_the_agents_own_options() -> None:
    options = agent_options(
        [
            "--standing",
            "drop --port 7005 --proto tcp",
            "--standing=route throw fd00::/64",
            "--run-dir=/run/x",
        ],
        resolve,
    )
    assert options.folder == Path("/run/x")
    assert options.standing == (Drop(Match(port=7005, proto="tcp")), Route("throw", "fd00::/64"))


@pytest.mark.parametrize(
    "line",
    [["standing"], ["--standing"], ["--standing", "drop --for 3s"], ["--standing", "'"], ["--json"]],
)
def test_options_that_the_agent_does_not_have(line: list[str]) -> None:
    with pytest.raises(UsageError):
        agent_options(line, resolve)
