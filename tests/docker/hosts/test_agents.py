"""A host's agent: it comes again when its sidecar is killed; nothing of it stays when its lab is closed."""

import subprocess
import time
from collections.abc import Callable

import pytest

from socketlab.faults import drop, throttle
from socketlab.hosts.docker import DockerBackend
from socketlab.hosts.docker.engine import Engine
from socketlab.hosts.docker.machines import DockerMachines
from socketlab.hosts.docker.ownership import ONE
from socketlab.hosts.docker.removal import labelled
from socketlab.hosts.lab import Lab
from socketlab.hosts.spec import LabSpec
from tests.docker.foreign import state_of
from tests.docker.hosts.conftest import PAIR

pytestmark = pytest.mark.docker
SECONDS = 30.0


def within(seconds: float, what: Callable[[], bool]) -> bool:
    """Whether it comes true in time."""
    until = time.monotonic() + seconds
    while not (true := what()) and time.monotonic() < until:
        time.sleep(0.1)
    return true


def containers(lab: Lab, engine: Engine) -> dict[str, str]:
    """Ids of a lab's containers, by the host's name, an agent's with `-agent`."""
    assert isinstance(lab.machines, DockerMachines)
    told, _ = labelled(engine, ONE, lab.machines.token)
    return {each["Names"][0].partition(f"{lab.machines.token}-")[2]: str(each["Id"]) for each in told}


def buckets(container: str) -> list[str]:
    """The token buckets in a network namespace; each making of one has another handle."""
    return [line for line in state_of(container).splitlines() if line.startswith("qdisc tbf")]


def test_a_killed_sidecar_comes_back_with_its_leases(demo: Lab, engine_here: Engine) -> None:
    demo.server.faults.kinds()  # its agent is there
    ids = containers(demo, engine_here)
    before = state_of(ids["server"])
    with (
        demo.server.faults.apply(throttle(1_000_000)),
        demo.server.faults.apply(drop(port=7000, proto="udp")) as lease,
    ):
        (old,) = buckets(ids["server"])
        subprocess.run(["docker", "kill", "-s", "KILL", ids["server-agent"]], check=True, capture_output=True)
        assert within(SECONDS, lambda: buckets(ids["server"]) not in ([], [old]))
        assert len(buckets(ids["server"])) == 1, "what the killed one left is gone"
        assert lease.in_force
        assert within(SECONDS, lambda: "udp dport 7000" in state_of(ids["server"]))
    assert state_of(ids["server"]) == before


def test_nothing_of_an_agent_stays(engine: None, engine_here: Engine) -> None:  # noqa: ARG001
    with Lab(LabSpec(name="volumes", hosts=PAIR), DockerBackend(eager=True)) as lab:
        agent = engine_here.ask("GET", f"/containers/{containers(lab, engine_here)['server-agent']}/json")
        (journal,) = [mount for mount in agent["Mounts"] if mount["Type"] == "volume"]
        assert journal["Destination"] == "/var/lib/socketlab"
    volumes = engine_here.ask("GET", "/volumes")["Volumes"] or []
    assert journal["Name"] not in {volume["Name"] for volume in volumes}
