"""What a client may cost: time, connections, descriptors, processes. What is beyond is refused."""

import contextlib
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from services.protocol.framed_client import Ended, Refused
from tests.loopback.running import DEADLINE, ask_health
from tests.servers import observing
from tests.servers.cells import (
    IN_BACKLOG,
    STREAM_PROTOCOLS,
    STREAM_STYLES,
    TCP4,
    WITH_CHILDREN,
    Cell,
    cells,
    in_cells,
)
from tests.servers.places import Place, running
from tests.servers.scarcity import few_descriptors, no_more_processes
from tests.servers.talks import Frames, exchange, finish, rest_of

STRAIGHT = [style for style in STREAM_STYLES if style not in IN_BACKLOG]
"""Styles that serve whoever comes at once, or refuse."""
LIMIT = 0.6
"""Seconds of the limits that are waited for."""
IMPATIENT = ("--idle", "60", "--handshake", str(LIMIT), "--message", str(LIMIT), "--workers", "1")


def impatient(*protocols: str) -> list[Cell]:
    """Servers that wait for the end of a message so long; those with turns have one."""
    return [
        Cell(style, way, protocol, IMPATIENT if style in {"pool", "prefork"} else IMPATIENT[:-2])
        for style in STREAM_STYLES
        for way, protocol in ((TCP4, protocol) for protocol in protocols)
    ]


def good_client(place: Place) -> None:
    with place.talk() as talk:
        exchange(talk, "one", "two")
        finish(talk.conn)


# time


def drip(conn: socket.socket, data: bytes) -> None:
    """Send byte by byte until the server has had enough."""
    conn.settimeout(LIMIT / 20)
    for byte in data:
        conn.sendall(bytes((byte,)))
        with contextlib.suppress(TimeoutError):
            conn.recv(1, socket.MSG_PEEK)
            break
    conn.settimeout(DEADLINE)


@contextlib.contextmanager
def lasts_the_limit() -> Iterator[None]:
    """What happens within takes at least as long as the limit: the server knows of it only after it began."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began >= LIMIT


@contextlib.contextmanager
def a_good_client_meanwhile(place: Place) -> Iterator[None]:
    """Served at once, or, where turns are taken, when the bad one's is over."""
    if place.cell.style not in IN_BACKLOG:
        good_client(place)
        yield
        return
    with place.connect() as waiting:
        waiting.sendall(b"bye\n")
        yield
        assert rest_of(waiting)


@in_cells(impatient("chat"))
def test_a_line_byte_by_byte_is_not_waited_for(place: Place) -> None:
    with place.talk() as talk:
        exchange(talk, "hola")
        with a_good_client_meanwhile(place), lasts_the_limit():
            drip(talk.conn, b"x" * 1000)
            assert rest_of(talk.conn) == b"slow\n"


@in_cells(impatient("framed"))
def test_a_handshake_byte_by_byte_is_not_waited_for(place: Place) -> None:
    with lasts_the_limit(), place.connect() as conn, a_good_client_meanwhile(place):
        talk = Frames(conn)
        drip(conn, talk.client.hello())
        assert_given_up(talk, "handshake")


@in_cells(impatient("framed"))
def test_a_request_byte_by_byte_is_not_waited_for(place: Place) -> None:
    with place.talk() as talk:
        assert isinstance(talk, Frames)
        with a_good_client_meanwhile(place), lasts_the_limit():
            drip(talk.conn, talk.said("x" * 1000))
            assert_given_up(talk, "slow")


def assert_given_up(talk: Frames, why: str) -> None:
    """The server says so, and closes with a FIN."""
    refused = talk.next_event()
    assert isinstance(refused, Refused)
    assert (refused.code, refused.why) == ("given-up", why)
    assert isinstance(talk.next_event(), Ended)
    assert rest_of(talk.conn) == b""


@in_cells(cells(STREAM_STYLES, [TCP4], STREAM_PROTOCOLS, "--idle", str(LIMIT)))
def test_who_says_nothing_is_not_kept(place: Place) -> None:
    with place.talk() as talk:
        with lasts_the_limit():
            exchange(talk, "hola")
            last_words = rest_of(talk.conn)
        assert (b"idle" in last_words) == (place.cell.protocol in {"chat", "framed"})
    good_client(place)


# connections


@pytest.mark.parametrize("style", STRAIGHT)
def test_too_many_are_refused_until_one_leaves(style: str) -> None:
    few = ("--max-connections", "2", *(("--workers", "1") if style == "prefork" else ()))
    with running(Cell(style, TCP4, "echo", few)) as place, place.talk() as first:
        exchange(first, "one")
        with place.talk() as second:
            exchange(second, "two")
            with ExitStack() as stack:
                with observing.stopped(observing.processes(place.server.pid)):
                    refused = [stack.enter_context(place.connect()) for _ in range(3)]
                    refused[0].sendall(b"unread, it would make a RST of the FIN")
                assert [conn.recv(1) for conn in refused] == [b""] * 3
            assert place.server.wait_for("refused")["limit"] == 2
            exchange(first, "still here")
            exchange(second, "me too")
            finish(second.conn)
        assert observing.eventually(lambda: is_served(place))
        exchange(first, "three")


@pytest.mark.parametrize("style", IN_BACKLOG)
def test_where_turns_are_taken_the_others_wait(style: str) -> None:
    workers = ("--workers", "2") if style == "pool" else ()
    with running(Cell(style, TCP4, "echo", workers)) as place, ExitStack() as stack:
        served = [stack.enter_context(place.talk()) for _ in range(2 if workers else 1)]
        for talk in served:
            exchange(talk, "my turn")
        waiting = stack.enter_context(place.connect())
        waiting.sendall(b"yours")
        waiting.settimeout(0.1)
        with pytest.raises(TimeoutError):
            waiting.recv(1)
        waiting.settimeout(DEADLINE)
        finish(served[0].conn)
        assert waiting.recv(5, socket.MSG_WAITALL) == b"yours"


def test_a_pool_refuses_who_comes_for_a_thread_beyond_the_limit() -> None:
    with running(Cell("pool", TCP4, "echo", ("--workers", "2", "--max-connections", "1"))) as place:
        with place.talk() as first:
            exchange(first, "one")
            with place.connect() as refused:
                assert refused.recv(1) == b""
        assert observing.eventually(lambda: is_served(place))


def is_served(place: Place) -> bool:
    """Whether there is room now."""
    with place.connect() as conn:
        try:
            conn.sendall(b"x")
            return conn.recv(1) == b"x"
        except OSError:  # it was refused before the byte came, which is answered with a RST
            return False


def test_select_refuses_who_does_not_fit_in_a_descriptor_set() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 3000:
        pytest.skip(f"this machine lets a process open {hard} descriptors, and 3000 are needed")
    enough = (max(soft, 3000), hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, enough)
    cell = Cell("select", TCP4, "echo", ("--max-connections", "2000"))
    with running(cell) as place, ExitStack() as stack:
        resource.prlimit(place.server.pid, resource.RLIMIT_NOFILE, enough)
        conns = [stack.enter_context(place.connect()) for _ in range(1100)]
        told = place.server.wait_for("no-room")
        assert "FD_SETSIZE" in told["why"]
        assert "1024" in told["why"]
        refused = [conn for conn in conns[1024:] if conn.recv(1) == b""]
        assert len(refused) == 1100 - 1024
        for conn in conns[:1000:100]:
            conn.sendall(b"x")
            assert conn.recv(1) == b"x"
        for conn in conns[:500]:
            conn.close()
        assert observing.eventually(lambda: is_served(place))


# descriptors, processes


@pytest.mark.parametrize("style", STREAM_STYLES)
def test_without_descriptors_it_waits_and_does_not_spin(style: str) -> None:
    cell = Cell(style, TCP4, "echo", ("--workers", "1") if style == "prefork" else ())
    with running(cell) as place, ExitStack() as stack:
        server = place.server
        pid = observing.children(server.pid)[0] if style == "prefork" else server.pid
        with few_descriptors(pid, 0):
            conns = [stack.enter_context(place.connect()) for _ in range(3)]
            assert "EMFILE" in server.wait_for("accept-failed")["why"]
            health = stack.enter_context(socket.socket(socket.AF_UNIX))
            health.connect("\0" + server.health[1:])  # it cannot be accepted either
            before = observing.cpu_seconds(pid)
            time.sleep(1)
            assert observing.cpu_seconds(pid) - before < (0.25 if style == "pool" else 0.1)  # 16 threads try
        for conn in conns if style not in IN_BACKLOG else conns[:1]:
            conn.sendall(b"x")
            assert conn.recv(1) == b"x"
        for conn in conns:
            conn.close()
        assert ask_health(server.health).returncode == 0
        assert server.stop() == 0
        assert [event["event"] for event in server.read_log()].count("accept-failed") == 1


@pytest.mark.parametrize("style", [style for style in STRAIGHT if style not in WITH_CHILDREN])
def test_when_others_leave_there_are_descriptors_again(style: str) -> None:
    with (
        running(Cell(style, TCP4, "echo")) as place,
        few_descriptors(place.server.pid, 2),
        ExitStack() as stack,
    ):
        for _ in range(6):
            stack.enter_context(place.connect())
        place.server.wait_for("accept-failed")
        stack.close()
        good_client(place)


@pytest.mark.parametrize("style", ["threaded", "forking"])
def test_without_processes_a_client_is_refused_and_no_other_hurt(style: str) -> None:
    with running(Cell(style, TCP4, "echo")) as place, place.talk() as first:
        exchange(first, "one")
        with no_more_processes(place.server.pid):
            with place.connect() as refused:
                assert refused.recv(1) == b""
            assert "EAGAIN" in place.server.wait_for("no-room")["why"]
            exchange(first, "two")
        good_client(place)
        finish(first.conn)
        assert place.server.stop() == 0
