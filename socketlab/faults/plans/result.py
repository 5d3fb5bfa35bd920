"""What came of a plan: for a table, for JSON (`result.schema.json`) and for JUnit.

Times are seconds from the plan's start. Member names of the JSON are part of the interface; a change that
could break a reader gets a new `version`.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from socketlab.messages import say

VERSION: Final = 1

Verdict: TypeAlias = Literal["as documented", "differs", "nothing ran", "interrupted"]
_STATUS: Final[dict[Verdict, int]] = {"as documented": 0, "differs": 1, "nothing ran": 3, "interrupted": 130}
_LACKING: Final = 4


@dataclass(slots=True, kw_only=True)
class FaultRun:
    """One occurrence of a fault.

    Args:
        step: number of its step in the plan, from 1.
        on: the host; None: the fault was of the lab.
        fault: its words.
        planned: when it was to come.
        began: when it was in force; None: it never was.
        ended: when it was healed.
        lease: its id.
        bitten: packets it has bitten; None: nobody counts them.
        verified: it was proven to bite; None: nobody asked, or no packet can show it.
        problem: why it was not in force, or not proven.
        lacking: whether that is because the machine lacks what it takes.
    """

    step: int
    on: str | None
    fault: str
    planned: float
    began: float | None = None
    ended: float | None = None
    lease: str | None = None
    bitten: int | None = None
    verified: bool | None = None
    problem: str | None = None
    lacking: bool = False


@dataclass(slots=True, kw_only=True)
class Checked:
    """One expectation, held against what a call gave.

    Args:
        step: number of its step in the plan, from 1.
        expected: its sentence.
        planned: when the call was to be made.
        began: when it was; None: never.
        seen: what it gave; None: it was not made.
        seconds: how long it took.
        ok: whether it gave what was expected.
        why: what differs, as a sentence; empty: nothing.
    """

    step: int
    expected: str
    planned: float
    began: float | None = None
    seen: str | None = None
    seconds: float | None = None
    ok: bool = False
    why: str = ""


@dataclass(slots=True, kw_only=True)
class Change:
    """From when on a probe gave something, and how often in a row.

    Args:
        at: when the first of these calls was made.
        outcome: what they gave.
        count: how many they were.
        longest: seconds that the longest of them took.
    """

    at: float
    outcome: str
    count: int = 1
    longest: float = 0.0


@dataclass(slots=True, kw_only=True)
class Probed:
    """What became of a probe over time."""

    probe: str
    changes: list[Change] = field(default_factory=list)

    def add(self, at: float, outcome: str, seconds: float) -> None:
        """One more call."""
        if self.changes and self.changes[-1].outcome == outcome:
            last = self.changes[-1]
            last.count += 1
            last.longest = max(last.longest, seconds)
        else:
            self.changes.append(Change(at=at, outcome=outcome, longest=seconds))


@dataclass(slots=True, kw_only=True)
class Result:
    """All that came of a plan.

    Args:
        plan: its name.
        lab: the lab's name.
        backend: that held it.
        faults: each occurrence of each fault that was due, in order.
        checks: each expectation that was due, in order.
        probes: of each probe.
        seconds: how long it took.
        interrupted: somebody ended it before it was over.
        missed: events that were never due, because it was interrupted.
    """

    plan: str
    lab: str
    backend: str
    faults: list[FaultRun] = field(default_factory=list)
    checks: list[Checked] = field(default_factory=list)
    probes: list[Probed] = field(default_factory=list)
    seconds: float = 0.0
    interrupted: bool = False
    missed: int = 0

    @property
    def verdict(self) -> Verdict:
        """In two words."""
        if self.interrupted:
            return "interrupted"
        if any(each.problem for each in self.faults) or not all(each.ok for each in self.checks):
            return "differs"
        began = [*(each.began for each in self.faults), *(each.began for each in self.checks)]
        ran = any(each is not None for each in began) or any(each.changes for each in self.probes)
        return "as documented" if ran else "nothing ran"

    @property
    def ok(self) -> bool:
        """Whether all was as the plan says."""
        return self.verdict == "as documented"

    @property
    def exit_status(self) -> int:
        """Of the command that ran it."""
        is_lacking = self.verdict == "differs" and any(each.lacking for each in self.faults)
        return _LACKING if is_lacking else _STATUS[self.verdict]

    def as_json(self) -> dict[str, Any]:
        """For programs: `result.schema.json`."""
        return {
            "version": VERSION,
            "verdict": self.verdict,
            **dataclasses.asdict(self),
        }

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        """What differs, a line each; for `assert result.ok, result`."""
        lines = [say("plan.result", plan=self.plan, lab=self.lab, verdict=verdict_words(self.verdict))]
        lines += [f"  {each.problem}" for each in self.faults if each.problem]
        lines += [f"  {each.expected}: {each.why}" for each in self.checks if each.why]
        return "\n".join(lines)


def verdict_words(verdict: Verdict) -> str:
    """A verdict in the user's language."""
    return say(f"plan.verdict.{verdict.replace(' ', '-')}")
