"""The heartbeat's memory: what each target gave last, and what to say when that changes. No I/O."""

from dataclasses import dataclass
from typing import Final

from services.client.words import ERRNOS, OTHER, TIMERS, came_back, duration, kind_of
from services.messages import say
from socketlab.wire import Outcome, Raised
from socketlab.wire.fault import Protocol

OK: Final = "ok"
CLOSED: Final = "closed"
"""The peer closed without an answer."""
STATES: Final = frozenset({OK, CLOSED, OTHER, *ERRNOS, *TIMERS})
"""Every kind of state; their words are under `client.short`."""


@dataclass(frozen=True, slots=True)
class State:
    """What a beat found.

    Args:
        kind: one of `STATES`.
        detail: what came back, where `kind` is `other`.
    """

    kind: str
    detail: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether the answer came."""
        return self.kind == OK


@dataclass(frozen=True, slots=True)
class Beat:
    """One beat: every call it took, in order; `answered` says that the last one brought the answer."""

    calls: tuple[Outcome, ...]
    answered: bool

    @property
    def decided(self) -> Outcome:
        """The call that decided."""
        return self.calls[-1]

    @property
    def started_ns(self) -> int:
        """When the first call began."""
        return self.calls[0].started_ns

    @property
    def ended_ns(self) -> int:
        """When the last call was over."""
        return self.decided.ended_ns

    @property
    def seconds(self) -> float:
        """From the first call to the end of the last."""
        return (self.ended_ns - self.started_ns) / 1e9

    @property
    def state(self) -> State:
        """What it found."""
        if self.answered:
            return State(OK)
        if not isinstance(self.decided.result, Raised):
            return State(CLOSED)
        kind = kind_of(self.decided)
        return State(kind, came_back(self.decided) if kind == OTHER else "")


class History:
    """What one target has given so far.

    Args:
        name: of the target, as it is shown.
        proto: of the target; over UDP nobody knows whether anybody is there.
    """

    def __init__(self, name: str, proto: Protocol) -> None:
        self._name = name
        self._proto = proto
        self._state: State | None = None
        self._ok_seconds = 0.0
        self._ok = 0
        self._failed = 0
        self._down_ns: int | None = None
        self._longest_ns = 0

    def take(self, beat: Beat) -> str | None:
        """Take a beat.

        Returns:
            the line to show; None: nothing has changed.
        """
        before, after = self._state, beat.state
        words_before = self._words(before) if before is not None else ""
        outage = self._count(beat)
        self._state = after
        if before is None:
            return say("heartbeat.first", target=self._name, state=self._words(after))
        if before == after:
            return None
        fields = {"target": self._name, "before": words_before, "after": self._words(after)}
        if outage is None:
            return say("heartbeat.changed", **fields)
        return say("heartbeat.back", outage=duration(outage), **fields)

    def summary(self, now_ns: int) -> str:
        """The line that sums up: beats that were ok and that failed, and the longest outage until now."""
        running = 0 if self._down_ns is None else now_ns - self._down_ns
        longest = max(self._longest_ns, running) / 1e9
        return say(
            "heartbeat.summary", target=self._name, ok=self._ok, failed=self._failed, longest=f"{longest:.1f}"
        )

    def _count(self, beat: Beat) -> float | None:
        """Count a beat; an outage lasts from its first failed beat to the next answer.

        Returns:
            seconds of the outage that this beat ended.
        """
        if not beat.answered:
            self._failed += 1
            if self._down_ns is None:
                self._down_ns = beat.started_ns
            return None
        self._ok += 1
        self._ok_seconds = beat.seconds
        if self._down_ns is None:
            return None
        outage_ns = beat.ended_ns - self._down_ns
        self._longest_ns = max(self._longest_ns, outage_ns)
        self._down_ns = None
        return outage_ns / 1e9

    def _words(self, state: State) -> str:
        kind = f"{self._proto}-{state.kind}" if state.kind == "recv-timer" else state.kind
        return say(f"client.short.{kind}", time=duration(self._ok_seconds), detail=state.detail)
