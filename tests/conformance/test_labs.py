"""Labs are cheap and many: nothing of one meets another's, whoever made it."""

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from socketlab.hosts.lab import Lab, lab
from tests.conformance.places import DEADLINE

ROOT = Path(__file__).parents[2]


def _one(backend: str, labels: dict[str, str], number: int) -> Lab:
    return lab(f"many-{number}", hosts=["client", "server"], backend=backend, labels=labels).open()


def _converse(one: Lab, number: int) -> None:
    """A conversation that nobody else may hear."""
    with (
        one.server.create_server((one.server.address, 7000)) as listener,
        one.client.create_connection(("server", 7000), timeout=DEADLINE) as near,
    ):
        far, _ = listener.accept()
        with far:
            near.sendall(b"lab %d" % number)
            assert far.recv(100) == b"lab %d" % number
    assert [one.client.gethostname(), one.server.gethostname()] == ["client", "server"]


def _many(backend: str, labels: dict[str, str], count: int) -> None:
    with ThreadPoolExecutor(count) as threads:
        labs = list(threads.map(lambda number: _one(backend, labels, number), range(count)))
        try:
            list(threads.map(_converse, labs, range(count)))
            listeners = [one.server.create_server((one.server.address, 7001)) for one in labs[1:]]
            with labs[0].client.socket() as near, pytest.raises(ConnectionRefusedError):
                near.connect((labs[0].server.address, 7001))
            for listener in listeners:
                listener.close()
            assert len({one.plan.name for one in labs}) == count
        finally:
            list(threads.map(Lab.close, labs))


def test_fifty_labs_in_namespaces(namespaces: str, labels: dict[str, str]) -> None:
    _many(namespaces, labels, 50)


@pytest.mark.docker
def test_three_labs_in_containers(containers: str, labels: dict[str, str]) -> None:
    _many(containers, labels, 3)


@pytest.mark.full
@pytest.mark.docker
def test_eight_labs_in_containers(containers: str, labels: dict[str, str]) -> None:
    _many(containers, labels, 8)


def test_two_labs_of_one_name(demo: Lab, backend: str, labels: dict[str, str]) -> None:
    """A lab's name is its user's; what is made for it has names of its own."""
    with lab(demo.name, backend=backend, labels=labels) as twin:
        assert (twin.plan.networks[0].subnet == demo.plan.networks[0].subnet) == (backend == "namespace")
        twin.server.stop()
        assert demo.server.state == "running"
        _converse(demo, 2)
    _converse(demo, 3)


STRANGER = """
import sys
from socketlab import lab
with lab("shared", backend="namespace") as demo:
    with demo.server.create_server((demo.server.address, 7000)) as server:
        with demo.client.create_connection((demo.server.address, 7000)) as near:
            print(demo.server.address, demo.client.gethostname(), flush=True)
            sys.stdin.read()
"""


def _interpreter_for_others() -> str:
    """A Python that another user may run, and that is new enough."""
    for candidate in ("/usr/bin/python3", "/usr/local/bin/python3", sys.executable):
        version = "import sys; sys.exit(sys.version_info < (3, 11))"
        command = [
            "setpriv",
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            candidate,
            "-c",
            version,
        ]
        if (
            Path(candidate).exists()
            and not subprocess.run(command, check=False, capture_output=True, timeout=20).returncode
        ):
            return candidate
    pytest.skip("no Python from 3.11 on that another user may run")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="no setpriv")
def test_two_users(namespaces: str, labels: dict[str, str]) -> None:
    """Nobody's lab, made without any privilege, beside one of root's: same name, same addresses."""
    python = _interpreter_for_others()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        code = Path(folder, "code")
        ignored = shutil.ignore_patterns("__pycache__")
        for part in ("socketlab", "services"):
            shutil.copytree(ROOT / part, code / part, ignore=ignored)
        command = [
            "setpriv",
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            python,
            "-c",
            STRANGER,
        ]
        environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(code),
            "HOME": "/nonexistent",
            "LC_ALL": "C.UTF-8",
        }
        with (
            lab("shared", backend=namespaces, labels=labels) as own,
            subprocess.Popen(
                command,
                env=environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd="/",
            ) as stranger,
        ):
            assert stranger.stdout is not None
            assert stranger.stderr is not None
            line = stranger.stdout.readline().decode()
            assert line, stranger.stderr.read().decode()
            address, name = line.split()
            assert name == "client"
            assert address == own.server.address  # which is no clash
            with own.client.socket() as near, pytest.raises(ConnectionRefusedError):
                near.connect((own.server.address, 7000))
            _converse(own, 1)
            _, said = stranger.communicate(timeout=30)
            assert stranger.returncode == 0, said.decode()
