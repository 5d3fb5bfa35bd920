"""The table fits its console, and loses nothing."""

import string

from hypothesis import given
from hypothesis import strategies as st

from services.client.table import Table

WIDTHS = st.integers(60, 100)
TEXT = st.text(string.ascii_letters + string.punctuation + "    áñ¿", max_size=200)


def letters(text: str) -> list[str]:
    return sorted("".join(text.split()))


@given(WIDTHS, TEXT, TEXT, TEXT)
def test_no_line_is_wider_than_the_console_and_nothing_is_lost(
    width: int, call: str, came_back: str, why: str
) -> None:
    lines = Table(width).row(call, came_back, "3.08 s", "ok", [why])

    assert max(map(len, lines)) <= width
    assert letters("".join(lines)) == letters(call + came_back + "3.08 s" + "ok" + why)


@given(WIDTHS)
def test_time_and_mark_stand_at_the_end_of_the_first_line(width: int) -> None:
    table = Table(width)

    short = table.row("recv(100)", "b''", "0.4 ms", "ok", [])
    wrapped = table.row("connect(" + "x" * 90 + ")", "y" * 90, "412 ms", "NO", [])

    assert len(short) == 1
    assert short[0].endswith("0.4 ms ok")
    assert wrapped[0].endswith("412 ms NO")
    assert len(short[0]) == len(wrapped[0]) == width


def test_at_80_columns_the_longest_usual_row_is_one_line() -> None:
    row = Table(80).row(
        "connect(('10.213.7.250', 7000))", "ConnectionRefusedError ECONNREFUSED", "0.04 ms", "ok", []
    )

    assert row == ["connect(('10.213.7.250', 7000))  ConnectionRefusedError ECONNREFUSED  0.04 ms ok"]


def test_sentences_are_indented_under_their_row() -> None:
    row = Table(60).row("recv(100)", "b''", "0.4 ms", "ok", ["one two " * 20, "three"])

    assert len(row) > 3
    assert all(line.startswith("    ") for line in row[1:])
    assert row[-1] == "    three"
