"""What can go wrong in one run; the others go on."""

from scripts.machine.errors import NothingRanError


class FailedRunError(NothingRanError):
    """A server or a generator did not do its part: this contender has no figure in this case."""


def last_words(*outputs: str) -> str:
    """The last line that a program wrote, on the first stream where it wrote any."""
    for output in outputs:
        if lines := output.strip().splitlines():
            return lines[-1]
    return "-"
