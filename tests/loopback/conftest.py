"""Servers and clients on loopback."""

import socket
from collections.abc import Callable, Iterator

import pytest

from tests.loopback.running import DEADLINE, Server, served

Connect = Callable[[int], socket.socket]


def _has_ipv6_loopback() -> bool:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            return False
    return True


@pytest.fixture(params=["127.0.0.1", "::1"], ids=["ipv4", "ipv6"])
def loopback(request: pytest.FixtureRequest) -> str:
    address: str = request.param
    if address == "::1" and not _has_ipv6_loopback():
        pytest.skip("this machine has no ::1")
    return address


@pytest.fixture
def connect(loopback: str) -> Iterator[Connect]:
    """Makes connected TCP sockets that give up after a generous time, and are closed in the end."""
    opened: list[socket.socket] = []

    def make(port: int) -> socket.socket:
        conn = socket.create_connection((loopback, port), timeout=DEADLINE)
        opened.append(conn)
        return conn

    yield make
    for conn in opened:
        conn.close()


@pytest.fixture(scope="module")
def echo() -> Iterator[Server]:
    """An echo server, TCP and UDP."""
    with served("--transport", "both") as server:
        yield server


@pytest.fixture(scope="module")
def chat() -> Iterator[Server]:
    """A chat server."""
    with served("--protocol", "chat") as server:
        yield server


@pytest.fixture(scope="module")
def lab() -> Iterator[Server]:
    """The whole lab."""
    with served("--lab") as server:
        yield server
