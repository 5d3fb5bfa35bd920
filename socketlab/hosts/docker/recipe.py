"""A plan as the engine takes it: the bodies of its requests. Pure."""

import json
from collections.abc import Mapping
from typing import Any, Final

from socketlab import __version__
from socketlab.hosts.docker.ownership import END, STOP
from socketlab.hosts.plan import HostPlan, Interface, LabPlan, NetworkPlan

VERSION: Final = __version__
HOST_IMAGE: Final = f"socketlab/server:{VERSION}"
AGENT_IMAGE: Final = f"socketlab/agent:{VERSION}"
IDLE: Final = ("sleep", "infinity")
"""Costs nothing; what runs on a host is started by its actor."""
_QUICK: Final = ("python3", "-u", "-I", "-S")
"""Without the site's packages, which these do not need: they start twice as fast."""
ACTOR: Final = (
    *_QUICK,
    "-c",
    "import sys; sys.path.insert(0, '/opt/lab'); from services.actor.__main__ import main; main()",
)
HALT: Final = (*_QUICK, "/opt/lab/services/container/halt.py")
NETWORK: Final = (*_QUICK, "/opt/lab/services/container/network.py")
ATTACH: Final = ("python3", "-m", "services.agent.attach")
JOURNAL: Final = "/var/lib/socketlab"
STOP_SECONDS: Final = 2
_MEMORY: Final = 256 << 20
_HOST_PIDS: Final = 1024
"""Threads count: an actor may have hundreds of calls that wait, each in a thread."""
_AGENT_PIDS: Final = 64
_MAX_RESTARTS: Final = 20
_HARDENED: Final[Mapping[str, Any]] = {
    "Init": True,
    "ReadonlyRootfs": True,
    "CapDrop": ["ALL"],
    "SecurityOpt": ["no-new-privileges=true"],
    "Memory": _MEMORY,
}
_NO_PROBE: Final[Mapping[str, Any]] = {"Test": ["NONE"]}
"""Whoever wants to know asks the actor; a probe a second in many containers only takes their time."""
_IPV4_SYSCTLS: Final = {"net.ipv4.ip_unprivileged_port_start": "1024", "net.ipv4.icmp_ratelimit": "0"}
"""As an ordinary machine has it (Docker's own is 0); and no refusal is silent since another was just told."""
_IPV6_SYSCTLS: Final = {"net.ipv6.icmp.ratelimit": "0"}
_ROUTER4: Final = {"net.ipv4.ip_forward": "1"}
_ROUTER6: Final = {"net.ipv6.conf.all.forwarding": "1"}


def has_routers(plan: LabPlan) -> bool:
    """Whether anything is forwarded in a lab."""
    return any(host.role == "router" for host in plan.hosts)


def network(name: str, one: NetworkPlan, labels: Mapping[str, str], *, routed: bool) -> dict[str, Any]:
    """The body that makes a network.

    An internal network's own rules drop what a router brings from another one: the engine lets pass only
    what has both its ends on the bridge. So a lab with routers gets ordinary bridges that masquerade nothing,
    and its hosts lose their default route before anything runs on them (`services.container.network`).

    Args:
        name: unique on the engine.
        one: what is wanted.
        labels: on it.
        routed: whether routers may stand on it.
    """
    pools = [str(subnet) for subnet in (one.subnet, one.subnet6) if subnet is not None]
    return {
        "Name": name,
        "CheckDuplicate": True,
        "Driver": "bridge",
        "Internal": not routed,
        "EnableIPv6": one.subnet6 is not None,
        "IPAM": {"Driver": "default", "Config": [{"Subnet": pool} for pool in pools]},
        "Options": {"com.docker.network.bridge.enable_ip_masquerade": "false"} if routed else {},
        "Labels": dict(labels),
    }


def endpoint(host: HostPlan, interface: Interface) -> dict[str, Any]:
    """A host's place on a network."""
    addresses = {"IPv4Address": str(interface.address.ip)}
    if interface.address6 is not None:
        addresses["IPv6Address"] = str(interface.address6.ip)
    return {"IPAMConfig": addresses, "Aliases": [host.name]}


def container(
    plan: LabPlan, host: HostPlan, networks: Mapping[str, str], labels: Mapping[str, str]
) -> dict[str, Any]:
    """The body that makes a host; it is on its first network only, and gets to the others once it runs.

    Args:
        plan: of its lab.
        host: which one.
        networks: the names on the engine, by those in the plan.
        labels: on it.
    """
    first = host.interfaces[0]
    dns = {"Dns": [str(plan.nameserver)]} if plan.nameserver is not None else {}
    return {
        "Image": HOST_IMAGE,
        "Cmd": list(IDLE),
        "Hostname": host.name,
        "Labels": dict(labels),
        "Healthcheck": _NO_PROBE,
        "StopTimeout": STOP_SECONDS,
        "HostConfig": {
            **_HARDENED,
            "PidsLimit": _HOST_PIDS,
            "Tmpfs": {"/tmp": "exec,mode=1777"},  # noqa: S108 - the only place where a host may write
            "NetworkMode": networks[first.network],
            "DnsOptions": ["timeout:1", "attempts:1"],
            "ExtraHosts": known_hosts(plan, host),
            "Sysctls": sysctls(plan, host),
            **dns,
        },
        "NetworkingConfig": {"EndpointsConfig": {networks[first.network]: endpoint(host, first)}},
    }


def known_hosts(plan: LabPlan, own: HostPlan) -> list[str]:
    """Every other host's lines of /etc/hosts; the engine writes a host's own."""
    return [
        f"{host.name}:{address.ip}"
        for host in plan.hosts
        if host.name != own.name
        for interface in host.interfaces
        for address in (interface.address, interface.address6)
        if address is not None
    ]


def wishes(plan: LabPlan, host: HostPlan) -> tuple[str, ...]:
    """What the engine cannot make of a host's network, in the words of `services.container.network`."""
    words = [] if plan.offload else ["--no-offload"]
    if has_routers(plan):
        words += ["--ways", json.dumps([[str(way.to), str(way.via)] for way in host.ways])]
    return tuple(words)


def sysctls(plan: LabPlan, host: HostPlan) -> dict[str, str]:
    """A host's sysctls: what makes both backends alike, what makes a router, what the plan asks for."""
    has_ipv6 = any(network.subnet6 is not None for network in plan.networks)
    is_router = host.role == "router"
    return {
        **_IPV4_SYSCTLS,
        **(_IPV6_SYSCTLS if has_ipv6 else {}),
        **(_ROUTER4 if is_router else {}),
        **(_ROUTER6 if is_router and has_ipv6 else {}),
        **dict(host.sysctls),
    }


def agent(host: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """The body that makes the agent of a host, in its network namespace.

    Args:
        host: the host's container.
        labels: on it.
    """
    return {
        "Image": AGENT_IMAGE,
        "Cmd": ["python3", "-m", "services.agent", "--journal-dir", JOURNAL],
        "Labels": dict(labels),
        "Healthcheck": _NO_PROBE,
        "HostConfig": {
            **_HARDENED,
            "PidsLimit": _AGENT_PIDS,
            "CapAdd": ["NET_ADMIN", "NET_RAW"],
            "Tmpfs": {"/run": ""},
            # Not a tmpfs: it has to outlive the agent's end. It is removed with the container.
            "Mounts": [{"Type": "volume", "Target": JOURNAL}],
            "NetworkMode": f"container:{host}",
            # It ends with 75 when its host has been restarted, and comes back in the host's new namespace.
            "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": _MAX_RESTARTS},
        },
    }


def adopted_agent(host: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """The agent of a host that is somebody else's: it undoes what it did before it is removed."""
    return agent(host, {**labels, END: STOP})


def adopted_actor(host: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """What the actors of somebody else's host run in: its network, and nothing else of it.

    Args:
        host: the host's container.
        labels: on it.
    """
    return {
        "Image": HOST_IMAGE,
        "Cmd": list(IDLE),
        "Labels": dict(labels),
        "Healthcheck": _NO_PROBE,
        "StopTimeout": 0,
        "HostConfig": {
            **_HARDENED,
            "PidsLimit": _HOST_PIDS,
            "Tmpfs": {"/tmp": "exec,mode=1777"},  # noqa: S108 - the only place where it may write
            "NetworkMode": f"container:{host}",
        },
    }


def setter(host: str, labels: Mapping[str, str], sysctls: Mapping[str, str]) -> dict[str, Any]:
    """What sets sysctls of a network namespace each time it is started, and does nothing else.

    No program in a container can: /proc/sys is read-only there. The engine sets them before one starts.

    Args:
        host: whose namespace.
        labels: on it.
        sysctls: by name.
    """
    return {
        "Image": AGENT_IMAGE,
        "Cmd": ["true"],
        "Labels": dict(labels),
        "Healthcheck": _NO_PROBE,
        "HostConfig": {
            **_HARDENED,
            "Init": False,
            "NetworkMode": f"container:{host}",
            "Sysctls": dict(sysctls),
        },
    }
