"""Calls in flight: what is known of one until its answer has come, and what stands in for one."""

import sys
import threading
import time
from typing import Any, Final

from socketlab.errors import EndedError, LabError
from socketlab.wire.call import Answer, Refused
from socketlab.wire.values import Handle

_SLICE: Final = -1.0 if sys.platform == "linux" else 0.2
"""Seconds of one wait for a lock; -1: any. Ctrl-C is sure to end such a wait on Linux only."""

_CANCELLED: Final = "call.cancelled"


class Ended:
    """In place of an answer: the stream has ended.

    Args:
        cause: the stream's own error, if it gave one.
        offence: what the other end sent that it must not; empty: it just ended.
        by_us: we closed it.
    """

    __slots__ = ("by_us", "cause", "offence")

    def __init__(self, cause: BaseException | None = None, offence: str = "", *, by_us: bool = False) -> None:
        self.cause = cause
        self.offence = offence
        self.by_us = by_us

    def error(self, host: str, call: str) -> EndedError:
        """The error of a call that finds the stream ended."""
        if self.by_us:
            return EndedError("sockets.closed", host=host, call=call)
        if self.offence:
            return EndedError("sockets.offence", host=host, call=call, seen=self.offence)
        if isinstance(self.cause, LabError):
            error = EndedError("sockets.ended-because", host=host, call=call, why=self.cause)
        else:
            error = EndedError("sockets.ended", host=host, call=call)
        error.__cause__ = self.cause
        return error


class InFlight:
    """A call that was sent, until its answer has come.

    `answer` is None while it is in flight. `abandoned`: nobody wants the answer; what it holds is forgotten.
    `awaited`: somebody has asked what became of it.
    """

    __slots__ = (
        "abandoned",
        "answer",
        "args",
        "awaited",
        "began_ns",
        "name",
        "number",
        "on",
        "size",
        "waiting",
    )

    def __init__(self, number: int, name: str, args: tuple[Any, ...], on: int | None, size: int) -> None:
        self.number = number
        self.name = name
        self.args = args
        self.on = on
        self.size = size
        self.answer: Answer | Ended | None = None
        self.abandoned = False
        self.awaited = False
        self.began_ns = time.monotonic_ns()
        self.waiting: tuple[Follower, ...] = ()


class Follower:
    """A thread that waits for a call: it reads, or sleeps while another one reads.

    `call` is None until it has slept. What changes it is done with the channel's lock held.
    """

    __slots__ = ("call", "lock")

    lock: threading.Lock

    def __init__(self) -> None:
        self.call: InFlight | None = None

    def follow(self, call: InFlight) -> None:
        """Sleep from now on, until woken."""
        if self.call is None:
            self.lock = threading.Lock()
            self.call = call
        self.lock.acquire(blocking=False)
        if self not in call.waiting:
            call.waiting += (self,)

    def leave(self) -> None:
        """Wait no more."""
        if self.call is not None:
            self.call.waiting = tuple(each for each in self.call.waiting if each is not self)

    def sleep(self, seconds: float | None) -> None:
        """Until woken, or for so many seconds, or a little less."""
        if seconds is None:
            self.lock.acquire(timeout=_SLICE)
        else:
            self.lock.acquire(timeout=seconds if _SLICE < 0 else min(seconds, _SLICE))

    def wake(self) -> None:
        """End its sleep. Woken twice, because Ctrl-C came between, it wakes once."""
        if self.lock.locked():
            self.lock.release()


def is_cancelled(answer: object) -> bool:
    """Whether an answer says that the call was cancelled."""
    return isinstance(answer, Refused) and answer.code == _CANCELLED


def handles_in(value: Any) -> list[int]:
    """Numbers of the handles in a value."""
    if type(value) is Handle:
        return [value.number]
    if type(value) is tuple or type(value) is list:
        return [number for item in value for number in handles_in(item)]
    return []
