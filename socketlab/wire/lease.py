"""Leases: faults in force."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from socketlab.wire.fault import Fault

Holder: TypeAlias = Literal["standing", "agent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """An applied fault.

    Args:
        id: its name in `list` and `heal`, unique for the life of the agent.
        fault: what is wrong.
        holder: `standing` is held by the lab's own definition and stays when all is healed; `agent` is
            held by the agent until it is healed or its time is up.
        seconds_left: until the agent heals it; None: no limit.
        bitten: packets it has bitten so far, counted by the kernel; None: the kernel does not count them.
    """

    id: str
    fault: Fault
    holder: Holder = "agent"
    seconds_left: float | None = None
    bitten: int | None = None
