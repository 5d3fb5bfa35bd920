"""Probes: packets that show what a fault does, and count for nothing.

A probe has a port that no program has. A twin of the fault takes it, with the same selectors and counters of
its own; what the twin lets pass ends in a sink. nft has the sink, and the twins of its own faults; the
emulator has the twins of those that it decides, which nft steers to it.
"""

from contextlib import suppress
from typing import Protocol

from services.agent.faults import Faults
from services.messages import ServiceError
from socketlab.wire.match import Direction
from socketlab.wire.message import Probe, Probed

MOST_PROBES = 64
_TWINS = {"nft", "iptables", "queue"}


class Sinks(Protocol):
    """What probes need of nft."""

    def open_probe(self, port: int, direction: Direction, lease: str | None) -> None:
        """Make a sink, before it the twin of a fault."""

    def probe(self, port: int) -> tuple[int, int]:
        """How many the twin has bitten, and the sink has got."""

    def close_probe(self, port: int) -> None:
        """Take both away."""


class Twins(Protocol):
    """What probes need of the emulator."""

    def open_twin(self, lease: str, port: int) -> None:
        """Begin to decide about the probes of a port as about packets of a fault."""

    def twin_bitten(self, port: int) -> int:
        """How many of them have been bitten."""

    def close_twin(self, port: int) -> None:
        """Decide about them no longer."""


class Probes:
    """The probes of all clients.

    Args:
        faults: the faults in force.
        sinks: nft.
        twins: the emulator.
    """

    def __init__(self, faults: Faults, sinks: Sinks, twins: Twins) -> None:
        self._faults = faults
        self._sinks = sinks
        self._twins = twins
        self._open: dict[int, tuple[int, bool]] = {}
        """Port: the client, and whether the emulator has a twin."""

    def do(self, client: int, asked: Probe) -> Probed:
        """Make ready for probes, count them, or clear away.

        Raises:
            ServiceError: the port is in use, or has not been made ready, or the fault has no twin.
        """
        if asked.do == "open":
            self._make(client, asked)
            return Probed(asked.id)
        if asked.port not in self._open:
            known = " ".join(map(str, self._open)) or "-"
            raise ServiceError("agent.probe-unknown", seen=asked.port, known=known)
        bitten, passed = self._read(asked.port)
        if asked.do == "close":
            self._close(asked.port)
        return Probed(asked.id, bitten, passed)

    def _make(self, client: int, asked: Probe) -> None:
        if asked.port in self._open or len(self._open) >= MOST_PROBES or not 1 <= asked.port <= 65535:  # noqa: PLR2004
            raise ServiceError("agent.probe-port", limit=MOST_PROBES, seen=asked.port)
        by = None if asked.lease is None else self._faults.mechanism_of(asked.lease).name
        if by is not None and by not in _TWINS:
            raise ServiceError("agent.no-twin", lease=asked.lease, by=by)
        self._sinks.open_probe(asked.port, asked.direction, asked.lease)
        if by == "queue" and asked.lease is not None:
            try:
                self._twins.open_twin(asked.lease, asked.port)
            except (ServiceError, OSError):
                self._sinks.close_probe(asked.port)
                raise
        self._open[asked.port] = client, by == "queue"

    def _read(self, port: int) -> tuple[int, int]:
        bitten, passed = self._sinks.probe(port)
        if self._open[port][1]:
            bitten = self._twins.twin_bitten(port)
        return bitten, passed

    def _close(self, port: int) -> None:
        _client, has_twin = self._open.pop(port)
        try:
            self._sinks.close_probe(port)
        finally:
            if has_twin:
                self._twins.close_twin(port)

    def gone(self, client: int) -> None:
        """Clear away what a client has left."""
        for port, (owner, _has_twin) in list(self._open.items()):
            if owner == client:
                with suppress(ServiceError, OSError):
                    self._close(port)
