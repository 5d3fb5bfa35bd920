"""Exit codes of the agent and of `socketlab-fault`."""

from errno import EACCES, EPERM

from services.agent.lacking import LACKS

DONE = 0
FAILED = 1
USAGE = 2
LACKING = 4
INTERRUPTED = 130

_LACKING = {LACKS, "agent.no-nf-tables", "agent.no-net-admin", "agent.missing", "agent.not-allowed"}


def exit_code_of(error: Exception) -> int:
    """The code for an error that ends a program."""
    if isinstance(error, OSError):
        return LACKING if error.errno in {EACCES, EPERM} else FAILED
    return LACKING if getattr(error, "code", None) in _LACKING else FAILED
