"""Leases: faults in force, and what they did."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from socketlab.wire.fault import Fault

Holder: TypeAlias = Literal["standing", "agent", "client"]
Mechanism: TypeAlias = Literal["nft", "queue", "iptables", "tc", "route", "sockets"]
Step: TypeAlias = Literal["release", "drop", "duplicate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """An applied fault.

    Args:
        id: its name in `list` and `heal`, unique for the life of the agent.
        fault: what is wrong; seeds that were not given are filled in.
        holder: `standing` is held by the lab's own definition and stays when all is healed; `agent` is
            held by the agent until it is healed or its time is up; `client` is held by the connection that
            asked for it, and healed when that ends.
        seconds_left: until the agent heals it; None: no limit.
        bitten: packets it has bitten so far; None: the kernel does not count them.
        seen: packets that its match takes, before `which` has chosen; None: not counted.
        by: the mechanism.
        overflow: packets that were lost because its queue was full, or that it could not hold: they are no
            part of the fault.
    """

    id: str
    fault: Fault
    holder: Holder = "agent"
    seconds_left: float | None = None
    bitten: int | None = None
    seen: int | None = None
    by: Mechanism | None = None
    overflow: int = 0


@dataclass(frozen=True, slots=True)
class LogEntry:
    """What the emulator did with one packet.

    Args:
        number: of the entry, from 1, without gaps for the life of the agent.
        at_ns: when it was decided, nanoseconds of the host's monotonic clock.
        lease: which fault.
        flow: `tcp 10.0.0.2:4711 > 10.0.0.1:7000`, as the packet has it.
        ordinal: of the packet among those that the fault's match takes, from 1.
        action: what was done: `dropped`, `delayed`, `duplicated`, `reordered`, `corrupted`, `reset`, `held`,
            `released`, `cut`, `clamped`, `passed` ...
        detail: more of it: `0.0203 s`, `[S] seq 17 length 0`.
    """

    number: int
    at_ns: int
    lease: str
    flow: str
    ordinal: int
    action: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class HeldPacket:
    """A packet that waits for a word.

    Args:
        number: its name in `step`, unique for the life of the agent.
        lease: the fault that holds it.
        at_ns: when it came, nanoseconds of the host's monotonic clock.
        flow: as in `LogEntry`.
        summary: `[S] seq 17 length 0`; a retransmission says so, and of which held packet.
        length: bytes, IP header included.
    """

    number: int
    lease: str
    at_ns: int
    flow: str
    summary: str
    length: int
