"""The chat server: lines of UTF-8, `bye`, and peers that break the protocol."""

import itertools
import json
import socket

import pytest

from tests.loopback.conftest import Connect
from tests.loopback.running import Server, read_to_end, served


def segmentations(data: bytes) -> list[list[bytes]]:
    """Every way to cut `data` into segments."""
    places = range(1, len(data))
    cuts = itertools.chain.from_iterable(itertools.combinations(places, count) for count in range(len(data)))
    return [[data[start:end] for start, end in itertools.pairwise((0, *cut, len(data)))] for cut in cuts]


@pytest.mark.parametrize("segments", segmentations("é\nbye\n".encode()), ids=str)
def test_bye_ends_it_whatever_the_segmentation(chat: Server, segments: list[bytes]) -> None:
    with socket.create_connection(("127.0.0.1", chat.port("chat")), timeout=10) as conn:
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for segment in segments:
            conn.sendall(segment)
        assert read_to_end(conn) == "é\nbye\n".encode()


def test_crlf_is_a_line_end_too(chat: Server, connect: Connect) -> None:
    conn = connect(chat.port("chat"))
    conn.sendall(b"hola\r\nbye\r\n")
    assert read_to_end(conn) == b"hola\nbye\n"


def test_half_close_answers_what_was_said(chat: Server, connect: Connect) -> None:
    conn = connect(chat.port("chat"))
    conn.sendall(b"one\ntwo")
    conn.shutdown(socket.SHUT_WR)
    assert read_to_end(conn) == b"one\ntwo\n"


@pytest.mark.parametrize(
    ("offence", "told"),
    [(b"\xff\n", b"UTF-8"), (b"x" * 5000, b"4096"), (b"x" * 500_000 + b"\n", b"4096")],
    ids=["not-utf8", "no-line-end", "long-and-unread"],
)
def test_an_offender_gets_its_answers_then_one_line_and_the_end(
    chat: Server, connect: Connect, offence: bytes, told: bytes
) -> None:
    conn = connect(chat.port("chat"))
    conn.sendall(b"before\n" + offence)
    answer = read_to_end(
        conn
    )  # and no ConnectionResetError, though much of it was never read by the protocol
    before, complaint, rest = answer.split(b"\n")
    assert before == b"before"
    assert told in complaint
    assert rest == b""


def test_a_peer_cannot_write_the_log() -> None:
    hostile = b'{0}%s{peer}"\x1b[31m\xff\n'
    with served("--protocol", "chat", "--log-level", "debug") as server:
        with socket.create_connection(("127.0.0.1", server.port("chat")), timeout=10) as conn:
            conn.sendall(hostile)
            read_to_end(conn)
        event = server.wait_for("disconnected")  # every line up to it was one JSON object
        assert event["peer"].startswith("127.0.0.1:")
        assert r"\x1b" in event["why"]
        assert "\x1b" not in json.dumps(event, ensure_ascii=False)
