"""What a terminal may be given, and how wide it is there: the C library is the oracle."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.client.interactive.cells import cells, columns_of, escaped, fitting, wrapped
from tests.unit.client.terminal_model import columns, width

ANY = st.text(st.characters(exclude_categories=[]))  # surrogates too
UNICODE_OF_THE_C_LIBRARY_DIFFERS = [range(0x3248, 0x3250), range(0x4DC0, 0x4E00)]
"""Wide since Unicode 16, narrow before: Python and the C library need not be of the same age."""


def test_widths_are_those_of_the_c_library() -> None:
    different = []
    for code in range(0x20, 0x110000):
        char = chr(code)
        if not char.isprintable() or any(code in each for each in UNICODE_OF_THE_C_LIBRARY_DIFFERS):
            continue
        if width(char) < 0:
            continue  # the C library does not know it yet
        (_, cell), *rest = enumerate(cells("a" + char))
        joined = cell.length == 2
        ours = 0 if joined else rest[0][1].width
        if ours != width(char) and not (width(char) == 0 and unicodedata.category(char) == "Cf"):
            different.append(f"U+{code:04X}")
    assert different == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("hola, ¿qué tal?", "hola, ¿qué tal?"),
        ("\x1b[2J\x07\x7f", r"\x1b[2J\x07\x7f"),
        ("\t\r\n", r"\t\r\n"),
        ("\x9b2J", r"\u009b2J"),
        ("\u202eevil", r"\u202eevil"),
        ("\u200d", r"\u200d"),
        ("\U000e0041", r"\U000e0041"),
        ("\u0301a", r"\u0301a"),
        ("a\u0301", "a\u0301"),
        ("\u2764\ufe0f", "\u2764"),
        (b"caf\xe9\xff".decode("utf-8", "surrogateescape"), r"caf\xe9\xff"),
        ("\ud800", r"\ud800"),
        ("日本", "日本"),
        ("", ""),
    ],
)
def test_what_may_be_shown(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_a_console_without_utf8_is_given_ascii() -> None:
    assert escaped("café 日", utf8=False) == r"caf\u00e9 \u65e5"


def test_a_tower_of_marks_is_cut() -> None:
    shown = escaped("a" + "\u0301" * 30)

    assert shown.startswith("a" + "\u0301" * 4 + r"\u0301")
    assert shown.count("\u0301") == 4


@given(ANY)
def test_nothing_that_a_terminal_obeys_is_ever_shown(text: str) -> None:
    assert all(width(char) >= 0 and unicodedata.category(char)[0] != "C" for char in escaped(text))
    assert escaped(text, utf8=False).isascii()


@given(ANY)
def test_cells_are_the_whole_text_and_know_their_width(text: str) -> None:
    found = cells(text)

    assert sum(cell.length for cell in found) == len(text)
    assert all(cell.width > 0 for cell in found)
    known = "".join(cell.shown for cell in found)
    if not any(ord(char) in each for char in known for each in UNICODE_OF_THE_C_LIBRARY_DIFFERS):
        assert columns_of(found) == columns(known)


@given(ANY, st.integers(10, 30))
def test_rows_hold_all_and_are_never_too_wide(text: str, most: int) -> None:
    rows = list(wrapped(text, most))

    assert rows
    assert "".join(rows) == escaped(text)
    assert all(columns_of(cells(row)) <= most for row in rows)


@given(ANY, st.integers(0, 30))
def test_what_fits_is_a_beginning_and_one_more_does_not(text: str, most: int) -> None:
    row = cells(text)
    fits = fitting(row, most)

    assert list(fits) == row[: len(fits)]
    assert columns_of(fits) <= most
    assert fits == row or columns_of(row[: len(fits) + 1]) > most


def test_rows_of_words() -> None:
    assert list(wrapped("one two  three fourteenletters", 10, by_words=True)) == [
        "one two ",
        "three",
        "fourteenle",
        "tters",
    ]
