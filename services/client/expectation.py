"""What a call is documented to give, and the verdict on what it gave."""

from dataclasses import dataclass
from typing import Final, TypeAlias

from services.client.timeclass import TimeClass
from socketlab.wire import Outcome, Raised, Returned, Value, Verdict

OWN_TIMER: Final = None
"""No errno: a timer of the program's own ran out, the kernel did not give up."""


@dataclass(frozen=True, slots=True)
class Returns:
    """The call returns `value`."""

    value: Value


@dataclass(frozen=True, slots=True)
class Raises:
    """The call raises.

    Args:
        exception: the class.
        errnos: symbolic names, any of which is as documented.
    """

    exception: type[Exception]
    errnos: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is documented.

    Args:
        call: name of the call that decides, `recv`; an outcome of another call is another outcome.
        gives: what it gives.
        when: after how long.
    """

    call: str
    gives: Returns | Raises
    when: TimeClass


def returns(call: str, value: Value, *, when: TimeClass) -> Expectation:
    """The deciding call returns `value`."""
    return Expectation(call, Returns(value), when)


def raises(call: str, exception: type[Exception], *errnos: str | None, when: TimeClass) -> Expectation:
    """The deciding call raises `exception` with one of `errnos`."""
    return Expectation(call, Raises(exception, errnos), when)


Reason: TypeAlias = str
"""Why a verdict is not `as documented`: a key under `tour.reason`."""


def judge(expected: Expectation, outcome: Outcome) -> tuple[Verdict, Reason | None]:
    """The verdict on an outcome, and the reason where it is not `as documented`.

    Too slow alone is `inconclusive`: a busy machine makes anything late. Too early is `differs`, since
    no timer fires early and so something else ended the call; unless others share the timer.
    """
    if outcome.call.partition("(")[0] != expected.call or not _same(expected.gives, outcome.result):
        return "differs", "other"
    if outcome.seconds < expected.when.earliest:
        return ("inconclusive", "joined") if expected.when.shared else ("differs", "early")
    if outcome.seconds > expected.when.latest:
        return "inconclusive", "slow"
    return "as documented", None


def _same(expected: Returns | Raises, seen: Returned | Raised) -> bool:
    if isinstance(expected, Returns):
        return isinstance(seen, Returned) and seen.value == expected.value
    return (
        isinstance(seen, Raised)
        and seen.exception == expected.exception.__name__
        and seen.errno in expected.errnos
    )
