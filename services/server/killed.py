"""The exhibit whose process is killed, again and again, and what starts it anew.

Theory of operation
    The listener stays here and is inherited by the victims (`victim.py`), so a client that comes while one
    has just died waits a little and is not refused. There are a few of them, each with one connection at a
    time: a death ends the connection of the one client that asked for it. A victim is started with
    subprocess and not by fork: a forked copy of a process with threads may hold locks for ever. Its
    standard input is a pipe that we hold and never write to: when we are gone, however, it ends.
"""

import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

from services.server.listeners import Bound
from services.server.log import log
from services.server.shared import Program
from services.server.waiting import Waiter, Woke, join

_VICTIM = Path(__file__).with_name("victim.py")
_VICTIMS = 2
_PAUSE = 0.05
"""Seconds between a death and the next start: a client that kills without end does not keep the host busy."""
_FAILURES = 5
"""A victim that ends otherwise than by SIGKILL, so often in a row, cannot run here."""


class KilledServer:
    """Keeps victims on one listener.

    Args:
        name: what it serves.
        listener: in the state LISTEN; the server owns it from now on.
        program: what the process shares.
    """

    def __init__(self, name: str, listener: socket.socket, program: Program) -> None:
        # Shared with the victims: one that finds the connection taken by another must not be stuck.
        listener.settimeout(0)
        self._listener = listener
        self._stopping = program.stopping
        self.bound = Bound.of(name, listener)
        self._keepers = [
            threading.Thread(target=self._keep, name=f"{self.bound} {number}", daemon=True)
            for number in range(_VICTIMS)
        ]

    def start(self) -> None:
        """Start the victims."""
        for keeper in self._keepers:
            keeper.start()

    def alive(self) -> bool:
        """Whether each victim lives or is being started again."""
        return all(keeper.is_alive() for keeper in self._keepers)

    def close(self) -> None:
        """End the victims and close the listener."""
        for keeper in self._keepers:
            join(keeper)
        self._listener.close()

    def _keep(self) -> None:
        failures = 0
        while failures < _FAILURES and not self._stopping.asked():
            status = self._run_one()
            if self._stopping.asked():
                return
            failures = 0 if status == -signal.SIGKILL else failures + 1
            log("INFO" if failures == 0 else "ERROR", "victim-ended", bound=self.bound, status=status)
            self._stopping.wait(_PAUSE)

    def _run_one(self) -> int:
        """Start a victim and wait for its end, or for the stop; its exit status."""
        descriptor = self._listener.fileno()
        with subprocess.Popen(  # noqa: S603 - our own interpreter and our own file
            [sys.executable, "-I", "-S", str(_VICTIM), str(descriptor)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,  # nothing is written to it: its end of stream is the victim's end
            pass_fds=[descriptor],
            start_new_session=True,
        ) as victim:
            if victim.stdout and Waiter(victim.stdout, self._stopping).wait() is Woke.STOPPING:
                victim.kill()
        return victim.returncode
