"""The routes that a host needs to reach the networks which routers lead to. Pure."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from socketlab.hosts.plan import Interface, NetworkPlan, Way


def ways_of(
    host: str,
    interfaces: Sequence[Interface],
    routers: Mapping[str, Sequence[Interface]],
    networks: Mapping[str, NetworkPlan],
) -> tuple[Way, ...]:
    """The routes of a host, by the fewest routers, IPv4 before IPv6.

    Args:
        host: its name; a router does not lead to itself.
        interfaces: its own.
        routers: the interfaces of each router of the lab, by its name.
        networks: of the lab, by name.
    """
    others = [found for name, found in routers.items() if name != host]
    return tuple(way for version in (4, 6) for way in _by_family(version, interfaces, others, networks))


def _by_family(
    version: int,
    interfaces: Sequence[Interface],
    routers: Sequence[Sequence[Interface]],
    networks: Mapping[str, NetworkPlan],
) -> Iterator[Way]:
    """A breadth-first walk over networks; each remembers the first router on the way to it."""
    own = [each.network for each in interfaces if _address(each, version)]
    first: dict[str, IPv4Address | IPv6Address | None] = dict.fromkeys(own)
    waiting = deque(own)
    while waiting:
        here = waiting.popleft()
        for router in routers:
            door = next((each for each in router if each.network == here), None)
            at = door and _address(door, version)
            if not at:
                continue
            for beyond in router:
                if beyond.network not in first and _address(beyond, version):
                    first[beyond.network] = first[here] or at
                    waiting.append(beyond.network)
    for name, via in first.items():
        to = _subnet(networks[name], version)
        if via is not None and to is not None:
            yield Way(to=to, via=via)


def _address(interface: Interface, version: int) -> IPv4Address | IPv6Address | None:
    if version == 4:  # noqa: PLR2004 - the Internet Protocol's
        return interface.address.ip
    return interface.address6.ip if interface.address6 else None


def _subnet(network: NetworkPlan, version: int) -> IPv4Network | IPv6Network | None:
    return network.subnet if version == 4 else network.subnet6  # noqa: PLR2004 - as above
