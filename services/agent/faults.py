"""The faults in force: each a lease with its holder and its end."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from services.agent.filters import Filters
from services.agent.kinds import EXAMPLES
from services.agent.lacking import LACKS
from services.agent.routes import Routes
from services.messages import ServiceError
from socketlab.wire.fault import Fault, Route
from socketlab.wire.lease import Holder, Lease
from socketlab.wire.message import Kind

Change: TypeAlias = Literal["standing", "applied", "healed", "time-up"]

MAX_LEASES = 256
MAX_ADDRESSES = 64
MAX_SECONDS = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class _Held:
    fault: Fault
    holder: Holder
    until: float | None


class Faults:
    """Puts faults in force, lists and heals them.

    Args:
        filters: the way for drops and refusals.
        routes: the way for routes.
        tell: is told of each change.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        filters: Filters,
        routes: Routes,
        tell: Callable[[Change, Lease], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._filters = filters
        self._routes = routes
        self._tell = tell
        self._clock = clock
        self._held: dict[str, _Held] = {}
        self._given = 0

    def add(self, fault: Fault, seconds: float | None = None, holder: Holder = "agent") -> Lease:
        """Put a fault in force; it has been read back from the kernel when this returns.

        Args:
            fault: the fault.
            seconds: heal it after that long; None: hold it.
            holder: who holds it.

        Raises:
            ServiceError: it is beyond a limit, or the kernel will not have it.
        """
        self._check(fault, seconds)
        self._given += 1
        lease = f"f{self._given}"
        self._apply(lease, fault)
        until = None if seconds is None else self._clock() + seconds
        self._held[lease] = _Held(fault, holder, until)
        made = self._lease(lease)
        self._tell("standing" if holder == "standing" else "applied", made)
        return made

    def _check(self, fault: Fault, seconds: float | None) -> None:
        if len(self._held) >= MAX_LEASES:
            raise ServiceError("agent.leases", limit=MAX_LEASES)
        if not isinstance(fault, Route) and len(fault.match.addresses) > MAX_ADDRESSES:
            raise ServiceError("agent.addresses", limit=MAX_ADDRESSES, seen=len(fault.match.addresses))
        if seconds is not None and not 0 < seconds <= MAX_SECONDS:
            raise ServiceError("agent.seconds", limit=f"{MAX_SECONDS:.0f}", seen=f"{seconds:g}")

    def _apply(self, lease: str, fault: Fault) -> None:
        if isinstance(fault, Route):
            self._routes.apply(lease, fault)
        else:
            self._filters.apply(lease, fault)

    def _way(self, fault: Fault) -> Filters | Routes:
        return self._routes if isinstance(fault, Route) else self._filters

    def _lease(self, lease: str) -> Lease:
        held = self._held[lease]
        return Lease(
            id=lease,
            fault=held.fault,
            holder=held.holder,
            seconds_left=None if held.until is None else max(0.0, held.until - self._clock()),
            bitten=self._way(held.fault).bitten(lease),
        )

    def leases(self) -> tuple[Lease, ...]:
        """The faults in force, in the order they came."""
        return tuple(map(self._lease, self._held))

    def heal(self, lease: str) -> Lease:
        """Take one fault out.

        Returns:
            The lease as it was last, with its count.

        Raises:
            ServiceError: no fault of that name is in force.
        """
        if lease not in self._held:
            known = " ".join(self._held) or "-"
            raise ServiceError("agent.unknown-lease", seen=ascii(lease)[:60], known=known)
        return self._remove(lease, "healed")

    def _remove(self, lease: str, why: Change) -> Lease:
        last = self._lease(lease)
        self._way(last.fault).remove(lease)
        del self._held[lease]
        self._tell(why, last)
        return last

    def heal_all(self) -> tuple[Lease, ...]:
        """Take out all faults but the standing ones."""
        return tuple(self.heal(lease) for lease, held in list(self._held.items()) if held.holder == "agent")

    def heal_due(self) -> None:
        """Take out the faults whose time is up."""
        now = self._clock()
        for lease, held in list(self._held.items()):
            if held.until is not None and held.until <= now:
                self._remove(lease, "time-up")

    def next_due(self) -> float | None:
        """When the next fault's time is up, by the clock; None: none has an end."""
        return min((held.until for held in self._held.values() if held.until is not None), default=None)

    def kinds(self) -> tuple[Kind, ...]:
        """Each kind of fault, tried in the kernel on addresses that nobody has."""
        return tuple(Kind(name, self._missing(example)) for name, example in EXAMPLES.items())

    def _missing(self, example: Fault) -> str | None:
        try:
            self._apply("try", example)
        except ServiceError as error:
            return error.details["why"] if error.code == LACKS else None
        self._way(example).remove("try")
        return None

    def close(self) -> None:
        """Take everything out, standing ones too."""
        for lease, held in self._held.items():
            if isinstance(held.fault, Route):
                self._routes.remove(lease)
        self._held.clear()
        self._filters.close()
