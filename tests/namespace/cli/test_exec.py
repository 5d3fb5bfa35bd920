"""Programs on a host as if they ran here: streams, exit statuses, signals, terminals, traces."""

import hashlib
import os
import shlex
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.namespace.cli.command import SECONDS, Command, Terminal, ended

SLEEPER = "from signal import *; pthread_sigmask(0, {2}); print('ready'); sigwait({2}); print('caught')"
SERVER = "import socket; s = socket.create_server(('', 7000)); s.accept()[0].recv(1)"


@pytest.mark.parametrize(
    ("source", "status"),
    [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -9 $$", 137), ("kill -TERM $$", 143)],
)
def test_its_exit_status_is_the_programs(held: Command, source: str, status: int) -> None:
    done = held.run("exec", "client", "sh", "-c", source)
    assert (done.returncode, done.stdout, done.stderr) == (status, b"", b"")


def test_it_runs_on_the_host_without_privilege(held: Command) -> None:
    assert held.well("exec", "--lab", "demo", "server", "sh", "-c", "hostname; id -u") == "server\n10001\n"


def test_bytes_go_in_and_come_out_unchanged(held: Command) -> None:
    data = os.urandom(3_000_000)
    done = held.run("exec", "client", "cat", said=data)
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(data).digest()


def test_standard_error_stays_apart(held: Command) -> None:
    done = held.run("exec", "client", "sh", "-c", "echo out; echo err >&2")
    assert (done.stdout, done.stderr) == (b"out\n", b"err\n")


def test_options_after_the_program_are_its_own(held: Command) -> None:
    assert held.well("exec", "client", "echo", "--debug", "-t", "--help") == "--debug -t --help\n"
    assert held.well("exec", "client", "--", "echo", "-h") == "-h\n"


@pytest.mark.parametrize(
    ("program", "status", "said"),
    [("no-such-program", 127, b"no such program"), ("/etc/passwd", 126, b"not executable")],
)
def test_a_program_that_cannot_be_run(held: Command, program: str, status: int, said: bytes) -> None:
    done = held.run("exec", "client", program)
    assert done.returncode == status
    assert said in done.stderr


def test_no_such_host_or_lab(held: Command) -> None:
    done = held.run("exec", "clinet", "true")
    assert done.returncode == 3
    assert b"It has: client, server" in done.stderr
    done = held.run("exec", "--lab", "other", "client", "true")
    assert done.returncode == 3
    assert b"These do: demo" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_handed_on(held: Command, number: signal.Signals) -> None:
    source = f"trap 'echo got; exit 9' {number.value}; echo ready; while :; do read x; done"
    with ended(held.start("exec", "client", "bash", "-c", source, stdin=subprocess.PIPE)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        assert process.stdout.readline() == b"got\n"
        assert process.wait(SECONDS) == 9


def test_whoever_reads_it_may_leave(held: Command) -> None:
    with ended(held.start("exec", "client", "yes", stdin=subprocess.DEVNULL)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"y\n"
        process.stdout.close()
        assert process.wait(SECONDS) == 128 + signal.SIGPIPE
        process.stdout = None


def test_it_does_not_wait_for_what_a_program_leaves_behind(held: Command) -> None:
    assert held.well("exec", "client", "sh", "-c", "sleep 1000 & echo done") == "done\n"


def test_a_program_that_is_left_ends(held: Command) -> None:
    words = ["exec", "client", "sh", "-c", "echo ready; exec sleep 1717"]
    with ended(held.start(*words, stdin=subprocess.DEVNULL)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.kill()
    # Its actor learns of it by the end of a stream: that is no answer to wait for, so the host is asked.
    source = "while pgrep -f 'sleep 171[7]'; do sleep 0.05; done; echo gone"
    assert held.well("exec", "client", "sh", "-c", source).endswith("gone\n")


def test_a_terminal(held: Command) -> None:
    terminal = Terminal(held, "exec", "-t", "client", "sh")
    before = termios.tcgetattr(terminal.master)
    terminal.until(rb"\$ ")
    assert termios.tcgetattr(terminal.master)[3] != before[3]  # raw: keys are obeyed over there
    termios.tcsetwinsize(terminal.master, (40, 100))
    os.kill(terminal.pid, signal.SIGWINCH)
    terminal.type(b"until stty size | grep '40 100'; do sleep 0.05; done\r")
    terminal.until(rb"40 100'.*\n40 100\r\n")
    terminal.until(rb"\$ ")
    terminal.type(b"echo $TERM; " + shlex.join(["python3", "-c", SLEEPER]).encode() + b"\r")
    terminal.until(rb"xterm\r\n")
    terminal.until(rb"ready\r\n")
    terminal.type(b"\x03")
    terminal.until(rb"caught\r\n")
    terminal.until(rb"\$ ")
    terminal.type(b"exit 5\r")
    assert terminal.end()[0] == 5


def test_the_terminal_is_as_it_was_afterwards(held: Command) -> None:
    then = "stty -a | tr ' ;' '\\n\\n' | grep -x -e icanon -e echo -e isig | sort | tr '\\n' +"
    for words in (("true",), ("no-such-program",)):
        terminal = Terminal(held, "exec", "-t", "client", *words, then=then)
        assert terminal.end()[1].endswith(b"echo+icanon+isig+")


def test_a_trace_shows_socket_calls_and_no_others(held: Command, tmp_path: Path) -> None:
    source = "import socket; socket.socket().connect_ex(('127.0.0.1', 1)); print('done')"
    done = held.run("exec", "--trace", "client", "/usr/bin/python3", "-c", source)
    lines = done.stderr.decode().splitlines()
    if "strace" in lines[0]:
        pytest.skip(lines[0])
    assert (done.returncode, done.stdout) == (0, b"done\n")
    assert all(line.startswith("client| ") for line in lines)
    calls = [line.split()[2].partition("(")[0] for line in lines]
    wanted = ["socket", "connect", "close"]
    assert [call for call in calls if call in wanted] == wanted
    assert any("ECONNREFUSED" in line for line in lines)

    file = tmp_path / "calls"
    done = held.run(
        "exec", "--trace-file", str(file), "client", "/usr/bin/python3", "-c", f"{source}; exit(3)"
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, b"done\n", b"")
    assert "ECONNREFUSED" in file.read_text(encoding="utf-8")


def test_a_trace_on_a_host_that_cannot(held: Command) -> None:
    done = held.run("exec", "--trace-file", "/nowhere/calls", "client", "true")
    assert done.returncode == 2
    assert b"/nowhere/calls" in done.stderr


def test_two_programs_meet(held: Command) -> None:
    server = held.start(
        "exec", "server", "python3", "-c", f"print(1, flush=True); {SERVER}", stdin=subprocess.DEVNULL
    )
    source = (
        "import socket, time\n"
        "while True:\n"
        "    try: socket.create_connection(('server', 7000)).send(b'x')\n"
        "    except ConnectionRefusedError: time.sleep(0.01)\n"
        "    else: break\n"
    )
    with ended(server):
        held.well("exec", "client", "python3", "-c", source)
        assert server.wait(SECONDS) == 0


def test_a_lab_that_goes_ends_its_programs(command: Command) -> None:
    command.well("up", "demo")
    with ended(command.start("exec", "client", "sh", "-c", "echo on; cat", stdin=subprocess.PIPE)) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"on\n"
        command.well("down")
        assert process.wait(SECONDS) == 3
        assert b"gone" in process.stderr.read()


def test_nothing_is_imported_from_the_users_folder(held: Command, tmp_path: Path) -> None:
    (tmp_path / "socket.py").write_text("raise SystemExit('the wrong one')", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "socketlab", "status"],
        capture_output=True,
        timeout=SECONDS,
        check=True,
        cwd=tmp_path,
        env=held.environ,
    )
    assert b"demo" in done.stdout
