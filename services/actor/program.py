"""An actor, from its first line to its last."""

import gc
import os
import signal
import sys
from dataclasses import asdict
from errno import EBADF
from time import monotonic_ns
from typing import Any, NoReturn

from services.actor.calls import Calls
from services.actor.condition import identity
from services.actor.crew import Crew
from services.actor.handles import Handles
from services.actor.limits import Limits
from services.actor.stream import Answers, Lines
from socketlab.wire.call import CALL_VERSION, Hello

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_OWN_DESCRIPTORS = 256
"""Beside those of handles: the stream, calls that accept at once, what a program's start takes."""


class Actor:
    """One actor.

    Args:
        reader: descriptor where calls come from.
        writer: descriptor where answers go to; it may be the same.
        limits: what it holds at most.
    """

    def __init__(self, reader: int, writer: int, limits: Limits) -> None:
        self._limits = limits
        self._handles = Handles(limits)
        self._calls = Calls(self._handles, limits, self._about)
        self._answers = Answers(writer)
        self._crew = Crew(Lines(reader), self._answers, self._calls.perform, self._handles, limits, self.end)

    def work(self) -> NoReturn:
        """Say hello and make calls until the stream ends."""
        python = ".".join(map(str, sys.version_info[:3]))
        try:
            self._answers.send(Hello(CALL_VERSION, os.getpid(), monotonic_ns(), python))
        except OSError:
            self.end()
        self._crew.work()

    def end(self) -> NoReturn:
        """End this process now, and all that it started; sockets go with it."""
        try:
            self._calls.clear()
        finally:
            os._exit(0)

    def _about(self) -> dict[str, Any]:
        return {
            **identity(),
            "sockets": self._handles.open,
            "calls": self._crew.calls,
            "abandoned": self._crew.abandoned,
            "limits": asdict(self._limits),
        }


def run(reader: int, writer: int, limits: Limits | None = None) -> NoReturn:
    """Be an actor. Only for the main thread of a process that does nothing else; ends that process.

    Args:
        reader: descriptor where calls come from.
        writer: descriptor where answers go to; it may be the same.
        limits: what it holds at most; None: as usual.
    """
    limits = limits or Limits()
    for descriptor in (reader, writer):
        os.set_blocking(descriptor, True)
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - positional only
    gc.freeze()  # what is here now stays, and is shared with whoever forked us
    gc.enable()
    _fill_standard_streams()
    _raise_descriptors(limits.sockets + limits.calls + _OWN_DESCRIPTORS)
    actor = Actor(reader, writer, limits)
    # An ignored signal would be ignored in every program that this one starts; a caught one is not.
    for number in _ENDING:
        signal.signal(number, lambda _number, _frame: actor.end())
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    actor.work()


def _fill_standard_streams() -> None:
    """What is opened later must not become a standard stream."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError as error:
            if error.errno != EBADF:
                raise
            os.open(os.devnull, os.O_RDWR)


def _raise_descriptors(wanted: int) -> None:
    """Raise the soft limit as far as is wanted and allowed; beyond that the kernel itself says EMFILE."""
    import resource  # noqa: PLC0415 - used once

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
