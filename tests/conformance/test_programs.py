"""Programs on hosts: run to their end, talked with, served from."""

import re
import signal
import socket
from pathlib import Path

import pytest

from socketlab.errors import SpecError
from socketlab.hosts.lab import Lab
from socketlab.hosts.programs import ProgramError, ProgramTimeoutError
from tests.conformance.places import DEADLINE, Family, Talk

SERVER = """
import socket, sys
listener = socket.create_server(({address!r}, {port}))
print("up", flush=True)
while True:
    peer, _ = listener.accept()
    with peer:
        peer.sendall(peer.recv(100).upper())
"""


def test_run(demo: Lab) -> None:
    ran = demo.client.run(["sh", "-c", "cat; echo said >&2; exit 7"], input=b"bytes \xff\n\0end")
    assert (ran.exit_code, ran.stdout, ran.stderr) == (7, b"bytes \xff\n\0end", b"said\n")
    assert ran.argv[0] == "sh"
    assert demo.client.run(["sh", "-c", "kill -TERM $$"]).exit_code == -signal.SIGTERM
    assert demo.client.run(["sh", "-c", "echo $WORD"], env={"WORD": "given"}).stdout == b"given\n"
    assert demo.client.run(["hostname"]).stdout == b"client\n"
    with pytest.raises(ProgramError, match="3"):
        demo.client.run(["sh", "-c", "echo why; exit 3"], check=True)
    with pytest.raises(FileNotFoundError):
        demo.client.run(["no-such-program"])
    with pytest.raises(SpecError):
        demo.client.run("ls -l")


def test_much_both_ways(demo: Lab) -> None:
    data = bytes(range(256)) * 8000
    assert demo.client.run(["cat"], input=data).stdout == data


def test_run_takes_too_long(demo: Lab) -> None:
    with pytest.raises(ProgramTimeoutError, match="so far") as caught:
        demo.client.run(["sh", "-c", "echo so far; sleep 600"], timeout=0.5)
    assert caught.value.completed is not None
    assert caught.value.completed.stdout == b"so far\n"
    assert isinstance(caught.value, TimeoutError)
    listed = demo.client.run(["sh", "-c", "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; echo; done"])
    assert b"sleep 600" not in listed.stdout


def test_python_is_there(demo: Lab) -> None:
    ran = demo.client.run(
        ["python3", "-c", "import sys, services.server; print(sys.version_info[:2] >= (3, 11))"]
    )
    assert (ran.stdout, ran.stderr) == (b"True\n", b"")


def test_start(demo: Lab) -> None:
    with demo.client.start(
        ["sh", "-c", "echo up; while read line; do echo got $line; done; exit 4"], ready="up"
    ) as program:
        assert program.stdin is not None
        assert program.stdout.readline() == b"up\n"
        program.stdin.write(b"one\n")
        assert program.stdout.readline() == b"got one\n"
        assert program.poll() is None
        with pytest.raises(ProgramTimeoutError):
            program.wait(0.01)
        program.stdin.close()
        assert program.wait(DEADLINE) == 4
        assert program.poll() == 4
        assert program.stdout.read() == b""


def test_signals(demo: Lab) -> None:
    script = "trap 'echo caught; exit 5' USR1; echo up; while :; do sleep 0.02; done"
    with demo.client.start(["sh", "-c", script], ready=re.compile(rb"^up$", re.MULTILINE)) as program:
        assert program.stdout.readline() == b"up\n"
        program.suspend()
        program.signal(signal.SIGUSR1)
        with pytest.raises(ProgramTimeoutError):
            program.wait(0.2)
        program.carry_on()
        assert program.wait(DEADLINE) == 5
        assert program.stdout.read() == b"caught\n"


def test_suspended_its_kernel_goes_on(talk: Talk) -> None:
    """A stopped process is no stopped host: connections are made, and nobody answers on them."""
    with talk.server.serve(port=0, address=talk.family.of(talk.server)) as service:
        at = (talk.family.of(talk.server), service.port)
        near = talk.tcp()
        near.settimeout(DEADLINE)
        service.suspend()
        near.connect(at)
        near.sendall(b"echo\n")
        near.settimeout(0.2)
        with pytest.raises(TimeoutError):
            near.recv(1)
        service.carry_on()
        near.settimeout(DEADLINE)
        assert near.recv(5) == b"echo\n"
        near.close()  # else it would wait for its client before it ends


def test_ready_never_comes(demo: Lab) -> None:
    with pytest.raises(ProgramError, match="last words") as caught:
        demo.client.start(["sh", "-c", "echo last words >&2; exit 9"], ready="up")
    assert "9" in str(caught.value)
    with pytest.raises(ProgramTimeoutError, match="something else"):
        demo.client.start(["sh", "-c", "echo something else; sleep 600"], ready="up", timeout=0.5)


def test_a_terminal(demo: Lab) -> None:
    with demo.client.start(["sh", "-c", "stty size; tty; read x; stty size"], tty=(33, 101)) as program:
        assert program.stderr is None
        assert program.stdin is not None
        assert program.stdout.readline() == b"33 101\r\n"
        assert program.stdout.readline().startswith(b"/dev/pts/")
        program.resize(40, 90)
        program.stdin.write(b"\n")
        assert b"40 90" in program.stdout.read()
        assert program.wait(DEADLINE) == 0


@pytest.mark.parametrize("style", ["threaded", "epoll"])
def test_serve(talk: Talk, style: str) -> None:
    with talk.server.serve(style=style, port=0, transport="both") as service:
        assert service.port
        near = talk.keep(talk.client.create_connection((talk.family.of(talk.server), service.port)))
        near.settimeout(DEADLINE)
        near.sendall(b"echo\n")
        assert near.recv(5, socket.MSG_WAITALL) == b"echo\n"
        udp = talk.udp()
        udp.settimeout(DEADLINE)
        udp.sendto(b"datagram", (talk.family.of(talk.server), service.port))
        assert udp.recvfrom(100)[0] == b"datagram"
        near.close()  # else it would wait for its client before it ends
        service.terminate()
        assert service.wait(DEADLINE) == 0
    with pytest.raises(ConnectionRefusedError):
        talk.tcp().connect((talk.family.of(talk.server), service.port))


def test_serve_says_why_not(demo: Lab) -> None:
    with demo.server.serve(port=7111), pytest.raises(ProgramError, match=r"7111|in use"):
        demo.server.serve(port=7111)
    with pytest.raises(ProgramError, match="style"):
        demo.server.serve(style="no-such-style", port=0)


def test_serve_a_file(demo: Lab, tmp_path: Path) -> None:
    file = tmp_path / "my_server.py"
    file.write_text(SERVER.format(address="", port=7222))
    with demo.server.serve(str(file), port=7222) as service:
        assert ("tcp", "0.0.0.0", 7222) in service.listening
        with demo.client.create_connection((demo.server.address, 7222)) as near:
            near.sendall(b"shout")
            assert near.recv(100) == b"SHOUT"
        assert service.stdout.readline() == b"up\n"


@pytest.mark.parametrize(
    ("text", "port", "expected"),
    [
        (SERVER.format(address="127.0.0.1", port=7223), 7223, "loopback"),
        (SERVER.format(address="", port=7224), 7225, "7224"),
        ("raise SystemExit('I would rather not')", None, "rather not"),
        ("import time\nprint('dozing', flush=True)\ntime.sleep(600)", None, "dozing"),
    ],
)
def test_serve_a_file_that_does_not(
    demo: Lab, tmp_path: Path, text: str, port: int | None, expected: str
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(text)
    with pytest.raises(ProgramError, match=expected):
        demo.server.serve(file, port=port, timeout=2)
    with pytest.raises(SpecError, match=r"mine\.py"):
        demo.server.serve(file.with_name("not-mine.py"))


def test_a_program_speaks_from_its_host(demo: Lab, family: Family) -> None:
    code = (
        "import socket, sys\n"
        "s = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
        "s.sendall(s.recv(100)[::-1])"
    )
    with demo.server.create_server((family.of(demo.server), 0), family=family.number) as server:
        argv = ["python3", "-c", code, family.of(demo.server), str(server.getsockname()[1])]
        server.settimeout(DEADLINE)
        with demo.client.start(argv) as program:
            far, peer = server.accept()
            with far:
                assert peer[0] == family.of(demo.client)
                far.sendall(b"abc")
                assert far.recv(100) == b"cba"
            assert program.wait(DEADLINE) == 0
