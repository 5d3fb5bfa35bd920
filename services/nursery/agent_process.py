"""What a host's first program needs of the agent.

Importing it takes as long as making a lab: only who has been asked for an agent does.
"""

import gc
import os
import signal

from services.agent import console
from services.agent.journal import Journal
from services.agent.kept import Kept
from services.agent.leftovers import undo
from services.agent.meeting import SOCKET_NAME
from services.agent.program import Program, Setting
from services.nursery.control import why
from services.nursery.filesystem import AGENT_FOLDER
from services.nursery.identity import become_agent
from services.nursery.processes import close_all_but

SOCKET = AGENT_FOLDER / SOCKET_NAME
WITHOUT = "SOCKETLAB_WITHOUT"
"""Variable of the nursery: features of the kernel that its agents take for lacking, so that tests see what
they do then."""
READY = b"\0ready"


def open_journal() -> Journal:
    """The journal of this host's agent, locked.

    Raises:
        ServiceError: another agent holds it.
        OSError: the file cannot be made.
    """
    return Journal(AGENT_FOLDER)


def clear_up(journal: Journal) -> None:
    """Undo what an agent that has ended has left."""
    undo(journal)
    journal.clear()


def be_agent(journal: Journal, keeper: int, says: int) -> None:
    """Be the agent, in a process of its own, to its end.

    Args:
        journal: the host's.
        keeper: read end of a pipe whose other end the host's first program holds.
        says: descriptor that is told `READY`, or why there is no agent.
    """
    signal.set_wakeup_fd(-1)
    gc.enable()
    close_all_but(journal.fileno(), keeper, says)
    console.be_silent()
    os.setsid()
    become_agent()

    def tell() -> None:
        os.write(says, READY)
        os.close(says)

    words = os.environ.get(WITHOUT, "").split(",")
    without = frozenset(word for word in words if word)
    setting = Setting(folder=AGENT_FOLDER, journal_folder=AGENT_FOLDER, without=without, follows=False)
    try:
        code = Program(setting, journal, Kept(AGENT_FOLDER), keeper, on_ready=tell).run()
    except Exception as error:  # noqa: BLE001 - whatever it was, who asked for the agent is told
        os.write(says, why(error).encode()[:4000])
        os._exit(1)
    os._exit(code)
