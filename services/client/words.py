"""Outcomes in words, in the user's language."""

from typing import Final

from services.client.calls import shown
from services.messages import say
from socketlab.wire import Outcome, Raised, Returned

# The kinds of failure that the catalogue explains, under `client.meaning` and `client.short`.
ERRNOS: Final = frozenset(
    {
        "EACCES",
        "EAI_AGAIN",
        "EAI_NONAME",
        "ECONNABORTED",
        "ECONNREFUSED",
        "ECONNRESET",
        "EHOSTUNREACH",
        "EMSGSIZE",
        "ENETUNREACH",
        "ENOPROTOOPT",
        "EPERM",
        "EPIPE",
        "ETIMEDOUT",
    }
)
TIMERS: Final = frozenset({"connect-timer", "recv-timer", "send-timer"})
OTHER: Final = "other"

_DECIMALS: Final = ((0.0001, 2), (0.01, 1), (1.0, 0))
"""Below so many seconds, so many decimals of a millisecond tell something."""


def is_own_timer(outcome: Outcome) -> bool:
    """Whether a timer of the program's own ended the call: the kernel never gave up."""
    result = outcome.result
    return isinstance(result, Raised) and result.exception == "TimeoutError" and result.errno is None


def kind_of(outcome: Outcome) -> str:
    """The kind of failure that a call gave: one of `ERRNOS` or `TIMERS`, else `OTHER`."""
    if is_own_timer(outcome):
        name = outcome.call.partition("(")[0]
        return "send-timer" if name.startswith("send") else f"{name}-timer"
    result = outcome.result
    return result.errno if isinstance(result, Raised) and result.errno in ERRNOS else OTHER


def came_back(outcome: Outcome) -> str:
    """What a call gave: its value, or the exception's class and errno."""
    result = outcome.result
    if isinstance(result, Returned):
        return shown(result.value) if isinstance(result.value, bytes) else str(result.value)
    if is_own_timer(outcome):
        return say("client.own-timer", exception=result.exception)
    return f"{result.exception} {result.errno}" if result.errno else result.exception


def duration(seconds: float) -> str:
    """A time as a person reads it: `0.04 ms`, `0.4 ms`, `412 ms`, `3.08 s`."""
    for below, decimals in _DECIMALS:
        if seconds < below:
            return f"{seconds * 1000:.{decimals}f} ms"
    return f"{seconds:.2f} s"


def explained(outcome: Outcome) -> str:
    """One sentence on a call that failed: what it gave, after how long, and what that means."""
    meaning = say(f"client.meaning.{kind_of(outcome)}")
    text = outcome.result.message if isinstance(outcome.result, Raised) else ""
    return say(
        "client.failed",
        call=outcome.call,
        gave=came_back(outcome),
        text=text,
        time=duration(outcome.seconds),
        meaning=meaning,
    )
