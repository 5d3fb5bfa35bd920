"""The agent proper: one thread that waits for packets, requests, ends of leases, links and signals.

Theory of operation
    The order at the start is what makes its promises true. First a link, since a namespace without one is
    dead. Then the lock of the namespace. Then what a killed agent left is undone, which only the lock's
    holder may do, and the table is made. Then the standing faults, each read back, and those that the agent
    held when it ended last. Only then the command socket, and last the readiness socket.

    In a turn of the loop packets come first, and again after each other thing: a request takes less than a
    millisecond or is done in steps, so that no delay is longer than it was asked to be.

    It ends for one of four reasons: a signal (0), a dead namespace (75), its nanny's death, an error. Each
    way out takes the faults out first; where it is killed there is no way out, and the kernel and the nanny
    do it. Told to end it forgets the leases that it holds itself; otherwise the next one takes them up.
"""

import gc
import selectors
import signal
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from services.agent.clients import Clients
from services.agent.console import log
from services.agent.faults import Change, Faults
from services.agent.journal import Journal
from services.agent.kept import Kept, boot_clock
from services.agent.leftovers import undo
from services.agent.means import Means
from services.agent.namespace_links import host_links
from services.agent.probes import Probes
from services.agent.readiness import Readiness, lock_namespace
from services.agent.requests import Requests, line_of
from services.agent.watching import Watches
from services.messages import ServiceError
from services.netlink.connection import LinkWatch
from socketlab.wire.fault import Fault
from socketlab.wire.lease import Lease
from socketlab.wire.words import words

NAMESPACE_GONE = 75
"""EX_TEMPFAIL (sysexits.h): start me again, in the namespace that the host has now."""
STOPPED = 0
ORPHANED = 1
_LINK_SECONDS = 10.0
"""How long a new agent waits for its host's first link."""
_GONE_SECONDS = 2.0
"""How long it waits for a lost link. Until then whoever stops a whole lab has stopped the agent too, and a
host that is restarted is up again: the engine cannot start an agent whose host is down."""
_ENDING = (signal.SIGTERM, signal.SIGINT)
_GARBAGE = 100_000, 50, 1000
"""Collecting garbage holds packets up: what the emulator's log holds is looked through seldom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OneFault:
    """An agent for one fault, which ends with it.

    Args:
        fault: the fault.
        seconds: how long; None: until it is told to end.
        applied: is told when it is in force.
    """

    fault: Fault
    seconds: float | None
    applied: Callable[[Lease], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What an agent is to be.

    Args:
        folder: its run directory.
        journal_folder: where it notes what must be undone if it is killed, and what it holds itself.
        standing: the faults that the lab's definition names.
        without: features of the kernel that it takes for lacking.
        follows: end with 75 when the host has lost its last link, to be started again where it is then; a
            nanny that shares the host's life wants its agent to stay.
        only: be there for this fault only.
    """

    folder: Path
    journal_folder: Path
    standing: tuple[Fault, ...] = ()
    without: frozenset[str] = frozenset()
    follows: bool = True
    only: OneFault | None = None


class Program:
    """The agent of one network namespace.

    Args:
        setting: what it is to be.
        journal: the file in the journal's folder.
        kept: where the leases that it holds are kept; None: they end with it.
        keeper: read end of a pipe whose other end its nanny holds.
        on_ready: called once the command socket is there.
    """

    def __init__(
        self,
        setting: Setting,
        journal: Journal,
        kept: Kept | None,
        keeper: int,
        *,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._setting = setting
        self._on_ready = on_ready
        self._journal = journal
        self._kept = kept
        self._ended = False
        self._code = STOPPED
        self._open = ExitStack()
        # Not epoll: Python rounds its timeouts up to a millisecond.
        self._selector = self._open.enter_context(selectors.SelectSelector())
        self._wake_by_signals()
        self._watch = LinkWatch()
        self._open.callback(self._watch.close)
        self._selector.register(self._watch, selectors.EVENT_READ, self._look_at_links)
        self._has_link = False
        self._gone_at = time.monotonic() + _LINK_SECONDS
        self._look_at_links()
        self._selector.register(keeper, selectors.EVENT_READ, lambda: self._end(ORPHANED))
        self._watches: Watches | None = None
        self._only: str | None = None

    def _wake_by_signals(self) -> None:
        """Make a signal an event of the loop; those that the nanny held back so far come now."""
        woken, waker = socket.socketpair()
        for end in (woken, waker):
            end.settimeout(0)
            self._open.enter_context(end)
        signal.set_wakeup_fd(waker.fileno())
        for number in _ENDING:
            signal.signal(number, lambda _number, _frame: self._end(STOPPED))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (*_ENDING, signal.SIGCHLD))
        self._selector.register(woken, selectors.EVENT_READ, lambda: woken.recv(4096))

    def _end(self, code: int) -> None:
        """Leave the loop; the first reason counts."""
        if not self._ended:
            self._ended, self._code = True, code

    def _look_at_links(self) -> None:
        """Note whether there is a link; when the last one goes, the namespace has a while to get another."""
        self._watch.drain()
        had_link, self._has_link = self._has_link, not self._setting.follows or bool(host_links())
        if had_link and not self._has_link:
            self._gone_at = time.monotonic() + _GONE_SECONDS

    def run(self) -> int:
        """Serve until there is a reason to end.

        Returns:
            The exit code.

        Raises:
            SocketlabError: it cannot serve here, or a standing fault is not to be had.
            OSError: the run directory or a socket is not to be had.
        """
        with self._open:
            self._await_link()
            if not self._ended:
                self._serve()
        if self._kept is not None:
            if self._code == STOPPED:
                self._kept.clear()
            self._kept.close()
        if self._code == NAMESPACE_GONE:
            log("namespace-gone")
        return self._code

    def _await_link(self) -> None:
        while not self._ended and not self._has_link:
            for handle in self._ready(self._earliest()):
                handle()

    def _serve(self) -> None:
        self._open.enter_context(lock_namespace())
        undo(self._journal)
        self._journal.clear()
        means = Means(self._selector, self._journal, self._setting.folder, self._setting.without)
        self._open.callback(means.close)
        faults = Faults(means.mechanisms, means.answers, self._kept, self._tell)
        self._open.callback(faults.close)
        self._fill(faults)
        self._watches = Watches(self._selector, faults.leases, means.emulator, line_of)
        self._open.callback(self._watches.close)
        probes = Probes(faults, means.filters, means.emulator)
        desk = Requests(faults, means.emulator, probes, self._watches)
        clients = Clients(self._selector, self._setting.folder, desk)
        self._open.callback(clients.close)
        self._open.callback(Readiness(self._selector, lambda: self._has_link).close)
        log("ready", count=len(self._setting.standing))
        self._on_ready()
        gc.freeze()
        gc.set_threshold(*_GARBAGE)
        while not self._ended:
            self._turn(means, faults, clients)

    def _fill(self, faults: Faults) -> None:
        """Put in force what is to be from the start."""
        for fault in self._setting.standing:
            faults.add(fault, holder="standing")
        for entry in self._kept.take() if self._kept is not None else ():
            left = None if entry.until is None else entry.until - boot_clock()
            try:
                if left is None or left > 0:
                    faults.resume(entry, left)
            except (ServiceError, OSError) as error:
                log("not-resumed", id=entry.lease, fault=words(entry.fault), why=error)
        only = self._setting.only
        if only is not None:
            lease = faults.add(only.fault, only.seconds)
            self._only = lease.id
            only.applied(lease)

    def _turn(self, means: Means, faults: Faults, clients: Clients) -> None:
        """Wait for what happens next, and see to it."""
        due = self._earliest(means.next_due(), faults.next_due(), clients.next_due())
        ready = self._ready(due)
        self._see_to_packets(means)
        for handle in ready:
            handle()
            self._see_to_packets(means)
        means.run_due()
        faults.heal_due()
        clients.tell_news()
        clients.drop_idle()

    def _see_to_packets(self, means: Means) -> None:
        if means.see_to_packets() and self._watches is not None:
            self._watches.packets_moved()

    def _earliest(self, *due: float | None) -> float | None:
        times = [when for when in due if when is not None]
        if not self._has_link:
            times.append(self._gone_at)
        return min(times, default=None)

    def _ready(self, due: float | None) -> list[Callable[[], None]]:
        """Wait, at most until a time (monotonic clock); what is to be done then."""
        seconds = None if due is None else max(0.0, due - time.monotonic())
        ready = [key.data for key, _events in self._selector.select(seconds)]
        if not self._has_link and time.monotonic() >= self._gone_at:
            self._end(NAMESPACE_GONE)
        return ready

    def _tell(self, what: Change, lease: Lease) -> None:
        """Log a change of the faults in force, and tell who watches."""
        bitten = "-" if lease.bitten is None else lease.bitten
        log(what, id=lease.id, fault=words(lease.fault), bitten=bitten)
        if self._watches is not None:
            self._watches.leases_changed()
        if lease.id == self._only and what not in {"applied", "standing", "resumed"}:
            self._end(STOPPED)
