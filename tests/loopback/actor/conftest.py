"""Actors on this machine's loopback."""

from collections.abc import Iterator

import pytest

from tests.loopback.actor.driving import Driven, driven


@pytest.fixture
def actor() -> Iterator[Driven]:
    with driven() as started:
        yield started


@pytest.fixture(scope="module")
def shared() -> Iterator[Driven]:
    """One for tests that leave nothing behind in it."""
    with driven() as started:
        yield started
