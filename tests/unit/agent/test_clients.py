"""Clients of the command socket that ask for nothing."""

import selectors
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from services.agent import clients as module
from services.agent.clients import MAX_ATTACHED, MAX_CLIENTS, SOCKET_NAME, Clients
from socketlab.wire import Attach, Attached, Failure, decode, encode


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def test_who_asks_for_nothing_is_dropped_in_time(stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sl")))
    selector = stack.enter_context(selectors.DefaultSelector())
    clients = Clients(selector, folder, lambda line: line + b"\n")
    stack.callback(clients.close)

    def turn() -> None:
        for key, _events in selector.select(5):
            key.data()

    assert clients.next_due() is None
    client = stack.enter_context(socket.socket(socket.AF_UNIX))
    client.connect(str(folder / SOCKET_NAME))
    client.settimeout(5)
    turn()
    first = clients.next_due()
    client.sendall(b"a line\n")
    turn()
    assert client.recv(100) == b"a line\n"
    after = clients.next_due()
    assert first is not None
    assert after is not None
    assert after > first
    client.sendall(b"half a li")
    turn()
    assert clients.next_due() == after  # half a line is no request
    clients.drop_idle()
    assert clients.next_due() == after
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.0)
    clients.drop_idle()
    assert client.recv(100) == b""
    assert clients.next_due() is None


def test_who_has_attached_stays(stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sl")))
    selector = stack.enter_context(selectors.DefaultSelector())
    clients = Clients(selector, folder, lambda _line: encode(Attached(1)))
    stack.callback(clients.close)

    def connect() -> socket.socket:
        client = stack.enter_context(socket.socket(socket.AF_UNIX))
        client.connect(str(folder / SOCKET_NAME))
        client.settimeout(5)
        turn()
        return client

    def turn() -> None:
        for key, _events in selector.select(5):
            key.data()

    def attach() -> socket.socket:
        client = connect()
        client.sendall(encode(Attach(1)))
        turn()
        return client

    attached = [attach() for _ in range(MAX_ATTACHED)]
    assert all(decode(client.recv(200)) == Attached(1) for client in attached)
    assert clients.next_due() is None
    refused = decode(attach().recv(200))
    assert isinstance(refused, Failure)
    assert refused.code == "agent.attached"
    passing = [connect() for _ in range(MAX_CLIENTS)]  # the first of these makes room for the last
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.0)
    clients.drop_idle()
    assert all(client.recv(200) == b"" for client in passing)
    attached[0].sendall(encode(Attach(1)))
    turn()
    assert decode(attached[0].recv(200)) == Attached(1)
