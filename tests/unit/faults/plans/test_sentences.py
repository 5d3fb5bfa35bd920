"""The sentences of plans: what is written reads back, and nonsense says why."""

import contextlib
import errno
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from socketlab.errors import SpecError
from socketlab.faults.plans.sentences import (
    PLAIN,
    QUIET,
    Call,
    Expectation,
    Probe,
    Seen,
    Transport,
    expectation,
    judge,
    probe,
)
from socketlab.wire.errors import FaultError

if TYPE_CHECKING:
    from socketlab.wire.match import Family

times = st.integers(1, 3_600_000).map(lambda ms: ms / 1000)
names = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,10}[A-Za-z0-9]", fullmatch=True)
ipv4 = st.ip_addresses(v=4).map(str)
ipv6 = st.ip_addresses(v=6).map(str)


@st.composite
def calls(draw: st.DrawFn) -> Call:
    family: Family = draw(st.sampled_from(("ipv4", "ipv6")))
    target = draw(names | (ipv4 if family == "ipv4" else ipv6))
    transport: Transport = draw(st.sampled_from(("tcp", "udp")))
    port = draw(st.integers(1, 65535))
    return Call(host=draw(names), transport=transport, family=family, target=target, port=port)


@st.composite
def expectations(draw: st.DrawFn) -> Expectation:
    call = draw(calls())
    known = [*PLAIN, *QUIET, *errno.errorcode.values()]
    outcome = draw(st.sampled_from(known))
    if call.transport == "udp" and outcome in {"connected", "closed", "timeout"}:
        outcome = "silence"
    if outcome in QUIET:
        return Expectation(call=call, outcome=outcome, quiet=draw(times))
    after = draw(st.none() | times)
    within = None if after is None else draw(st.none() | st.just(after + 1.5))
    return Expectation(call=call, outcome=outcome, within=within, after=after)


@settings(max_examples=60, deadline=None)
@given(expectations())
def test_an_expectation_reads_back_as_it_is_written(expected: Expectation) -> None:
    assert expectation(str(expected)) == expected


@settings(max_examples=60, deadline=None)
@given(st.builds(Probe, call=calls(), every=times, within=times))
def test_a_probe_reads_back_as_it_is_written(made: Probe) -> None:
    assert probe(str(made)) == made


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_a_sentence_or_says_why_not(text: str) -> None:
    for read in (expectation, probe):
        with contextlib.suppress(SpecError, FaultError):
            assert str(read(text))


def test_the_sentences_of_the_manual() -> None:
    refused = expectation("client tcp server:7000 -> ECONNREFUSED within 1s")
    assert refused.call == Call(host="client", transport="tcp", family="ipv4", target="server", port=7000)
    assert (refused.outcome, refused.within, refused.after) == ("ECONNREFUSED", 1.0, None)
    assert expectation("client tcp server:7000 -> timeout 2s").quiet == 2.0
    assert expectation("client udp [fd00::1]:7000 -> silence").call.family == "ipv6"
    assert expectation("client tcp6 server:7000 -> econnrefused").call.family == "ipv6"
    assert expectation("a tcp 10.0.0.1:7 -> echo after 200ms within 2s").after == 0.2


MISTAKES = [
    ("plan.no-arrow", "client tcp server:7000"),
    ("plan.call", "client server:7000 -> echo"),
    ("plan.call", "client sctp server:7000 -> echo"),
    ("plan.where", "client tcp server -> echo"),
    ("plan.where", "client tcp server:0 -> echo"),
    ("plan.where", "client tcp server:70000 -> echo"),
    ("plan.where", "client tcp [server]:7000 -> echo"),
    ("plan.where-family", "client tcp6 10.0.0.1:7000 -> echo"),
    ("plan.missing", "client tcp server:7000 -> "),
    ("plan.outcome", "client tcp server:7000 -> refused"),
    ("plan.outcome", "client tcp server:7000 -> ENOSUCH"),
    ("plan.of-tcp", "client udp server:7000 -> connected"),
    ("plan.of-tcp", "client udp server:7000 -> timeout 1s"),
    ("plan.quiet", "client tcp server:7000 -> timeout 1s within 2s"),
    ("plan.never", "client tcp server:7000 -> echo after 2s within 1s"),
    ("plan.word", "client tcp server:7000 -> echo soon"),
    ("plan.word", "client tcp server:7000 -> echo within 1s within 2s"),
    ("plan.missing", "client tcp server:7000 -> echo within"),
    ("words-value", "client tcp server:7000 -> echo within soon"),
    ("plan.time", "client tcp server:7000 -> timeout 0s"),
]


@pytest.mark.parametrize(("code", "text"), MISTAKES)
def test_a_sentence_that_makes_no_sense_says_why(code: str, text: str) -> None:
    with pytest.raises((SpecError, FaultError)) as caught:
        expectation(text)
    assert caught.value.code == code
    assert str(caught.value)


def test_an_expectation_is_no_probe() -> None:
    with pytest.raises(SpecError) as caught:
        probe("client tcp server:7000 -> echo")
    assert caught.value.code == "plan.probe-arrow"


@pytest.mark.parametrize(
    ("text", "seen", "why"),
    [
        ("c tcp s:1 -> echo", Seen("echo", 9.0, "recv"), ""),
        ("c tcp s:1 -> echo", Seen("silence", 1.0, "recv"), "outcome"),
        ("c tcp s:1 -> echo within 1s", Seen("echo", 1.0, "recv"), ""),
        ("c tcp s:1 -> echo within 1s", Seen("echo", 1.01, "recv"), "late"),
        ("c tcp s:1 -> echo after 1s", Seen("echo", 0.99, "recv"), "early"),
        ("c tcp s:1 -> echo after 1s within 2s", Seen("echo", 1.5, "recv"), ""),
        ("c tcp s:1 -> timeout 1s", Seen("connected", 0.1, "connect"), "outcome"),
    ],
)
def test_what_a_call_gave_is_held_against_its_sentence(text: str, seen: Seen, why: str) -> None:
    judged = judge(expectation(text), seen)
    assert (judged.ok, judged.why) == (not why, why)


def test_what_comes_late_is_waited_for_so_that_it_is_seen() -> None:
    assert expectation("c tcp s:1 -> echo within 1s").patience > 1.0
    assert expectation("c tcp s:1 -> silence 1s").patience == 1.0
    assert expectation("c tcp s:1 -> echo after 100s").patience > 100.0
