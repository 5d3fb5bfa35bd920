"""The agent of a host: forked when it is first asked for; what it leaves when it dies is undone."""

import os
import select
import signal
import socket
import time
from types import ModuleType
from typing import TYPE_CHECKING

from services.nursery.errors import HostFailedError

if TYPE_CHECKING:
    from services.agent.journal import Journal

_READY_SECONDS = 10.0
_END_SECONDS = 2.0
_PAUSE = 0.001


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
        try:
            return self._connect()
        except ConnectionRefusedError:  # it is dying, which its parent is told a moment later
            if not self._has_just_ended():
                raise
            return self._connect()

    def _connect(self) -> socket.socket:
        self.begin()
        self._await_ready()
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(_agents().SOCKET))
        except OSError:
            connection.close()
            raise
        return connection

    def _has_just_ended(self) -> bool:
        """Wait a moment for the agent's end, and take note of it; it is still to be reaped."""
        pid = self.pid
        if pid is None:
            return False
        until = time.monotonic() + _END_SECONDS
        while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            if time.monotonic() > until:
                return False
            time.sleep(_PAUSE)
        self.has_ended(pid)
        return True

    def begin(self) -> None:
        """Start the agent where none runs; it gets ready by itself."""
        if self.pid is not None:
            return
        agents = _agents()
        if self._journal is None:
            self._journal = agents.open_journal()
        journal = self._journal
        agents_end, self._keeper = os.pipe()
        self._said, says = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                agents.be_agent(journal, agents_end, says)
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
        if answer != _agents().READY:
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
        _agents().clear_up(self._journal)


def _agents() -> ModuleType:
    """The agent's modules, imported when they are first needed."""
    from services.nursery import agent_process  # noqa: PLC0415

    return agent_process


def _read(descriptor: int, seconds: float) -> bytes:
    """What the agent says of its start: one piece, or nothing."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return os.read(descriptor, 4096) if poll.poll(seconds * 1000) else b""
