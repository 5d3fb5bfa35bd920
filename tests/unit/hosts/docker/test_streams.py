"""Frames taken apart, and a stream's ends."""

import socket
import struct
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketlab.errors import EndedError
from socketlab.hosts.docker.streams import STDERR, STDOUT, Demux, ExecStream


def frame(stream: int, payload: bytes) -> bytes:
    """As the engine writes it."""
    return struct.pack(">BxxxL", stream, len(payload)) + payload


@given(
    st.lists(st.tuples(st.sampled_from([STDOUT, STDERR]), st.binary(max_size=40)), max_size=8),
    st.lists(st.integers(1, 30), max_size=40),
)
def test_frames_cut_anywhere(frames: list[tuple[int, bytes]], cuts: list[int]) -> None:
    data = b"".join(frame(*each) for each in frames)
    demux = Demux()
    parts: list[tuple[int, bytes]] = []
    for cut in cuts:
        parts += demux.feed(data[:cut])
        data = data[cut:]
    parts += demux.feed(data)
    for stream in (STDOUT, STDERR):
        expected = b"".join(payload for which, payload in frames if which == stream)
        assert b"".join(payload for which, payload in parts if which == stream) == expected


@pytest.fixture
def ends() -> Iterator[tuple[ExecStream, socket.socket]]:
    """A stream, and the engine's end of it."""
    near, far = socket.socketpair()
    stream = ExecStream("server", near, frame(STDOUT, b"first"))
    with far:
        yield stream, far
        stream.close()


def test_what_came_with_the_header_is_not_lost(ends: tuple[ExecStream, socket.socket]) -> None:
    stream, far = ends
    assert stream.receive(0) == b"first"
    far.sendall(frame(STDOUT, b"second"))
    assert stream.receive(5) == b"second"


def test_nothing_in_time(ends: tuple[ExecStream, socket.socket]) -> None:
    stream, far = ends
    stream.receive(0)
    far.sendall(frame(STDERR, b"not this") + frame(STDOUT, b"")[:5])
    with pytest.raises(TimeoutError):
        stream.receive(0.05)


def test_waiting_takes_nothing_away(ends: tuple[ExecStream, socket.socket]) -> None:
    stream, _far = ends
    stream.wait(5)
    assert stream.receive(0) == b"first"
    with pytest.raises(TimeoutError):
        stream.wait(0.01)


def test_last_words_are_kept_and_bounded(ends: tuple[ExecStream, socket.socket]) -> None:
    stream, far = ends
    far.sendall(frame(STDERR, b"x" * 9000 + b" the end") + frame(STDOUT, b"out"))
    far.close()
    assert stream.receive(5) == b"first"
    assert stream.receive(5) == b"out"
    assert stream.receive(5) == b""
    assert stream.last_words.endswith("the end")
    assert len(stream.last_words) <= 4096
    with pytest.raises(EndedError, match="the end"):
        stream.send(b"anything")


def test_end_is_told_again_and_again(ends: tuple[ExecStream, socket.socket]) -> None:
    stream, far = ends
    far.close()
    assert [stream.receive(5) for _ in range(3)] == [b"first", b"", b""]


def test_close_wakes_who_waits(ends: tuple[ExecStream, socket.socket]) -> None:
    stream, _far = ends
    stream.receive(0)
    received: list[bytes] = []
    waiting = threading.Thread(target=lambda: received.append(stream.receive(None)))
    waiting.start()
    stream.close()
    waiting.join(10)
    assert received == [b""]
    stream.close()
    with pytest.raises(EndedError):
        stream.send(b"anything")


def test_close_wakes_who_sends(ends: tuple[ExecStream, socket.socket]) -> None:
    stream, far = ends
    ended = threading.Event()

    def send() -> None:
        with pytest.raises(EndedError):
            stream.send(bytes(1 << 24))
        ended.set()

    sending = threading.Thread(target=send)
    sending.start()
    far.recv(1)
    stream.close()
    sending.join(10)
    assert ended.is_set()


def test_much_goes_through_whole(ends: tuple[ExecStream, socket.socket]) -> None:
    stream, far = ends
    payload = bytes(range(256)) * 4000
    sending = threading.Thread(target=stream.send, args=(payload,))
    sending.start()
    received = b""
    while len(received) < len(payload):
        received += far.recv(1 << 16)
    sending.join(10)
    assert received == payload
