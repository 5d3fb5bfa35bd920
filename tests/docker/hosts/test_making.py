"""How labs are made: side by side, ahead, with routers, over other ways to the engine; what is refused."""

import errno
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from socketlab.errors import BackendError
from socketlab.hosts.docker import DockerBackend, Pool, backend, machines, probe, programs, recipe
from socketlab.hosts.docker.endpoint import LOCAL, Endpoint, find
from socketlab.hosts.docker.engine import Engine
from socketlab.hosts.docker.machines import DockerMachines
from socketlab.hosts.docker.ownership import ONE, OWNER, owner
from socketlab.hosts.docker.removal import labelled
from socketlab.hosts.lab import Lab
from socketlab.hosts.plan import Record
from socketlab.hosts.spec import HostSpec, LabSpec, NetworkSpec, Plug
from tests.docker.hosts.conftest import PAIR

pytestmark = pytest.mark.docker


@pytest.fixture
def nothing_stays(engine_here: Engine) -> Iterator[None]:
    """After the test this process owns no more than before."""

    def owned() -> set[str]:
        containers, networks = labelled(engine_here, OWNER, owner().id)
        return {thing["Id"] for thing in (*containers, *networks)}

    before = owned()
    yield
    assert owned() <= before


def test_the_engine_is_found_usable(engine: None) -> None:  # noqa: ARG001
    found = probe()
    assert (found.usable, found.why_not, found.error) == (True, "", None)
    assert found.kind
    assert found.version


@pytest.mark.usefixtures("nothing_stays")
def test_labs_of_one_name_side_by_side() -> None:
    made: list[DockerMachines] = []
    spec = LabSpec(name="twin", hosts=(HostSpec(name="only"),), ipv6=False)
    threads = [threading.Thread(target=lambda: made.append(DockerBackend().open(spec))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    try:
        subnets = {one.plan.networks[0].subnet for one in made}
        assert len(subnets) == 3
        assert all(one.states() == {"only": "running"} for one in made)
        made[0].act("only", "pause")
        made[1].agent("only").close()
        made[1].act("only", "kill")
    finally:
        for one in made:
            one.close()
            one.close()


@pytest.mark.usefixtures("nothing_stays")
def test_pool_hands_out_each_lab_once(engine_here: Engine) -> None:
    def spec(name: str) -> LabSpec:
        return LabSpec(name=name, hosts=PAIR[:1], ipv6=False)

    with Pool(spec("shape"), ready=1) as pool:
        assert pool.wait(60)
        with Lab(spec("first"), pool) as first, Lab(spec("second"), pool) as second:
            assert (first.name, second.name) == ("first", "second")
            assert first.client.address != second.client.address
            assert first.client.gethostbyname("client") == first.client.address
            taken = first.machines
            assert isinstance(taken, DockerMachines)
            assert labelled(engine_here, ONE, taken.token)[0]


def test_pool_makes_another_shape_as_ever(engine: None, nothing_stays: None) -> None:  # noqa: ARG001
    with Pool(LabSpec(name="shape", hosts=PAIR), ready=0) as pool:
        made = pool.open(LabSpec(name="alone", hosts=PAIR[:1], ipv6=False))
        try:
            assert list(made.states()) == ["client"]
        finally:
            made.close()


@pytest.mark.usefixtures("nothing_stays", "engine")
def test_router_leads_to_the_other_network_and_nowhere_else() -> None:
    spec = LabSpec(
        name="routed",
        networks=(NetworkSpec(name="left"), NetworkSpec(name="right")),
        hosts=(
            HostSpec(name="client", plugs=(Plug(network="left"),)),
            HostSpec(name="server", plugs=(Plug(network="right"),)),
            HostSpec(name="middle", role="router"),
        ),
    )

    def reached(lab: Lab) -> None:
        for family, address in (
            (socket.AF_INET, lab.server.address),
            (socket.AF_INET6, lab.server.address6),
        ):
            with lab.client.socket(family) as calling:
                calling.settimeout(10)
                assert calling.connect_ex((address, 9)) == errno.ECONNREFUSED

    with Lab(spec, DockerBackend()) as lab:
        reached(lab)
        assert lab.client.run(["ip", "route", "show", "default"]).stdout == b""
        devices = lab.middle.run(["ip", "-br", "-4", "address"]).stdout.split()
        lab.middle.restart()
        assert [
            word for word in lab.middle.run(["ip", "-br", "-4", "address"]).stdout.split() if b"." in word
        ] == [word for word in devices if b"." in word], "each device has its network again"
        reached(lab)


@pytest.mark.usefixtures("nothing_stays", "engine")
def test_name_server_is_asked_and_nobody_else() -> None:
    record = Record(name="www.lab.test", kind="A", value="10.1.2.3")
    hosts = (HostSpec(name="client"), HostSpec(name="dns", role="names", records=(record,)))
    with Lab(LabSpec(name="named", hosts=hosts), DockerBackend()) as lab:
        assert lab.client.gethostbyname("www.lab.test") == "10.1.2.3"
        with pytest.raises(socket.gaierror) as unknown:
            lab.client.gethostbyname("nothing.lab.test")
        assert unknown.value.errno == socket.EAI_NONAME


@pytest.mark.usefixtures("nothing_stays")
def test_subnet_in_use_is_refused_and_says_whose(demo: Lab) -> None:
    assert isinstance(demo.machines, DockerMachines)
    plan = demo.machines.plan.networks[0]
    spec = LabSpec(name="clash", hosts=PAIR, networks=(NetworkSpec(name="mine", subnet=str(plan.subnet)),))
    with pytest.raises(BackendError) as refused:
        DockerBackend().open(spec)
    assert refused.value.code == "docker.subnet"
    assert str(plan.subnet) in str(refused.value)
    assert demo.machines.token in str(refused.value)


@pytest.mark.usefixtures("nothing_stays", "engine")
def test_missing_image_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "HOST_IMAGE", "socketlab/nobody-made-this:0.0.0")
    with pytest.raises(BackendError, match=r"\./scripts/up") as refused:
        DockerBackend().open(LabSpec(name="imageless", hosts=PAIR))
    assert refused.value.code == "docker.image"


@pytest.mark.usefixtures("nothing_stays", "engine")
def test_lab_that_fails_halfway_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(machines.DockerMachines, "_plug_others", fails)
    with pytest.raises(KeyboardInterrupt):
        DockerBackend().open(LabSpec(name="halfway", hosts=PAIR))


@pytest.mark.usefixtures("nothing_stays", "engine")
def test_when_every_candidate_is_taken(demo: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(demo.machines, DockerMachines)
    taken = demo.machines.plan.networks[0]
    assert taken.subnet6 is not None
    pair = (taken.subnet, taken.subnet6)
    monkeypatch.setattr(backend, "candidates", lambda *_: iter([pair, pair]))
    with pytest.raises(BackendError) as refused:
        DockerBackend().open(LabSpec(name="late", hosts=PAIR))
    assert refused.value.code == "docker.no-subnet"


@pytest.fixture
def by_tcp(engine: None) -> Iterator[Endpoint]:  # noqa: ARG001
    """The engine's socket as a port of the loopback: what comes there is carried to it."""
    if find().url != LOCAL:
        pytest.skip("the engine is not this machine's own")
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as ends:

        def carry(source: socket.socket, target: socket.socket) -> None:
            with suppress(OSError):
                while data := source.recv(1 << 16):
                    target.sendall(data)
                target.shutdown(socket.SHUT_WR)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    near = ends.enter_context(listener.accept()[0])
                    far = ends.enter_context(socket.socket(socket.AF_UNIX))
                    far.connect(LOCAL.removeprefix("unix://"))
                    for pair in ((near, far), (far, near)):
                        threading.Thread(target=carry, args=pair, daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield Endpoint(f"tcp://127.0.0.1:{listener.getsockname()[1]}", "test")
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def test_an_actor_over_tcp(by_tcp: Endpoint, demo: Lab) -> None:
    check_stream(by_tcp, demo)


def test_an_actor_over_ssh(demo: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ssh` is played by a script that takes the words after `--` for this machine's own."""
    if subprocess.run(
        ["docker", "system", "dial-stdio"], input=b"", capture_output=True, check=False
    ).returncode:
        pytest.skip("no docker command that could play the far side")
    played = tmp_path / "ssh"
    played.write_text('#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done; shift 2; exec "$@"\n')
    played.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    check_stream(Endpoint("ssh://me@elsewhere.example:2222", "test"), demo)


def check_stream(endpoint: Endpoint, demo: Lab) -> None:
    """A program's streams over that way: what is said comes back, its end too."""
    assert isinstance(demo.machines, DockerMachines)
    engine = Engine(endpoint)
    try:
        containers, _ = labelled(engine, ONE, demo.machines.token)
        (host,) = (one["Id"] for one in containers if one["Names"][0].endswith("-client"))
        payload = os.urandom(300_000)
        stream = programs.start(engine, host, "client", ["head", "-c", str(len(payload))])
        sending = threading.Thread(target=stream.send, args=(payload,))
        sending.start()
        received = b""
        while data := stream.receive(20):
            received += data
        sending.join(20)
        assert received == payload
        stream.close()
    finally:
        engine.close()
