"""Start, ready, stop, and what happens when it cannot start."""

import os
import signal
import socket
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pytest

from services.ports import HEALTH_PATH
from services.protocol.served import SERVED
from services.server.blocking.peer import converse
from services.server.listeners import open_tcp
from services.server.loop.pollers import EpollPoller
from services.server.readiness import Readiness
from services.server.service import Limits
from services.server.shared import Program
from services.server.styles.threaded import ThreadedServer
from tests.loopback.conftest import Connect
from tests.loopback.running import (
    DEADLINE,
    ROOT,
    Server,
    ask_health,
    read_to_end,
    run_server,
    send_without_reading,
    served,
)


def test_health_is_true_while_it_serves_and_false_afterwards() -> None:
    with served() as server:
        during = ask_health(server.health)
        server.stop()
        after = ask_health(server.health)
    assert (during.returncode, during.stderr) == (0, "")
    assert after.returncode == 1
    assert "refused" in after.stderr


def test_health_by_a_socket_file_that_a_killed_server_left(tmp_path: Path) -> None:
    path = tmp_path / "h"
    with served("--health", str(path)) as first:
        first.process.kill()
        first.process.wait(DEADLINE)
    assert path.is_socket()
    with served("--health", str(path)) as second:
        assert ask_health(str(path)).returncode == 0
        assert second.stop() == 0
    assert not path.exists()


def test_two_servers_cannot_answer_on_one_health_socket() -> None:
    with served() as first:
        second = run_server("--port", "0", "--health", first.health)
    assert second.returncode == 4
    assert "EADDRINUSE" in second.stderr


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b'{"v":1,"type":"failure","code":"x"}\n',
        b'{"v":1,"type":"ready","who":"serv',
        b'{"who":"\\"type\\":\\"ready\\""}\n',
    ],
    ids=["nothing", "failure", "cut", "only-in-a-string"],
)
def test_health_is_false_when_the_answer_is_not_ready(answer: bytes) -> None:
    name = f"socketlab-test-{uuid.uuid4().hex}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("\0" + name)
        listener.listen()

        def answer_once() -> None:
            conn, _ = listener.accept()
            with conn:
                conn.sendall(answer)

        answering = threading.Thread(target=answer_once)
        answering.start()
        asked = ask_health(f"@{name}")
        answering.join()
    assert asked.returncode == 1
    assert asked.stderr.count("\n") == 1


def test_health_is_false_when_one_service_does_not_serve() -> None:
    """A port that is open is not enough: this one even completes handshakes."""
    name = f"@socketlab-test-{uuid.uuid4().hex}"
    program = Program(Limits(), 1, EpollPoller())
    idle = ThreadedServer("echo", open_tcp("127.0.0.1", 0, 1), converse(SERVED["echo"]), program)
    readiness = Readiness(name, [idle], program.loop)
    readiness.start()
    answering = threading.Thread(target=program.serve)
    answering.start()
    asked = ask_health(name)
    program.stopping.ask()
    answering.join()
    readiness.close()
    idle.close()
    program.close()
    assert asked.returncode == 1
    assert f"echo tcp 127.0.0.1:{idle.bound.port}" in asked.stderr


def test_health_asks_where_the_server_answers_by_default() -> None:
    assert f'"{HEALTH_PATH}"' in (ROOT / "services" / "health.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_lets_an_echo_in_flight_complete(connect: Connect, number: signal.Signals) -> None:
    payload = b"0123456789abcdef" * 1_250_000  # 20 MB: the buffers on the way cannot hold it
    with served("--drain", "30") as server:
        conn = connect(server.port("echo"))

        def send() -> None:
            conn.sendall(payload)
            conn.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        received = conn.recv(100, socket.MSG_WAITALL)
        server.process.send_signal(number)
        server.wait_for("stopping")
        with pytest.raises(ConnectionRefusedError):
            connect(server.port("echo"))
        received += read_to_end(conn)
        sender.join()
        assert server.process.wait(DEADLINE) == 0
    assert received == payload


def test_an_idle_connection_does_not_hold_the_stop(connect: Connect) -> None:
    with served("--drain", "60") as server:
        conn = connect(server.port("echo"))
        conn.sendall(b"x")
        assert conn.recv(1) == b"x"
        assert server.stop() == 0  # within DEADLINE, well below the drain's limit
        assert conn.recv(1) == b""


def test_the_drain_has_a_limit(connect: Connect) -> None:
    with served("--drain", "0.2") as server:
        conn = connect(server.port("echo"))
        send_without_reading(conn)
        assert server.stop() == 0
        assert server.wait_for("cut")["left"] == 1


def test_a_second_signal_ends_it_at_once(connect: Connect) -> None:
    with served("--drain", "60") as server:
        conn = connect(server.port("echo"))
        send_without_reading(conn)
        server.process.terminate()
        server.wait_for("stopping")
        server.process.terminate()
        assert server.process.wait(DEADLINE) == 128 + signal.SIGTERM


def test_the_lab_stops_with_a_client_on_every_port(connect: Connect) -> None:
    with served("--lab") as lab:
        conns = [connect(lab.port(name)) for name in ("echo", "silent", "chat", "resets", "killed")]
        conns[-1].sendall(b"x\n")
        assert conns[-1].recv(10) == b"x\n"
        assert lab.stop() == 0
        assert [read_to_end(conn) for conn in conns] == [b"", b"", b"stopping\n", b"", b""]


@pytest.mark.parametrize("lang", ["en_US.UTF-8", "es_ES.UTF-8"])
def test_a_port_in_use_is_said_with_what_to_do(echo: Server, lang: str) -> None:
    port = str(echo.port("echo"))
    ended = run_server("--port", port, "--no-health", env={**os.environ, "LC_ALL": lang})
    assert ended.returncode == 4
    assert ended.stdout == ""
    for expected in (f"tcp [::]:{port}", "EADDRINUSE", "ss -lntup", "--port"):
        assert expected in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_address_of_another_host_is_said_with_what_to_do() -> None:
    ended = run_server("--port", "0", "--address", "192.0.2.1", "--no-health")
    assert ended.returncode == 4
    for expected in ("192.0.2.1", "EADDRNOTAVAIL", "ip address"):
        assert expected in ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "65536"],
        ["--port", "x"],
        ["--backlog", "-1"],
        ["--drain", "nan"],
        ["--protocol", "smtp"],
        ["--address", "localhost"],
        ["--protocol", "chat", "--transport", "udp"],
        ["--no-such-option"],
        ["extra"],
        ["--port"],
    ],
    ids=" ".join,
)
def test_what_makes_no_sense_is_a_usage_error(arguments: list[str]) -> None:
    ended = run_server("--no-health", *arguments)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1


def test_a_traceback_only_with_debug() -> None:
    ended = run_server("--port", "0", "--address", "192.0.2.1", "--no-health", "--debug")
    assert "Traceback" in ended.stderr


@pytest.mark.parametrize("lang", ["en_US.UTF-8", "es_ES.UTF-8"])
def test_help_needs_no_log_library(lang: str) -> None:
    program = (
        "import sys; sys.modules['loguru'] = None; from services.server.cli import main; main(['--help'])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "LC_ALL": lang},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert shown.returncode == 0
    assert ("uso:" if lang.startswith("es") else "usage:") in shown.stdout
    assert "SYN" in shown.stdout
