"""Who owns what, and whether that process still lives."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

from socketlab.hosts.docker import ownership
from socketlab.hosts.docker.endpoint import Endpoint
from socketlab.hosts.docker.ownership import OWNER, PROCESS, RUN, Owner, Process
from socketlab.hosts.docker.reaper import LONGEST_SECONDS, QUIET_SECONDS, reap


def test_label_says_which_process() -> None:
    assert Process.from_label(Process.own().label()) == Process.own()
    for other in ("", "a/b/c", "machine/boot/1/pid/start", "a/b/c/1/2/3"):
        assert Process.from_label(other) is None


def test_the_living_are_not_gone() -> None:
    assert not Process.own().is_gone()


def test_who_has_ended_is_gone_even_where_the_number_is_taken_again() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        living = replace(Process.own(), pid=other.pid, started=ownership._started(other.pid))  # noqa: SLF001
        assert not living.is_gone()
        assert replace(living, started="1").is_gone(), "another process of that number"
        other.kill()
        other.wait()
    assert living.is_gone()


def test_zombie_is_gone() -> None:
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", ""], os.environ)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    try:
        assert replace(Process.own(), pid=pid, started="7").is_gone()
    finally:
        os.waitpid(pid, 0)


def test_who_cannot_be_looked_at_counts_as_alive() -> None:
    gone = replace(Process.own(), pid=2**22 + 1)
    assert gone.is_gone()
    assert not replace(gone, machine="another").is_gone()
    assert not replace(gone, namespace="another").is_gone()


def test_before_the_machine_started_anew_all_are_gone() -> None:
    assert replace(Process.own(), boot="another").is_gone()


def test_labels_of_all_that_is_made() -> None:
    labels = Owner().labels()
    assert labels[PROCESS] == Process.own().label()
    assert labels[OWNER]
    run = os.environ.get("SOCKETLAB_RUN")
    assert labels.get(RUN) == (run or None)


class Clock:
    """Time that passes only by waiting."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_reaper_looks_again_for_what_was_still_being_made() -> None:
    clock = Clock()
    found = iter([3, 0, 0, 1])
    reap(lambda: next(found, 0), clock, clock.sleep)
    assert next(found, None) is None
    assert QUIET_SECONDS <= clock.now < 2 * QUIET_SECONDS


def test_reaper_gives_up_at_some_time() -> None:
    clock = Clock()
    reap(lambda: 1, clock, clock.sleep)
    assert LONGEST_SECONDS <= clock.now < LONGEST_SECONDS + 1


def test_killed_reaper_is_replaced_and_an_idle_one_just_ends() -> None:
    """No engine is asked: a reaper whose owner has no lab left has nothing to do there."""
    nowhere = Endpoint("unix:///nowhere/engine.sock", "test")
    controller = Owner()
    controller.opening(nowhere)
    first = controller.reaper_pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    controller.opening(nowhere)
    second = controller.reaper_pid
    assert second not in {None, first}
    controller.closed()
    controller.closed()
    controller.leave()
    assert controller.reaper_pid is None
    assert second is not None
    assert replace(Process.own(), pid=second, started="7").is_gone()


def test_forked_child_owns_nothing() -> None:
    mine = ownership.owner()
    pid = os.fork()
    if pid == 0:
        os._exit(0 if ownership.owner().id != mine.id else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert ownership.owner() is mine
