"""The emulator as a mechanism: takes packets from the queue, and does what `Emulation` says.

Theory of operation
    The queue is bound at the first fault and kept, for whoever unbinds it loses what waits there. A fault is
    told to `Emulation` before packets are steered to it, so none comes that nobody knows of; on the way back
    steering ends first, then what waits is released, so that nothing new is kept.

    Two things can go wrong behind our back, and both are said, in the log and in the lease's `overflow`. The
    kernel has no room for a packet: its own counters tell. Somebody removes a base chain of netfilter in this
    network namespace: the kernel then drops all that waits in any queue (`rules.base_chains`), and tells
    nobody; fewer packets wait in the queue then than we know of, and a verdict comes back as refused.
"""

import errno as errno_names
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from services.agent.emulator.decide import Emulation
from services.agent.emulator.injecting import Injecting
from services.agent.emulator.line import ACCEPT, DROP, MOST_WAITING, Action
from services.agent.emulator.log import Page
from services.agent.emulator.packet import Packet
from services.agent.emulator.stages import is_emulated, match_for
from services.agent.lacking import LACKS
from services.agent.mechanism import Counts
from services.agent.rules import marks
from services.agent.rules.verdicts import ICMP_CODES
from services.messages import ServiceError
from services.netlink.errors import NetlinkError
from services.netlink.queue import Queued, Refused, Verdicts
from services.netlink.queue_socket import QueueSocket, kernel_counts
from socketlab.wire.fault import Fault, Reject
from socketlab.wire.lease import HeldPacket, Step
from socketlab.wire.lease import Mechanism as Name
from socketlab.wire.match import Match
from socketlab.wire.words import words

AT_A_TIME = 64
"""Packets taken from the queue before anybody else has a turn."""
_SECOND = 1_000_000_000
_LOOK_EVERY = _SECOND
"""How often the kernel's counters are read while packets wait, nanoseconds."""
_LOOK_AGAIN = _SECOND // 20
"""How old they may be when somebody asks."""
_MARKS = 0x1_0000
_MOST_TURNS = 1000


class Steering(Protocol):
    """What brings packets to the queue, and refuses those that come back with a mark."""

    @property
    def queue_number(self) -> int:
        """The queue."""

    def steer(self, lease: str, match: Match) -> None:
        """Hand over at least the packets of a match, apart from its payload and `which`."""

    def unsteer(self, lease: str) -> None:
        """Hand nothing more over for a lease."""

    def reject_marked(self, lease: str, reject: Reject, mark: int) -> None:
        """Refuse packets that come back with a mark."""

    def unmark(self, lease: str) -> None:
        """Refuse nothing more for a lease."""


class Emulator:
    """Faults that hold or change packets.

    Args:
        steering: brings packets to the queue.
        on_bound: called once, when the queue's descriptor is there to be waited on.
    """

    def __init__(self, steering: Steering, on_bound: Callable[[], None] = lambda: None) -> None:
        self._steering = steering
        self._on_bound = on_bound
        self._emulation = Emulation()
        self._queue: QueueSocket | None = None
        self._verdicts = Verdicts(steering.queue_number)
        self._injecting = Injecting()
        self._faults: dict[str, Fault] = {}
        self._marks = 0
        self._lost_so_far = 0
        self._looked_at = 0

    @property
    def name(self) -> Name:
        """As a lease shows it."""
        return "queue"

    def can(self, fault: Fault) -> bool:
        """Whether this kind of fault is the emulator's business."""
        return is_emulated(fault)

    def apply(self, lease: str, fault: Fault) -> None:
        """Put a fault in force: packets are steered to it when this returns.

        Raises:
            ServiceError: the kernel has no queue, or another program has ours, or there is no steering.
        """
        if not is_emulated(fault):
            raise ServiceError(LACKS, fault=words(fault), why=fault.kind)
        self._bind(fault)
        mark = 0
        if isinstance(fault, Reject):
            mark = marks.EMULATED + self._marks % _MARKS
            self._marks += 1
            self._steering.reject_marked(lease, fault, mark)
        self._emulation.add(lease, fault, mark)
        try:
            self._steering.steer(lease, match_for(fault))
        except (ServiceError, OSError) as error:
            self._do(self._emulation.remove(lease, time.monotonic_ns()))
            if mark:
                self._steering.unmark(lease)
            if isinstance(error, ServiceError) and error.code == LACKS:
                raise ServiceError(LACKS, fault=words(fault), why=error.details["why"]) from error
            raise
        self._faults[lease] = fault

    def _bind(self, fault: Fault) -> None:
        """Take the queue, if it is not ours already."""
        if self._queue is not None:
            return
        number = self._steering.queue_number
        try:
            self._queue = QueueSocket(number, MOST_WAITING)
        except NetlinkError as error:
            if error.errno in {errno_names.EBUSY, errno_names.EPERM}:
                raise ServiceError("emulator.queue-taken", queue=number, errno=_name(error.errno)) from error
            raise ServiceError(LACKS, fault=words(fault), why=str(error)) from error
        except OSError as error:
            why = f"NFQUEUE: {_name(error.errno or 0)}"
            raise ServiceError(LACKS, fault=words(fault), why=why) from error
        # The kernel may wake us 50 us late otherwise, to wake for others too (prctl(2), PR_SET_TIMERSLACK).
        with suppress(OSError):
            Path("/proc/self/timerslack_ns").write_text("1", encoding="ascii")
        self._on_bound()

    def remove(self, lease: str) -> None:
        """Take a fault out; what it holds goes on at once."""
        self._steering.unsteer(lease)
        if isinstance(self._faults[lease], Reject):
            self._steering.unmark(lease)
        del self._faults[lease]
        self._do(self._emulation.remove(lease, time.monotonic_ns()))

    def delay_answers(self, lease: str, reject: Reject) -> None:
        """Let the kernel's own answers to a refusal go out later; they are to be steered here.

        Raises:
            ServiceError: as `apply`.
        """
        self._bind(reject)
        self._emulation.delay_answers(lease, reject, ICMP_CODES[reject.answer])

    def forget_answers(self, lease: str) -> None:
        """Delay them no longer; what waits goes out at once."""
        self._do(self._emulation.forget_answers(lease, time.monotonic_ns()))

    def counts(self, lease: str) -> Counts:
        """What a fault has done so far."""
        now = time.monotonic_ns()
        if now - self._looked_at >= _LOOK_AGAIN:
            self._look_at_queue(now)
        return self._emulation.counts(lease)

    def log(self, lease: str | None = None, after: int = 0, most: int = 500) -> Page:
        """A part of the log: entries, how many of those asked for are forgotten, the newest one's number.

        Args:
            lease: of one fault; None: of all.
            after: only entries with a higher number.
            most: so many at most, the oldest first.
        """
        return self._emulation.log.page(lease, after, most)

    @property
    def last_logged(self) -> int:
        """Number of the log's newest entry: it tells cheaply whether there is news."""
        return self._emulation.log.last

    @property
    def held_changes(self) -> int:
        """Grows whenever other packets are held than before."""
        return self._emulation.held_changes

    def held(self, lease: str | None = None) -> tuple[HeldPacket, ...]:
        """The packets that wait for a word, the oldest first.

        Args:
            lease: of one fault; None: of all.
        """
        return self._emulation.held(lease)

    def advance(self, number: int, step: Step = "release") -> None:
        """Let one held packet go, or not.

        Raises:
            ServiceError: no such packet is held.
        """
        now = time.monotonic_ns()
        self._look_at_queue(now)
        self._do(self._emulation.advance(now, number, step))

    def open_twin(self, lease: str, port: int) -> None:
        """Decide about the probes from a port as a fault would; they are to be steered here."""
        self._emulation.open_twin(lease, port)

    def twin_bitten(self, port: int) -> int:
        """How many of those probes the fault would have bitten."""
        return self._emulation.twin_bitten(port)

    def close_twin(self, port: int) -> None:
        """Decide about them no longer."""
        self._do(self._emulation.close_twin(port, time.monotonic_ns()))

    # The loop's side.

    def fileno(self) -> int:
        """The queue's descriptor; -1 before the first fault."""
        return -1 if self._queue is None else self._queue.fileno()

    def on_readable(self) -> int:
        """Deal with packets that have come, a bounded number; returns how many."""
        queue = self._queue
        if queue is None:
            return 0
        for done in range(AT_A_TIME):
            found = queue.next()
            if found is None:
                return done
            if type(found) is Queued:
                number, arrives, device, data = found
                actions = self._emulation.arrive(
                    time.monotonic_ns(), number, data, arriving=arrives, device=device
                )
                self._do(actions)
            elif isinstance(found, Refused) and found.errno:
                self._emulation.refused(time.monotonic_ns(), found.sequence)
        return AT_A_TIME

    def next_due(self) -> float | None:
        """When `run_due` has something to do, seconds of the monotonic clock; None: nothing waits."""
        due = self._emulation.next_due()
        if self._emulation.in_kernel():
            look = self._looked_at + _LOOK_EVERY
            due = look if due is None else min(due, look)
        return None if due is None else due / _SECOND

    def run_due(self) -> None:
        """Let go on what has waited for its time."""
        now = time.monotonic_ns()
        if self._emulation.in_kernel() and now - self._looked_at >= _LOOK_EVERY:
            self._look_at_queue(now)
        self._do(self._emulation.due(now))

    def _do(self, actions: list[Action]) -> None:
        """Do it, in this order."""
        for what, number, data, mark, lease in actions:
            if what == ACCEPT:
                self._answer(self._verdicts.accept(number, data, mark))
            elif what == DROP:
                self._answer(self._verdicts.drop(number))
            elif data is not None and (failed := self._injecting.send(data, number)):
                self._emulation.not_sent(
                    time.monotonic_ns(), lease, Packet(data, arriving=False), _name(failed)
                )

    def _answer(self, verdict: bytes) -> None:
        if self._queue is not None:
            self._queue.send(verdict)

    def _look_at_queue(self, now: int) -> None:
        """Compare what the kernel knows of the queue with what we do."""
        self._looked_at = now
        if self._queue is None:
            return
        known = self._emulation.in_kernel()
        seen = kernel_counts(self._queue.queue)
        if seen is None:
            return
        waiting, lost = seen
        if lost > self._lost_so_far:
            self._emulation.overflowed(now, lost - self._lost_so_far)
            self._lost_so_far = lost
        if waiting < known:
            self._emulation.lose_oldest(now, known - waiting)

    def close(self) -> None:
        """Take all faults out: nothing more is steered, then what waits goes on, and the queue is left."""
        for lease in list(self._faults):
            with suppress(ServiceError, OSError):
                self._steering.unsteer(lease)
        self._do(self._emulation.release_all())
        self._faults.clear()
        if self._queue is not None:
            for _ in range(_MOST_TURNS):
                if not self.on_readable():  # what was on its way when steering ended has gone on
                    break
            self._queue.close()
            self._queue = None
        self._injecting.close()


def _name(number: int) -> str:
    """`EPERM` for 1."""
    return errno_names.errorcode.get(number, str(number))
