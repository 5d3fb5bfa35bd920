import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts.machine import ROOT
from scripts.machine.errors import NothingRanError
from scripts.machine.run_lock import RUN_VARIABLE, Owner, RunLock, lock_folder, machine_id

HOLDER = """
import sys
from scripts.machine.run_lock import RunLock
with RunLock() as lock:
    print(lock.label, flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_run() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that holds a run's lock, and the run's label."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        label = holder.stdout.readline().strip()
        try:
            yield holder, label
        finally:
            holder.kill()
            owner(label).forget()


def owner(label: str) -> Owner:
    read = Owner.from_label(label)
    assert read is not None
    return read


def test_a_run_is_alive_while_it_holds_its_lock_and_leaves_no_file() -> None:
    with RunLock() as lock:
        ours = owner(lock.label)
        assert not ours.is_gone()
        assert ours.lock.exists()
    assert ours.is_gone()
    assert not ours.lock.exists()


def test_two_runs_have_two_locks() -> None:
    with RunLock() as one, RunLock() as other:
        assert one.label != other.label


def test_a_killed_run_is_gone_though_its_file_is_still_there() -> None:
    with another_run() as (holder, label):
        assert not owner(label).is_gone()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert owner(label).is_gone()
        assert owner(label).lock.exists()
        owner(label).forget()
        assert not owner(label).lock.exists()


def test_another_machines_run_is_never_gone(tmp_path: Path) -> None:
    assert not Owner("another-machine", tmp_path / "no.lock").is_gone()


def test_a_lock_that_cannot_be_opened_counts_as_held(tmp_path: Path) -> None:
    (tmp_path / "loop.lock").symlink_to("loop.lock")
    assert not Owner(machine_id(), tmp_path / "loop.lock").is_gone()


@pytest.mark.parametrize("label", ["", ":", "machine", "machine:", ":/tmp/x.lock", "machine:x.lock"])
def test_a_label_that_names_no_run_has_no_owner(label: str) -> None:
    assert Owner.from_label(label) is None


def test_a_folder_that_others_may_write_holds_no_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = lock_folder()
    assert folder.parent == tmp_path
    folder.chmod(0o777)
    with pytest.raises(NothingRanError) as refused:
        lock_folder()
    assert refused.value.code == "machine.lock-folder"


def test_this_very_run_holds_its_lock() -> None:
    assert not owner(os.environ[RUN_VARIABLE]).is_gone()
