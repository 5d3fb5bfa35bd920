"""The figure of the documentation: the server's CPU time by operation, relative to C, as SVG.

Theory of operation
    A panel a case, two panels a row; in a panel a bar a contender, the cheapest first, with its name on the
    left and its figure at its end. The bar is C's CPU time by theirs: C is 1.00, and longer is better.
    Colours are classes whose values depend on the reader's scheme (`prefers-color-scheme`), so one file
    serves a light and a dark page. Text is text: it can be searched, and is read aloud.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from scripts.machine.bench.cases import Kind
from scripts.machine.bench.contenders import BY_NAME, C
from scripts.machine.bench.rounds import CaseResult
from scripts.machine.bench.summary import Row, rows, under_load
from scripts.machine.bench.tables import case_name
from socketlab.messages import say

WIDTH: Final = 880
MARGIN: Final = 16
HEADER: Final = 72
"""Height of title and legend, in px as everything here."""
PANELS_A_ROW: Final = 2
PANEL_WIDTH: Final = (WIDTH - (PANELS_A_ROW + 1) * MARGIN) / PANELS_A_ROW
PANEL_TITLE: Final = 28
BAR: Final = 13
PITCH: Final = 19
NAMES: Final = 116
"""Width of the names' column: the longest has 15 letters of 12 px."""
FIGURES: Final = 40
"""Width kept for the figure at a bar's end."""
BARS: Final = PANEL_WIDTH - NAMES - FIGURES
_ROUNDED: Final = 2

_STYLE: Final = """
    text { font: 12px system-ui, sans-serif; fill: #1f2328 }
    .title { font-size: 15px; font-weight: 600 }
    .case { font-weight: 600 }
    .page { fill: #ffffff }
    .share { paint-order: stroke; stroke: #ffffff; stroke-width: 3px }
    .ours { fill: #2563c9 }
    .other { fill: #8a94a3 }
    .reference { stroke: #1f2328; stroke-dasharray: 3 3; stroke-opacity: 0.6 }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 }
      .page { fill: #0d1117 }
      .share { stroke: #0d1117 }
      .ours { fill: #6ea8fe }
      .other { fill: #6b7684 }
      .reference { stroke: #e6edf3 }
    }"""


@dataclass(frozen=True, slots=True)
class Panel:
    """One case of the figure: its title, and each contender's share of C's speed."""

    title: str
    shares: Sequence[tuple[str, float]]

    @property
    def height(self) -> int:
        """With its title, and a gap below."""
        return PANEL_TITLE + PITCH * len(self.shares) + MARGIN


def panels(results: Mapping[str, CaseResult]) -> list[Panel]:
    """The cases that have such a figure, in order."""
    return [
        Panel(case_name(result.case), shares)
        for result in results.values()
        if result.case.kind is Kind.RATE and (shares := _shares(rows(under_load(result), (C,))))
    ]


def _shares(found: Sequence[Row]) -> list[tuple[str, float]]:
    shares = [(row.name, row.cpu_ratios[C]) for row in found if C in row.cpu_ratios]
    return sorted(shares, key=lambda share: -share[1])


def draw(found: Sequence[Panel]) -> str:
    """The figure, as the text of an SVG file."""
    drawn: list[str] = []
    top: float = HEADER
    for at in range(0, len(found), PANELS_A_ROW):
        row = found[at : at + PANELS_A_ROW]
        for column, panel in enumerate(row):
            left = MARGIN + column * (PANEL_WIDTH + MARGIN)
            drawn += _panel(panel, left, top)
        top += max(panel.height for panel in row)
    heading = say("scripts.bench.figure.title")
    size = f'viewBox="0 0 {WIDTH} {top:g}" width="{WIDTH}" height="{top:g}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label={quoteattr(heading)}>',
            f"  <style>{_STYLE}\n  </style>",
            f'  <rect class="page" width="{WIDTH}" height="{top:g}"/>',
            _text(heading, MARGIN, 26, "title"),
            *_legend(),
            *drawn,
            "</svg>\n",
        ]
    )


def _legend() -> Iterator[str]:
    left: float = MARGIN
    for kind in ("ours", "other"):
        words = say(f"scripts.bench.figure.{kind}")
        yield _bar(kind, left, 42, BAR)
        yield _text(words, left + BAR + 6, 53)
        left += BAR + 30 + 7 * len(words)


def _panel(panel: Panel, left: float, top: float) -> Iterator[str]:
    yield _text(panel.title, left, top + 14, "case")
    bars = left + NAMES
    # Each case has a scale of its own: one that far outdoes C would shrink all the others.
    scale = BARS / max(1.0, *(share for _, share in panel.shares))
    high = top + PANEL_TITLE
    for at, (name, share) in enumerate(panel.shares):
        kind = "ours" if BY_NAME[name].ours else "other"
        yield _bar(kind, bars, high + at * PITCH, max(share * scale, 1.0))
    ends = f'y1="{high - 4:g}" y2="{high + len(panel.shares) * PITCH - 4:g}"'
    yield f'  <line class="reference" x1="{bars + scale:.1f}" x2="{bars + scale:.1f}" {ends}/>'
    for at, (name, share) in enumerate(panel.shares):
        line = high + at * PITCH + BAR - 2
        yield _text(name, bars - 6, line, anchor="end")
        yield _text(f"{share:.2f}", bars + share * scale + 5, line, "share")


def _bar(kind: str, x: float, y: float, width: float) -> str:
    return (
        f'  <rect class="{kind}" x="{x:.1f}" y="{y:g}" width="{width:.1f}" height="{BAR}" rx="{_ROUNDED}"/>'
    )


def _text(words: str, x: float, y: float, kind: str = "", anchor: str = "start") -> str:
    of_kind = f' class="{kind}"' if kind else ""
    return f'  <text{of_kind} x="{x:.1f}" y="{y:g}" text-anchor="{anchor}">{escape(words)}</text>'
