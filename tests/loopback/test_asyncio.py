"""What is special to the style asyncio, with each event loop: Python's own, and uvloop if it is installed."""

import asyncio
import contextlib
import gc
import logging
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from loguru import logger

from services.protocol.echo import EchoDatagrams, EchoServing
from services.protocol.served import SERVED
from services.protocol.serving import Served
from services.server.aio.connection import Connection
from services.server.aio.server import AsyncioServer
from services.server.aio.welcomes import datagram_service, stream_service
from services.server.listeners import open_tcp, open_udp
from services.server.loop.pollers import EpollPoller
from services.server.offer import Offer
from services.server.service import Limits, Service
from services.server.shared import Program
from services.server.socket_options import SocketOptions
from tests.loopback.running import DEADLINE

ECHO = Offer("echo", SERVED["echo"])


@pytest.fixture(params=["asyncio", "uvloop"], autouse=True)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whose event loop it is."""
    name: str = request.param
    if name == "asyncio":
        monkeypatch.setitem(sys.modules, "uvloop", None)  # this is how Python says that it is not there
    else:
        pytest.importorskip("uvloop", reason="uvloop is not installed here")
    return name


@pytest.fixture
def log() -> Iterator[list[dict[str, Any]]]:
    """What is logged in this process: the extra fields of each line, and its level."""
    lines: list[dict[str, Any]] = []
    number = logger.add(
        lambda line: lines.append({**line.record["extra"], "level": line.record["level"].name}),
        level="DEBUG",
        catch=False,
    )
    yield lines
    logger.remove(number)


@pytest.fixture
def program() -> Iterator[Program]:
    with contextlib.closing(Program(Limits(quiet=0.2), 100, EpollPoller())) as program:
        yield program


@contextlib.contextmanager
def serving(service: Service, program: Program) -> Iterator[Service]:
    service.start()
    try:
        yield service
    finally:
        program.stopping.ask()
        service.close()
        assert program.drain(DEADLINE) == 0
        assert eventually(lambda: not service.alive())


@pytest.fixture
def echo(program: Program) -> Iterator[AsyncioServer]:
    service = stream_service(ECHO, open_tcp("127.0.0.1", 0, 16), program)
    assert isinstance(service, AsyncioServer)
    with serving(service, program):
        yield service


def eventually(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def connect(service: Service) -> socket.socket:
    return socket.create_connection((service.bound.address, service.bound.port), DEADLINE)


def test_the_log_says_whose_loop_it_is(kind: str, program: Program, log: list[dict[str, Any]]) -> None:
    with serving(stream_service(ECHO, open_tcp("127.0.0.1", 0, 16), program), program):
        [line] = [line for line in log if line["event"] == "event-loop"]
        assert line["level"] == "INFO"
        assert line["loop"].startswith(kind)


def test_it_is_alive_from_start_to_end(program: Program) -> None:
    service = stream_service(ECHO, open_tcp("127.0.0.1", 0, 16), program)
    assert not service.alive()
    with serving(service, program):
        assert service.alive()


def test_a_port_that_was_never_served_is_given_up(program: Program) -> None:
    service = stream_service(ECHO, open_tcp("127.0.0.1", 0, 16), program)
    datagrams = datagram_service(ECHO, open_udp("127.0.0.1", 0), program)
    for never_started in (service, datagrams):
        never_started.close()
        never_started.close()  # nothing happens twice
    with pytest.raises(ConnectionRefusedError):
        connect(service)
    del service, datagrams, never_started
    gc.collect()  # what was not closed would warn now


def test_when_close_returns_nobody_new_gets_in_and_the_others_go_on(
    echo: AsyncioServer, program: Program
) -> None:
    with connect(echo) as client:
        client.sendall(b"before")
        assert client.recv(100) == b"before"
        program.stopping.ask()
        echo.close()
        with pytest.raises(ConnectionRefusedError):
            connect(echo)
        client.sendall(b"in flight")
        assert client.recv(100) == b"in flight"
        assert client.recv(100) == b""  # and when it is quiet, it is over
    assert eventually(lambda: not echo.alive())


def test_an_idle_connection_has_no_task(echo: AsyncioServer) -> None:
    loop = echo._loop  # noqa: SLF001 - which tasks there are only the loop can tell
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            client = stack.enter_context(connect(echo))
            client.sendall(b"x")
            assert client.recv(1) == b"x"
        assert eventually(lambda: not asyncio.all_tasks(loop))


class Broken(EchoServing):
    """A protocol with a mistake in it."""

    def receive(self, data: bytes) -> bytes:
        """Echo, but for one word."""
        if data == b"break":
            message = "a mistake"
            raise ValueError(message)
        return super().receive(data)

    def give_up(self, why: str) -> bytes:
        """Another one."""
        if why == "idle":
            raise ZeroDivisionError
        return super().give_up(why)


class BrokenDatagrams(EchoDatagrams):
    """A protocol with a mistake in it."""

    def receive(self, datagram: bytes, _peer: object) -> bytes:
        """Fail at once."""
        raise ValueError(datagram)


def test_our_mistake_ends_one_connection_and_is_told(
    program: Program, log: list[dict[str, Any]], capfd: pytest.CaptureFixture[str]
) -> None:
    offer = Offer("broken", Served(Broken))
    with serving(stream_service(offer, open_tcp("127.0.0.1", 0, 16), program), program) as service:
        with connect(service) as client, connect(service) as other:
            for conn in (client, other):
                conn.sendall(b"hello")
                assert conn.recv(100) == b"hello"
            client.sendall(b"break")
            assert client.recv(100) == b""
            other.sendall(b"on")
            assert other.recv(100) == b"on"
        assert service.alive()
    [crashed] = [line for line in log if line["event"] == "crashed"]
    assert crashed["level"] == "ERROR"
    assert "a mistake" in crashed["why"]
    assert capfd.readouterr() == ("", "")


def test_our_mistake_at_a_limit_ends_one_connection(log: list[dict[str, Any]]) -> None:
    offer = Offer("broken", Served(Broken))
    with contextlib.closing(Program(Limits(idle=0.2, quiet=0.2), 100, EpollPoller())) as program:
        service = stream_service(offer, open_tcp("127.0.0.1", 0, 16), program)
        with serving(service, program), connect(service) as client:
            assert client.recv(100) == b""
            with connect(service) as other:
                other.sendall(b"hello")
                assert other.recv(100) == b"hello"
    assert "ZeroDivisionError" in next(line["why"] for line in log if line["event"] == "crashed")


def test_our_mistake_in_datagrams_is_told_once_and_makes_it_unready(
    program: Program, log: list[dict[str, Any]], capfd: pytest.CaptureFixture[str]
) -> None:
    offer = Offer("broken", Served(EchoServing, BrokenDatagrams))
    with (
        serving(datagram_service(offer, open_udp("127.0.0.1", 0), program), program) as service,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        client.sendto(b"x", (service.bound.address, service.bound.port))
        assert eventually(lambda: not service.alive())
    assert [line["level"] for line in log if line["event"] == "crashed"] == ["ERROR"]
    assert capfd.readouterr() == ("", "")


def test_what_asyncio_logs_goes_to_our_log(
    program: Program, log: list[dict[str, Any]], capfd: pytest.CaptureFixture[str]
) -> None:
    with serving(stream_service(ECHO, open_tcp("127.0.0.1", 0, 16), program), program):
        logging.getLogger("asyncio").warning("socket.send() raised %s", "exception.\n")
    [line] = [line for line in log if line["event"] == "event-loop-says"]
    assert line["level"] == "WARNING"
    assert line["why"] == r"'socket.send() raised exception.\n'"
    assert capfd.readouterr() == ("", "")


def test_what_nobody_catches_goes_to_our_log(
    echo: AsyncioServer, log: list[dict[str, Any]], capfd: pytest.CaptureFixture[str]
) -> None:
    loop = echo._loop  # noqa: SLF001 - only there can something fail that is not caught
    loop.call_soon_threadsafe([].pop)
    assert eventually(lambda: any(line["event"] == "crashed" for line in log))
    with connect(echo) as client:
        client.sendall(b"on")
        assert client.recv(100) == b"on"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("nodelay", [True, False])
def test_the_option_nodelay_is_as_it_was_asked_for(nodelay: bool, program: Program) -> None:  # noqa: FBT001 - a case
    listener = open_tcp("127.0.0.1", 0, 16, SocketOptions(nodelay=nodelay))
    service = stream_service(ECHO, listener, program)
    assert isinstance(service, AsyncioServer)
    with serving(service, program), connect(service) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        [guest] = service._guests  # noqa: SLF001 - the socket is the server's own
        conn = guest._transport.get_extra_info("socket")  # type: ignore[attr-defined] # noqa: SLF001 - as above
        option = (socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert eventually(lambda: bool(conn.getsockopt(*option)) is nodelay)


def test_a_timer_dies_with_its_connection() -> None:
    """Nor must the loop keep a connection until a farewell that is over would have been."""
    offer = Offer("chat", SERVED["chat"])
    with (
        contextlib.closing(Program(Limits(farewell=600), 100, EpollPoller())) as program,
        serving(stream_service(offer, open_tcp("127.0.0.1", 0, 16), program), program) as service,
    ):
        with connect(service) as client:
            client.sendall(b"bye\n")
            while client.recv(100):
                pass
            assert living(Connection) == 1
        assert eventually(lambda: living(Connection) == 0)


def living(kind: type) -> int:
    return sum(isinstance(thing, kind) for thing in gc.get_objects())
