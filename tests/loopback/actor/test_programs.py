"""Programs that an actor starts."""

import hashlib
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from socketlab.wire.values import Handle
from tests.loopback.actor.driving import DEADLINE, Driven, driven

TYPED = YES = True


class Program:
    """What popen gave."""

    def __init__(self, actor: Driven, argv: list[str], *rest: Any) -> None:
        self.actor = actor
        self.process, self.pid, self.stdin, self.stdout, self.stderr = actor.call("popen", argv, *rest)

    def rest(self, file: Handle) -> bytes:
        """Everything up to the end."""
        pieces = []
        while piece := self.actor.call("read", 65536, on=file):
            pieces.append(piece)
        return b"".join(pieces)

    def until(self, text: bytes) -> bytes:
        """What it says up to a text."""
        said = b""
        while text not in said:
            piece = self.actor.call("read", 65536, on=self.stdout)
            assert piece, said
            said += piece
        return said

    def wait(self, timeout: float | None = None) -> Any:
        return self.actor.call("wait", timeout, on=self.process)


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code]


def children(pid: int) -> list[str]:
    """States of the children of a process, by the kernel's list of each of its threads."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [state_of(int(child)) for child in (task / "children").read_text().split()]
    return found


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 42"], 42),
        (["sh", "-c", "kill -TERM $$"], -signal.SIGTERM),
        (["/bin/sh", "-c", "kill -KILL $$"], -signal.SIGKILL),
    ],
)
def test_exit_codes(shared: Driven, argv: list[str], code: int) -> None:
    program = Program(shared, argv)
    assert program.wait(DEADLINE) == code
    assert program.wait(None) == code
    assert shared.call("poll", on=program.process) == code
    shared.call("signal", int(signal.SIGTERM), on=program.process)  # too late, and not an error


def test_streams(shared: Driven) -> None:
    program = Program(shared, ["sh", "-c", "cat; echo wrong >&2"], {"PATH": "/usr/bin:/bin"}, TYPED, None)
    assert program.stdin is not None
    assert shared.call("write", b"typed\0\xff", on=program.stdin) is None
    assert shared.call("read", 100, on=program.stdout) == b"typed\0\xff"
    shared.call("close", on=program.stdin)
    assert program.rest(program.stdout) == b""
    assert program.stderr is not None
    assert program.rest(program.stderr) == b"wrong\n"
    assert program.wait() == 0
    closed = Program(shared, ["cat"])
    assert closed.stdin is None
    assert closed.rest(closed.stdout) == b""


def test_environment_session_signals_and_descriptors(actor: Driven) -> None:
    one, _ = actor.call("socketpair", 1, 1, 0)
    actor.call("set_inheritable", YES, on=one)
    code = (
        "import os; print(sorted(os.environ), os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid(),"
        "sorted(os.listdir('/proc/self/fd'))[:-1] == ['0', '1', '2'],"
        "open('/proc/self/status').read().split('SigBlk:')[1].split()[0],"
        "open('/proc/self/status').read().split('SigIgn:')[1].split()[0])"
    )
    program = Program(actor, python(code), {"PATH": "/bin", "A": "1"})
    said = program.rest(program.stdout).decode()
    # Python itself ignores SIGPIPE and SIGXFSZ; 32 and 33 are the C library's own, which nobody can set back.
    names, _, others = said.partition("]")
    assert "'A', " in names
    *flags, blocked, ignored = others.split()
    assert flags == ["True"] * 3
    assert int(blocked, 16) == 0
    assert int(ignored, 16) & ~(0b11 << 31) == 1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1


def test_what_cannot_be_started(shared: Driven, tmp_path: Path) -> None:
    assert shared.raised("popen", ["socketlab-no-such-program"]) == (
        "FileNotFoundError",
        (2, "No such file or directory", "socketlab-no-such-program"),
    )
    assert shared.raised("popen", ["true"], {"PATH": "/no-such-folder"})[0] == "FileNotFoundError"
    plain = tmp_path / "plain"
    plain.write_text("no program")
    assert shared.raised("popen", [str(plain)])[0] == "PermissionError"
    assert shared.raised("popen", [])[0] == "ValueError"
    assert shared.raised("popen", ["a\0b"])[0] == "ValueError"
    before = shared.descriptors()
    shared.raised("popen", ["socketlab-no-such-program"], None, TYPED, None)
    shared.raised("popen", ["socketlab-no-such-program"], None, TYPED, (24, 80))
    assert shared.descriptors() == before


def test_waiting_has_an_end_and_holds_nobody_up(actor: Driven) -> None:
    program = Program(actor, ["sleep", "1000"])
    assert actor.call("poll", on=program.process) is None
    assert actor.raised("wait", 0.01, on=program.process) == ("TimeoutError", ("timed out",))
    waits = [actor.begin("wait", None, on=program.process) for _ in range(3)]
    reading = actor.begin("read", 10, on=program.stdout)
    assert not actor.answered(waits[0])
    actor.call("signal", int(signal.SIGTERM), on=program.process)
    assert [actor.value(wait) for wait in waits] == [-signal.SIGTERM] * 3
    assert actor.value(reading) == b""


_BUSY = """
import threading, time
end = time.monotonic() + 20
def work():
    while time.monotonic() < end: pass
for _ in range(4):
    threading.Thread(target=work).start()
print("busy", flush=True)
"""


def test_a_program_has_stopped_when_sigstop_is_over(actor: Driven) -> None:
    program = Program(actor, python(_BUSY))
    assert program.until(b"\n") == b"busy\n"
    for _ in range(3):
        actor.call("signal", int(signal.SIGSTOP), on=program.process)
        tasks = Path(f"/proc/{program.pid}/task").iterdir()
        assert {(task / "stat").read_text().rpartition(")")[2].split()[0] for task in tasks} == {"T"}
        actor.call("signal", int(signal.SIGSTOP), on=program.process)  # it has stopped already
        actor.call("signal", int(signal.SIGCONT), on=program.process)
    actor.call("signal", int(signal.SIGKILL), on=program.process)
    assert program.wait() == -signal.SIGKILL
    actor.call("signal", int(signal.SIGSTOP), on=program.process)  # too late, and not an error


def test_who_waits_for_a_vforked_child_counts_as_stopped(actor: Driven) -> None:
    """dash forks by vfork(2): stopped between that and the child's execve(2), it can neither stop nor run."""
    program = Program(actor, ["sh", "-c", "echo up; while :; do sleep 0.001; done"])
    assert program.until(b"\n") == b"up\n"
    for _ in range(40):
        actor.call("signal", int(signal.SIGSTOP), on=program.process)
        assert state_of(program.pid) in "TD"
        actor.call("signal", int(signal.SIGCONT), on=program.process)
    actor.call("signal", int(signal.SIGKILL), on=program.process)
    assert program.wait() == -signal.SIGKILL


def test_a_signal_reaches_the_whole_group(actor: Driven) -> None:
    program = Program(actor, ["sh", "-c", "sleep 1000 & echo $!; wait"])
    sleeper = int(program.until(b"\n"))
    actor.call("signal", int(signal.SIGKILL), on=program.process)
    assert program.rest(program.stdout) == b""  # both have closed their end
    assert program.wait() == -signal.SIGKILL
    deadline = time.monotonic() + DEADLINE
    while Path(f"/proc/{sleeper}").exists() and state_of(sleeper) != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.01)  # it is another's child: nothing tells


def state_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def test_closing_it_kills_it(actor: Driven) -> None:
    program = Program(actor, ["sleep", "1000"])
    wait = actor.begin("wait", None, on=program.process)
    actor.call("close", on=program.process)
    assert actor.value(wait) == -signal.SIGKILL


def test_a_terminal(actor: Driven) -> None:
    code = (
        "echo $(tty) $(stty size); trap 'echo resized $(stty size)' WINCH;"
        "read x; echo got $x; read y < /dev/tty"
    )
    program = Program(actor, ["sh", "-c", code], None, TYPED, (24, 80))
    assert program.stderr is None
    assert program.stdin is not None
    first = program.until(b"\r\n")
    assert first.startswith(b"/dev/pts/")
    assert first.endswith(b" 24 80\r\n")
    actor.call("write", b"typed\n", on=program.stdin)
    assert b"got typed\r\n" in program.until(b"got typed\r\n")
    actor.call("resize", 50, 132, on=program.stdout)
    actor.call("write", b"more\n", on=program.stdin)
    assert b"resized 50 132" in program.until(b"resized 50 132")
    program.wait(DEADLINE)
    assert program.rest(program.stdout).strip() in {b"", b"more"}
    interrupted = Program(actor, ["cat"], None, TYPED, (24, 80))
    actor.call("write", b"\x03", on=interrupted.stdin)  # the terminal makes SIGINT of it
    assert interrupted.wait(DEADLINE) == -signal.SIGINT


def test_much_output_with_a_slow_reader(actor: Driven) -> None:
    code = "import os, sys; sys.stdout.buffer.write(b'0123456789abcdef' * 262144)"
    program = Program(actor, python(code))
    assert actor.raised("wait", 0.05, on=program.process)[0] == "TimeoutError"  # nobody reads, so it waits
    said = program.rest(program.stdout)
    assert hashlib.sha256(said).digest() == hashlib.sha256(b"0123456789abcdef" * 262144).digest()
    assert program.wait() == 0


def test_much_input_with_a_slow_program(actor: Driven) -> None:
    program = Program(actor, ["sh", "-c", "read go; sha256sum"], None, TYPED, None)
    data = os.urandom(1_000_000)
    actor.call("write", b"go\n", on=program.stdin)
    writing = actor.begin("write", data, on=program.stdin)
    assert actor.value(writing) is None
    actor.call("close", on=program.stdin)
    assert program.rest(program.stdout).split()[0] == hashlib.sha256(data).hexdigest().encode()


def test_a_file_closed_while_it_is_used_stays_open_until_then(actor: Driven) -> None:
    program = Program(actor, ["cat"], None, TYPED, None)
    reading = actor.begin("read", 10, on=program.stdout)
    assert not actor.answered(reading)
    actor.call("close", on=program.stdout)
    assert actor.call("fileno", on=program.stdout) == -1
    assert actor.raised("read", 10, on=program.stdout)[1][0] == 9
    assert not actor.answered(reading)
    actor.call("write", b"x", on=program.stdin)
    assert actor.value(reading) == b"x"


def test_a_program_that_is_gone_cannot_be_written_to(actor: Driven) -> None:
    program = Program(actor, ["true"], None, TYPED, None)
    assert program.wait(DEADLINE) == 0
    assert actor.raised("write", b"x", on=program.stdin)[0] == "BrokenPipeError"


def test_nothing_is_left_of_ended_programs(actor: Driven) -> None:
    before = actor.descriptors()
    for _ in range(20):
        program = Program(actor, ["true"], None, TYPED, None)
        program.wait(DEADLINE)
        ours = (program.process, program.stdin, program.stdout, program.stderr)
        actor.call("forget", [each.number for each in ours if each is not None])
    unasked = [Program(actor, ["true"]) for _ in range(5)]
    assert [program.rest(program.stdout) for program in unasked] == [b""] * 5
    deadline = time.monotonic() + DEADLINE
    while children(actor.pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)  # nobody waits for them, so nothing tells
    actor.call("forget", list(range(1, 1000)))
    assert actor.descriptors() == before
    assert actor.call("about")["sockets"] == 0


def test_there_are_not_too_many() -> None:
    with driven("forked", programs=2) as actor:
        first = Program(actor, ["sleep", "1000"])
        Program(actor, ["sleep", "1000"])
        assert actor.refused("popen", ["true"]) == "actor.programs"
        actor.call("close", on=first.process)
        assert Program(actor, ["true"]).wait(DEADLINE) == 0


def test_an_actor_that_reaches_no_module_any_more_does_all_of_it() -> None:
    with driven("bare") as actor:
        about = actor.call("about")
        if os.geteuid() == 0:
            assert (about["uid"], about["gid"], about["capabilities"]["effective"]) == (10001, 10001, 0)
        program = Program(actor, ["sh", "-c", "id -u; tty"], None, TYPED, (24, 80))
        assert program.rest(program.stdout).split()[0] == str(about["uid"]).encode()
        assert Program(actor, ["sh", "-c", "exit 3"]).wait(DEADLINE) == 3
        path = actor.call("put", "file", b"x", 0o600)
        assert Path(path).stat().st_uid == about["uid"]
        listener = actor.call("socket", 2, 1, 0)
        actor.call("bind", ("127.0.0.1", 0), on=listener)
        actor.call("listen", 1, on=listener)
        name = actor.call("getsockname", on=listener)
        assert actor.pid in {each["pid"] for each in actor.call("sockets") if each["local"] == name}
        assert actor.raised("getaddrinfo", "ñandú", 1, 0, 0, 0, int(socket.AI_NUMERICHOST))[0] == "gaierror"
        assert actor.end() == 0
        assert not Path(path).parent.exists()


def test_files(actor: Driven) -> None:
    path = Path(actor.call("put", "program.sh", b"#!/bin/sh\necho first\n", 0o755))
    assert path.name == "program.sh"
    assert path.parent.stat().st_mode & 0o777 == 0o700
    program = Program(actor, [str(path)])
    assert program.rest(program.stdout) == b"first\n"
    assert actor.call("put", "program.sh", b"again", 0o600) == str(path)
    assert path.read_bytes() == b"again"
    assert path.stat().st_mode & 0o777 == 0o600
    for name in ("", ".", "..", "a/b", "a\0b"):
        assert actor.refused("put", name, b"", 0o600) == "actor.name"
    with driven("forked", files=10) as small:
        small.call("put", "a", b"12345678", 0o600)
        assert small.refused("put", "b", b"123", 0o600) == "actor.files"
        small.call("put", "a", b"1234567890", 0o600)
