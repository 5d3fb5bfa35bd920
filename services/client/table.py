"""The tour's table: text in columns, for a console of 60 columns or more.

A row is the call, what came back, the time and a mark; under it, indented, stand sentences. Cells and
sentences that are too long are wrapped, so no line is ever wider than the table.
"""

import textwrap
from itertools import zip_longest
from typing import Final

_TIME: Final = 7
_MARK: Final = 2
_RESULT_MOST: Final = 35
"""Holds `ConnectionRefusedError ECONNREFUSED`."""
_RESULT_LEAST: Final = 23
_CALL: Final = 31
"""Holds `connect(('10.213.7.250', 7000))`."""
_ROOMY: Final = 80
_INDENT: Final = "    "


class Table:
    """Lays out lines; writes nothing.

    Args:
        width: columns of the console.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._gap = " " * (2 if width >= _ROOMY else 1)
        left = width - _TIME - _MARK - 1 - 2 * len(self._gap)
        self._result = min(_RESULT_MOST, max(_RESULT_LEAST, left - _CALL))
        self._call = left - self._result

    def heading(self, call: str, came_back: str, time: str) -> list[str]:
        """The columns' names."""
        return self._cells(call, came_back, time, "")

    def group(self, title: str) -> list[str]:
        """The heading of a group of rows, as a rule across."""
        return ["", f"{title} ".ljust(self._width, "-")]

    def row(self, call: str, came_back: str, time: str, mark: str, sentences: list[str]) -> list[str]:
        """One call, and the sentences under it."""
        return [*self._cells(call, came_back, time, mark), *self.indented(sentences)]

    def indented(self, sentences: list[str]) -> list[str]:
        """Sentences, wrapped and indented."""
        return [
            line
            for sentence in sentences
            for line in textwrap.wrap(
                sentence,
                self._width,
                initial_indent=_INDENT,
                subsequent_indent=_INDENT,
                break_on_hyphens=False,
            )
        ]

    def text(self, sentence: str) -> list[str]:
        """A sentence outside of the rows, wrapped."""
        return textwrap.wrap(sentence, self._width, break_on_hyphens=False)

    def _cells(self, call: str, came_back: str, time: str, mark: str) -> list[str]:
        calls = textwrap.wrap(call, self._call, subsequent_indent="  ", break_on_hyphens=False)
        results = textwrap.wrap(came_back, self._result, break_on_hyphens=False)
        lines = [
            self._gap.join((left.ljust(self._call), right.ljust(self._result)))
            for left, right in zip_longest(calls or [""], results, fillvalue="")
        ]
        lines[0] = f"{lines[0]}{self._gap}{time.rjust(_TIME)} {mark}"
        return [line.rstrip() for line in lines]
