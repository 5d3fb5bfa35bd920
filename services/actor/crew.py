"""The threads of an actor: one leads, others wait for the kernel.

Theory of operation
    One thread reads lines: the leader. A call that cannot wait it makes itself and reads on, so such a call
    costs no change of threads. A call that may wait gives back `Later`: then the leader hands its role to an
    idle thread (a new one if all are busy), makes the call, writes its answer, and is idle. So no call waits
    for another one, and nobody polls.

    A cancelled call is taken out of the list of those in flight and answered; its thread goes on in the
    kernel, finds itself not in the list when it is back, and gives up what it brought.
"""

import _thread
import os
import sys
from collections.abc import Callable
from time import monotonic_ns
from typing import Any, NoReturn

from services.actor.handles import Handles
from services.actor.later import Later
from services.actor.limits import Limits, RefusalError
from services.actor.stream import Answers, Lines, check_depth
from socketlab.wire.call import Answer, Call, Raised, Refused, Value, read_request
from socketlab.wire.errors import SocketlabError, WireError
from socketlab.wire.values import Handle

_STACK = 1024 * 1024
"""Address space, not memory: the resolver keeps buffers of some 100 KiB there."""
_SPARE = 16
"""Idle threads that are kept."""

Perform = Callable[[Call], Any]


class Flight:
    """A call that waits.

    Args:
        call: the call.
        size: bytes of its line.
        started: monotonic ns.
    """

    __slots__ = ("call", "size", "started")

    def __init__(self, call: Call, size: int, started: int) -> None:
        self.call = call
        self.size = size
        self.started = started


class Crew:
    """Reads calls, has them made, answers.

    Args:
        lines: where calls come from.
        answers: where answers go to.
        perform: makes a call, or gives `Later`.
        handles: what late results are given back to.
        limits: calls and bytes that may wait.
        end: called at the end of the stream; does not return.
    """

    def __init__(
        self,
        lines: Lines,
        answers: Answers,
        perform: Perform,
        handles: Handles,
        limits: Limits,
        end: Callable[[], NoReturn],
    ) -> None:
        self._lines = lines
        self._answers = answers
        self._perform = perform
        self._handles = handles
        self._limits = limits
        self._end = end
        self._main = _thread.get_ident()
        self._idle: list[_thread.LockType] = []
        self._lock = _thread.allocate_lock()
        self._flights: dict[int, Flight] = {}
        self._waiting = 0
        self.calls = 0
        """Calls that wait now, the abandoned ones included."""
        self.abandoned = 0
        _thread.stack_size(_STACK)

    def work(self) -> NoReturn:
        """Lead, be idle, lead again: the life of the thread that made this, which stays."""
        self._live()
        raise AssertionError("the main thread stays")

    def _live(self) -> None:
        """The life of a thread. A mistake of ours ends the actor: without a leader it would be deaf."""
        try:
            self._lead()
            while self._rest():
                self._lead()
        except BaseException:  # noqa: BLE001 - there is nobody above to hear of it
            sys.excepthook(*sys.exc_info())
            self._end()

    def _rest(self) -> bool:
        """Wait for the role; False: there are enough others who do."""
        woken = _thread.allocate_lock()
        woken.acquire()
        with self._lock:
            if len(self._idle) >= _SPARE and _thread.get_ident() != self._main:
                return False
            self._idle.append(woken)
        woken.acquire()
        return True

    def _hand_over(self) -> None:
        """Have another thread lead.

        Raises:
            RefusalError: there is none, and no more can be made.
        """
        with self._lock:
            woken = self._idle.pop() if self._idle else None
        if woken is not None:
            woken.release()
            return
        try:
            _thread.start_new_thread(self._live, ())
        except RuntimeError as error:
            raise RefusalError("actor.threads", why=error) from error

    def _lead(self) -> None:
        """Read and make calls until one has to wait; when that one is answered, return."""
        while True:
            try:
                line = self._lines.next()
            except WireError as error:
                self._answer(Refused(None, error.code, error.details))
                self._end()
            except OSError:
                self._end()
            if line is None:
                self._end()
            try:
                check_depth(line)
                request = read_request(line)
            except WireError as error:
                self._answer(Refused(None, error.code, error.details))
                continue
            if type(request) is not Call:
                self._cancel(request.id)
                continue
            if self._make(request, len(line)):
                return

    def _make(self, call: Call, size: int) -> bool:
        """Make a call and answer it; True: the role was handed over for it."""
        started = monotonic_ns()
        try:
            value = self._perform(call)
        except Exception as error:  # noqa: BLE001 - whatever the call raised is its answer
            ended = monotonic_ns()
            self._answer(_failure(call.id, error, started, ended))
            return False
        ended = monotonic_ns()
        if type(value) is not Later:
            self._answer(Value(call.id, value, started, ended))
            return False
        try:
            flight = self._take_off(call, size, started)
        except RefusalError as error:
            self._answer(Refused(call.id, error.code, error.details))
            return False
        self._fly(flight, value.call)
        return True

    def _take_off(self, call: Call, size: int, started: int) -> Flight:
        """Note a call that waits, and hand the role over.

        Raises:
            RefusalError: too many wait.
        """
        if self.calls >= self._limits.calls:
            raise RefusalError("actor.calls", limit=self._limits.calls)
        if self._waiting + size > self._limits.waiting:
            raise RefusalError("actor.waiting", limit=self._limits.waiting)
        if call.id in self._flights:
            raise RefusalError("actor.id", id=call.id)
        flight = Flight(call, size, started)
        # Only the leader takes off, so the limits hold; many land, so the counting needs the lock.
        with self._lock:
            self._flights[call.id] = flight
            self.calls += 1
            self._waiting += size
        try:
            self._hand_over()
        except RefusalError:
            self._land(flight)
            raise
        return flight

    def _land(self, flight: Flight) -> bool:
        """The call is over; False: it was cancelled meanwhile."""
        with self._lock:
            self.calls -= 1
            self._waiting -= flight.size
            if self._flights.get(flight.call.id) is flight:
                del self._flights[flight.call.id]
                return True
            self.abandoned -= 1
            return False

    def _fly(self, flight: Flight, make: Callable[[], Any]) -> None:
        number = flight.call.id
        answer: Answer
        try:
            value = make()
        except Exception as error:  # noqa: BLE001 - whatever the call raised is its answer
            answer = _failure(number, error, flight.started, monotonic_ns())
        else:
            answer = Value(number, value, flight.started, monotonic_ns())
        if self._land(flight):
            self._answer(answer)
        elif type(answer) is Value:
            self._handles.forget(_handles_in(answer.value))

    def _cancel(self, number: int) -> None:
        """Answer a call that waits; its thread finds that out when it is back. Any other is over already."""
        with self._lock:
            flight = self._flights.pop(number, None)
            if flight is None:
                return
            self.abandoned += 1
        self._answer(Refused(number, "call.cancelled", {"call": flight.call.name}))

    def _answer(self, answer: Answer) -> None:
        try:
            self._answers.send(answer)
        except WireError as error:
            self._answer(Refused(answer.id, error.code, error.details))
        except OSError:
            self._end()


def _handles_in(value: Any) -> list[int]:
    """Numbers of the handles that a late result holds."""
    if type(value) is Handle:
        return [value.number]
    if type(value) is tuple:
        return [number for each in value for number in _handles_in(each)]
    return []


def _failure(number: int, error: Exception, started: int, ended: int) -> Answer:
    """What is said about an exception: a refusal of ours as such, all else as what Python raised."""
    if isinstance(error, SocketlabError):
        return Refused(number, error.code, error.details)
    return Raised(number, type(error).__name__, _arguments(error), started, ended)


def _arguments(error: Exception) -> tuple[Any, ...]:
    """The exception's arguments, as the wire carries them."""
    if isinstance(error, OSError) and error.errno is not None and error.filename is not None:
        return (error.errno, error.strerror, os.fsdecode(error.filename))
    return tuple(each if type(each) in {int, str, bytes, type(None)} else str(each) for each in error.args)
