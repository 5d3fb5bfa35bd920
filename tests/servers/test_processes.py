"""The styles with processes: none is lost, none is left, and what happens to one happens to no other."""

import os
import signal
from contextlib import ExitStack

import pytest

from services.protocol.framed_client import Answer
from tests.loopback.running import ask_health
from tests.servers import observing
from tests.servers.cells import TCP4, UDP4, UNIX, Cell, Way
from tests.servers.places import running
from tests.servers.talks import Frames, exchange, finish, rest_of

WAYS = pytest.mark.parametrize("way", [TCP4, UNIX], ids=lambda way: way.name)


# forking


@WAYS
def test_each_client_has_a_child_and_no_child_is_left(way: Way) -> None:
    with running(Cell("forking", way, "echo")) as place:
        pid = place.server.pid
        with ExitStack() as stack:
            for number in range(1, 6):
                exchange(stack.enter_context(place.talk()), "hola")
                assert len(observing.children(pid)) == number
        for _ in range(30):
            with place.talk() as talk:
                exchange(talk, "hola")
                finish(talk.conn)
        assert observing.eventually(lambda: not observing.children(pid))  # a zombie would count


def test_there_are_never_more_children_than_connections_allowed() -> None:
    with running(Cell("forking", TCP4, "echo", ("--max-connections", "3"))) as place, ExitStack() as stack:
        for _ in range(3):
            exchange(stack.enter_context(place.talk()), "hola")
        for _ in range(5):
            with place.connect() as refused:
                assert refused.recv(1) == b""
            assert len(observing.children(place.server.pid)) == 3


def test_a_killed_child_takes_nobody_along_and_leaves_room() -> None:
    with running(Cell("forking", TCP4, "echo", ("--max-connections", "2"))) as place:
        pid = place.server.pid
        with place.talk() as victim:
            exchange(victim, "hola")
            [child] = observing.children(pid)
            with place.talk() as other:
                exchange(other, "hola")
                os.kill(child, signal.SIGKILL)
                assert rest_of(victim.conn) == b""
                exchange(other, "still here")
                assert observing.eventually(lambda: len(observing.children(pid)) == 1)
                with place.talk() as third:
                    exchange(third, "there is room")


# prefork


def prefork(way: Way, protocol: str, workers: int) -> Cell:
    return Cell("prefork", way, protocol, ("--workers", str(workers)))


def test_each_worker_gets_clients() -> None:
    with running(prefork(TCP4, "echo", 3)) as place:
        workers = observing.children(place.server.pid)
        assert len(workers) == 3
        with ExitStack() as clients:
            for _ in range(60):  # the odds against a worker without one: 1 to 10^10
                exchange(clients.enter_context(place.talk()), "hola")
            during = list(map(observing.descriptors, workers))
        assert observing.eventually(lambda: sum(during) - sum(map(observing.descriptors, workers)) == 60)
        after = map(observing.descriptors, workers)
        assert all(had > has for had, has in zip(during, after, strict=True))


def test_each_worker_remembers_for_itself() -> None:
    """A request is executed by one of them, and counted there."""
    counts = []
    with running(prefork(TCP4, "framed", 2)) as place:
        for _ in range(20):
            with place.talk() as talk:
                assert isinstance(talk, Frames)
                _, frame = talk.client.request({"op": "count"})
                talk.conn.sendall(frame)
                answer = talk.next_event()
                assert isinstance(answer, Answer)
                counts.append(answer.payload["value"])
    first = counts.count(1)
    assert first == 2
    assert len(set(counts)) < len(counts)


@WAYS
def test_a_killed_worker_is_replaced_and_takes_no_other_along(way: Way) -> None:
    with running(prefork(way, "echo", 2)) as place, ExitStack() as stack:
        talks = [stack.enter_context(place.talk()) for _ in range(20)]
        for talk in talks:
            exchange(talk, "hola")
        victim, other = observing.children(place.server.pid)
        os.kill(victim, signal.SIGKILL)
        ended = place.server.wait_for("worker-ended")
        assert ended["status"] == -signal.SIGKILL
        replaced = place.server.wait_for("worker")
        assert replaced["number"] == ended["number"]
        assert sorted(observing.children(place.server.pid)) == sorted([other, replaced["pid"]])
        assert ask_health(place.server.health).returncode == 0
        for _ in range(10):
            with place.talk() as talk:
                exchange(talk, "hola")


@pytest.mark.parametrize("way", [TCP4, UNIX, UDP4], ids=lambda way: way.name)
def test_who_waits_at_a_worker_that_dies_is_served_by_the_next(way: Way) -> None:
    with running(prefork(way, "echo", 2)) as place, ExitStack() as stack:
        victim = observing.children(place.server.pid)[0]
        os.kill(victim, signal.SIGSTOP)
        conns = [stack.enter_context(place.connect()) for _ in range(20)]
        for conn in conns:
            conn.sendall(b"hola")
        os.kill(victim, signal.SIGKILL)
        assert [conn.recv(4) for conn in conns] == [b"hola"] * len(conns)


def test_a_worker_that_dies_as_soon_as_it_is_born_is_given_up_and_told() -> None:
    with running(prefork(TCP4, "echo", 2)) as place:
        server = place.server
        server.read_so_far()
        pid = observing.children(server.pid)[0]
        [number] = {event["number"] for event in server.events if event.get("pid") == pid}
        for attempt in range(5):
            os.kill(pid, signal.SIGKILL)
            assert server.wait_for("worker-ended")["number"] == number
            if attempt < 4:
                pid = server.wait_for("worker")["pid"]
        asked = ask_health(server.health)
        assert asked.returncode == 1
        assert "echo tcp" in asked.stderr
        assert server.stop() == 0
