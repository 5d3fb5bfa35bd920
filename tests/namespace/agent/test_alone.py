"""A command that is an agent itself, since there is none to ask."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.namespace.agent.lab import ROOT, SECONDS, Host, Lab

_READ_ONLY = """
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /dev/shm
mkdir /dev/shm/code
mount --bind "$CODE" /dev/shm/code
mount -t tmpfs -o ro tmpfs /run
mount -t tmpfs tmpfs /tmp
mkdir -p "$CODE"
mount --bind /dev/shm/code "$CODE"
umount /dev/shm/code
rmdir /dev/shm/code
mount -o remount,ro /tmp
cd "$CODE"
exec "$@"
"""
"""The code may itself lie below /tmp, as in a clone that is tried there."""


@contextmanager
def _command(
    host: Host, folder: Path, *words: str, before: tuple[str, ...] = ()
) -> Iterator[subprocess.Popen[str]]:
    program = [sys.executable, "-m", "services.agent.command", *words, "--run-dir", str(folder)]
    if before:
        program = [*before, *program[:-2]]
    with subprocess.Popen(
        ["nsenter", f"--net=/run/netns/{host.name}", "--", *program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={
            **os.environ,
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "CODE": str(ROOT),
        },
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            process.communicate(timeout=SECONDS)


def _said(process: subprocess.Popen[str]) -> str:
    """The line that says that the fault is in force."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert process.stderr is not None
    return line or process.stderr.read()


def _settled(lab: Lab, before: tuple[str, ...]) -> None:
    assert lab.server.state() == before
    assert lab.connect("ipv4") == "connected"


def test_until_its_time_is_up(lab: Lab, tmp_path: Path) -> None:
    before = lab.server.state()
    asked = time.monotonic()
    words = ("add", "drop", "--port", "7000", "--proto", "tcp", "--for", "1.5s", "--json")
    with _command(lab.server, tmp_path / "run", *words) as process:
        applied = json.loads(_said(process))
        assert applied["lease"]["fault"]["kind"] == "drop"
        assert lab.connect("ipv4", timeout=0.2) == "timeout"
        assert process.wait(SECONDS) == 0
    assert time.monotonic() - asked >= 1.5
    _settled(lab, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("words", ["delay 20ms --port 7000", "route throw 10.98.0.224/27"])
def test_until_a_signal_comes(lab: Lab, tmp_path: Path, words: str, number: signal.Signals) -> None:
    before = lab.server.state()
    with _command(lab.server, tmp_path / "run", "add", *words.split()) as process:
        assert words.split(maxsplit=1)[0] in _said(process)
        assert lab.server.state() != before
        process.send_signal(number)
        assert process.wait(SECONDS) == 0
    _settled(lab, before)


def test_its_agent_is_killed_and_its_nanny_clears_up(lab: Lab, tmp_path: Path) -> None:
    before = lab.server.state()
    with _command(lab.server, tmp_path / "run", "add", "route", "throw", "10.98.0.224/27") as process:
        assert "throw" in _said(process)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)
        assert process.wait(SECONDS) == 1
    _settled(lab, before)


def test_where_nothing_can_be_written_but_shared_memory(lab: Lab, tmp_path: Path) -> None:
    before = lab.server.state()
    within = ("unshare", "--mount", "sh", "-c", _READ_ONLY, "sh")
    words = ("add", "drop", "--port", "7000", "--for", "30s")
    with _command(lab.server, tmp_path, *words, before=within) as process:
        assert "drop" in _said(process)
        assert lab.connect("ipv4", timeout=0.2) == "timeout"
        process.terminate()
        assert process.wait(SECONDS) == 0
    _settled(lab, before)


def test_a_fault_that_is_not_to_be_had_leaves_nothing(lab: Lab, tmp_path: Path) -> None:
    before = lab.server.state()
    with _command(lab.server, tmp_path / "run", "add", "mtu", "1400", "--to", "192.0.2.1") as process:
        assert process.wait(SECONDS) == 1
        assert "192.0.2.1" in _said(process)
    _settled(lab, before)


def test_two_of_them_in_one_namespace(lab: Lab, tmp_path: Path) -> None:
    """There is one agent to a namespace: the second one is told so, and harms nothing."""
    with (
        _command(lab.server, tmp_path / "one", "add", "drop", "--port", "7000") as first,
        _command(lab.server, tmp_path / "two", "add", "drop", "--port", "7001") as second,
    ):
        said = [_said(process) for process in (first, second)]
        refused = [process for process in (first, second) if process.poll() is not None]
        assert len(refused) <= 1
        assert sum("another agent" in line for line in said) == 1
