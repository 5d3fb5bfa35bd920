"""Every sentence stands in every language, with the same fields."""

import string
from pathlib import Path

import pytest

from socketlab.wire.text import LANGUAGES, Catalogue

ROOT = Path(__file__).parents[3]
FOLDERS = sorted(
    {file.parent for package in ("services", "socketlab") for file in (ROOT / package).rglob("en.toml")}
)


def fields(sentence: str) -> set[str]:
    """The names of the fields of a sentence."""
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


def test_there_are_catalogues() -> None:
    assert ROOT / "services" / "messages" in FOLDERS


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_no_translation_is_missing(folder: Path) -> None:
    english = Catalogue(folder).sentences("en")
    assert english
    for code in LANGUAGES:
        other = Catalogue(folder).sentences(code)
        assert other.keys() == english.keys()
        assert {key: fields(text) for key, text in other.items()} == {
            key: fields(text) for key, text in english.items()
        }
        assert all(text.strip() for text in other.values())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_no_sentence_is_the_other_languages(folder: Path) -> None:
    english, spanish = (Catalogue(folder).sentences(code) for code in ("en", "es"))
    # A sentence of more than a few words that is alike in both languages was forgotten, not translated.
    assert [key for key, text in english.items() if len(text.split()) > 4 and text == spanish[key]] == []


def test_two_folders_never_hold_the_same_key() -> None:
    seen: dict[str, Path] = {}
    for folder in FOLDERS:
        for key in Catalogue(folder).sentences("en"):
            assert key not in seen, f"{key} stands in {folder} and in {seen[key]}"
            seen[key] = folder
