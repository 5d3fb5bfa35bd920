"""Faults that change a packet's bytes: corrupt, segments."""

import random
import struct

from services.agent.emulator.checksums import has_valid_sum, mended, sum_at
from services.agent.emulator.line import Line
from services.agent.emulator.packet import Packet
from services.agent.emulator.stage import Bite, Stage
from socketlab.wire.fault import Corrupt, Segments

_TRIES = 8
"""Turned bits can cancel each other in a sum; then others are."""
_TCP_HEADER = 20
_END, _NOTHING, _MSS, _MSS_SIZE = 0, 1, 2, 4
"""Options of TCP (RFC 9293 3.2)."""


def corrupt(stage: Stage, fault: Corrupt, line: Line) -> Bite:
    """Bits of its payload are turned; one without payload goes on as it is."""
    chance = random.Random(fault.seed)  # noqa: S311 - it is to be repeatable

    def bite(now: int, packet: Packet, ordinal: int) -> bool:
        if packet.length <= 0:
            line.log.write(now, stage.lease, packet, ordinal, "passed", "no payload")
            return False
        if fault.checksum == "valid" and packet.fragment:
            line.log.write(now, stage.lease, packet, ordinal, "passed", "a fragment has no sum of its own")
            return False
        before, had_sum = packet.data, sum_at(packet) is not None
        for _ in range(_TRIES):
            places = _turn(packet, before, chance, fault.bits)
            if fault.checksum == "valid":
                packet.change(mended(packet))
                break
            if not had_sum or not has_valid_sum(packet):
                break
        stage.bitten += 1
        words = ", ".join(f"bit {bit % 8} of byte {bit // 8}" for bit in places)
        line.log.write(now, stage.lease, packet, ordinal, "corrupted", words)
        return False

    return bite


def _turn(packet: Packet, data: bytes, chance: random.Random, bits: int) -> list[int]:
    """Turn bits of the payload, and say which."""
    room = packet.length * 8
    places = sorted(chance.sample(range(room), min(bits, room)))
    turned = bytearray(data)
    for place in places:
        turned[packet.payload + place // 8] ^= 1 << place % 8
    packet.change(bytes(turned))
    return places


def segments(stage: Stage, fault: Segments, line: Line) -> Bite:
    """The largest segment that a SYN allows to be sent back is made smaller."""

    def bite(now: int, packet: Packet, ordinal: int) -> bool:
        at = _mss_at(packet)
        if at is None:
            line.log.write(now, stage.lease, packet, ordinal, "passed", "no option for it")
            return False
        (before,) = struct.unpack_from(">H", packet.data, at)
        if before <= fault.bytes:
            line.log.write(now, stage.lease, packet, ordinal, "passed", f"it allows {before} already")
            return False
        changed = bytearray(packet.data)
        struct.pack_into(">H", changed, at, fault.bytes)
        packet.change(bytes(changed))
        packet.change(mended(packet))
        stage.bitten += 1
        line.log.write(now, stage.lease, packet, ordinal, "clamped", f"{before} to {fault.bytes}")
        return False

    return bite


def _mss_at(packet: Packet) -> int | None:
    """Where the value of TCP's option for the largest segment stands; None: there is none."""
    at = packet.transport + _TCP_HEADER
    data = packet.data
    while at < packet.payload and data[at] != _END:
        if data[at] == _NOTHING:
            at += 1
            continue
        if at + 2 > packet.payload or data[at + 1] < 2:  # noqa: PLR2004 - kind and length
            return None
        if data[at] == _MSS and data[at + 1] == _MSS_SIZE and at + _MSS_SIZE <= packet.payload:
            return at + 2
        at += data[at + 1]
    return None
