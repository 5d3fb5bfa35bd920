"""The nanny: starts the agent proper, and undoes what it leaves behind.

Theory of operation
    The nanny does nothing that could fail while the agent lives: it waits for a signal. TERM and INT it hands
    on; at the agent's end, of whatever cause, it undoes what the journal still names and ends with the same
    code. The agent holds the read end of a pipe that only the nanny can write to, so it learns of the nanny's
    death by its end of file, and ends too. If both are killed, the next agent of the namespace sweeps.
"""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

from services.agent.console import log, tell
from services.agent.exit_codes import FAILED, exit_code_of
from services.agent.journal import Journal
from services.agent.program import Program
from services.agent.routes import delete, entry_for
from services.agent.words import words
from services.netlink.connection import ROUTE, Connection
from socketlab.wire.errors import SocketlabError
from socketlab.wire.fault import Fault

_HANDED_ON = (signal.SIGTERM, signal.SIGINT)


def watch(folder: Path, standing: Sequence[Fault], *, debug: bool) -> int:
    """Run an agent to its end, and clear up after it.

    Args:
        folder: the run directory, made where it is missing.
        standing: the faults that the lab's definition names.
        debug: show tracebacks.

    Returns:
        The exit code, of nanny and agent alike.

    Raises:
        ServiceError: another agent uses the run directory.
        OSError: the run directory is not to be had.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    journal = Journal(folder)
    signal.pthread_sigmask(signal.SIG_BLOCK, (*_HANDED_ON, signal.SIGCHLD))
    agents_end, own_end = os.pipe()
    agent = os.fork()
    if agent == 0:
        os.close(own_end)
        return _run(folder, journal, agents_end, standing, debug=debug)
    os.close(agents_end)
    code = os.waitstatus_to_exitcode(_wait(agent))
    if code < 0:
        log("killed", signal=signal.Signals(-code).name)
    undo(journal)
    return FAILED if code < 0 else code


def _run(folder: Path, journal: Journal, keeper: int, standing: Sequence[Fault], *, debug: bool) -> int:
    """Be the agent."""
    try:
        return Program(folder, journal, keeper).run(standing)
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


def undo(journal: Journal) -> None:
    """Undo what an agent that has ended has left in the kernel, in the network namespace of the caller."""
    left = journal.outstanding()
    if not left:
        return
    connection = Connection(ROUTE)
    for intent in left:
        try:
            if delete(connection, entry_for(intent.route)):
                log("undone", fault=words(intent.route))
        except SocketlabError as error:
            log("not-undone", fault=words(intent.route), why=error)
    connection.close()
