"""Whoever of a lab is killed, and whenever: nothing of ours is left, and the next lab is whole.

Theory of operation
    A controller lives as in `death/life.py`. Each point of this suite draws, from a seed, whom to kill, in
    which part of the life and how long after its beginning. SOCKETLAB_DEATH_SEED draws others; a failure
    tells the seed. What may be left is looked for where it would be: processes and namespaces by a mark
    in the environment, mounts and links of the machine, containers and networks by label, files in folders
    that were the controller's only ones for temporary things.
"""

import os
import random
import secrets
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import pytest

from tests.conformance.death.life import PHASES
from tests.conformance.death.victims import Family, kill, on_engine
from tests.conformance.places import Labs
from tests.namespace.nursery.leftovers import MARK, Leftovers, new_mark

ROOT = Path(__file__).parents[2]
SEED = os.environ.get("SOCKETLAB_DEATH_SEED", "4")
WITHIN = 15.0
"""Seconds after which nothing may be left."""
PATIENCE = 60.0
VICTIMS = ("controller", "actor", "agent", "nursery", "init", "guard")
VICTIMS_ON_ENGINE = (
    "controller",
    "actor in a container",
    "agent in a container",
    "reaper",
    "init in a container",
)
OFTEN, OFTEN_HELD, OFTEN_ON_ENGINE = 14, 2, 4
ALL, ALL_HELD, ALL_ON_ENGINE = 240, 30, 30
SPANS = {"namespace": (0.03, 0.1, 0.15, 0.08), "docker": (1.5, 0.3, 1.0, 0.8)}
"""Seconds that each part of a life takes, roughly."""


def points(often: int, every: int) -> list[Any]:
    """Numbers of points: some for each run, the others for one with --full."""
    return [
        pytest.param(number, id=f"point{number}", marks=() if number < often else pytest.mark.full)
        for number in range(every)
    ]


class Controller:
    """A process that lives, and all that it may leave.

    Args:
        argv: the process.
        lab: name of its lab.
        folder: for all its files.
        environ: more of its environment.
    """

    def __init__(self, argv: list[str], lab: str, folder: Path, **environ: str) -> None:
        mark = new_mark()
        self.lab = lab
        self.left = Leftovers(mark)
        self.folders = [folder / "tmp", folder / "run"]
        for each in self.folders:
            each.mkdir(mode=0o700, exist_ok=True)
        self.environ = {
            **os.environ,
            MARK: mark,
            "TMPDIR": str(self.folders[0]),
            "XDG_RUNTIME_DIR": str(self.folders[1]),
            "PYTHONPATH": str(ROOT),
            "LC_ALL": "C.UTF-8",
            **environ,
        }
        self._errors = (folder / "stderr").open("w+b")
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, env=self.environ
        )
        self.family = Family(self.left, self.process.pid, lab)
        self._said = b""

    def await_phase(self, phase: str) -> bool:
        """Read until a part of its life begins; False: it has ended."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + PATIENCE
        while f"{phase}\n".encode() not in self._said:
            left = max(0.0, deadline - time.monotonic())
            assert select.select([self.process.stdout], [], [], left)[0], f"no {phase}; {self.words()}"
            data = os.read(self.process.stdout.fileno(), 4096)
            if not data:
                return False
            self._said += data
        self._said = self._said.partition(f"{phase}\n".encode())[2]
        return True

    def finish(self) -> int:
        """Let it live once more; its exit code."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        while select.select([self.process.stdout], [], [], PATIENCE)[0]:
            if not os.read(self.process.stdout.fileno(), 4096):
                return self.process.wait(PATIENCE)
        raise TimeoutError(self.words())

    def words(self) -> str:
        """The end of what it said on stderr."""
        self._errors.seek(0)
        return self._errors.read()[-4000:].decode(errors="replace")

    def files(self) -> list[str]:
        """What is in its folders, but folders."""
        return [str(path) for folder in self.folders for path in folder.rglob("*") if not path.is_dir()]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for pid in self.left.processes():
            kill(pid)
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self._errors):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()


@contextmanager
def living(backend: str, folder: Path) -> Iterator[Controller]:
    name = f"death-{secrets.token_hex(4)}"
    argv = [sys.executable, "-P", "-m", "tests.conformance.death.life", backend, name]
    with Controller(argv, name, folder) as controller:
        yield controller


def soon(found: Callable[[], list[int]], alive: Callable[[], bool]) -> list[int]:
    """What is there now, or as soon as it is; nothing when it will be no more."""
    deadline = time.monotonic() + PATIENCE
    while alive() and time.monotonic() < deadline:
        if there := found():
            return there
        time.sleep(0.001)
    return []


def die(controller: Controller, backend: str, point: int, victims: tuple[str, ...]) -> str:
    """Kill somebody; who and when, in words."""
    draw = random.Random(f"{SEED}.{backend}.{point}")  # noqa: S311 - drawn again from its seed
    kind = victims[point % len(victims)]
    number = draw.randrange(len(PHASES))
    delay = draw.uniform(0, SPANS[backend][number])
    controller.await_phase(PHASES[number])
    time.sleep(delay)  # the point itself: there is nothing to wait for
    pids = soon(lambda: controller.family.of(kind), lambda: controller.process.poll() is None)
    pid = draw.choice(pids) if pids else 0
    assert kill(pid) or pids
    return f"seed {SEED}, point {point}: {kind} {pid}, {delay * 1000:.1f} ms into {PHASES[number]}"


def is_whole(controller: Controller, told: str) -> None:
    """Whoever was killed but the controller itself: it goes on, and its next lab is whole."""
    if " controller " not in told:
        assert controller.finish() == 0, f"{told}\n{controller.words()}"
        assert controller.words() == "", told


def left_over(controller: Controller) -> list[str]:
    """What is left of all but files.

    Everything that a controller starts has its mark, the programs on hosts as well. So who is in a namespace
    of ours and has no mark is in another one: the kernel gives numbers again, and other tests get them.
    """
    return [each for each in controller.left.await_none(WITHIN) if " of process " not in each]


def nothing_is_left(controller: Controller, told: str) -> None:
    assert left_over(controller) == [], told
    assert controller.files() == [], told


@pytest.mark.parametrize("point", points(OFTEN, ALL))
def test_in_namespaces(namespaces: str, tmp_path: Path, point: int) -> None:
    with living(namespaces, tmp_path) as controller:
        told = die(controller, namespaces, point, VICTIMS)
        is_whole(controller, told)
        nothing_is_left(controller, told)


def await_engine(controller: Controller, told: str) -> None:
    """Wait until the engine has nothing of a lab any more, and the machine no bridge of it."""
    deadline = time.monotonic() + WITHIN
    while any((there := on_engine(controller.lab)).values()):
        assert time.monotonic() < deadline, f"{told}: {there}"
        time.sleep(0.1)


@pytest.mark.docker
@pytest.mark.parametrize("point", points(OFTEN_ON_ENGINE, ALL_ON_ENGINE))
def test_in_containers(containers: str, tmp_path: Path, point: int) -> None:
    with living(containers, tmp_path) as controller:
        told = die(controller, containers, point, VICTIMS_ON_ENGINE)
        bridges = [f"br-{network[:12]}" for network in on_engine(controller.lab)["network"]]
        is_whole(controller, told)
        await_engine(controller, told)
        nothing_is_left(controller, told)
        assert [name for name in bridges if Path("/sys/class/net", name).exists()] == []


def command(controller: Controller, *words: str) -> "subprocess.CompletedProcess[str]":
    """`socketlab`, as the user of a controller's lab would call it."""
    return subprocess.run(
        [sys.executable, "-m", "socketlab", *words],
        env=controller.environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.docker
def test_owner_and_reaper(containers: str, tmp_path: Path, labs: Labs) -> None:
    """Then something is left, which `prune` finds and removes, and it touches nothing else."""
    other = labs.plain(containers)
    with living(containers, tmp_path) as controller, ExitStack() as stack:
        stack.callback(_remove, controller.lab)
        assert controller.await_phase("calling")
        for pid in (*controller.family.of("reaper"), controller.process.pid):
            assert kill(pid)
        controller.process.wait(PATIENCE)
        assert on_engine(controller.lab)["container"]
        shown = command(controller, "prune", "--dry-run", controller.lab)
        assert shown.returncode == 0, shown.stderr
        assert controller.lab in shown.stdout
        before = on_engine(controller.lab)
        assert all(before.values())
        pruned = command(controller, "prune", "--yes", controller.lab)
        assert pruned.returncode == 0, pruned.stderr
        assert not any(on_engine(controller.lab).values())
        nothing_is_left(controller, "after prune")
    assert other.client.gethostname() == "client"
    assert len(on_engine(other.name)["container"]) >= len(other.hosts)


def _remove(lab: str) -> None:
    """What a failed test would leave."""
    there = on_engine(lab)
    for kind, remove in (("container", ["rm", "-f"]), ("network", ["network", "rm"])):
        if there[kind]:
            subprocess.run(["docker", *remove, *there[kind]], check=False, capture_output=True, timeout=60)


@pytest.mark.parametrize("point", points(OFTEN_HELD, ALL_HELD))
def test_holder(namespaces: str, tmp_path: Path, point: int) -> None:
    """A holder that is killed while it opens or holds a lab; `prune` takes the names of its files away."""
    draw = random.Random(f"{SEED}.holder.{point}")  # noqa: S311 - drawn again from its seed
    name = f"death-{secrets.token_hex(4)}"
    argv = [sys.executable, "-m", "socketlab", "up", name, "--backend", namespaces]
    with Controller(argv, name, tmp_path) as controller:
        delay = draw.uniform(0, 0.3)
        told = f"seed {SEED}, point {point}: holder, {delay * 1000:.1f} ms after "
        if point % 2:
            told += "it was there"
            found = soon(lambda: controller.family.of("holder"), lambda: controller.process.poll() is None)
            time.sleep(delay)  # the point itself: there is nothing to wait for
        else:
            told += "the lab was"
            assert controller.finish() == 0, controller.words()
            time.sleep(delay)
            found = controller.family.of("holder")
            assert found, told
        for pid in found:
            kill(pid)
        with suppress(subprocess.TimeoutExpired):
            controller.finish()
        assert left_over(controller) == [], told
        status = command(controller, "status", "--json")
        assert status.returncode == 0, f"{told}\n{status.stderr}"
        assert name not in status.stdout
        again = command(controller, "up", name, "--backend", namespaces)
        assert again.returncode == 0, f"{told}\n{again.stderr}"
        down = command(controller, "down", name)
        assert down.returncode == 0, f"{told}\n{down.stderr}"
        pruned = command(controller, "prune", "--yes", name)
        assert pruned.returncode == 0, f"{told}\n{pruned.stderr}"
        assert left_over(controller) == [], told
        assert [file for file in controller.files() if name in file] == [], told
