"""Which subnets a lab may have."""

import random
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import islice

from socketlab.hosts.docker.endpoint import LOCAL, Endpoint
from socketlab.hosts.docker.subnets import Network, candidates, machine_routes, overlap, taken


def rng(seed: int) -> random.Random:
    """Chooses an order, the same each time."""
    return random.Random(seed)  # noqa: S311 - it guards nothing


def test_candidates_are_private_and_all_different() -> None:
    pairs = list(candidates([], rng(1)))
    assert len(pairs) == len(set(pairs)) > 1000
    assert all(subnet.is_private for pair in pairs for subnet in pair)
    assert not any(overlap(pair[0], ip_network("10.213.0.0/16")) for pair in pairs), "compose.yaml lies there"


def test_candidates_keep_clear_of_what_is_taken() -> None:
    others: list[Network] = [
        IPv4Network("10.214.0.0/15"),
        IPv6Network("fd00:216::/32"),
        IPv4Network("10.217.8.0/21"),
    ]
    pairs = list(candidates(others, rng(1)))
    assert pairs
    assert not any(overlap(subnet, other) for pair in pairs for subnet in pair for other in others)


def test_route_to_everywhere_is_in_nobodys_way() -> None:
    wide = [ip_network(route) for route in ("0.0.0.0/0", "::/0", "10.0.0.0/8", "fc00::/7")]
    assert next(candidates(wide, rng(1)))


def test_two_controllers_seldom_ask_for_the_same() -> None:
    first, second = (list(islice(candidates([], rng(seed)), 5)) for seed in (1, 2))
    assert first != second


def test_families_never_overlap() -> None:
    assert not overlap(IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))


def test_who_has_what() -> None:
    networks = [
        {"Name": "office", "Id": "a" * 64, "IPAM": {"Config": [{"Subnet": "10.1.0.0/16"}]}, "Options": None},
        {"Name": "host", "Id": "b" * 64, "IPAM": {"Config": None}, "Options": {}},
    ]
    assert taken(Endpoint("ssh://there", "test"), networks) == {IPv4Network("10.1.0.0/16"): "office"}
    here = taken(Endpoint(LOCAL, "test"), networks)
    assert here[IPv4Network("10.1.0.0/16")] == "office"


def test_this_machines_routes_are_read() -> None:
    assert all(link for link, _ in machine_routes())
