"""A fault in force in a lab: one lease of an agent, several, a name's answer, or something done to a host."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from socketlab.errors import FaultsError, LabError
from socketlab.faults.acting import ActionPart
from socketlab.faults.model import LabFault
from socketlab.faults.naming import NamesPart
from socketlab.faults.reach import Part
from socketlab.faults.words import words_of_lab
from socketlab.wire.lease import HeldPacket, LogEntry, Step
from socketlab.wire.message import Frame

if TYPE_CHECKING:
    from socketlab.faults.verifying import Proof

AnyPart = Part | NamesPart | ActionPart
_NOTHING: Final = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How a lease stands, as plain values.

    Args:
        id: its name in the lab.
        hosts: that it is on.
        words: what is wrong, as it is typed after `fault add`.
        seconds_left: until it is healed; None: no limit.
        bitten: packets (of a name: questions) that it has bitten; None: nobody counts them.
        seen: packets that its match takes; None: nobody counts them.
        overflow: packets that were lost beside its purpose.
        by: the mechanisms; none for what no agent does.
        trouble: why a part of it is not in force now, as a sentence; None: all of it is.
    """

    id: str
    hosts: tuple[str, ...]
    words: str
    seconds_left: float | None
    bitten: int | None
    seen: int | None
    overflow: int
    by: tuple[str, ...]
    trouble: str | None


class Lease:
    """A fault in force; as a context manager it is healed at the end of the block.

    Args:
        name: its id.
        fault: what is wrong.
        parts: what it is made of, all in force.
        until: when it ends, by the monotonic clock; None: no end.
        look: has the parts' counts as they are now.
        healed: told when it is healed: with `healed` or `time-up`.
        packets: finds what has been captured of it.
    """

    def __init__(
        self,
        name: str,
        fault: LabFault,
        parts: Sequence[AnyPart],
        until: float | None,
        *,
        look: Callable[["Lease"], None],
        healed: Callable[["Lease", str], None],
        packets: Callable[["Lease"], tuple[Frame, ...]],
    ) -> None:
        self.id = name
        self.parts = tuple(parts)
        self.until = until
        self.proof: Proof | None = None
        """What has been seen when it was verified; None: it was not."""
        self._fault = fault
        self._look = look
        self._healed = healed
        self._packets = packets
        self._lock = threading.Lock()
        self._in_force = True

    def __repr__(self) -> str:
        where = f" on {','.join(self.hosts)}" if self.hosts else ""
        return f"<Lease {self.id}{where}: {words_of_lab(self.fault)}{'' if self._in_force else ' (healed)'}>"

    @property
    def fault(self) -> LabFault:
        """What is wrong; seeds that were not given are filled in."""
        only = self.parts[0] if len(self.parts) == 1 else None
        return only.fault if isinstance(only, Part) else self._fault

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that it is on."""
        return tuple(dict.fromkeys(part.host for part in self.parts))

    @property
    def in_force(self) -> bool:
        """Whether it has neither been healed nor is over; also while its host is down."""
        return self._in_force

    @property
    def trouble(self) -> str | None:
        """Why a part of it is not in force now: it could not be had again after a restart. None: all is."""
        return next((str(part.trouble) for part in self.parts if part.trouble is not None), None)

    @property
    def seconds_left(self) -> float | None:
        """Until it is healed; None: no limit."""
        if self.until is None:
            return None
        return max(0.0, self.until - time.monotonic()) if self._in_force else 0.0

    def _now(self) -> None:
        if self._in_force:
            self._look(self)

    @property
    def bitten(self) -> int | None:
        """Packets (of a name: questions) that it has bitten so far; None: nobody counts them."""
        self._now()
        return self._bitten()

    def _bitten(self) -> int | None:
        counts = [part.bitten for part in self.parts if part.bitten is not None]
        return sum(counts) if counts else None

    @property
    def seen(self) -> int | None:
        """Packets that its match takes, before `which` has chosen; None: nobody counts them."""
        self._now()
        return self._seen()

    def _seen(self) -> int | None:
        counts = [part.seen for part in self.network if part.seen is not None]
        return sum(counts) if counts else None

    @property
    def overflow(self) -> int:
        """Packets that were lost beside the fault's purpose: a queue was full."""
        self._now()
        return sum(part.overflow for part in self.network)

    @property
    def by(self) -> tuple[str, ...]:
        """The mechanisms that do it."""
        return tuple(sorted({part.lease.by for part in self.network if part.lease and part.lease.by}))

    @property
    def network(self) -> tuple[Part, ...]:
        """What agents do of it."""
        return tuple(part for part in self.parts if isinstance(part, Part))

    @property
    def log(self) -> tuple[LogEntry, ...]:
        """What the emulator did with each packet, in its order; empty where the kernel's rules do the work.

        After the fault is healed: as far as it can still be had.
        """
        found: list[LogEntry] = []
        for part in self.network:
            part.reach.read_log(part)
            found += part.log
        return tuple(found)

    @property
    def log_forgotten(self) -> int:
        """Entries of the log that its agent had to forget before they were read."""
        return sum(part.forgotten for part in self.network)

    @property
    def packets(self) -> tuple[Frame, ...]:
        """The packets that it bit, of what has been captured and as far as the agents could tell."""
        return self._packets(self)

    def status(self) -> Status:
        """How it stands, as last heard."""
        return Status(
            id=self.id,
            hosts=self.hosts,
            words=words_of_lab(self.fault),
            seconds_left=self.seconds_left,
            bitten=self._bitten(),
            seen=self._seen(),
            overflow=sum(part.overflow for part in self.network),
            by=self.by,
            trouble=self.trouble,
        )

    def held(self) -> tuple[HeldPacket, ...]:
        """The packets that wait for a word, the oldest first; each has a number.

        Raises:
            FaultsError: the fault is healed, or its agent is away.
        """
        part = self._one()
        lease = part.lease
        return part.reach.agent().held(None if lease is None else lease.id)

    def release(self, number: int) -> tuple[HeldPacket, ...]:
        """Let a held packet go; those that still wait.

        Raises:
            AgentError: no packet of that number waits.
        """
        return self._advance(number, "release")

    def drop(self, number: int) -> tuple[HeldPacket, ...]:
        """Let a held packet vanish; those that still wait."""
        return self._advance(number, "drop")

    def duplicate(self, number: int) -> tuple[HeldPacket, ...]:
        """Let a held packet go twice; those that still wait."""
        return self._advance(number, "duplicate")

    def _advance(self, number: int, step: Step) -> tuple[HeldPacket, ...]:
        part = self._one()
        waiting = part.reach.agent().advance(number, step)
        return tuple(each for each in waiting if part.lease is None or each.lease == part.lease.id)

    def _one(self) -> Part:
        """The part that may hold packets: a fault that does is on one host."""
        if not self._in_force:
            raise FaultsError("faults.healed", id=self.id)
        if len(self.network) != 1:
            raise FaultsError("faults.holds-nothing", id=self.id, fault=words_of_lab(self.fault))
        return self.network[0]

    def heal(self) -> None:
        """Take it out. Any number of times; what can be taken out is, whatever the rest does.

        Raises:
            LabError: a part would not go.
        """
        self.end("healed")

    def end(self, why: str) -> None:
        """Take it out, and tell why; who asks meanwhile waits until it is out."""
        found: LabError | None = None
        with self._lock:
            if not self._in_force:
                return
            for part in self.parts:
                try:
                    part.take_away()
                except LabError as error:
                    found = found or error
            self._in_force = False
        self._healed(self, why)
        if found is not None:
            raise found

    def over(self) -> None:
        """Its lab is closed, and all of it with it."""
        self._in_force = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            self.heal()
        except LabError:
            if error is None:  # else it would hide the block's own
                raise
