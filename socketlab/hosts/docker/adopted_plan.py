"""A foreign compose project as a lab: whose containers are hosts, and the plan that they make. Pure.

Theory of operation
    Compose labels each container with its project, service and number, and each network with its name in the
    project: these are asked, never the containers' names. A service's first container is a host of the
    service's name, its second one `web-2`. What shares another container's network is not a host of its own;
    where that is an agent of ours, as in the lab of our own `compose.yaml`, it is that host's agent. The
    machine's own network is nobody's to break: a service with `network_mode: host` is no host of a lab.

    Addresses are those of the moment. The engine may give others when a container starts again, so a plan is
    made anew then.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from socketlab.errors import SpecError
from socketlab.hosts.backend import HostState
from socketlab.hosts.plan import HostPlan, Interface, LabPlan, NetworkPlan

PROJECT: Final = "com.docker.compose.project"
SERVICE: Final = "com.docker.compose.service"
NUMBER: Final = "com.docker.compose.container-number"
ONE_OFF: Final = "com.docker.compose.oneoff"
NETWORK: Final = "com.docker.compose.network"
_TITLE: Final = "org.opencontainers.image.title"
_AGENT: Final = "socketlab agent"
_STATES: Final[dict[str, HostState]] = {"running": "running", "paused": "paused"}


class Found(NamedTuple):
    """A container of the project that is a host.

    Args:
        host: its name in the lab.
        service: of the project.
        number: of the service's containers.
        container: its id.
        started: when, as the engine has it; another time is another network namespace.
        state: how it stands.
        agent: id of a container that is its agent already, and nobody else's to end; empty: none.
    """

    host: str
    service: str
    number: int
    container: str
    started: str
    state: HostState
    agent: str = ""


def found(told: Iterable[Any], project: str, services: Sequence[str] = ()) -> dict[str, Found]:
    """The hosts that a project's containers are, by name.

    Args:
        told: its containers, as the engine inspects them, stopped ones too.
        project: its name, for errors.
        services: only these; empty: all that have a network of their own.

    Raises:
        SpecError: there is no such service, or it can be no host; or two hosts would have one name.
    """
    containers = [each for each in told if each["Config"]["Labels"].get(ONE_OFF, "False") != "True"]
    if not containers:
        raise SpecError("adopt.no-project", project=project)
    known = sorted({_service(each) for each in containers})
    for name in services:
        if name not in known:
            raise SpecError(
                "adopt.no-service", project=project, seen=ascii(name)[:60], expected=", ".join(known)
            )
    agents = {
        _mode(each).removeprefix("container:"): str(each["Id"])
        for each in containers
        if _mode(each).startswith("container:") and each["Config"]["Labels"].get(_TITLE) == _AGENT
    }
    hosts: dict[str, Found] = {}
    alone = _alone(containers)
    for each in sorted(containers, key=lambda each: (_service(each), _number(each))):
        service, number, mode = _service(each), _number(each), _mode(each)
        if services and service not in services:
            continue
        if mode in {"host", "none"} or mode.startswith("container:"):
            if services:
                raise SpecError("adopt.no-network", project=project, service=service, mode=mode)
            continue
        host = service if number == 1 or service in alone else f"{service}-{number}"
        if host in hosts:
            raise SpecError("adopt.name-twice", project=project, host=host)
        hosts[host] = Found(
            host,
            service,
            number,
            str(each["Id"]),
            str(each["State"]["StartedAt"]),
            state(each),
            agents.get(str(each["Id"]), ""),
        )
    return hosts


def state(told: Any) -> HostState:
    """How a container stands, of which the engine tells this."""
    return _STATES.get(told["State"]["Status"], "stopped")


def _service(told: Any) -> str:
    return str(told["Config"]["Labels"].get(SERVICE, ""))


def _number(told: Any) -> int:
    text = str(told["Config"]["Labels"].get(NUMBER, "1"))
    return int(text) if text.isdecimal() else 1


def _mode(told: Any) -> str:
    return str(told["HostConfig"]["NetworkMode"])


def _alone(containers: Iterable[Any]) -> set[str]:
    """Services with one container: whatever its number, there is no other to tell it from."""
    services = [_service(each) for each in containers]
    return {service for service in services if services.count(service) == 1}


def plan(name: str, hosts: Iterable[Found], told: Iterable[Any], networks: Iterable[Any]) -> LabPlan:
    """The plan that some hosts make as they stand now; one without an IPv4 address is no part of it.

    Args:
        name: of the lab.
        hosts: those that run or are paused.
        told: their containers, as the engine inspects them.
        networks: the engine's, as it lists them.

    Raises:
        SpecError: there is no host.
    """
    containers = {each["Id"]: each for each in told}
    by_id = {each["Id"]: each for each in networks}
    used: dict[str, NetworkPlan] = {}
    plans: list[HostPlan] = []
    for host in hosts:
        interfaces = _interfaces(containers[host.container], by_id, used)
        if interfaces:
            plans.append(HostPlan(name=host.host, role="host", interfaces=interfaces))
    if not plans:
        raise SpecError("adopt.nothing-runs", name=name)
    used_names = {interface.network for host in plans for interface in host.interfaces}
    return LabPlan(
        name=name,
        networks=tuple(network for network in used.values() if network.name in used_names),
        hosts=tuple(plans),
        offload=True,
    )


def _interfaces(told: Any, networks: dict[str, Any], used: dict[str, NetworkPlan]) -> tuple[Interface, ...]:
    """A container's links, with the networks that they are plugged into noted.

    The engine does not tell the links' names before version 28: they are counted here, and right where a
    container has one.
    """
    found: list[Interface] = []
    for engine_name, endpoint in sorted((told["NetworkSettings"].get("Networks") or {}).items()):
        network = networks.get(endpoint.get("NetworkID") or "")
        if network is None or not endpoint.get("IPAddress"):
            continue
        key = str(network["Id"])
        if key not in used:
            subnets = _subnets(network)
            if subnets[0] is None:
                continue
            taken = {each.name for each in used.values()}
            short = str((network.get("Labels") or {}).get(NETWORK) or engine_name)
            used[key] = NetworkPlan(
                name=engine_name if short in taken else short, subnet=subnets[0], subnet6=subnets[1]
            )
        found.append(
            Interface(
                device=f"eth{len(found)}",
                network=used[key].name,
                address=ipaddress.IPv4Interface(f"{endpoint['IPAddress']}/{endpoint['IPPrefixLen']}"),
                address6=_address6(endpoint),
            )
        )
    return tuple(found)


def _address6(endpoint: Any) -> ipaddress.IPv6Interface | None:
    if not endpoint.get("GlobalIPv6Address"):
        return None
    return ipaddress.IPv6Interface(f"{endpoint['GlobalIPv6Address']}/{endpoint['GlobalIPv6PrefixLen']}")


def _subnets(network: Any) -> tuple[ipaddress.IPv4Network | None, ipaddress.IPv6Network | None]:
    subnet: ipaddress.IPv4Network | None = None
    subnet6: ipaddress.IPv6Network | None = None
    for pool in (network.get("IPAM") or {}).get("Config") or ():
        if not pool.get("Subnet"):
            continue
        one = ipaddress.ip_network(pool["Subnet"], strict=False)
        if isinstance(one, ipaddress.IPv4Network):
            subnet = subnet or one
        else:
            subnet6 = subnet6 or one
    return subnet, subnet6


def renewed(old: LabPlan, new: LabPlan) -> LabPlan:
    """A plan whose hosts are as they stand now; one that does not run stays as it was.

    Args:
        old: of all hosts.
        new: of those that run.
    """
    hosts = {host.name: host for host in new.hosts}
    networks = {network.name: network for network in (*old.networks, *new.networks)}
    return replace(
        old,
        hosts=tuple(hosts.get(host.name, host) for host in old.hosts),
        networks=tuple(networks.values()),
    )


def moment(text: str) -> tuple[str, int]:
    """A time as the engine writes it, to be compared: it leaves zeros out at the end of a fraction."""
    seconds, _, fraction = text.rstrip("Z").partition(".")
    return seconds, int((fraction or "0").ljust(9, "0")[:9])


def place(told: Any, engine_name: str) -> dict[str, Any]:
    """A container's place on a network, as the request that gives it back.

    Args:
        told: the container, as the engine inspects it.
        engine_name: the network's name on the engine.
    """
    endpoint = told["NetworkSettings"]["Networks"][engine_name]
    addresses = {"IPv4Address": endpoint.get("IPAddress"), "IPv6Address": endpoint.get("GlobalIPv6Address")}
    return {
        "IPAMConfig": {name: value for name, value in addresses.items() if value},
        "Aliases": [alias for alias in endpoint.get("Aliases") or () if not told["Id"].startswith(alias)],
        "Links": endpoint.get("Links"),
        "DriverOpts": endpoint.get("DriverOpts"),
    }
