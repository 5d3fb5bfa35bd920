"""What the backend runs in containers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.container.halt import programs
from services.container.network import via_is_near

HALT = Path(__file__).parents[4] / "services/container/halt.py"


def process(proc: Path, pid: int, parent: int, *words: str) -> None:
    """A process as proc(5) shows it."""
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in words))
    (folder / "stat").write_text(f"{pid} (a) name) S {parent} 1 1")


def test_who_is_asked_to_end(tmp_path: Path) -> None:
    process(tmp_path, 1, 0, "docker-init", "--", "sleep", "infinity")
    process(tmp_path, 7, 1, "sleep", "infinity")
    process(tmp_path, 8, 0, "python3", "-c", "from services.actor.__main__ import main")
    process(tmp_path, 9, 0, "python3", "by-hand.py")
    process(tmp_path, 10, 8, "python3", "-m", "services.server")
    process(tmp_path, 11, 8, "sleep", "infinity")
    process(tmp_path, 12, 1, "daemon")
    process(tmp_path, 13, 1)
    (tmp_path / "net").mkdir()
    (tmp_path / "14").mkdir()
    assert sorted(programs(tmp_path)) == [9, 10, 11, 12]


@pytest.mark.skipif(os.geteuid() != 0, reason="a PID namespace of its own takes root")
def test_programs_are_asked_and_waited_for() -> None:
    """In a PID namespace where halt.py meets two programs only: one that ends, one that does not care."""
    ends = "import signal,sys; signal.signal(signal.SIGTERM, lambda *_: (print('asked'), sys.exit())); "
    ends += "print('up', flush=True); signal.pause()"
    test = f"""
import subprocess, sys, time
program = subprocess.Popen([sys.executable, "-c", {ends!r}], stdout=subprocess.PIPE, text=True)
assert program.stdout.readline() == "up\\n"
subprocess.run([sys.executable, {str(HALT)!r}], check=True, timeout=20)
print(program.communicate(timeout=10)[0].strip(), program.returncode)
"""
    argv = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", sys.executable, "-c", test]
    ran = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    if "unshare" in ran.stderr:
        pytest.skip(ran.stderr)
    assert (ran.stdout, ran.stderr, ran.returncode) == ("asked 0\n", "", 0)


def test_a_router_is_near_or_not() -> None:
    assert via_is_near("10.1.2.2", "10.1.2.10", 24)
    assert not via_is_near("10.1.3.2", "10.1.2.10", 24)
    assert via_is_near("fd00::2", "fd00::10", 64)
    assert not via_is_near("10.1.2.2", "fd00::10", 64)
