"""The user's terminal, where there is one."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_ROWS, _COLUMNS = 24, 80


def size() -> tuple[int, int]:
    """Rows and columns of the terminal that we write to, or read from; 24 and 80 without one."""
    for descriptor in (1, 0, 2):
        try:
            columns, rows = os.get_terminal_size(descriptor)
        except OSError:
            continue
        if rows and columns:
            return rows, columns
    return _ROWS, _COLUMNS


@contextmanager
def raw(*, wanted: bool) -> Iterator[None]:
    """Let every key of the terminal through for the length of a block: the one over there obeys them.

    Args:
        wanted: do so, if standard input is a terminal at all.
    """
    if not wanted or sys.platform == "win32" or not os.isatty(0):
        yield
        return
    import termios  # noqa: PLC0415 - no such module on Windows, where this package is imported too
    import tty  # noqa: PLC0415 - the same

    before = termios.tcgetattr(0)
    try:
        tty.setraw(0)
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


@contextmanager
def by_key() -> Iterator[None]:
    """Have each key at once and unseen, for the length of a block; Ctrl-C is a key, too."""
    import termios  # noqa: PLC0415 - no such module on Windows, where this package is imported too
    import tty  # noqa: PLC0415 - the same

    before = termios.tcgetattr(0)
    try:
        tty.setcbreak(0)
        now = termios.tcgetattr(0)
        now[3] &= ~termios.ISIG
        termios.tcsetattr(0, termios.TCSADRAIN, now)
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
