"""What the agent and `socketlab-fault` say: data on standard output, everything else on standard error."""

import sys
from contextlib import suppress

from services.messages import say
from socketlab.wire.text import speaks_utf8, to_ascii

AGENT = "socketlab-agent"
_silent: list[bool] = []
"""Not empty: nobody reads what this agent logs."""


def be_silent() -> None:
    """Log nothing from now on."""
    _silent.append(True)


def show(text: str) -> None:
    """Show a text that somebody has asked for, in the characters that this console has."""
    write(text if speaks_utf8() else to_ascii(text))


def write(data: str) -> None:
    """Write a line of data, as it is."""
    sys.stdout.write(f"{data}\n")
    sys.stdout.flush()


def tell(text: str, program: str = AGENT) -> None:
    """Say something about the work; a closed standard error is no reason to stop it."""
    said = text if speaks_utf8() else to_ascii(text)
    with suppress(OSError):
        sys.stderr.write(f"{program}: {said}\n")
        sys.stderr.flush()


def log(key: str, **fields: object) -> None:
    """Say one of the agent's sentences."""
    if not _silent:
        tell(say(f"agent.{key}", **fields))
