"""A call becomes an outcome."""

import errno
import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.client.calls import ToldSocket, attempt, errno_name, of_call, perform, shown
from socketlab.wire import Happened, Outcome, Raised, Returned, Value, decode, encode


def fails(error: Exception) -> Outcome:
    def call() -> Value:
        raise error

    return attempt("connect(...)", call)


def test_a_call_that_returns() -> None:
    outcome = attempt("recv(10)", lambda: b"data")

    assert outcome.call == "recv(10)"
    assert outcome.result == Returned(b"data")
    assert 0 <= outcome.started_ns <= outcome.ended_ns


@pytest.mark.parametrize(
    ("error", "exception", "name"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "ConnectionRefusedError", "ECONNREFUSED"),
        (OSError(errno.EHOSTUNREACH, "no route"), "OSError", "EHOSTUNREACH"),
        (OSError(98765, "an errno that nobody knows"), "OSError", "98765"),
        (TimeoutError("timed out"), "TimeoutError", None),
        (TimeoutError(errno.ETIMEDOUT, "the kernel gave up"), "TimeoutError", "ETIMEDOUT"),
        (socket.gaierror(socket.EAI_NONAME, "unknown"), "gaierror", "EAI_NONAME"),
        (socket.gaierror(socket.EAI_AGAIN, "again"), "gaierror", "EAI_AGAIN"),
        (UnicodeError("label too long"), "UnicodeError", None),
    ],
)
def test_a_call_that_raises(error: Exception, exception: str, name: str | None) -> None:
    assert fails(error).result == Raised(exception, name, str(error))


def test_no_errno_is_taken_for_one_of_the_resolver() -> None:
    assert errno_name(OSError(errno.EIO, "5")) == "EIO"
    assert errno_name(socket.gaierror(-errno.EIO, "-5")) != "EIO"


def test_a_mistake_of_ours_is_no_outcome() -> None:
    with pytest.raises(ZeroDivisionError):
        attempt("recv()", lambda: 1 // 0)


def test_perform_tells_before_it_raises() -> None:
    told: list[Outcome] = []

    def call() -> None:
        raise BrokenPipeError(errno.EPIPE, "broken")

    with pytest.raises(BrokenPipeError):
        perform("sendall(b'x')", call, told.append)

    assert [of_call("once", outcome).name for outcome in told] == ["once.sendall"]
    assert of_call("once", told[0]).phase == "failed"


def test_a_socket_tells_each_call_in_order() -> None:
    told: list[Outcome] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        with ToldSocket(socket.AF_INET, socket.SOCK_STREAM, told.append, 5, {"here": "127.0.0.1"}) as sock:
            sock.connect(("here", port))
            peer, _ = listener.accept()
            with peer:
                sock.sendall(b"a" * 100)
                sock.shutdown()
                while peer.recv(1000):
                    pass
                peer.sendall(b"one")
                peer.sendall(b"two")
            assert sock.recv_to_end() == b"onetwo"

    assert [outcome.call for outcome in told] == [
        "socket(AF_INET, SOCK_STREAM)",
        f"connect(('here', {port}))",
        f"sendall({b'a' * 24!r}... 100 bytes)",
        "shutdown(SHUT_WR)",
        "recv() until b''",
    ]
    assert isinstance(told[0].result, Returned)
    assert str(told[0].result.value).startswith("<socket fd=")


@given(st.binary(max_size=200))
def test_bytes_are_shown_in_ascii_and_never_long(data: bytes) -> None:
    text = shown(data)

    assert text.isascii()
    assert text.isprintable()
    assert len(text) <= 24 * 4 + 20


def test_the_event_of_a_call_crosses_the_wire() -> None:
    event = of_call("once", attempt("recv(10)", lambda: os.urandom(10)))

    assert decode(encode(Happened(event))) == Happened(event)
