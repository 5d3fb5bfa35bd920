"""What the tests of the commands share: running a command, and an engine to try leftovers on."""

import os
import subprocess
from collections.abc import Callable, Mapping

import pytest

from scripts.machine import ROOT, base_image, dotenv, engine
from scripts.machine.docker_cli import has_image

Command = Callable[..., subprocess.CompletedProcess[str]]


def run_command(*argv: str, environ: Mapping[str, str], cwd: str = "/") -> subprocess.CompletedProcess[str]:
    """Run a script of the project, by default from a folder that is not the project's."""
    script, *arguments = argv
    return subprocess.run(
        [str(ROOT / script), *arguments],
        env=dict(environ),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def command() -> Command:
    """Run a script: `command("scripts/up", "--help", environ=...)`."""
    return run_command


@pytest.fixture(scope="session")
def running_engine() -> None:
    """An engine that answers; skips where there is none."""
    finding = engine.look()
    if finding.state is not engine.State.READY:
        pytest.skip(f"no Docker engine answers: {finding.seen}")


@pytest.fixture(scope="session")
def image(running_engine: None) -> str:  # noqa: ARG001 - asked for, not used
    """An image that the engine holds, to make containers of; skips where there is none."""
    noted = os.environ.get(base_image.VARIABLE) or dotenv.settings().get(base_image.VARIABLE)
    for name in (noted, base_image.OFFLINE, base_image.OFFICIAL):
        if name and has_image(name):
            return name
    pytest.skip("no base image; ./scripts/test brings one")
