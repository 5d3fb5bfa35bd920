"""The client at a pseudo-terminal, as a person sits there: what is typed, and what the screen shows."""

import errno
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.loopback.client.programs import PATIENCE, ROOT, environment
from tests.unit.client.terminal_model import TerminalModel

COLUMNS = 60
_BEGIN = """
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGHUP, signal.SIG_DFL)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""
"""Makes the terminal the session's own (tty_ioctl(4)), so that Ctrl-C is a signal; becomes the program.

Whoever runs the tests may ignore SIGHUP, as nohup(1) does, and a program inherits that.
"""


@dataclass
class Seat:
    """A program at a terminal."""

    process: subprocess.Popen[bytes]
    master: int
    slave: int
    before: list[Any]
    screen: TerminalModel = field(default_factory=lambda: TerminalModel(COLUMNS))
    output: bytearray = field(default_factory=bytearray)

    def type(self, keys: str | bytes) -> None:
        """Press keys."""
        os.write(self.master, keys.encode() if isinstance(keys, str) else keys)

    def until(self, seen: Callable[[list[str]], object]) -> None:
        """Wait until the rows of the screen are as wanted."""
        deadline = time.monotonic() + PATIENCE
        while not seen(self.screen.rows):
            assert self._read(deadline - time.monotonic()), f"ended, or hangs: {self.screen.rows}"

    def sees(self, *rows: str) -> None:
        """Wait until these are the last rows."""
        self.until(lambda all_rows: all_rows[-len(rows) :] == list(rows))

    def shows(self, text: str) -> None:
        """Wait until some row holds the text."""
        self.until(lambda rows: any(text in row for row in rows))

    def ends(self) -> int:
        """Wait until it has ended, and read what it had to say; its exit code."""
        while self.process.poll() is None:
            self._read(0.05)
        while self._read(0):
            pass
        return self.process.returncode

    def resize(self, columns: int) -> None:
        """Change the terminal's width; the kernel sends SIGWINCH."""
        self.screen.resize(columns)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def output_waiting(self) -> bool:
        """Wait, without reading, until the terminal takes no more; the kernel makes room now and then."""
        refused = 0
        for _ in range(int(PATIENCE / 0.05)):
            refused = 0 if select.select([], [self.slave], [], 0)[1] else refused + 1
            if refused > 10:
                return True
            time.sleep(0.05)
        return False

    def mode(self) -> list[Any]:
        """How the terminal is set now."""
        return termios.tcgetattr(self.slave)

    def hang_up(self) -> None:
        """Close the terminal, as when its window is closed."""
        os.close(self.slave)
        os.close(self.master)
        self.master = self.slave = -1

    def leave(self) -> None:
        """End what is left."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)
        if self.master >= 0:
            self.hang_up()

    def _read(self, seconds: float) -> bool:
        """Take what the program writes within so many seconds; whether it wrote anything."""
        if not select.select([self.master], [], [], max(0.0, seconds))[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError as error:
            assert error.errno == errno.EIO  # noqa: PT017 - what a pty gives once the program has gone
            return False
        self.output += data
        self.screen.feed(data.decode())
        return bool(data)


def sit_down(
    arguments: Sequence[str], *, program: Sequence[str] = (), controls: bool = True, **more: str
) -> Seat:
    """Start a program at a terminal of its own.

    Args:
        arguments: of the client.
        program: what is started instead of Python; the client's command line follows.
        controls: whether the terminal is the session's own: only then do its keys give signals.
        more: variables of its environment.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    before = termios.tcgetattr(slave)
    client = [sys.executable, "-m", "services.client", *arguments]
    process = subprocess.Popen(
        [sys.executable, "-c", _BEGIN, *program, *client] if controls else client,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        env=environment(**{"TERM": "xterm", **more}),
        cwd=ROOT,
    )
    return Seat(process, master, slave, before)
