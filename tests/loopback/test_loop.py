"""The event loop, with each of its pollers, on real descriptors."""

import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from services.server.loop.loop import Loop
from services.server.loop.pollers import FD_SETSIZE, READ, WRITE, EpollPoller, Poller, SelectPoller
from tests.loopback.running import DEADLINE


class Reader:
    """A channel that takes what comes and remembers it."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.seen: list[bytes] = []
        self.events: list[int] = []
        self.has_failed = False

    def ready(self, events: int) -> None:
        self.events.append(events)
        if events & READ:
            self.seen.append(self.sock.recv(100))

    def failed(self) -> None:
        self.has_failed = True


class Broken(Reader):
    """A channel with a mistake in it."""

    def ready(self, events: int) -> None:
        super().ready(events)
        message = "a mistake"
        raise ValueError(message)


@pytest.fixture(params=[EpollPoller, SelectPoller], ids=["epoll", "select"])
def loop(request: pytest.FixtureRequest) -> Iterator[Loop]:
    poller: Callable[[], Poller] = request.param
    loop = Loop(poller())
    yield loop
    loop.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    with near, far:
        yield near, far


Pair = tuple[socket.socket, socket.socket]


def turn(loop: Loop, until: Callable[[], bool]) -> None:
    loop.run(until, time.monotonic() + DEADLINE)
    assert until()


def test_what_is_ready_is_called(loop: Loop, pair: Pair) -> None:
    near, far = pair
    reader = Reader(near)
    loop.add(near.fileno(), reader)
    far.send(b"one")
    turn(loop, lambda: bool(reader.seen))
    far.send(b"two")
    turn(loop, lambda: len(reader.seen) > 1)
    assert reader.seen == [b"one", b"two"]


def test_only_what_is_asked_for_is_told(loop: Loop, pair: Pair) -> None:
    near, far = pair
    reader = Reader(near)
    loop.add(near.fileno(), reader, WRITE)
    far.send(b"x")
    turn(loop, lambda: bool(reader.events))
    assert set(reader.events) == {WRITE}
    loop.change(near.fileno(), READ | WRITE)
    turn(loop, lambda: bool(reader.seen))
    assert reader.events[-1] == READ | WRITE
    loop.change(near.fileno(), 0)
    count = len(reader.events)
    far.send(b"y")
    loop.run(lambda: False, time.monotonic() + 0.05)
    assert len(reader.events) == count


def test_the_end_of_the_peer_is_told_as_something_to_read(loop: Loop, pair: Pair) -> None:
    near, far = pair
    reader = Reader(near)
    loop.add(near.fileno(), reader)
    far.close()
    turn(loop, lambda: bool(reader.seen))
    assert reader.seen[0] == b""


def test_a_mistake_in_one_channel_ends_that_one_only(
    loop: Loop, pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    near, far = pair
    other_near, other_far = socket.socketpair()
    with other_near, other_far:
        broken, good = Broken(near), Reader(other_near)
        loop.add(near.fileno(), broken)
        loop.add(other_near.fileno(), good)
        far.send(b"x")
        other_far.send(b"y")
        turn(loop, lambda: bool(good.seen) and broken.has_failed)
    assert good.seen == [b"y"]
    assert not good.has_failed
    capsys.readouterr()  # the log's line


def test_timers_are_called_in_their_order_and_a_broken_one_hurts_no_other(
    loop: Loop, capsys: pytest.CaptureFixture[str]
) -> None:
    called: list[str] = []

    def broken() -> None:
        called.append("broken")
        message = "a mistake"
        raise ValueError(message)

    now = time.monotonic()
    loop.at(now + 0.03, lambda: called.append("third"))
    loop.at(now + 0.01, lambda: called.append("first"))
    loop.at(now + 0.02, broken)
    turn(loop, lambda: len(called) == 3)
    assert called == ["first", "broken", "third"]
    assert time.monotonic() >= now + 0.03
    capsys.readouterr()  # the log's line


def test_the_deadline_ends_a_run_in_which_nothing_happens(loop: Loop) -> None:
    started = time.monotonic()
    loop.run(lambda: False, started + 0.05)
    assert time.monotonic() >= started + 0.05


def test_another_thread_wakes_it(loop: Loop) -> None:
    woken = threading.Event()

    def wake() -> None:
        woken.set()
        loop.wake()

    waker = threading.Timer(0.02, wake)
    waker.start()
    loop.run(woken.is_set)  # without a deadline: only the waker ends it
    waker.join()


def test_what_rests_is_not_called_until_it_is_over(loop: Loop, pair: Pair) -> None:
    near, far = pair
    reader = Reader(near)
    loop.add(near.fileno(), reader)
    far.send(b"x")
    loop.run(lambda: True)
    rested = time.monotonic()
    loop.rest(near.fileno(), 0.05)
    turn(loop, lambda: bool(reader.seen))
    assert time.monotonic() >= rested + 0.04  # the rest counts from the beginning of the round
    assert reader.seen == [b"x"]


def test_what_is_removed_while_it_rests_stays_away(loop: Loop, pair: Pair) -> None:
    near, far = pair
    reader = Reader(near)
    loop.add(near.fileno(), reader)
    loop.rest(near.fileno(), 0.02)
    assert loop.discard(near.fileno())
    assert not loop.discard(near.fileno())
    far.send(b"x")
    loop.run(lambda: False, time.monotonic() + 0.06)
    assert reader.seen == []


def test_a_descriptor_that_is_closed_is_forgotten_with_its_number(loop: Loop) -> None:
    """The number is given to the next socket, which has nothing to do with it."""
    near, far = socket.socketpair()
    first = Reader(near)
    number = near.fileno()
    loop.add(number, first)
    again, peer = socket.socketpair()
    with again, far, peer:
        loop.closing(number)
        os.dup2(again.fileno(), near.detach())  # closes what had the number, and gives it to another
        with socket.socket(fileno=number) as successor:
            second = Reader(successor)
            loop.add(number, second)
            peer.send(b"x")
            turn(loop, lambda: bool(second.seen))
            loop.remove(number)
    assert first.events == []
    assert second.seen == [b"x"]


def test_select_refuses_a_number_that_does_not_fit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard <= FD_SETSIZE:
        pytest.skip(f"this machine allows {hard} descriptors only: none is too high for select")
    loop = Loop(SelectPoller())
    high = -1
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, FD_SETSIZE + 64), hard))
        near, far = socket.socketpair()
        with near, far:
            os.dup2(near.fileno(), FD_SETSIZE)
            high = FD_SETSIZE
            with pytest.raises(OSError, match="FD_SETSIZE"):
                loop.add(high, Reader(near))
            assert not loop.discard(high)
    finally:
        if high >= 0:
            os.close(high)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        loop.close()
