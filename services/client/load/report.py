"""The result as a person reads it: a row a matter, then what must be known to read them. No I/O."""

import textwrap
from typing import Final

from services.client.load.hdr import Histogram
from services.client.load.result import SHARES, Result, duration, grouped, percent, percentiles
from services.client.load.tally import EOF, MISMATCH, OWN_TIMER
from services.client.words import ERRNOS
from services.messages import say

_CELL: Final = 9
"""Columns of one percentile: holds `8.90 us`, and a gap."""
_LABELS: Final = (
    "requests",
    "throughput",
    "latency",
    "schedule",
    "datagrams",
    "connections",
    "cpu",
    "errors",
)
_OWN_MEANINGS: Final = frozenset(
    {EOF, MISMATCH, OWN_TIMER, "EADDRNOTAVAIL", "EAGAIN", "EMFILE", "ENFILE", "ENOBUFS"}
)
"""What is explained under `load.meaning`; the kernel's other numbers are under `client.meaning`."""


def report(result: Result, width: int) -> list[str]:
    """The lines of the report.

    Args:
        result: what the run gave.
        width: columns of the console.
    """
    rows = _Rows(width)
    lines = _wrapped(title(result), width)
    tally = result.tally
    rows.text("requests", requests(result))
    rows.text(
        "throughput",
        say(
            "load.throughput",
            rate=grouped(result.rate),
            megabytes=f"{result.bytes_rate / 1e6:.3g}",
            seconds=f"{result.measured.seconds:.2f}",
        ),
    )
    rows.cells("latency", tally.latency)
    if result.plan.rate is not None:
        rows.text("schedule", say("load.schedule", waited=grouped(tally.waited)))
        rows.cells("lag", tally.lag)
    if result.plan.datagrams:
        rows.text("datagrams", say("load.datagrams", late=tally.late, duplicates=tally.duplicates))
    else:
        rows.text(
            "connections",
            say(
                "load.opened",
                opened=grouped(tally.opened),
                refused=grouped(tally.refused),
                failed=grouped(tally.failed),
            ),
        )
    rows.text("cpu", say("load.cpu", share=percent(result.cpu_share)))
    rows.text("errors", "" if tally.errors else say("load.no-errors"))
    lines += ["", *rows.lines]
    for (call, what), count in tally.errors.most_common():
        lines.append(f"  {call} {what}: {grouped(count)}")
        lines += _wrapped(meaning(what), width, "    ")
    for name, fields in result.notes():
        lines += ["", *_wrapped(say(f"load.note.{name}", **fields), width)]
    return lines


def title(result: Result) -> str:
    """What was done."""
    plan = result.plan
    connections = "reconnect" if plan.reconnect else "sockets" if plan.datagrams else "connections"
    return say(
        "load.title",
        transport=plan.transport,
        target=result.target,
        protocol=plan.protocol,
        size=grouped(plan.size),
        connections=say(f"load.{connections}", count=grouped(plan.connections), in_flight=plan.in_flight),
        loop=say("load.closed") if plan.rate is None else say("load.open", rate=f"{plan.rate:g}"),
    )


def requests(result: Result) -> str:
    """How many requests were answered, and what became of the others."""
    tally = result.tally
    fates = {
        "lost" if result.plan.datagrams else "timed-out": tally.timed_out,
        "mismatched": tally.mismatched,
        "cut-datagrams" if result.plan.datagrams else "cut": tally.cut,
        "unfinished": tally.unfinished,
        "unsent": tally.unsent,
    }
    parts = [say("load.answered", answered=grouped(tally.answered), begun=grouped(tally.begun))]
    parts += [say(f"load.{name}", count=grouped(count)) for name, count in fates.items() if count]
    return ", ".join(parts)


def meaning(what: str) -> str:
    """What is meant by what a call gave."""
    if what in _OWN_MEANINGS:
        return say(f"load.meaning.{what}")
    if what in ERRNOS:
        return say(f"client.meaning.{what}")
    return say("client.meaning.other" if what.isupper() else "load.meaning.framed")


class _Rows:
    """Rows, each with its name on the left."""

    def __init__(self, width: int) -> None:
        self.lines: list[str] = []
        self._width = width
        self._label = max(len(say(f"load.row.{name}")) for name in _LABELS) + 2

    def text(self, name: str, text: str) -> None:
        """A row of words."""
        label = say(f"load.row.{name}")
        wrapped = _wrapped(text, self._width - self._label) or [""]
        for index, line in enumerate(wrapped):
            self.lines.append(f"{'' if index else label:<{self._label}}{line}".rstrip())

    def cells(self, name: str, histogram: Histogram) -> None:
        """Two rows: the names of the percentiles, and their values."""
        found = percentiles(histogram)
        values = dict.fromkeys(SHARES, "-") if found is None else {k: duration(v) for k, v in found.items()}
        label = say(f"load.row.{name}")
        self.lines.append(f"{label:<{self._label}}" + "".join(f"{share:>{_CELL}}" for share in values))
        self.lines.append(" " * self._label + "".join(f"{value:>{_CELL}}" for value in values.values()))


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    return textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
