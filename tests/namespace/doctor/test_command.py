"""`socketlab doctor` on this machine."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from socketlab.doctor import probes
from socketlab.hosts.namespace import probe

ROOT = Path(__file__).parents[3]
SECONDS = 30.0


def doctor(*words: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "socketlab", "doctor", *words],
        cwd=ROOT,
        env={**os.environ, "LC_ALL": "C.UTF-8", **environ},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def findings(done: "subprocess.CompletedProcess[str]") -> dict[str, dict[str, Any]]:
    return {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}


@pytest.fixture
def no_engine(tmp_path: Path) -> str:
    """A DOCKER_HOST where nobody answers."""
    return f"unix://{tmp_path}/no.sock"


def test_without_an_engine_namespaces_are_a_backend(no_engine: str) -> None:
    if not probe(keep=False).usable:
        pytest.skip("namespaces cannot be used here")
    done = doctor("--json", DOCKER_HOST=no_engine)
    assert json.loads(done.stdout)["usable"] == ["namespace"]
    assert (done.returncode, done.stderr) == (0, "")
    found = findings(done)
    assert found["engine"]["state"] == "spare"
    assert no_engine in found["engine"]["advice"]
    assert found["hosts"]["state"] == "works"
    assert "compose" not in found


def test_it_is_told_in_lines_and_in_the_users_language(no_engine: str) -> None:
    english = doctor(DOCKER_HOST=no_engine).stdout.splitlines()
    spanish = doctor(DOCKER_HOST=no_engine, LC_ALL="es_ES.UTF-8").stdout.splitlines()
    assert english[0] == "Engine: hosts as containers"
    assert spanish[0] == "Motor: equipos como contenedores"
    assert any(line.startswith(" ok  packet capture") for line in english)
    assert any(line.startswith(" ok  captura de paquetes") for line in spanish)


def test_nothing_usable_is_another_exit_status(no_engine: str, tmp_path: Path) -> None:
    # A user namespace in which no further one may be made, and nothing belongs to root.
    confined = tmp_path / "confined"
    confined.write_text(
        "echo 0 > /proc/sys/user/max_user_namespaces || exit 99\n"
        'exec setpriv --bounding-set=-all --inh-caps=-all "$@"\n'
    )
    enter = ["unshare", "--user", "--map-root-user", "sh", str(confined)]
    done = subprocess.run(
        [*enter, sys.executable, "-m", "socketlab", "doctor", "--json"],
        cwd=ROOT,
        env={**os.environ, "LC_ALL": "C.UTF-8", "DOCKER_HOST": no_engine},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode == 99 or done.stderr.startswith("unshare"):
        pytest.skip(f"cannot be confined here: {done.stderr}")
    assert json.loads(done.stdout)["usable"] == []
    assert done.returncode == 4
    assert "user.max_user_namespaces is 0" in findings(done)["users"]["advice"]


def test_an_engine_that_hangs_holds_nothing_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as hanging:
        hanging.bind(str(tmp_path / "engine.sock"))
        hanging.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine.sock")
        started = time.monotonic()
        seen = probes.look()
        assert time.monotonic() - started < probes.DEADLINE * 4
    assert not seen.engine.usable
    assert "no answer within" in seen.engine.why
    assert seen.kernel["loopback"].works
