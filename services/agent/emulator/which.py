"""Which of the packets that match are bitten, by their ordinals (`socketlab.wire.match.Which`)."""

import random
from collections.abc import Callable
from typing import TypeAlias

from socketlab.wire.match import Which

Chooses: TypeAlias = Callable[[int, int], bool]
"""Is told a packet's ordinal, from 1, each once and in order, and how many have been bitten before it."""


def chooser(which: Which | None) -> Chooses | None:
    """The function that chooses; None: all are chosen.

    Chance draws once for each ordinal, whatever else is asked, so the same seed has the same ordinals. A seed
    that is not given here is drawn from the system: `seeds.seeded` gives one, and shows it.
    """
    if which is None:
        return None
    first = max(which.nth or 1, (which.after or 0) + 1)
    last = min(each for each in (which.nth, which.first, _NEVER) if each is not None)
    every = which.every or 1
    most = which.at_most or _NEVER

    def by_ordinal(ordinal: int, bitten: int) -> bool:
        return first <= ordinal <= last and bitten < most and ordinal % every == 0

    if which.probability is None:
        return by_ordinal
    chance = which.probability
    draw = random.Random(which.seed).random  # noqa: S311 - it is to be repeatable

    def by_chance(ordinal: int, bitten: int) -> bool:
        drawn = draw()
        return drawn < chance and by_ordinal(ordinal, bitten)

    return by_chance


_NEVER = 1 << 63
