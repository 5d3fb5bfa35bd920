"""Clients of the command socket: who stays, who is dropped, and whom the others wait for."""

import selectors
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from services.agent import clients as module
from services.agent.clients import MAX_ATTACHED, MAX_CLIENTS, Asker, Clients
from services.agent.meeting import SOCKET_NAME
from services.agent.requests import failure
from services.messages import ServiceError
from socketlab.wire import Attach, Attached, Failure, decode, encode


class Desk:
    """Says every line again; attaches who asks for it, and has the news that a test gives it."""

    def __init__(self) -> None:
        self.left: list[int] = []
        self.told: list[bytes] = []
        self.steps = 0

    def serve(self, client: Asker, line: bytes) -> Iterator[bytes | None]:
        for _ in range(self.steps):
            yield None
        if b'"attach"' not in line:
            yield line + b"\n"
            return
        try:
            client.attach()
        except ServiceError as error:
            yield failure(error)
            return
        yield encode(Attached(1))

    def news(self, client: int) -> bytes | None:  # noqa: ARG002 - of all clients
        return self.told.pop(0) if self.told else None

    def news_due(self, client: int) -> float | None:  # noqa: ARG002 - an event tells
        return None

    def gone(self, client: int) -> None:
        self.left.append(client)


class Loop:
    """The agent's loop, as far as clients go."""

    def __init__(self, stack: ExitStack) -> None:
        self.desk = Desk()
        self._stack = stack
        self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sl")))
        self._selector = stack.enter_context(selectors.SelectSelector())
        self.clients = Clients(self._selector, self._folder, self.desk)
        stack.callback(self.clients.close)

    def turn(self, seconds: float = 5.0) -> int:
        ready = self._selector.select(seconds)
        for key, _events in ready:
            key.data()
        self.clients.tell_news()
        return len(ready)

    def connect(self) -> socket.socket:
        client = self._stack.enter_context(socket.socket(socket.AF_UNIX))
        client.connect(str(self._folder / SOCKET_NAME))
        client.settimeout(5)
        self.turn()
        return client

    def attach(self) -> socket.socket:
        client = self.connect()
        client.sendall(encode(Attach(1)))
        self.turn()
        return client


@pytest.fixture
def loop() -> Iterator[Loop]:
    with ExitStack() as made:
        yield Loop(made)


def test_who_asks_for_nothing_is_dropped_in_time(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    assert loop.clients.next_due() is None
    client = loop.connect()
    first = loop.clients.next_due()
    client.sendall(b"a line\n")
    loop.turn()
    assert client.recv(100) == b"a line\n"
    after = loop.clients.next_due()
    assert first is not None
    assert after is not None
    assert after > first
    client.sendall(b"half a li")
    loop.turn()
    assert loop.clients.next_due() == after  # half a line is no request
    loop.clients.drop_idle()
    assert loop.clients.next_due() == after
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.0)
    loop.clients.drop_idle()
    assert client.recv(100) == b""
    assert loop.clients.next_due() is None
    assert len(loop.desk.left) == 1


def test_who_has_attached_stays(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    attached = [loop.attach() for _ in range(MAX_ATTACHED)]
    assert all(decode(client.recv(200)) == Attached(1) for client in attached)
    assert loop.clients.next_due() is None
    refused = decode(loop.attach().recv(200))
    assert isinstance(refused, Failure)
    assert refused.code == "agent.attached"
    passing = [loop.connect() for _ in range(MAX_CLIENTS)]  # the first of these makes room for the last
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.0)
    loop.clients.drop_idle()
    assert all(client.recv(200) == b"" for client in passing)
    attached[0].sendall(encode(Attach(1)))
    loop.turn()
    assert decode(attached[0].recv(200)) == Attached(1)


def test_an_attached_client_that_hangs_up_is_gone(loop: Loop) -> None:
    client = loop.attach()
    assert loop.desk.left == []
    client.close()
    loop.turn()
    assert len(loop.desk.left) == 1


def test_an_attached_client_that_takes_nothing_and_says_no_more(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot be told any more, and may hold a fault: it is not waited for long."""
    client = loop.attach()
    loop.desk.told = [b"n" * 1000 + b"\n"] * 1000
    loop.turn(0.0)
    while loop.clients.next_due() == 0.0:
        loop.turn(0.0)
    assert loop.desk.told  # what it has no room for is not made
    client.shutdown(socket.SHUT_WR)
    loop.turn(0.01)
    assert loop.desk.left == []
    monkeypatch.setattr(module, "ENDING_SECONDS", 0.0)
    loop.clients.drop_idle()
    assert len(loop.desk.left) == 1


def test_what_takes_long_is_done_in_steps(loop: Loop) -> None:
    """Another client is served between them."""
    slow, quick = loop.connect(), loop.connect()
    loop.desk.steps = 1000
    slow.sendall(b"slow\n")
    loop.turn()
    loop.desk.steps = 0
    quick.sendall(b"quick\n")
    loop.turn()
    loop.turn()
    assert quick.recv(100) == b"quick\n"
    slow.settimeout(0)
    with pytest.raises(BlockingIOError):
        slow.recv(100)
    for _ in range(1000):
        loop.turn(0.0)
    assert slow.recv(100) == b"slow\n"


def test_news_for_who_has_attached_only(loop: Loop) -> None:
    passing, attached = loop.connect(), loop.attach()
    attached.recv(200)
    loop.desk.told = [b"first\n", b"second\n"]
    loop.turn(0.01)
    loop.turn(0.01)
    assert attached.makefile("rb").readline() == b"first\n"
    passing.settimeout(0)
    with pytest.raises(BlockingIOError):
        passing.recv(100)
