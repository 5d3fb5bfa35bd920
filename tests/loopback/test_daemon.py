"""The daemon: away from its terminal, one at a time, and whoever starts it is told how it went."""

import contextlib
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.loopback.running import DEADLINE, ROOT, ask_health

START_ON_A_TERMINAL = """
import fcntl, os, signal, subprocess, sys, termios
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may ignore it, as nohup(1) does
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.umask(0)
print("tty", os.ttyname(0), flush=True)
print("exit", subprocess.run(sys.argv[1:]).returncode, flush=True)
signal.pause()
"""
"""A session with a controlling terminal, as a shell is."""


@dataclass
class Daemon:
    """A daemon and its files."""

    folder: Path
    health: str
    pid: int = 0
    port: int = 0

    @property
    def pid_file(self) -> Path:
        return self.folder / "pid"

    @property
    def log_file(self) -> Path:
        return self.folder / "log"

    def command(self, *arguments: str) -> list[str]:
        """How it is started."""
        files = ("--pid-file", str(self.pid_file), "--log-file", str(self.log_file))
        server = (sys.executable, "-m", "services.server", "--daemon", "--port", "0")
        return [*server, *files, "--health", self.health, *arguments]

    def start(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Start it; the starter's end."""
        started = run(self.command(*arguments))
        self.heard(started.stdout)
        return started

    def heard(self, said: str) -> None:
        """Take its process id and port from what the starter has printed."""
        if found := re.search(r"echo tcp \[::\]:(\d+) as process (\d+)\.", said):
            self.port, self.pid = int(found[1]), int(found[2])

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it, and wait until it has ended."""
        with contextlib.suppress(ProcessLookupError):
            ended = os.pidfd_open(self.pid)
            os.kill(self.pid, number)
            assert select.select([ended], [], [], DEADLINE)[0]
            os.close(ended)

    def events(self) -> list[str]:
        """What its log tells."""
        return [json.loads(line)["event"] for line in self.log_file.read_text(encoding="utf-8").splitlines()]

    def echoes(self) -> bool:
        """Whether it serves."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE) as client:
            client.sendall(b"x")
            return client.recv(1) == b"x"

    def status(self, name: str) -> str:
        """A line of /proc/PID/status."""
        text = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)[name]


def run(command: list[str], **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        command, cwd=ROOT, capture_output=True, text=True, timeout=2 * DEADLINE, check=False, **more
    )


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path, f"@socketlab-test-{uuid.uuid4().hex}")
    yield made
    if made.pid:
        made.stop(signal.SIGKILL)


def stat_of(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name: state, ppid, pgrp, session, tty_nr... (proc(5))."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()


def test_it_outlives_the_terminal_it_was_started_from(daemon: Daemon) -> None:
    terminal, end = pty.openpty()
    inherited = os.open(daemon.folder, os.O_RDONLY)
    with subprocess.Popen(
        [sys.executable, "-c", START_ON_A_TERMINAL, *daemon.command()],
        cwd=ROOT,
        stdin=end,
        stdout=end,
        stderr=end,
        start_new_session=True,
        pass_fds=[inherited],
    ) as shell:
        os.close(end)
        said = read_until(terminal, b"exit 0")
        daemon.heard(said)
        assert daemon.echoes()
        os.close(terminal)
        assert shell.wait(DEADLINE) == -signal.SIGHUP  # which is what the terminal's end did to its session
    os.close(inherited)

    assert daemon.echoes()
    assert ask_health(daemon.health).returncode == 0
    _, parent, group, session, tty, *_ = stat_of(daemon.pid)
    assert tty == "0"
    assert session == group != str(shell.pid)
    assert session != str(daemon.pid)  # it leads no session, so it can never get a terminal
    assert int(parent) != shell.pid
    assert Path(f"/proc/{daemon.pid}/cwd").readlink() == Path("/")
    assert daemon.status("Umask") == "0027"
    assert daemon.log_file.stat().st_mode & 0o777 == 0o640


def read_until(terminal: int, word: bytes) -> str:
    said = b""
    while word not in said:
        assert select.select([terminal], [], [], 2 * DEADLINE)[0], said
        said += os.read(terminal, 4096)
    return said.decode()


def test_it_keeps_no_descriptor_of_its_starter(daemon: Daemon) -> None:
    reading, writing = os.pipe()
    started = run(daemon.command(), pass_fds=[writing], stdin=reading)
    os.close(writing)
    daemon.heard(started.stdout)
    # Nobody else has the writing end, so its end is the daemon's doing. And communicate() has come back:
    # neither is the starter's standard output held open.
    assert select.select([reading], [], [], DEADLINE)[0]
    assert os.read(reading, 1) == b""
    os.close(reading)

    folder = Path(f"/proc/{daemon.pid}/fd")
    targets = {int(entry.name): str(entry.readlink()) for entry in folder.iterdir()}
    assert [targets.pop(number) for number in range(3)] == ["/dev/null", *[str(daemon.log_file)] * 2]
    assert {target for target in targets.values() if target.startswith("/")} == {str(daemon.pid_file)}
    assert not [target for target in targets.values() if target.startswith("pipe:")]


def test_the_starter_says_where_it_serves_and_the_file_says_who(daemon: Daemon) -> None:
    started = daemon.start()
    assert (started.returncode, started.stderr) == (0, "")
    assert f"kill {daemon.pid}" in started.stdout
    assert daemon.echoes()  # at once: exit code 0 means that it serves
    assert daemon.pid_file.read_text(encoding="ascii") == f"{daemon.pid}\n"
    assert daemon.events() == ["serving"]


def test_without_a_log_file_there_is_no_log(daemon: Daemon) -> None:
    command = daemon.command()
    at = command.index("--log-file")
    started = run([*command[:at], *command[at + 2 :]])
    daemon.heard(started.stdout)
    assert daemon.echoes()
    links = [str(Path(f"/proc/{daemon.pid}/fd/{number}").readlink()) for number in range(3)]
    assert links == ["/dev/null"] * 3


def test_a_second_start_is_refused_with_the_pid_of_the_first(daemon: Daemon) -> None:
    daemon.start()
    first = daemon.pid
    second = daemon.start("--health", f"{daemon.health}-2")
    assert (second.returncode, second.stdout) == (4, "")
    assert f"kill {first}" in second.stderr
    assert second.stderr.count("\n") == 1
    assert daemon.pid_file.read_text(encoding="ascii") == f"{first}\n"
    assert daemon.echoes()


def test_of_many_starts_at_once_one_succeeds(daemon: Daemon) -> None:
    command = daemon.command("--no-health")
    starters = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(5)
    ]
    ended = [(starter.communicate(timeout=4 * DEADLINE), starter.returncode) for starter in starters]
    [said] = [out for (out, _), code in ended if code == 0]
    daemon.heard(said)
    refusals = [err for (_, err), code in ended if code == 4]
    assert len(refusals) == 4
    assert all(f"kill {daemon.pid})" in err for err in refusals)
    assert daemon.echoes()


def test_sigterm_drains_and_removes_the_pid_file(daemon: Daemon) -> None:
    daemon.start("--drain", "30")
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=DEADLINE) as client:
        client.sendall(b"x" * 1000)
        client.shutdown(socket.SHUT_WR)
        daemon.stop()
        received = bytearray()
        while part := client.recv(4096):
            received += part
    assert bytes(received) == b"x" * 1000
    assert not daemon.pid_file.exists()
    assert daemon.events() == ["serving", "stopping", "stopped"], daemon.log_file.read_text(encoding="utf-8")


def test_after_sigkill_it_starts_again(daemon: Daemon) -> None:
    daemon.start()
    killed = daemon.pid
    daemon.stop(signal.SIGKILL)
    assert daemon.pid_file.exists()
    assert daemon.start().returncode == 0
    assert daemon.pid != killed
    assert daemon.pid_file.read_text(encoding="ascii") == f"{daemon.pid}\n"
    assert daemon.events() == ["serving", "serving"]  # the log was added to


def test_why_it_cannot_serve_is_told_by_the_starter(daemon: Daemon) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        ended = daemon.start("--address", "127.0.0.1", "--port", port)
    assert (ended.returncode, ended.stdout) == (4, "")
    assert f"tcp 127.0.0.1:{port}" in ended.stderr
    assert "EADDRINUSE" in ended.stderr
    assert not daemon.pid_file.exists()


@pytest.mark.parametrize("option", ["--pid-file", "--log-file"])
def test_files_that_cannot_be_are_told_by_the_starter(daemon: Daemon, option: str) -> None:
    ended = daemon.start(option, str(daemon.folder / "missing" / "file"))
    assert (ended.returncode, ended.stdout) == (4, "")
    assert "ENOENT" in ended.stderr
    assert option in ended.stderr


def test_a_usage_error_starts_nothing(daemon: Daemon) -> None:
    ended = daemon.start("--transport", "unix-stream")
    assert ended.returncode == 2
    assert list(daemon.folder.iterdir()) == []


def test_relative_paths_are_those_of_the_starter(daemon: Daemon) -> None:
    unix = ("--transport", "unix-stream", "--path", "echo.sock", "--pid-file", "p", "--log-file", "l")
    command = [*daemon.command(), *unix]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    started = subprocess.run(
        command, cwd=daemon.folder, env=environment, capture_output=True, text=True, timeout=20, check=False
    )
    assert started.returncode == 0, started.stderr
    daemon.pid = int((daemon.folder / "p").read_text(encoding="ascii"))
    path = daemon.folder / "echo.sock"
    assert f"echo unix-stream {path} as process {daemon.pid}" in started.stdout
    assert path.stat().st_mode & 0o777 == 0o750  # umask 027: the group may look at it, and not connect
    daemon.stop()
    assert [file.name for file in daemon.folder.iterdir()] == ["l"]


def test_a_starter_that_blocks_and_ignores_signals_does_not_make_it_deaf(daemon: Daemon) -> None:
    deafen = (
        "import os, signal, sys\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\n"
        "for number in (signal.SIGTERM, signal.SIGCHLD): signal.signal(number, signal.SIG_IGN)\n"
        "os.execv(sys.argv[1], sys.argv[1:])\n"
    )
    daemon.heard(run([sys.executable, "-c", deafen, *daemon.command()]).stdout)
    assert int(daemon.status("SigBlk"), 16) == 0
    ignored = int(daemon.status("SigIgn"), 16)
    assert not ignored & 1 << signal.SIGCHLD - 1
    daemon.stop()
    assert not daemon.pid_file.exists()


def test_started_with_its_standard_streams_closed(daemon: Daemon) -> None:
    """So the lowest numbers are free for whatever it opens first."""
    closing = "import os, sys\nos.closerange(0, 3)\nos.execv(sys.argv[1], sys.argv[1:])\n"
    assert run([sys.executable, "-c", closing, *daemon.command()]).returncode == 0
    daemon.pid = int(daemon.pid_file.read_text(encoding="ascii"))
    links = [str(Path(f"/proc/{daemon.pid}/fd/{number}").readlink()) for number in range(3)]
    assert links == ["/dev/null", *[str(daemon.log_file)] * 2]
    assert ask_health(daemon.health).returncode == 0


PROGRAM = """
import os, sys, time
from pathlib import Path
from services.server.daemon import daemonize
started = daemonize(Path(sys.argv[1]), Path(sys.argv[2]))
{then}
"""


def program(daemon: Daemon, then: str) -> list[str]:
    """A daemon that is no server."""
    return [sys.executable, "-c", PROGRAM.format(then=then), str(daemon.pid_file), str(daemon.log_file)]


def test_one_that_dies_without_a_word_is_told(daemon: Daemon) -> None:
    ended = run(program(daemon, "os.kill(os.getpid(), 9)"))
    assert (ended.returncode, ended.stdout) == (4, "")
    assert "--log-file" in ended.stderr


def test_the_code_and_the_words_are_the_daemons(daemon: Daemon) -> None:
    ended = run(program(daemon, "started.failed('¿por qué?', 7); started.failed('again', 8)"))
    assert (ended.returncode, ended.stderr) == (7, "socketlab-server: ¿por qué?\n")


def test_its_workers_do_not_keep_the_starter_waiting(daemon: Daemon) -> None:
    then = "if not (worker := os.fork()): time.sleep(60)\nstarted.ready(str(worker))"
    ended = run(program(daemon, then))
    os.kill(int(ended.stdout), signal.SIGKILL)
    assert ended.returncode == 0


def test_one_whose_starter_is_gone_was_called_off(daemon: Daemon) -> None:
    go = daemon.folder / "go"
    os.mkfifo(go)
    then = f"open({str(go)!r}).read()\ntry: started.ready('')\nfinally: started.close()"
    with subprocess.Popen(program(daemon, then), cwd=ROOT) as starter:
        with go.open("w"):  # it has come that far
            starter.send_signal(signal.SIGKILL)
            starter.wait(DEADLINE)
            daemon.pid = int(daemon.pid_file.read_text(encoding="ascii"))
            ended = os.pidfd_open(daemon.pid)
        assert select.select([ended], [], [], DEADLINE)[0]
        os.close(ended)
    assert not daemon.pid_file.exists()
    assert "server.called-off" in daemon.log_file.read_text(encoding="utf-8")


def test_ctrl_c_while_it_starts_ends_the_starter_only_then(daemon: Daemon) -> None:
    go = daemon.folder / "go"
    os.mkfifo(go)
    then = f"open({str(go)!r}).read()\nstarted.ready('')"
    with subprocess.Popen(program(daemon, then), cwd=ROOT, stderr=subprocess.PIPE) as starter:
        with go.open("w"):
            starter.send_signal(signal.SIGINT)
            assert starter.wait(DEADLINE) == 130
        assert starter.stderr
        assert starter.stderr.read() == b""
