"""A line about every second of a run, on standard error: redrawn on a terminal, else one after the other."""

from services.client.console import Console, width
from services.client.load.result import grouped
from services.client.load.tally import Tally
from services.messages import say


class Progress:
    """Shows how a run goes on.

    Args:
        tally: what is counted.
        console: where to.
        redraw: each line takes the place of the one before.
    """

    def __init__(self, tally: Tally, console: Console, *, redraw: bool) -> None:
        self._tally = tally
        self._console = console
        self._redraw = redraw
        self._drawn = 0
        self._warm_up = False
        self._at = 0.0
        self._answered = 0

    def begin(self, *, warm_up: bool) -> None:
        """A phase begins, which counts or does not."""
        self._warm_up = warm_up
        self._at = 0.0
        self._answered = 0

    def second(self, seconds: float) -> None:
        """Show a line.

        Args:
            seconds: since the phase began.
        """
        tally = self._tally
        rate = (tally.answered - self._answered) / (seconds - self._at)
        self._at, self._answered = seconds, tally.answered
        text = say(
            "load.progress",
            seconds=f"{seconds:5.1f}",
            rate=grouped(rate),
            answered=grouped(tally.answered),
            lost=grouped(tally.lost),
            errors=grouped(sum(tally.errors.values())),
        )
        self._show(say("load.warming-up", progress=text) if self._warm_up else text)

    def end(self) -> None:
        """Leave the terminal with an empty line."""
        if self._drawn:
            self._console.data(b"\r" + b" " * self._drawn + b"\r")
            self._drawn = 0

    def _show(self, text: str) -> None:
        if not self._redraw:
            self._console.line(text)
            return
        text = text[: width() - 1]  # a line that the terminal wraps could not be redrawn
        self._console.data(b"\r" + text.ljust(self._drawn).encode("ascii", "replace"))
        self._drawn = len(text)
