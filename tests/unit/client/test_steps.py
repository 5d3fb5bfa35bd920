"""The tour's steps are complete, and every one can be told in every language, on every console."""

import socket
import textwrap
from collections.abc import Callable

import pytest

from services import ports
from services.client.steps import TOUR, Lab, Step
from services.client.tour import Result, documented, in_words, make, summary
from services.messages import SENTENCES, say
from socketlab.wire import Outcome, Returned
from socketlab.wire.fault import Family
from socketlab.wire.text import to_ascii

LAB = Lab(
    family="ipv4", server="server", server_ip="127.0.0.1", unused="192.0.2.250", unrouted="198.51.100.1"
)
OUTCOME = Outcome(call="recv(100)", result=Returned(b""), started_ns=0, ended_ns=1)


def test_no_step_is_named_twice() -> None:
    assert len({step.id for step in TOUR}) == len(TOUR)


def test_the_steps_of_a_group_stand_together() -> None:
    groups = [step.group for step in TOUR]

    assert sorted(groups, key=groups.index) == groups


def test_every_port_of_the_lab_is_visited() -> None:
    served = {value for name, value in vars(ports).items() if name.isupper() and isinstance(value, int)}

    assert {step.port for step in TOUR} == served - {ports.REPORT}


@pytest.mark.parametrize("code", ["en", "es"])
@pytest.mark.parametrize("step", TOUR, ids=lambda step: step.id)
def test_every_step_is_told_in_ascii_too(step: Step, code: str) -> None:
    sentence = SENTENCES.sentences(code)[f"tour.why.{step.id}"].format(port=step.port, seconds="0.5")

    assert to_ascii(sentence).count("?") == sentence.count("?"), "a character has no ASCII form"
    assert all(len(line) <= 60 for line in textwrap.wrap(to_ascii(sentence), 60))
    assert len(sentence) <= 4 * 76, "one plain sentence why, not a lecture"


@pytest.mark.parametrize("code", ["en", "es"])
@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@pytest.mark.parametrize("step", TOUR, ids=lambda step: step.id)
def test_what_is_documented_can_be_said(
    step: Step, family: Family, code: str, speak: Callable[[str], None]
) -> None:
    speak(code)
    expected = step.expected(family)

    text = documented(expected)

    assert expected.call in text
    assert in_words(expected.when) in text


def test_an_address_is_taken_from_the_lab() -> None:
    by_id = {step.id: step for step in TOUR}

    assert by_id["tcp-echo"].address(LAB) == ("server", ports.ECHO)
    assert by_id["host-unreachable"].address(LAB) == ("192.0.2.250", ports.ECHO)
    assert by_id["network-unreachable"].address(LAB) == ("198.51.100.1", ports.ECHO)


@pytest.mark.usefixtures("english")
def test_a_step_against_something_else_differs_and_says_what_was_expected() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # Connected to, where a refusal is documented.
        step = Step(
            id="closed-port",
            group="nobody",
            make=next(step.make for step in TOUR if step.id == "closed-port"),
            port=listener.getsockname()[1],
            expects=next(step.expects for step in TOUR if step.id == "closed-port"),
        )

        result = make(step, LAB)

    assert result.verdict == "differs"
    assert result.outcome.call == f"connect(('server', {step.port}))"
    assert "ConnectionRefusedError ECONNREFUSED" in result.remark


@pytest.mark.usefixtures("english")
def test_an_early_call_that_fails_decides() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    echo = next(step for step in TOUR if step.id == "tcp-echo")
    step = Step(id=echo.id, group=echo.group, make=echo.make, port=port, expects=echo.expects)

    result = make(step, LAB)

    assert result.outcome.call.startswith("connect(")
    assert result.verdict == "differs"


@pytest.mark.usefixtures("english")
def test_the_summary_counts_verdicts() -> None:
    good = Result(TOUR[0], OUTCOME, "as documented", "", "")
    bad = Result(TOUR[1], OUTCOME, "differs", "", "")
    unsure = Result(TOUR[2], OUTCOME, "inconclusive", "", "")
    others = [good] * (len(TOUR) - 2)

    assert summary([good] * len(TOUR), 8.04) == f"{len(TOUR)} calls in 8.0 s: {len(TOUR)} as documented."
    assert summary([bad, unsure, *others], 9).endswith(f"{len(others)} as documented, 1 not, 1 undecided.")
    assert summary([good], 1).startswith("Stopped")


def test_the_groups_and_columns_have_names() -> None:
    for step in TOUR:
        assert say(f"tour.group.{step.group}")
