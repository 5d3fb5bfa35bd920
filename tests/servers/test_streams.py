"""What every server of connections does for good clients, in every cell."""

import hashlib
import select
import socket

from services.protocol.framed_client import Answer
from tests.servers.cells import STREAM_STYLES, STREAMS, TCP4, cells, in_cells, of
from tests.servers.places import Place
from tests.servers.talks import Frames, exchange, finish, rest_of, sending

FRAMED = of("framed")
AT_ONCE = [cell for cell in STREAMS if not cell.one_at_a_time]
IN_TURN = [cell for cell in STREAMS if cell.one_at_a_time]
MANY = [f"{number:04}" + 3996 * "." for number in range(750)]
"""3 MB of words: more than all buffers on the way of AF_UNIX, and than what one call gives on any."""


@in_cells(STREAMS, always=True)
def test_messages_are_found_whatever_the_segments(place: Place) -> None:
    with place.talk() as talk:
        exchange(talk, "one")
        exchange(talk, "two", "three", "", "five")  # in one segment
        for byte in talk.said("sïx", "seven"):
            talk.conn.sendall(bytes((byte,)))
        talk.hear("sïx", "seven")
        finish(talk.conn)


@in_cells(STREAMS)
def test_a_half_close_gives_everything_back(place: Place) -> None:
    with place.talk() as talk:
        with sending(talk.conn, [talk.said(*MANY)]):
            talk.hear(*MANY)
        assert talk.conn.recv(1) == b""


@in_cells(AT_ONCE)
def test_clients_are_served_at_once(place: Place) -> None:
    with place.talk() as one, place.talk() as two, place.talk() as three:
        for word in ("a", "b"):
            for talk in (three, one, two):
                exchange(talk, word)
        finish(two.conn)
        exchange(three, "c")
        exchange(one, "d")


@in_cells(IN_TURN)
def test_the_second_client_waits_in_the_backlog(place: Place) -> None:
    with place.talk() as first:
        exchange(first, "one")
        with place.connect() as second:
            second.sendall(b"bye\n" if place.cell.protocol != "framed" else b"not a frame")
            assert not select.select([second], [], [], 0.1)[0]  # connected, and nobody serves it
            exchange(first, "two")
            finish(first.conn)
            second.shutdown(socket.SHUT_WR)
            assert rest_of(second)


@in_cells(STREAMS)
def test_nothing_said_gives_nothing_back(place: Place) -> None:
    with place.connect() as conn:
        finish(conn)


@in_cells(of("chat"))
def test_bye_ends_a_chat(place: Place) -> None:
    with place.connect() as conn:
        conn.sendall(b"hola\nbye\nnot heard\n")
        assert rest_of(conn) == b"hola\nbye\n"


@in_cells(FRAMED)
def test_answers_overtake_a_late_one(place: Place) -> None:
    with place.talk() as talk:
        assert isinstance(talk, Frames)
        late, frame = talk.client.request({"op": "wait", "seconds": 0.1, "value": "late"})
        soon, other = talk.client.request({"op": "echo", "value": "soon"})
        talk.conn.sendall(frame + other)
        talk.conn.shutdown(socket.SHUT_WR)  # what was asked before is still answered
        answers = [talk.next_event(), talk.next_event()]
        assert [(answer.id, answer.payload) for answer in answers if isinstance(answer, Answer)] == [
            (soon, {"value": "soon"}),
            (late, {"value": "late"}),
        ]
        assert talk.conn.recv(1) == b""


@in_cells(cells(STREAM_STYLES, [TCP4], ["echo"]))
def test_a_half_close_gives_100_mb_back(place: Place) -> None:
    block, blocks = bytes(range(256)) * 4096, 100
    expected, seen = hashlib.blake2b(), hashlib.blake2b()
    for _ in range(blocks):
        expected.update(block)
    with place.connect() as conn, sending(conn, [block] * blocks):
        while part := conn.recv(len(block)):
            seen.update(part)
    assert seen.digest() == expected.digest()
