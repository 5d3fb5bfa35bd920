"""What puts a fault into the kernel, and takes it out: the seam between leases and mechanisms.

A mechanism knows nothing of leases' holders and ends; `Faults` chooses one for each fault and keeps the rest.
"""

from typing import NamedTuple, Protocol

from socketlab.wire.fault import Fault
from socketlab.wire.lease import Mechanism as Name


class Counts(NamedTuple):
    """What a fault has done so far; None: the mechanism does not count it.

    Args:
        bitten: packets it has bitten.
        seen: packets that its match takes.
        overflow: packets that were lost beside the fault's purpose: a full queue, no room to hold.
    """

    bitten: int | None = None
    seen: int | None = None
    overflow: int = 0


class Mechanism(Protocol):
    """One way to have faults."""

    @property
    def name(self) -> Name:
        """As a lease shows it."""

    def can(self, fault: Fault) -> bool:
        """Whether this fault is its business; that the kernel lacks a part of it is told by `apply`."""

    def apply(self, lease: str, fault: Fault) -> None:
        """Put a fault in force, all of it or nothing, and read it back from the kernel.

        Raises:
            ServiceError: `lacking.LACKS` where the machine has no part for it, or the kernel's refusal.
        """

    def remove(self, lease: str) -> None:
        """Take a fault out. What somebody else has taken away is gone as well."""

    def counts(self, lease: str) -> Counts:
        """What it has done so far."""
