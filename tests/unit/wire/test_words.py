"""The words of faults, there and back."""

import dataclasses
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketlab.wire import FaultError, Limit, Loss, Match, Reject, Throttle, Which
from socketlab.wire.effects import OF_KINDS
from socketlab.wire.errors import WordsError
from socketlab.wire.fault import KINDS, Corrupt, Delay, Drop, Fault, Mtu, Reset, Route, match_of
from socketlab.wire.schema import to_plain
from socketlab.wire.vocabulary import KIND_WORDS, SWITCHES, VALUED, KindWords, Word, option_names, usage
from socketlab.wire.words import fault_from, fault_of, resolved, set_apart, split, words, words_of
from tests.unit.wire.any_fault import faults, patient

KIND_NAMES = sorted(KINDS)


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_what_is_shown_can_be_typed_and_documented(kind: str) -> None:
    @patient
    @given(faults(kind))
    def check(fault: Fault) -> None:
        assert fault_of(split(words(fault))) == fault
        assert fault_from(as_document(fault)) == fault

    check()


def as_document(fault: Fault) -> dict[str, object]:
    """A fault as YAML would have it: members of fault and match side by side, bytes aside."""
    plain = {name: value for name, value in to_plain(fault).items() if value is not None}
    match = match_of(fault)
    if match is not None:
        members = plain.pop("match")
        del members["addresses"]
        if match.direction == "in":
            del members["direction"]
        plain |= {name: value for name, value in members.items() if value is not None}
        if match.payload is not None:
            plain["payload"] = match.payload
        if match.which is not None:
            plain["which"] = {name: value for name, value in plain["which"].items() if value is not None}
    return plain


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("drop", Drop(Match())),
        ("--port=7000 drop --peer client", Drop(Match(peer="client", port=7000))),
        (
            "drop --flags SYN --first 2 --every 2",
            Drop(Match(flags="SYN", which=Which(first=2, every=2))),
        ),
        ("drop --probability 30% --seed 7", Drop(Match(which=Which(probability=0.3, seed=7)))),
        ("delay 200ms --jitter 50ms --seed 7", Delay(0.2, Match(), jitter=0.05, seed=7)),
        (
            "delay 1.5 --reorder --seed 1 --probability 0.5 --which-seed 2",
            Delay(1.5, Match(which=Which(probability=0.5, seed=2)), reorder=True, seed=1),
        ),
        ("loss 30% --burst 5", Loss(0.3, Match(), burst=5.0)),
        (r"drop --payload 'GET /\r\n\x00\\'", Drop(Match(payload=b"GET /\r\n\x00\\"))),
        ("throttle 1.5gbit --queue 1m --burst 16kib", Throttle(1_500_000_000, Match(), 60.0, 16_384)),
        ("limit 10kb --then reset", Limit(10_000, Match(), "reset")),
        ("reject icmp-host --delay 0", Reject("icmp-host", Match(), 0.0)),
        ("mtu 600 --to 10.0.0.0/8", Mtu(600, "10.0.0.0/8")),
        ("corrupt --checksum valid --bits 3", Corrupt(Match(), "valid", 3)),
        ("reset --now --port 7000", Reset(Match(port=7000, proto="tcp"), now=True)),
        ("route throw fd00::/64", Route("throw", "fd00::/64")),
    ],
)
def test_what_is_typed(line: str, fault: Fault) -> None:
    assert fault_of(split(line)) == fault
    assert fault_from(line) == fault


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("", "expected a kind of fault; there are: drop reject"),
        ("dorp", "did you mean drop"),
        ("xyzzy", "no kind of fault is called xyzzy; there are: drop"),
        ("drop --prot tcp", "did you mean --proto"),
        ("drop --xyzzy", "drop has no option --xyzzy; it has: --peer"),
        ("drop -p 1", "drop has no option -p"),
        ("mtu 600 --port 7000", "mtu has no option --port"),
        ("delay", r"expected 200ms .* and the line ends. It goes: delay TIME"),
        ("delay 2x", "TIME: expected 200ms .*, saw '2x'"),
        ("delay -1s", "delay has no option -1s"),
        ("delay 1s 2s", "'2s' makes no sense here. It goes: delay TIME"),
        ("drop --port", "--port needs a value: 7000"),
        ("drop --port=", "--port needs a value"),
        ("drop --port 1 --port 2", "--port is given more than once"),
        ("reset --now=yes", "--now takes no value, saw 'yes'"),
        ("reject icmp", "ANSWER: expected tcp-reset | icmp-port"),
        ("drop --direction up", r"--direction: expected in \| out \| both, saw 'up'"),
        ("drop --nth 1.5", "--nth: expected 3, saw '1.5'"),
        (r"drop --payload 'x\y'", "--payload: expected"),
        ("throttle 10mb", "RATE: expected 10mbit"),
        ("limit 1.5", "SIZE: expected"),
        ("drop 'tcp", "a quotation is not closed"),
    ],
)
def test_words_that_ask_for_no_fault(line: str, says: str) -> None:
    with pytest.raises(WordsError, match=says):
        fault_from(line)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (3, "fault: expected members with values"),
        ([], "fault: expected members"),
        ({}, "expected a kind of fault; there are"),
        ({"kind": "dorp"}, "did you mean drop"),
        ({"kind": 3}, "no kind of fault is called 3"),
        ({"kind": "delay"}, "delay needs seconds: 200ms"),
        ({"kind": "delay", "seconds": None}, "delay needs seconds"),
        ({"kind": "delay", "second": 1}, "delay has no member second; did you mean seconds"),
        ({"kind": "delay", "seconds": True}, "delay: seconds: expected 200ms .*, saw True"),
        ({"kind": "delay", "seconds": [1]}, r"delay: seconds: expected .*, saw \[1\]"),
        ({"kind": "drop", "first": 2}, r"in `which`, as which: \{first: ...\}"),
        ({"kind": "drop", "which": 2}, "which: expected members"),
        ({"kind": "drop", "which": {"frist": 2}}, "drop: which has no member frist; did you mean first"),
        ({"kind": "mtu", "bytes": 1280, "which": {"first": 1}}, "mtu has no member which"),
        ({"kind": "duplicate", "copies": 1.5}, "duplicate: copies: expected"),
        ({"kind": "drop", "peer": 10.0}, "drop: peer: expected"),
        ({"kind": "reset", "now": 1}, "reset: now: expected true"),
    ],
)
def test_documents_that_ask_for_no_fault(document: object, says: str) -> None:
    with pytest.raises(WordsError, match=says):
        fault_from(document)


def test_a_document_may_write_values_as_they_are_typed() -> None:
    typed: dict[str, object] = {
        "kind": "delay",
        "seconds": "200ms",
        "peer-port": "7000-7009",
        "payload": "bye\\r\\n",
        "reorder": "true",
        "which": {"probability": "30%", "at-most": "5"},
    }
    assert fault_from(typed) == Delay(
        0.2,
        Match(peer_port="7000-7009", payload=b"bye\r\n", which=Which(probability=0.3, at_most=5)),
        reorder=True,
    )


@patient
@given(st.lists(st.text(max_size=12) | st.sampled_from([*VALUED, *SWITCHES, *KIND_WORDS]), max_size=6))
def test_any_words_are_a_fault_or_refused(typed: list[str]) -> None:
    with suppress(FaultError):
        assert fault_of(words_of(fault_of(typed))) == fault_of(typed)


@patient
@given(
    st.dictionaries(
        st.sampled_from(["kind", "seconds", "peer", "port", "which", "bytes", "to", "rate"])
        | st.text(max_size=5),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=5)
        | st.sampled_from([*KINDS]),
        max_size=5,
    )
)
def test_any_document_is_a_fault_or_refused(document: dict[str, object]) -> None:
    with suppress(FaultError):
        assert fault_from(words(fault_from(document))) == fault_from(document)


def test_every_kind_and_every_member_has_words() -> None:
    assert KIND_WORDS.keys() == KINDS.keys()
    for kind, table in KIND_WORDS.items():
        assert table.cls is KINDS[kind]
        members = {field.name for field in dataclasses.fields(table.cls)}
        assert {word.member for word in table.own} == members - {"match"}
        assert bool(table.match) == ("match" in members)
    reached = {word.member for table in KIND_WORDS.values() for word in (*table.match, *table.which)}
    of_matches = {field.name for field in dataclasses.fields(Match)} - {"addresses", "which"}
    assert reached == of_matches | {field.name for field in dataclasses.fields(Which)}


def test_a_name_means_one_thing_in_every_kind() -> None:
    assert not VALUED & SWITCHES
    for kind, table in KIND_WORDS.items():
        names = [word.name for word in every_word(table)]
        assert len(set(names)) == len(names), kind
        flat = [word.member for word in (*table.own, *table.match)]
        assert len(set(flat)) == len(flat), kind
        assert "kind" not in flat
        assert "which" not in flat


def every_word(table: KindWords) -> list[Word]:
    return [*table.own, *table.match, *table.which]


def test_an_option_is_refused_where_its_kind_cannot_use_it() -> None:
    """The table agrees with the classes: what it has, they take in some fault."""
    for kind, allowed in (("throttle", "--payload"), ("neighbour", "--proto"), ("segments", "--flags")):
        assert allowed not in option_names(kind)
        with pytest.raises(WordsError):
            fault_of([kind, "600", allowed, "x"] if kind != "neighbour" else [kind, allowed, "x"])


def test_usage_shows_every_word_of_the_kind_itself() -> None:
    assert usage("route") == "route TYPE NETWORK"
    assert usage("neighbour") == "neighbour --peer NAME [--family ipv4|ipv6]"
    assert usage("reset") == "reset [--now] [MATCH] [WHICH]"
    for kind, table in KIND_WORDS.items():
        assert all(word.name in usage(kind) for word in table.own)


def test_a_commands_own_options_are_set_apart() -> None:
    typed = ["--json", "drop", "--for", "30s", "--payload", "--json", "--port=1", "--run-dir=/x"]
    own, others = set_apart(typed, ["--for", "--run-dir"], ["--json"])
    assert own == [("--json", None), ("--for", "30s"), ("--run-dir", "/x")]
    assert others == ["drop", "--payload", "--json", "--port=1"]
    assert set_apart(["--for"], ["--for"], []) == ([("--for", "")], [])


def test_names_are_resolved_by_the_caller() -> None:
    def resolve(name: str) -> tuple[str, ...]:
        return {"client": ("10.0.0.1", "fd00::1")}[name]

    assert resolved(fault_of(["drop", "--peer", "client"]), resolve) == Drop(
        Match(peer="client", addresses=("10.0.0.1", "fd00::1"))
    )
    for line in ("drop", "drop --peer 10.0.0.9", "mtu 1280", "route throw 10.0.0.0/8"):
        assert resolved(fault_of(line.split()), resolve) == fault_of(line.split())
    with pytest.raises(FaultError, match="exists on ipv6 only"):
        resolved(fault_of(["reject", "icmp6-port", "--peer", "client"]), lambda _: ("10.0.0.1",))


def test_every_kind_says_what_calls_get() -> None:
    assert {name.split()[0] for name in OF_KINDS} == set(KINDS)
    for effects in OF_KINDS.values():
        for effect in effects:
            assert str(effect)
            assert effect.errno == "-" or effect.errno in str(effect)
