"""Loss by chance: each packet for itself, or in runs."""

import random
from collections.abc import Callable

from services.agent.emulator.line import Line
from services.agent.emulator.packet import Packet
from services.agent.emulator.stage import Bite, Stage
from socketlab.wire.fault import Loss


def loss(stage: Stage, fault: Loss, line: Line) -> Bite:
    """It is lost, or it goes on. One draw for each packet that `which` leaves to chance."""
    is_lost = _by_runs(fault, fault.burst) if fault.burst is not None else _each_for_itself(fault)

    def bite(now: int, packet: Packet, ordinal: int) -> bool:
        if not is_lost():
            return False
        stage.bitten += 1
        line.log.write(now, stage.lease, packet, ordinal, "dropped")
        line.drop(packet)
        return True

    return bite


def _each_for_itself(fault: Loss) -> Callable[[], bool]:
    draw = random.Random(fault.seed).random  # noqa: S311 - it is to be repeatable
    probability = fault.probability
    return lambda: draw() < probability


def _by_runs(fault: Loss, burst: float) -> Callable[[], bool]:
    """Gilbert's model: a state in which all is lost, and one in which nothing is.

    It leaves the bad state with 1/burst, so a run has that mean length, and enters it so often that in the
    long run the share of lost packets is the probability. It begins in the state that chance would find it
    in.

    Source: E. N. Gilbert, "Capacity of a burst-noise channel", Bell System Technical Journal 39 (1960).
    """
    draw = random.Random(fault.seed).random  # noqa: S311 - it is to be repeatable
    share = fault.probability
    leave = 1 / burst
    enter = 1.0 if share >= 1 else leave * share / (1 - share)
    stay = 1.0 if share >= 1 else 1 - leave
    chance = share

    def is_lost() -> bool:
        nonlocal chance
        lost = draw() < chance
        chance = stay if lost else enter
        return lost

    return is_lost
