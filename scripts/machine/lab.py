"""The lab that `compose.yaml` describes: its images, its hosts, its tour."""

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from scripts.machine.compose import COMPOSE, compose, project_name
from scripts.machine.docker_cli import docker, inspect, labelled
from scripts.machine.errors import CommandError, NothingRanError, indented
from scripts.machine.networks import PROJECT_LABEL
from scripts.machine.process import foreground

EVERYTHING = ("--profile", "mine")
"""Without its profile, Compose leaves a learner's own host alone."""
_LOCALE = ("LC_ALL", "LC_MESSAGES", "LC_CTYPE", "LANG")


def build_images(*, rebuild: bool) -> list[str]:
    """Build the lab's images and return their names.

    Args:
        rebuild: build every layer again.

    Raises:
        CommandError: a build failed; carries the end of its log.
    """
    compose("build", *(["--no-cache"] if rebuild else []))
    return image_names()


def image_names() -> list[str]:
    """The images of the lab, a learner's own host included."""
    return sorted(set(compose(*EVERYTHING, "config", "--images").split()))


def bring_up() -> None:
    """Start the hosts; return when they are ready. The client goes on by itself, with its heartbeat.

    Raises:
        NothingRanError: they did not start; carries the end of what Compose and they themselves said.
    """
    try:
        compose("up", "--detach", "--wait", "server", "server-agent")
        compose("up", "--detach", "--wait", "client", "client-agent", extra={"LAB_CLIENT": "heartbeat"})
    except CommandError as error:
        logs = compose("--ansi", "never", "logs", "--tail", "10")
        raise NothingRanError("machine.lab", said=error, logs=indented(logs)) from error


def tour() -> int:
    """Run the tour on our terminal and return its exit status."""
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    return foreground(tour_command(os.environ, columns=columns, terminal=terminal))


def tour_command(environ: Mapping[str, str], *, columns: int | None, terminal: bool) -> list[str]:
    """The command that runs the tour on the client host.

    Args:
        environ: whose locale the tour speaks. Where it asks for none, that is the C locale (locale(7)), not
            the image's.
        columns: width of the terminal that stdout is; without one the table is 80 wide.
        terminal: whether stdin is one, too: without, none can be made on the host.
    """
    passed = {"LANG": "C", **{name: environ[name] for name in _LOCALE if environ.get(name)}}
    passed["COLUMNS"] = str(columns or 80)
    return [
        *(*COMPOSE, "exec"),
        *([] if terminal else ["-T"]),
        *(word for name, value in passed.items() for word in ("-e", f"{name}={value}")),
        *("client", "python3", "-m", "services.client", "tour"),
    ]


@dataclass(frozen=True, slots=True)
class Remains:
    """How much of the lab the engine holds: containers, networks and volumes."""

    containers: int
    networks: int
    volumes: int


def remains(project: str) -> Remains:
    """How much of a Compose project there is."""
    label = f"{PROJECT_LABEL}={project}"
    return Remains(*(len(labelled(kind, label)) for kind in ("container", "network", "volume")))


def take_down() -> Remains:
    """Remove the lab's containers, networks and volumes; return what was removed.

    Raises:
        CommandError: Compose could not.
    """
    project = project_name()
    before = remains(project)
    compose(*EVERYTHING, "down", "--volumes", "--remove-orphans", "--timeout", "2")
    after = remains(project)
    return Remains(
        before.containers - after.containers, before.networks - after.networks, before.volumes - after.volumes
    )


def remove_images(names: list[str]) -> list[str]:
    """Remove those of the images that are there; return which."""
    there = sorted({tag for image in inspect("image", names) for tag in image["RepoTags"] if tag in names})
    if there:
        docker("image", "rm", *there)
    return there
