"""A lab in containers, made by testcontainers: what the tests of this folder stand on.

Theory of operation
    A `Host` is a container of one of our images on a network that the test made, with addresses chosen here;
    its agent is the sidecar in its network namespace. Tests ask a host to make one real conversation (`once`,
    the client program) and read the outcomes it reports; they command an agent with `socketlab-fault`,
    as a user would. All of it carries the labels of the test run: whatever is killed, the next run clears it.
"""

import ipaddress
import os
import random
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Self

# Before testcontainers is imported: its reaper is an image to pull, and our labels do its work.
os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"

import docker.errors
import pytest
from docker.types import EndpointConfig, IPAMConfig, IPAMPool, Mount
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network
from testcontainers.core.wait_strategies import ExecWaitStrategy

from socketlab.wire import Event, Happened, Message, Outcome, Returned, decode

VERSION = "0.1.0"
HEALTH = ["python3", "-I", "-S", "/opt/lab/services/health.py"]
HARDENED: dict[str, Any] = {
    "init": True,
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges=true"],
    "pids_limit": 256,
    # Tests ask when they want to know; a probe a second in each of many containers only takes their time.
    "healthcheck": {"test": ["NONE"]},
}
NET_ATTEMPTS = 20


def events_of(lines: Iterable[bytes]) -> Iterator[Event]:
    """The events that a program reports as wire lines, each as it arrives."""
    for line in lines:
        message = decode(line)
        assert isinstance(message, Happened)
        yield message.event


@dataclass
class Host:
    """A host of the lab: its container, its addresses, and the agent beside it."""

    name: str
    container: DockerContainer
    addresses: dict[str, str]
    agent: DockerContainer | None = None

    def run(self, *command: str) -> tuple[int, str, str]:
        """Run a command on the host: exit code, stdout, stderr."""
        return run(self.container, *command)

    def once(self, *arguments: str) -> list[Event]:
        """One real conversation from this host, by the client program: an event for each socket call."""
        _, out, err = self.run(*ONCE, *arguments)
        events = list(events_of(out.encode().splitlines()))
        assert events, err
        return events

    def call(self, name: str, *arguments: str) -> Outcome:
        """The outcome of one call (`connect`, `recv`, ...) of a conversation."""
        return outcome(self.once(*arguments), name)

    def begin_once(self, *arguments: str) -> Iterator[Event]:
        """Begin a conversation; gives its events while it goes on, and ends with it."""
        command = ["docker", "exec", self.container.get_wrapped_container().id or "", *ONCE, *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            yield from events_of(process.stdout or ())

    def fault(self, *arguments: str) -> list[Message]:
        """What `socketlab-fault ARGUMENTS --json` answers on this host's agent."""
        assert self.agent is not None
        code, out, err = run(self.agent, "socketlab-fault", *arguments, "--json")
        assert code == 0, err
        return [decode(line) for line in out.encode().splitlines()]

    def network_state(self) -> tuple[str, str]:
        """Everything netfilter and the routing tables hold in this host's namespace, counters aside."""
        assert self.agent is not None
        rules = run(self.agent, "nft", "-s", "list", "ruleset")
        routes = [run(self.agent, "ip", family, "route", "show", "table", "all") for family in ("-4", "-6")]
        assert [code for code, _, _ in (rules, *routes)] == [0, 0, 0]
        return rules[1], "".join(out for _, out, _ in routes)


ONCE = ("python3", "-m", "services.client", "once", "--json")
JOURNAL = "/var/lib/socketlab"
AGENT = ("python3", "-m", "services.agent", "--journal-dir", JOURNAL)


EXEC_SECONDS = 100.0
"""Longer than any command here, and shorter than a test."""


def run(container: DockerContainer, *command: str) -> tuple[int, str, str]:
    """Run a command in a container: exit code, stdout, stderr.

    By `docker exec`: the SDK loses what had come before its stream was taken over.
    """
    identity = container.get_wrapped_container().id
    assert identity is not None
    done = subprocess.run(
        ["docker", "exec", identity, *command], capture_output=True, check=False, timeout=EXEC_SECONDS
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def outcome(events: list[Event], call: str) -> Outcome:
    """The outcome of the last call of that name."""
    found = [event.outcome for event in events if event.outcome and event.outcome.call.startswith(f"{call}(")]
    assert found, f"no {call}() among {events}"
    return found[-1]


def received(events: list[Event]) -> bytes:
    """All that `recv` returned in a conversation."""
    results = [
        event.outcome.result for event in events if event.outcome and event.outcome.call.startswith("recv(")
    ]
    return b"".join(
        result.value for result in results if isinstance(result, Returned) and isinstance(result.value, bytes)
    )


class Lab:
    """Hosts on one internal network, dual stack, for one test module.

    Args:
        name: of the lab, in its labels.
        labels: what everything the test run makes carries.
    """

    def __init__(self, name: str, labels: dict[str, str]) -> None:
        self.labels = {"org.socketlab.lab": name, **labels}
        self._stack = ExitStack()
        self._network: Network | None = None
        self._prefixes = ("", "")

    def __enter__(self) -> Self:
        try:
            self._network = self._make_network()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _make_network(self) -> Network:
        """A network on the first of some random subnets that nobody else has."""
        for _ in range(NET_ATTEMPTS):
            number = random.randrange(128, 255)  # noqa: S311 - which free subnet is taken guards nothing
            self._prefixes = (f"10.213.{number}", f"fd00:213:{number}:0")
            pools = [
                IPAMPool(subnet=f"{self._prefixes[0]}.0/24"),
                IPAMPool(subnet=f"{self._prefixes[1]}::/64"),
            ]
            network = Network(
                docker_network_kw={
                    "driver": "bridge",
                    "internal": True,
                    "enable_ipv6": True,
                    "labels": self.labels,
                    "ipam": IPAMConfig(pool_configs=pools),
                }
            )
            try:
                network.create()
            except docker.errors.APIError as error:
                if "overlaps" not in str(error):
                    raise
            else:
                self._stack.callback(network.remove)
                return network
        pytest.fail("every subnet tried is taken: ./scripts/test clears what a killed run left")

    def address(self, family: str, number: int) -> str:
        """An address of the lab's subnet, as the kernel would write it."""
        text = f"{self._prefixes[0]}.{number}" if family == "ipv4" else f"{self._prefixes[1]}::{number}"
        return str(ipaddress.ip_address(text))

    def network(self, family: str, number: int) -> str:
        """A small network within the lab's subnet, from that address on."""
        bits = 32 if family == "ipv4" else 128
        return str(ipaddress.ip_network(f"{self.address(family, number)}/{bits - 3}"))

    def host(self, name: str, number: int, image: str, command: list[str], **options: Any) -> Host:
        """Start a host with the addresses of that number; `wait` is a command that tells when it is ready."""
        assert self._network is not None
        addresses = {family: self.address(family, number) for family in ("ipv4", "ipv6")}
        endpoint = EndpointConfig(
            "1.41", aliases=[name], ipv4_address=addresses["ipv4"], ipv6_address=addresses["ipv6"]
        )
        wait = options.pop("wait", None)
        container = (
            DockerContainer(f"socketlab/{image}:{VERSION}")
            .with_command(command)
            .with_tmpfs_mount("/tmp")  # noqa: S108 - inside the container, the only place it may write
            .with_kwargs(
                **HARDENED,
                hostname=name,
                labels=self.labels,
                network=self._network.name,
                networking_config={self._network.name: endpoint},
                dns_opt=["timeout:1", "attempts:1"],
                **options,
            )
        )
        if wait:
            container.waiting_for(ExecWaitStrategy(wait).with_poll_interval(0.1).with_startup_timeout(30))
        self._stack.enter_context(container)
        return Host(name, container, addresses)

    def server(self) -> Host:
        """The lab's server: every port of `services.ports`."""
        command = ["python3", "-m", "services.server", "--lab"]
        sysctls = {"net.ipv4.icmp_ratelimit": "0", "net.ipv6.icmp.ratelimit": "0"}
        return self.host("server", 10, "server", command, sysctls=sysctls, wait=HEALTH)

    def caller(self, name: str, number: int) -> Host:
        """A client host that does nothing by itself: tests run its client program."""
        return self.host(name, number, "client", ["sleep", "infinity"])

    def with_agent(self, host: Host, *standing: str) -> Host:
        """Start the agent of a host, with standing faults, and wait until it is ready."""
        target = host.container.get_wrapped_container().id
        agent = (
            DockerContainer(f"socketlab/agent:{VERSION}")
            .with_command([*AGENT, *(f"--standing={fault}" for fault in standing)])
            .with_tmpfs_mount("/run")
            .with_kwargs(
                mounts=[Mount(JOURNAL, None, type="volume")],
                **HARDENED,
                cap_add=["NET_ADMIN", "NET_RAW"],
                labels=self.labels,
                network_mode=f"container:{target}",
                restart_policy={"Name": "on-failure", "MaximumRetryCount": 20},
            )
            .waiting_for(
                ExecWaitStrategy([*HEALTH, "@socketlab-agent"])
                .with_poll_interval(0.1)
                .with_startup_timeout(30)
            )
        )
        self._stack.enter_context(agent)
        host.agent = agent
        return host


@contextmanager
def applied(host: Host, *arguments: str) -> Iterator[str]:
    """A fault in force on a host's agent, healed at the end; gives its lease's id."""
    (answer,) = host.fault("add", *arguments)
    lease = answer.lease.id  # type: ignore[union-attr]
    try:
        yield lease
    finally:
        host.fault("heal", lease)
