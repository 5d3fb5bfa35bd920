"""However its owner ends, nothing of a lab stays on the engine; and nothing of anybody else's is touched."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from socketlab.hosts.docker import leftovers
from socketlab.hosts.docker.engine import Engine
from socketlab.hosts.docker.machines import DockerMachines
from socketlab.hosts.docker.ownership import OWNER
from socketlab.hosts.docker.removal import labelled, remove_labelled
from socketlab.hosts.lab import Lab

pytestmark = pytest.mark.docker
ROOT = Path(__file__).parents[3]
SECONDS = 30.0
"""The issue says ten; the machine of a test run may be busy."""


@contextmanager
def owner(how: str) -> Iterator[tuple["subprocess.Popen[bytes]", str, int]]:
    """A controller that holds a lab, its number, and its reaper's pid."""
    argv = [sys.executable, "-m", "tests.docker.hosts.owner", how]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())
            yield process, told["owner"], told["reaper"]
        finally:
            process.kill()


def there(engine: Engine, number: str) -> int:
    """How much an owner has on the engine."""
    containers, networks = labelled(engine, OWNER, number)
    return len(containers) + len(networks)


def within(seconds: float, what: Callable[[], bool]) -> bool:
    """Whether it comes true in time; the engine tells of nothing by itself."""
    until = time.monotonic() + seconds
    while not (true := what()) and time.monotonic() < until:
        time.sleep(0.1)
    return true


def is_gone(pid: int) -> bool:
    """Whether there is no such process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


@pytest.mark.parametrize("how", ["ready", "making"])
def test_reaper_clears_up_after_a_killed_owner(engine_here: Engine, how: str) -> None:
    with owner(how) as (process, number, reaper):
        if how == "making":
            assert within(SECONDS, lambda: there(engine_here, number) > 0)
        process.kill()
        process.wait()
        assert within(SECONDS, lambda: is_gone(reaper)), "the reaper ends when nothing is left"
        assert there(engine_here, number) == 0


def test_reaper_survives_what_ends_a_terminal(engine_here: Engine) -> None:
    with owner("ready") as (process, number, reaper):
        os.kill(reaper, signal.SIGINT)
        os.kill(reaper, signal.SIGHUP)
        assert os.getsid(reaper) == reaper, "no terminal's signal gets there"
        process.kill()
        process.wait()
        assert within(SECONDS, lambda: there(engine_here, number) == 0)


def test_leftovers_are_found_and_only_they(engine_here: Engine, demo: Lab) -> None:
    assert isinstance(demo.machines, DockerMachines)
    with owner("ready") as (process, number, reaper):
        assert number not in {thing.told["Labels"][OWNER] for thing in leftovers.find_leftovers()}, "it lives"
        try:
            os.kill(reaper, signal.SIGKILL)
            process.kill()
            process.wait()
            found = [thing for thing in leftovers.find_leftovers() if thing.told["Labels"][OWNER] == number]
            assert sorted(thing.kind for thing in found) == ["container", "container", "network"]
            assert {(thing.lab, thing.owner) for thing in found} == {("owned", process.pid)}
            leftovers.remove(found)
            assert there(engine_here, number) == 0
            assert set(demo.machines.states().values()) == {"running"}, "another's lab is another's"
        finally:
            remove_labelled(engine_here, OWNER, number)
