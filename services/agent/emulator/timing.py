"""Faults that keep a packet for a time: delay, slow handshake, reorder; and the kernel's own refusals.

A packet is never early: it goes on at its time or, as the machine is busy, later.
"""

import math
import random
from collections.abc import Callable

from services.agent.emulator.flows import Order
from services.agent.emulator.line import Line, Waiter
from services.agent.emulator.packet import Flow, Packet
from services.agent.emulator.stage import Bite, Stage
from socketlab.wire.fault import MOST_SECONDS, Delay, Reorder, SlowHandshake

_SECOND = 1_000_000_000
_PARETO_SHAPE = 3.0
"""A long tail that still has a mean and a deviation."""
_MOST_FLOWS = 4096


def nanoseconds(seconds: float) -> int:
    """Rounded up."""
    return math.ceil(seconds * _SECOND)


def delay(stage: Stage, fault: Delay, line: Line) -> Bite:
    """It arrives later; in the order of its flow, unless that is not wanted."""
    if not fault.jitter:
        return _later(stage, line, fault.seconds)
    later = _jittered(fault)
    order = None if fault.reorder else Order()

    def bite(now: int, packet: Packet, ordinal: int) -> bool:
        due = now + nanoseconds(later())
        if order is not None:
            due = order.due(now, packet, due)
        if line.wait(stage, packet, ordinal, now, due):
            stage.bitten += 1
            line.log.write(now, stage.lease, packet, ordinal, "delayed", (due - now) / _SECOND)
        return True

    return bite


def slow_handshake(stage: Stage, fault: SlowHandshake, line: Line) -> Bite:
    """What opens a connection arrives later."""
    return _later(stage, line, fault.seconds)


def _later(stage: Stage, line: Line, seconds: float) -> Bite:
    """All are equally late, so each flow keeps its order by itself."""
    wait = nanoseconds(seconds)
    shown = float(seconds)

    def bite(now: int, packet: Packet, ordinal: int) -> bool:
        if line.wait(stage, packet, ordinal, now, now + wait):
            stage.bitten += 1
            line.log.write(now, stage.lease, packet, ordinal, "delayed", shown)
        return True

    return bite


def _jittered(fault: Delay) -> Callable[[], float]:
    """Draws seconds, never less than 0."""
    chance = random.Random(fault.seed)  # noqa: S311 - it is to be repeatable
    seconds, jitter = fault.seconds, fault.jitter
    draw: Callable[[], float]
    if fault.distribution == "normal":
        draw = lambda: chance.gauss(seconds, jitter)  # noqa: E731
    elif fault.distribution == "pareto":
        draw = lambda: seconds + jitter * (chance.paretovariate(_PARETO_SHAPE) - 1)  # noqa: E731
    else:
        draw = lambda: seconds + jitter * (2 * chance.random() - 1)  # noqa: E731
    return lambda: min(max(draw(), 0.0), MOST_SECONDS)


def answer_later(stage: Stage, line: Line, seconds: float) -> Bite:
    """A refusal of the kernel's goes out later; it is no packet that the fault bites."""
    wait = nanoseconds(seconds)

    def bite(now: int, packet: Packet, ordinal: int) -> bool:
        line.wait(stage, packet, ordinal, now, now + wait)
        return True

    return bite


def reorder(stage: Stage, fault: Reorder, line: Line) -> Bite:
    """It waits until so many of its flow have gone by; those are let go, even if they would be chosen."""
    waits = nanoseconds(fault.seconds)
    places: dict[Flow, _Overtaken] = {}

    def goes_by(packet: Packet) -> None:
        place = places.get(packet.flow)
        if place is None:
            return
        place.left -= 1
        if place.waiter.is_gone:
            del places[packet.flow]
        elif not place.left:
            del places[packet.flow]
            line.release(place.waiter)

    def bite(now: int, packet: Packet, ordinal: int) -> bool:
        place = places.get(packet.flow)
        if place is not None and not place.waiter.is_gone:
            goes_by(packet)
            return False
        waiter = line.wait(stage, packet, ordinal, now, now + waits)
        if waiter is None:
            return True
        stage.bitten += 1
        line.log.write(now, stage.lease, packet, ordinal, "reordered", f"behind {fault.gap}")
        if len(places) >= _MOST_FLOWS:
            for flow in [flow for flow, each in places.items() if each.waiter.is_gone]:
                del places[flow]
        places[packet.flow] = _Overtaken(waiter, fault.gap)
        return True

    stage.goes_by = goes_by
    return bite


class _Overtaken:
    """A packet that waits, and how many are still to go by."""

    __slots__ = ("left", "waiter")

    def __init__(self, waiter: Waiter, left: int) -> None:
        self.waiter = waiter
        self.left = left
