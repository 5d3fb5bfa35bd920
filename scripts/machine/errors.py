"""The errors of the commands, one class an exit status.

SocketlabError
└── MachineError
    ├── UsageError         2  the command line or a setting makes no sense
    ├── NothingRanError    3  a step failed, so the lab or the tests did not run
    │   └── CommandError      ... because a program we called failed: the end of its output is told
    └── LackingError       4  the machine lacks something; the sentence says how to get it
        └── EngineAwayError   ... an engine, which network namespaces can stand in for
"""

import shlex
import textwrap
from collections.abc import Sequence
from typing import ClassVar

from socketlab.messages import SENTENCES
from socketlab.wire.errors import SocketlabError
from socketlab.wire.text import Catalogue

LOG_END = 30
"""How many of the last lines of a failed program's output are shown."""


def indented(text: str) -> str:
    """What another program said, set apart from our own sentence."""
    return textwrap.indent(text.rstrip(), "  ")


class MachineError(SocketlabError):
    """A command cannot do its work; its code is `machine.<name>`."""

    sentences: ClassVar[Catalogue] = SENTENCES
    status: ClassVar[int] = 3


class UsageError(MachineError):
    """An option, a variable or a file of the user's that makes no sense."""

    status: ClassVar[int] = 2


class NothingRanError(MachineError):
    """A step failed, so what the command is for has not run."""


class CommandError(NothingRanError):
    """A program that we called failed.

    Args:
        argv: the program and its arguments.
        status: its exit status; negative when a signal ended it.
        output: what it wrote; its last `LOG_END` lines are told.
    """

    def __init__(self, argv: Sequence[str], status: int, output: str) -> None:
        end = "\n".join(output.rstrip().splitlines()[-LOG_END:])
        super().__init__("machine.command", command=shlex.join(argv), status=status, end=indented(end))


class LackingError(MachineError):
    """The machine lacks something that we may not, or cannot, bring ourselves."""

    status: ClassVar[int] = 4


class EngineAwayError(LackingError):
    """No engine is here, or none that answers this user: network namespaces may take its place."""
