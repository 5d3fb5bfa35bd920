"""What a plan's events are, and in which order: pure, so that a test can look at all of time at once.

Theory of operation
    Each occurrence of a fault step is a `Begin` and an `End`; of a ramp each further value is a `Begin` that
    replaces the one before, so there is no moment without any. At the same moment what ends comes first, then
    what begins, then what is expected: so an expectation of the moment in which a fault comes or goes sees
    the network as it is from then on. Within these the order is that of the plan. A fault that has no `for`
    ends with the plan, last come first gone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from socketlab.faults.model import LabFault
from socketlab.faults.plans.model import ExpectStep, FaultStep, Plan, Repeat, Step
from socketlab.faults.plans.sentences import Expectation

_ONCE: Final = Repeat(1, 1.0)


class Key(NamedTuple):
    """Which fault of a plan: its step, the how-many-eth time, and the how-many-eth value of its ramp."""

    step: int
    occurrence: int
    value: int


@dataclass(frozen=True, slots=True)
class Begin:
    """A fault comes.

    Args:
        at: when.
        key: which.
        step: what the plan says of it.
        fault: what.
        replaces: the one that goes then, as soon as this one is in force; None: none does.
    """

    at: float
    key: Key
    step: FaultStep
    fault: LabFault
    replaces: Key | None = None


@dataclass(frozen=True, slots=True)
class End:
    """It goes."""

    at: float
    key: Key


@dataclass(frozen=True, slots=True)
class Check:
    """Something is expected."""

    at: float
    step: int
    occurrence: int
    expectation: Expectation


Event: TypeAlias = Begin | End | Check
_RANK: Final[dict[type, int]] = {End: 0, Begin: 1, Check: 2}


def events(plan: Plan) -> list[Event]:
    """All that happens in a plan, in its order; what lasts until the plan's end is ended by `open_at_end`."""
    found = [event for number, step in enumerate(plan.steps) for event in _of(number, step)]
    return sorted(found, key=lambda event: (event.at, _RANK[type(event)]))


def length(plan: Plan) -> float:
    """Seconds from the plan's start to its last event; calls that are still awaited then come on top."""
    return max([plan.seconds, *(event.at for event in events(plan))])


def open_at_end(plan: Plan) -> list[Key]:
    """The faults that are in force when the last event is over, in the order in which they are to go."""
    found: dict[Key, None] = {}
    for event in events(plan):
        if isinstance(event, Begin):
            found[event.key] = None
            if event.replaces is not None:
                del found[event.replaces]
        elif isinstance(event, End):
            del found[event.key]
    return list(reversed(found))


def _of(number: int, step: Step) -> Iterator[Event]:
    repeat = step.repeat or _ONCE
    for occurrence in range(repeat.count):
        start = _exactly(step.at + occurrence * repeat.every)
        if isinstance(step, ExpectStep):
            for expectation in step.expectations:
                yield Check(start, number, occurrence, expectation)
        else:
            yield from _of_fault(Key(number, occurrence, 0), step, start)


def _of_fault(key: Key, step: FaultStep, start: float) -> Iterator[Event]:
    if step.seconds is None:
        yield Begin(start, key, step, step.fault)
        return
    faults = step.ramp.faults(step.fault) if step.ramp else [step.fault]
    for value, fault in enumerate(faults):
        at = _exactly(start + step.seconds * value / len(faults))
        own, before = key._replace(value=value), key._replace(value=value - 1)
        yield Begin(at, own, step, fault, replaces=before if value else None)
    yield End(_exactly(start + step.seconds), own)


def _exactly(seconds: float) -> float:
    """To the microsecond: one occurrence's end and the next one's begin are the same number then."""
    return round(seconds, 6)


class Agenda:
    """A plan's events as time goes by.

    Args:
        plan: the plan.
    """

    def __init__(self, plan: Plan) -> None:
        self._waiting = events(plan)
        self._length = length(plan)

    def due(self, now: float) -> list[Event]:
        """The events that are due, each once, in their order.

        Args:
            now: seconds from the plan's start.
        """
        count = sum(1 for _ in self._before(now))
        found, self._waiting = self._waiting[:count], self._waiting[count:]
        return found

    def _before(self, now: float) -> Iterator[Event]:
        for event in self._waiting:
            if event.at > now:
                return
            yield event

    def next(self, now: float) -> float | None:
        """Seconds until there is something to do; None: the plan is over."""
        if self._waiting:
            return max(0.0, self._waiting[0].at - now)
        return self._length - now if now < self._length else None
