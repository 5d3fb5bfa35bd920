r"""What the terminal is sent: rows that stay, and below them the line being typed. No I/O.

Theory of operation
    The line being typed is always exactly one row, the last, never as wide as the terminal; of a longer one a
    part is shown, `<` and `>` where it goes on. So it can be replaced without knowing what the terminal made
    of it: CR, the row, and "erase to the end of the screen"; then CR and the row up to the cursor once more,
    which puts the cursor where it belongs even on a terminal that takes another width for a character.
    What stays is written in the row's place, and the row again below it, all in one write: nothing is torn.
    After the terminal has become narrower the old row may stand above in pieces; nothing else can be hurt.
"""

from collections.abc import Iterable
from typing import Final

from services.client.interactive.cells import Cell, cells, columns_of, fitting, wrapped

PROMPT: Final = "> "
NARROWEST: Final = 20
"""Columns; a narrower terminal is written to as if it had so many."""
_INDENT: Final = "  "
_ERASE: Final = "\x1b[J"
_CLEAR: Final = "\x1b[H\x1b[2J"
_BELL: Final = "\a"


class Screen:
    """Writes rows for a terminal.

    Args:
        columns: of the terminal.
        utf8: as of `cells`.
    """

    def __init__(self, columns: int, *, utf8: bool = True) -> None:
        self._utf8 = utf8
        self._row_shown = ""
        self._waiting: list[str] = []
        self._clear = self._ring = False
        self.resize(columns)

    def resize(self, columns: int) -> None:
        """The terminal has so many columns now."""
        self._columns = max(columns, NARROWEST)

    def above(self, text: str, prefix: str = _INDENT, *, by_words: bool = False) -> None:
        """Let a text stay above the line being typed.

        Args:
            text: one line, shown in as many rows as it takes.
            prefix: before the first row, of two columns; the others are indented as much.
            by_words: as of `wrapped`.
        """
        for row in wrapped(text, self._columns - 1 - len(prefix), utf8=self._utf8, by_words=by_words):
            self._waiting.append(prefix + row)
            prefix = _INDENT

    def clear(self) -> None:
        """Have an empty screen."""
        self._clear = True

    def ring(self) -> None:
        """Ring the terminal's bell."""
        self._ring = True

    def forget(self) -> None:
        """Somebody else has written: nothing of ours stands on the last row."""
        self._row_shown = ""

    def update(self, text: str | None, cursor: int = 0) -> str:
        """What brings the terminal up to date.

        Args:
            text: the line being typed; None: there is none.
            cursor: where in it the cursor stands, in characters.
        """
        row = "" if text is None else self._row(text, cursor)
        said = _BELL if self._ring else ""
        if self._clear:
            said += _CLEAR
        elif self._waiting or (self._row_shown and not row):
            said += "\r" + _ERASE
        said += "".join(row + "\r\n" for row in self._waiting)
        if self._clear or self._waiting or row != self._row_shown:
            said += row
        self._row_shown = row
        self._waiting, self._clear, self._ring = [], False, False
        return said

    def _row(self, text: str, cursor: int) -> str:
        """What puts the line and the cursor where they belong, on the row where the cursor is."""
        left, right = self._window(text, cursor)
        return f"\r{left}{right}{_ERASE}\r{left}" if right else f"\r{left}{_ERASE}"

    def _window(self, text: str, cursor: int) -> tuple[str, str]:
        """What is shown of the line, up to the cursor and behind it."""
        before = cells(text[:cursor], utf8=self._utf8)
        behind = cells(text[cursor:], utf8=self._utf8)
        room = self._columns - 1 - len(PROMPT)
        right = columns_of(behind)
        if columns_of(before) + right <= room:
            return PROMPT + _drawn(before), _drawn(behind)
        inner = room - 2  # the marks
        near = fitting(before[::-1], max(inner * 2 // 3, inner - right))[::-1]
        next_to = fitting(behind, inner - columns_of(near))
        return (
            PROMPT + ("<" if len(near) < len(before) else "") + _drawn(near),
            _drawn(next_to) + (">" if len(next_to) < len(behind) else ""),
        )


def _drawn(row: Iterable[Cell]) -> str:
    return "".join(cell.shown for cell in row)
