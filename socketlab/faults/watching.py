"""Who is told when the faults of a lab change: leases, what emulators do, what is held.

Theory of operation
    A lease that comes or goes is told at once, by whoever brings or takes it. What happens on a host is told
    by its agent, which is watched from when the first lease of it is in force, also through restarts of the
    host. Ids of agents' leases become those of the lab on the way.
"""

import itertools
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from socketlab.errors import LabError
from socketlab.faults.lease import Lease, Status
from socketlab.faults.reach import Part, Reach, Subscription
from socketlab.wire.lease import HeldPacket, LogEntry
from socketlab.wire.message import HeldPackets, Leases, LogPage, Message


class Waiting(NamedTuple):
    """A packet that waits for a word.

    Args:
        host: where.
        lease: id of the lab's lease that holds it; None: somebody else's.
        packet: what it is; its number is unique on its host.
    """

    host: str
    lease: str | None
    packet: HeldPacket


class Told(NamedTuple):
    """What a watch tells.

    Args:
        host: where it happened; empty: a lease of the lab came or went.
        leases: how all leases stand, if any has changed.
        log: new entries of that host's emulator, each with the id of the lab's lease.
        held: what waits on that host now, if that has changed.
    """

    host: str
    leases: tuple[Status, ...] | None = None
    log: tuple[tuple[str | None, LogEntry], ...] = ()
    held: tuple[Waiting, ...] | None = None


class _Watcher:
    """Somebody who is told of what happens.

    Args:
        callback: is called.
    """

    def __init__(self, callback: Callable[[Told], object]) -> None:
        self.callback = callback
        self._lock = threading.Lock()
        self._taken: set[str] = set()
        self._kept: list[tuple[Reach, Subscription]] = []

    def takes(self, reach: Reach) -> bool:
        """Whether a host's agent is still to be watched; whoever is told so does it."""
        with self._lock:
            if reach.host in self._taken:
                return False
            self._taken.add(reach.host)
            return True

    def keep(self, reach: Reach, subscription: Subscription) -> None:
        """It is watched."""
        with self._lock:
            self._kept.append((reach, subscription))

    def leave(self) -> list[tuple[Reach, Subscription]]:
        """All that is watched; it is nobody's any more."""
        with self._lock:
            kept, self._kept = self._kept, []
            return kept


class Watchers:
    """All who are told.

    Args:
        leases: gives those in force.
    """

    def __init__(self, leases: Callable[[], tuple[Lease, ...]]) -> None:
        self._leases = leases
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._watchers: dict[int, _Watcher] = {}

    def watch(self, callback: Callable[[Told], object]) -> Callable[[], None]:
        """Have a function told from now on.

        Args:
            callback: must be quick, and ask nothing here: it is called by the threads that read.

        Returns:
            a function that ends it.
        """
        watcher = _Watcher(callback)
        number = next(self._numbers)
        with self._lock:
            self._watchers[number] = watcher
        for lease in self._leases():
            self._have_watched(watcher, lease)

        def end() -> None:
            with self._lock:
                self._watchers.pop(number, None)
            for reach, subscription in watcher.leave():
                with suppress(LabError):
                    reach.unsubscribe(subscription)

        return end

    def changed(self, lease: Lease) -> None:
        """A lease has come or gone."""
        with self._lock:
            watchers = list(self._watchers.values())
        if not watchers:
            return
        statuses = tuple(each.status() for each in self._leases())
        for each in watchers:
            if lease.in_force:
                self._have_watched(each, lease)
            each.callback(Told("", leases=statuses))

    def _have_watched(self, watcher: _Watcher, lease: Lease) -> None:
        """Watch the agents that a lease is held by, unless that is done already."""
        for part in lease.network:
            if watcher.takes(part.reach):
                told = partial(self._pass_on, part.reach, watcher.callback)
                with suppress(LabError):
                    made = part.reach.subscribe(told, leases=True, log=True, held=True)
                    watcher.keep(part.reach, made)

    def _pass_on(self, reach: Reach, callback: Callable[[Told], object], message: Message) -> None:
        match message:
            case LogPage(entries=entries):
                log = tuple((self.id_of(reach, each.lease), each) for each in entries)
                callback(Told(reach.host, log=log))
            case HeldPackets(packets=packets):
                callback(Told(reach.host, held=self.waiting(reach, packets)))
            case Leases(leases=leases):
                for each in leases:
                    part = reach.part_of(each.id)
                    if part is not None:
                        part.counted(each)
                callback(Told(reach.host, leases=tuple(lease.status() for lease in self._leases())))

    def waiting(self, reach: Reach, packets: Iterable[HeldPacket]) -> tuple[Waiting, ...]:
        """What an agent holds, with the lab's ids."""
        return tuple(Waiting(reach.host, self.id_of(reach, each.lease), each) for each in packets)

    def id_of(self, reach: Reach, agents: str) -> str | None:
        """The lab's lease that a lease of an agent is a part of."""
        part: Part | None = reach.part_of(agents)
        if part is None:
            return None
        return next((lease.id for lease in self._leases() if part in lease.parts), None)
