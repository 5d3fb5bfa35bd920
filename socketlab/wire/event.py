"""Events: one stream that log, progress and reports all read."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from socketlab.wire.outcome import Outcome, Verdict

Phase: TypeAlias = Literal["started", "completed", "failed", "changed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something happened on a host.

    Args:
        name: what, dotted: `tour.refused`, `heartbeat.tcp`.
        phase: where it stands.
        at_ns: when, nanoseconds of the host's monotonic clock.
        outcome: what the socket call that decided it gave.
        verdict: how it compares with what is documented; None where nothing is.
        said: the sentence shown to the user.
    """

    name: str
    phase: Phase
    at_ns: int
    outcome: Outcome | None = None
    verdict: Verdict | None = None
    said: str = ""
