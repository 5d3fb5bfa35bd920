"""The server of a test's cell; the tests of a cell one after another, so that its server is started once."""

import contextlib
from collections.abc import Iterator

import pytest

from tests.servers.cells import Cell
from tests.servers.nursery import NURSERY
from tests.servers.places import Place, Places


@pytest.fixture(scope="session", autouse=True)
def places() -> Iterator[Places]:
    with contextlib.closing(NURSERY), contextlib.closing(Places()) as kept:
        yield kept


@pytest.fixture
def place(request: pytest.FixtureRequest, places: Places) -> Iterator[Place]:
    """The server of the cell that `cells.in_cells` names."""
    place = places.at(request.param)
    yield place
    place.check()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring the tests of a cell together, and cells with one server; all others keep their places."""
    turns = [number for number, item in enumerate(items) if _cell(item)]
    for number, item in zip(turns, sorted((items[turn] for turn in turns), key=_turn), strict=True):
        items[number] = item


def _turn(item: pytest.Item) -> tuple[tuple[str, ...], str]:
    cell = _cell(item)
    assert cell
    return cell.arguments, str(cell)


def _cell(item: pytest.Item) -> Cell | None:
    """The cell that a test runs in; None: in none."""
    if isinstance(item, pytest.Function) and hasattr(item, "callspec"):
        cell = item.callspec.params.get("place")
        return cell if isinstance(cell, Cell) else None
    return None
