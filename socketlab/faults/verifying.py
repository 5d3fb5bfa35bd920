"""That a fault bites, and only what it shall: shown by probes before it is in force, and after.

Theory of operation
    Before: a probe that fits the fault arrives in a sink on the host, else there is nothing to be shown.
    After: a twin of the fault takes such a probe, and what becomes of it is what the kind says (`expecting`);
    a probe beside the fault (another port, another peer) still arrives. Probes come from a port of their own
    and count for nothing: neither the fault's ordinals nor its counts move, and no program gets one.

    Kinds without a twin are shown by what they do to an ordinary probe (`trials`): the kernel's errno, or
    silence at the peer. What cannot be shown is refused when it is asked for, before anything is in force;
    of the few kinds whose effect no packet of ours can show, that they were read back has to do.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from socketlab.errors import FaultsError, NotProvenError
from socketlab.faults import probes
from socketlab.faults.expecting import Expected, expected_of
from socketlab.faults.probes import Shape
from socketlab.faults.reach import Part
from socketlab.faults.sinks import Ends, Sink, Way, ends_for, free_port
from socketlab.wire.fault import (
    Fault,
    Link,
    Mtu,
    Neighbour,
    PmtuBlackHole,
    Reset,
    Route,
    Throttle,
    match_of,
)
from socketlab.wire.match import Family, Match
from socketlab.wire.message import Probed
from socketlab.wire.words import words

if TYPE_CHECKING:
    from socketlab.faults.board import Board

_PATIENT: Final = 5.0
"""A fault that makes packets wait longer is shown by what it has taken, not by what comes out."""
_FAMILIES: Final[tuple[Family, ...]] = ("ipv4", "ipv6")


class Seen(NamedTuple):
    """What one trial has shown.

    Args:
        host: where the fault is.
        peer: the host at the other end; empty: none took part.
        probe: what was sent: `tcp ipv4 in`.
        sent: so many.
        bitten: by the fault's twin.
        passed: arrived in the sink.
        beside: whether a probe that does not fit still arrived; None: nothing can be beside it.
    """

    host: str
    peer: str
    probe: str
    sent: int
    bitten: int
    passed: int
    beside: bool | None


@dataclass(frozen=True, slots=True)
class Proof:
    """What has been seen when a fault was verified.

    Args:
        seen: by each trial; none: no packet can show it, it was read back from the kernel.
    """

    seen: tuple[Seen, ...] = ()


@contextmanager
def prove(board: "Board", parts: Sequence[Part]) -> Iterator["Proving"]:
    """Prove that what is put in force in this block bites: `after`, when it is.

    Args:
        board: the lab's.
        parts: not in force yet.

    Raises:
        FaultsError: it cannot be shown, and why.
        NotProvenError: a probe does not arrive even before.
    """
    with ExitStack() as stack:
        proving = Proving([trial for part in parts for trial in _trials(board, part, stack)])
        proving.before()
        yield proving


class Proving:
    """Trials of the parts of one lease."""

    def __init__(self, trials: "Sequence[Trial]") -> None:
        self._trials = trials

    def before(self) -> None:
        """What must be so before the fault is in force."""
        for trial in self._trials:
            trial.before()

    def after(self) -> Proof:
        """What has been seen, now that it is.

        Raises:
            NotProvenError: it does not bite as it should.
        """
        return Proof(tuple(trial.after() for trial in self._trials))


class Trial(ABC):
    """One way in which a fault is shown."""

    def before(self) -> None:  # noqa: B027 - most have nothing to see before
        """Before the fault is in force."""

    @abstractmethod
    def after(self) -> Seen:
        """When it is."""


def _trials(board: "Board", part: Part, stack: ExitStack) -> list[Trial]:
    from socketlab.faults import trials  # noqa: PLC0415 - they stand on this module

    fault = part.fault
    match fault:
        case Route():
            return [trials.RouteTrial(board, part)]
        case Mtu():
            return trials.mtu(board, part, stack)
        case Link(down=None) | Neighbour():
            return trials.silence(board, part, stack)
        case Throttle():
            return trials.throttle(board, part, stack)
        case Link() | PmtuBlackHole() | Reset(now=True):
            return []
    return list(_twins(board, part, stack))


def _twins(board: "Board", part: Part, stack: ExitStack) -> "Iterator[TwinTrial]":
    """A trial for each family, direction and carrier that the match can take."""
    fault, plan = part.fault, board.lab.plan
    match = match_of(fault) or Match()
    carriers = probes.carriers(match)
    ways: tuple[Way, ...] = ("in", "out") if match.direction == "both" else (match.direction,)
    if not carriers:
        raise FaultsError("faults.cannot-prove-proto", fault=words(fault), proto=match.proto)
    found = False
    for family in _families(fault, match):
        for way in ways:
            ends = ends_for(plan, part.host, match, family, way)
            if ends is None:
                continue
            found = True
            for carrier in carriers:
                yield TwinTrial(board, part, ends, carrier, way, stack)
    if not found:
        raise FaultsError("faults.cannot-prove-peer", fault=words(fault), host=part.host)


def _families(fault: Fault, match: Match) -> list[Family]:
    only = getattr(fault, "family", None)  # of an answer that one family has
    return [each for each in _FAMILIES if each in match.families and only in {None, each}]


class TwinTrial(Trial):
    """A twin of the fault takes probes.

    Args:
        board: the lab's.
        part: what is shown.
        ends: who sends to whom.
        carrier: what carries the probes.
        way: whether they arrive at the fault's host.
        stack: clears away.
    """

    def __init__(
        self, board: "Board", part: Part, ends: Ends, carrier: probes.Carrier, way: Way, stack: ExitStack
    ) -> None:
        self._board = board
        self._part = part
        self._ends = ends
        self._way: Way = way
        self._match = match_of(part.fault) or Match()
        self._expected = expected_of(part.fault)
        self._port = free_port(board, self._match, ends.sender.name, way, words(part.fault))
        part.probe_ports.add(self._port)
        plain = Shape(
            source=ends.source,
            target=ends.target,
            proto=carrier,
            sport=self._port,
            flags=self._expected.flags,
            payload=self._expected.payload,
        )
        self._fitting = probes.fitting(self._match, plain, way)
        self._sink = Sink(board.reach(part.host).agent(), self._port, way, stack)

    def _send(self, shape: Shape, sender: str | None = None) -> None:
        self._board.reach(sender or self._ends.sender.name).agent().send(probes.packet(shape))

    def before(self) -> None:
        """A probe arrives."""
        self._sink.open()
        self._send(self._fitting)
        if not self._sink.until(lambda seen: seen.passed > 0).passed:
            raise NotProvenError(
                "faults.not-proven-before",
                fault=words(self._part.fault),
                host=self._part.host,
                peer=self._peer,
                probe=self._probe,
            )
        self._sink.close()

    def after(self) -> Seen:
        """The twin takes probes, and what is beside the fault still arrives."""
        lease = self._part.lease
        assert lease is not None  # noqa: S101 - it is in force
        expected = self._expected
        self._sink.open(lease.id)
        began = time.monotonic()
        self._send(self._fitting)
        waits = expected.least > _PATIENT
        seen = self._sink.until(lambda seen: expected.is_met(seen, late=waits))
        took = time.monotonic() - began
        if not expected.is_met(seen, late=waits) or (not waits and took < expected.least):
            raise self._not_proven(seen, expected, took)
        beside = self._beside(seen)
        self._sink.close()  # another trial may have to do with the same port
        return Seen(self._part.host, self._peer, self._probe, 1, seen.bitten, seen.passed, beside)

    def _beside(self, before: Probed) -> bool | None:
        """A probe that does not fit: another port, flag or protocol, or another host's."""
        other, sender = probes.beside(self._match, self._fitting, self._way), None
        if other is None and self._match.peer is not None:
            ends = ends_for(
                self._board.lab.plan,
                self._part.host,
                self._match,
                self._fitting.family,
                self._way,
                within=False,
            )
            if ends is not None:
                other, sender = self._from_elsewhere(ends), ends.sender.name
        if other is None:
            return None
        self._send(other, sender)
        seen = self._sink.until(lambda seen: seen.passed > before.passed)
        if seen.passed <= before.passed or seen.bitten > before.bitten:
            raise NotProvenError(
                "faults.not-proven-beside",
                fault=words(self._part.fault),
                host=self._part.host,
                probe=f"{other.proto} {other.source}:{other.sport} > {other.target}:{other.dport}",
                bitten=seen.bitten - before.bitten,
                passed=seen.passed - before.passed,
            )
        return True

    def _from_elsewhere(self, ends: Ends) -> Shape:
        fitting = self._fitting
        return Shape(
            source=ends.source,
            target=ends.target,
            proto=fitting.proto,
            sport=fitting.sport,
            dport=fitting.dport,
            flags=fitting.flags,
            payload=fitting.payload,
        )

    @property
    def _peer(self) -> str:
        return self._ends.sender.name if self._way == "in" else self._ends.receiver.name

    @property
    def _probe(self) -> str:
        return f"{self._fitting.proto} {self._fitting.family} {self._way}"

    def _not_proven(self, seen: Probed, expected: Expected, took: float) -> NotProvenError:
        return NotProvenError(
            "faults.not-proven",
            fault=words(self._part.fault),
            host=self._part.host,
            peer=self._peer,
            probe=self._probe,
            sent=1,
            bitten=seen.bitten,
            passed=seen.passed,
            seconds=f"{took:.3f}",
            expected=expected.said(),
        )
