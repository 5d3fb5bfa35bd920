"""What still differs between the backends is listed for users, and each line of the list is true."""

import errno
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from socketlab.hosts.differences import KEYS, table
from socketlab.hosts.host import Host
from socketlab.hosts.lab import Lab
from tests.conformance.places import Labs

OFFLOADS: Final = """
import array, fcntl, json, socket, struct
found = {}
with socket.socket() as sock:
    for name, command in (("TSO", 0x1E), ("GSO", 0x23), ("GRO", 0x2B)):
        value = array.array("B", struct.pack("II", command, 0))
        fcntl.ioctl(sock, 0x8946, struct.pack("16sP8x", b"eth0", value.buffer_info()[0]))
        found[name] = struct.unpack("II", value)[1]
print(json.dumps(found))
"""


def says(host: Host, *argv: str) -> str:
    """What a program on a host prints."""
    return host.run(argv, check=True).stdout.decode().strip()


def offloads(host: Host) -> dict[str, int]:
    """Which offloads a host's first link has on, as ethtool(8) asks for them."""
    found: dict[str, int] = json.loads(says(host, "python3", "-c", OFFLOADS))
    return found


def _outside(lab: Lab) -> int | None:
    with lab.third.socket() as sock:
        sock.settimeout(0.5)
        with pytest.raises(OSError) as caught:  # noqa: PT011 - its errno is what is asked for
            sock.connect(("192.0.2.1", 80))
    return caught.value.errno


def _devices(lab: Lab) -> tuple[str, str]:
    """The name of a link before and after it was away."""
    before = lab.third.if_nameindex()[-1][1]
    with lab.third.disconnected():
        pass
    return before, lab.third.if_nameindex()[-1][1]


def _device(lab: Lab) -> str:
    """The link that the server has now: another test may have had it away and back."""
    return lab.server.if_nameindex()[-1][1]


def _sysctl(lab: Lab, name: str) -> str:
    return says(lab.server, "cat", f"/proc/sys/net/{name}")


def _two_subnets(lab: Lab, labs: Labs) -> set[str]:
    return {str(each.plan.networks[0].subnet) for each in (lab, labs.named(lab.backend))}


def _name_servers(lab: Lab) -> list[str]:
    lines = says(lab.client, "cat", "/etc/resolv.conf").splitlines()
    return [line.split()[1] for line in lines if line.startswith("nameserver")]


def _status(lab: Lab, field: str) -> str:
    lines = says(lab.client, "cat", "/proc/self/status").splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{field}:"))


def _own_status(field: str) -> str:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{field}:"))


def _links(lab: Lab) -> set[str]:
    return {name for _, name in lab.client.if_nameindex()}


def _sees_the_machines_links(lab: Lab) -> bool:
    """Other tests make and remove links of the machine meanwhile."""
    before = {path.name for path in Path("/sys/class/net").iterdir()}
    seen = set(says(lab.client, "ls", "/sys/class/net").split())
    after = {path.name for path in Path("/sys/class/net").iterdir()}
    return before & after <= seen <= before | after


def _is_bounded(lab: Lab) -> bool:
    listed = ["docker", "ps", "-q", "--filter", f"label=org.socketlab.lab={lab.name}"]
    ids = subprocess.run(listed, check=True, capture_output=True, text=True, timeout=30).stdout.split()
    asked = ["docker", "inspect", "-f", "{{.HostConfig.PidsLimit}} {{.HostConfig.Memory}}", *ids]
    told = subprocess.run(asked, check=True, capture_output=True, text=True, timeout=30).stdout
    return all(int(number) > 0 for number in told.split())


def _limits(lab: Lab) -> list[int]:
    code = "import json, resource; print(json.dumps(resource.getrlimit(resource.RLIMIT_NPROC)))"
    found: list[int] = json.loads(says(lab.client, "python3", "-c", code))
    return found


def _is_this_clock(lab: Lab) -> bool:
    """Whether a host's clock is this machine's, as far as can be measured."""
    actor = lab.client.actor
    return abs(actor.offset_ns) <= actor.offset_error_ns


_VERSION: Final = ("python3", "-c", "import sys; print(sys.version)")
Check = Callable[[Lab, Labs], bool]
DOCKER: Final[Mapping[str, Check]] = {
    "outside": lambda lab, _: _outside(lab) in {errno.ENETUNREACH, None},
    "device": lambda lab, _: len(set(_devices(lab))) == 2,
    "offloads": lambda lab, labs: _are_off_with_an_agent(labs.named(lab.backend)),
    "forwarding": lambda lab, _: _sysctl(lab, "ipv4/ip_forward") == "1",
    "duplicates": lambda lab, _: _sysctl(lab, f"ipv6/conf/{_device(lab)}/accept_dad") == "1",
    "subnets": lambda lab, labs: len(_two_subnets(lab, labs)) == 2,
    "resolver": lambda lab, labs: _name_servers(lab) == _name_servers(labs.named("docker")) == ["127.0.0.11"],
    "python": lambda lab, _: says(lab.client, "python3", "-c", "import sys; print(sys.prefix)") == "/usr",
    "files": lambda lab, _: says(lab.client, "ls", "/opt/lab") != "",
    "sysfs": lambda lab, _: set(says(lab.client, "ls", "/sys/class/net").split()) == _links(lab),
    "seccomp": lambda lab, _: _status(lab, "Seccomp") == "2",
    "bounds": lambda lab, _: _is_bounded(lab),
    "clock": lambda lab, _: _is_this_clock(lab) or not os.environ.get("DOCKER_HOST", "").startswith("unix"),
}
NAMESPACE: Final[Mapping[str, Check]] = {
    "outside": lambda lab, _: _outside(lab) == errno.ENETUNREACH,
    "device": lambda lab, _: _devices(lab) == ("eth0", "eth0"),
    "offloads": lambda lab, _: not any(offloads(lab.client).values()),
    "forwarding": lambda lab, _: _sysctl(lab, "ipv4/ip_forward") == "0",
    "duplicates": lambda lab, _: _sysctl(lab, f"ipv6/conf/{_device(lab)}/accept_dad") == "0",
    "subnets": lambda lab, labs: _two_subnets(lab, labs) == {"10.213.7.0/24"},
    "resolver": lambda lab, labs: (
        _name_servers(lab) == []
        and _name_servers(labs.named("namespace")) == [labs.named("namespace").dns.address]
    ),
    "python": lambda lab, _: says(lab.client, *_VERSION) == sys.version,
    "files": lambda lab, _: (
        says(lab.client, "cat", "/etc/os-release") == Path("/etc/os-release").read_text().strip()
    ),
    "sysfs": lambda lab, _: _sees_the_machines_links(lab),
    "seccomp": lambda lab, _: _status(lab, "Seccomp") == _own_status("Seccomp"),
    "bounds": lambda lab, _: _limits(lab) == list(resource.getrlimit(resource.RLIMIT_NPROC)),
    "clock": lambda lab, _: _is_this_clock(lab),
}
CHECKS: Final = {"docker": DOCKER, "namespace": NAMESPACE}


def _are_off_with_an_agent(lab: Lab) -> bool:
    """Off on all hosts as soon as the lab's first agent is there."""
    with closing(lab.machines.agent("client")):
        return not any(offloads(lab.client).values()) and not any(offloads(lab.server).values())


@pytest.mark.parametrize("key", KEYS)
def test_a_line_is_true(demo: Lab, labs: Labs, backend: str, key: str) -> None:
    assert CHECKS[backend][key](demo, labs)


def test_every_line_is_tested() -> None:
    assert set(DOCKER) == set(NAMESPACE) == set(KEYS)


@pytest.mark.parametrize("language", ["en", "es"])
def test_every_line_is_told(language: str) -> None:
    for line in table(language):
        assert all((line.what, line.docker, line.namespace, line.why)), line.key
        assert line.docker != line.namespace
    assert len(table(language)) == len(KEYS)
