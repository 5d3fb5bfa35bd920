"""Hold: packets wait for a word, one by one."""

from services.agent.emulator.flows import flow_words, summary
from services.agent.emulator.line import Line, Waiter
from services.agent.emulator.packet import TCP, Flow, Packet
from services.agent.emulator.stage import Bite, Stage
from socketlab.wire.fault import Hold
from socketlab.wire.lease import HeldPacket

_MOST_KNOWN = 4096
"""Segments whose repetition is recognised."""


def hold(stage: Stage, fault: Hold, line: Line) -> Bite:
    """It waits, and is listed; where too many wait already it is lost."""
    known: dict[tuple[Flow, int], int] = {}

    def bite(now: int, packet: Packet, ordinal: int) -> bool:
        if len(stage.waiting) >= fault.most:
            line.lose(stage, packet, ordinal, now, f"{fault.most} are held")
            return True
        waiter = line.wait(stage, packet, ordinal, now)
        if waiter is None:
            return True
        stage.bitten += 1
        waiter.note = _repetition(known, waiter)
        line.log.write(now, stage.lease, packet, ordinal, "held", waiter.note)
        return True

    return bite


def _repetition(known: dict[tuple[Flow, int], int], waiter: Waiter) -> str:
    """Which held packet a segment of TCP repeats, in words; empty: none.

    What it repeats may have been let go or dropped meanwhile.
    """
    packet = waiter.packet
    if packet.flow.protocol != TCP or not packet.stream_length:
        return ""
    place = packet.flow, packet.seq
    first = known.setdefault(place, waiter.number)
    if len(known) > _MOST_KNOWN:
        del known[next(iter(known))]
    return "" if first == waiter.number else f"retransmission of {first}"


def shown(waiter: Waiter) -> HeldPacket:
    """A waiting packet, for those who ask."""
    packet: Packet = waiter.packet
    about = summary(packet.flow, packet.flags, packet.seq, packet.length)
    return HeldPacket(
        number=waiter.number,
        lease=waiter.stage.lease,
        at_ns=waiter.since,
        flow=flow_words(packet.flow),
        summary=f"{about}, {waiter.note}" if waiter.note else about,
        length=packet.end,
    )
