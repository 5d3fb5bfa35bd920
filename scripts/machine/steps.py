"""The steps of a command, each a line on stderr with its time.

stdout is left to what the command is for: the tour's table, pytest's report.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from socketlab.messages import say
from socketlab.wire.text import speaks_utf8, to_ascii

NAME_WIDTH = 14


def tell(text: str, end: str = "\n") -> None:
    """Write a sentence for the user on stderr."""
    sys.stderr.write((text if speaks_utf8() else to_ascii(text)) + end)
    sys.stderr.flush()


@dataclass(slots=True)
class Step:
    """A step under way.

    Attributes:
        result: what its line says when it is done.
    """

    result: str = ""

    def doing(self, key: str, **fields: object) -> None:
        """Say on the step's line what is under way, before something that takes long."""
        tell(say(f"scripts.doing.{key}", **fields), end=" ... ")

    def done(self, key: str, **fields: object) -> None:
        """Set the step's result to a sentence of the catalogue."""
        self.result = say(f"scripts.done.{key}", **fields)


@contextmanager
def step(name: str) -> Iterator[Step]:
    """Tell a step's name as it starts, and its result and time when it is done.

    Args:
        name: key of its name, without `step.`.
    """
    started = time.monotonic()
    current = Step()
    tell(say(f"scripts.step.{name}").ljust(NAME_WIDTH), end="")
    try:
        yield current
    except BaseException:
        tell(say("scripts.done.failed"))
        raise
    tell(f"{current.result}  ({time.monotonic() - started:.2f} s)")
