"""From what a user asks for to a lab decided down to the last address: `LabSpec` to `LabPlan`. Pure.

Theory of operation
    A lab without networks gets one, `lab`. A host without a place gets one on the first network; a router on
    all of them. Addresses that were asked for are given first. Then routers get .2 and on, all others .10 and
    on, in the order in which they are written, so the same lab always has the same addresses: .1 is kept for
    the engine. An IPv6 address reads as the IPv4 address does in its host part: 10.213.7.10 has
    fd00:213:7::10.

    A host gets a way (a route) to each network that it is not on and that routers lead to, by the fewest of
    them. A network that no router leads to stays out of reach: that is a lab, too.

    Every error says where: `hosts.server.networks.lab.address`, the keys of a file (`socketlab.hosts.file`).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Final, TypeVar, get_args

from socketlab.errors import SpecError
from socketlab.hosts import records, sysctls
from socketlab.hosts.plan import HostPlan, Interface, LabPlan, NetworkPlan, Role
from socketlab.hosts.spec import HostSpec, LabSpec, NetworkSpec, Plug
from socketlab.hosts.ways import ways_of

_Either = TypeVar("_Either", IPv4Address, IPv6Address)
Subnets = Sequence[tuple[IPv4Network, IPv6Network | None]]

MOST_HOSTS: Final = 254
MOST_NETWORKS: Final = 32
DEFAULT_NETWORK: Final = "lab"
_PRIVATE: Final = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
"""RFC 1918."""
_PRIVATE6: Final = IPv6Network("fc00::/7")
"""RFC 4193."""
_HOSTNAME: Final = re.compile(r"[A-Za-z](?:[A-Za-z0-9-]{0,38}[A-Za-z0-9])?", re.ASCII)
"""One label that begins with a letter: inet_aton(3) takes `10` and `0x10` for addresses."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}", re.ASCII)
_TAKEN_NAMES: Final = frozenset({"localhost", "ip6-localhost", "ip6-loopback"})
_PREFIXES: Final = range(8, 30)
_PREFIX6_MOST: Final = 64
_ROUTERS_FROM: Final = 2
_HOSTS_FROM: Final = 10
_NAMES_PORTS: Final = ("net.ipv4.ip_unprivileged_port_start", "53")
"""A names host's: its program is nobody special, and DNS is on port 53."""


def networks_of(spec: LabSpec) -> tuple[NetworkSpec, ...]:
    """The networks of a lab; one without any has `lab`."""
    return tuple(spec.networks) or (NetworkSpec(name=DEFAULT_NETWORK),)


def subnets_wanted(spec: LabSpec) -> int:
    """How many of a lab's networks have no subnet of their own: so many pairs `resolve` takes."""
    return sum(network.subnet is None for network in networks_of(spec))


def check(spec: LabSpec) -> None:
    """Refuse a lab that makes no sense, wherever its networks would lie.

    Raises:
        SpecError: as of `resolve`.
    """
    own = [_subnet(each, f"networks.{each.name}") for each in networks_of(spec) if each.subnet is not None]
    free = (
        (subnet, IPv6Network(f"fd00:5ab:0:{number:x}::/64"))
        for number, subnet in enumerate(IPv4Network("10.0.0.0/8").subnets(new_prefix=24))
        if not any(subnet.overlaps(other) for other in own)
    )
    resolve(spec, [pair for pair, _ in zip(free, range(subnets_wanted(spec)), strict=False)])


def resolve(spec: LabSpec, subnets: Subnets) -> LabPlan:
    """The plan of a lab.

    Args:
        spec: what was asked for.
        subnets: the n-th is for the n-th network that has no subnet of its own; an IPv6 subnet of the spec's,
            or `ipv6=False`, goes before the pair's.

    Raises:
        SpecError: it makes no sense; the sentence says what, where and what to do.
        ValueError: there are fewer subnets than needed.
    """
    _check_name(spec.name, "name")
    networks = _networks(spec, subnets)
    hosts = _hosts(spec)
    plugs = {host.name: _plugs(host, networks) for host in hosts}
    interfaces = _Addresses(networks).give(hosts, plugs)
    servers = [host for host in hosts if host.role == "names"]
    if len(servers) > 1:
        raise SpecError("lab.two-nameservers", where=f"hosts.{servers[1].name}.role", first=servers[0].name)
    return LabPlan(
        name=spec.name,
        networks=tuple(networks.values()),
        hosts=tuple(_host(host, interfaces, hosts, networks) for host in hosts),
        nameserver=interfaces[servers[0].name][0].address.ip if servers else None,
        offload=spec.offload,
        labels=tuple((str(key), str(value)) for key, value in spec.labels.items()),
    )


def _host(
    host: HostSpec,
    interfaces: Mapping[str, tuple[Interface, ...]],
    hosts: Sequence[HostSpec],
    networks: Mapping[str, NetworkPlan],
) -> HostPlan:
    where = f"hosts.{host.name}"
    settings = {
        name: sysctls.check(name, value, f"{where}.sysctls.{name}") for name, value in host.sysctls.items()
    }
    if host.role == "names":
        settings.setdefault(*_NAMES_PORTS)
    elif host.records:
        raise SpecError("lab.records-role", where=f"{where}.records", seen=host.role)
    routers = {each.name: interfaces[each.name] for each in hosts if each.role == "router"}
    known = records.complete(host.records, interfaces, f"{where}.records") if host.role == "names" else ()
    return HostPlan(
        name=host.name,
        role=host.role,
        interfaces=interfaces[host.name],
        ways=ways_of(host.name, interfaces[host.name], routers, networks),
        sysctls=tuple(settings.items()),
        records=known,
    )


def _check_name(name: object, where: str) -> None:
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise SpecError("lab.name", where=where, seen=ascii(name)[:60])


def _check_hostname(name: object) -> None:
    if not (isinstance(name, str) and _HOSTNAME.fullmatch(name)):
        raise SpecError("lab.hostname", where="hosts", seen=ascii(name)[:60])


def _networks(spec: LabSpec, subnets: Subnets) -> dict[str, NetworkPlan]:
    asked = networks_of(spec)
    if len(asked) > MOST_NETWORKS:
        raise SpecError("lab.networks", most=MOST_NETWORKS, seen=len(asked))
    pairs = iter(subnets)
    plans: dict[str, NetworkPlan] = {}
    for each in asked:
        _check_name(each.name, "networks")
        where = f"networks.{each.name}"
        if each.name in plans:
            raise SpecError("lab.network-twice", where=where)
        subnet6: IPv6Network | None
        if each.subnet is None:
            subnet, subnet6 = _next(pairs)
        else:
            subnet = _subnet(each, where)
            subnet6 = subnet6_like(subnet)
        if each.subnet6 is not None:
            subnet6 = _subnet6(each.subnet6, f"{where}.subnet6")
        elif not spec.ipv6:
            subnet6 = None
        plan = NetworkPlan(name=each.name, subnet=subnet, subnet6=subnet6)
        for other in plans.values():
            _refuse_overlap(plan, other, where)
        plans[each.name] = plan
    return plans


def _next(pairs: Iterator[tuple[IPv4Network, IPv6Network | None]]) -> tuple[IPv4Network, IPv6Network | None]:
    for pair in pairs:
        return pair
    raise ValueError("fewer subnets than networks without one")


def subnet6_like(subnet: IPv4Network) -> IPv6Network:
    """An IPv6 subnet that reads like an IPv4 one: 10.213.7.0/24 has fd10:213:7::/64.

    IPv4 subnets that do not overlap get such that do not: of 10, 172 and 192 the last two digits differ.
    """
    first, *rest = subnet.network_address.packed
    groups = [f"fd{first % 100:02}", *(str(each) for each in rest)]
    return IPv6Network(f"{':'.join(groups)}::/64")


def _subnet(network: NetworkSpec, where: str) -> IPv4Network:
    try:
        subnet = IPv4Network(str(network.subnet))
    except ValueError as error:
        at = f"{where}.subnet"
        raise SpecError("lab.subnet", where=at, seen=ascii(network.subnet)[:60], why=error) from None
    if not any(subnet.subnet_of(block) for block in _PRIVATE):
        ranges = ", ".join(map(str, _PRIVATE))
        raise SpecError("lab.subnet-public", where=f"{where}.subnet", ranges=ranges, seen=subnet)
    if subnet.prefixlen not in _PREFIXES:
        raise SpecError("lab.subnet-size", where=f"{where}.subnet", seen=subnet)
    return subnet


def _subnet6(text: object, where: str) -> IPv6Network:
    try:
        subnet = IPv6Network(str(text))
    except ValueError as error:
        raise SpecError("lab.subnet6", where=where, seen=ascii(text)[:60], why=error) from None
    if not subnet.subnet_of(_PRIVATE6):
        raise SpecError("lab.subnet-public", where=where, ranges=_PRIVATE6, seen=subnet)
    if subnet.prefixlen > _PREFIX6_MOST:
        raise SpecError("lab.subnet6-size", where=where, seen=subnet)
    return subnet


def _refuse_overlap(plan: NetworkPlan, other: NetworkPlan, where: str) -> None:
    if plan.subnet.overlaps(other.subnet):
        raise SpecError(
            "lab.overlap", where=f"{where}.subnet", seen=plan.subnet, name=other.name, other=other.subnet
        )
    if plan.subnet6 and other.subnet6 and plan.subnet6.overlaps(other.subnet6):
        raise SpecError(
            "lab.overlap", where=f"{where}.subnet6", seen=plan.subnet6, name=other.name, other=other.subnet6
        )


def _hosts(spec: LabSpec) -> tuple[HostSpec, ...]:
    hosts = tuple(spec.hosts)
    if not hosts:
        raise SpecError("lab.no-hosts", where="hosts")
    if len(hosts) > MOST_HOSTS:
        raise SpecError("lab.hosts", where="hosts", most=MOST_HOSTS, seen=len(hosts))
    seen: dict[str, str] = {}
    for host in hosts:
        _check_hostname(host.name)
        where = f"hosts.{host.name}"
        lower = host.name.lower()
        if lower in _TAKEN_NAMES:
            raise SpecError("lab.hostname-taken", where=where)
        if other := seen.get(lower):
            raise SpecError("lab.host-twice", where=where, other=other)
        seen[lower] = host.name
        if host.role not in get_args(Role):
            expected = ", ".join(get_args(Role))
            raise SpecError("lab.role", where=f"{where}.role", expected=expected, seen=ascii(host.role)[:60])
    return hosts


def _plugs(host: HostSpec, networks: Mapping[str, NetworkPlan]) -> tuple[Plug, ...]:
    where = f"hosts.{host.name}.networks"
    plugs = tuple(host.plugs)
    if not plugs:
        names = list(networks) if host.role == "router" else list(networks)[:1]
        plugs = tuple(Plug(network=name) for name in names)
    seen: set[str] = set()
    for plug in plugs:
        if plug.network not in networks:
            known = ", ".join(networks)
            raise SpecError("lab.unknown-network", where=where, seen=ascii(plug.network)[:60], known=known)
        if plug.network in seen:
            raise SpecError("lab.plugged-twice", where=f"{where}.{plug.network}")
        seen.add(plug.network)
    if host.role == "router" and len(plugs) == 1:
        raise SpecError("lab.lone-router", where=where, seen=plugs[0].network)
    return plugs


class _Addresses:
    """Gives the hosts of a lab their addresses, each once."""

    def __init__(self, networks: Mapping[str, NetworkPlan]) -> None:
        self._networks = networks
        self._owners: dict[tuple[str, IPv4Address | IPv6Address], str] = {}

    def give(
        self, hosts: Sequence[HostSpec], plugs: Mapping[str, Sequence[Plug]]
    ) -> dict[str, tuple[Interface, ...]]:
        """The interfaces of each host, by its name."""
        asked: dict[tuple[str, str], IPv4Address] = {}
        asked6: dict[tuple[str, str], IPv6Address] = {}
        for host in hosts:
            for plug in plugs[host.name]:
                where = f"hosts.{host.name}.networks.{plug.network}"
                if plug.address is not None:
                    asked[host.name, plug.network] = self._asked(plug, host.name, f"{where}.address")
                if plug.address6 is not None:
                    asked6[host.name, plug.network] = self._asked6(plug, host.name, f"{where}.address6")
        given: dict[str, tuple[Interface, ...]] = {}
        # In two rounds, for a router written last shall not push the hosts from their places.
        for host in sorted(hosts, key=lambda each: each.role != "router"):
            interfaces = []
            for number, plug in enumerate(plugs[host.name]):
                key = (host.name, plug.network)
                address = asked.get(key) or self._free(host, plug.network)
                interfaces.append(self._interface(f"eth{number}", key, address, asked6.get(key)))
            given[host.name] = tuple(interfaces)
        return {host.name: given[host.name] for host in hosts}

    def _interface(
        self, device: str, key: tuple[str, str], address: IPv4Address, address6: IPv6Address | None
    ) -> Interface:
        host, name = key
        network = self._networks[name]
        if address6 is None and network.subnet6 is not None:
            address6 = self._free6(host, name, address)
        return Interface(
            device=device,
            network=name,
            address=IPv4Interface((address, network.subnet.prefixlen)),
            address6=IPv6Interface((address6, network.subnet6.prefixlen))
            if address6 is not None and network.subnet6 is not None
            else None,
        )

    def _asked(self, plug: Plug, host: str, where: str) -> IPv4Address:
        subnet = self._networks[plug.network].subnet
        try:
            address = IPv4Address(str(plug.address))
        except ValueError:
            seen = ascii(plug.address)[:60]
            raise SpecError("lab.address", where=where, family="IPv4", seen=seen) from None
        if address not in subnet:
            name = plug.network
            raise SpecError("lab.address-outside", where=where, seen=address, subnet=subnet, name=name)
        reserved = {subnet.network_address, subnet.network_address + 1, subnet.broadcast_address}
        return self._take(plug.network, address, host, where, reserved=address in reserved)

    def _asked6(self, plug: Plug, host: str, where: str) -> IPv6Address:
        subnet = self._networks[plug.network].subnet6
        if subnet is None:
            raise SpecError("lab.no-ipv6", where=where, name=plug.network)
        try:
            address = IPv6Address(str(plug.address6))
        except ValueError:
            seen = ascii(plug.address6)[:60]
            raise SpecError("lab.address", where=where, family="IPv6", seen=seen) from None
        if address not in subnet or address.scope_id is not None:
            name = plug.network
            raise SpecError("lab.address-outside", where=where, seen=address, subnet=subnet, name=name)
        reserved = {subnet.network_address, subnet.network_address + 1}
        return self._take(plug.network, address, host, where, reserved=address in reserved)

    def _take(self, network: str, address: _Either, host: str, where: str, *, reserved: bool) -> _Either:
        if reserved:
            raise SpecError("lab.address-reserved", where=where, seen=address)
        if owner := self._owners.get((network, address)):
            raise SpecError("lab.address-twice", where=where, seen=address, other=owner)
        self._owners[network, address] = host
        return address

    def _free(self, host: HostSpec, name: str) -> IPv4Address:
        subnet = self._networks[name].subnet
        first = _ROUTERS_FROM if host.role == "router" else _HOSTS_FROM
        last = subnet.num_addresses - 2
        for place in (*range(first, min(last, first + MOST_HOSTS * 2) + 1), *range(2, min(first, last + 1))):
            address: IPv4Address = subnet.network_address + place
            if (name, address) not in self._owners:
                self._owners[name, address] = host.name
                return address
        raise SpecError("lab.subnet-full", where=f"networks.{name}.subnet", seen=subnet, host=host.name)

    def _free6(self, host: str, name: str, address: IPv4Address) -> IPv6Address:
        network = self._networks[name]
        assert network.subnet6 is not None  # noqa: S101 - asked by the caller
        place = int(address) - int(network.subnet.network_address)
        # Each byte of the host part becomes a group that reads the same: 10.1.2.30 in a /16 has ::2:30.
        groups = [int(str(byte), 16) for byte in place.to_bytes(4, "big")]
        number = sum(group << (16 * power) for power, group in enumerate(reversed(groups)))
        # A host that asked for it by itself may have it already; addresses are plenty.
        while (name, network.subnet6.network_address + number) in self._owners:
            number += 0x1000
        found = network.subnet6.network_address + number
        self._owners[name, found] = host
        return found
