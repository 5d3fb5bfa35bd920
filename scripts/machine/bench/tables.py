"""The figures as tables, for people: Markdown, which also reads well as it stands."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from scripts.machine.bench.cases import Case, Kind
from scripts.machine.bench.contenders import REFERENCES, UVLOOP, C
from scripts.machine.bench.rounds import CaseResult
from scripts.machine.bench.samples import Footprint
from scripts.machine.bench.summary import Row, footprints, framed_rows, rows, under_load
from scripts.machine.bench.targets import Verdict
from socketlab.messages import say

NOTHING: Final = "-"
Lines = Iterator[str]
Cells = Sequence[str]


def case_table(result: CaseResult) -> str:
    """One case: its title, its table, and who has no part in it and why."""
    table = _TABLES[result.case.kind](result)
    return "\n".join([f"### {_title(result.case)}", "", *grid(*table), *_notes(result), ""])


def case_name(case: Case) -> str:
    """What a case measures."""
    return say(f"scripts.bench.case.{case.name}", connections=case.connections)


def _title(case: Case) -> str:
    """The same, and in which unit; memory has its unit in the heads."""
    name = case_name(case)
    return name if case.once else f"{name} ({say(f'scripts.bench.unit.{case.unit}')})"


def target_table(verdicts: Sequence[Verdict], heading: str = "targets") -> str:
    """Every target, and whether it is met.

    Args:
        verdicts: in order.
        heading: key of the heading under `scripts.bench`.
    """
    words = {True: "met", False: "missed", None: "unknown"}
    cells = [
        (
            say(
                f"scripts.bench.target.{verdict.key}", case=verdict.case, who=verdict.who, other=verdict.other
            ),
            f"{'<=' if verdict.most else '>='} {_figure(verdict.target)}",
            NOTHING if verdict.seen is None else _figure(verdict.seen),
            say(f"scripts.bench.verdict.{words[verdict.met]}"),
        )
        for verdict in verdicts
    ]
    title = f"### {say(f'scripts.bench.{heading}')}"
    return "\n".join([title, "", *grid(column_heads("target", "wanted", "seen", "verdict"), cells), ""])


def grid(heads: Cells, lines: Sequence[Cells]) -> Lines:
    """A table: the first column to the left, the others to the right. Without lines it is nothing."""
    if not lines:
        return
    widths = [max(len(line[at]) for line in (heads, *lines)) for at in range(len(heads))]

    def drawn(cells: Cells) -> str:
        first, *others = (cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
        return "| " + " | ".join([cells[0].ljust(len(first)), *others]) + " |"

    yield drawn(heads)
    yield "|" + "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])]) + "|"
    yield from map(drawn, lines)


def _rates(result: CaseResult) -> tuple[Cells, list[Cells]]:
    scale = result.case.scale
    heads = column_heads(
        "style", "rate", "rate-c", "rate-uvloop", "best", "worst", "p50", "p99", "cpu", "cpu-c", "cpu-uvloop"
    )
    return heads, [
        (
            row.name,
            *_rate_cells(row, scale),
            *(number(latency, 1) for latency in (row.p50, row.p99)),
            number(row.cpu, 2),
            *(number(row.cpu_ratios.get(reference), 2) for reference in REFERENCES),
        )
        for row in rows(under_load(result), REFERENCES)
    ]


def _rate_cells(row: Row, scale: float) -> Cells:
    ratios = (number(row.rate_ratios.get(reference), 2) for reference in REFERENCES)
    return (number(row.rate * scale), *ratios, number(row.best * scale), number(row.worst * scale))


def _framed(result: CaseResult) -> tuple[Cells, list[Cells]]:
    heads = column_heads("style", "echo-rate", "framed-rate", "p50", "p99", "echo-cpu", "framed-cpu", "cost")
    return heads, [
        (
            row.framed.name,
            number(row.echo.rate),
            number(row.framed.rate),
            number(row.framed.p50, 1),
            number(row.framed.p99, 1),
            number(row.echo.cpu, 2),
            number(row.framed.cpu, 2),
            number(row.cost, 2),
        )
        for row in framed_rows(result)
    ]


def _idle(result: CaseResult) -> tuple[Cells, list[Cells]]:
    return _memory(result, "pss-before", "pss-idle", "per-connection", lambda found: found.per_connection)


def _growth(result: CaseResult) -> tuple[Cells, list[Cells]]:
    return _memory(result, "rss-before", "rss-after", "growth", lambda found: found.growth)


def _memory(
    result: CaseResult, before: str, after: str, figure: str, of: Callable[[Footprint], float]
) -> tuple[Cells, list[Cells]]:
    resident = figure == "growth"
    return column_heads("style", before, after, figure), [
        (
            name,
            number(found.before.rss if resident else found.before.pss),
            number(found.after.rss if resident else found.after.pss),
            number(of(found)),
        )
        for name, found in sorted(footprints(result).items(), key=lambda item: of(item[1]))
    ]


def _load(result: CaseResult) -> tuple[Cells, list[Cells]]:
    heads = column_heads("generator", "rate", "rate-c", "best", "worst", "p50", "p99", "own-cpu", "cpu-c")
    return heads, [
        (
            row.name,
            number(row.rate),
            number(row.rate_ratios.get(C), 2),
            number(row.best),
            number(row.worst),
            number(row.p50, 1),
            number(row.p99, 1),
            number(row.cpu, 2),
            number(row.cpu_ratios.get(C), 2),
        )
        for row in rows(under_load(result), (C,))
    ]


_TABLES: Final[dict[Kind, Callable[[CaseResult], tuple[Cells, list[Cells]]]]] = {
    Kind.RATE: _rates,
    Kind.FRAMED: _framed,
    Kind.IDLE: _idle,
    Kind.GROWTH: _growth,
    Kind.LOAD: _load,
}


def column_heads(*names: str) -> Cells:
    """The heads of columns."""
    return [say(f"scripts.bench.column.{name}", c=C, uvloop=UVLOOP) for name in names]


def _notes(result: CaseResult) -> Lines:
    """Who is missing, and why; what got lost."""
    notes = [say("scripts.bench.failed", name=name, why=why) for name, why in result.failures.items()]
    for obstacle in dict.fromkeys(result.absent.values()):
        names = ", ".join(name for name, why in result.absent.items() if why == obstacle)
        notes.append(say(f"scripts.bench.obstacle.{obstacle}", names=names))
    lossy = (row for row in rows(under_load(result)) if row.lost)
    notes += [say("scripts.bench.lost", name=row.name, count=row.lost) for row in lossy]
    if notes:
        yield from ("", *notes)


def number(value: float | None, decimals: int = 0) -> str:
    """A number whose thousands are apart, with a space: neither language takes that for anything else."""
    return NOTHING if value is None else f"{value:,.{decimals}f}".replace(",", " ")


def _figure(value: float) -> str:
    """A target's figure: shares by hundredths, bytes whole."""
    return number(value, 0 if abs(value) >= 100 else 2)  # noqa: PLR2004 - where two decimals stop to matter
