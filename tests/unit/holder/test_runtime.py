"""The runtime folder: whose it is, and what its locks mean."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from socketlab.errors import BackendError, SpecError
from socketlab.holder.runtime import Lock, Seat, check_name, dead, folder, seats

HOLD = """
import sys
from pathlib import Path
from socketlab.holder.runtime import Lock
lock = Lock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_the_folder_is_this_users_alone(runtime: Path) -> None:
    assert folder() == runtime
    assert runtime.stat().st_mode & 0o777 == 0o700


def test_a_folder_of_another_mode_is_refused(runtime: Path) -> None:
    runtime.mkdir(mode=0o700)
    runtime.chmod(0o755)
    with pytest.raises(BackendError, match="drwxr-xr-x"):
        folder()


def test_a_symlink_in_its_place_is_refused(runtime: Path) -> None:
    elsewhere = runtime.parent / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    runtime.symlink_to(elsewhere)
    with pytest.raises(BackendError, match=str(runtime)):
        folder()


def test_without_a_runtime_folder_of_the_session_it_is_in_tmp(
    runtime: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime / "absent"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert folder() == tmp_path / f"socketlab-{os.geteuid()}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_another_users_folder_is_refused(runtime: Path) -> None:
    runtime.mkdir(mode=0o700)
    os.chown(runtime, 65534, -1)
    with pytest.raises(BackendError, match="65534"):
        folder()


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 41, "a b", "é"])
def test_a_name_that_can_be_no_files_is_refused(name: str) -> None:
    with pytest.raises(SpecError):
        check_name(name)


def test_a_socket_whose_path_is_too_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("d" * 90)
    deep.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    with pytest.raises(SpecError, match="longer than"):
        Seat("lab")


def test_a_lab_that_answers_runs(runtime: Path) -> None:
    del runtime
    seat = Seat("lab")
    with seat.taken():
        listener = seat.listen()
        assert [(each.name, standing) for each, standing in seats()] == [("lab", "running")]
        listener.close()
        assert seat.standing() == "busy"
    assert seats() == []


def test_a_killed_holders_files_are_found_and_cleared(runtime: Path) -> None:
    seat = Seat("lab")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(seat.lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    seat.socket.touch()
    seat.log.touch()
    with pytest.raises(BlockingIOError):
        Lock(seat.lock)
    assert dead() == []
    seat.clear()
    assert seat.log.exists()

    holder.kill()
    holder.communicate(timeout=20)
    assert [each.name for each in dead()] == ["lab"]
    assert seat.standing() == "dead"
    assert not seat.socket.exists()
    seat.clear()
    assert list(runtime.iterdir()) == []


def test_a_lock_of_a_file_that_was_removed_is_none(runtime: Path) -> None:
    folder()
    path = runtime / "x.lock"
    first = Lock(path)
    path.unlink()
    second = Lock(path)
    assert path.stat().st_ino
    first.release()
    assert not path.exists()
    second.release()


def test_a_system_without_users_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "geteuid")
    with pytest.raises(BackendError, match="WSL"):
        folder()
