"""An agent for one fault: there is none to ask, so the command is one itself, for as long as it runs.

It is an agent with its nanny like any other, in the network namespace of the caller. Others can ask it for
more, or heal what it holds; it ends with its one fault, and notes nothing that would bring the fault back.
"""

from collections.abc import Callable
from pathlib import Path

from services.agent import nanny
from services.agent.program import OneFault, Setting
from socketlab.wire.fault import Fault
from socketlab.wire.lease import Lease


def run(
    folder: Path,
    fault: Fault,
    seconds: float | None,
    without: frozenset[str] = frozenset(),
    *,
    applied: Callable[[Lease], None],
    journal_folder: Path | None = None,
    debug: bool = False,
) -> int:
    """Be an agent for one fault, until its time is up, it is healed, or a signal comes.

    Args:
        folder: the run directory.
        fault: the fault.
        seconds: how long; None: until a signal comes.
        without: features of the kernel that are taken for lacking.
        applied: is told when the fault is in force; called in the agent's process.
        journal_folder: where what must be undone is noted; None: in the run directory.
        debug: show tracebacks.

    Returns:
        The exit code: 0 when the fault has been healed.

    Raises:
        ServiceError: another agent uses the folder.
        OSError: the folder is not to be had.
    """
    one = OneFault(fault=fault, seconds=seconds, applied=applied)
    setting = Setting(folder=folder, journal_folder=journal_folder or folder, without=without, only=one)
    return nanny.watch(setting, debug=debug)
