"""The words of the pages, in both languages: `texts.toml`."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_FILE: Final = Path(__file__).with_name("texts.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """What a page says around its figures."""

    title: str
    about: str
    fault: str
    on: str
    columns: dict[str, str]
    outcomes: dict[str, str]
    when: dict[str, str]
    reading: str
    legend: str
    notes: dict[str, str]


def texts() -> dict[str, Texts]:
    """The words of each language."""
    found = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return {language: Texts(**members) for language, members in found.items()}
