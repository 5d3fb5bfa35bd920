"""The agent proper: one thread that waits for requests, ends of leases, links and signals.

Theory of operation
    The order at the start is what makes its promises true. First a link, since a namespace without one is
    dead. Then the table, which is the lock of the namespace. Then the sweep of routes that a killed agent
    left, which only the lock's holder may do. Then the standing faults, each read back. Only then the command
    socket, and last the readiness socket.

    It ends for one of four reasons: a signal (0), a dead namespace (75), its nanny's death, an error. Each
    way out takes the faults out first; where it is killed there is no way out, and the kernel and the nanny
    do it.
"""

import selectors
import signal
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from services.agent.clients import Clients
from services.agent.console import log
from services.agent.faults import Change, Faults
from services.agent.filters import Filters
from services.agent.journal import Journal
from services.agent.links import host_links
from services.agent.readiness import Readiness
from services.agent.requests import answer
from services.agent.routes import Routes
from services.agent.words import words
from services.netlink.connection import NETFILTER, ROUTE, Connection, LinkWatch
from socketlab.wire.fault import Fault
from socketlab.wire.lease import Lease

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


class Program:
    """The agent of one network namespace.

    Args:
        folder: its run directory.
        journal: where it notes what must be undone if it is killed.
        keeper: read end of a pipe whose other end its nanny holds.
        follows: end with 75 when the host has lost its last link, to be started again where it is then; a
            nanny that shares the host's life wants its agent to stay.
        on_ready: called once the command socket is there.
    """

    def __init__(
        self,
        folder: Path,
        journal: Journal,
        keeper: int,
        *,
        follows: bool = True,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._folder = folder
        self._follows = follows
        self._on_ready = on_ready
        self._journal = journal
        self._ended = False
        self._code = STOPPED
        self._open = ExitStack()
        self._selector = self._open.enter_context(selectors.DefaultSelector())
        self._wake_by_signals()
        self._watch = LinkWatch()
        self._open.callback(self._watch.close)
        self._selector.register(self._watch, selectors.EVENT_READ, self._look_at_links)
        self._has_link = False
        self._gone_at = time.monotonic() + _LINK_SECONDS
        self._look_at_links()
        self._selector.register(keeper, selectors.EVENT_READ, lambda: self._end(ORPHANED))

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
        had_link, self._has_link = self._has_link, not self._follows or bool(host_links())
        if had_link and not self._has_link:
            self._gone_at = time.monotonic() + _GONE_SECONDS

    def run(self, standing: Sequence[Fault]) -> int:
        """Serve until there is a reason to end.

        Args:
            standing: the faults that the lab's definition names.

        Returns:
            The exit code.

        Raises:
            SocketlabError: it cannot serve here, or a standing fault is not to be had.
            OSError: the run directory or a socket is not to be had.
        """
        with self._open:
            self._await_link()
            if not self._ended:
                self._serve(standing)
        if self._code == NAMESPACE_GONE:
            log("namespace-gone")
        return self._code

    def _await_link(self) -> None:
        while not self._ended and not self._has_link:
            self._turn(None)

    def _serve(self, standing: Sequence[Fault]) -> None:
        faults = self._take_namespace()
        for fault in standing:
            faults.add(fault, holder="standing")
        clients = Clients(self._selector, self._folder, lambda line: answer(line, faults))
        self._open.callback(clients.close)
        self._open.callback(Readiness(self._selector, lambda: self._has_link).close)
        log("ready", count=len(standing))
        self._on_ready()
        while not self._ended:
            self._turn(faults.next_due(), clients.next_due())
            faults.heal_due()
            clients.drop_idle()

    def _take_namespace(self) -> Faults:
        """Own the table, and clear what a killed agent left."""
        netfilter = Connection(NETFILTER)
        self._open.callback(netfilter.close)
        filters = Filters(netfilter)
        route = Connection(ROUTE)
        self._open.callback(route.close)
        routes = Routes(route, self._journal)
        for entry in routes.sweep():
            log("swept", to=entry.to)
        faults = Faults(filters, routes, _tell)
        self._open.callback(faults.close)
        return faults

    def _turn(self, *due: float | None) -> None:
        """Wait for what happens next, at most until one of these times (monotonic clock), and see to it."""
        times = [when for when in due if when is not None]
        if not self._has_link:
            times.append(self._gone_at)
        for key, _events in self._selector.select(max(0.0, min(times) - time.monotonic()) if times else None):
            key.data()
        if not self._has_link and time.monotonic() >= self._gone_at:
            self._end(NAMESPACE_GONE)


def _tell(what: Change, lease: Lease) -> None:
    """Log a change of the faults in force."""
    bitten = "-" if lease.bitten is None else lease.bitten
    log(what, id=lease.id, fault=words(lease.fault), bitten=bitten)
