"""What an agent has left behind that was killed: undone as its journal says."""

from services.agent.console import log
from services.agent.journal import Journal
from services.agent.undo import perform


def undo(journal: Journal) -> None:
    """Undo what an agent that has ended has left in the kernel, in the network namespace of the caller."""
    for intent in journal.outstanding():
        undone = perform(intent.undo)
        if undone.done:
            log("undone", id=intent.lease, what=", ".join(dict.fromkeys(undone.done)))
        for error in undone.failed:
            log("not-undone", id=intent.lease, why=error)
