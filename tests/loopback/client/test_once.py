"""One conversation, with real sockets."""

import itertools
import os
import re
import socket
import threading

import pytest

from socketlab.wire import Happened, Limits, Outcome, Raised, Returned, decode
from tests.loopback.client.programs import Run, Serve, Start, echo


def outcomes(stdout: bytes) -> list[Outcome]:
    told = []
    for line in stdout.splitlines():
        message = decode(line, Limits(line=128 * 1024))
        assert isinstance(message, Happened)
        assert message.event.outcome is not None
        told.append(message.event.outcome)
    return told


def names(told: list[Outcome]) -> list[str]:
    return [outcome.call.partition("(")[0] for outcome in told]


def test_tcp_echo_by_half_close(client: Run, serve: Serve) -> None:
    done = client("once", "tcp", "127.0.0.1", str(serve(echo).port), "--send", "hola\n")

    assert (done.returncode, done.stdout, done.stderr) == (0, b"hola\n", b"")


def test_every_call_is_told_as_json(client: Run, serve: Serve) -> None:
    port = serve(echo).port

    done = client("once", "tcp", "127.0.0.1", str(port), "--send", "hola", "--json")

    told = outcomes(done.stdout)
    assert done.returncode == 0
    assert names(told) == ["getaddrinfo", "socket", "connect", "sendall", "shutdown", "recv", "recv"]
    assert told[0].result == Returned("127.0.0.1")
    assert told[2].call == f"connect(('127.0.0.1', {port}))"
    assert [outcome.result for outcome in told[-2:]] == [Returned(b"hola"), Returned(b"")]
    assert all(before.ended_ns <= after.started_ns for before, after in itertools.pairwise(told))


def test_more_than_all_buffers_hold_comes_back_whole(client: Run, serve: Serve) -> None:
    data = os.urandom(16 * 1024 * 1024)

    done = client("once", "tcp", "127.0.0.1", str(serve(echo).port), send=data)

    assert done.returncode == 0
    assert done.stdout == data


def test_nothing_to_send_is_a_conversation_too(client: Run, serve: Serve) -> None:
    done = client("once", "tcp", "127.0.0.1", str(serve(lambda peer: peer.sendall(b"welcome")).port))

    assert (done.returncode, done.stdout) == (0, b"welcome")


def test_what_came_before_an_error_has_been_delivered(client: Run, serve: Serve) -> None:
    def half_an_answer(peer: socket.socket) -> None:
        peer.recv(4)
        peer.sendall(b"half")
        over.wait(30)

    over = threading.Event()
    done = client(
        "once", "tcp", "127.0.0.1", str(serve(half_an_answer).port), "--send", "ask", "--timeout", "0.5"
    )
    over.set()

    assert done.returncode == 1
    assert done.stdout == b"half"
    assert b"recv(" in done.stderr
    assert b"TimeoutError, own timer" in done.stderr


def test_refused_says_exception_errno_and_meaning(client: Run, free_port: int) -> None:
    done = client("once", "tcp", "127.0.0.1", str(free_port), "--send", "x")

    assert (done.returncode, done.stdout) == (1, b"")
    for part in (b"connect(", b"ConnectionRefusedError ECONNREFUSED", b"ms", b"nobody listens"):
        assert part in done.stderr


def test_refused_in_spanish_on_a_console_without_utf8(client: Run, free_port: int) -> None:
    spanish = client("once", "tcp", "127.0.0.1", str(free_port), env={"LANG": "es_ES.UTF-8"})
    plain = client("once", "tcp", "127.0.0.1", str(free_port), env={"LC_ALL": "es_ES"})

    assert "está activo" in spanish.stderr.decode()
    assert b"esta activo" in plain.stderr
    assert plain.stderr.isascii()


def test_a_udp_socket_that_is_connected_is_told_of_a_closed_port(client: Run) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    done = client("once", "udp", "127.0.0.1", str(port), "--send", "x", "--json")

    told = outcomes(done.stdout)
    assert done.returncode == 1
    assert names(told) == ["getaddrinfo", "socket", "connect", "send", "recv"]
    assert told[-1].result == Raised(
        "ConnectionRefusedError", "ECONNREFUSED", "[Errno 111] Connection refused"
    )


@pytest.mark.parametrize("size", [0, 1, 65507])
def test_udp_echo_of_one_datagram(client: Run, udp_echo: int, size: int) -> None:
    data = os.urandom(size)

    done = client("once", "udp", "127.0.0.1", str(udp_echo), "--recverr", "--json", send=data)

    told = outcomes(done.stdout)
    assert done.returncode == 0
    assert names(told) == ["getaddrinfo", "socket", "setsockopt", "connect", "send", "recv"]
    assert told[-1].result == Returned(data)


def test_a_datagram_that_is_too_large_is_refused_by_the_kernel(client: Run, udp_echo: int) -> None:
    done = client("once", "udp", "127.0.0.1", str(udp_echo), send=bytes(65508))

    assert done.returncode == 1
    assert b"EMSGSIZE" in done.stderr


def test_a_name_that_does_not_resolve(client: Run) -> None:
    done = client("once", "tcp", "nobody.invalid", "7000", "--send", "x", "--json")

    (told,) = outcomes(done.stdout)
    assert done.returncode == 1
    assert isinstance(told.result, Raised)
    assert told.result.exception == "gaierror"
    assert told.result.errno in {"EAI_NONAME", "EAI_AGAIN"}


def test_a_name_that_no_resolver_can_be_asked_for(client: Run) -> None:
    done = client("once", "tcp", "x" * 64 + ".invalid", "7000", "--send", "x")

    assert done.returncode == 1
    assert re.search(rb"Unicode(Encode)?Error", done.stderr)  # the subclass from Python 3.13 on
    assert b"Traceback" not in done.stderr


def test_hold_stays_until_the_peer_ends_it(start: Start, serve: Serve) -> None:
    killed = threading.Event()

    def echo_until_killed(peer: socket.socket) -> None:
        peer.sendall(peer.recv(100))
        killed.wait(30)

    port = serve(echo_until_killed).port
    held = start(
        "services.client",
        "once",
        "tcp",
        "127.0.0.1",
        str(port),
        "--send",
        "x",
        "--hold",
        "--json",
        "--timeout",
        "25",
    )
    first = [held.line() for _ in range(5)]  # the echo is told while the connection stands
    killed.set()
    last = held.line()

    told = outcomes("\n".join((*first, last)).encode())
    assert names(told) == ["getaddrinfo", "socket", "connect", "sendall", "recv", "recv"]
    assert [outcome.result for outcome in told[-2:]] == [Returned(b"x"), Returned(b"")]
    assert held.process.wait(30) == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("once", "tcp", "127.0.0.1", "0"),
        ("once", "tcp", "127.0.0.1", "65536"),
        ("once", "tcp", "127.0.0.1", "\uff17\uff10\uff10\uff10"),
        ("once", "sctp", "127.0.0.1", "7000"),
        ("once", "tcp", "127.0.0.1", "7000", "--timeout", "0"),
        ("once", "tcp", "127.0.0.1", "7000", "--timeout", "nan"),
        ("once", "tcp", "127.0.0.1", "7000", "--timeout", "1", "--blocking"),
        ("heartbeat", "--target", "tcp:7000"),
        ("heartbeat", "--target", "sctp:server:7000"),
        (),
    ],
)
def test_usage_is_2(client: Run, arguments: tuple[str, ...]) -> None:
    done = client(*arguments)

    assert done.returncode == 2
    assert done.stdout == b""
    assert b"usage:" in done.stderr


def test_debug_logs_every_call(client: Run, serve: Serve) -> None:
    done = client("once", "tcp", "127.0.0.1", str(serve(echo).port), "--send", "{not} a format", "--debug")

    assert (done.returncode, done.stdout) == (0, b"{not} a format")
    assert b"connect(('127.0.0.1'" in done.stderr
