"""The nanny: starts the agent proper, and undoes what it leaves behind.

Theory of operation
    The nanny does nothing that could fail while the agent lives: it waits for a signal. TERM and INT it hands
    on; at the agent's end, of whatever cause, it undoes what the journal still names and ends with the same
    code. The agent holds the read end of a pipe that only the nanny can write to, so it learns of the nanny's
    death by its end of file, and ends too. If both are killed, the next agent of the namespace sweeps.
"""

import os
import signal

from services.agent.console import log, tell
from services.agent.exit_codes import FAILED, exit_code_of
from services.agent.journal import Journal
from services.agent.kept import Kept
from services.agent.leftovers import undo
from services.agent.program import Program, Setting
from socketlab.wire.errors import SocketlabError

_HANDED_ON = (signal.SIGTERM, signal.SIGINT)


def watch(setting: Setting, *, debug: bool) -> int:
    """Run an agent to its end, and clear up after it.

    Args:
        setting: what agent; its folders are made where they are missing.
        debug: show tracebacks.

    Returns:
        The exit code, of nanny and agent alike.

    Raises:
        ServiceError: another agent uses the journal's folder.
        OSError: a folder is not to be had.
    """
    for folder in (setting.folder, setting.journal_folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    journal = Journal(setting.journal_folder)
    signal.pthread_sigmask(signal.SIG_BLOCK, (*_HANDED_ON, signal.SIGCHLD))
    agents_end, own_end = os.pipe()
    agent = os.fork()
    if agent == 0:
        os.close(own_end)
        return _run(setting, journal, agents_end, debug=debug)
    os.close(agents_end)
    code = os.waitstatus_to_exitcode(_wait(agent))
    if code < 0:
        log("killed", signal=signal.Signals(-code).name)
    undo(journal)
    return FAILED if code < 0 else code


def _run(setting: Setting, journal: Journal, keeper: int, *, debug: bool) -> int:
    """Be the agent."""
    try:
        kept = None if setting.only is not None else Kept(setting.journal_folder)
        return Program(setting, journal, kept, keeper).run()
    except (SocketlabError, OSError) as error:
        if debug:
            raise
        tell(str(error))
        return exit_code_of(error)


def _wait(agent: int) -> int:
    """Hand signals on until the agent has ended; its wait status."""
    while True:
        number = signal.sigwait((*_HANDED_ON, signal.SIGCHLD))
        if number != signal.SIGCHLD:
            os.kill(agent, number)
            continue
        ended, status = os.waitpid(agent, os.WNOHANG)
        if ended:
            return status
