"""A histogram of durations with three significant digits, in constant memory (after Gil Tene's HdrHistogram).

Theory of operation
    A duration is a whole number of nanoseconds. Below 2048 ns each has a bucket of its own. Above, every
    octave (2^n .. 2^(n+1)) has 1024 buckets of equal width, so a bucket is never wider than 1/1024 of what
    it holds: from 1 us to 1 h, and far beyond, a duration is known to 0.1 %. What is told of a bucket is
    its upper edge: never less than what was measured.

    To record is an addition, two shifts and a `bit_length`; the loop that measures writes it out:

        shift = (ns >> PRECISION).bit_length()
        counts[(shift << PRECISION - 1) + (ns >> shift)] += 1
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Final

PRECISION: Final = 11
"""Bits of a duration that are kept: 2048 steps, more than three decimal digits."""
_HALF: Final = 1 << PRECISION - 1
_OCTAVES: Final = 52 - PRECISION
"""2^52 ns are 52 days: not even a laptop that slept for a week leaves the table."""
_BUCKETS: Final = (_OCTAVES + 2) * _HALF
LONGEST: Final = (1 << _OCTAVES + PRECISION) - 1
"""In ns; what is longer counts as this."""


class Histogram:
    """How many durations of which length there were.

    Its `counts` are for the loop that records by itself, and for nobody else.
    """

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts = [0] * _BUCKETS

    def record(self, ns: int, times: int = 1) -> None:
        """Count a duration.

        Args:
            ns: in nanoseconds; below 0 counts as 0, beyond `LONGEST` as that.
            times: how many there were of it.
        """
        ns = max(0, min(ns, LONGEST))
        shift = (ns >> PRECISION).bit_length()
        self.counts[(shift << PRECISION - 1) + (ns >> shift)] += times

    def clear(self) -> None:
        """Forget all; whoever holds `counts` still holds the right ones."""
        self.counts[:] = [0] * _BUCKETS

    @property
    def total(self) -> int:
        """How many durations were counted."""
        return sum(self.counts)

    def percentiles(self, shares: Sequence[float]) -> list[int]:
        """The durations that so many percent of all did not exceed: nearest rank, ceil(share / 100 * total).

        Args:
            shares: in percent, above 0 and up to 100 (the longest), ascending.

        Returns:
            for each share a duration in ns, at most 0.1 % above the exact one; empty: nothing was counted.
        """
        total = self.total
        if not total:
            return []
        # In thousandths of a percent, since floats would make 99.9 % of 1000 the rank 1000.
        ranks = [max(1, -(-round(share * 1000) * total // 100_000)) for share in shares]
        found: list[int] = []
        for bucket, reached in enumerate(accumulate(self.counts)):
            while len(found) < len(ranks) and reached >= ranks[len(found)]:
                found.append(_upper_edge(bucket))
            if len(found) == len(ranks):
                break
        return found


def _upper_edge(bucket: int) -> int:
    """The longest duration that falls into a bucket, in ns."""
    shift = max(0, bucket // _HALF - 1)
    return (bucket - (shift << PRECISION - 1) + 1 << shift) - 1
