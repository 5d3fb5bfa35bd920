"""A flow that no fault is about loses nothing: beside applying, healing, and the agent's death."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from socketlab.faults import making
from socketlab.hosts.host import Host
from socketlab.hosts.lab import Lab, lab
from tests.conformance.places import DEADLINE

if TYPE_CHECKING:
    from socketlab.hosts.programs import Program

HOSTS: Final = ("a", "b", "c")
PORT, OTHER = 7100, 7101
RATE: Final = 1000
COUNT: Final = 4000
_NET_ADMIN: Final = 1 << 12

SENDER: Final = """
import socket, sys, time
address, port, rate, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
made = socket.socket(family, socket.SOCK_DGRAM)
made.connect((address, port))
started = time.monotonic()
for number in range(count):
    time.sleep(max(0.0, started + number / rate - time.monotonic()))
    made.send(number.to_bytes(4, "big") + bytes(60))
    if number == rate // 2:
        print("going", flush=True)
print("sent", flush=True)
"""
RECEIVER: Final = """
import json, socket, sys
address, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
made = socket.socket(family, socket.SOCK_DGRAM)
made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
made.bind((address, port))
made.settimeout(10)
print("bound", flush=True)
seen = set()
try:
    while len(seen) < count:
        seen.add(int.from_bytes(made.recv(100)[:4], "big"))
except TimeoutError:
    pass
print(json.dumps(sorted(set(range(count)) - seen)[:20]), flush=True)
"""


@pytest.fixture(scope="module")
def three(request: pytest.FixtureRequest) -> Iterator[Lab]:
    run = os.environ.get("SOCKETLAB_RUN", "")
    made = lab(hosts=HOSTS, backend=request.param, labels={"org.socketlab.run": run} if run else {}).open()
    made["a"].faults.kinds()  # agents are there: what their coming does is no part of this
    yield made
    made.close()


class Flow:
    """A thousand datagrams a second, for some seconds."""

    def __init__(self, source: Host, target: Host, address: str, port: int) -> None:
        words = ["python3", "-c", RECEIVER, address, str(port), str(COUNT)]
        self.receiver: Program = target.start(words, ready="bound")
        self.sender = source.start(
            ["python3", "-c", SENDER, address, str(port), str(RATE), str(COUNT)], ready="going"
        )

    def is_over(self) -> bool:
        return self.sender.poll() is not None

    def missing(self) -> list[int]:
        """The first of those that never came."""
        assert self.sender.wait(DEADLINE) == 0
        assert self.receiver.wait(DEADLINE) == 0
        said = self.receiver.stdout.read().decode().split()
        return list(json.loads("".join(word for word in said if word != "bound")))


def _agent(host: Host) -> int:
    """The agent of a host: what has NET_ADMIN in its namespace, and nobody below it."""
    inode = host.run(["readlink", "/proc/self/ns/net"]).stdout.decode().strip()
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str((process / "ns" / "net").readlink()) == inode:
                status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines())
                if (
                    int(status["CapEff"], 16) == int(status["CapBnd"], 16)
                    and int(status["CapEff"], 16) & _NET_ADMIN
                ):
                    found[int(process.name)] = int(status["PPid"])
        except (OSError, KeyError, ValueError):
            continue
    leaves = set(found) - set(found.values())
    assert leaves, f"no agent in {inode}"
    return max(leaves)


def _flows(three: Lab) -> list[Flow]:
    a, b, c = (three[name] for name in HOSTS)
    return [
        Flow(a, b, b.address, PORT),
        Flow(c, b, str(b.address6), OTHER),
    ]


BACKENDS = [pytest.param("namespace"), pytest.param("docker", marks=[pytest.mark.docker, pytest.mark.full])]


@pytest.mark.parametrize("three", BACKENDS, indirect=True)
def test_applying_and_healing_lose_nothing_of_others(three: Lab) -> None:
    a, b = three["a"], three["b"]
    faults = (
        making.drop(peer=a, port=7000),
        making.reject("icmp-port", peer=a, port=7000),
        making.delay(0.05, peer=a, port=7000),
        making.hold(peer=a, port=7000),
        making.throttle(1_000_000, peer=a, port=7000),
        making.route("throw", "10.213.250.1"),
    )
    flows = _flows(three)
    rounds = 0
    while not all(flow.is_over() for flow in flows):
        leases = [b.faults.apply(fault) for fault in faults]
        for lease in leases:
            lease.heal()
        rounds += 1
    assert [flow.missing() for flow in flows] == [[], []]
    assert rounds > 1


@pytest.mark.parametrize("three", BACKENDS, indirect=True)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may kill an agent")
def test_the_agents_death_loses_nothing_of_others(three: Lab) -> None:
    a, b = three["a"], three["b"]
    b.faults.apply(making.drop(peer=a, port=7000))
    b.faults.apply(making.delay(0.05, peer=a, port=7000))
    b.faults.apply(making.throttle(1_000_000, peer=a, port=7000))
    flows = _flows(three)
    assert not any(flow.is_over() for flow in flows)
    os.kill(_agent(b), signal.SIGKILL)
    assert [flow.missing() for flow in flows] == [[], []]
