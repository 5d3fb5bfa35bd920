"""Where an agent of its own has its run directory."""

import os
from pathlib import Path

import pytest

from services.agent import folders
from services.agent.meeting import RUN_DIR
from services.messages import ServiceError


def test_what_the_user_names_is_used(tmp_path: Path) -> None:
    assert folders.to_ask(tmp_path) == tmp_path
    named = tmp_path / "made"
    with folders.of_its_own(named) as folder:
        assert folder == named
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "agent.sock").touch()
    assert not named.exists()


def test_a_directory_that_was_there_stays(tmp_path: Path) -> None:
    with folders.of_its_own(tmp_path) as folder:
        (folder / "mine").touch()
    assert (tmp_path / "mine").exists()


def test_whoever_is_forked_meanwhile_removes_nothing(tmp_path: Path) -> None:
    made = folders.of_its_own(tmp_path / "made")
    folder = made.__enter__()
    pid = os.fork()
    if pid == 0:
        made.__exit__(None, None, None)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert folder.is_dir()
    made.__exit__(None, None, None)
    assert not folder.exists()


def test_without_a_place_it_says_where_it_looked() -> None:
    with (
        pytest.raises(ServiceError, match="no folder can be written to: /proc/nothing"),
        folders.of_its_own(Path("/proc/nothing")),
    ):
        pass


def test_the_usual_place_is_asked_where_no_agent_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(folders, "_SHARED_MEMORY", tmp_path)
    assert folders.to_ask(None) == RUN_DIR


@pytest.mark.skipif((RUN_DIR / "agent.sock").exists(), reason="an agent is at work on this very machine")
def test_an_agent_of_its_own_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(folders, "_SHARED_MEMORY", tmp_path)
    with folders.of_its_own(None) as folder:
        assert folder.parent == tmp_path
        (folder / "agent.sock").touch()
        assert folders.to_ask(None) == folder


def test_a_directory_of_somebody_elses_making_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(folders, "_SHARED_MEMORY", tmp_path)
    with folders.of_its_own(None) as folder:
        name = folder.name
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / name).symlink_to(tmp_path / "elsewhere")
    with folders.of_its_own(None) as folder:
        assert folder != tmp_path / name
