"""What servers hold in memory: neither time nor a greedy client makes it grow."""

from contextlib import ExitStack

import pytest

from tests.servers import observing
from tests.servers.cells import SMALL_BUFFERS, STREAM_STYLES, TCP4, UNIX, Cell, cells, in_cells
from tests.servers.misdeeds import never_reads
from tests.servers.places import Place, running
from tests.servers.talks import exchange, finish

MB = 1024 * 1024
GREEDY = 4


def come_and_go(place: Place, times: int) -> None:
    for _ in range(times):
        with place.talk() as talk:
            exchange(talk, "hola")
            finish(talk.conn)


def memory_of(place: Place) -> int:
    """Bytes, when the children of the clients that have gone are gone too."""
    if place.cell.style == "forking":
        assert observing.eventually(lambda: not observing.children(place.server.pid))
    return observing.memory(observing.processes(place.server.pid))


@pytest.mark.parametrize("style", STREAM_STYLES)
def test_clients_that_come_and_go_leave_nothing(style: str) -> None:
    assert_nothing_is_left(style, 200 if style == "forking" else 1000)


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("style", STREAM_STYLES)
def test_10_000_clients_that_come_and_go_leave_nothing(style: str) -> None:
    assert_nothing_is_left(style, 10_000)


def assert_nothing_is_left(style: str, clients: int) -> None:
    with running(Cell(style, TCP4, "echo")) as place:
        with (
            ExitStack() as stack
        ):  # some at once too: an allocator keeps what threads of one moment have used
            for _ in range(1 if style == "iterative" else 10):
                exchange(stack.enter_context(place.talk()), "hola")
        come_and_go(place, clients // 4)
        before, open_before = memory_of(place), observing.settled_descriptors(place.server.pid)
        come_and_go(place, clients)
        assert memory_of(place) - before < MB
        assert observing.settled_descriptors(place.server.pid) == open_before


NOT_IN_TURN = [style for style in STREAM_STYLES if style != "iterative"]


@in_cells(
    [
        *cells(NOT_IN_TURN, [TCP4], ["echo", "framed", "relay"], *SMALL_BUFFERS),
        *cells(NOT_IN_TURN, [UNIX], ["echo", "framed", "relay"]),
    ]
)
def test_who_never_reads_is_held_in_little_memory(place: Place) -> None:
    """And is stopped by the window: else `never_reads` would not end."""
    with place.talk() as talk, ExitStack() as stack:
        exchange(talk, "hola")
        before = largest_of(place)
        for _ in range(GREEDY):
            stack.enter_context(never_reads(place))
        exchange(talk, "still here")
        assert largest_of(place) - before < GREEDY * MB


def largest_of(place: Place) -> int:
    """Bytes of the largest of its processes: of one that serves them all, or of one that serves one."""
    return max(observing.memory([pid]) for pid in observing.processes(place.server.pid))
