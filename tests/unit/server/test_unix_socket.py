"""Unix sockets by name: what is dead is replaced, what lives is not, and no file of anybody's is deleted."""

import errno
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from services import unix_socket

ROOT = Path(__file__).parents[3]
KINDS = [socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET]
CONTEND = """
import os, socket, sys
from services import unix_socket
rounds = 200
while rounds:
    with socket.socket(socket.AF_UNIX) as sock:
        try:
            unix_socket.bind(sock, "s")
        except OSError as error:
            assert error.strerror == "Address already in use", error
            continue
        rounds -= 1
        os.close(os.open("inside", os.O_CREAT | os.O_EXCL))  # fails if another has the path, too
        os.unlink("inside")  # and the socket's file is left behind
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Short, whatever the length of the folder's name."""
    monkeypatch.chdir(tmp_path)
    return "s"


@pytest.fixture(params=KINDS, ids=[kind.name for kind in KINDS])
def sock(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    """A Unix socket of each kind."""
    with socket.socket(socket.AF_UNIX, request.param) as made:
        yield made


def leave_behind(path: str, kind: socket.SocketKind) -> None:
    """What is left of a killed server."""
    with socket.socket(socket.AF_UNIX, kind) as dead:
        dead.bind(path)


def refused(sock: socket.socket, path: str) -> bool:
    with pytest.raises(OSError, match="Address already in use") as raised:
        unix_socket.bind(sock, path)
    return raised.value.errno == errno.EADDRINUSE


@pytest.mark.parametrize("left", KINDS, ids=lambda kind: f"left-{kind.name}")
def test_what_a_dead_one_left_is_replaced(sock: socket.socket, path: str, left: socket.SocketKind) -> None:
    leave_behind(path, left)
    unix_socket.bind(sock, path)
    assert sock.getsockname() == path


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"living-{kind.name}")
def test_one_that_is_bound_is_not_taken_for_dead(
    sock: socket.socket, path: str, kind: socket.SocketKind
) -> None:
    with socket.socket(socket.AF_UNIX, kind) as living:
        living.bind(path)  # and does not listen yet
        assert refused(sock, path)
        assert Path(path).is_socket()


def test_a_living_server_sees_nothing_of_the_question(sock: socket.socket, path: str) -> None:
    with unix_socket.listen(path) as living:
        assert refused(sock, path)
        living.settimeout(0)
        with pytest.raises(BlockingIOError):
            living.accept()


def test_a_full_backlog_holds_nobody(sock: socket.socket, path: str) -> None:
    with socket.socket(socket.AF_UNIX) as living, socket.socket(socket.AF_UNIX) as waiting:
        living.bind(path)
        living.listen(0)
        waiting.connect(path)
        assert refused(sock, path)


def test_a_file_that_is_no_socket_is_left_alone(sock: socket.socket, path: str) -> None:
    Path(path).write_text("a student's work", encoding="ascii")
    assert refused(sock, path)
    unix_socket.remove(path)
    assert Path(path).read_text(encoding="ascii") == "a student's work"


def test_a_link_is_left_alone(sock: socket.socket, path: str) -> None:
    leave_behind("dead", socket.SOCK_STREAM)
    Path(path).symlink_to("dead")
    assert refused(sock, path)
    assert Path(path).is_symlink()


def test_an_abstract_name_is_free_when_its_socket_is_closed(sock: socket.socket) -> None:
    name = f"@socketlab-test-{uuid.uuid4().hex}"
    with socket.socket(socket.AF_UNIX, sock.type) as first:
        unix_socket.bind(first, name)
        assert refused(sock, name)
    unix_socket.bind(sock, name)
    assert unix_socket.path_of(sock.getsockname()) == name
    unix_socket.remove(name)  # nothing to do


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "still-open"])
def test_its_own_file_is_removed(sock: socket.socket, path: str, closed: bool) -> None:  # noqa: FBT001 - a parameter of the test
    unix_socket.bind(sock, path)
    if closed:  # for this process: a thread or a child may have it longer
        sock.close()
    unix_socket.remove(path)
    assert not Path(path).exists()
    unix_socket.remove(path)  # again: no error


def test_what_another_process_left_is_not_removed_but_replaced(path: str) -> None:
    leave_behind(path, socket.SOCK_STREAM)
    unix_socket.remove(path)
    assert Path(path).is_socket()


def test_the_file_of_a_successor_stays(sock: socket.socket, path: str) -> None:
    unix_socket.bind(sock, path)
    sock.close()
    Path(path).unlink()
    with socket.socket(socket.AF_UNIX) as successor:
        successor.bind(path)  # of another process, for all that we know
        unix_socket.remove(path)
        assert Path(path).is_socket()


def test_no_folder_is_the_kernels_own_error(sock: socket.socket, path: str) -> None:
    with pytest.raises(FileNotFoundError):
        unix_socket.bind(sock, f"missing/{path}")


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o755), (0o077, 0o700), (0, 0o777)])
def test_the_umask_says_who_may_connect(path: str, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        unix_socket.listen(path).close()
    finally:
        os.umask(before)
    assert Path(path).stat().st_mode & 0o777 == mode


@pytest.mark.usefixtures("path")
def test_the_longest_path_is_one_that_the_kernel_takes(sock: socket.socket) -> None:
    with pytest.raises(OSError, match="too long"):
        unix_socket.bind(sock, "x" * (unix_socket.LONGEST + 1))
    unix_socket.bind(sock, "x" * unix_socket.LONGEST)
    assert sock.getsockname() == "x" * unix_socket.LONGEST


def test_of_many_that_find_a_dead_socket_one_gets_it(tmp_path: Path) -> None:
    contenders = [
        subprocess.Popen(
            [sys.executable, "-c", CONTEND], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        for _ in range(4)
    ]
    assert [contender.wait(60) for contender in contenders] == [0] * 4
