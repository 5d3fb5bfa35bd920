"""What makes no sense is refused in a sentence that says what, where and what to do, and leaves nothing."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from socketlab.errors import BackendError, LabError, SpecError
from socketlab.hosts.lab import Lab, lab
from socketlab.hosts.plan import Record
from socketlab.hosts.spec import HostSpec, NetworkSpec, Plug

ROOT = Path(__file__).parents[2]


def _plugged(**place: str) -> HostSpec:
    return HostSpec(name="server", plugs=(Plug(network="lan", **place),))


LAN = NetworkSpec(name="lan", subnet="10.77.7.0/24")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"hosts": ["a", "b", "A"]}, ["hosts.A", "name of its own"]),
        ({"hosts": []}, ["hosts", "at least one"]),
        ({"hosts": "client"}, ["several names", "'client'"]),
        ({"hosts": ["under_score"]}, ["'under_score'", "letters"]),
        ({"hosts": ["x" * 41]}, ["hosts", "40"]),
        ({"hosts": ["localhost"]}, ["hosts.localhost", "choose another"]),
        ({"hosts": [f"h{number}" for number in range(255)]}, ["254", "255"]),
        ({"name": "no/name"}, ["name", "'no/name'"]),
        ({"networks": ["one", "one"]}, ["networks.one", "twice"]),
        (
            {"networks": [NetworkSpec(name="lan", subnet="10.77.7.1/24")]},
            ["networks.lan.subnet", "10.77.7.1/24"],
        ),
        ({"networks": [NetworkSpec(name="lan", subnet="8.8.8.0/24")]}, ["networks.lan.subnet", "private"]),
        (
            {"networks": [LAN, NetworkSpec(name="two", subnet="10.77.0.0/16")]},
            ["networks.two.subnet", "overlaps", "lan"],
        ),
        (
            {"hosts": [_plugged(address="10.77.8.7")], "networks": [LAN]},
            ["hosts.server.networks.lan.address", "10.77.8.7", "10.77.7.0/24"],
        ),
        ({"hosts": [_plugged(address="10.77.7.255")], "networks": [LAN]}, ["10.77.7.255", "kept"]),
        ({"hosts": [_plugged(address="10.77.7.1")], "networks": [LAN]}, ["10.77.7.1", "kept"]),
        ({"hosts": [_plugged(address="seven")], "networks": [LAN]}, ["IPv4", "'seven'"]),
        (
            {
                "hosts": [
                    _plugged(address="10.77.7.7"),
                    HostSpec(name="other", plugs=(Plug(network="lan", address="10.77.7.7"),)),
                ],
                "networks": [LAN],
            },
            ["hosts.other", "10.77.7.7", "server"],
        ),
        ({"hosts": [_plugged(address6="fd00::7")], "networks": [LAN], "ipv6": False}, ["no IPv6", "lan"]),
        ({"hosts": [_plugged()], "networks": ["wan"]}, ["no such network", "'lan'", "wan"]),
        ({"hosts": [HostSpec(name="r", role="router")]}, ["hosts.r", "two networks"]),
        (
            {"hosts": [HostSpec(name="h", sysctls={"kernel.hostname": "x"})]},
            ["kernel.hostname", "network namespace"],
        ),
        (
            {"hosts": [HostSpec(name="h", sysctls={"net.ipv4.tcp_syn_retry": 1})]},
            ["Did you mean net.ipv4.tcp_syn_retries"],
        ),
        (
            {
                "hosts": [
                    HostSpec(name="h", role="names", records=(Record(name="a.test", kind="A", value="x"),))
                ]
            },
            ["a.test", "address"],
        ),
        (
            {"hosts": [HostSpec(name="h", records=(Record(name="a.test", kind="A", value="10.0.0.1"),))]},
            ["records", "names"],
        ),
    ],
)
def test_a_lab_that_makes_no_sense(arguments: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        lab(**arguments)
    said = str(caught.value)
    for word in words:
        assert word in said


def test_no_such_backend(labels: dict[str, str]) -> None:
    with pytest.raises(SpecError) as caught:
        lab(backend="podman", labels=labels).open()
    assert "docker, namespace" in str(caught.value)
    assert "'podman'" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hosts:\n  server:\n    adress: 10.0.0.1\n", ["lab.yaml:3:5", "adress"]),
        (
            "hosts: {one: {networks: {lan: {address: 10.9.9.9}}}}\nnetworks: {lan: {subnet: 10.8.0.0/24}}\n",
            ["lab.yaml:1:", "10.9.9.9", "10.8.0.0/24"],
        ),
        ("hosts: {a: {}, a: {}}\n", ["lab.yaml:1:", "a"]),
        ("hosts: [client]\nhost: [server]\n", ["lab.yaml:2:1", "host"]),
        ("hosts: [client\n", ["lab.yaml:"]),
        ("", ["lab.yaml"]),
        ("backend: [docker\n", ["lab.yaml:"]),
        ("hosts: [client]\nbackend: podman\n", ["lab.yaml:2:", "podman"]),
    ],
)
def test_a_file_that_makes_no_sense(tmp_path: Path, text: str, words: list[str]) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text(text)
    with pytest.raises(SpecError) as caught:
        Lab.from_file(file)
    for word in words:
        assert word in str(caught.value)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"none\.yaml"):
        Lab.from_file(tmp_path / "none.yaml")


def test_a_file_is_a_lab(backend: str, tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text(
        "networks: {front: {}, back: {}}\n"
        "hosts:\n"
        "  customer: {networks: [front]}\n"
        "  door: {role: router}\n"
        "  till: {networks: [back], serve: {style: threaded, protocol: echo, port: 7000}}\n"
    )
    with Lab.from_file(file, backend=backend) as shop:
        assert shop.name == "shop"
        with shop.customer.create_connection((shop.till.address, 7000)) as near:
            near.sendall(b"hi\n")
            assert near.recv(3) == b"hi\n"


def test_a_subnet_in_use(own: Callable[..., Lab], backend: str, worker: int) -> None:
    """Two labs cannot have one subnet on one engine; in namespaces they are apart, and both have it."""
    networks = [NetworkSpec(name="lan", subnet=f"10.{220 + worker}.{os.getpid() % 250}.0/24")]
    with own(networks=networks) as first:
        if backend == "namespace":
            with (
                own(networks=networks) as second,
                first.server.create_server((first.server.address, 0)) as server,
            ):
                assert second.server.address == first.server.address
                with second.client.socket() as near, pytest.raises(ConnectionRefusedError):
                    near.connect(server.getsockname())
            return
        before = _networks()
        with pytest.raises(BackendError) as caught:
            own(networks=networks).open()
        assert str(networks[0].subnet) in str(caught.value)
        assert "networks.lan" in str(caught.value)
        assert _networks() >= before


def _networks() -> set[str]:
    listed = subprocess.run(["docker", "network", "ls", "-q"], capture_output=True, check=True, timeout=20)
    return set(listed.stdout.split())  # type: ignore[arg-type]


@pytest.mark.docker
def test_a_subnet_of_the_machine(containers: str) -> None:
    """One that this machine has a route to already, such as an engine's own bridge."""
    seen = subprocess.run(["ip", "-j", "route"], capture_output=True, check=True, timeout=20)
    routes = [each["dst"] for each in json.loads(seen.stdout) if "/" in each["dst"]]
    private = [each for each in routes if each.startswith(("10.", "172.", "192.168."))]
    if not private:
        pytest.skip("this machine has no route to a private subnet")
    with pytest.raises(BackendError) as caught:
        lab(backend=containers, networks=[NetworkSpec(name="lan", subnet=private[0])]).open()
    assert private[0] in str(caught.value)


def _fresh(code: str, **environ: str) -> str:
    """What a new process says, whose environment is as told."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "SOCKETLAB_"))
    }
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, "LC_ALL": "C.UTF-8", "LANGUAGE": "", **environ},
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=True,
    )
    return ran.stdout


OPEN = """
from socketlab import lab
from socketlab.errors import BackendError
try:
    lab(backend="docker").open()
except BackendError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        (
            {"DOCKER_HOST": "unix:///nonexistent/docker.sock"},
            ["/nonexistent/docker.sock", "DOCKER_HOST", "namespace"],
        ),
        ({"DOCKER_HOST": "tcp://127.0.0.1:1"}, ["127.0.0.1:1", "DOCKER_HOST"]),
        ({"DOCKER_HOST": "gopher://engine"}, ["gopher://engine", "unix, tcp"]),
        ({"DOCKER_CONTEXT": "no-such-context"}, ["no-such-context", "docker context ls"]),
    ],
)
def test_no_engine_there(environ: dict[str, str], words: list[str]) -> None:
    said = _fresh(OPEN, **environ)
    for word in words:
        assert word in said
    assert "Traceback" not in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_an_engine_that_one_may_not_speak_with(tmp_path: Path) -> None:
    import socket  # noqa: PLC0415
    import tempfile  # noqa: PLC0415

    del tmp_path  # which others cannot enter
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as engine:
        path = f"{folder}/docker.sock"
        engine.bind(path)
        engine.listen()
        Path(folder).chmod(0o755)
        Path(path).chmod(0o600)
        loaded = "import os, tomllib, socketlab.hosts.docker.backend, socketlab.hosts.lab"
        code = f"{loaded}\nos.seteuid(65534){OPEN}"
        said = _fresh(code, DOCKER_HOST=f"unix://{path}")
    assert "permission" in said.lower()
    assert "usermod -aG docker" in said


AUTO = """
from socketlab import lab
from socketlab.errors import LabError
try:
    with lab() as demo:
        print(demo.backend, "|", demo.why)
except LabError as error:
    print(type(error).__name__, "|", error)
"""


def test_auto_says_which_it_took_and_why(namespaces: str) -> None:
    said = _fresh(AUTO, DOCKER_HOST="unix:///nonexistent/docker.sock")
    assert said.startswith(f"{namespaces} | ")
    assert "/nonexistent/docker.sock" in said
    said = _fresh(AUTO, SOCKETLAB_BACKEND="namespace")
    assert said.startswith("namespace | ")
    assert "SOCKETLAB_BACKEND" in said


NO_NAMESPACES = """
from socketlab import lab
from socketlab.errors import BackendError
try:
    lab(backend="namespace").open()
except BackendError as error:
    print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may forbid itself user namespaces")
def test_no_user_namespaces(namespaces: str, tmp_path: Path) -> None:
    """In a user namespace that may have none below it, and without what root could do instead."""
    del namespaces
    program = tmp_path / "open.py"
    program.write_text(NO_NAMESPACES)
    inner = f"exec setpriv --bounding-set=-sys_admin,-net_admin --inh-caps=-all {sys.executable} {program}"
    shell = f"echo 0 > /proc/sys/user/max_user_namespaces && {inner}"
    ran = subprocess.run(
        ["unshare", "-Ur", "sh", "-c", shell],
        env={**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8", "LANGUAGE": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "user.max_user_namespaces" in ran.stdout
    assert "sudo sysctl" in ran.stdout
    assert ran.stderr == ""


def test_what_is_refused_is_of_one_family() -> None:
    for kind in (SpecError, BackendError):
        assert issubclass(kind, LabError)
