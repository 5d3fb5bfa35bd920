"""A pipe at one end of a real connection, and what `interactive` says as JSON and to a wrong command line."""

import contextlib
import hashlib
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from services.protocol.framed import FramedDatagrams, FramedServing
from tests.loopback.client.peers import reset, serving
from tests.loopback.client.programs import PATIENCE, ROOT, Run, Serve, echo, environment
from tests.loopback.running import served


def test_a_pipe_sends_lines_half_closes_and_prints_the_answers(client: Run, serve: Serve) -> None:
    done = client("interactive", "tcp", "127.0.0.1", str(serve(echo).port), send=b"a\nb\n")

    assert (done.returncode, done.stdout) == (0, b"a\nb\n")
    said = done.stderr.decode().splitlines()
    assert [line.partition(" ")[0] for line in said] == ["connected", "half-closed:", "the"]


def test_bytes_go_through_a_pipe_unchanged(client: Run, serve: Serve) -> None:
    data = bytes(range(256)) * 100 + b"\xff\r\n\x1b[2J\n"

    done = client("interactive", "127.0.0.1", str(serve(echo).port), send=data)

    assert (done.returncode, done.stdout) == (0, data)


def test_the_last_line_need_not_have_an_end(client: Run, serve: Serve) -> None:
    done = client("interactive", "127.0.0.1", str(serve(echo).port), send=b"a\nb")

    assert (done.returncode, done.stdout) == (0, b"a\nb\n")


def test_ctrl_c_in_a_pipe(serve: Serve) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "services.client", "interactive", "127.0.0.1", str(serve(echo).port)],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith(b"connected from")
        process.send_signal(signal.SIGINT)

        assert process.wait(PATIENCE) == 130
        assert process.stderr.read() == b"left with Ctrl-C\n"


def test_more_than_all_buffers_hold_comes_back_whole(client: Run, serve: Serve) -> None:
    data = b"".join(b"%0100d\n" % number for number in range(100_000))

    done = client("interactive", "127.0.0.1", str(serve(echo).port), send=data)

    assert done.returncode == 0
    assert done.stdout == data


def test_a_peer_that_reads_late_and_slowly_gets_all_of_it(client: Run, serve: Serve) -> None:
    def digest(peer: socket.socket) -> None:
        time.sleep(0.5)  # until every buffer is full
        peer.sendall(hashlib.sha256(b"".join(iter(lambda: peer.recv(65536), b""))).hexdigest().encode())

    data = b"".join(b"%0100d\n" % number for number in range(200_000))
    done = client("interactive", "127.0.0.1", str(serve(digest).port), send=data)

    assert (done.returncode, done.stdout.decode()) == (0, hashlib.sha256(data).hexdigest())


def test_a_peer_that_closes_before_all_is_sent(client: Run, serve: Serve) -> None:
    def close_one_side(peer: socket.socket) -> None:
        time.sleep(0.5)  # until every buffer is full
        peer.shutdown(socket.SHUT_WR)
        over.wait(PATIENCE)

    over = threading.Event()
    done = client(
        "interactive", "127.0.0.1", str(serve(close_one_side).port), send=b"x" * 99 + b"\n" * 20_000_000
    )
    over.set()

    assert done.returncode == 1
    assert re.search(rb"closed its side \(FIN\) before \d+ bytes were sent", done.stderr)


def test_without_standard_input_our_side_is_closed_at_once(serve: Serve) -> None:
    port = serve(lambda peer: peer.sendall(b"got %r\n" % peer.recv(100))).port
    command = f"{sys.executable} -m services.client interactive 127.0.0.1 {port} <&-"
    done = subprocess.run(
        ["sh", "-c", command], cwd=ROOT, env=environment(), capture_output=True, timeout=PATIENCE, check=False
    )

    assert (done.returncode, done.stdout) == (0, b"got b''\n")


def test_a_pipe_gives_up_on_a_peer_that_never_closes(client: Run, serve: Serve) -> None:
    over = threading.Event()
    done = client(
        "interactive",
        "127.0.0.1",
        str(serve(lambda _: over.wait(PATIENCE)).port),
        "--timeout",
        "0.3",
        send=b"a\n",
    )
    over.set()

    assert done.returncode == 1
    assert b"nothing has come for 0.3 s" in done.stderr


def test_a_peer_that_never_reads_costs_no_memory(serve: Serve) -> None:
    over = threading.Event()
    port = serve(lambda _: over.wait(PATIENCE)).port
    with subprocess.Popen(
        [sys.executable, "-m", "services.client", "interactive", "127.0.0.1", str(port), "--timeout", "1"],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        taken = 0
        with contextlib.suppress(BrokenPipeError):
            while taken < 512 * 1024 * 1024:
                taken += process.stdin.write(b"x" * 9999 + b"\n") or 0
        said = process.stderr.read()
        assert process.wait(PATIENCE) == 1
    over.set()

    assert b"the peer does not read" in said
    assert taken < 64 * 1024 * 1024  # ours, and the buffers of the kernel


def test_a_line_that_never_ends_is_refused(client: Run, serve: Serve) -> None:
    done = client("interactive", "127.0.0.1", str(serve(echo).port), send=b"x" * (1024 * 1024 + 1))

    assert done.returncode == 4
    assert b"1048576 bytes" in done.stderr


@pytest.mark.parametrize("language", ["en_US.UTF-8", "es_ES.UTF-8"])
def test_refused(client: Run, free_port: int, language: str) -> None:
    done = client("interactive", "127.0.0.1", str(free_port), env={"LANG": language})

    assert (done.returncode, done.stdout) == (1, b"")
    assert b"ConnectionRefusedError ECONNREFUSED" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_reset_is_told_after_what_came_before_it(client: Run, serve: Serve) -> None:
    def answer_and_reset(peer: socket.socket) -> None:
        peer.sendall(b"first\n")
        peer.recv(1)
        reset(peer)

    done = client("interactive", "127.0.0.1", str(serve(answer_and_reset).port), send=b"a\n" * 5)

    assert done.returncode == 1
    assert done.stdout == b"first\n"
    assert b"ECONNRESET" in done.stderr or b"EPIPE" in done.stderr


def test_a_peer_that_resets_at_once(client: Run, serve: Serve) -> None:
    done = client("interactive", "127.0.0.1", str(serve(reset).port), send=b"a\n")

    assert done.returncode == 1
    assert done.stdout == b""
    assert b"ECONNRESET" in done.stderr or b"EPIPE" in done.stderr


def test_udp_waits_for_as_many_answers_as_there_are_lines(client: Run, udp_echo: int) -> None:
    done = client("interactive", "udp", "127.0.0.1", str(udp_echo), send=b"a\n\nb\n")

    assert (done.returncode, done.stdout) == (0, b"a\n\nb\n")


def test_udp_to_a_closed_port(client: Run) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        port = str(held.getsockname()[1])
    plain = client("interactive", "udp", "127.0.0.1", port, send=b"a\n")
    reported = client("interactive", "udp", "127.0.0.1", port, "--recverr", send=b"a\n")

    assert plain.returncode == reported.returncode == 1
    assert b"recv(65536): ConnectionRefusedError ECONNREFUSED" in plain.stderr
    assert b"the network says ECONNREFUSED: ICMP type 3, code 3, from 127.0.0.1" in reported.stderr


def test_a_datagram_that_paid_for_an_earlier_one_is_sent_again(client: Run) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        port = str(held.getsockname()[1])
    done = client("interactive", "udp", "127.0.0.1", port, "--json", send=b"a\nb\n")

    calls = [json.loads(line)["event"]["outcome"] for line in done.stdout.splitlines()]
    sent = [call["result"]["kind"] for call in calls if call and call["call"] == "send(b'b')"]
    assert sent == ["raised", "returned"]  # the first was told what became of a


def test_a_datagram_that_ends_with_a_line_end_gets_no_second_one(client: Run) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))

        def answer() -> None:
            _, sender = peer.recvfrom(100)
            peer.sendto(b"two\nlines\n", sender)

        thread = threading.Thread(target=answer)
        thread.start()
        done = client("interactive", "udp", "127.0.0.1", str(peer.getsockname()[1]), send=b"a\n")
        thread.join(PATIENCE)

    assert (done.returncode, done.stdout) == (0, b"two\nlines\n")


def test_udp_in_silence(client: Run) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        port = str(silent.getsockname()[1])
        done = client("interactive", "udp", "127.0.0.1", port, "--timeout", "0.3", send=b"a\n")

    assert done.returncode == 1
    assert b"nothing has come for 0.3 s" in done.stderr


def test_a_datagram_that_is_too_large_is_told_and_the_next_one_sent(client: Run, udp_echo: int) -> None:
    done = client("interactive", "udp", "127.0.0.1", str(udp_echo), send=b"x" * 65508 + b"\nb\n")

    assert (done.returncode, done.stdout) == (0, b"b\n")
    assert b"EMSGSIZE" in done.stderr


@pytest.mark.parametrize(
    ("protocol", "transport", "lines", "answers"),
    [
        ("echo", "tcp", b"a\nb\n", b"a\nb\n"),
        ("echo", "udp", b"a\nb\n", b"a\nb\n"),
        ("chat", "tcp", b"a\nbye\n", b"a\nbye\n"),
        ("framed", "tcp", b"a\nb\n", b'#1 {"value": "a"}\n#2 {"value": "b"}\n'),
        ("framed", "udp", b"a\n", b'#1 {"value": "a"}\n'),
    ],
)
def test_with_the_server_of_the_lab(
    client: Run, protocol: str, transport: str, lines: bytes, answers: bytes
) -> None:
    spoken = "lines" if protocol == "echo" else protocol
    with served("--protocol", protocol, "--transport", transport) as server:
        port = str(server.port(protocol, transport))
        done = client("interactive", transport, "127.0.0.1", port, "--protocol", spoken, send=lines)

    assert done.returncode == 0
    assert re.sub(rb"  [\d.]+ m?s", b"", done.stdout) == answers


@pytest.mark.parametrize("kind", ["stream", "seqpacket"])
@pytest.mark.parametrize("abstract", [False, True])
def test_unix_sockets_with_a_connection(client: Run, tmp_path: Path, kind: str, *, abstract: bool) -> None:
    path = f"@socketlab-test-{os.getpid()}-{kind}" if abstract else str(tmp_path / "s")
    kinds = {"stream": socket.SOCK_STREAM, "seqpacket": socket.SOCK_SEQPACKET}
    with socket.socket(socket.AF_UNIX, kinds[kind]) as listener:
        listener.bind(path.replace("@", "\0") if abstract else path)
        listener.listen()

        def serve() -> None:
            peer, _ = listener.accept()
            with peer:
                echo(peer)

        thread = threading.Thread(target=serve)
        thread.start()
        done = client("interactive", kind, "--unix", path, send=b"a\nb\n")
        thread.join(PATIENCE)

    assert (done.returncode, done.stdout) == (0, b"a\nb\n")
    assert path.encode() in done.stderr


def test_unix_datagrams_are_answered(client: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer:
        peer.bind(path)

        def answer() -> None:
            for _ in range(2):
                data, sender = peer.recvfrom(100)
                peer.sendto(data, sender)

        thread = threading.Thread(target=answer)
        thread.start()
        done = client("interactive", "dgram", "--unix", path, send=b"a\nb\n")
        thread.join(PATIENCE)

    assert (done.returncode, done.stdout) == (0, b"a\nb\n")


def test_of_a_datagram_that_is_too_long_it_is_said_that_the_rest_is_lost(client: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer:
        peer.bind(path)

        def answer() -> None:
            _, sender = peer.recvfrom(100)
            peer.sendto(b"x" * 100_000, sender)

        thread = threading.Thread(target=answer)
        thread.start()
        done = client("interactive", "dgram", "--unix", path, send=b"a\n")
        thread.join(PATIENCE)

    assert (done.returncode, done.stdout) == (0, b"x" * 65535 + b"\n")
    assert b"its rest is lost" in done.stderr


def test_no_unix_socket_there(client: Run, tmp_path: Path) -> None:
    done = client("interactive", "--unix", str(tmp_path / "nobody"))

    assert done.returncode == 1
    assert b"FileNotFoundError ENOENT" in done.stderr


def test_ipv6_and_no_ipv4(client: Run, serve: Serve) -> None:
    done = client("interactive", "-6", "tcp", "127.0.0.1", str(serve(echo).port))

    assert done.returncode == 1
    assert b"getaddrinfo" in done.stderr


def test_framed_in_a_pipe_waits_for_its_answers(client: Run, serve: Serve) -> None:
    lines = b'hola\n{"op": "wait", "seconds": 0.2, "value": "late"}\n{"op": \n'
    done = client(
        "interactive",
        "127.0.0.1",
        str(serve(serving(FramedServing)).port),
        "--protocol",
        "framed",
        send=lines,
    )

    assert done.returncode == 0
    assert re.sub(rb"[\d.]+ m?s", b"T", done.stdout) == b'#1 {"value": "hola"}  T\n#2 {"value": "late"}  T\n'
    assert b"not sent: it begins with a brace" in done.stderr


def test_our_side_is_not_closed_before_a_late_welcome(client: Run, serve: Serve) -> None:
    def late(peer: socket.socket) -> None:
        time.sleep(0.5)
        serving(FramedServing)(peer)

    done = client("interactive", "127.0.0.1", str(serve(late).port), "--protocol", "framed", send=b"hola\n")

    assert done.returncode == 0
    assert done.stdout.startswith(b'#1 {"value": "hola"}')


def test_framed_over_udp_survives_loss(client: Run) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(PATIENCE)
        seen: list[bytes] = []

        def serve() -> None:
            side = FramedDatagrams()
            for number in itertools.count():
                data, peer = sock.recvfrom(65535)
                seen.append(data)
                if number and (answer := side.receive(data, peer)) is not None:  # the first one is lost
                    sock.sendto(answer, peer)
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        port = str(sock.getsockname()[1])
        done = client("interactive", "udp", "127.0.0.1", port, "--protocol", "framed", send=b"hola\n")
        thread.join(PATIENCE)

    assert done.returncode == 0
    assert done.stdout.startswith(b'#1 {"value": "hola"}')
    assert b"sent again" in done.stderr
    assert len(set(seen)) == 1 < len(seen)


def test_as_json_every_call_and_what_was_heard(client: Run, serve: Serve) -> None:
    done = client("interactive", "127.0.0.1", str(serve(echo).port), "--json", send=b"a\x1b\n")

    events = [json.loads(line)["event"] for line in done.stdout.splitlines()]
    names = [event["name"].removeprefix("interactive.") for event in events]
    assert (done.returncode, done.stderr) == (0, b"")
    assert names == [
        "getaddrinfo",
        "connect",
        "notice",
        "send",
        "shutdown",
        "notice",
        "recv",
        "heard",
        "recv",
        "notice",
    ]
    assert [event["said"] for event in events if event["name"].endswith("heard")] == [r"a\x1b"]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("127.0.0.1",),
        ("sctp", "127.0.0.1", "7000"),
        ("127.0.0.1", "0"),
        ("tcp", "127.0.0.1", "7000", "more"),
        ("127.0.0.1", "7000", "--protocol", "smtp"),
        ("udp", "127.0.0.1", "7000", "--protocol", "chat"),
        ("tcp", "--unix", "./s"),
        ("-4", "--unix", "./s"),
        ("-4", "-6", "127.0.0.1", "7000"),
        ("127.0.0.1", "7000", "--timeout", "0"),
    ],
)
def test_usage_is_2(client: Run, arguments: tuple[str, ...]) -> None:
    done = client("interactive", *arguments)

    assert (done.returncode, done.stdout) == (2, b"")
    assert b"usage:" in done.stderr


def test_other_commands_start_without_it() -> None:
    code = """
import sys, services.client.cli as cli
try:
    cli.main(["once", "--help"])
except SystemExit:
    pass
print(sorted(name for name in sys.modules if name.startswith("services.client.interactive")), file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment(), capture_output=True, text=True, check=True
    )

    assert done.stderr == "['services.client.interactive', 'services.client.interactive.arguments']\n"
