"""Which backend the commands stand on: what a docker command says is the test's own."""

import os
from pathlib import Path

import pytest

from scripts.machine import backend
from scripts.machine.errors import EngineAwayError, LackingError, UsageError

READY = """echo '{"Version":"26.1.5"}'"""
DOWN = "echo 'Cannot connect to the Docker daemon. Is the docker daemon running?' >&2; exit 1"
DENIED = "echo 'permission denied while trying to connect to the Docker daemon socket' >&2; exit 1"


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's choice, and no machine on which an engine may be installed."""
    for variable in ("SOCKETLAB_BACKEND", "DOCKER_HOST", "CI"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder that is all of the PATH; what is written into it as `docker` is the docker command."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path / "docker"


def write(program: Path, script: str) -> None:
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_an_engine_that_answers_is_taken(docker: Path) -> None:
    write(docker, READY)
    assert backend.choose(install=False) == backend.Choice("docker")


@pytest.mark.parametrize(
    ("script", "why"),
    [(None, "docker"), (DOWN, "Is the docker daemon running?"), (DENIED, "permission denied")],
    ids=["absent", "down", "denied"],
)
def test_without_one_namespaces_are_taken_and_the_reason_is_told(
    docker: Path, script: str | None, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if script is not None:
        write(docker, script)
    choice = backend.choose(install=False)
    assert choice.backend == "namespace"
    assert why in choice.why
    assert why in capsys.readouterr().err


@pytest.mark.parametrize("script", [None, DOWN, DENIED], ids=["absent", "down", "denied"])
def test_who_asked_for_an_engine_gets_no_namespaces(
    docker: Path, script: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if script is not None:
        write(docker, script)
    monkeypatch.setenv("SOCKETLAB_BACKEND", "docker")
    with pytest.raises(EngineAwayError):
        backend.choose(install=False)


def test_an_engine_that_the_user_named_is_not_replaced(docker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(docker, DOWN)
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.1:2375")
    with pytest.raises(LackingError) as refused:
        backend.choose(install=False)
    assert refused.value.code == "machine.engine-dead-host"


def test_who_asks_for_namespaces_gets_them_whatever_the_engine(
    docker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(docker, "exit 99")
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.1:2375")
    monkeypatch.setenv("SOCKETLAB_BACKEND", "namespace")
    assert backend.choose(install=False).backend == "namespace"


def test_an_engine_that_shall_be_installed_has_no_stand_in(
    docker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not root: it may not be installed, and nothing is tried.
    write(docker, DOWN)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LackingError) as refused:
        backend.choose(install=True)
    assert refused.value.code == "machine.engine-needs-root"


def test_another_word_is_a_mistake() -> None:
    with pytest.raises(UsageError) as refused:
        backend.asked({"SOCKETLAB_BACKEND": "podman"})
    assert refused.value.code == "machine.backend"
    assert backend.asked({"SOCKETLAB_BACKEND": ""}) == "auto"
