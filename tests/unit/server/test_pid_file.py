"""The pid file: one daemon at a time, whatever becomes of the others, and nobody's work is overwritten."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.server.errors import EXIT_CANNOT, ServerError
from services.server.pid_file import PidFile

ROOT = Path(__file__).parents[3]
DEADLINE = 20.0
HOLD = """
import sys
from pathlib import Path
from services.server.pid_file import PidFile
held = PidFile(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
held.remove()
"""
CONTEND = """
import os, sys
from pathlib import Path
from services.server.errors import ServerError
from services.server.pid_file import PidFile
path, marker, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
while rounds:
    try:
        held = PidFile(path)
    except ServerError as error:
        assert error.code == "server.running" and int(error.details["pid"]) != os.getpid(), error
        continue
    rounds -= 1
    os.close(os.open(marker, os.O_CREAT | os.O_EXCL))  # fails if another is inside
    os.unlink(marker)
    held.remove()
"""


@contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the pid file."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_it_says_the_process_and_is_gone_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    held = PidFile(path)
    assert path.read_text(encoding="ascii") == f"{os.getpid()}\n"
    held.remove()
    assert not path.exists()


def test_a_second_is_told_who_is_the_first(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    with holder(path) as first:
        path.write_text("1\n", encoding="ascii")  # what it says does not matter, who has locked it does
        with pytest.raises(ServerError) as raised:
            PidFile(path)
        assert raised.value.code == "server.running"
        assert raised.value.exit_code == EXIT_CANNOT
        assert raised.value.details["pid"] == str(first.pid)


def test_what_a_killed_one_left_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    with holder(path) as first:
        first.send_signal(signal.SIGKILL)
        first.wait(DEADLINE)
    assert path.read_text(encoding="ascii") == f"{first.pid}\n"
    held = PidFile(path)
    assert path.read_text(encoding="ascii") == f"{os.getpid()}\n"
    held.remove()


def test_the_number_of_a_living_stranger_does_not_hold_it(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    path.write_text(f"{os.getppid()}\n", encoding="ascii")
    PidFile(path).remove()
    assert not path.exists()


def test_a_forked_copy_removes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    program = f"import os\nfrom pathlib import Path\n{HOLD.replace('held.remove()', '')}"
    program += "if os.fork() == 0:\n    held.remove()\n    os._exit(0)\nos.wait()\n"
    ended = subprocess.run(
        [sys.executable, "-c", program, str(path)], cwd=ROOT, input=b"", timeout=DEADLINE, check=True
    )
    assert ended.returncode == 0
    assert path.exists()


def test_the_file_of_a_successor_stays(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    held = PidFile(path)
    path.unlink()  # somebody tidied up, and another daemon has started
    with holder(path) as second:
        held.remove()
        assert path.read_text(encoding="ascii") == f"{second.pid}\n"


@pytest.mark.parametrize("content", ["a student's work", "12345678901", "12 34", "-1"])
def test_what_is_no_pid_file_is_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "work.py"
    path.write_text(content, encoding="ascii")
    with pytest.raises(ServerError) as raised:
        PidFile(path)
    assert raised.value.code == "server.pid-file-foreign"
    assert path.read_text(encoding="ascii") == content


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    target, path = tmp_path / "target", tmp_path / "pid"
    target.touch()
    path.symlink_to(target)
    with pytest.raises(ServerError) as raised:
        PidFile(path)
    assert "ELOOP" in str(raised.value)
    assert target.read_bytes() == b""


@pytest.mark.parametrize("name", ["missing/pid", "."], ids=["no-folder", "a-folder"])
def test_where_it_cannot_be_written_it_says_so(tmp_path: Path, name: str) -> None:
    with pytest.raises(ServerError) as raised:
        PidFile(tmp_path / name)
    assert raised.value.code == "server.pid-file"


def test_a_pipe_in_its_place_does_not_hang_it(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    os.mkfifo(path)
    with pytest.raises(ServerError) as raised:
        PidFile(path)
    assert raised.value.code == "server.pid-file-foreign"


def test_of_many_that_start_and_end_at_once_there_is_never_more_than_one(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CONTEND, str(tmp_path / "pid"), str(tmp_path / "inside"), "100"]
    contenders = [subprocess.Popen(command, cwd=ROOT) for _ in range(4)]
    assert [contender.wait(60) for contender in contenders] == [0] * 4
    assert list(tmp_path.iterdir()) == []
