"""What one run gives."""

from dataclasses import dataclass

from scripts.machine.bench.accounting import Memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A run under load.

    Args:
        rate: operations a second.
        cpu: CPU time by operation, in µs: of the server; in the case `load`, of the generator.
        p50: median latency in µs; None: the case has none.
        p99: the 99th percentile.
        lost: datagrams that did not come back.
    """

    rate: float
    cpu: float
    p50: float | None = None
    p99: float | None = None
    lost: int = 0


@dataclass(frozen=True, slots=True)
class FramedSample:
    """The framed protocol, and echo of the same style right before."""

    echo: Sample
    framed: Sample


@dataclass(frozen=True, slots=True)
class Footprint:
    """Memory before and after, or during, so many connections."""

    before: Memory
    after: Memory
    connections: int

    @property
    def per_connection(self) -> float:
        """Bytes that each connection added, with shared pages split among those who share them."""
        return (self.after.pss - self.before.pss) * 1024 / self.connections

    @property
    def growth(self) -> int:
        """KiB that the resident memory grew by."""
        return self.after.rss - self.before.rss


Measured = Sample | FramedSample | Footprint
