"""Plans: what happens when, as data.

A plan is immutable. What makes no sense is refused when it is made, with the reason; a plan from a file is
made of the same classes, and the file adds the line. Times are seconds from the plan's start.
"""

import dataclasses
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from socketlab.errors import SpecError
from socketlab.faults.model import Dns, LabFault, Partition
from socketlab.faults.plans import sentences
from socketlab.faults.plans.sentences import Expectation, Probe
from socketlab.faults.words import kind_of

if TYPE_CHECKING:
    from socketlab.faults.plans.result import Result
    from socketlab.hosts.file import LabFile
    from socketlab.hosts.lab import Lab

LONGEST: Final = 86_400.0
MOST_STEPS: Final = 1_000
MOST_OCCURRENCES: Final = 10_000
_LAB_WIDE: Final = (Partition, Dns)


@dataclass(frozen=True, slots=True)
class Repeat:
    """A step happens more than once.

    Args:
        count: so many times in all.
        every: seconds from the start of one to the start of the next.
    """

    count: int
    every: float

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MOST_OCCURRENCES:
            raise SpecError(
                "plan.number", name="repeat.count", least=1, most=MOST_OCCURRENCES, seen=self.count
            )
        _time("repeat.every", self.every)


@dataclass(frozen=True, slots=True)
class Ramp:
    """A number of a fault goes from one value to another while it is in force, in equal steps.

    Args:
        member: of the fault: `seconds`, `probability`, `rate` ...
        start: its first value.
        to: its last.
        steps: so many values, both ends among them; each is in force equally long.
    """

    member: str
    start: float
    to: float
    steps: int = 5

    def __post_init__(self) -> None:
        if not 2 <= self.steps <= MOST_STEPS:  # noqa: PLR2004 - both ends
            raise SpecError("plan.number", name="ramp.steps", least=2, most=MOST_STEPS, seen=self.steps)

    def values(self) -> list[float]:
        """The values, in their order."""
        width = (self.to - self.start) / (self.steps - 1)
        return [*(round(self.start + width * number, 9) for number in range(self.steps - 1)), self.to]

    def faults(self, fault: LabFault) -> list[LabFault]:
        """The fault with each value.

        Raises:
            SpecError: it has no such member, or that is no number.
            FaultError: it makes no sense with one of them.
        """
        members = {each.name: getattr(fault, each.name) for each in dataclasses.fields(fault)}
        now = members.get(self.member)
        if type(now) not in {int, float}:
            numbers = [name for name, value in members.items() if type(value) in {int, float}]
            known = ", ".join(numbers) or "-"
            seen = ascii(self.member)[:40]
            raise SpecError("plan.ramp-member", kind=kind_of(fault), seen=seen, known=known)
        values = [round(value) if type(now) is int else value for value in self.values()]
        return [dataclasses.replace(fault, **{self.member: value}) for value in values]  # type: ignore[arg-type] # a member it has


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultStep:
    """A fault comes, and goes.

    Args:
        at: when.
        fault: what.
        on: the host; None: the fault is of the lab (a partition, a name).
        seconds: for how long; None: to the plan's end.
        repeat: how often; None: once.
        ramp: a number of the fault that changes meanwhile.
        verify: prove that it bites; None: as the run says.
    """

    at: float
    fault: LabFault
    on: str | None = None
    seconds: float | None = None
    repeat: Repeat | None = None
    ramp: Ramp | None = None
    verify: bool | None = None

    def __post_init__(self) -> None:
        _time("at", self.at, zero=True)
        if self.seconds is not None:
            _time("for", self.seconds)
        if self.on is None and not isinstance(self.fault, _LAB_WIDE):
            raise SpecError("plan.needs-host", kind=kind_of(self.fault))
        if self.on is not None and isinstance(self.fault, _LAB_WIDE):
            raise SpecError("plan.lab-wide", kind=kind_of(self.fault), seen=ascii(self.on)[:40])
        if self.seconds is None and (self.repeat or self.ramp):
            raise SpecError("plan.needs-for", name="repeat" if self.repeat else "ramp")
        if self.repeat and self.repeat.count > 1 and (self.seconds or 0.0) > self.repeat.every:
            raise SpecError("plan.overlap", seconds=f"{self.seconds:g}", every=f"{self.repeat.every:g}")
        if self.ramp:
            self.ramp.faults(self.fault)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectStep:
    """Calls are made, and each is to give what it should.

    Args:
        at: when; all of them at the same time.
        expectations: what is expected.
        repeat: how often; None: once.
    """

    at: float
    expectations: tuple[Expectation, ...]
    repeat: Repeat | None = None

    def __post_init__(self) -> None:
        _time("at", self.at, zero=True)
        if not self.expectations:
            raise SpecError("plan.nothing-expected")


Step = FaultStep | ExpectStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What happens when.

    Args:
        name: of the plan, for reports.
        steps: in any order: their times count.
        probes: calls that are made again and again all the time, for the result to show.
        lab: the lab that it is made for; None: it runs on any that has its hosts.
        seconds: it lasts at least so long; 0: as its steps do.
        title: a sentence for readers.
    """

    name: str
    steps: tuple[Step, ...]
    probes: tuple[Probe, ...] = ()
    lab: "LabFile | None" = field(default=None, compare=False)
    seconds: float = 0.0
    title: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(self.steps))
        object.__setattr__(self, "probes", tuple(self.probes))
        _time("for", self.seconds, zero=True)
        if not self.steps and not self.probes:
            raise SpecError("plan.nothing")
        if len(self.steps) > MOST_STEPS:
            raise SpecError("plan.number", name="steps", least=1, most=MOST_STEPS, seen=len(self.steps))
        if not self.steps and not self.seconds:
            raise SpecError("plan.endless")

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> "Plan":
        """A plan as a YAML file describes it (`plan.schema.json`).

        Raises:
            SpecError: the file cannot be read, or makes no sense: line, column and key are told.
        """
        from socketlab.faults.plans import file  # noqa: PLC0415 - YAML costs who writes Python 12 ms

        return file.read(Path(path))

    @property
    def hosts(self) -> dict[str, str]:
        """The hosts that it names, each with where it does so: `steps[2].on`."""
        found: dict[str, str] = {}
        for number, step in enumerate(self.steps):
            where = f"steps[{number}]"
            if isinstance(step, ExpectStep):
                for each in step.expectations:
                    found.setdefault(each.call.host, f"{where}.expect")
                    found.setdefault(each.call.target, f"{where}.expect")
                continue
            if step.on is not None:
                found.setdefault(step.on, f"{where}.on")
            if isinstance(step.fault, Partition):
                found |= {name: f"{where}.fault" for group in step.fault.groups for name in group} | found
        for number, probe in enumerate(self.probes):
            found.setdefault(probe.call.host, f"probes[{number}]")
            found.setdefault(probe.call.target, f"probes[{number}]")
        return found

    def run(self, lab: "Lab", *, verify: bool = True) -> "Result":
        """Run it on an open lab; returns when it is over and everything is healed.

        Args:
            lab: has the hosts that it names.
            verify: prove of each fault that it bites, before the plan goes on.

        Raises:
            SpecError: the lab lacks a host.
        """
        from socketlab.faults.plans.executor import run  # noqa: PLC0415 - it builds on this module

        return run(self, lab, verify=verify)


def at(
    seconds: float,
    *,
    fault: LabFault | None = None,
    expect: str | Sequence[str] = (),
    on: Any = None,
    lasts: float | None = None,
    repeat: Repeat | None = None,
    ramp: Ramp | None = None,
    verify: bool | None = None,
) -> Step:
    """A step of a plan: `at(2, on="server", fault=drop(port=7000), lasts=3)`.

    Args:
        seconds: when, from the plan's start.
        fault: what comes; or
        expect: sentences that must hold: `client tcp server:7000 -> ECONNREFUSED within 1s`.
        on: the host, or its name.
        lasts: seconds after which the fault is healed; None: at the plan's end.
        repeat: how often.
        ramp: a number of the fault that changes meanwhile.
        verify: prove that it bites; None: as the run says.

    Raises:
        SpecError: it makes no sense.
        FaultError: the fault makes none.
    """
    wanted = [expect] if isinstance(expect, str) else list(expect)
    if (fault is None) == (not wanted):
        raise SpecError("plan.one-of")
    if fault is None:
        made = tuple(map(sentences.expectation, wanted))
        return ExpectStep(at=seconds, expectations=made, repeat=repeat)
    name = None if on is None else getattr(on, "name", on)
    return FaultStep(at=seconds, fault=fault, on=name, seconds=lasts, repeat=repeat, ramp=ramp, verify=verify)


def _time(name: str, value: float, *, zero: bool = False) -> None:
    if not (math.isfinite(value) and (value >= 0 if zero else value > 0) and value <= LONGEST):
        raise SpecError("plan.number", name=name, least=0, most=f"{LONGEST:g}", seen=value)


__all__ = ["ExpectStep", "FaultStep", "Plan", "Ramp", "Repeat", "Step", "at"]
