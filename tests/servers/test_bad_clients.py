"""Bad clients, in every cell: whatever one does, the others are served before, meanwhile and afterwards."""

import contextlib
import errno
import socket
from collections.abc import Iterator

import pytest

from services.protocol.framed_client import Ended, Refused
from services.protocol.framing import HEADER, LIMITS, MAGIC, VERSION, Kind, frame
from tests.servers.cells import PACKETS, STREAMS, in_cells, of
from tests.servers.misdeeds import MISDEEDS, Misdeed
from tests.servers.places import Place
from tests.servers.talks import Frames, exchange, finish, rest_of, send

_SO_SNDBUFFORCE = 32
"""A send buffer above net.core.wmem_max, for who may (socket(7)); the `socket` module has no name for it."""
OFFENCES = {
    "bad-magic": b"GET / HTTP/1.0\r\nHost: here\r\n\r\n",
    "bad-version": HEADER.pack(MAGIC, VERSION + 1, Kind.HELLO, 0, 0, 2, 0) + b"{}",
    "payload-too-large": HEADER.pack(MAGIC, VERSION, Kind.HELLO, 0, 0, LIMITS.payload + 1, 0),
    "unexpected-type": frame(Kind.REQUEST, 1, b'{"op":"count"}', 0),
}
"""What a session must not begin with, by the code of the answer."""


@contextlib.contextmanager
def watched(place: Place) -> Iterator[None]:
    """Good clients before, during and after what happens within; one at a time: not during."""
    if place.cell.one_at_a_time:
        good_client(place)
        yield
    else:
        with place.talk() as witness:
            exchange(witness, "before")
            yield
            exchange(witness, "after")
            finish(witness.conn)
    good_client(place)


def good_client(place: Place) -> None:
    with place.talk() as talk:
        exchange(talk, "one", "two")
        finish(talk.conn)


@in_cells(STREAMS)
@pytest.mark.parametrize("misdeed", MISDEEDS, ids=lambda misdeed: misdeed.__name__)
def test_a_bad_client_hurts_nobody_else(place: Place, misdeed: Misdeed) -> None:
    with watched(place), misdeed(place):
        if not place.cell.one_at_a_time:
            good_client(place)


@in_cells(STREAMS)
def test_a_half_open_client_that_goes_on_is_served(place: Place) -> None:
    """It has said half a word and closed nothing: it is only slow."""
    with place.talk() as slow:
        said = slow.said("slow")
        slow.conn.sendall(said[:2])
        if not place.cell.one_at_a_time:
            good_client(place)
        slow.conn.sendall(said[2:])
        slow.hear("slow")
        finish(slow.conn)


@in_cells(of("framed"))
@pytest.mark.parametrize(("code", "offence"), OFFENCES.items(), ids=OFFENCES)
def test_who_breaks_the_framing_is_told_why(place: Place, code: str, offence: bytes) -> None:
    with watched(place), place.connect() as conn:
        talk = Frames(conn)
        talk.client.hello()
        conn.sendall(offence)
        refused = talk.next_event()
        assert isinstance(refused, Refused)
        assert (refused.id, refused.code) == (None, code)
        assert isinstance(talk.next_event(), Ended)
        assert rest_of(conn) == b""  # a FIN, and no RST behind it


@in_cells(of("framed"))
def test_who_breaks_the_framing_with_much_unread_is_told_why(place: Place) -> None:
    with watched(place), place.talk() as talk:
        assert isinstance(talk, Frames)
        send(talk.conn, b"not a frame" + bytes(200_000))
        refused = talk.next_event()
        assert isinstance(refused, Refused)
        assert refused.code == "bad-magic"
        assert rest_of(talk.conn) == b""


@in_cells(of("chat"))
@pytest.mark.parametrize(
    ("offence", "told"),
    [(b"\xff\n", b"UTF-8"), (b"x" * 5000, b"4096"), (b"x" * 200_000 + b"\n", b"4096")],
    ids=["not-utf8", "no-line-end", "long-and-unread"],
)
def test_who_breaks_the_chat_is_told_why(place: Place, offence: bytes, told: bytes) -> None:
    with watched(place), place.connect() as conn:
        send(conn, b"before\n" + offence)
        before, complaint, rest = rest_of(conn).split(b"\n")
        assert before == b"before"
        assert told in complaint
        assert rest == b""


@in_cells([cell for cell in STREAMS if cell.way is PACKETS])
def test_an_empty_record_says_nothing(place: Place) -> None:
    with watched(place), place.talk() as talk:
        talk.conn.send(b"")
        exchange(talk, "one")
        talk.conn.send(b"")
        exchange(talk, "two")
        finish(talk.conn)


@in_cells([cell for cell in STREAMS if cell.way is PACKETS])
def test_a_record_longer_than_is_taken_ends_its_sender_only(place: Place) -> None:
    with watched(place), place.talk() as talk:
        with contextlib.suppress(PermissionError):
            talk.conn.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, 4 * 1024 * 1024)
        try:
            talk.conn.send(bytes(1024 * 1024 + 1))
        except OSError as error:
            if error.errno != errno.EMSGSIZE:
                raise
            pytest.skip("this machine lets us send no record so long: see net.core.wmem_max")
        assert rest_of(talk.conn) == b""
