"""The faults of one host, as its handle shows them: `host.faults`."""

import os
from typing import TYPE_CHECKING

from socketlab.errors import FaultsError
from socketlab.faults.capturing import Capture
from socketlab.faults.lease import Lease
from socketlab.hosts.faulting import OnHost
from socketlab.wire.fault import Fault
from socketlab.wire.message import Kind

if TYPE_CHECKING:
    from socketlab.faults.board import Board


class OneHost:
    """The faults of one host (`socketlab.hosts.faulting.HostFaults`).

    Args:
        board: the lab's.
        host: which.
    """

    def __init__(self, board: "Board", host: str) -> None:
        self._board = board
        self._host = host

    def apply(self, fault: Fault | OnHost, seconds: float | None = None, *, verify: bool = False) -> Lease:
        """Put a fault in force here; as of `Board.apply`."""
        return self._board.apply(fault, seconds, on=self._host, verify=verify)

    def list(self) -> "tuple[Lease, ...]":
        """The faults in force on this host, in the order they came."""
        return tuple(lease for lease in self._board.list() if self._host in lease.hosts)

    def heal(self, lease: str | None = None) -> None:
        """Heal one by its id, or all of this host; of a partition, all of it.

        Raises:
            FaultsError: no fault of that id is in force here.
        """
        mine = self.list()
        if lease is None:
            self._board.heal_those(mine)
            return
        if not any(each.id == lease for each in mine):
            known = ", ".join(each.id for each in mine) or "-"
            raise FaultsError("faults.unknown", seen=ascii(lease)[:60], known=known)
        self._board.heal(lease)

    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of fault, and what this host lacks for them."""
        return self._board.kinds(self._host)

    def capture(self, directory: str | os.PathLike[str] | None = None) -> Capture:
        """Capture this host's packets for the length of a `with` block."""
        return self._board.capture(directory, (self._host,))
