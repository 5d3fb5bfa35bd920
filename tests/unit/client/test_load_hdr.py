"""The histogram, against the exact figures."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.client.load.hdr import LONGEST, PRECISION, Histogram

HOUR = 3600 * 10**9
durations = st.one_of(st.integers(0, HOUR), st.integers(0, 5000), st.integers(1_000, 1_000_000))
SHARES = [0.1, 50.0, 90.0, 99.0, 99.9, 100.0]


def exact(values: list[int], share: float) -> int:
    """The nearest rank, without any rounding."""
    rank = math.ceil(Fraction(str(share)) * len(values) / 100)
    return sorted(values)[max(1, rank) - 1]


def recorded(values: list[int]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


@given(st.lists(durations, min_size=1, max_size=300))
def test_three_digits_and_never_too_little(values: list[int]) -> None:
    found = recorded(values).percentiles(SHARES)

    for share, told in zip(SHARES, found, strict=True):
        right = exact(values, share)
        assert right <= told <= right * (1 + 1 / 1024)


@given(st.lists(st.integers(0, 2047), min_size=1))
def test_what_is_short_is_told_exactly(values: list[int]) -> None:
    assert recorded(values).percentiles(SHARES) == [exact(values, share) for share in SHARES]


@given(durations)
def test_the_loop_that_records_by_itself_finds_the_same_bucket(ns: int) -> None:
    by_hand = Histogram()
    shift = (ns >> PRECISION).bit_length()
    by_hand.counts[(shift << PRECISION - 1) + (ns >> shift)] += 1

    assert by_hand.counts == recorded([ns]).counts


@pytest.mark.parametrize(
    ("ns", "told"), [(-5, 0), (LONGEST, LONGEST), (LONGEST + 1, LONGEST), (2**80, LONGEST)]
)
def test_what_is_beyond_the_ends_counts_as_the_end(ns: int, told: int) -> None:
    assert recorded([ns]).percentiles([100.0]) == [told]


def test_the_rank_of_999_per_mille_of_a_thousand_is_the_999th() -> None:
    values = list(range(1, 1001))

    assert recorded(values).percentiles([99.9, 100.0]) == [999, 1000]


def test_many_at_once_count_as_many() -> None:
    histogram = Histogram()
    histogram.record(10, 98)
    histogram.record(500, 2)

    assert histogram.total == 100
    assert histogram.percentiles([98.0, 99.0]) == [10, 500]


def test_nothing_counted_has_no_percentiles() -> None:
    histogram = recorded([7])
    counts = histogram.counts
    histogram.clear()

    assert histogram.percentiles(SHARES) == []
    assert histogram.counts is counts
    assert histogram.total == 0


def test_memory_does_not_grow() -> None:
    histogram = recorded([0])
    size = len(histogram.counts)
    for octave in range(64):
        histogram.record(2**octave, 10**12)

    assert len(histogram.counts) == size
