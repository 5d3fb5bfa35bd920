"""Clients of the command socket that ask for nothing."""

import selectors
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from services.agent import clients as module
from services.agent.clients import SOCKET_NAME, Clients


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
