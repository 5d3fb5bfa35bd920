"""The mechanisms of one agent, in the order in which they are asked, and what each needs from the loop.

nft decides what it can by itself, the emulator what is left of packets; what is of links and routes is
nobody else's business.
"""

import select
import time
from contextlib import ExitStack
from pathlib import Path
from selectors import EVENT_READ, BaseSelector

from services.agent.console import log
from services.agent.emulator.queue import Emulator
from services.agent.filters import Filters
from services.agent.journal import Journal
from services.agent.lacking import LACKS
from services.agent.links import Links
from services.agent.mechanism import Mechanism
from services.agent.neighbours import Neighbours
from services.agent.routes import Routes
from services.agent.shaping import Shaping
from services.agent.sockets import Sockets
from services.messages import ServiceError, say
from services.netlink.connection import NETFILTER, ROUTE, Connection
from services.netlink.sock_diag import SOCK_DIAG
from socketlab.wire.fault import Reject
from socketlab.wire.words import words


class DelayedAnswers:
    """ICMP answers of refusals, which the emulator holds up on their way out.

    Args:
        filters: steer them.
        emulator: delays them.
    """

    def __init__(self, filters: Filters, emulator: Emulator) -> None:
        self._filters = filters
        self._emulator = emulator

    def begin(self, lease: str, fault: Reject) -> None:
        """Delay the answers of a refusal that is in force.

        Raises:
            ServiceError: the machine has no queue.
        """
        try:
            self._emulator.delay_answers(lease, fault)
            try:
                self._filters.steer_answers(lease, fault)
            except (ServiceError, OSError):
                self._emulator.forget_answers(lease)
                raise
        except ServiceError as error:
            if error.code != LACKS:
                raise
            why = say("agent.no-answer-delay", why=error.details["why"])
            raise ServiceError(LACKS, fault=words(fault), why=why) from error

    def end(self, lease: str) -> None:
        """Delay them no longer; those that wait go out."""
        self._filters.unsteer(lease)
        self._emulator.forget_answers(lease)


class Means:
    """All mechanisms of one agent; what a killed agent's marks are on is swept away.

    Args:
        selector: the loop's.
        journal: where is noted what would outlive the agent.
        folder: the agent's run directory.
        without: features of the kernel to do without.

    Raises:
        ServiceError: there is another agent, or the kernel lacks what every agent needs.
        OSError: the kernel refuses a socket.
    """

    def __init__(
        self, selector: BaseSelector, journal: Journal, folder: Path, without: frozenset[str]
    ) -> None:
        self._selector = selector
        self._open = ExitStack()
        try:
            self._make(journal, folder, without)
        except BaseException:
            self._open.close()
            raise
        self._seen = 0

    def _make(self, journal: Journal, folder: Path, without: frozenset[str]) -> None:
        route = self._connect(ROUTE)
        self.filters = Filters(self._connect(NETFILTER), journal, folder, without)
        self._open.callback(self.filters.close)
        routes, neighbours = Routes(route, journal), Neighbours(route, journal)
        shaping = Shaping(
            route,
            self._connect(NETFILTER),
            journal,
            has_owner="owner" not in without,
            wait=self._see_to_packets_until,
        )
        self._open.callback(shaping.close)
        for entry in routes.sweep():
            log("swept", to=entry.to)
        neighbours.sweep()
        shaping.sweep()
        self._links = Links(route, journal, (routes.restore, neighbours.restore))
        self.emulator = Emulator(self.filters, self._wait_for_packets)
        self._open.callback(self.emulator.close)
        self.answers = DelayedAnswers(self.filters, self.emulator)
        sockets = Sockets(self._connect(SOCK_DIAG))
        self._rest = shaping, self._links, neighbours, routes, sockets

    @property
    def mechanisms(self) -> tuple[Mechanism, ...]:
        """All of them."""
        return self.filters, *self._rest, self.emulator

    def _connect(self, protocol: int) -> Connection:
        made = Connection(protocol)
        self._open.callback(made.close)
        return made

    def _wait_for_packets(self) -> None:
        self._selector.register(self.emulator.fileno(), EVENT_READ, self._leave_packets)
        self._open.callback(self._selector.unregister, self.emulator.fileno())

    def _see_to_packets_until(self, descriptor: int) -> None:
        """Deal with packets until something else can be read: it takes the kernel its time."""
        emulator = self.emulator
        while True:
            queue = emulator.fileno()
            due = emulator.next_due() if queue >= 0 else None
            seconds = None if due is None else max(0.0, due - time.monotonic())
            ready, _, _ = select.select([descriptor, *([queue] if queue >= 0 else [])], [], [], seconds)
            if descriptor in ready:
                return
            emulator.on_readable()
            due = emulator.next_due()
            if due is not None and due <= time.monotonic():
                emulator.run_due()

    def _leave_packets(self) -> None:
        """Nothing: in each turn the loop looks for packets first, whoever has woken it."""

    def see_to_packets(self) -> bool:
        """Deal with packets that have come or whose time has; whether there was anything worth telling."""
        emulator = self.emulator
        if emulator.fileno() < 0:
            return False
        emulator.on_readable()
        due = emulator.next_due()
        if due is not None and due <= time.monotonic():
            emulator.run_due()
        seen = emulator.last_logged + emulator.held_changes
        has_moved, self._seen = seen != self._seen, seen
        return has_moved

    def next_due(self) -> float | None:
        """When something is to be done that no descriptor tells of, by the monotonic clock; None: never."""
        due = (self.emulator.next_due(), self._links.next_due())
        return min((each for each in due if each is not None), default=None)

    def run_due(self) -> None:
        """Do what is due, packets apart."""
        due = self._links.next_due()
        if due is not None and due <= time.monotonic():
            self._links.run_due()

    def close(self) -> None:
        """Take everything out, and give all up."""
        self._open.close()
