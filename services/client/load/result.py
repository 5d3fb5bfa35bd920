"""What a run gave, and what a reader of its figures must know. No I/O."""

import dataclasses
import signal
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from services.client.load.hdr import Histogram
from services.client.load.plan import SECOND, Plan
from services.client.load.tally import Tally

SHARES: Final = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99.9": 99.9, "max": 100.0}
"""The percentiles that are told, in percent."""

_OWN_LIMIT: Final = 0.9
"""Of one core: a generator that uses more has nothing left for a faster server."""
_OWN_LATENESS: Final = SECOND // 1000
"""In ns: a schedule that is kept worse than this is not kept."""
_MANY: Final = 0.01
_THOUSAND: Final = 1000
_UNITS: Final = (("ns", 1), ("us", 10**3), ("ms", 10**6), ("s", 10**9))

Note: TypeAlias = tuple[str, dict[str, object]]
"""A sentence about the result: its key under `load.note`, and its fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a phase took.

    Args:
        seconds: from its start to the end of sending, or to the last answer if that came later.
        sending: seconds in which requests were sent.
        cpu: seconds of CPU that this process used while sending, user and system.
        signum: the signal that stopped it; None: it ended by itself.
    """

    seconds: float
    sending: float
    cpu: float
    signum: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a run gave.

    Args:
        plan: what was asked for.
        target: the server's address, in words.
        tally: the counts.
        measured: the times.
        warm_up_lost: requests that failed in the warm-up.
    """

    plan: Plan
    target: str
    tally: Tally
    measured: Measured
    warm_up_lost: int = 0

    @property
    def rate(self) -> float:
        """Requests answered per second."""
        return self.tally.answered / self.measured.seconds if self.measured.seconds else 0.0

    @property
    def bytes_rate(self) -> float:
        """Bytes of content per second that went there, and came back."""
        return self.rate * self.plan.size

    @property
    def cpu_share(self) -> float:
        """The CPU that this process used while sending, as a share of one core."""
        return self.measured.cpu / self.measured.sending if self.measured.sending else 0.0

    def notes(self) -> list[Note]:
        """What a reader of the figures must know."""
        tally = self.tally
        notes: list[Note] = []
        if self.warm_up_lost:
            notes.append(("warm-up-lost", {"count": self.warm_up_lost}))
        if self.cpu_share > _OWN_LIMIT:
            notes.append(("own-limit", {"share": percent(self.cpu_share)}))
        if self.plan.rate is None:
            notes.append(("closed-loop", {}))
        else:
            notes += self._schedule_notes(self.plan.rate)
        if tally.late:
            notes.append(("late", {"count": tally.late}))
        if tally.duplicates:
            notes.append(("duplicates", {"count": tally.duplicates}))
        return notes

    def _schedule_notes(self, rate: float) -> list[Note]:
        tally = self.tally
        notes: list[Note] = []
        lateness = tally.lag.percentiles([99.0])
        if lateness and lateness[0] > _OWN_LATENESS:
            notes.append(("own-lateness", {"late": duration(lateness[0])}))
        if tally.waited > _MANY * tally.begun:
            notes.append(("busy", {"share": percent(tally.waited / tally.begun), "rate": f"{rate:g}"}))
        if tally.unsent:
            notes.append(("unsent", {"count": tally.unsent}))
        return notes

    def plain(self) -> dict[str, Any]:
        """All of it, as `--json` tells it: times in ns where the name says so, else in s."""
        tally, plan, measured = self.tally, self.plan, self.measured
        of_plan = dataclasses.asdict(plan)
        return {
            "v": 1,
            "type": "load",
            "target": self.target,
            "loop": "closed" if plan.rate is None else "open",
            "plan": {name: value for name, value in of_plan.items() if name not in {"json", "progress"}},
            "seconds": measured.seconds,
            "stopped": None if measured.signum is None else signal.Signals(measured.signum).name,
            "requests": {
                "begun": tally.begun,
                "answered": tally.answered,
                "mismatched": tally.mismatched,
                "timed_out": tally.timed_out,
                "cut": tally.cut,
                "unfinished": tally.unfinished,
                "unsent": tally.unsent,
            },
            "requests_per_second": self.rate,
            "bytes_per_second": self.bytes_rate,
            "latency_ns": percentiles(tally.latency),
            "connections": {"opened": tally.opened, "refused": tally.refused, "failed": tally.failed},
            "datagrams": {"late": tally.late, "duplicates": tally.duplicates},
            "schedule": None
            if plan.rate is None
            else {"waited": tally.waited, "lag_ns": percentiles(tally.lag)},
            "errors": [
                {"call": call, "what": what, "count": count}
                for (call, what), count in tally.errors.most_common()
            ],
            "cpu": {"seconds": measured.cpu, "share": self.cpu_share},
            "notes": [name for name, _ in self.notes()],
        }


def percentiles(histogram: Histogram) -> dict[str, int] | None:
    """The percentiles that are told, in ns; None: nothing was counted."""
    found = histogram.percentiles(list(SHARES.values()))
    return dict(zip(SHARES, found, strict=True)) if found else None


def percent(share: float) -> str:
    """A share in words: `98.4 %`, `0.4 %`."""
    return f"{share * 100:.3g} %"


def duration(ns: int) -> str:
    """A duration with three digits: `8.90 us`, `312 us`, `1.20 ms`, `3.41 s`."""
    rounded = float(f"{ns:.3g}")  # first of all: 999.9 us are 1.00 ms
    unit, scale = next((each for each in _UNITS if rounded < _THOUSAND * each[1]), _UNITS[-1])
    value = rounded / scale
    return f"{value:#.3g} {unit}".replace(". ", " ") if value < _THOUSAND else f"{value:.0f} {unit}"


def grouped(number: float) -> str:
    """A number with its thousands apart, as ISO 80000-1 writes them in every language: `12 345 678`."""
    return f"{number:,.0f}".replace(",", " ")
