"""All faults of a lab: put in force, listed, watched, healed. `lab.faults`, and what a holder holds.

Theory of operation
    A lease of the lab has an id of the lab (`1`, `2`, ...) and is made of parts: leases of agents, answers of
    the name server, things done to hosts. All parts of a lease are put in force or none. Each host's agent is
    reached when the first fault needs it, and what is in force on a host is put there again when it comes
    back (`reach`). One thread a lease with an end waits for that end.

    Agents hold our leases only for as long as our streams to them are open: when this process dies, all is
    healed. What is done to hosts from outside is undone when the lab is closed, unless it goes with the lab.
"""

import difflib
import itertools
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from socketlab.errors import FaultsError, LabError, SpecError
from socketlab.faults.acting import ActionPart
from socketlab.faults.capturing import Capture
from socketlab.faults.lease import AnyPart, Lease, Status
from socketlab.faults.model import Dns, HostAction, LabFault, Partition
from socketlab.faults.naming import Names, NamesPart
from socketlab.faults.one_host import OneHost
from socketlab.faults.reach import Part, Reach
from socketlab.faults.resolving import addresses_of, resolved, whole_group
from socketlab.faults.together import at_once, put_all
from socketlab.faults.verifying import prove
from socketlab.faults.watching import Told, Waiting, Watchers
from socketlab.faults.words import words_of_lab
from socketlab.hosts.faulting import OnHost, OnLab
from socketlab.sockets.host_event import HostEvent
from socketlab.wire.event import Event
from socketlab.wire.fault import Drop, Fault
from socketlab.wire.lease import LogEntry, Step
from socketlab.wire.message import Frame, Kind

if TYPE_CHECKING:
    from socketlab.hosts.lab import Lab

_MOST_SECONDS: Final = 7 * 24 * 3600.0


class Board:
    """The faults of a lab (`socketlab.hosts.faulting.LabFaults`). Any thread may use it.

    Args:
        lab: open.
    """

    def __init__(self, lab: "Lab") -> None:
        self._lab = lab
        self._hosts = dict(lab.hosts)
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._others = itertools.count(1)
        """Numbers of names' answers."""
        self._leases: dict[str, Lease] = {}
        self._timers: dict[str, threading.Timer] = {}
        self._reaches = {
            name: Reach(name, lambda host: lab.machines.agent(host), self._told_by_reach)  # noqa: PLW0108 - asked each time
            for name in self._hosts
        }
        names = next((host.plan for host in self._hosts.values() if host.plan.role == "names"), None)
        self._names = None if names is None else Names(names, lambda host: lab.machines.actor(host))  # noqa: PLW0108
        self._captures: weakref.WeakSet[Capture] = weakref.WeakSet()
        self._watchers = Watchers(self.list)
        self._closed = False

    # -- what is put in force

    def apply(
        self,
        fault: Fault | OnHost | OnLab,
        seconds: float | None = None,
        *,
        on: str | None = None,
        verify: bool = False,
    ) -> Lease:
        """Put a fault in force; what agents do has been read back from the kernel when this returns.

        Args:
            fault: what is wrong.
            seconds: heal it after that long; None: hold it.
            on: of a fault of one host: its name.
            verify: prove by probes that it bites, and only what it shall. They never count.

        Raises:
            SpecError: a host or peer that nobody knows; the nearest name is told.
            FaultsError: it is not to be had; nothing is half in force.
            AgentError: an agent refused: the kernel lacks a part, or a limit is reached.
            NotProvenError: it does not bite as it should; it has been taken out.
        """
        if seconds is not None and not 0 < seconds <= _MOST_SECONDS:
            raise FaultsError("faults.seconds", limit=f"{_MOST_SECONDS:.0f}", seen=f"{seconds:g}")
        if isinstance(fault, HostAction) and fault.do == "restart":
            seconds = min(fault.seconds, _MOST_SECONDS if seconds is None else seconds)
        parts = self._parts(fault, on, seconds)
        if not verify:
            put_all(parts)
            return self._kept(fault, parts, seconds)  # type: ignore[arg-type] # `_parts` has looked at it
        with prove(self, tuple(part for part in parts if isinstance(part, Part))) as proving:
            put_all(parts)
            lease = self._kept(fault, parts, seconds)  # type: ignore[arg-type]
            try:
                lease.proof = proving.after()
            except BaseException:
                with suppress(LabError):
                    lease.heal()
                raise
        return lease

    def _parts(self, fault: Fault | OnHost | OnLab, on: str | None, seconds: float | None) -> list[AnyPart]:
        """What a fault is made of, nothing of it in force yet."""
        if isinstance(fault, Partition | Dns):
            if on is not None:
                raise SpecError("faults.of-a-lab", kind=fault.kind, host=on)
            return self._parts_of_lab(fault, seconds)
        if isinstance(fault, OnLab):
            raise TypeError(fault)
        if on is None:
            raise SpecError("faults.on-which", fault=words_of_lab(fault), known=", ".join(self._hosts))  # type: ignore[arg-type]
        host = self._host(on)
        if isinstance(fault, HostAction):
            return [ActionPart(self._hosts[host], fault)]
        if isinstance(fault, OnHost):
            raise TypeError(fault)
        return [Part(self._reaches[host], resolved(fault, self._lab.plan, host), seconds)]

    def _parts_of_lab(self, fault: Partition | Dns, seconds: float | None) -> list[AnyPart]:
        if isinstance(fault, Dns):
            if self._names is None:
                raise FaultsError("faults.no-names", lab=self._lab.name)
            return [NamesPart(self._names, fault, next(self._others))]
        parts: list[AnyPart] = []
        for host, unheard in fault.deaf():
            self._host(host)
            plans = [self._lab.plan.host(self._host(name)) for name in unheard]
            parts += [Part(self._reaches[host], Drop(match), seconds) for match in whole_group(plans)]
        return parts

    def _host(self, name: str) -> str:
        if name in self._hosts:
            return name
        fields = {"lab": self._lab.name, "seen": ascii(name)[:60], "known": ", ".join(self._hosts)}
        if alike := difflib.get_close_matches(name, self._hosts, n=1):
            raise SpecError("lab.no-host-alike", **fields, alike=alike[0])
        raise SpecError("lab.no-host", **fields)

    def _kept(self, fault: LabFault, parts: Sequence[AnyPart], seconds: float | None) -> Lease:
        until = None if seconds is None else time.monotonic() + seconds
        lease = Lease(
            str(next(self._numbers)),
            fault,
            parts,
            until,
            look=self._look_at,
            healed=self._healed,
            packets=self._packets,
        )
        try:
            self._take_in(lease)
        except BaseException:
            with suppress(LabError):
                lease.heal()  # nobody else knows of it
            raise
        return lease

    def _take_in(self, lease: Lease) -> None:
        with self._lock:
            if self._closed:
                raise FaultsError("faults.closed")
            self._leases[lease.id] = lease
        for capture in list(self._captures):
            capture.note(lease)
        self._happened("applied", lease)
        if lease.until is not None:
            self._end_in_time(lease, lease.until)

    def _end_in_time(self, lease: Lease, until: float) -> None:
        left = until - time.monotonic()
        if left <= 0:
            lease.end("time-up")
            return
        timer = threading.Timer(left, self._time_up, (lease,))
        timer.daemon = True
        with self._lock:
            self._timers[lease.id] = timer
        timer.start()

    def _time_up(self, lease: Lease) -> None:
        try:
            lease.end("time-up")
        except LabError as error:
            for host in lease.hosts:
                self._tell("fault.not-healed", host, "failed", str(error))

    def _healed(self, lease: Lease, why: str) -> None:
        with self._lock:
            self._leases.pop(lease.id, None)
            timer = self._timers.pop(lease.id, None)
        if timer is not None:
            timer.cancel()
        self._happened(why, lease)

    # -- what is in force

    def list(self) -> "tuple[Lease, ...]":
        """The faults in force, in the order they came."""
        with self._lock:
            return tuple(self._leases.values())

    def lease(self, name: str) -> Lease:
        """The lease of that id.

        Raises:
            FaultsError: none is in force.
        """
        with self._lock:
            found = self._leases.get(name)
            known = ", ".join(self._leases) or "-"
        if found is None:
            raise FaultsError("faults.unknown", seen=ascii(name)[:60], known=known)
        return found

    def statuses(self) -> tuple[Status, ...]:
        """How the faults in force stand, asked now."""
        leases = self.list()
        self._look(leases)
        return tuple(lease.status() for lease in leases)

    def heal(self, lease: str | None = None) -> None:
        """Heal one by its id, or all.

        Raises:
            FaultsError: no fault of that id is in force.
        """
        self.heal_those(self.list() if lease is None else (self.lease(lease),))

    @staticmethod
    def heal_those(leases: Iterable[Lease]) -> None:
        """Heal all of these, whatever one of them does.

        Raises:
            LabError: the first one's that would not go.
        """
        found: LabError | None = None
        for each in reversed(tuple(leases)):  # what came last may stand on what came before
            try:
                each.heal()
            except LabError as error:
                found = found or error
        if found is not None:
            raise found

    def on(self, host: str) -> OneHost:
        """The faults of one host."""
        return OneHost(self, self._host(host))

    def log(self, lease: str | None = None) -> tuple[tuple[str, LogEntry], ...]:
        """What emulators did: the lease's id and the entry, of one lease or all in force."""
        leases = self.list() if lease is None else (self.lease(lease),)
        return tuple((each.id, entry) for each in leases for entry in each.log)

    def held(self, lease: str | None = None) -> tuple[Waiting, ...]:
        """The packets that wait for a word, of one lease or of all."""
        leases = self.list() if lease is None else (self.lease(lease),)
        return tuple(
            Waiting(each.hosts[0], each.id, packet)
            for each in leases
            if getattr(each.fault, "kind", "") == "hold"
            for packet in each.held()
        )

    def advance(self, host: str, number: int, step: Step = "release") -> tuple[Waiting, ...]:
        """Let a held packet go, or not; what still waits on that host."""
        reach = self._reaches[self._host(host)]
        return self._watchers.waiting(reach, reach.agent().advance(number, step))

    def kinds(self, host: str) -> tuple[Kind, ...]:
        """The kinds of fault, and what that host lacks for them."""
        return self._reaches[self._host(host)].agent().kinds()

    def reach(self, host: str) -> Reach:
        """The way to a host's agent."""
        return self._reaches[self._host(host)]

    @property
    def lab(self) -> "Lab":
        """Whose faults these are."""
        return self._lab

    def _look_at(self, lease: Lease) -> None:
        self._look((lease,))

    def _look(self, leases: Iterable[Lease]) -> None:
        """Have the counts of some leases as they are now, one question a host."""
        parts = [part for lease in leases for part in lease.parts]
        reaches = {id(part.reach): part.reach for part in parts if isinstance(part, Part)}
        at_once([reach.look for reach in reaches.values()])
        if self._names is not None and any(isinstance(part, NamesPart) for part in parts):
            self._names.look()

    # -- watching

    def watch(self, callback: Callable[[Told], object]) -> Callable[[], None]:
        """Have a function told when leases, logs or held packets change.

        Args:
            callback: must be quick, and ask nothing here: it is called by the threads that read.

        Returns:
            a function that ends it.
        """
        return self._watchers.watch(callback)

    def capture(self, directory: str | os.PathLike[str] | None = None, hosts: Sequence[str] = ()) -> Capture:
        """Capture packets for the length of a `with` block.

        Args:
            directory: where `<lab>.pcapng` is written when the block ends; None: none is.
            hosts: on these; none: on all.
        """
        names = [self._host(name) for name in hosts] or list(self._hosts)
        made = Capture(
            [self._hosts[name] for name in names],
            self._reaches,
            name=self._lab.name,
            directory=directory,
            leases=self.list(),
        )
        self._captures.add(made)
        return made

    def _packets(self, lease: Lease) -> tuple[Frame, ...]:
        found = [frame for capture in list(self._captures) for frame in capture.bitten_by(lease.id)]
        return tuple(sorted(found, key=lambda frame: frame.at_ns))

    # -- what becomes of hosts

    def gone(self, host: str) -> None:
        """A host has been killed or stopped, and its agent with it."""
        self._reaches[host].gone()
        if self._names is not None and self._names.host == host:
            self._names.gone()

    def back(self, host: str) -> None:
        """A host has been booted: what is in force on it is put there again."""
        self._reaches[host].back()
        addresses = addresses_of(self._lab.plan.host(host))
        for each in self._reaches.values():
            if each.host != host:  # somebody else's host may have come back with other addresses
                each.peer_moved(host, addresses)
        if self._names is not None and self._names.host == host:
            try:
                self._names.back()
            except LabError as error:
                self._tell("fault.failed", host, "failed", str(error))

    def close(self) -> None:
        """The lab is closed: what an agent or the name server does ends with our streams to them.

        What was done to hosts from outside is undone, unless the hosts go, too.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
            leases, self._leases = list(self._leases.values()), {}
            timers, self._timers = list(self._timers.values()), {}
        for timer in timers:
            timer.cancel()
        for lease in reversed(leases):
            if not self._lab.owns_hosts and any(isinstance(part, ActionPart) for part in lease.parts):
                with suppress(LabError):
                    lease.heal()
            lease.over()
        for reach in self._reaches.values():
            if not self._lab.owns_hosts:
                reach.clear_up()
            reach.close()
        if self._names is not None:
            self._names.close()

    # -- telling

    def _told_by_reach(self, what: str, part: Part, why: str) -> None:
        phase = "failed" if what == "failed" else "changed"
        said = words_of_lab(part.fault) + (f": {why}" if why else "")
        self._tell(f"fault.{what}", part.host, phase, said)

    def _happened(self, what: str, lease: Lease) -> None:
        for host in lease.hosts:
            self._tell(f"fault.{what}", host, "changed", words_of_lab(lease.fault))
        self._watchers.changed(lease)

    def _tell(self, name: str, host: str, phase: Any, said: str) -> None:
        at = time.monotonic_ns() + self._hosts[host].last_clock_offset_ns
        event = Event(name=name, phase=phase, at_ns=at, said=said)
        self._lab.tell(HostEvent(host, name, lambda: event))
