"""The line being typed, and the lines typed before: strokes in, a line out. No I/O.

Theory of operation
    The line is a text and a place in it, always between two cells (`cells`): a character and the marks on it
    are stepped over and deleted as one. `press` does what a stroke asks and says what follows from it.
    The keys are those of readline(3), as in a shell.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, TypeAlias

from services.client.interactive.cells import cells
from services.client.interactive.keys import Key, Stroke

LONGEST: Final = 16384
"""Characters of a line; what is typed beyond is not taken."""
REMEMBERED: Final = 1000
"""Lines of the history."""


@dataclass(frozen=True, slots=True)
class Typed:
    """A line was typed, or read; it has no line end."""

    text: str


class Asked(Enum):
    """What a stroke asks for beside a line."""

    END = auto()
    """There is no more to say (Ctrl-D on an empty line)."""
    CLEAR = auto()
    """Clear the screen."""
    BELL = auto()
    """Nothing, but what was asked cannot be."""


Result: TypeAlias = Typed | Asked | None


class History:
    """The lines typed before; the line being typed is the last.

    Args:
        lines: of earlier sessions, oldest first.
    """

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self._lines = [line for line in lines if line.strip()][-REMEMBERED:]
        self._at = len(self._lines)
        self._draft = ""

    def add(self, line: str) -> bool:
        """Remember a line; whether it is worth it: it says something, and something else than the last."""
        worth = bool(line.strip()) and self._lines[-1:] != [line]
        if worth:
            self._lines = [*self._lines[1 - REMEMBERED :], line]
        self._at, self._draft = len(self._lines), ""
        return worth

    def step(self, by: int, line: str) -> str | None:
        """Another line, `by` (-1: the one before) from here; None: there is none.

        Args:
            by: -1 or 1.
            line: the one being typed; it comes back at the end.
        """
        if not 0 <= self._at + by <= len(self._lines):
            return None
        if self._at == len(self._lines):
            self._draft = line
        self._at += by
        return self._lines[self._at] if self._at < len(self._lines) else self._draft


class Prompt:
    """The line being typed.

    Args:
        history: what Up and Down find.
        utf8: as of `cells`.
    """

    def __init__(self, history: History, *, utf8: bool = True) -> None:
        self.text = ""
        self.cursor = 0
        self._history = history
        self._utf8 = utf8

    def press(self, stroke: Stroke) -> Result:
        """Do what a stroke asks; give what follows from it."""
        if isinstance(stroke, str):
            return self._insert(stroke)
        match stroke:
            case Key.ENTER:
                return self._enter()
            case Key.END_OF_INPUT if not self.text:
                return Asked.END
            case Key.CLEAR:
                return Asked.CLEAR
            case Key.UP | Key.DOWN:
                return self._recall(-1 if stroke is Key.UP else 1)
            case Key.LEFT | Key.RIGHT | Key.HOME | Key.END:
                self.cursor = self._place(stroke)
            case _:
                self._cut(*self._span(stroke))
        return None

    def _insert(self, text: str) -> Result:
        taken = text[: max(0, LONGEST - len(self.text))]
        self.text = self.text[: self.cursor] + taken + self.text[self.cursor :]
        self._go(self.cursor + len(taken))
        return None if taken == text else Asked.BELL

    def _enter(self) -> Typed:
        line, self.text, self.cursor = self.text, "", 0
        return Typed(line)

    def _recall(self, by: int) -> Result:
        line = self._history.step(by, self.text)
        if line is None:
            return Asked.BELL
        self.text, self.cursor = line, len(line)
        return None

    def _place(self, key: Key) -> int:
        """Where the cursor goes."""
        match key:
            case Key.LEFT:
                return self.cursor - self._step(self.text[: self.cursor], -1)
            case Key.RIGHT:
                return self.cursor + self._step(self.text[self.cursor :], 0)
            case Key.HOME:
                return 0
        return len(self.text)

    def _span(self, key: Key) -> tuple[int, int]:
        """What is cut, from where to where."""
        match key:
            case Key.BACKSPACE:
                return self._place(Key.LEFT), self.cursor
            case Key.CUT_BEFORE:
                return 0, self.cursor
            case Key.CUT_AFTER:
                return self.cursor, len(self.text)
            case Key.CUT_WORD:
                before = self.text[: self.cursor].rstrip()
                return len(before) - len(before.split()[-1]) if before else 0, self.cursor
        return self.cursor, self._place(Key.RIGHT)  # DELETE, or Ctrl-D in a line

    def _cut(self, start: int, end: int) -> None:
        self.text = self.text[:start] + self.text[end:]
        self._go(start)

    def _step(self, text: str, which: int) -> int:
        """Characters of the first (0) or last (-1) cell of `text`."""
        return cells(text, utf8=self._utf8)[which].length if text else 0

    def _go(self, place: int) -> None:
        """Put the cursor at `place`, or behind the cell there: what was cut or put in may have joined two."""
        at = 0
        for cell in cells(self.text, utf8=self._utf8):
            if at >= place:
                break
            at += cell.length
        self.cursor = at
