"""The tour: every outcome a first program meets, made for real, and compared with what is documented."""

import contextlib
import socket
import time
from collections import Counter
from dataclasses import dataclass
from typing import Final, Protocol

from services.client.calls import resolve, shown
from services.client.console import OUT, width
from services.client.expectation import Expectation, Raises, judge
from services.client.signals import from_thread
from services.client.steps import FAMILIES, TOUR, Caller, Lab, Step
from services.client.table import Table
from services.client.timeclass import TimeClass
from services.client.words import came_back, duration
from services.messages import ServiceError, say
from services.ports import ECHO
from socketlab.wire import Event, Happened, Outcome, Verdict
from socketlab.wire.fault import Family

AS_DOCUMENTED: Final = 0
DIFFERS: Final = 1
_MARKS: Final[dict[Verdict, str]] = {"as documented": "ok", "differs": "NO", "inconclusive": "??"}
_VERDICTS: Final[dict[Verdict, str]] = {
    "as documented": "documented",
    "differs": "differs",
    "inconclusive": "inconclusive",
}


@dataclass(frozen=True, slots=True)
class Result:
    """A step that was made.

    Args:
        step: which.
        outcome: of the call that decided.
        verdict: on it.
        said: why the documented outcome is what it is.
        remark: what is wrong with the outcome; empty: nothing.
    """

    step: Step
    outcome: Outcome
    verdict: Verdict
    said: str
    remark: str


class Show(Protocol):
    """How results are shown."""

    def begin(self, lab: Lab) -> None:
        """The tour begins."""

    def result(self, result: Result) -> None:
        """A step was made."""

    def end(self, results: list[Result], seconds: float) -> None:
        """It is over."""


def find_server(family: Family, server: str) -> str:
    """The server's address.

    Raises:
        ServiceError: its name does not resolve.
    """
    try:
        found = resolve(server, ECHO, FAMILIES[family], socket.SOCK_STREAM, lambda _: None)
    except (OSError, ValueError) as error:
        raise ServiceError("client.no-server", server=server, seen=error) from error
    _, (address, _) = found[0]
    return address


def make(step: Step, lab: Lab) -> Result:
    """Make one step's calls and judge what the last one gave."""
    told: list[Outcome] = []
    address = step.address(lab)
    with contextlib.suppress(OSError, ValueError):  # it is told
        step.make(Caller(lab, step.timeout, told.append), address)
    outcome = told[-1]
    expected = step.expected(lab.family)
    verdict, reason = judge(expected, outcome)
    said = say(f"tour.why.{step.id}", port=step.port, seconds=f"{expected.when.earliest:g}")
    remark = "" if reason is None else say(f"tour.reason.{reason}", documented=documented(expected))
    return Result(step, outcome, verdict, said, remark)


def documented(expected: Expectation) -> str:
    """What is documented, in words: `recv: TimeoutError, own timer, after 0.5 s`."""
    gives = expected.gives
    if isinstance(gives, Raises):
        names = "/".join(name for name in gives.errnos if name is not None)
        name = gives.exception.__name__
        what = f"{name} {names}" if names else say("client.own-timer", exception=name)
    else:
        what = shown(gives.value) if isinstance(gives.value, bytes) else str(gives.value)
    return say("tour.documented", call=expected.call, gives=what, when=in_words(expected.when))


def in_words(when: TimeClass) -> str:
    """A class of time, in words."""
    return say(f"client.when.{when.name}", seconds=f"{when.earliest:g}")


class TableShow:
    """Shows results as a table, row by row."""

    def __init__(self) -> None:
        self._table = Table(width())
        self._group = ""

    def begin(self, lab: Lab) -> None:
        """The title and the columns' names."""
        title = say("tour.title", server=lab.server, address=lab.server_ip, count=len(TOUR))
        columns = (say(f"tour.column.{name}") for name in ("call", "result", "time"))
        self._write([*self._table.text(title), "", *self._table.heading(*columns)])

    def result(self, result: Result) -> None:
        """A row, and a heading where a group begins."""
        if result.step.group != self._group:
            self._group = result.step.group
            self._write(self._table.group(say(f"tour.group.{self._group}")))
        outcome = result.outcome
        sentences = [sentence for sentence in (result.remark, result.said) if sentence]
        time_taken, mark = duration(outcome.seconds), _MARKS[result.verdict]
        self._write(self._table.row(outcome.call, came_back(outcome), time_taken, mark, sentences))

    def end(self, results: list[Result], seconds: float) -> None:
        """The summary."""
        self._write(["", *self._table.text(summary(results, seconds))])

    @staticmethod
    def _write(lines: list[str]) -> None:
        for line in lines:
            OUT.line(line)


class WireShow:
    """Shows results as lines of the wire."""

    def begin(self, lab: Lab) -> None:
        """Nothing: a line is a result."""

    def result(self, result: Result) -> None:
        """One event a step."""
        said = " ".join(sentence for sentence in (result.remark, result.said) if sentence)
        event = Event(
            name=f"tour.{result.step.id}",
            phase="completed",
            at_ns=result.outcome.ended_ns,
            outcome=result.outcome,
            verdict=result.verdict,
            said=said,
        )
        OUT.message(Happened(event))

    def end(self, results: list[Result], seconds: float) -> None:
        """Nothing: the exit code tells."""


def summary(results: list[Result], seconds: float) -> str:
    """How many calls had which verdict, and whether steps are missing."""
    counts = Counter(result.verdict for result in results)
    verdicts = [
        say(f"tour.verdict.{name}", count=counts[verdict])
        for verdict, name in _VERDICTS.items()
        if counts[verdict] or verdict == "as documented"
    ]
    key = "tour.summary" if len(results) == len(TOUR) else "tour.stopped"
    return say(
        key, made=len(results), count=len(TOUR), seconds=f"{seconds:.1f}", verdicts=", ".join(verdicts)
    )


def tour(lab: Lab, show: Show) -> int:
    """Make all steps and show each as soon as it is made.

    Returns:
        the exit code: 0 all as documented, else 1.

    Raises:
        Stopped: a signal came; what is known has been shown.
    """
    results: list[Result] = []
    started = time.monotonic()
    show.begin(lab)
    try:
        for result in from_thread(make(step, lab) for step in TOUR):
            results.append(result)
            show.result(result)
    finally:
        show.end(results, time.monotonic() - started)
    return AS_DOCUMENTED if all(result.verdict == "as documented" for result in results) else DIFFERS
