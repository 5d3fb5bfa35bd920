"""The echo server, TCP and UDP, and clients that misbehave."""

import resource
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.loopback.conftest import Connect
from tests.loopback.running import DEADLINE, Server, read_to_end, send_without_reading, served


def test_half_close_gives_the_whole_echo_back(echo: Server, connect: Connect) -> None:
    payload = bytes(range(256)) * 80_000  # 20 MB: more than all buffers on the way
    conn = connect(echo.port("echo"))

    def send() -> None:
        conn.sendall(payload)
        conn.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    received = read_to_end(conn)
    sender.join()

    assert received == payload


def test_nothing_sent_gives_nothing_back(echo: Server, connect: Connect) -> None:
    conn = connect(echo.port("echo"))
    conn.shutdown(socket.SHUT_WR)
    assert conn.recv(10) == b""


def test_a_client_that_resets_harms_no_other(echo: Server, connect: Connect) -> None:
    good, bad = connect(echo.port("echo")), connect(echo.port("echo"))
    bad.sendall(b"x" * 100_000)
    bad.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    bad.close()

    good.sendall(b"still here")
    good.shutdown(socket.SHUT_WR)

    assert read_to_end(good) == b"still here"


def test_a_client_that_is_killed_harms_no_other(echo: Server, connect: Connect, loopback: str) -> None:
    good = connect(echo.port("echo"))
    program = (
        "import socket, sys\n"
        f"conn = socket.create_connection(({loopback!r}, {echo.port('echo')}))\n"
        "print('connected', flush=True)\n"
        "while True: conn.sendall(b'x' * 65536)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as client:
        assert client.stdout
        assert client.stdout.readline() == b"connected\n"
        client.kill()

    good.sendall(b"still here")
    good.shutdown(socket.SHUT_WR)

    assert read_to_end(good) == b"still here"


def test_a_client_that_does_not_read_stops_only_itself(connect: Connect) -> None:
    with served() as server:
        greedy, good = connect(server.port("echo")), connect(server.port("echo"))
        assert send_without_reading(greedy) > 65536
        status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
        [peak] = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")]

        good.sendall(b"y")
        assert good.recv(1) == b"y"
        assert peak < 100_000  # kB; the kernel's buffers hold what was sent, not the process


def test_an_idle_connection_is_closed(connect: Connect) -> None:
    with served("--idle", "0.1") as server:
        conn = connect(server.port("echo"))
        conn.sendall(b"x")
        assert read_to_end(conn) == b"x"


def test_one_connection_too_many_is_closed_and_logged(connect: Connect) -> None:
    with served("--max-connections", "1") as server:
        first = connect(server.port("echo"))
        first.sendall(b"x")
        assert first.recv(1) == b"x"

        assert connect(server.port("echo")).recv(1) == b""

        assert server.wait_for("refused")["limit"] == 1
        first.sendall(b"y")
        assert first.recv(1) == b"y"


def test_out_of_descriptors_it_waits_and_recovers(connect: Connect) -> None:
    with served() as server:
        pid, port = server.process.pid, server.port("echo")
        in_use = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (in_use + 2, in_use + 2))
        many = [connect(port) for _ in range(6)]  # the kernel connects them; accept() finds no descriptor
        assert "EMFILE" in server.wait_for("accept-failed")["why"]
        for conn in many:
            conn.close()
        good = connect(port)
        good.sendall(b"x")
        assert good.recv(1) == b"x"


@pytest.mark.parametrize(
    "datagram", [b"hola", b"", b"\xff\x00{}\n", b"x" * 20_000], ids=lambda data: str(len(data))
)
def test_udp_echo(echo: Server, loopback: str, datagram: bytes) -> None:
    family = socket.AF_INET6 if ":" in loopback else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(DEADLINE)
        client.connect((loopback, echo.port("echo", "udp")))
        client.send(datagram)
        assert client.recv(65535) == datagram


def test_udp_answer_comes_from_the_address_that_was_asked(echo: Server) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(DEADLINE)
        client.connect(
            ("127.0.0.77", echo.port("echo", "udp"))
        )  # the kernel alone would answer from 127.0.0.1
        client.send(b"x")
        assert client.recv(10) == b"x"


def test_udp_on_one_ipv4_address() -> None:
    with (
        served("--transport", "udp", "--address", "127.0.0.1") as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        client.settimeout(DEADLINE)
        client.connect(("127.0.0.1", server.port("echo", "udp")))
        client.send(b"x")
        assert client.recv(10) == b"x"


def test_both_transports_share_the_port_number(echo: Server) -> None:
    assert echo.port("echo", "tcp") == echo.port("echo", "udp")
