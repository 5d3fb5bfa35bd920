"""Outcomes: what one socket call gave."""

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

Value: TypeAlias = bool | int | float | str | bytes | None
Verdict: TypeAlias = Literal["as documented", "differs", "inconclusive", "skipped"]


@dataclass(frozen=True, slots=True)
class Returned:
    """The call returned `value`."""

    kind: ClassVar[str] = "returned"
    value: Value


@dataclass(frozen=True, slots=True)
class Raised:
    """The call raised.

    Args:
        exception: name of the Python class.
        errno: symbolic name (`ECONNREFUSED`; `EAI_NONAME` for the resolver's errors); None where Python
            set none: a timer of the program's own (`settimeout`) ran out, the kernel did not give up.
        message: the exception's own text.
    """

    kind: ClassVar[str] = "raised"
    exception: str
    errno: str | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one socket call gave.

    Args:
        call: the call as written, `connect(('server', 7000))`.
        result: what it returned or raised.
        started_ns: when it began, nanoseconds of the host's monotonic clock.
        ended_ns: when it was over, on the same clock.
    """

    call: str
    result: Returned | Raised
    started_ns: int
    ended_ns: int

    @property
    def seconds(self) -> float:
        """How long the call took."""
        return (self.ended_ns - self.started_ns) / 1e9
