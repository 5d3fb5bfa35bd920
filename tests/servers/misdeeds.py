"""What clients of a stream do that they should not, or that nobody expects.

Each is a context: within it the harm is done and the client still there, if it stays at all; after it the
client is gone. None of them checks anything but what the client itself must see.
"""

import contextlib
import random
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import Final, TypeAlias

import pytest

from tests.servers.observing import processes, stopped
from tests.servers.places import Place
from tests.servers.talks import Talk, exchange, rest_of

Misdeed: TypeAlias = Callable[[Place], AbstractContextManager[None]]

_HASTE: Final = 20
"""Clients that come and go at once; fewer than any style has room for."""
_RST: Final = struct.pack("@ii", 1, 0)
"""SO_LINGER for no seconds: close() sends RST and throws away what was sent (socket(7)); not on AF_UNIX."""
_WORDS: Final = 5 * (4000 * "x",)
"""What fills buffers."""
_ENDLESS: Final = 5000
"""Times that they are said: 100 MB, which no buffers hold."""


def reset(conn: socket.socket) -> None:
    """Close with a RST, where there is one."""
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
    conn.close()


@contextlib.contextmanager
def resets_before_it_is_accepted(place: Place) -> Iterator[None]:
    """Many, and each is gone when accept() comes to it."""
    with stopped(processes(place.server.pid)):
        for conn in [place.connect() for _ in range(_HASTE)]:
            reset(conn)
    yield


@contextlib.contextmanager
def connects_and_closes(place: Place) -> Iterator[None]:
    """One after another, without a word."""
    for _ in range(_HASTE):
        place.connect().close()
    yield


@contextlib.contextmanager
def resets_in_the_middle(place: Place) -> Iterator[None]:
    """After one good exchange, and half a message."""
    with place.talk() as talk:
        exchange(talk, "so far so good")
        talk.conn.sendall(talk.said(*_WORDS)[:10_000])
        reset(talk.conn)
    yield


@contextlib.contextmanager
def says_nothing(place: Place) -> Iterator[None]:
    """It is there, and that is all."""
    with place.connect():
        yield


@contextlib.contextmanager
def stops_in_the_middle(place: Place) -> Iterator[None]:
    """The first part of a message, and never the rest."""
    with place.talk() as talk:
        talk.conn.sendall(talk.said("unfinished")[:-1])
        yield


@contextlib.contextmanager
def sends_garbage(place: Place) -> Iterator[None]:
    """Bytes at random, and it wants no answer but the end of it."""
    garbage = random.Random(1).randbytes(20_000)  # noqa: S311 - the same each time
    with place.connect() as conn:
        with contextlib.suppress(OSError):  # it may have been closed by now
            conn.sendall(garbage)
            conn.shutdown(socket.SHUT_WR)
        rest_of(conn)  # whatever it is, it ends with a FIN
        yield


@contextlib.contextmanager
def closes_with_answers_on_their_way(place: Place) -> Iterator[None]:
    """So the server writes to a connection that is reset: ECONNRESET, then EPIPE."""
    with ExitStack() as stack:
        for _ in range(3):
            talk = stack.enter_context(place.talk())
            talk.conn.settimeout(0)
            question = talk.said(*_WORDS)
            with contextlib.suppress(BlockingIOError):
                for _ in range(20):
                    talk.conn.sendall(question)
            talk.conn.close()
            if place.cell.one_at_a_time:
                break
    yield


@contextlib.contextmanager
def never_reads(place: Place) -> Iterator[None]:
    """It asks and asks until every buffer on the way is full, and stays like that."""
    with place.talk() as talk:
        talk.conn.settimeout(0.05)
        with pytest.raises(TimeoutError):
            _ask_without_end(talk)
        yield


def _ask_without_end(talk: Talk) -> None:
    """It returns only where the server takes everything, and holds it."""
    for _ in range(_ENDLESS):
        talk.conn.sendall(talk.said(*_WORDS))


MISDEEDS: Final[tuple[Misdeed, ...]] = (
    resets_before_it_is_accepted,
    connects_and_closes,
    resets_in_the_middle,
    says_nothing,
    stops_in_the_middle,
    sends_garbage,
    closes_with_answers_on_their_way,
    never_reads,
)
