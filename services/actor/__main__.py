"""`python3 -m services.actor`: an actor on its standard streams."""

import os

from services.actor.program import run


def main() -> None:
    """Become an actor; whatever else would be written to standard output goes nowhere."""
    reader, writer = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    run(reader, writer)


if __name__ == "__main__":
    main()
