"""The commands as a user meets them: from any folder, without a Python, an engine or a right option."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from scripts.machine import ROOT
from tests.unit.machine.conftest import Command

COMMANDS = ("scripts/up", "scripts/down", "scripts/test")
SPANISH = {"LANG": "es_ES.UTF-8"}
ENGLISH = {"LANG": "en_GB.UTF-8"}
PYTHON = f'exec {shlex.quote(sys.executable)} "$@"'


def path_of(folder: Path, *programs: str) -> dict[str, str]:
    """A PATH that holds a few programs and nothing else."""
    for program in programs:
        found = shutil.which(program)
        assert found is not None
        (folder / program).symlink_to(found)
    return {"PATH": str(folder)}


def fake(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize("script", COMMANDS)
@pytest.mark.parametrize(("locale", "word"), [(ENGLISH, "usage: "), (SPANISH, "uso: ")], ids=["en", "es"])
def test_help_is_data_in_the_users_language(
    command: Command, script: str, locale: Mapping[str, str], word: str
) -> None:
    done = command(script, "--help", environ={**os.environ, **locale, "LC_ALL": ""})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{word}./{script}")


@pytest.mark.parametrize("script", ["scripts/up", "scripts/down"])
def test_an_unknown_option_is_a_mistake_of_use(command: Command, script: str) -> None:
    done = command(script, "--rebuil", environ={**os.environ, **ENGLISH, "LC_ALL": ""})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{script}: no such option: --rebuil. Expected: --debug --help")


@pytest.mark.parametrize("script", COMMANDS)
@pytest.mark.parametrize(
    ("locale", "says"), [(ENGLISH, "no Python 3.11 or later"), (SPANISH, "no hay Python 3.11")]
)
def test_without_a_python_it_says_what_to_install(
    command: Command, script: str, locale: Mapping[str, str], says: str, tmp_path: Path
) -> None:
    environ = {**path_of(tmp_path, "sh", "dirname", "sed"), **locale}
    fake(tmp_path, "python3.12", "echo 'pyenv: python3.12: command not found' >&2; exit 127")
    fake(tmp_path, "python3", 'case "$2" in *version_info*) exit 1 ;; esac; echo an old one ran >&2')
    done = command(script, environ=environ)
    assert (done.returncode, done.stdout) == (4, "")
    assert says in done.stderr
    assert "old one" not in done.stderr


def test_the_newest_python_that_runs_is_chosen(command: Command, tmp_path: Path) -> None:
    environ = path_of(tmp_path, "sh", "dirname", "pwd")
    fake(tmp_path, "python3.14", "exit 127")
    fake(tmp_path, "python3.13", '[ "$1" = -c ] || echo 3.13 "$PWD" "$@"')
    fake(tmp_path, "python3.11", '[ "$1" = -c ] || echo 3.11')
    done = command("scripts/with_python", "a.module", "two words", environ=environ)
    assert done.stdout == f"3.13 {ROOT} -m a.module two words\n"


@pytest.mark.parametrize("script", ["scripts/up", "scripts/test"])
@pytest.mark.parametrize(
    ("locale", "says"), [(ENGLISH, "no docker command"), (SPANISH, "no hay una orden docker")]
)
def test_without_docker_it_says_what_to_do_to_who_asked_for_it(
    command: Command, script: str, locale: Mapping[str, str], says: str, tmp_path: Path
) -> None:
    environ = {**path_of(tmp_path, "sh", "dirname"), **locale, "SOCKETLAB_BACKEND": "docker"}
    fake(tmp_path, "python3", PYTHON)
    done = command(script, environ=environ)
    assert (done.returncode, done.stdout) == (4, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("script", COMMANDS)
def test_a_backend_that_there_is_not_is_a_mistake_of_use(command: Command, script: str) -> None:
    environ = {**os.environ, **ENGLISH, "LC_ALL": "", "SOCKETLAB_BACKEND": "podman"}
    done = command(script, environ=environ)
    assert (done.returncode, done.stdout) == (2, "")
    assert "SOCKETLAB_BACKEND: expected auto | docker | namespace, saw 'podman'" in done.stderr


@pytest.mark.parametrize(
    ("locale", "says"), [(ENGLISH, "Nothing to take down"), (SPANISH, "Nada que eliminar")]
)
def test_without_an_engine_there_is_nothing_to_take_down(
    command: Command, locale: Mapping[str, str], says: str, tmp_path: Path
) -> None:
    environ = {**path_of(tmp_path, "sh", "dirname"), **locale}
    fake(tmp_path, "python3", PYTHON)
    done = command("scripts/down", environ=environ)
    assert (done.returncode, done.stdout) == (0, "")
    assert says in done.stderr


@pytest.mark.parametrize("script", COMMANDS)
def test_an_engine_that_the_user_named_and_is_dead_is_said_so(
    command: Command, script: str, tmp_path: Path
) -> None:
    if shutil.which("docker") is None:
        pytest.skip("no docker command on this machine")
    host = f"unix://{tmp_path}/no.sock"
    # Even where an engine may be installed: the user's own choice is not ours to mend.
    environ = {
        **os.environ,
        **ENGLISH,
        "LC_ALL": "",
        "DOCKER_HOST": host,
        "CI": "true",
        "SOCKETLAB_BACKEND": "",
    }
    done = command(script, environ=environ)
    assert (done.returncode, done.stdout) == (4, "")
    assert f"DOCKER_HOST is {host}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_traceback_is_shown_with_debug_only(command: Command, tmp_path: Path) -> None:
    environ = {**path_of(tmp_path, "sh", "dirname"), **ENGLISH, "SOCKETLAB_BACKEND": "docker"}
    fake(tmp_path, "python3", PYTHON)
    assert "Traceback" in command("scripts/down", "--debug", environ=environ).stderr


@pytest.mark.parametrize("script", [*COMMANDS, "scripts/with_python"])
def test_the_shims_are_executable_posix_sh(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)
    subprocess.run(["sh", "-n", ROOT / script], check=True)
    assert (ROOT / script).read_text().startswith("#!/bin/sh\n")
