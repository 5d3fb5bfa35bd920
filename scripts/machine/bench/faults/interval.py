"""What chance alone may do."""

import math
from statistics import NormalDist
from typing import Final

CONFIDENCE: Final = 0.999


def of_count(chance: float, trials: int) -> tuple[int, int]:
    """The least and the greatest count that 999 of 1,000 runs give, of events that each happen with a chance.

    By the binomial distribution itself: of the tails on either side at most half of the rest is left out.

    Args:
        chance: of each event.
        trials: how many might happen.
    """
    tail = (1 - CONFIDENCE) / 2
    # Far from the middle there is nothing to add up; the sums begin eight deviations away.
    reach = 8 * math.sqrt(trials * chance * (1 - chance)) + 8
    first = max(0, math.floor(trials * chance - reach))
    last = min(trials, math.ceil(trials * chance + reach))
    weights = [_likelihood(chance, trials, count) for count in range(first, last + 1)]
    return first + _left_out(weights, tail), last - _left_out(weights[::-1], tail)


def _left_out(weights: list[float], tail: float) -> int:
    total = 0.0
    for number, weight in enumerate(weights):
        total += weight
        if total > tail:
            return number
    return len(weights) - 1


def _likelihood(chance: float, trials: int, count: int) -> float:
    ways = math.lgamma(trials + 1) - math.lgamma(count + 1) - math.lgamma(trials - count + 1)
    return math.exp(ways + count * math.log(chance) + (trials - count) * math.log1p(-chance))


def of_ratio(ratio: float, deviation: float, parts: int) -> tuple[float, float]:
    """Where the true ratio lies, of which parts gave this mean and deviation (normal distribution).

    Args:
        ratio: the mean.
        deviation: of one part.
        parts: how many.
    """
    half = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * deviation / math.sqrt(parts)
    return ratio - half, ratio + half
