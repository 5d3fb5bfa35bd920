"""`select`, `poll` and `epoll` over there: sockets go in, and the same sockets come out."""

import gc
import select
import socket

import pytest

from socketlab.errors import UsageError
from socketlab.sockets import Actor, Socket
from tests.loopback.sockets.actors import DEADLINE, local_actor


def test_select(actor: Actor, pair: tuple[Socket, Socket]) -> None:
    one, other = pair
    assert actor.select([one, other], [], [], 0) == ([], [], [])
    other.sendall(b"x")
    readable, writable, exceptional = actor.select([one, other], [other], [one], DEADLINE)
    assert readable == [one]
    assert (writable, exceptional) == ([other], [])
    pending = actor.begin.select([other], [], [])
    one.sendall(b"y")
    assert pending.result(DEADLINE) == ([other], [], [])


def test_select_takes_open_sockets_of_its_host_only(actor: Actor) -> None:
    with socket.socket() as local, pytest.raises(UsageError, match=r"lab\.select"):
        actor.select([local], [], [], 0)  # type: ignore[list-item]  # that is the mistake
    with local_actor("server") as other, other.socket() as foreign, pytest.raises(UsageError, match="server"):
        actor.select([foreign], [], [], 0)
    sock = actor.socket()
    sock.close()
    with pytest.raises(ValueError, match="negative"):
        actor.select([sock], [], [], 0)


def test_poll(actor: Actor, pair: tuple[Socket, Socket]) -> None:
    one, other = pair
    poller = actor.poll()
    poller.register(one, select.POLLIN)
    assert poller.poll(0) == []
    other.sendall(b"x")
    assert poller.poll(DEADLINE * 1000) == [(one, select.POLLIN)]
    poller.modify(one, select.POLLOUT)
    assert poller.poll() == [(one, select.POLLOUT)]
    poller.unregister(one)
    with pytest.raises(KeyError):
        poller.unregister(one)


def test_epoll(actor: Actor, pair: tuple[Socket, Socket]) -> None:
    one, other = pair
    with actor.epoll() as poller:
        poller.register(one, select.EPOLLIN)
        assert poller.poll(0) == []
        other.sendall(b"x")
        assert poller.poll(DEADLINE, 5) == [(one, select.EPOLLIN)]
        with pytest.raises(FileExistsError):
            poller.register(one, select.EPOLLIN)
    assert poller.closed


def test_a_dropped_epoll_warns(actor: Actor) -> None:
    def drop() -> None:
        actor.epoll()
        gc.collect()

    with pytest.warns(ResourceWarning, match="unclosed <Epoll client"):
        drop()
    assert actor.about()["sockets"] == 0
