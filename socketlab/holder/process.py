"""The process that holds a lab: started by `socketlab up`, alone from when its lab is open.

Theory of operation
    It reads its job from stdin and tells on stdout how far it is: which lab it opens, then what it holds or
    why not. Until whoever started it has written `keep`, the end of stdin means that nobody wants the lab
    any more, so an `up` that is Ctrl-C'd or killed leaves nothing. Then it closes both and serves its
    socket until `down`, SIGTERM or the end of the lab's time; each of these closes the lab in order.
    SIGKILL does not: then the lab's backend sees the end of its stream and clears away by itself.

    While the lab is being made a signal is an exception in the main thread, so that making it stops where
    it is and clears away; afterwards it only wakes the main loop.
"""

import os
import signal
import socket
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO

from socketlab.errors import EndedError, SpecError
from socketlab.holder import job as jobs
from socketlab.holder.holding import Holding, make
from socketlab.holder.log import Log
from socketlab.holder.protocol import write_answer, write_failure
from socketlab.holder.runtime import Lock, Seat
from socketlab.holder.server import Server
from socketlab.wire.errors import SocketlabError

KEEP = b"keep\n"
_ENDING = (signal.SIGTERM, signal.SIGINT)
_ABANDONED = 1


class _Ended(BaseException):
    """A signal came while the lab was being made."""


class _Signals:
    """Signals that end the process: an exception while `opening`, afterwards a byte in `woken`."""

    def __init__(self) -> None:
        self.opening = True
        self.came = False
        self.woken, self._waker = socket.socketpair()
        self._waker.settimeout(0)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        for number in _ENDING:
            signal.signal(number, self._note)
        with suppress(AttributeError):  # no such signal on Windows
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        first, self.came = not self.came, True
        if self.opening and first:
            raise _Ended


def run(reader: BinaryIO, writer: BinaryIO) -> int:
    """Hold one lab, from its job to its end.

    Args:
        reader: whoever started us: the job, then `keep`.
        writer: where we tell how far we are.

    Returns:
        The exit status.
    """
    signals = _Signals()
    try:
        return _hold(jobs.read(reader.readline(jobs.LINE.line + 1)), signals, reader, writer)
    except _Ended:
        return _ABANDONED
    except SocketlabError as error:
        _tell(writer, write_failure(error))
    except Exception as error:  # noqa: BLE001 - told to whoever started us; the traceback is on stderr
        traceback.print_exc()
        seen = f"{type(error).__name__}: {error}"[:500]
        _tell(writer, write_failure(EndedError("holder.mistake", seen=seen)))
    return _ABANDONED


def _tell(writer: BinaryIO, line: bytes) -> None:
    with suppress(OSError, ValueError):  # whoever started us is gone
        writer.write(line)
        writer.flush()


def _hold(job: jobs.Job, signals: _Signals, reader: BinaryIO, writer: BinaryIO) -> int:
    lab = make(job)
    seat = Seat(lab.name)
    try:
        lock = Lock(seat.lock)
    except BlockingIOError as error:
        raise SpecError("holder.exists", name=lab.name) from error
    log = Log(seat.log)
    try:
        log.take_stderr()
        kept = threading.Event()
        threading.Thread(target=_await_keep, args=(reader, kept), daemon=True).start()
        _tell(writer, write_answer({"opening": lab.name}))
        status = _Life(lab, seat, log, signals, job.seconds).live(writer, kept)
    except (SocketlabError, _Ended):  # told to whoever started us, or nobody wants to know
        log.remove()
        raise
    finally:
        seat.socket.unlink(missing_ok=True)
        lock.release()
    if status == 0:
        log.remove()
    return status


def _await_keep(reader: BinaryIO, kept: threading.Event) -> None:
    """End this process when whoever started it goes before it has said `keep`."""
    said = b""
    with suppress(OSError, ValueError):
        # Not by the buffered reader: its lock would be held when this process ends.
        while len(said) < len(KEEP) and (data := os.read(reader.fileno(), len(KEEP))):
            said += data
    if said != KEEP:
        os.kill(os.getpid(), signal.SIGTERM)
    kept.set()


class _Life:
    """One lab, from its opening to its end."""

    def __init__(self, lab: Any, seat: Seat, log: Log, signals: _Signals, seconds: float | None) -> None:
        self._lab = lab
        self._seat = seat
        self._log = log
        self._signals = signals
        self._seconds = seconds

    def live(self, writer: BinaryIO, kept: threading.Event) -> int:
        """Open the lab, serve it, close it.

        Args:
            writer: gets what is held, or why it is not.
            kept: set once whoever started us has said `keep`, or has gone.

        Raises:
            SocketlabError: the lab could not be opened.
        """
        try:
            self._lab.open()
            self._signals.opening = False
            holding = Holding(self._lab, self._seconds)
            listener = self._seat.listen()
        except BaseException:
            self._signals.opening = False
            self._lab.close()
            raise
        deadline = None if self._seconds is None else time.monotonic() + self._seconds
        server = Server(holding, listener, self._log.line)
        self._log.line(f"holding {self._lab.name} on {self._lab.backend}")
        _tell(writer, write_answer(holding.about()))
        failed: SocketlabError | None = None
        try:
            if not self._signals.came and kept.wait(_KEEP_SECONDS):
                _leave_terminal()
                server.serve(self._signals.woken, deadline)
        finally:
            failed = self._close()
            self._seat.socket.unlink(missing_ok=True)
            server.finish(failed)
        return 0 if failed is None else _ABANDONED

    def _close(self) -> SocketlabError | None:
        try:
            self._lab.close()
        except SocketlabError as error:
            self._log.line(str(error))
            return error
        except Exception as error:  # noqa: BLE001 - told to whoever asked for the end
            traceback.print_exc()
            return EndedError("holder.mistake", seen=f"{type(error).__name__}: {error}"[:500])
        self._log.line("closed")
        return None


_KEEP_SECONDS = 10.0
"""`up` says `keep` as soon as it has read what is held."""


def _leave_terminal() -> None:
    """Let go of whoever started us: stdin and stdout are nobody's, and no folder is held."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    os.chdir(Path("/"))


def main() -> None:
    """The process."""
    sys.exit(run(sys.stdin.buffer, sys.stdout.buffer))
