"""In front: a person at a terminal, with a prompt. What comes in between stands above what is being typed.

>   what was typed         <   a line of the peer's
*   what happened          <+  more of a line that had been shown before it was complete
"""

import contextlib
import io
import logging
import sys
import time
from collections.abc import Callable, Iterator
from typing import Final

from services.client.interactive.front import EndOfInput, Said
from services.client.interactive.keys import Key, Keyboard
from services.client.interactive.prompt import Asked, History, Prompt, Typed
from services.client.interactive.remembered import Remembered
from services.client.interactive.screen import PROMPT, Screen
from services.client.interactive.talk import Heard
from services.client.interactive.terminal import Terminal
from services.client.words import explained
from services.messages import say
from socketlab.wire import Outcome, Raised
from socketlab.wire.text import to_ascii

_HEARD: Final = "< "
_MORE: Final = "<+"
_NOTICE: Final = "* "
_ESCAPE: Final = 0.1
"""Seconds to wait for the rest of a key that began with ESC; a slow line splits them."""


class AtTerminal:
    """A prompt.

    Args:
        terminal: it.
        utf8: as of `cells`.
        remembered: makes what keeps the history beyond the session, given how to say that it cannot.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        terminal: Terminal,
        *,
        utf8: bool,
        remembered: Callable[[Callable[[str], None]], Remembered],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._terminal = terminal
        self._utf8 = utf8
        self._clock = clock
        self._screen = Screen(terminal.columns, utf8=utf8)
        self._keyboard = Keyboard()
        self._remembered = remembered(self.notice)
        self._history = History(self._remembered.read())
        self._prompt = Prompt(self._history, utf8=utf8)
        self._open = self._typing = False
        self._hung_up = False
        self._escape_since = 0.0

    @property
    def patient(self) -> bool:
        """Whether somebody is there to decide."""
        return not self._hung_up

    @property
    def due(self) -> float | None:
        """When no rest of a key comes any more."""
        return self._escape_since + _ESCAPE if self._keyboard.waits else None

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """With a prompt, and the terminal in raw mode."""
        with self._terminal.raw():
            self._open = self._typing = True
            try:
                with self._log_above():
                    yield
            finally:
                self._close()

    def watched(self, *, reading: bool) -> list[int]:
        """The terminal, and its signals."""
        noted = [self._terminal.noted]
        return [self._terminal.source, *noted] if reading and not self._hung_up else noted

    def read(self, descriptor: int) -> list[Said]:
        """Take the keys that were pressed, or the terminal's signals."""
        if descriptor == self._terminal.noted:
            self._take_signals()
            return []
        data = self._terminal.read()
        if not data:
            self._hung_up = True
            return [EndOfInput.END]
        said: list[Said] = []
        for stroke in self._keyboard.feed(data):
            said += self._press(stroke)
        self._escape_since = self._clock()
        return said

    def tick(self) -> None:
        """It was the Escape key, which does nothing."""
        if self.due is not None and self.due <= self._clock():
            self._keyboard.forget()

    def no_more(self) -> None:
        """Take the prompt away."""
        self._typing = False

    def heard(self, heard: Heard) -> None:
        """Show it above the prompt; the end of a line that is shown already needs no row."""
        if heard.begins or heard.shown:
            self._screen.above(heard.shown, _HEARD if heard.begins else _MORE)

    def notice(self, text: str) -> None:
        """Show it above the prompt."""
        self._screen.above(text if self._utf8 else to_ascii(text), _NOTICE, by_words=True)
        if not self._open and not self._terminal.is_held_up:
            self.flush()

    def told(self, outcome: Outcome) -> None:
        """Say what failed."""
        if isinstance(outcome.result, Raised):
            self.notice(explained(outcome))

    def flush(self) -> None:
        """Bring the terminal up to date."""
        line = self._prompt.text if self._typing else None
        self._terminal.write(self._screen.update(line, self._prompt.cursor))

    def _press(self, stroke: Key | str) -> list[Said]:
        if not self._typing:
            return []
        match self._prompt.press(stroke):
            case Typed(text) as typed:
                self._screen.above(text, PROMPT)
                if self._history.add(text):
                    self._remembered.add(text)
                return [typed]
            case Asked.END:
                self.no_more()
                return [EndOfInput.END]
            case Asked.CLEAR:
                self._screen.clear()
            case Asked.BELL:
                self._screen.ring()
        return []

    def _take_signals(self) -> None:
        if self._terminal.follow_signals(before_stop=self._let_go):
            self._screen.forget()
        self._screen.resize(self._terminal.columns)

    def _let_go(self) -> None:
        """Leave the cursor where a shell can go on."""
        self._terminal.write(self._screen.update(None))

    def _close(self) -> None:
        """Take the prompt away; what was typed and not sent is said to be that."""
        if self._prompt.text:
            self.notice(say("interactive.typed-not-sent", text=self._prompt.text))
        self._typing = False
        if not self._terminal.is_held_up:
            self.flush()
        self._open = False

    @contextlib.contextmanager
    def _log_above(self) -> Iterator[None]:
        """With `--debug`: what is logged on this terminal stands above the prompt, too."""
        ours = [each for each in logging.getLogger().handlers if isinstance(each, logging.StreamHandler)]
        if not sys.stderr.isatty():
            ours = []
        for handler in ours:
            handler.setStream(_Above(self._screen))
        try:
            yield
        finally:
            for handler in ours:
                handler.setStream(sys.stderr)


class _Above(io.TextIOBase):
    """A stream of lines that stay above the prompt."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def write(self, text: str) -> int:
        """Take whole lines."""
        for line in text.splitlines():
            self._screen.above(line)
        return len(text)
