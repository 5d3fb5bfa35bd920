"""The command `socketlab`: one module a command."""

import sys
from typing import NoReturn


def main() -> NoReturn:
    """The command, from the command line to its exit status."""
    from socketlab.cli.edge import run  # noqa: PLC0415 - what only reads this package's name pays for no click

    sys.exit(run(sys.argv[1:]))
