"""What is measured."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

ACCEPTED_BEFORE: Final = 500
"""Connections that come and go before memory is first read: what grows once and for all has grown by then."""
CHURN: Final = 10_000
"""Connections that come and go between the two readings."""
BULK_WRITE: Final = 65536
MEGABYTE: Final = 1e6
IDLE_CONNECTIONS: Final = 1000
ACCEPTS: Final = 3000
"""Most connections of one run that come and go: each occupies the kernel for two minutes more, see `room`."""


class Kind(Enum):
    """How a case is measured."""

    RATE = auto()
    """Operations by time, and the server's CPU time by operation."""
    FRAMED = auto()
    """The same for the framed protocol, with echo of the same style right before."""
    IDLE = auto()
    """Memory of connections that do nothing."""
    GROWTH = auto()
    """Memory before and after many connections; of the lab's own styles."""
    LOAD = auto()
    """Not the servers: the lab's own load generator and ours in C, on the same server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One thing to measure.

    Args:
        name: as on the command line, and the key of its sentence under `scripts.bench.case`.
        kind: how.
        mode: of `benchmarks/load.c`.
        connections: open at once.
        generator: further arguments of the generator.
        transport: `tcp` or `udp`.
        unit: key of the rate's unit under `scripts.bench.unit`.
        scale: an operation in that unit.
    """

    name: str
    mode: str
    kind: Kind = Kind.RATE
    connections: int = 1
    generator: tuple[str, ...] = ()
    transport: str = "tcp"
    unit: str = "requests"
    scale: float = 1.0

    @property
    def once(self) -> bool:
        """Whether one measurement is enough: memory does not depend on the machine's mood."""
        return self.kind in {Kind.IDLE, Kind.GROWTH}


CASES: Final = (
    Case(name="pingpong-1", mode="pingpong"),
    Case(name="pingpong-50", mode="pingpong", connections=50),
    Case(name="pingpong-500", mode="pingpong", connections=500),
    Case(name="in-flight", mode="pingpong", connections=50, generator=("--in-flight", "16"), unit="messages"),
    Case(
        name="bulk",
        mode="bulk",
        generator=("--size", str(BULK_WRITE), "--window", str(1 << 20)),
        unit="megabytes",
        scale=BULK_WRITE / MEGABYTE,
    ),
    Case(name="accepts", mode="accepts", generator=("--count", str(ACCEPTS)), unit="connections"),
    Case(name="udp-1", mode="udp", transport="udp"),
    Case(name="udp-50", mode="udp", connections=50, transport="udp"),
    Case(name="framed", mode="framed", kind=Kind.FRAMED, connections=50),
    Case(name="idle", mode="idle", kind=Kind.IDLE, connections=IDLE_CONNECTIONS),
    Case(name="growth", mode="accepts", kind=Kind.GROWTH),
    Case(name="load", mode="pingpong", kind=Kind.LOAD, connections=50),
)


def find(word: str) -> tuple[Case, ...]:
    """The cases that a word of the command line means: one by its name, or all of a family (`udp`)."""
    return tuple(case for case in CASES if case.name == word or case.name.rpartition("-")[0] == word)
