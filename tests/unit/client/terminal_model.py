"""A terminal as far as we use one: it obeys exactly what we may send, and fails on anything else.

How wide a character is it asks the C library (wcwidth(3)), which knows nothing of our own tables.
"""

import ctypes
import ctypes.util
import locale
import re
from collections.abc import Callable
from functools import cache

_TOKEN = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x1f\x7f]|[^\x00-\x1f\x7f]", re.DOTALL)


@cache
def _wcwidth() -> Callable[[int], int]:
    locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    function: Callable[[int], int] = ctypes.CDLL(None).wcwidth
    return function


def width(char: str) -> int:
    """Columns of a character, by the C library; -1: it is not printable."""
    return _wcwidth()(ord(char))


def columns(text: str) -> int:
    """Columns of a text."""
    return sum(width(char) for char in text)


class TerminalModel:
    """Rows of cells, the last ones of which are on the screen.

    Args:
        columns: its width.
        rows: its height.
        reflows: whether rows that ran over are put together again when it becomes wider, and cut when it
            becomes narrower, as most terminals of today do; xterm does not.
    """

    def __init__(self, columns: int, rows: int = 24, *, reflows: bool = False) -> None:
        self.columns = columns
        self.height = rows
        self.reflows = reflows
        self.bells = 0
        self.pastes_marked = False
        self._rows: list[list[str | None]] = [[]]
        self._runs_on = [False]
        self._at = [0, 0]

    @property
    def cursor(self) -> tuple[int, int]:
        """Row, counted from the first one ever, and column."""
        return self._at[0], self._at[1]

    @property
    def rows(self) -> list[str]:
        """All rows, those that have scrolled away too; without what was never written at their ends."""
        return ["".join(" " if cell is None else cell for cell in row) for row in self._rows]

    def feed(self, text: str) -> None:
        """Obey."""
        tokens = _TOKEN.findall(text)
        assert "".join(tokens) == text, f"not understood: {text!r}"
        for each in tokens:
            self._obey(each)

    def resize(self, columns: int) -> None:
        """Become wider or narrower."""
        if self.reflows:
            self._reflow(columns)
        self.columns = columns
        self._at[1] = min(self._at[1], columns - 1)

    def _obey(self, sequence: str) -> None:
        match sequence:
            case "\r":
                self._at[1] = 0
            case "\n":
                self._down()
            case "\a":
                self.bells += 1
            case "\x1b[J" | "\x1b[K":
                self._erase(below=sequence == "\x1b[J")
            case "\x1b[H":
                self._at = [self._top(), 0]
            case "\x1b[2J":
                self._rows[self._top() :] = [[] for _ in self._rows[self._top() :]]
            case "\x1b[?2004h" | "\x1b[?2004l":
                self.pastes_marked = sequence.endswith("h")
            case _:
                assert len(sequence) == 1, f"not a sequence that we may use: {sequence!r}"
                assert width(sequence) >= 0, f"not to be sent to a terminal: {sequence!r}"
                self._write(sequence)

    def _top(self) -> int:
        return max(0, len(self._rows) - self.height)

    def _down(self) -> None:
        self._at[0] += 1
        if self._at[0] == len(self._rows):
            self._rows.append([])
            self._runs_on.append(False)

    def _erase(self, *, below: bool) -> None:
        row, column = self._at
        del self._rows[row][column:]
        while self._rows[row] and self._rows[row][-1] is None:
            self._rows[row].pop()
        self._runs_on[row] = False
        if below:
            self._rows[row + 1 :] = [[] for _ in self._rows[row + 1 :]]

    def _write(self, char: str) -> None:
        size = width(char)
        if size == 0:
            self._combine(char)
            return
        if self._at[1] + size > self.columns:
            self._runs_on[self._at[0]] = True
            self._down()
            self._at[1] = 0
        row = self._rows[self._at[0]]
        at = self._at[1]
        row.extend([None] * (at + size - len(row)))
        if row[at] == "":  # the right half of a wide character goes, and the left one with it
            row[at - 1] = None
        if row[at + size : at + size + 1] == [""]:
            row[at + size] = None
        row[at : at + size] = [char, *[""] * (size - 1)]
        self._at[1] = at + size

    def _combine(self, mark: str) -> None:
        row, at = self._rows[self._at[0]], self._at[1] - 1
        while at > 0 and row[at] == "":
            at -= 1
        assert at >= 0, "a mark with nothing to stand on"
        row[at] = (row[at] or " ") + mark

    def _reflow(self, columns: int) -> None:
        """Put rows together that ran on, and cut those that are too long; the cursor stays at its cell."""
        rows: list[list[str | None]] = []
        runs_on: list[bool] = []
        at = [0, 0]
        start = 0
        while start < len(self._rows):
            end = start
            while self._runs_on[end] and end + 1 < len(self._rows):
                end += 1
            cells = [cell for row in self._rows[start : end + 1] for cell in row]
            if start <= self._at[0] <= end:
                before = sum(len(row) for row in self._rows[start : self._at[0]]) + self._at[1]
                at = [len(rows) + before // columns, before % columns]
            pieces = [cells[place : place + columns] for place in range(0, len(cells), columns)] or [[]]
            rows += pieces
            runs_on += [True] * (len(pieces) - 1) + [False]
            start = end + 1
        while len(rows) <= at[0]:
            rows.append([])
            runs_on.append(False)
        self._rows, self._runs_on, self._at = rows, runs_on, at
