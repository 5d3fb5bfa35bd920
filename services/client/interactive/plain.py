"""In front: a pipe, a file, or a terminal that can do nothing but write on. No prompt, no escape codes.

Lines come from standard input; answers go to standard output, byte for byte unless that is a terminal, and
everything else to standard error. With `--json` everything is a line of the wire on standard output.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from typing import Final

from services.client.calls import of_call
from services.client.console import ERR, OUT
from services.client.interactive.cells import escaped
from services.client.interactive.front import EndOfInput, Said
from services.client.interactive.prompt import Typed
from services.client.interactive.talk import Heard, to_bytes
from services.client.words import explained
from services.messages import ServiceError
from socketlab.wire import Event, Happened, Outcome, Raised
from socketlab.wire.errors import WireError
from socketlab.wire.lines import LineBuffer

_READ: Final = 65536
_LONGEST: Final = 1024 * 1024
"""Bytes of a line; a source that never ends its line must not fill the memory."""


class InputError(ServiceError):
    """What is on standard input is not what is taken there."""


class Plain:
    """Answers as they came, on standard output.

    Args:
        source: descriptor of standard input; None: there is none.
        safe: show what is no text as escapes: standard output is a terminal.
        utf8: as of `cells`.
    """

    patient: Final = False
    due: Final = None

    def __init__(self, source: int | None, *, safe: bool, utf8: bool) -> None:
        self._source = source
        self._safe = safe
        self._utf8 = utf8
        self._lines = LineBuffer(_LONGEST)
        self._ended = False
        self._in_line = False

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Nothing has to be done."""
        yield

    def watched(self, *, reading: bool) -> list[int]:
        """Standard input, until it ends; where there is none, a file that has ended."""
        if self._source is None:
            self._source = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        return [self._source] if reading and not self._ended else []

    def read(self, descriptor: int) -> list[Said]:
        """The lines that are complete now.

        Raises:
            InputError: a line is too long.
        """
        try:
            data = os.read(descriptor, _READ)
        except OSError:
            data = b""  # a terminal that is gone
        try:
            lines = self._lines.feed(data)
        except WireError as error:
            raise InputError("interactive.line-too-long", limit=_LONGEST) from error
        if not data:
            self._ended = True
            lines += [self._lines.unfinished] if self._lines.unfinished else []
        said: list[Said] = [Typed(line.decode("utf-8", "surrogateescape")) for line in lines]
        return said if data else [*said, EndOfInput.END]

    def tick(self) -> None:
        """Nothing is ever due."""

    def no_more(self) -> None:
        """Read no more."""
        self._ended = True

    def heard(self, heard: Heard) -> None:
        """Write it; on a terminal, as it may be shown."""
        end = "\n" if heard.ended else ""
        if self._safe:
            OUT.data((escaped(heard.shown, utf8=self._utf8) + end).encode())
        else:
            text = heard.text.removesuffix(end) if heard.datagram else heard.text
            OUT.data(to_bytes(text + end))
        self._in_line = self._safe and not heard.ended

    def notice(self, text: str) -> None:
        """Write it on a line of its own."""
        if self._in_line:
            OUT.line()
            self._in_line = False
        ERR.line(escaped(text))

    def told(self, outcome: Outcome) -> None:
        """Say what failed."""
        if isinstance(outcome.result, Raised):
            self.notice(explained(outcome))

    def flush(self) -> None:
        """It is visible already."""


class Json(Plain):
    """Every call, and everything heard and noticed, as an event of the wire."""

    def heard(self, heard: Heard) -> None:
        """As `interactive.heard`."""
        self._said("heard", escaped(heard.shown))

    def notice(self, text: str) -> None:
        """As `interactive.notice`."""
        self._said("notice", escaped(text))

    def told(self, outcome: Outcome) -> None:
        """As `interactive.<call>`."""
        OUT.message(Happened(of_call("interactive", outcome)))

    def _said(self, what: str, text: str) -> None:
        event = Event(name=f"interactive.{what}", phase="completed", at_ns=time.monotonic_ns(), said=text)
        OUT.message(Happened(event))
