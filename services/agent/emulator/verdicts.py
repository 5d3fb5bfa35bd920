"""Faults that are done with a packet at once: drop, reject, duplicate."""

from services.agent.emulator.line import Line
from services.agent.emulator.packet import Packet
from services.agent.emulator.stage import Bite, Stage
from socketlab.wire.fault import Duplicate


def drop(stage: Stage, line: Line) -> Bite:
    """It vanishes, and its sender is not told, on this host neither."""

    def bite(now: int, packet: Packet, ordinal: int) -> bool:
        stage.bitten += 1
        line.log.write(now, stage.lease, packet, ordinal, "dropped")
        line.drop(packet)
        return True

    return bite


def reject(stage: Stage, line: Line, mark: int) -> Bite:
    """The kernel refuses it, by a rule behind the queue that knows the mark.

    A copy is not in the kernel's queue and cannot be refused: it is dropped.
    """

    def bite(now: int, packet: Packet, ordinal: int) -> bool:
        stage.bitten += 1
        line.log.write(now, stage.lease, packet, ordinal, "rejected")
        if packet.number is None:
            line.drop(packet)
        else:
            line.leave(packet, mark)
        return True

    return bite


def duplicate(stage: Stage, fault: Duplicate, line: Line) -> Bite:
    """Copies follow it. One for many hosts that has arrived is let be: a copy would go out to them again."""

    def bite(now: int, packet: Packet, ordinal: int) -> bool:
        if packet.arriving and packet.is_broadcast:
            line.log.write(now, stage.lease, packet, ordinal, "passed", "it is not for this host alone")
            return False
        stage.bitten += 1
        line.log.write(now, stage.lease, packet, ordinal, "duplicated", f"{fault.copies} more")
        for _ in range(fault.copies):
            line.follow(stage, packet)
        return False

    return bite
