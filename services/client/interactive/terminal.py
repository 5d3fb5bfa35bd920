r"""The terminal in raw mode, and as it was before again, however the program ends.

Theory of operation
    In raw mode the kernel neither echoes nor edits (termios(3), ICANON and ECHO off): keys come as they are
    pressed, and only we write. ISIG stays, so Ctrl-C, Ctrl-Z and Ctrl-\ are signals for every process of the
    job, as always. What ends the program raises `Stopped` where it is (`services.client.signals`), and the
    terminal is given back on the way out; should such an exception fall on exactly that, it is given back
    when Python ends (`atexit`): the next signal is ignored by then. The signals that only concern the
    terminal come as bytes on a pipe, on which a loop waits together with its sockets.
"""

import atexit
import contextlib
import errno
import os
import select
import signal
import termios
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Final

from services.client.signals import Stopped

COLUMNS: Final = 80
"""Of a terminal that does not know, as one on a serial line."""
_ENDING: Final = (signal.SIGHUP, signal.SIGQUIT)
"""What would end the program at once, and leave the terminal raw; SIGTERM and SIGINT raise `Stopped`."""
_NOTED: Final = (signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH)
_READ: Final = 65536
_PASTE_ON: Final = b"\x1b[?2004h"
_PASTE_OFF: Final = b"\x1b[?2004l"
_IFLAG, _LFLAG, _CC = 0, 3, 6
"""Places in what `tcgetattr` gives."""


class Terminal:
    """A terminal, from which is read and to which is written.

    Args:
        source: descriptor for reading.
        target: descriptor for writing; the same terminal.
    """

    def __init__(self, source: int, target: int) -> None:
        self.source = source
        self._target = target
        self._saved: list[Any] | None = None
        self.noted = -1
        """Descriptor on which signals are noted, while in `raw`."""

    @property
    def columns(self) -> int:
        """Its width now."""
        try:
            return os.get_terminal_size(self._target).columns or COLUMNS
        except OSError:
            return COLUMNS

    @contextlib.contextmanager
    def raw(self) -> Iterator[None]:
        """Have it in raw mode."""
        with _signals_noted() as self.noted:
            try:
                self._enter()
                yield
            finally:
                self._leave()

    def write(self, text: str) -> None:
        """Write all of it; it may take as long as the terminal is held up. To one that is gone, nothing."""
        data = memoryview(text.encode("utf-8", "backslashreplace"))
        try:
            while data:
                data = data[os.write(self._target, data) :]
        except OSError as error:
            _pass_if_gone(error)

    def read(self) -> bytes:
        """What was typed; `b""`: it is gone."""
        try:
            return os.read(self.source, _READ)
        except OSError as error:
            _pass_if_gone(error)
            return b""

    @property
    def is_held_up(self) -> bool:
        """Whether it takes nothing now."""
        return not select.select([], [self._target], [], 0)[1]

    def follow_signals(self, before_stop: Callable[[], None]) -> bool:
        """Do what the signals ask that have come: stop, or be in raw mode again after a stop.

        Args:
            before_stop: is called before we stop, still in raw mode.

        Returns:
            whether others may have written to the terminal meanwhile.
        """
        noted = self._take_noted()
        if signal.SIGCONT in noted:  # whoever stopped us; a shell has had the terminal meanwhile
            self._leave()
            self._enter()
        elif signal.SIGTSTP in noted:
            before_stop()
            self._leave()
            ours = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
            signal.raise_signal(signal.SIGTSTP)
            signal.signal(signal.SIGTSTP, ours)
            self._enter()
        return bool(noted & {signal.SIGCONT, signal.SIGTSTP})

    def _take_noted(self) -> set[int]:
        with contextlib.suppress(BlockingIOError):
            return {*os.read(self.noted, _READ)}
        return set()

    def _enter(self) -> None:
        atexit.register(self._leave)
        try:
            self._make_raw()
            os.write(self._target, _PASTE_ON)
        except (OSError, termios.error) as error:
            _pass_if_gone(error)

    def _make_raw(self) -> None:
        attributes = termios.tcgetattr(self.source)
        self._saved = [*attributes[:_CC], list(attributes[_CC])]
        attributes[_LFLAG] &= ~(termios.ICANON | termios.ECHO | termios.IEXTEN)
        attributes[_IFLAG] &= ~(termios.IXON | termios.ICRNL | termios.INLCR | termios.IGNCR | termios.ISTRIP)
        attributes[_CC][termios.VMIN], attributes[_CC][termios.VTIME] = 1, 0
        self._set(attributes)

    def _leave(self) -> None:
        """Give it back; may be called again."""
        if self._saved is None:
            return
        with contextlib.suppress(OSError, termios.error):  # it may be gone
            if self._is_ours():
                self._set(self._saved)
                if not self.is_held_up:
                    os.write(self._target, _PASTE_OFF)
        self._saved = None
        atexit.unregister(self._leave)

    def _is_ours(self) -> bool:
        """Whether our job has it: in the background it is another's, in the mode that the other wants."""
        try:
            return os.tcgetpgrp(self.source) == os.getpgrp()
        except OSError:
            return True  # it is no job's

    def _set(self, attributes: list[Any]) -> None:
        """Set its mode, at once; to wait until all is written (TCSADRAIN) could take for ever."""
        while True:
            try:
                return termios.tcsetattr(self.source, termios.TCSANOW, attributes)
            except termios.error as error:
                # In the background the kernel stops us here (SIGTTOU), and says so when it lets us go on.
                if error.args[0] != errno.EINTR:
                    raise


@contextlib.contextmanager
def _signals_noted() -> Iterator[int]:
    """Have the terminal's signals noted on a descriptor, and nothing end the program but `Stopped`."""
    source, target = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    before = {number: signal.getsignal(number) for number in (*_ENDING, *_NOTED)}
    wakeup = signal.set_wakeup_fd(target, warn_on_full_buffer=False)
    try:
        for number, handler in before.items():
            if (
                handler is not signal.SIG_IGN
            ):  # whoever started us wants it ignored: nohup, a shell without jobs
                signal.signal(number, _end if number in _ENDING else _note)
        yield source
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup)
        os.close(source)
        os.close(target)


def _note(_signum: int, _frame: FrameType | None) -> None:
    """Nothing: the number is on the pipe (`set_wakeup_fd`), which only happens where Python handles it."""


def _end(signum: int, _frame: FrameType | None) -> None:
    """As SIGTERM does."""
    for each in (*_ENDING, signal.SIGTERM, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)
    raise Stopped(signum)


def _pass_if_gone(error: OSError | termios.error) -> None:
    """Let pass that nobody is at the other end of the terminal any more (EIO)."""
    if error.args[0] != errno.EIO:
        raise error
