"""A learner's server, sent to a host and run there: ready when it listens where others can reach it."""

import textwrap
from pathlib import Path

import pytest

from socketlab.hosts.lab import Lab
from socketlab.hosts.programs import ProgramError

DEADLINE = 20.0


def server_file(tmp_path: Path, code: str) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(textwrap.dedent(code), encoding="utf-8")
    return path


def test_a_file_of_ones_own(demo: Lab, tmp_path: Path) -> None:
    code = """
        import socket, sys
        listener = socket.create_server(("0.0.0.0", 0))
        while True:
            connection, peer = listener.accept()
            connection.sendall(sys.argv[1].encode())
            connection.close()
    """
    service = demo.server.serve(server_file(tmp_path, code), arguments=["-v"], timeout=DEADLINE)
    with service, demo.client.create_connection((demo.server.address, service.port), 5) as s:
        assert s.recv(9) == b"-v"


def test_one_that_talks_all_the_time_is_not_held_up(demo: Lab, tmp_path: Path) -> None:
    code = """
        import socket
        listener = socket.create_server(("0.0.0.0", 0))
        while True:
            connection, peer = listener.accept()
            print("x" * 1_000_000)
            connection.sendall(b"!")
            connection.close()
    """
    with demo.server.serve(server_file(tmp_path, code), timeout=DEADLINE) as service:
        for _ in range(3):
            with demo.client.create_connection((demo.server.address, service.port), 5) as s:
                assert s.recv(9) == b"!"


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("raise SystemExit('bad luck')", "program.ended"),
        (
            "import socket, time; s = socket.create_server(('127.0.0.1', 0)); time.sleep(60)",
            "program.loopback",
        ),
        (
            "import socket, time; s = socket.create_server(('0.0.0.0', 0)); time.sleep(60)",
            "program.other-port",
        ),
        ("import time; print('dreaming', flush=True); time.sleep(60)", "program.not-listening"),
    ],
)
def test_a_file_that_does_not_serve(demo: Lab, tmp_path: Path, code: str, error: str) -> None:
    port = 1 if error == "program.other-port" else None
    timeout = 0.3 if error == "program.not-listening" else DEADLINE
    with pytest.raises(ProgramError) as raised:
        demo.server.serve(server_file(tmp_path, code), port=port, timeout=timeout)
    assert raised.value.code == error
    assert str(raised.value)


def test_a_child_may_listen_for_it(demo: Lab, tmp_path: Path) -> None:
    code = """
        import os, socket, time
        if os.fork() == 0:
            listener = socket.create_server(("::", 0), family=socket.AF_INET6)
        time.sleep(60)
    """
    with demo.server.serve(server_file(tmp_path, code), timeout=DEADLINE) as service:
        assert service.port in {row["local"][1] for row in demo.server.sockets()}
