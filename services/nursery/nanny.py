"""The agent of a host: forked when it is first asked for; what it leaves when it dies is undone."""

import gc
import os
import select
import signal
import socket

from services.agent import console
from services.agent.clients import SOCKET_NAME
from services.agent.journal import Journal
from services.agent.nanny import undo
from services.agent.program import Program
from services.nursery.control import why
from services.nursery.errors import HostFailedError
from services.nursery.filesystem import AGENT_FOLDER
from services.nursery.identity import become_agent
from services.nursery.processes import close_all_but

_READY = b"\0ready"
_READY_SECONDS = 10.0


class AgentNanny:
    """Keeps the agent of this host.

    Attributes:
        pid: the agent's; None: none runs.
    """

    def __init__(self) -> None:
        self.pid: int | None = None
        self._journal: Journal | None = None
        self._keeper = -1
        self._said = -1

    def stream(self) -> socket.socket:
        """A new connection to the agent, which is started where none runs.

        Raises:
            HostFailedError: it did not start.
            OSError: it has just gone.
        """
        self.begin()
        self._await_ready()
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(AGENT_FOLDER / SOCKET_NAME))
        except OSError:
            connection.close()
            raise
        return connection

    def begin(self) -> None:
        """Start the agent where none runs; it gets ready by itself."""
        if self.pid is not None:
            return
        if self._journal is None:
            self._journal = Journal(AGENT_FOLDER)
        journal = self._journal
        agents_end, self._keeper = os.pipe()
        self._said, says = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                _be_agent(journal, agents_end, says)
            finally:
                os._exit(1)
        os.close(agents_end)
        os.close(says)

    def _await_ready(self) -> None:
        if self._said < 0 or self.pid is None:
            return
        said, self._said = self._said, -1
        answer = _read(said, _READY_SECONDS)
        os.close(said)
        if answer != _READY:
            os.kill(self.pid, signal.SIGKILL)
            raise HostFailedError("namespace.agent", why=answer.decode("utf-8", "replace"))

    def has_ended(self, pid: int) -> None:
        """Take note of a child that has ended."""
        if pid != self.pid or self._journal is None:
            return
        self.pid = None
        os.close(self._keeper)
        if self._said >= 0:
            os.close(self._said)
            self._said = -1
        undo(self._journal)
        self._journal.clear()


def _read(descriptor: int, seconds: float) -> bytes:
    """What the agent says of its start: one piece, or nothing."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return os.read(descriptor, 4096) if poll.poll(seconds * 1000) else b""


def _be_agent(journal: Journal, keeper: int, says: int) -> None:
    signal.set_wakeup_fd(-1)
    gc.enable()
    close_all_but(journal.fileno(), keeper, says)
    console.be_silent()
    os.setsid()
    become_agent()

    def tell() -> None:
        os.write(says, _READY)
        os.close(says)

    try:
        code = Program(AGENT_FOLDER, journal, keeper, follows=False, on_ready=tell).run(())
    except Exception as error:  # noqa: BLE001 - whatever it was, who asked for the agent is told
        os.write(says, why(error).encode()[:4000])
        os._exit(1)
    os._exit(code)
