"""What of a text a terminal may be given, and how many columns it takes there.

Theory of operation
    A terminal gives a character no column, one or two (UAX #11, wcwidth(3)). A cell is what the cursor steps
    over as one: a character and the marks that combine with it. What is not printable would be obeyed by
    the terminal (ESC, CR), or would change the order of what is read (U+202E): it is shown as an escape. So
    is a mark with nothing to stand on. A byte that is no UTF-8 is a lone surrogate in Python (PEP 383), and
    shown as the byte it was.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

_MARKS: Final = 4
"""So many marks a cell: no script needs more, and a tower of them would paint over the rows above."""
_SELECTORS: Final = (("\ufe00", "\ufe0f"), ("\U000e0100", "\U000e01ef"))
"""Variation selectors: terminals do not agree on what they do to a width, so they are not shown."""
_JOINING: Final = (("\u1160", "\u11ff"), ("\ud7b0", "\ud7ff"))
"""Vowels and final consonants of Hangul, drawn into the syllable that the consonant before them began."""
_NAMED: Final = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}
_BYTES: Final = range(0xDC80, 0xDD00)
"""The surrogates that stand for bytes (PEP 383)."""


class Cell(NamedTuple):
    """What the cursor steps over as one.

    Args:
        length: characters of the text that it stands for.
        shown: what the terminal is given.
        width: columns that it takes.
    """

    length: int
    shown: str
    width: int


def cells(text: str, *, utf8: bool = True) -> list[Cell]:
    """A text in cells.

    Args:
        text: any; what must not reach a terminal becomes an escape.
        utf8: whether the terminal is; else all but ASCII is an escape.
    """
    if text.isascii() and text.isprintable():
        return [Cell(1, char, 1) for char in text]
    found: list[Cell] = []
    room = 0  # for marks, on the last cell
    for char in text:
        if not char.isprintable() or not (utf8 or char.isascii()):
            found.append(_escaped(char))
            room = 0
        elif _width(char):
            found.append(Cell(1, char, _width(char)))
            room = _MARKS
        elif room:
            length, shown, width = found[-1]
            found[-1] = Cell(length + 1, shown if _among(char, _SELECTORS) else shown + char, width)
            room -= 1
        else:
            found.append(_escaped(char))
    return found


def escaped(text: str, *, utf8: bool = True) -> str:
    """A text as it may be shown."""
    return "".join(cell.shown for cell in cells(text, utf8=utf8))


def columns_of(row: Iterable[Cell]) -> int:
    """How many columns these cells take."""
    return sum(cell.width for cell in row)


def fitting(row: Sequence[Cell], columns: int) -> Sequence[Cell]:
    """As many of these cells, from the first one on, as fit in so many columns."""
    left = columns
    for number, cell in enumerate(row):
        left -= cell.width
        if left < 0:
            return row[:number]
    return row


def wrapped(text: str, columns: int, *, utf8: bool = True, by_words: bool = False) -> Iterator[str]:
    """A text as it may be shown, in rows; at least one.

    Args:
        text: any.
        columns: most that a row may take; at least as many as the longest escape has, which is 10.
        utf8: as of `cells`.
        by_words: break at a space where there is one, and leave it out.
    """
    rest: Sequence[Cell] = cells(text, utf8=utf8)
    while True:
        row = fitting(rest, columns)
        skipped = 0
        if by_words and len(row) < len(rest):
            spaces = (place for place in range(len(row), 0, -1) if rest[place].shown == " ")
            if place := next(spaces, 0):
                row, skipped = rest[:place], 1
        yield "".join(cell.shown for cell in row)
        rest = rest[len(row) + skipped :]
        if not rest:
            return


def _width(char: str) -> int:
    if unicodedata.category(char) in {"Mn", "Me"} or _among(char, _JOINING):
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1


def _among(char: str, ranges: Iterable[tuple[str, str]]) -> bool:
    return any(first <= char <= last for first, last in ranges)


def _escaped(char: str) -> Cell:
    code = ord(char)
    if code in _BYTES:
        shown = f"\\x{code - 0xDC00:02x}"
    elif char.isascii():
        shown = _NAMED.get(char, f"\\x{code:02x}")
    else:
        shown = f"\\u{code:04x}" if char <= "\uffff" else f"\\U{code:08x}"
    return Cell(1, shown, len(shown))
