"""The words of `socketlab-fault`, and of the agent itself."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.agent.grammar import VERBS, UsageError, agent_options, command, standing_fault
from socketlab.wire import (
    Add,
    Advance,
    Delay,
    Drop,
    Fault,
    FaultError,
    Heal,
    Held,
    Kinds,
    List,
    Log,
    Match,
    Reject,
    Route,
    Watch,
)
from socketlab.wire.words import words
from tests.unit.wire.any_fault import ANY_FAULT, patient

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
        ("--for 2m add drop", Add(id=1, fault=Drop(Match()), seconds=120.0)),
        (
            "add reject icmp-host --direction out",
            Add(id=1, fault=Reject("icmp-host", Match(direction="out"))),
        ),
        (
            "add route throw 10.213.7.224/27 --for 1.5",
            Add(id=1, fault=Route("throw", "10.213.7.224/27"), seconds=1.5),
        ),
        ("run delay 200ms --jitter 5ms", Add(id=1, fault=Delay(0.2, Match(), 0.005))),
        ("list", List(1)),
        ("heal f3", Heal(1, "f3")),
        ("heal --all", Heal(1)),
        ("kinds", Kinds(1)),
        ("kinds reject", Kinds(1)),
        ("log", Log(id=1)),
        ("log f3 --after 17", Log(id=1, lease="f3", after=17)),
        ("held", Held(1)),
        ("held f3", Held(1, "f3")),
        ("step 7", Advance(1, 7)),
        ("step 7 --drop", Advance(1, 7, "drop")),
        ("step --duplicate 7", Advance(1, 7, "duplicate")),
        ("watch", Watch(id=1, leases=True, log=True, held=True)),
    ],
)
def test_what_is_asked_for(line: str, expected: object) -> None:
    assert asked(line) == expected


def test_options_of_every_command() -> None:
    plain = command(["list"], resolve)
    assert (plain.folder, plain.json) == (None, False)
    everywhere = command(["--json", "list", "--run-dir", "/run/x", "--debug"], resolve)
    assert (everywhere.folder, everywhere.json) == (Path("/run/x"), True)
    assert command(["kinds", "reject"], resolve).about == "reject"
    alone = command(["run", "drop", "--without", "owner,queue", "--journal-dir=/j"], resolve)
    assert alone.without == {"owner", "queue"}
    assert alone.journal_folder == Path("/j")


def test_an_option_of_the_command_may_be_the_value_of_an_option_of_the_fault() -> None:
    request = command(["add", "drop", "--payload", "--json", "--json"], resolve)
    assert request.json
    assert request.request == Add(id=1, fault=Drop(Match(payload=b"--json")))


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("", "agent.usage-missing"),
        ("drop", "agent.usage-word"),
        ("lst", "agent.usage-word"),
        ("list --all", "agent.usage-option"),
        ("list --for 3s", "agent.usage-extra"),
        ("list f1", "agent.usage-extra"),
        ("list --json=1", "agent.usage-option"),
        ("add drop --for 3s --for 4s", "agent.usage-twice"),
        ("add drop --for 0s", "agent.usage-value"),
        ("add drop --for", "agent.usage-no-value"),
        ("add drop --for=", "agent.usage-no-value"),
        ("add drop --without owner", "agent.usage-extra"),
        ("run drop --without owners", "agent.usage-value"),
        ("heal", "agent.usage-heal"),
        ("heal f1 --all", "agent.usage-heal"),
        ("heal f1 f2", "agent.usage-extra"),
        ("log f1 f2", "agent.usage-extra"),
        ("log --after x", "agent.usage-value"),
        ("log --after -1", "agent.usage-value"),
        ("log --aft 1", "agent.usage-option"),
        ("step", "agent.usage-missing"),
        ("step f1", "agent.usage-word"),
        ("step 7 8", "agent.usage-extra"),
        ("step 7 --drop --duplicate", "agent.usage-extra"),
        ("watch f1", "agent.usage-extra"),
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
        ("add", "words-kind-missing"),
        ("add dorp", "words-kind-near"),
        ("add drop --prt 1", "words-option-near"),
        ("add drop tcp", "words-extra"),
        ("add drop --for 30d", "words-value"),
        ("kinds dorp", "words-kind-near"),
        ("add drop --port 0 --proto tcp", "fault-port"),
        ("add reject tcp-reset", "fault-reset-needs-tcp"),
        ("add route throw 10.0.0.1/8", "fault-network"),
    ],
)
def test_faults_that_make_no_sense(line: str, code: str) -> None:
    with pytest.raises(FaultError) as caught:
        asked(line)
    assert caught.value.code == code


def test_a_verb_that_is_nearly_right_is_named() -> None:
    with pytest.raises(UsageError, match="expected list, saw lst"):
        asked("lst")


def test_a_name_is_looked_up_only_for_what_makes_sense() -> None:
    with pytest.raises(FaultError):  # not the KeyError of `resolve`
        asked("add drop --peer nobody --port 0")


@patient
@given(ANY_FAULT)
def test_a_standing_fault_is_written_as_it_is_listed(fault: Fault) -> None:
    assert standing_fault(words(fault), lambda _: ()) == fault


@patient
@given(st.lists(st.text(max_size=20) | st.sampled_from([*VERBS, "--all", "--for", "drop"]), max_size=8))
def test_any_words_are_a_command_or_refused(line: list[str]) -> None:
    with suppress(UsageError, FaultError):
        assert command(line, lambda _: ("10.0.0.1",)).verb in VERBS


def test_the_agents_own_options() -> None:
    options = agent_options(
        [
            "--standing",
            "drop --port 7005 --proto tcp",
            "--standing=route throw fd00::/64",
            "--run-dir=/run/x",
            "--without",
            "owner,compat",
        ],
        resolve,
    )
    assert options.folder == options.journal_folder == Path("/run/x")
    assert options.standing == (Drop(Match(port=7005, proto="tcp")), Route("throw", "fd00::/64"))
    assert options.without == {"owner", "compat"}
    assert agent_options([], resolve).folder == Path("/run/socketlab")
    assert agent_options(["--journal-dir", "/j"], resolve).journal_folder == Path("/j")


@pytest.mark.parametrize(
    "line",
    [
        ["standing"],
        ["--standing"],
        ["--standing", "drop --for 3s"],
        ["--standing", "'"],
        ["--json"],
        ["--without", "all"],
        ["--without", ""],
    ],
)
def test_options_that_the_agent_does_not_have(line: list[str]) -> None:
    with pytest.raises((UsageError, FaultError)):
        agent_options(line, resolve)
