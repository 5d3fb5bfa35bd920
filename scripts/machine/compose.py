"""Docker Compose v2: found, or brought as the single file that its plugin is."""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from scripts.machine.debian import Archive, cache_folder, unpack
from scripts.machine.errors import LackingError
from scripts.machine.process import ask, run
from scripts.machine.steps import Step

COMPOSE = ("docker", "compose")
OLDEST = 2
_PLUGIN = Path("usr/libexec/docker/cli-plugins/docker-compose")


def compose(*arguments: str, extra: Mapping[str, str] | None = None) -> str:
    """Run `docker compose ARGUMENTS` on the project's `compose.yaml`, quietly; return its stdout.

    Args:
        arguments: its arguments.
        extra: variables beside those of our own environment.

    Raises:
        CommandError: it failed.
    """
    return run([*COMPOSE, *arguments], extra=extra)


def version() -> str | None:
    """The version of the Compose plugin; None when there is none of `OLDEST` or later."""
    answer = ask([*COMPOSE, "version", "--format", "json"])
    return read_version(answer.out) if answer.status == 0 else None


def read_version(answer: str) -> str | None:
    """The version in an answer of `docker compose version --format json`, when it is new enough."""
    found = str(json.loads(answer)["version"]).removeprefix("v")
    return found if int(found.partition(".")[0]) >= OLDEST else None


def require() -> str:
    """The version of Compose, which must be there.

    Raises:
        LackingError: it is not; says how to get it.
    """
    if (found := version()) is None:
        raise LackingError("machine.compose-absent")
    return found


def ensure(step: Step) -> str:
    """The version of Compose, after bringing it from Debian's packages where it is missing.

    Raises:
        LackingError: it is not there, and this machine cannot read Debian's packages.
    """
    if (found := version()) is not None:
        return found
    step.doing("compose")
    _install()
    return require()


def _install() -> None:
    """Put the plugin into the user's own Docker configuration."""
    archive = Archive(cache_folder())
    archive.update()
    plugins = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "cli-plugins"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        unpack(archive.fetch_alone("docker-compose", folder), folder)
        plugins.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / _PLUGIN, plugins)


def project_name() -> str:
    """The name of the Compose project, which its containers and networks carry as a label."""
    return str(json.loads(compose("config", "--format", "json"))["name"])
