"""The pages of the docs, written from the measured file: English and Spanish from the same data."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from scripts.machine import ROOT
from scripts.machine.effects.cases import CASES, Case
from scripts.machine.effects.texts import Texts, texts
from socketlab.faults.effects import COLUMNS, Effect, Effects, Row

PAGES: Final[dict[str, Path]] = {
    "en": ROOT / "docs" / "effects.md",
    "es": ROOT / "docs" / "effects.es.md",
}

_WHOM: Final = ("--peer", "--port", "--family")


def page(effects: Effects, language: str) -> str:
    """The page in one language."""
    text = texts()[language]
    sysctls = ", ".join(f"`{name}={value}`" for name, value in effects.sysctls.items())
    timers = ", ".join(f"{text.columns[name]} {seconds:g} s" for name, seconds in effects.timers.items())
    head = [f"# {text.title}", text.about.format(sysctls=sysctls, timers=timers, **effects.measured)]
    tables = [_table(effects.rows, family, text) for family in ("ipv4", "ipv6")]
    notes = [f"- `{case.fault}`: {text.notes[case.note]}" for case in _noted()]
    return "\n\n".join([*head, *tables, f"## {text.reading}", text.legend, "\n".join(notes)]) + "\n"


def _noted() -> list[Case]:
    """The first case of each note: what it says holds for all of them."""
    seen: dict[str, Case] = {}
    for case in CASES:
        if case.note:
            seen.setdefault(case.note, case)
    return list(seen.values())


def _table(rows: Iterable[Row], family: str, text: Texts) -> str:
    lines = [
        f"## {family.replace('ipv', 'IPv')}",
        "",
        f"| {text.fault} | {text.on} | " + " | ".join(text.columns[column] for column in COLUMNS) + " |",
        "|---" * (2 + len(COLUMNS)) + "|",
    ]
    for row in rows:
        if row.family == family:
            cells = " | ".join(_cell(row.effects[column], text) for column in COLUMNS)
            lines.append(f"| `{short(row.fault)}` | {row.on} | {cells} |")
    return "\n".join(lines)


def short(fault: str) -> str:
    """A fault's words without those that only say whom it is for."""
    kept: list[str] = []
    words = iter(fault.split())
    for word in words:
        if word in _WHOM:
            next(words)
        else:
            kept.append(word.replace("{peer}", "PEER"))
    return " ".join(kept)


def _cell(effect: Effect, text: Texts) -> str:
    what = text.outcomes.get(effect.outcome, effect.outcome)
    if effect.errno:
        what = f"{effect.errno}"
    when = text.when[effect.when]
    if effect.when == "immediate":
        return what
    timer = f" {effect.seconds:g} s" if effect.seconds is not None else ""
    return f"{what}, {when}{timer}"


def write(effects: Effects) -> None:
    """Write all pages."""
    for language, path in PAGES.items():
        path.write_text(page(effects, language), encoding="utf-8")
