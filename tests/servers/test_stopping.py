"""How every server of connections stops: what is in flight is finished, within a limit; nothing is left."""

import os
import signal
import socket
import time
from contextlib import ExitStack

import pytest

from services.protocol.framed_client import Answer
from tests.loopback.running import DEADLINE
from tests.servers import observing
from tests.servers.cells import (
    IN_BACKLOG,
    STREAM_STYLES,
    TCP4,
    UDP4,
    UDP_STYLES,
    UNIX,
    WITH_CHILDREN,
    Cell,
    Way,
)
from tests.servers.misdeeds import never_reads
from tests.servers.places import Place, running
from tests.servers.talks import Frames, exchange, rest_of
from tests.servers.test_limits import assert_given_up

LONG = ("--drain", "60")
"""Longer than any test: nothing may wait for it."""


def is_refused(place: Place) -> bool:
    """Whether nobody listens there any more."""
    try:
        place.connect().close()
    except (ConnectionRefusedError, FileNotFoundError):
        return True
    return False


@pytest.mark.parametrize("style", STREAM_STYLES)
def test_what_is_in_flight_is_answered_and_nobody_new_gets_in(style: str) -> None:
    with running(Cell(style, TCP4, "framed", LONG)) as place, place.talk() as talk:
        assert isinstance(talk, Frames)
        late, frame = talk.client.request({"op": "wait", "seconds": 0.7, "value": "late"})
        talk.conn.sendall(frame)
        exchange_while_waiting(talk)
        place.server.process.terminate()
        place.server.wait_for("stopping")
        assert observing.eventually(lambda: is_refused(place))
        answer = talk.next_event()
        assert isinstance(answer, Answer)
        assert (answer.id, answer.payload) == (late, {"value": "late"})
        assert_given_up(talk, "stopping")
        talk.conn.close()
        assert place.server.process.wait(DEADLINE) == 0


def exchange_while_waiting(talk: Frames) -> None:
    """Be answered out of turn, so that the server has seen all before."""
    soon, frame = talk.client.request({"op": "echo", "value": "soon"})
    talk.conn.sendall(frame)
    answer = talk.next_event()
    assert isinstance(answer, Answer)
    assert answer.id == soon


@pytest.mark.parametrize(
    ("way", "number"), [(TCP4, signal.SIGTERM), (UNIX, signal.SIGINT)], ids=["tcp4-SIGTERM", "unix-SIGINT"]
)
@pytest.mark.parametrize("style", STREAM_STYLES)
def test_idle_connections_do_not_hold_the_stop(style: str, way: Way, number: signal.Signals) -> None:
    with running(Cell(style, way, "chat", LONG)) as place, ExitStack() as stack:
        talks = [stack.enter_context(place.talk()) for _ in range(1 if style == "iterative" else 3)]
        for talk in talks:
            exchange(talk, "hola")
        # A terminal sends Ctrl-C to all processes; who ends a server means the one that was started.
        for pid in observing.processes(place.server.pid) if number is signal.SIGINT else [place.server.pid]:
            os.kill(pid, number)
        assert last_words([talk.conn for talk in talks]) == [b"stopping\n"] * len(talks)
        assert place.server.process.wait(DEADLINE) == 0
        assert is_refused(place)


@pytest.mark.parametrize("style", STREAM_STYLES)
def test_who_is_connected_already_is_served(style: str) -> None:
    """Accepted or not, that makes no difference to a client."""
    with running(Cell(style, TCP4, "chat", LONG)) as place, ExitStack() as stack:
        with observing.stopped(observing.processes(place.server.pid)):
            conns = [stack.enter_context(place.connect()) for _ in range(20)]
            for conn in conns:
                conn.sendall(b"hola\nbye\n")
            place.server.process.terminate()
        assert last_words(conns) == [b"hola\nbye\n"] * len(conns)
        assert place.server.process.wait(DEADLINE) == 0


@pytest.mark.parametrize("style", IN_BACKLOG)
def test_who_waits_for_a_turn_is_served(style: str) -> None:
    turns = ("--workers", "1") if style == "pool" else ()
    with running(Cell(style, TCP4, "chat", (*LONG, *turns))) as place, ExitStack() as stack:
        talks = [stack.enter_context(place.talk()) for _ in range(4)]
        exchange(talks[0], "my turn")
        for talk in talks[1:]:
            talk.conn.sendall(b"bye\n")
        place.server.process.terminate()
        assert last_words([talk.conn for talk in talks]) == [b"stopping\n", *3 * [b"bye\n"]]
        assert place.server.process.wait(DEADLINE) == 0


@pytest.mark.parametrize("style", UDP_STYLES)
def test_datagrams_that_have_arrived_are_answered(style: str) -> None:
    with running(Cell(style, UDP4, "echo", LONG)) as place, ExitStack() as stack:
        with observing.stopped(observing.processes(place.server.pid)):
            conns = [stack.enter_context(place.connect()) for _ in range(20)]
            for number, conn in enumerate(conns):
                conn.send(bytes((number,)))
            place.server.process.terminate()
        assert [conn.recv(10) for conn in conns] == [bytes((number,)) for number in range(20)]
        assert place.server.process.wait(DEADLINE) == 0


def last_words(conns: list[socket.socket]) -> list[bytes]:
    """What is said up to the end, in turn; each is closed then, so that nobody has to wait for that."""
    heard = []
    for conn in conns:
        heard.append(rest_of(conn))
        conn.close()
    return heard


@pytest.mark.parametrize("style", STREAM_STYLES)
def test_the_drain_has_a_limit(style: str) -> None:
    with running(Cell(style, TCP4, "echo", ("--drain", "0.3"))) as place, never_reads(place):
        began = time.monotonic()
        assert place.server.stop() == 0
        assert time.monotonic() - began >= 0.3
        assert [event["left"] for event in place.server.read_log() if event["event"] == "cut"] == [1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
@pytest.mark.parametrize("style", STREAM_STYLES)
def test_a_second_signal_ends_it_at_once_with_all_its_children(style: str, number: signal.Signals) -> None:
    with running(Cell(style, TCP4, "echo", LONG)) as place, never_reads(place):
        children = observing.children(place.server.pid)
        assert bool(children) == (style in WITH_CHILDREN)
        place.server.process.terminate()
        place.server.wait_for("stopping")
        assert place.server.stop(number) == 128 + number
        assert place.server.has_ended()
        assert observing.eventually(lambda: not any(map(observing.is_alive, children)))


@pytest.mark.parametrize("way", [TCP4, UNIX], ids=lambda way: way.name)
@pytest.mark.parametrize("style", WITH_CHILDREN)
def test_no_child_outlives_a_server_that_is_killed(style: str, way: Way) -> None:
    with running(Cell(style, way, "echo")) as place, ExitStack() as stack:
        talks = [stack.enter_context(place.talk()) for _ in range(5)]
        for talk in talks:
            exchange(talk, "hola")
        children = observing.children(place.server.pid)
        assert children
        place.server.process.kill()
        assert [rest_of(talk.conn) for talk in talks] == [b""] * len(talks)
        assert place.server.has_ended()
        assert observing.eventually(lambda: not any(map(observing.is_alive, children)))


@pytest.mark.parametrize("style", STREAM_STYLES)
def test_the_port_of_a_killed_server_is_free(style: str) -> None:
    """Although its connections are still there: in FIN_WAIT2 here, in CLOSE_WAIT at the clients."""
    with running(Cell(style, TCP4, "echo")) as killed, killed.talk() as talk:
        exchange(talk, "hola")
        killed.server.process.kill()
        assert killed.server.has_ended()
        assert isinstance(killed.where, tuple)
        with running(Cell(style, TCP4, "echo", ("--port", str(killed.where[1])))) as place:
            with place.talk() as other:
                exchange(other, "hola")
            assert talk.conn.recv(1) == b""
            assert talk.conn.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
