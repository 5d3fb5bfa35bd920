"""Tables, plain and drawn."""

import os
import pty
import sys
from pathlib import Path

import pytest

from socketlab.cli.console import printable, put_table
from socketlab.cli.tracing import Filter

ROOT = Path(__file__).parents[3]


def test_a_table_without_a_terminal_is_plain_columns(capsys: pytest.CaptureFixture[str]) -> None:
    put_table(["host", "state"], [["a", "running"], ["server", "x"]])
    assert capsys.readouterr().out == "host    state\na       running\nserver  x\n"


def test_a_peers_bytes_are_no_orders_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    put_table(["x"], [["\x1b[31mred"]])
    assert "\x1b" not in capsys.readouterr().out
    assert printable("a\tb\x07") == "a?b?"


@pytest.mark.parametrize(("no_color", "drawn"), [("", True), ("1", False)])
def test_a_terminal_gets_a_drawn_table_unless_no_color_is_set(*, no_color: str, drawn: bool) -> None:
    source = "from socketlab.cli.console import put_table; put_table(['host'], [['[red]a[/red]']])"
    environ = {**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8", "PYTHONPATH": str(ROOT)}
    environ["NO_COLOR"] = no_color
    child, master = pty.fork()
    if child == 0:
        os.execve(sys.executable, [sys.executable, "-c", source], environ)  # noqa: S606 - no shell is wanted
    said = b""
    try:
        while data := os.read(master, 4096):
            said += data
    except OSError:  # EIO: the end
        pass
    os.close(master)
    assert os.waitpid(child, 0)[1] == 0
    assert (b"\x1b[1m" in said) is drawn
    assert b"[red]a[/red]" in said


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("12 socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) = 3<TCP:[1]>", True),
        ("12 connect(3<TCP:[1]>, {sa_family=AF_INET}, 16) = -1 ECONNREFUSED (Connection refused)", True),
        ("12 close(3<TCP:[127.0.0.1:1->127.0.0.1:2]>) = 0", True),
        ("12 close(3</etc/ld.so.cache>) = 0", False),
        ('12 read(3<TCP:[1]>, "x", 1) = 1', True),
        ('12 read(3</etc/passwd>, "x", 1) = 1', False),
        ('12 write(1<pipe:[7]>, "x", 1) = 1', False),
        ("12 close(4<UNIX:[1->2]>) = 0", True),
        ("12 close(4<socket:[17]>) = 0", True),
        ("12 epoll_wait(5<anon_inode:[eventpoll]>, [], 1, 0) = 0", True),
        ("12 --- SIGCHLD {si_signo=SIGCHLD} ---", False),
        ("12 --- SIGINT {si_signo=SIGINT} ---", True),
        ("12 socket(AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, NETLINK_ROUTE) = 3<NETLINK:[1]>", False),
        ("12 close(3<NETLINK:[ROUTE:59]>) = 0", False),
    ],
)
def test_which_lines_of_strace_are_about_sockets(line: str, *, told: bool) -> None:
    assert Filter().takes(line) is told


def test_an_interrupted_calls_second_half_goes_with_its_first() -> None:
    wanted = Filter()
    lines = {
        "7 accept(3<TCP:[1]>,  <unfinished ...>": True,
        "8 read(3</etc/passwd>,  <unfinished ...>": False,
        '8 <... read resumed>"x", 1) = 1': False,
        "7 <... accept resumed>NULL, NULL) = 4<TCP:[2]>": True,
        "7 <... read resumed>NULL) = 4": False,
    }
    assert {line: wanted.takes(line) for line in lines} == lines
