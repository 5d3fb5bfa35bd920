"""Trials of faults that have no twin: by the kernel's errno, silence at the peer, or what comes late."""

import ipaddress
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from socketlab.errors import AgentError, FaultsError, NotProvenError
from socketlab.faults import probes
from socketlab.faults.probes import Shape
from socketlab.faults.reach import Part
from socketlab.faults.sinks import Ends, Sink, Way, ends_for, error_name, free_port
from socketlab.faults.verifying import Seen, Trial
from socketlab.wire.fault import Mtu, Route, Throttle, match_of
from socketlab.wire.match import Family, Match
from socketlab.wire.words import words

if TYPE_CHECKING:
    from socketlab.faults.board import Board

_ERRNOS: Final = {
    "unreachable": "EHOSTUNREACH",
    "prohibit": "EACCES",
    "blackhole": "EINVAL",
    "throw": "ENETUNREACH",
}
"""Of a route's type (engine.md 2, measured)."""
_FAMILIES: Final[tuple[Family, ...]] = ("ipv4", "ipv6")
_SILENCE: Final = 0.15
_UDP_HEADERS: Final[dict[Family, int]] = {"ipv4": 28, "ipv6": 48}
_MOST_PACKET: Final = 2000
_PROVABLE_RATE: Final = 20_000_000
"""bit/s that probes, sent one by one, surely exceed."""
_BURST: Final = 1400
_MOST_BURSTS: Final = 400


class RouteTrial(Trial):
    """A route that leads nowhere: what is sent there fails at once, with the errno of its type."""

    def __init__(self, board: "Board", part: Part) -> None:
        self._board = board
        self._part = part
        fault = part.fault
        assert isinstance(fault, Route)  # noqa: S101 - whoever chose this trial has looked
        self._expected = _ERRNOS[fault.type]
        plan = board.lab.plan.host(part.host)
        four = fault.network.version == 4  # noqa: PLR2004 - the version itself
        own = next(
            (
                str(address.ip)
                for each in plan.interfaces
                if (address := each.address if four else each.address6) is not None
            ),
            None,
        )
        if own is None:
            raise FaultsError("faults.cannot-prove-peer", fault=words(fault), host=part.host)
        target = str(_some_address(fault.network))
        port = free_port(board, Match(), part.host, "out", words(fault))
        self._shape = Shape(source=own, target=target, proto="udp", sport=port)

    def _errno(self) -> str | None:
        try:
            self._board.reach(self._part.host).agent().send(probes.packet(self._shape))
        except AgentError as error:
            if (name := error_name(error)) is None:
                raise
            return name
        return None

    def before(self) -> None:
        """It does not fail so already."""
        if self._errno() == self._expected:
            raise NotProvenError(
                "faults.not-proven-already",
                fault=words(self._part.fault),
                host=self._part.host,
                seen=self._expected,
            )

    def after(self) -> Seen:
        """It fails so."""
        seen = self._errno()
        if seen != self._expected:
            raise NotProvenError(
                "faults.not-proven-errno",
                fault=words(self._part.fault),
                host=self._part.host,
                expected=self._expected,
                seen=seen or "-",
            )
        return Seen(self._part.host, "", f"udp {self._shape.family} {seen}", 1, 1, 0, None)


def _some_address(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> object:
    return network.network_address if network.num_addresses == 1 else network.network_address + 1


class SilentTrial(Trial):
    """What is sent to a peer does not arrive there any more.

    Args:
        board: the lab's.
        part: what is shown.
        ends: from the fault's host to its peer.
        stack: clears away.
        payload: of the probe that does not arrive.
        beside: of one that does, from the same sender; None: nothing does.
    """

    def __init__(
        self,
        board: "Board",
        part: Part,
        ends: Ends,
        stack: ExitStack,
        *,
        payload: bytes = b"",
        beside: bytes | None = None,
    ) -> None:
        self._board = board
        self._part = part
        self._ends = ends
        self._beside = beside
        port = free_port(board, Match(), part.host, "out", words(part.fault))
        self._shape = Shape(source=ends.source, target=ends.target, proto="udp", sport=port, payload=payload)
        self._sink = Sink(board.reach(ends.receiver.name).agent(), port, "in", stack)

    def _send(self, payload: bytes) -> bool:
        """Whether the kernel took it."""
        shape = Shape(
            source=self._shape.source,
            target=self._shape.target,
            proto="udp",
            sport=self._shape.sport,
            payload=payload,
        )
        try:
            self._board.reach(self._part.host).agent().send(probes.packet(shape, dont_fragment=True))
        except AgentError as error:
            if error_name(error) is None and error.code != "agent.send-source":
                raise  # else the address, too, has gone with the link
            return False
        return True

    def before(self) -> None:
        """A probe arrives."""
        self._sink.open()
        taken = self._send(self._shape.payload)
        if not taken or not self._sink.until(lambda seen: seen.passed > 0).passed:
            raise NotProvenError(
                "faults.not-proven-before",
                fault=words(self._part.fault),
                host=self._part.host,
                peer=self._ends.receiver.name,
                probe=f"udp {self._shape.family} out",
            )

    def after(self) -> Seen:
        """None does; one beside it does."""
        before = self._sink.read().passed
        taken = self._send(self._shape.payload)
        seen = self._sink.until(lambda seen: seen.passed > before, _SILENCE if taken else 0.0)
        if seen.passed > before:
            raise NotProvenError(
                "faults.not-proven-silence",
                fault=words(self._part.fault),
                host=self._part.host,
                peer=self._ends.receiver.name,
            )
        passes = None
        if self._beside is not None:
            self._send(self._beside)
            passes = self._sink.until(lambda seen: seen.passed > before).passed > before
            if not passes:
                raise NotProvenError(
                    "faults.not-proven-beside",
                    fault=words(self._part.fault),
                    host=self._part.host,
                    probe=f"udp, {len(self._beside)} bytes",
                    bitten=0,
                    passed=0,
                )
        probe = f"udp {self._shape.family} out"
        return Seen(self._part.host, self._ends.receiver.name, probe, 1, 1, 0, passes)


def silence(board: "Board", part: Part, stack: ExitStack) -> list[Trial]:
    """Trials of a link or a neighbour: with the first host that the match takes.

    Raises:
        FaultsError: no host of the lab is there.
    """
    match = match_of(part.fault) or Match()
    device = getattr(part.fault, "device", None)
    found = [
        ends
        for family in _FAMILIES
        if family in match.families and (ends := ends_for(board.lab.plan, part.host, match, family, "out"))
    ]
    if device is not None:
        own = {
            str(address.ip)
            for each in board.lab.plan.host(part.host).interfaces
            if each.device == device
            for address in (each.address, each.address6)
            if address is not None
        }
        found = [ends for ends in found if ends.source in own]
    if not found:
        raise FaultsError("faults.cannot-prove-peer", fault=words(part.fault), host=part.host)
    return [SilentTrial(board, part, ends, stack) for ends in found]


def mtu(board: "Board", part: Part, stack: ExitStack) -> list[Trial]:
    """Trials of an MTU: a datagram that may not be fragmented and has a byte too many; one that just fits.

    Raises:
        FaultsError: no host of the lab is there.
    """
    fault = part.fault
    assert isinstance(fault, Mtu)  # noqa: S101 - whoever chose this trial has looked
    if fault.bytes >= _MOST_PACKET:
        return []
    match = Match() if fault.to is None else Match(peer=fault.to)
    for family in _FAMILIES:
        if family in match.families and (ends := ends_for(board.lab.plan, part.host, match, family, "out")):
            fits = fault.bytes - _UDP_HEADERS[family]
            return [SilentTrial(board, part, ends, stack, payload=bytes(fits + 1), beside=bytes(fits))]
    raise FaultsError("faults.cannot-prove-peer", fault=words(fault), host=part.host)


class BurstTrial(Trial):
    """More is sent than the rate lets pass: some of it waits, or is lost."""

    def __init__(self, board: "Board", part: Part, ends: Ends, way: Way, stack: ExitStack) -> None:
        self._board = board
        self._part = part
        self._ends = ends
        match = match_of(part.fault) or Match()
        carrier = (probes.carriers(match) or ("udp",))[-1]
        port = free_port(board, match, ends.sender.name, way, words(part.fault))
        plain = Shape(
            source=ends.source,
            target=ends.target,
            proto=carrier,
            sport=port,
            flags=0x10,
            payload=bytes(_BURST),
        )
        self._shape = probes.fitting(match, plain, way)
        self._sink = Sink(board.reach(ends.receiver.name).agent(), port, "in", stack)

    def before(self) -> None:
        """A probe arrives."""
        self._sink.open()
        self._board.reach(self._ends.sender.name).agent().send(probes.packet(self._shape))
        if not self._sink.until(lambda seen: seen.passed > 0).passed:
            raise NotProvenError(
                "faults.not-proven-before",
                fault=words(self._part.fault),
                host=self._part.host,
                peer=self._ends.receiver.name,
                probe=f"{self._shape.proto} {self._shape.family}",
            )

    def after(self) -> Seen:
        """Not all of a burst has arrived when the last of it is sent."""
        agent = self._board.reach(self._ends.sender.name).agent()
        packet = probes.packet(self._shape)
        before = self._sink.read().passed
        for sent in range(1, _MOST_BURSTS + 1):
            agent.send(packet)
            if sent % 10 == 0 and (passed := self._sink.read().passed - before) < sent - 1:
                probe = f"{self._shape.proto} {self._shape.family}"
                return Seen(
                    self._part.host, self._ends.receiver.name, probe, sent, sent - passed, passed, None
                )
        raise NotProvenError(
            "faults.not-proven-rate",
            fault=words(self._part.fault),
            host=self._part.host,
            bytes=_MOST_BURSTS * _BURST,
        )


def throttle(board: "Board", part: Part, stack: ExitStack) -> list[Trial]:
    """A trial of a rate; one that probes cannot exceed was read back, and that has to do.

    Raises:
        FaultsError: no host of the lab is there.
    """
    fault = part.fault
    assert isinstance(fault, Throttle)  # noqa: S101 - whoever chose this trial has looked
    if fault.rate > _PROVABLE_RATE:
        return []
    way: Way = "out" if fault.match.direction == "out" else "in"
    for family in _FAMILIES:
        if family in fault.match.families:
            ends = ends_for(board.lab.plan, part.host, fault.match, family, way)
            if ends is not None:
                return [BurstTrial(board, part, ends, way, stack)]
    raise FaultsError("faults.cannot-prove-peer", fault=words(fault), host=part.host)
