"""Faults as a host's and a lab's handles show them: `host.faults`, `lab.faults`.

Theory of operation
    Hosts know nothing of faults beyond these words. `socketlab.faults` stands above them and does the work;
    it is loaded by its name when somebody first asks for `faults`, so a lab without any pays nothing. What
    can be put in force on a host is a fault of its network (`socketlab.wire.fault`), or an `OnHost`; on a
    lab, an `OnLab`. `socketlab.faults` has functions that make all of them.
"""

import os
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar, Final, Protocol, Self, cast

from socketlab.wire.fault import Fault
from socketlab.wire.lease import HeldPacket, LogEntry
from socketlab.wire.message import Frame, Kind

if TYPE_CHECKING:
    from socketlab.hosts.lab import Lab

_PROVIDER: Final = "socketlab.faults.board"
_MAKER: Final = "Board"


class OnHost:
    """What can be wrong with a host besides its network: `socketlab.faults.HostAction`."""

    __slots__ = ()
    kind: ClassVar[str]


class OnLab:
    """What is wrong with more than one host: `socketlab.faults.Partition`, `socketlab.faults.Dns`."""

    __slots__ = ()
    kind: ClassVar[str]


class FaultLease(Protocol):
    """A fault in force. As a context manager it is healed at the end of the block."""

    @property
    def id(self) -> str:
        """Its name in the lab."""

    @property
    def fault(self) -> Fault | OnHost | OnLab:
        """What is wrong; seeds that were not given are filled in."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that it is on."""

    @property
    def in_force(self) -> bool:
        """Whether it has neither been healed nor is over; also while its host is down."""

    @property
    def trouble(self) -> str | None:
        """Why a part of it is not in force now, as a sentence: it could not be had again after a restart."""

    @property
    def seconds_left(self) -> float | None:
        """Until it is healed; None: no limit."""

    @property
    def bitten(self) -> int | None:
        """Packets (of a name: questions) that it has bitten so far; None: nobody counts them."""

    @property
    def seen(self) -> int | None:
        """Packets that its match takes, before `which` has chosen; None: nobody counts them."""

    @property
    def overflow(self) -> int:
        """Packets that were lost beside the fault's purpose: a queue was full."""

    @property
    def log(self) -> tuple[LogEntry, ...]:
        """What the emulator did with each packet; empty where the kernel's own rules do the work."""

    @property
    def packets(self) -> tuple[Frame, ...]:
        """The packets that it bit, of what has been captured."""

    def held(self) -> tuple[HeldPacket, ...]:
        """The packets that wait for a word, the oldest first."""

    def release(self, number: int) -> tuple[HeldPacket, ...]:
        """Let a held packet go; those that still wait."""

    def drop(self, number: int) -> tuple[HeldPacket, ...]:
        """Let a held packet vanish; those that still wait."""

    def duplicate(self, number: int) -> tuple[HeldPacket, ...]:
        """Let a held packet go twice; those that still wait."""

    def heal(self) -> None:
        """Take it out. Any number of times."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: object, error: object, trace: object) -> None: ...


class FaultCapture(Protocol):
    """Packets as the hosts' links see them, for the length of a `with` block."""

    @property
    def frames(self) -> Sequence[tuple[str, Frame]]:
        """Host and packet, on one clock, in the order of their times."""

    @property
    def missing(self) -> int:
        """Packets that were lost because nobody took them in time."""

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write them as pcapng, for Wireshark and tcpdump."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: object, error: object, trace: object) -> None: ...


class HostFaults(Protocol):
    """The faults of one host."""

    def apply(
        self, fault: Fault | OnHost, seconds: float | None = None, *, verify: bool = False
    ) -> FaultLease:
        """Put a fault in force; it has been read back from the kernel when this returns.

        Args:
            fault: what is wrong. A peer may be a host or network of the lab, an address or a network.
            seconds: heal it after that long; None: hold it.
            verify: prove by probes that it bites, and only what it shall. They never count.

        Raises:
            SpecError: a peer that nobody knows; the nearest name is told.
            FaultsError: the host or its agent is away, or the fault is not to be had.
            AgentError: its agent refused: the kernel lacks a part, or a limit is reached.
            NotProvenError: it does not bite as it should; what was seen is told, and it has been taken out.
        """

    def list(self) -> tuple[FaultLease, ...]:
        """The faults in force on this host, in the order they came."""

    def heal(self, lease: str | None = None) -> None:
        """Heal one by its id, or all of this host.

        Raises:
            FaultsError: no fault of that id is in force here.
        """

    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of fault, and what this host lacks for them."""

    def capture(self, directory: str | os.PathLike[str] | None = None) -> FaultCapture:
        """Capture this host's packets for the length of a `with` block.

        Args:
            directory: where a pcapng file is written when the block ends; None: none is.
        """


class LabFaults(Protocol):
    """The faults of a lab."""

    def apply(
        self,
        fault: Fault | OnHost | OnLab,
        seconds: float | None = None,
        *,
        on: str | None = None,
        verify: bool = False,
    ) -> FaultLease:
        """Put a fault in force.

        Args:
            fault: what is wrong.
            seconds: heal it after that long; None: hold it.
            on: of a fault of one host: its name.
            verify: as of `HostFaults.apply`.

        Raises:
            SpecError: a host or peer that nobody knows; the nearest name is told.
            FaultsError: as of `HostFaults.apply`; nothing is half in force.
        """

    def list(self) -> tuple[FaultLease, ...]:
        """The faults in force, in the order they came."""

    def heal(self, lease: str | None = None) -> None:
        """Heal one by its id, or all.

        Raises:
            FaultsError: no fault of that id is in force.
        """

    def on(self, host: str) -> HostFaults:
        """The faults of one host."""

    def capture(
        self, directory: str | os.PathLike[str] | None = None, hosts: Sequence[str] = ()
    ) -> FaultCapture:
        """Capture packets for the length of a `with` block.

        Args:
            directory: where a pcapng file is written when the block ends; None: none is.
            hosts: on these; none: on all.
        """

    def gone(self, host: str) -> None:
        """A host has been killed or stopped, and its agent with it."""

    def back(self, host: str) -> None:
        """A host has been booted: what is in force on it is put there again."""

    def close(self) -> None:
        """The lab is closed."""


class Faulting:
    """A lab's faults, from when somebody first asks for them.

    Args:
        lab: the lab.
    """

    def __init__(self, lab: "Lab") -> None:
        self._lab = lab
        self._made: LabFaults | None = None

    def of_lab(self) -> LabFaults:
        """They."""
        if self._made is None:
            make = cast("Callable[[Lab], LabFaults]", getattr(import_module(_PROVIDER), _MAKER))
            self._made = make(self._lab)
        return self._made

    def gone(self, host: str) -> None:
        """A host has been killed or stopped."""
        if self._made is not None:
            self._made.gone(host)

    def back(self, host: str) -> None:
        """A host has been booted."""
        if self._made is not None:
            self._made.back(host)

    def close(self) -> None:
        """The lab is closed."""
        if self._made is not None:
            self._made.close()
