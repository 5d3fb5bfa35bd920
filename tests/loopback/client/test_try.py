"""Learners' programs on the runner, and what the client finds."""

import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from socketlab.wire import Happened, ProgramReport, Ready, decode
from tests.loopback.client.programs import PATIENCE, ROOT, Program, Run, Start

SERVER = """
import socket, sys, time
listener = socket.create_server((HOST, PORT))
connection, peer = listener.accept()
BODY
"""
ECHO = (
    (ROOT / "examples" / "my_server.py").read_text(encoding="utf-8").replace("PORT = 5000", "PORT = {port}")
)


@dataclass
class Host:
    """A runner with a learner's program."""

    runner: Program
    report_port: int
    health: Path


Make = Callable[..., Host]


@pytest.fixture
def host(start: Start, tmp_path: Path, free_port: int) -> Make:
    """Run a program's text on a runner."""

    def make(text: str | None, **env: str) -> Host:
        program = tmp_path / "my_server.py"
        if text is not None:
            program.write_text(text.replace("{port}", str(free_port)), encoding="utf-8")
        with socket.create_server(("127.0.0.1", 0)) as sock:
            report_port = sock.getsockname()[1]
        health = tmp_path / "health"
        runner = start(
            "services.runner",
            "--report-port",
            str(report_port),
            "--health",
            str(health),
            str(program),
            env=env,
        )
        return Host(runner, report_port, health)

    return make


def unwrapped(done: subprocess.CompletedProcess[bytes]) -> str:
    """What was written, without its line ends."""
    return " ".join(done.stdout.decode().split())


def serving(body: str, address: str = "0.0.0.0") -> str:
    text = SERVER.replace("HOST", repr(address)).replace("PORT", "{port}")
    return text.replace("BODY", body)


def tried(client: Run, host: Host, *more: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    return client("try", "127.0.0.1", "--report-port", str(host.report_port), *more, env=env)


def test_the_example_echoes_again_and_again(client: Run, host: Make, free_port: int) -> None:
    example = host(ECHO)

    for _ in range(2):
        done = tried(client, example)
        text = unwrapped(done)
        assert done.returncode == 0
        assert text.startswith("Inside 127.0.0.1: ")
        assert f"my_server.py runs and listens on tcp 0.0.0.0:{free_port}. From outside:" in text
        assert "recv(100) -> b'hello\\n'" in text
        assert "It works:" in text


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (serving("connection.sendall(connection.recv(100).upper())"), 0, ["It answers", "b'HELLO\\n'"]),
        (serving("time.sleep(60)"), 1, ["sends nothing within 2 s", "TimeoutError, own timer"]),
        (
            serving("connection.recv(100); connection.close(); time.sleep(60)"),
            1,
            ["closes the connection before"],
        ),
        (
            serving("connection.recv(1); connection.close(); time.sleep(60)"),
            1,
            ["resets the connection", "ECONNRESET"],
        ),
        (
            serving("connection.recv(100); 1 / 0"),
            1,
            ["ended with exit code 1", "ZeroDivisionError: division by zero"],
        ),
        ("import time; time.sleep(60)", 1, ["listens on no port"]),
        ("raise SystemExit(3)", 1, ["ended with exit code 3 before anybody called"]),
        ("this is no Python", 1, ["SyntaxError", "ended with exit code 1"]),
        (None, 1, ["There is no file"]),
    ],
    ids=["upper", "silent", "closes", "resets", "crashes", "never-listens", "exits", "syntax", "missing"],
)
def test_what_is_found(client: Run, host: Make, text: str | None, code: int, words: list[str]) -> None:
    done = tried(client, host(text))

    output = unwrapped(done)
    assert done.returncode == code, output
    for word in words:
        assert word in output


def test_a_program_that_prints_escapes_does_not_reach_the_terminal(client: Run, host: Make) -> None:
    done = tried(client, host("raise SystemExit('\\x1b[31mred')"))

    assert b"?[31mred" in done.stdout
    assert b"\x1b" not in done.stdout


# What is bound to 127.0.0.1 is reached by 127.0.0.1 alone: here 127.0.0.2 stands for the other host.
def test_bound_to_loopback_only_in_spanish(client: Run, host: Make) -> None:
    bound = host(serving("time.sleep(60)", "127.0.0.1"))

    done = client(
        "try",
        "127.0.0.2",
        "--report-port",
        str(bound.report_port),
        env={"LANG": "es_ES.UTF-8", "COLUMNS": "80"},
    )

    output = unwrapped(done)
    assert done.returncode == 1
    assert "ConnectionRefusedError ECONNREFUSED" in output
    assert "escucha solo en 127.0.0.1" in output
    assert "bind a 0.0.0.0" in output


def test_a_udp_program(client: Run, host: Make, free_port: int) -> None:
    text = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", {port}))
while True:
    data, peer = server.recvfrom(100)
    server.sendto(data, peer)
"""
    done = tried(client, host(text))

    assert done.returncode == 0
    assert f"udp 0.0.0.0:{free_port}" in unwrapped(done)


def test_a_folder_is_said_so(client: Run, host: Make, tmp_path: Path) -> None:
    (tmp_path / "my_server.py").mkdir()

    done = tried(client, host(None))

    assert done.returncode == 1
    assert "is a folder" in unwrapped(done)


def test_json_is_the_report_each_call_and_the_finding(client: Run, host: Make, free_port: int) -> None:
    done = tried(client, host(ECHO), "--json")

    report, *events = [decode(line) for line in done.stdout.splitlines()]
    assert isinstance(report, ProgramReport)
    assert report.state == "listening"
    assert [(each.proto, each.address, each.port, each.loopback_only) for each in report.listeners] == [
        ("tcp", "0.0.0.0", free_port, False)
    ]
    names = [event.event.name for event in events if isinstance(event, Happened)]
    assert names == ["try.socket", "try.connect", "try.sendall", "try.recv", "try.echoes"]


def test_no_runner_is_said_so(client: Run, free_port: int) -> None:
    done = client("try", "127.0.0.1", "--report-port", str(free_port), "--deadline", "0.3")

    assert (done.returncode, done.stdout) == (4, b"")
    assert b"Connection refused" in done.stderr
    assert b"Traceback" not in done.stderr


def test_the_runner_ends_all_that_the_program_started(host: Make, tmp_path: Path) -> None:
    """A program that ignores SIGTERM, with a child that does so too."""
    text = f"""
import os, signal, socket
signal.signal(signal.SIGTERM, signal.SIG_IGN)
listener = socket.create_server(("0.0.0.0", {{port}}))
child = os.fork()
with open({str(tmp_path)!r} + f"/pid-{{os.getpid()}}", "w"):
    pass
os.write(1, b"ready\\n")
while True:
    signal.pause()
"""
    running = host(text)
    running.runner.line_with("ready")
    running.runner.line_with("ready")
    pids = [int(file.name.removeprefix("pid-")) for file in tmp_path.glob("pid-*")]
    assert len(pids) == 2

    assert running.runner.end() == 0

    assert [pid for pid in pids if alive(pid)] == []


def alive(pid: int) -> bool:
    """Whether a process runs; one that waits to be reaped by whoever inherited it does not."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return False
        if state in {"Z", "X"}:
            return False
        time.sleep(0.02)  # SIGKILL has been sent; the kernel takes a moment
    return True


def test_the_programs_output_is_passed_on_and_it_is_ended_politely(host: Make) -> None:
    text = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit("goodbye"))
print("to stdout", flush=True)
print("to stderr", file=sys.stderr, flush=True)
signal.pause()
"""
    running = host(text)
    said = {running.runner.line(), running.runner.line()}
    assert said == {"to stdout", "to stderr"}

    assert running.runner.end(signal.SIGINT) == 0
    running.runner.line_with("goodbye")


def test_the_runner_answers_its_health_check(host: Make) -> None:
    running = host(ECHO)
    running.runner.line_with("listens on")

    with socket.socket(socket.AF_UNIX) as asker:
        asker.settimeout(PATIENCE)
        asker.connect(str(running.health))
        assert decode(asker.makefile("rb").readline()) == Ready("runner")


def test_a_port_that_is_taken_is_said_so(start: Start, tmp_path: Path) -> None:
    with socket.create_server(("", 0)) as taken:
        runner = start(
            "services.runner",
            "--report-port",
            str(taken.getsockname()[1]),
            "--health",
            str(tmp_path / "health"),
            "none.py",
        )
        assert "EADDRINUSE" in runner.line()
        assert runner.process.wait(PATIENCE) == 4
