"""The load generator, against real servers, and against those that misbehave."""

import argparse
import itertools
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from services.client.load.arguments import add, plan_of
from services.client.load.program import exit_code, measure
from tests.loopback.client.programs import PATIENCE, ROOT, Run, Serve, Start, environment
from tests.loopback.client.programs import echo as echoes
from tests.loopback.running import Server, served

Loaded = tuple[int, dict[str, Any]]
Udp = Callable[[Callable[[bytes, int], list[bytes]]], int]


def load(*arguments: object) -> Loaded:
    """Run it in this process: its exit code, and what it would tell with --json."""
    parser = argparse.ArgumentParser()
    add(parser.add_subparsers(), argparse.ArgumentParser(add_help=False))
    options = parser.parse_args(["load", *map(str, arguments)])
    options.json = True
    result = measure(plan_of(options))
    return exit_code(result), json.loads(json.dumps(result.plain()))


@pytest.fixture
def udp() -> Iterator[Udp]:
    """A UDP server that answers each datagram with those that its handler gives; its port.

    The handler is given the datagram, and how many came before.
    """
    over = threading.Event()
    threads = []

    def begin(handler: Callable[[bytes, int], list[bytes]]) -> int:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]

        def answer() -> None:
            numbers = itertools.count()
            with sock:
                while not over.is_set():
                    if select.select([sock], [], [], 0.1)[0]:
                        data, peer = sock.recvfrom(65536)
                        for each in handler(data, next(numbers)):
                            sock.sendto(each, peer)

        threads.append(threading.Thread(target=answer))
        threads[-1].start()
        return port

    yield begin
    over.set()
    for thread in threads:
        thread.join()


@pytest.fixture(scope="module")
def echo_server() -> Iterator[Server]:
    with served("--style", "epoll", "--transport", "both") as server:
        yield server


@pytest.fixture(scope="module")
def framed_server() -> Iterator[Server]:
    with served("--style", "epoll", "--protocol", "framed", "--transport", "both") as server:
        yield server


def all_answered(loaded: Loaded, count: int) -> dict[str, Any]:
    code, told = loaded
    assert told["errors"] == []
    assert told["requests"] == dict.fromkeys(told["requests"], 0) | {"begun": count, "answered": count}
    assert code == 0
    return told


def accounted(told: dict[str, Any]) -> bool:
    """Whether every request that was begun ended somehow."""
    requests = told["requests"]
    ends = ("answered", "mismatched", "timed_out", "cut")
    return bool(requests["begun"] == sum(requests[name] for name in ends) and not requests["unfinished"])


def errors(told: dict[str, Any]) -> dict[str, int]:
    return {f"{each['call']} {each['what']}": each["count"] for each in told["errors"]}


SHAPES = [
    ["--connections", 1],
    ["--connections", 20],
    ["--connections", 5, "--in-flight", 7],
    ["--connections", 3, "--rate", 1000],
    ["--connections", 3, "--in-flight", 4, "--rate", 2000],
    ["--connections", 50, "--size", 8],
]
STREAM_SHAPES = [
    ["--connections", 4, "--reconnect"],
    ["--connections", 4, "--reconnect", "--rate", 500],
]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize(
    "shape",
    [
        *SHAPES,
        *STREAM_SHAPES,
        ["--connections", 2, "--size", 1],
        ["--connections", 2, "--size", 300_000],
        ["--connections", 3, "--in-flight", 5, "--size", 70_000],
    ],
    ids=lambda shape: " ".join(map(str, shape)),
)
def test_tcp_echo(echo_server: Server, host: str, shape: list[object]) -> None:
    told = all_answered(load("tcp", host, echo_server.port("echo"), "--count", 301, *shape), 301)

    assert told["connections"] == {
        "opened": 301 if "--reconnect" in shape else shape[1],
        "refused": 0,
        "failed": 0,
    }
    latency = list(told["latency_ns"].values())
    assert latency == sorted(latency)
    assert 0 < latency[0] <= latency[-1] < told["seconds"] * 1e9 * 1.001


def test_more_than_the_kernel_takes_at_once(serve: Serve) -> None:
    def slow(connection: socket.socket) -> None:
        time.sleep(0.3)  # so long nothing is read: all buffers on the way fill
        echoes(connection)

    size = 12 * 1024 * 1024
    told = all_answered(load("tcp", "127.0.0.1", serve(slow).port, "--size", size, "--count", 6), 6)

    assert told["latency_ns"]["max"] >= 0.2e9
    assert told["bytes_per_second"] == pytest.approx(size * 6 / told["seconds"])


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: " ".join(map(str, shape)))
def test_udp_echo(echo_server: Server, shape: list[object]) -> None:
    port = echo_server.port("echo", "udp")

    told = all_answered(load("udp", "127.0.0.1", port, "--count", 301, *shape), 301)
    assert told["datagrams"] == {"late": 0, "duplicates": 0}


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize(
    "shape",
    [
        ["--connections", 5, "--in-flight", 7],
        ["--rate", 1000, "--size", 0],
        ["--size", 50_000, "--connections", 1],
    ],
    ids=lambda shape: " ".join(map(str, shape)),
)
def test_framed(framed_server: Server, transport: str, shape: list[object]) -> None:
    port = framed_server.port("framed", transport)

    all_answered(load(transport, "127.0.0.1", port, "--protocol", "framed", "--count", 301, *shape), 301)


@pytest.mark.parametrize("shape", STREAM_SHAPES, ids=lambda shape: " ".join(map(str, shape)))
def test_a_framed_session_for_each_request(framed_server: Server, shape: list[object]) -> None:
    port = framed_server.port("framed")

    told = load("tcp", "127.0.0.1", port, "--protocol", "framed", "--count", 101, *shape)
    assert all_answered(told, 101)["connections"]["opened"] == 101


@pytest.mark.parametrize("kind", ["stream", "dgram", "seqpacket"])
@pytest.mark.parametrize("protocol", ["echo", "framed"])
def test_unix_sockets(tmp_path: Path, kind: str, protocol: str) -> None:
    path = f"@load-{uuid.uuid4().hex}" if protocol == "echo" else str(tmp_path / "socket")
    style = ["--style", "threaded"] if kind != "dgram" else []
    with served("--transport", f"unix-{kind}", "--path", path, "--protocol", protocol, *style):
        asked = [kind, "--unix", path, "--protocol", protocol, "--count", 301, "--connections", 5]
        told = all_answered(load(*asked, "--in-flight", 3), 301)
        # One at a time: what nobody has read yet of larger datagrams does not fit in their sender's buffer.
        all_answered(load(*asked[:-1], 1, "--size", 50_000), 301)

    assert told["target"] == path
    assert told["plan"]["transport"] == f"unix-{kind}"


def test_more_unix_datagrams_than_the_server_has_room_for() -> None:
    path = f"@load-{uuid.uuid4().hex}"
    with served("--transport", "unix-dgram", "--path", path):
        # net.unix.max_dgram_qlen is 10 by default: then write() gives EAGAIN until the server has read.
        told = all_answered(load("dgram", "--unix", path, "--count", 3001, "--connections", 60), 3001)

    assert told["connections"]["opened"] == 60


def test_a_closed_loop_for_some_time_after_a_warm_up(serve: Serve) -> None:
    received = []

    def count(connection: socket.socket) -> None:
        while data := connection.recv(65536):
            received.append(len(data))
            connection.sendall(data)

    port = serve(count).port
    arguments = ["tcp", "127.0.0.1", port, "--connections", 3, "--warm-up", 0.3, "--duration", 0.5]
    code, told = load(*arguments)

    assert code == 0
    assert told["seconds"] >= 0.5
    assert told["connections"]["opened"] == 3
    answered = told["requests"]["answered"]
    assert told["requests_per_second"] == pytest.approx(answered / told["seconds"])
    assert told["bytes_per_second"] == pytest.approx(64 * answered / told["seconds"])
    assert sum(received) > 64 * answered  # the warm-up's too
    assert told["notes"] == ["closed-loop"] or "own-limit" in told["notes"]


def test_the_report_and_the_progress(client: Run, serve: Serve) -> None:
    port = str(serve(echoes).port)

    done = client("load", "tcp", "127.0.0.1", port, "--duration", "2.5", "--connections", "2")
    quiet = client("load", "tcp", "127.0.0.1", port, "--count", "10", "--no-progress")
    spanish = client("load", "tcp", "127.0.0.1", port, "--count", "10", env={"LANG": "es_ES.UTF-8"})

    assert done.returncode == quiet.returncode == spanish.returncode == 0
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 2
    assert all(re.search(r" \d\.\d s  [\d ]+ requests/s  answered: ", line) for line in lines)
    told = done.stdout.decode()
    assert told.startswith(f"tcp 127.0.0.1:{port}: echo of 64 bytes, connections: 2, in flight on each: 1,")
    assert re.search(r"^requests +([\d ]+) of \1 answered$", told, re.MULTILINE)
    assert "errors       none" in told
    assert quiet.stderr == b""
    assert "10 de 10 respondidas" in spanish.stdout.decode()


def test_on_a_terminal_the_progress_is_redrawn(serve: Serve) -> None:
    port = str(serve(echoes).port)
    terminal, stderr = os.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "services.client", "load", "tcp", "127.0.0.1", port, "--duration", "2.5"],
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd=ROOT,
            env=environment(),
            timeout=PATIENCE,
            check=True,
        )
        shown = os.read(terminal, 4096)
    finally:
        os.close(stderr)
        os.close(terminal)

    assert b"\n" not in shown
    *lines, blank = [line for line in shown.split(b"\r") if line]
    assert lines  # one a second; on a busy machine one may be all
    assert all(b"answered: " in line for line in lines)
    assert blank.strip() == b""
    assert b"answered\n" in done.stdout


def test_json_has_progress_when_it_is_asked_for(client: Run, serve: Serve) -> None:
    arguments = ["load", "tcp", "127.0.0.1", str(serve(echoes).port), "--duration", "1.5", "--json"]

    done, with_progress = client(*arguments), client(*arguments, "--progress")

    assert (done.returncode, done.stderr) == (0, b"")
    assert len(with_progress.stderr.splitlines()) == 1
    assert [json.loads(each.stdout)["type"] for each in (done, with_progress)] == ["load"] * 2


# ---- servers that misbehave ----


def silent(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def test_a_server_that_never_answers(serve: Serve) -> None:
    arguments = ["tcp", "127.0.0.1", serve(silent).port, "--connections", 2, "--in-flight", 3]
    code, told = load(*arguments, "--timeout", 0.4, "--duration", 2)

    assert code == 1
    assert accounted(told)
    assert told["requests"]["answered"] == 0
    # All requests of a connection were sent at once; then it is closed, and opened again.
    assert 6 <= told["requests"]["timed_out"] <= 6 * 5
    assert 4 <= told["connections"]["opened"] <= 2 * 6
    assert told["latency_ns"] is None
    assert told["cpu"]["share"] < 0.5


def test_a_server_that_answers_with_wrong_bytes(serve: Serve) -> None:
    def wrong(connection: socket.socket) -> None:
        for number in itertools.count(1):
            if not (data := bytearray(connection.recv(65536))):
                return
            if number == 10:
                data[-1] ^= 1
            connection.sendall(data)

    code, told = load("tcp", "127.0.0.1", serve(wrong).port, "--connections", 2, "--count", 100)

    assert code == 1
    assert accounted(told)
    # Nine answers of ten are right; then the stream cannot be trusted, and another is opened.
    assert told["requests"]["mismatched"] == errors(told)["recv mismatch"] >= 9
    assert told["requests"]["answered"] >= 81
    assert set(errors(told)) == {"recv mismatch"}


def test_a_server_that_says_more_than_it_was_asked(serve: Serve) -> None:
    def greet(connection: socket.socket) -> None:
        connection.sendall(b"220 ready\r\n")
        echoes(connection)

    code, told = load("tcp", "127.0.0.1", serve(greet).port, "--connections", 1, "--count", 3)

    assert code == 1
    assert told["requests"]["answered"] == 0
    assert errors(told)["recv mismatch"] >= 1


def test_a_server_that_resets(serve: Serve) -> None:
    def reset(connection: socket.socket) -> None:
        for _ in range(5):
            connection.sendall(connection.recv(65536))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    code, told = load("tcp", "127.0.0.1", serve(reset).port, "--connections", 2, "--count", 120)

    assert code == 1
    assert accounted(told)
    assert told["requests"]["answered"] >= 100 - 2 * 5
    assert told["requests"]["cut"] >= 18
    # Whether the kernel learns of it before or after our next call.
    assert set(errors(told)) <= {"recv ECONNRESET", "send EPIPE", "send ECONNRESET"}
    assert told["connections"]["opened"] >= 20


def test_a_server_that_closes(serve: Serve) -> None:
    def close(connection: socket.socket) -> None:
        connection.sendall(connection.recv(65536))
        connection.shutdown(socket.SHUT_WR)
        silent(connection)

    code, told = load("tcp", "127.0.0.1", serve(close).port, "--connections", 3, "--count", 60)

    assert code == 1
    assert accounted(told)
    assert 25 <= told["requests"]["answered"] <= 32
    assert set(errors(told)) == {"recv EOF"}


def test_a_new_connection_for_each_request_suits_a_server_that_closes(serve: Serve) -> None:
    def one(connection: socket.socket) -> None:
        connection.sendall(connection.recv(65536))

    port = serve(one).port

    all_answered(load("tcp", "127.0.0.1", port, "--connections", 3, "--count", 60, "--reconnect"), 60)


def test_a_server_that_goes_away_is_asked_again_with_pauses(serve: Serve) -> None:
    def leave(connection: socket.socket) -> None:
        for _ in range(20):
            connection.sendall(connection.recv(65536))
        peer.stop()

    peer = serve(leave)
    code, told = load("tcp", "127.0.0.1", peer.port, "--connections", 2, "--duration", 2)

    assert code == 1
    assert accounted(told)
    refused = told["connections"]["refused"]
    # 10, 20, 40 ... ms after each other, so 8 in the first 1.3 s, on each of both connections.
    assert 2 <= refused <= 2 * 12
    assert errors(told)["connect ECONNREFUSED"] == refused
    assert told["cpu"]["share"] < 0.5


def test_a_number_of_requests_cannot_be_sent_to_nobody(serve: Serve) -> None:
    def leave(connection: socket.socket) -> None:
        for _ in range(20):
            connection.sendall(connection.recv(65536))
        peer.stop()

    peer = serve(leave)
    arguments = ["tcp", "127.0.0.1", peer.port, "--connections", 1, "--count", 1000, "--timeout", 0.5]
    code, told = load(*arguments)

    assert code == 1
    requests = told["requests"]
    assert requests["answered"] == 20
    assert requests["begun"] + requests["unsent"] == 1000
    assert told["connections"]["refused"] >= 1


def test_nobody_at_all(client: Run, free_port: int) -> None:
    done = client("load", "tcp", "127.0.0.1", str(free_port), "--duration", "60")

    assert (done.returncode, done.stdout) == (1, b"")
    assert b"expected to connect to the server before the load begins" in done.stderr
    assert b"ECONNREFUSED" in done.stderr
    assert b"The host is up, and nobody listens" in done.stderr


def test_no_such_name(client: Run) -> None:
    done = client("load", "tcp", "no.invalid", "7000")

    assert (done.returncode, done.stdout) == (1, b"")
    assert b"getaddrinfo('no.invalid', 7000)" in done.stderr


def test_connections_that_the_backlog_has_no_room_for() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        code, told = load("tcp", "127.0.0.1", port, "--connections", 4, "--timeout", 0.4, "--duration", 1)

    assert code == 1
    assert accounted(told)
    assert errors(told)["connect timeout"] >= 1
    assert told["requests"]["timed_out"] >= 1
    assert told["requests"]["answered"] == 0


def test_another_protocol_than_framed(serve: Serve) -> None:
    port = serve(echoes).port

    code, told = load("tcp", "127.0.0.1", port, "--protocol", "framed", "--duration", 0.5)
    assert code == 1
    assert told["requests"]["begun"] == 0
    assert set(errors(told)) == {"handshake unexpected-type"}
    assert told["connections"]["failed"] == errors(told)["handshake unexpected-type"] < 200


def test_a_handshake_without_an_answer(serve: Serve) -> None:
    asked = ["tcp", "127.0.0.1", serve(silent).port, "--protocol", "framed", "--connections", 2]

    code, told = load(*asked, "--timeout", 0.3, "--duration", 0.5)
    new_code, new = load(*asked, "--timeout", 0.3, "--count", 4, "--reconnect")

    assert (code, new_code) == (1, 1)
    assert told["requests"]["begun"] == 0
    assert errors(told)["handshake timeout"] >= 2
    assert accounted(new)
    assert new["requests"]["timed_out"] == new["requests"]["begun"] == 4


def test_datagrams_of_which_every_tenth_is_dropped(udp: Udp) -> None:
    port = udp(lambda data, number: [] if number % 10 == 9 else [data])

    code, told = load("udp", "127.0.0.1", port, "--count", 200, "--timeout", 1, "--connections", 20)
    assert code == 1
    assert accounted(told)
    assert told["requests"]["timed_out"] == 20
    assert told["requests"]["answered"] == 180
    assert told["errors"] == []


def test_datagrams_that_come_twice(udp: Udp) -> None:
    code, told = load("udp", "127.0.0.1", udp(lambda data, _: [data, data]), "--count", 200)

    assert code == 0
    assert told["requests"]["answered"] == 200
    # The last one of each of the ten sockets nobody waits for.
    assert 190 <= told["datagrams"]["duplicates"] <= 200
    assert "duplicates" in told["notes"]


def test_datagrams_that_come_late(udp: Udp) -> None:
    held: list[bytes] = []

    def late(data: bytes, number: int) -> list[bytes]:
        """Each fifth answer comes with the one after the next."""
        if number % 5 == 0:
            held.append(data)
            return []
        return [data, held.pop()] if number % 5 == 2 else [data]

    arguments = ["udp", "127.0.0.1", udp(late), "--count", 25, "--connections", 1, "--timeout", 0.4]
    code, told = load(*arguments)

    assert code == 1
    assert accounted(told)
    assert (told["requests"]["answered"], told["requests"]["timed_out"]) == (20, 5)
    assert told["datagrams"] == {"late": 5, "duplicates": 0}
    assert "late" in told["notes"]


@pytest.mark.parametrize("in_flight", [1, 4])
def test_datagrams_with_a_wrong_byte(udp: Udp, in_flight: int) -> None:
    def wrong(data: bytes, number: int) -> list[bytes]:
        return [data[:-1] + bytes([data[-1] ^ 1])] if number % 10 == 9 else [data]

    code, told = load("udp", "127.0.0.1", udp(wrong), "--count", 100, "--in-flight", in_flight)

    assert code == 1
    assert accounted(told)
    assert told["requests"]["mismatched"] == errors(told)["recv mismatch"] == 10
    assert told["requests"]["answered"] == 90


def test_datagrams_to_a_closed_port() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    code, told = load("udp", "127.0.0.1", port, "--duration", 1, "--connections", 1)

    assert code == 1
    assert accounted(told)
    assert 2 <= told["requests"]["cut"] <= 12  # with pauses that grow
    assert set(errors(told)) <= {"recv ECONNREFUSED", "send ECONNREFUSED"}
    assert told["cpu"]["share"] < 0.5


# ---- what a stall shows ----


def stalls(seconds: float) -> Callable[[socket.socket], None]:
    """Echoes, but stalls once, at the 50th request."""

    def handler(connection: socket.socket) -> None:
        for number in itertools.count(1):
            if not (data := connection.recv(64)):
                return
            if number == 50:
                time.sleep(seconds)
            connection.sendall(data)

    return handler


def test_an_open_loop_tells_how_long_users_wait(serve: Serve) -> None:
    asked = ["tcp", "127.0.0.1", serve(stalls(1.0)).port, "--connections", 1]

    closed = all_answered(load(*asked, "--count", 200), 200)
    opened = all_answered(load(*asked, "--count", 200, "--rate", 100), 200)

    # In both somebody waited for a second. In the closed loop it was one of 200.
    assert closed["latency_ns"]["max"] >= 1e9
    assert closed["latency_ns"]["p90"] < 0.4e9
    # In the open one a hundred more came in that second, and waited for what was left of it.
    assert opened["latency_ns"]["max"] >= 1e9
    assert opened["latency_ns"]["p90"] >= 0.7e9
    assert opened["latency_ns"]["p50"] >= opened["latency_ns"]["p90"] - 1e9
    assert opened["schedule"]["waited"] >= 90
    assert "busy" in opened["notes"]
    assert closed["schedule"] is None


def test_what_could_not_be_sent_is_said(serve: Serve) -> None:
    def slow(connection: socket.socket) -> None:
        while data := connection.recv(64):
            time.sleep(0.05)
            connection.sendall(data)

    arguments = ["tcp", "127.0.0.1", serve(slow).port, "--connections", 2, "--rate", 200, "--duration", 1]
    code, told = load(*arguments)

    assert code == 1
    requests = told["requests"]
    assert requests["begun"] == requests["answered"] <= 2 * 21
    assert requests["begun"] + requests["unsent"] == 200
    assert {"busy", "unsent"} <= set(told["notes"])


def test_requests_are_sent_on_schedule(serve: Serve) -> None:
    arrived: list[float] = []

    def note(connection: socket.socket) -> None:
        while data := connection.recv(64):
            arrived.append(time.monotonic())
            connection.sendall(data)

    arguments = ["tcp", "127.0.0.1", serve(note).port, "--connections", 2, "--rate", 50, "--count", 50]
    begun = time.monotonic()
    told = all_answered(load(*arguments), 50)

    assert told["loop"] == "open"
    assert told["seconds"] >= 49 / 50
    # None before it is due; a machine under load may make it late.
    assert all(at - begun >= number / 50 for number, at in enumerate(sorted(arrived)))
    assert told["schedule"]["lag_ns"]["max"] >= told["schedule"]["lag_ns"]["p50"] >= 0


# ---- stopping, limits, usage ----


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_shows_what_is_known(start: Start, serve: Serve, number: signal.Signals, code: int) -> None:
    port = str(serve(echoes).port)
    program = start("services.client", "load", "tcp", "127.0.0.1", port, "--duration", "300")
    program.line_with("answered: ")

    assert program.end(number) == code
    row = program.line_with("requests  ")
    found = re.search(r"requests +([\d ]+) of ([\d ]+) answered", row)
    assert found
    answered, begun = (int(text.replace(" ", "")) for text in found.groups())
    assert 0 <= begun - answered <= 10
    program.line_with("throughput")
    program.line_with("errors")


@pytest.mark.parametrize("arguments", [["--rate", "100"], ["--reconnect"], ["--in-flight", "2"]])
def test_ctrl_c_does_not_wait_for_a_server_that_is_silent(
    start: Start, serve: Serve, arguments: list[str]
) -> None:
    port = str(serve(silent).port)
    common = ["load", "tcp", "127.0.0.1", port, "--timeout", "300", "--json", "--progress"]
    program = start("services.client", *common, *arguments)
    program.line_with("answered: 0")
    begun = time.monotonic()

    assert program.end(signal.SIGINT) == 130
    assert time.monotonic() - begun < 20
    told = json.loads(program.line_with("{"))
    assert told["stopped"] == "SIGINT"
    assert told["requests"]["unfinished"] == told["requests"]["begun"] > 0


def test_ctrl_c_in_the_warm_up(start: Start, serve: Serve) -> None:
    port = str(serve(echoes).port)
    arguments = ["tcp", "127.0.0.1", port, "--warm-up", "300", "--json", "--progress"]
    program = start("services.client", "load", *arguments)
    program.line_with("warm-up ")

    assert program.end(signal.SIGINT) == 130
    told = json.loads(program.line_with("{"))
    assert told["stopped"] == "SIGINT"
    assert set(told["requests"].values()) == {0}
    assert told["connections"]["opened"] == 10


def limited(limit: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run it under a limit of open files."""
    command = [
        "sh",
        "-c",
        f'ulimit {limit}; exec "$@"',
        "sh",
        sys.executable,
        "-m",
        "services.client",
        "load",
    ]
    return subprocess.run(
        [*command, *arguments],
        capture_output=True,
        cwd=ROOT,
        env=environment(),
        timeout=PATIENCE,
        check=False,
    )


def test_too_few_descriptors_are_said_before_anything_is_sent(serve: Serve) -> None:
    accepted = threading.Event()

    def see(_: socket.socket) -> None:
        accepted.set()

    port = str(serve(see).port)
    done = limited("-n 64", "tcp", "127.0.0.1", port, "--connections", "100")

    assert (done.returncode, done.stdout) == (4, b"")
    assert re.search(rb"allowed 1[1-3]\d open files.* a hard limit of 64 ", done.stderr)
    assert not accepted.is_set()


def test_a_soft_limit_is_raised(serve: Serve) -> None:
    port = str(serve(echoes).port)
    done = limited("-Sn 64", "tcp", "127.0.0.1", port, "--connections", "100", "--count", "500", "--json")

    assert done.returncode == 0
    assert b"(ulimit -n) was 64" in done.stderr
    assert json.loads(done.stdout)["connections"]["opened"] == 100


def test_help_teaches(client: Run) -> None:
    done = client("load", "--help")

    told = " ".join(done.stdout.decode().split())
    assert done.returncode == 0
    assert "a closed loop (without --rate) asks again as soon as it is answered" in told
    for option in (
        "--connections",
        "--in-flight",
        "--rate",
        "--warm-up",
        "--reconnect",
        "--unix",
        "--timeout",
    ):
        assert option in told
