"""`scripts/up`, `scripts/test` and `scripts/down` on a machine without an engine, for real."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.machine import ROOT
from services.client.steps import TOUR
from socketlab.hosts.namespace import probe
from tests.unit.machine.conftest import Command

SKIPPED = 99


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment on whose PATH there is no docker."""
    for program in ("sh", "dirname", "ip", "nft"):
        if (found := shutil.which(program)) is not None:
            (tmp_path / program).symlink_to(found)
    python = tmp_path / "python3"
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if name in {"HOME", "USER", "TMPDIR"}}
    return {**kept, "PATH": str(tmp_path), "LC_ALL": "C.UTF-8"}


@pytest.fixture
def namespaces() -> None:
    """Skip, with the reason, where no lab can be made of namespaces."""
    if not (found := probe(keep=False)).usable:
        pytest.skip(found.why)


@pytest.mark.usefixtures("namespaces")
def test_up_gives_the_tour_in_namespaces(command: Command, environ: dict[str, str]) -> None:
    # Moved, and in the user's language, as with an engine.
    settings = {"LAB_NET": "10.214.9", "LAB_NET6": "fd00:214:9:0", "LC_ALL": "es_ES.UTF-8"}
    done = command("scripts/up", environ={**environ, **settings})
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(rf"^{len(TOUR)} llamadas en .* s: {len(TOUR)} ", done.stdout, re.MULTILINE)
    assert "server (10.214.9.10)" in done.stdout
    assert "connect(('10.214.9.225', 7000))" in done.stdout
    assert "no hay una orden docker" in done.stderr
    assert "espacios de nombres de red" in done.stderr
    assert "socketlab up" in done.stderr


def test_a_prefix_that_is_none_is_refused_here_too(command: Command, environ: dict[str, str]) -> None:
    done = command("scripts/up", environ={**environ, "LAB_NET": "10.213.7.0/24"})
    assert (done.returncode, done.stdout) == (2, "")
    assert "LAB_NET: expected a prefix without a mask like 10.213.7, saw '10.213.7.0/24'" in done.stderr


def test_with_neither_engine_nor_namespaces_both_reasons_are_told(
    environ: dict[str, str], tmp_path: Path
) -> None:
    # A user namespace in which no further one may be made, and root may do nothing.
    confined = tmp_path / "confined"
    confined.write_text(
        f"echo 0 > /proc/sys/user/max_user_namespaces || exit {SKIPPED}\n"
        'exec setpriv --bounding-set=-all --inh-caps=-all "$@"\n'
    )
    enter = ["unshare", "--user", "--map-root-user", "sh", str(confined)]
    done = subprocess.run(
        [*enter, "env", "-i", *(f"{name}={value}" for name, value in environ.items()), ROOT / "scripts/up"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode == SKIPPED or done.stderr.startswith("unshare"):
        pytest.skip(f"cannot be confined here: {done.stderr}")
    assert (done.returncode, done.stdout) == (4, "")
    assert "no docker command on the PATH" in done.stderr
    assert "user.max_user_namespaces" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_tests_that_need_an_engine_are_skipped_and_say_so(
    command: Command, environ: dict[str, str]
) -> None:
    done = command("scripts/test", "--only-tests", "-n0", "tests/docker/test_calls.py", environ=environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no Docker engine answers" in done.stdout
    assert re.search(r"= \d+ skipped in", done.stdout)
    assert "Tests that need an engine are skipped" in done.stderr
    assert "images" not in {line.split()[0] for line in done.stderr.splitlines() if line.strip()}


def test_namespaces_that_were_chosen_hide_the_engine_from_the_tests(command: Command) -> None:
    environ = {**os.environ, "LC_ALL": "C.UTF-8", "SOCKETLAB_BACKEND": "namespace"}
    done = command("scripts/test", "--only-tests", "-n0", "tests/docker/test_calls.py", environ=environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"= \d+ skipped in", done.stdout)
    assert "SOCKETLAB_BACKEND asks for namespaces" in done.stderr
