"""Ordinals: which packets of those that match are bitten."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.agent.emulator.which import chooser
from socketlab.wire import FaultError, Which


def chosen(which: Which, count: int = 20) -> list[int]:
    chooses = chooser(which)
    assert chooses is not None
    found: list[int] = []
    for ordinal in range(1, count + 1):
        if chooses(ordinal, len(found)):
            found.append(ordinal)
    return found


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        (Which(nth=3), [3]),
        (Which(first=2), [1, 2]),
        (Which(every=6), [6, 12, 18]),
        (Which(after=18), [19, 20]),
        (Which(at_most=2), [1, 2]),
        (Which(every=5, after=7), [10, 15, 20]),
        (Which(every=2, first=5), [2, 4]),
        (Which(after=3, at_most=2), [4, 5]),
        (Which(after=3, every=4, at_most=2), [4, 8]),
        (Which(probability=1, nth=2), [2]),
    ],
)
def test_ordinals(which: Which, expected: list[int]) -> None:
    assert chosen(which) == expected


def test_no_which_chooses_all() -> None:
    assert chooser(None) is None


def test_a_seed_repeats_itself_and_another_does_not() -> None:
    first = chosen(Which(probability=0.3, seed=7), 1000)
    assert chosen(Which(probability=0.3, seed=7), 1000) == first
    assert chosen(Which(probability=0.3, seed=8), 1000) != first
    assert 200 < len(first) < 400


def test_a_seed_has_its_ordinals_whatever_else_is_asked() -> None:
    plain = chosen(Which(probability=0.5, seed=1), 100)
    assert chosen(Which(probability=0.5, seed=1, after=50), 100) == [each for each in plain if each > 50]
    assert chosen(Which(probability=0.5, seed=1, at_most=5), 100) == plain[:5]


_numbers = st.none() | st.integers(1, 30)


@settings(deadline=None)
@given(_numbers, _numbers, _numbers, _numbers, _numbers)
def test_all_that_is_given_must_hold(
    nth: int | None, first: int | None, every: int | None, after: int | None, most: int | None
) -> None:
    try:
        which = Which(nth=nth, first=first, every=every, after=after, at_most=most)
    except FaultError:
        return
    found = chosen(which, 60)
    expected = [
        ordinal
        for ordinal in range(1, 61)
        if nth in {None, ordinal}
        and ordinal <= (first or 60)
        and ordinal % (every or 1) == 0
        and ordinal > (after or 0)
    ]
    assert found == expected[: most or 60]
