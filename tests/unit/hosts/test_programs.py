"""Programs on a host: run, started, served; on an actor of this machine's loopback."""

import re
import signal
import textwrap
from collections.abc import Callable

import pytest

from services import ports
from socketlab.errors import SpecError
from socketlab.hosts import running, serving
from socketlab.hosts.host import Host
from socketlab.hosts.programs import ProgramError, ProgramTimeoutError

DEADLINE = 20.0
LOOP = "import time; print('ready', flush=True); time.sleep(60)"


def python(code: str) -> list[str]:
    return ["python3", "-u", "-c", textwrap.dedent(code)]


def test_run(host: Host) -> None:
    done = host.run(["sh", "-c", "cat; echo problem >&2; exit 3"], input=b"some\0bytes\xff")
    assert (done.exit_code, done.stdout, done.stderr) == (3, b"some\0bytes\xff", b"problem\n")
    assert done.argv[0] == "sh"
    assert done.seconds > 0


def test_run_feeds_and_collects_at_the_same_time(host: Host) -> None:
    data = bytes(range(256)) * 8192
    done = host.run(["sh", "-c", "cat; cat /dev/null >&2"], input=data)
    assert done.stdout == data


def test_run_of_a_program_that_does_not_read(host: Host) -> None:
    assert host.run(["true"], input=b"x" * 1_000_000).exit_code == 0


def test_run_without_input_reads_nothing(host: Host) -> None:
    assert host.run(["cat"]).stdout == b""


def test_env_is_added(host: Host) -> None:
    done = host.run(["sh", "-c", 'echo "$ONE $TWO"; command -v sh'], env={"ONE": "1 1", "TWO": "=x"})
    assert done.stdout.startswith(b"1 1 =x\n/")


@pytest.mark.parametrize("env", [{"A=B": "1"}, {"": "1"}, {"A": "\0"}, {"A": 1}])
def test_what_is_no_environment(host: Host, env: dict[str, str]) -> None:
    with pytest.raises(SpecError):
        host.run(["true"], env=env)


def test_a_signal_is_a_negative_exit_code(host: Host) -> None:
    assert host.run(["sh", "-c", "kill -9 $$"]).exit_code == -signal.SIGKILL


def test_check(host: Host) -> None:
    with pytest.raises(ProgramError, match=r"exit code 5(?s:.*)too bad") as raised:
        host.run(["sh", "-c", "echo too bad; exit 5"], check=True)
    assert raised.value.completed is not None
    assert raised.value.completed.exit_code == 5


def test_too_long(host: Host) -> None:
    with pytest.raises(ProgramTimeoutError, match="begun") as raised:
        host.run(["sh", "-c", "echo begun; sleep 60"], timeout=1.5)
    assert isinstance(raised.value, TimeoutError)
    completed = raised.value.completed
    assert completed is not None
    assert (completed.exit_code, completed.stdout) == (-signal.SIGKILL, b"begun\n")


def test_a_grandchild_that_holds_the_pipe_holds_nobody(host: Host) -> None:
    with pytest.raises(ProgramTimeoutError):
        host.run(["sh", "-c", "setsid sleep 3 & echo over"], timeout=0.5)


def test_too_much(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "MOST_OUTPUT", 100_000)
    with pytest.raises(ProgramError) as raised:
        host.run(["yes"])
    assert raised.value.code == "program.flood"


@pytest.mark.parametrize("argv", ["ls -l", b"ls", [], ["a\0b"], [1]])
def test_what_is_no_command(host: Host, argv: list[str]) -> None:
    with pytest.raises(SpecError):
        host.run(argv)


def test_no_such_program(host: Host) -> None:
    with pytest.raises(FileNotFoundError):
        host.start(["surely-not-there"])


def test_talking(host: Host) -> None:
    echo = "import sys\nfor line in sys.stdin: print(line.upper(), end=''); print('err', file=sys.stderr)"
    with host.start(python(echo)) as program:
        assert program.stdin
        assert program.stderr
        for word in (b"one\n", b"two\n"):
            program.stdin.write(word)
            assert program.stdout.readline() == word.upper()
        assert program.stderr.readline() == b"err\n"
        assert program.poll() is None
        program.stdin.close()
        assert program.wait(DEADLINE) == 0
        assert program.stdout.read() == b""
    assert str(program.pid) in repr(program)


def test_the_block_ends_it(host: Host) -> None:
    with host.start(python(LOOP)) as program:
        pass
    assert program.wait() == -signal.SIGTERM
    assert program.end() == -signal.SIGTERM  # any number of times


def test_one_that_does_not_listen_to_sigterm_is_killed(host: Host) -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + LOOP
    program = host.start(python(deaf), ready="ready")
    assert program.end(grace=0.2) == -signal.SIGKILL


def test_one_that_is_suspended_is_ended(host: Host) -> None:
    program = host.start(python(LOOP), ready="ready")
    program.suspend()
    assert program.poll() is None
    assert program.end() == -signal.SIGTERM


def test_wait_with_a_timeout(host: Host) -> None:
    with host.start(["sleep", "60"]) as program, pytest.raises(ProgramTimeoutError):
        program.wait(0.05)


def test_a_terminal(host: Host) -> None:
    code = "import os; print(os.isatty(0), os.get_terminal_size().lines)"
    with host.start(python(code), tty=(33, 99)) as program:
        assert program.stderr is None
        assert program.stdout.read().split() == [b"True", b"33"]


READY = [
    b"ready",
    "ready",
    re.compile(rb"re+ad[y]"),
    re.compile("REA.Y", re.IGNORECASE),
    lambda program: program.pid > 0,
]


@pytest.mark.parametrize("ready", READY, ids=["bytes", "text", "pattern", "text-pattern", "function"])
def test_ready(
    host: Host, ready: bytes | str | re.Pattern[bytes] | re.Pattern[str] | Callable[..., bool]
) -> None:
    with host.start(python(LOOP), ready=ready, timeout=DEADLINE) as program:
        assert program.stdout.readline() == b"ready\n"  # what was looked at is not lost


def test_ready_in_pieces_on_the_other_stream(host: Host) -> None:
    code = """
        import sys, time
        for piece in ("nearly re", "ad", "y"):
            sys.stderr.write(piece); sys.stderr.flush(); time.sleep(0.02)
        time.sleep(60)
    """
    with host.start(python(code), ready="ready", timeout=DEADLINE) as program:
        assert program.stderr
        assert program.stderr.read(12) == b"nearly ready"


def test_never_ready(host: Host) -> None:
    with pytest.raises(ProgramTimeoutError, match="something else"):
        host.start(["sh", "-c", "echo something else; sleep 60"], ready="ready", timeout=1.5)
    with pytest.raises(ProgramTimeoutError):
        host.start(["sleep", "60"], ready=lambda _: False, timeout=0.1)
    with pytest.raises(ProgramTimeoutError):
        host.start(["yes"], ready="ready", timeout=DEADLINE)  # it says too much


def test_ended_instead_of_ready(host: Host) -> None:
    for ready in ("ready", lambda _: False):
        with pytest.raises(ProgramError, match=r"exit code 1(?s:.*)ZeroDivisionError"):
            host.start(python("1/0"), ready=ready, timeout=DEADLINE)


def test_our_own_server(host: Host) -> None:
    with host.serve(style="epoll", protocol="echo", port=0, address="127.0.0.1") as service:
        assert service.listening == (("tcp", "127.0.0.1", service.port),)
        with host.create_connection(("127.0.0.1", service.port), 5) as s:
            s.sendall(b"hello")
            assert s.recv(5) == b"hello"


def test_the_port_that_ours_takes_by_itself() -> None:
    assert serving.ECHO == ports.ECHO


def test_a_server_that_cannot_serve_says_why(host: Host) -> None:
    with pytest.raises(ProgramError, match=r"exit code 2(?s:.*)nonesuch"):
        host.serve(style="nonesuch", port=0)


def test_a_file_that_is_not_there(host: Host) -> None:
    with pytest.raises(SpecError, match="style="):
        host.serve("threaded")
