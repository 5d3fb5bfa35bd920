"""Outcomes in words."""

from typing import get_args

import pytest

from services.client.beat import STATES
from services.client.trial import Found
from services.client.words import ERRNOS, OTHER, TIMERS, came_back, duration, explained, is_own_timer, kind_of
from services.messages import SENTENCES
from socketlab.wire import Outcome, ProgramState, Raised, Returned


def outcome(call: str, result: Raised | Returned, seconds: float = 0.0004) -> Outcome:
    return Outcome(call=call, result=result, started_ns=0, ended_ns=round(seconds * 1e9))


REFUSED = Raised("ConnectionRefusedError", "ECONNREFUSED", "[Errno 111] Connection refused")
OWN_TIMER = Raised("TimeoutError", None, "timed out")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0000312, "0.03 ms"),
        (0.0004, "0.4 ms"),
        (0.0099, "9.9 ms"),
        (0.0412, "41 ms"),
        (0.5, "500 ms"),
        (1.0, "1.00 s"),
        (3.078, "3.08 s"),
        (134.65, "134.65 s"),
    ],
)
def test_a_time_as_a_person_reads_it(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("call", "result", "kind"),
    [
        ("connect(('server', 7000))", REFUSED, "ECONNREFUSED"),
        ("connect(('server', 7000))", OWN_TIMER, "connect-timer"),
        ("recv(100)", OWN_TIMER, "recv-timer"),
        ("recv() until b''", OWN_TIMER, "recv-timer"),
        ("send(b'x')", OWN_TIMER, "send-timer"),
        ("sendall(b'x')", OWN_TIMER, "send-timer"),
        ("connect(('server', 7000))", Raised("TimeoutError", "ETIMEDOUT", ""), "ETIMEDOUT"),
        ("getaddrinfo('x', 7000)", Raised("gaierror", "EAI_AGAIN", ""), "EAI_AGAIN"),
        ("socket(AF_INET, SOCK_STREAM)", Raised("OSError", "EMFILE", ""), "other"),
        ("getaddrinfo('x', 7000)", Raised("UnicodeError", None, ""), "other"),
        ("recv(100)", Returned(b""), "other"),
    ],
)
def test_the_kind_of_a_failure(call: str, result: Raised | Returned, kind: str) -> None:
    assert kind_of(outcome(call, result)) == kind


@pytest.mark.usefixtures("english")
def test_what_came_back() -> None:
    assert came_back(outcome("recv(10)", Returned(b"hi\n"))) == "b'hi\\n'"
    assert came_back(outcome("connect()", Returned(None))) == "None"
    assert came_back(outcome("connect()", REFUSED)) == "ConnectionRefusedError ECONNREFUSED"
    assert came_back(outcome("recv(10)", OWN_TIMER)) == "TimeoutError, own timer"
    assert came_back(outcome("getaddrinfo()", Raised("UnicodeError", None, "label"))) == "UnicodeError"


def test_the_kernels_timeout_is_not_the_programs_own() -> None:
    assert is_own_timer(outcome("connect()", OWN_TIMER))
    assert not is_own_timer(outcome("connect()", Raised("TimeoutError", "ETIMEDOUT", "")))


@pytest.mark.usefixtures("english")
def test_a_failure_is_explained_with_call_exception_errno_time_and_meaning() -> None:
    text = explained(outcome("connect(('server', 7002))", REFUSED))

    for part in (
        "connect(('server', 7002))",
        "ConnectionRefusedError ECONNREFUSED",
        "0.4 ms",
        "nobody listens",
    ):
        assert part in text


@pytest.mark.parametrize("code", ["en", "es"])
def test_every_kind_has_its_words(code: str) -> None:
    spoken = SENTENCES.sentences(code).keys()

    assert {f"client.meaning.{kind}" for kind in ERRNOS | TIMERS | {OTHER}} <= spoken
    short = STATES - {"recv-timer"} | {"tcp-recv-timer", "udp-recv-timer"}
    assert {f"client.short.{kind}" for kind in short} <= spoken
    assert {f"try.found.{found}" for found in get_args(Found)} <= spoken
    assert {f"runner.{state}" for state in get_args(ProgramState)} <= spoken
    assert {f"heartbeat.{family}" for family in ("ipv4", "ipv6")} <= spoken
