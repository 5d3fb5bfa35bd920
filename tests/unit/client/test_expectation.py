"""Verdicts: what is another outcome, what is only late."""

import pytest

from services.client.expectation import Expectation, judge, raises, returns
from services.client.timeclass import IMMEDIATE, NEIGHBOUR_LOST, after_timer
from socketlab.wire import Outcome, Raised, Returned

REFUSED = Raised("ConnectionRefusedError", "ECONNREFUSED", "[Errno 111] Connection refused")
OWN_TIMER = Raised("TimeoutError", None, "timed out")
KERNEL_GAVE_UP = Raised("TimeoutError", "ETIMEDOUT", "[Errno 110] Connection timed out")

EXPECT_REFUSED = raises("connect", ConnectionRefusedError, "ECONNREFUSED", when=IMMEDIATE)
EXPECT_TIMER = raises("recv", TimeoutError, None, when=after_timer(0.5))
EXPECT_ECHO = returns("recv", b"hello", when=IMMEDIATE)
EXPECT_UNREACHABLE = raises("connect", OSError, "EHOSTUNREACH", when=NEIGHBOUR_LOST)
UNREACHABLE = Raised("OSError", "EHOSTUNREACH", "[Errno 113] No route to host")


def outcome(call: str, result: Raised | Returned, seconds: float) -> Outcome:
    return Outcome(call=call, result=result, started_ns=10, ended_ns=10 + round(seconds * 1e9))


@pytest.mark.parametrize(
    ("expected", "seen", "verdict", "reason"),
    [
        (EXPECT_REFUSED, outcome("connect(('server', 7002))", REFUSED, 0.0001), "as documented", None),
        (EXPECT_REFUSED, outcome("connect(('server', 7002))", REFUSED, 1.03), "inconclusive", "slow"),
        (EXPECT_REFUSED, outcome("recv(100)", REFUSED, 0.0001), "differs", "other"),
        (EXPECT_REFUSED, outcome("connect(('server', 7002))", Returned(None), 0.0001), "differs", "other"),
        (EXPECT_TIMER, outcome("recv(100)", OWN_TIMER, 0.5), "as documented", None),
        (EXPECT_TIMER, outcome("recv(100)", OWN_TIMER, 0.499), "differs", "early"),
        (EXPECT_TIMER, outcome("recv(100)", OWN_TIMER, 30), "inconclusive", "slow"),
        (EXPECT_TIMER, outcome("recv(100)", KERNEL_GAVE_UP, 0.6), "differs", "other"),
        (EXPECT_TIMER, outcome("connect(('server', 7008))", OWN_TIMER, 0.5), "differs", "other"),
        (EXPECT_ECHO, outcome("recv(100)", Returned(b"hello"), 0.001), "as documented", None),
        (EXPECT_ECHO, outcome("recv(100)", Returned(b"hell"), 0.001), "differs", "other"),
        (EXPECT_ECHO, outcome("recv(100)", Returned(b""), 0.001), "differs", "other"),
        (EXPECT_UNREACHABLE, outcome("connect(('x', 1))", UNREACHABLE, 3.06), "as documented", None),
        (EXPECT_UNREACHABLE, outcome("connect(('x', 1))", UNREACHABLE, 2.4), "inconclusive", "joined"),
    ],
)
def test_judge(expected: Expectation, seen: Outcome, verdict: str, reason: str | None) -> None:
    assert judge(expected, seen) == (verdict, reason)


def test_any_of_several_errnos_is_as_documented() -> None:
    expected = raises("getaddrinfo", OSError, "EAI_NONAME", "EAI_AGAIN", when=IMMEDIATE)

    for errno in ("EAI_NONAME", "EAI_AGAIN"):
        assert (
            judge(expected, outcome("getaddrinfo()", Raised("OSError", errno, ""), 0))[0] == "as documented"
        )
    assert judge(expected, outcome("getaddrinfo()", Raised("OSError", "EAI_FAIL", ""), 0))[0] == "differs"
