"""A Docker engine that answers: found, or on a Debian machine of ours installed and started."""

import json
import os
import selectors
import shutil
import socket
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from scripts.machine.debian import install
from scripts.machine.errors import EngineAwayError, LackingError
from scripts.machine.process import Answer, ask, run
from scripts.machine.steps import Step

DAEMON_LOG = Path("/var/log/dockerd.log")
START_DEADLINE = 60.0
"""Seconds that a started engine has until it says that it is ready."""


class State(Enum):
    """How it stands with the engine."""

    READY = auto()
    ABSENT = auto()
    """There is no docker command."""
    DENIED = auto()
    """It runs, but this user may not speak with it."""
    DEAD_HOST = auto()
    """DOCKER_HOST names an engine that does not answer: the user's own choice, so not ours to mend."""
    DOWN = auto()
    """Nobody answers where an engine usually does."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What asking the engine gave: its version when it is ready, else what docker said instead."""

    state: State
    seen: str = ""


def judge(answer: Answer | None, environ: Mapping[str, str]) -> Finding:
    """Tell how it stands with the engine.

    Args:
        answer: what `docker version --format '{{json .Server}}'` gave; None when there is no docker.
        environ: the environment in which it was asked.
    """
    if answer is None:
        return Finding(State.ABSENT)
    if answer.status == 0 and (server := json.loads(answer.out)):
        return Finding(State.READY, server["Version"])
    seen = answer.err.strip()
    if "permission denied" in seen.lower():
        return Finding(State.DENIED, seen)
    return Finding(State.DEAD_HOST if environ.get("DOCKER_HOST") else State.DOWN, seen)


def look() -> Finding:
    """Ask the engine for its version."""
    try:
        answer = ask(["docker", "version", "--format", "{{json .Server}}"])
    except FileNotFoundError:
        answer = None
    return judge(answer, os.environ)


def require() -> str:
    """The version of the engine, which must be there.

    Raises:
        EngineAwayError: there is none, or none that answers us; says what to do.
        LackingError: the user named one, and it does not answer.
    """
    finding = look()
    match finding.state:
        case State.READY:
            return finding.seen
        case State.ABSENT:
            raise EngineAwayError("machine.engine-absent")
        case State.DENIED:
            raise EngineAwayError(
                "machine.engine-denied", user=os.environ.get("USER", os.geteuid()), seen=finding.seen
            )
        case State.DEAD_HOST:
            raise LackingError("machine.engine-dead-host", host=os.environ["DOCKER_HOST"], seen=finding.seen)
        case State.DOWN:
            raise EngineAwayError("machine.engine-down", seen=finding.seen)


def ensure(step: Step, *, asked: bool) -> str:
    """The version of an engine that answers, after installing and starting one where that is allowed.

    It is allowed to root, on a CI machine (`CI=true`) or when the user asked for it.

    Args:
        step: its line tells what takes long.
        asked: whether the user asked for an engine to be installed.

    Raises:
        LackingError: there is none and it is not allowed or not possible to bring one.
    """
    if look().state in {State.ABSENT, State.DOWN} and (asked or os.environ.get("CI") == "true"):
        if os.geteuid() == 0:
            _bring(step)
        elif asked:
            raise LackingError("machine.engine-needs-root")
    return require()


def _bring(step: Step) -> None:
    if shutil.which("dockerd") is None or shutil.which("docker") is None:
        step.doing("engine-install")
        _install()
    step.doing("engine-start")
    if Path("/run/systemd/system").is_dir():
        run(["systemctl", "start", "docker"])
    else:
        start_daemon(["dockerd"], DAEMON_LOG)


def _install() -> None:
    """Install Debian's engine.

    Raises:
        LackingError: this is not a machine with apt.
    """
    if shutil.which("apt-get") is None:
        raise LackingError("machine.engine-no-apt")
    install("docker.io", "iptables")
    if shutil.which("docker") is None:  # from Debian 13 on the command is a package of its own
        install("docker-cli")


def start_daemon(argv: Sequence[str], log: Path, deadline: float = START_DEADLINE) -> None:
    """Start an engine that outlives us, and wait until it says that it is ready (sd_notify(3)).

    Args:
        argv: the engine and its arguments.
        log: where its output goes.
        deadline: seconds that it has.

    Raises:
        LackingError: it ended, or did not get ready in time; carries the end of its log.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
        notices.bind(f"{folder}/notify")
        daemon = os.posix_spawnp(
            argv[0],
            list(argv),
            {**os.environ, "NOTIFY_SOCKET": f"{folder}/notify"},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
        ready = _says_ready(notices, daemon, time.monotonic() + deadline)
    if not ready:
        end = "\n".join(log.read_text(errors="replace").splitlines()[-10:])
        raise LackingError("machine.engine-start", command=argv[0], log=log, end=end)


def _says_ready(notices: socket.socket, daemon: int, until: float) -> bool:
    """Whether `READY=1` arrived before the daemon's end and the deadline (on the monotonic clock)."""
    ended = os.pidfd_open(daemon)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(notices, selectors.EVENT_READ)
            selector.register(ended, selectors.EVENT_READ)
            while woken := {key.fd for key, _ in selector.select(max(0.0, until - time.monotonic()))}:
                if notices.fileno() not in woken:
                    return False
                if b"READY=1" in notices.recv(4096).splitlines():
                    return True
            return False
    finally:
        os.close(ended)
