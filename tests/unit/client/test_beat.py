"""The heartbeat's memory."""

import pytest

from services.client.beat import Beat, History, State
from socketlab.wire import Outcome, Raised, Returned
from socketlab.wire.fault import Protocol

SECOND = 1_000_000_000
NO_SYN_ANSWER = ("connect(('server', 7000))", Raised("TimeoutError", None, "timed out"))
NO_ANSWER = ("recv(16384)", Raised("TimeoutError", None, "timed out"))
REFUSED = ("connect(('server', 7000))", Raised("ConnectionRefusedError", "ECONNREFUSED", ""))
RESET = ("recv(16384)", Raised("ConnectionResetError", "ECONNRESET", ""))
STRANGE = ("connect(('server', 7000))", Raised("OSError", "EADDRNOTAVAIL", ""))
FIN = ("recv(16384)", Returned(b""))


def good(at: float, seconds: float = 0.0004) -> Beat:
    return Beat((_outcome(("recv(16384)", Returned(b"beat 1\n")), at, seconds),), answered=True)


def bad(what: tuple[str, Raised | Returned], at: float, seconds: float = 0.5) -> Beat:
    return Beat((_outcome(what, at, seconds),), answered=False)


def _outcome(what: tuple[str, Raised | Returned], at: float, seconds: float) -> Outcome:
    call, result = what
    started = round(at * SECOND)
    return Outcome(call=call, result=result, started_ns=started, ended_ns=started + round(seconds * SECOND))


@pytest.fixture
def history(english: None) -> History:  # noqa: ARG001 - its sentences are asserted
    return History("tcp server:7000", "tcp")


def test_the_first_state_is_shown_and_then_only_a_change(history: History) -> None:
    lines = [history.take(beat) for beat in (good(0), good(0.2), good(0.4, 0.0006), bad(NO_SYN_ANSWER, 0.6))]

    assert lines == [
        "tcp server:7000  ok 0.4 ms",
        None,
        None,
        "tcp server:7000  ok 0.6 ms -> timed out (no answer to SYN)",
    ]


def test_recovery_tells_how_long_it_was_out(history: History) -> None:
    for beat in (good(0), bad(REFUSED, 1), bad(REFUSED, 2)):
        history.take(beat)

    assert history.take(good(3)) == ("tcp server:7000  refused (ECONNREFUSED) -> ok 0.4 ms, after 2.00 s")


def test_one_failure_after_another_is_a_change_but_one_outage(history: History) -> None:
    lines = [
        history.take(beat)
        for beat in (good(0), bad(RESET, 1), bad(NO_SYN_ANSWER, 2), bad(NO_SYN_ANSWER, 3), good(4))
    ]

    assert lines[1:4] == [
        "tcp server:7000  ok 0.4 ms -> reset by the peer (ECONNRESET)",
        "tcp server:7000  reset by the peer (ECONNRESET) -> timed out (no answer to SYN)",
        None,
    ]
    assert history.summary(9 * SECOND) == "tcp server:7000  2 ok, 3 failed, longest outage 3.0 s"


def test_the_longest_of_several_outages_counts(history: History) -> None:
    for beat in (good(0), bad(REFUSED, 1), good(6), bad(REFUSED, 7), good(8)):
        history.take(beat)

    assert history.summary(9 * SECOND).endswith("longest outage 5.0 s")


def test_an_outage_that_lasts_until_the_end_counts(history: History) -> None:
    history.take(bad(REFUSED, 1))

    assert history.summary(8 * SECOND) == "tcp server:7000  0 ok, 1 failed, longest outage 7.0 s"


def test_nothing_yet_is_a_summary_too(history: History) -> None:
    assert history.summary(SECOND) == "tcp server:7000  0 ok, 0 failed, longest outage 0.0 s"


@pytest.mark.parametrize(
    ("proto", "what", "words"),
    [
        ("tcp", NO_ANSWER, "timed out (connected, no answer)"),
        ("udp", NO_ANSWER, "timed out (no answer)"),
        ("tcp", FIN, "closed by the peer without an answer (FIN)"),
        ("tcp", STRANGE, "failed (OSError EADDRNOTAVAIL)"),
    ],
)
@pytest.mark.usefixtures("english")
def test_a_state_in_words(proto: Protocol, what: tuple[str, Raised | Returned], words: str) -> None:
    assert History("x", proto).take(bad(what, 0)) == f"x  {words}"


def test_two_failures_nobody_foresaw_are_two_states() -> None:
    other = (STRANGE[0], Raised("OSError", "EMFILE", ""))

    assert bad(STRANGE, 0).state != bad(other, 0).state
    assert bad(STRANGE, 0).state == bad(STRANGE, 5).state
    assert good(0).state == State("ok")
