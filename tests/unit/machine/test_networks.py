import ipaddress
import sys

import pytest

from scripts.machine.networks import (
    EngineNetwork,
    machine_routes,
    read_engine_network,
    read_routes4,
    read_routes6,
    taken_by_others,
)
from scripts.machine.subnet import Network

ID = "0123456789abcdef" * 4
LAB = EngineNetwork("socketlab_lab", "br-lab", "socketlab", (ipaddress.ip_network("10.213.7.0/24"),))
OTHER = EngineNetwork("other", "br-other", None, (ipaddress.ip_network("10.9.0.0/16"),))


def test_a_bridge_of_the_engine_is_read() -> None:
    told = {
        "Name": "socketlab_lab",
        "Id": ID,
        "Labels": {"com.docker.compose.project": "socketlab"},
        "Options": {},
        "IPAM": {
            "Config": [{"Subnet": "10.213.7.0/24"}, {"Subnet": "fd00:213:7::/64", "Gateway": "fd00:213:7::1"}]
        },
    }
    assert read_engine_network(told) == EngineNetwork(
        "socketlab_lab",
        "br-0123456789ab",
        "socketlab",
        (ipaddress.ip_network("10.213.7.0/24"), ipaddress.ip_network("fd00:213:7::/64")),
    )


def test_a_bridge_with_a_name_of_its_own_is_known_by_it() -> None:
    told = {
        "Name": "bridge",
        "Id": ID,
        "Labels": None,
        "Options": {"com.docker.network.bridge.name": "docker0"},
        "IPAM": {"Config": [{"Subnet": "172.17.0.0/16"}]},
    }
    assert read_engine_network(told).link == "docker0"


@pytest.mark.parametrize("pools", [None, [], [{}]])
def test_a_network_without_addresses_has_no_subnets(pools: object) -> None:
    told = {"Name": "none", "Id": ID, "Labels": {}, "Options": None, "IPAM": {"Config": pools}}
    assert read_engine_network(told).subnets == ()


@pytest.mark.skipif(sys.byteorder == "big", reason="the table was written by a little-endian machine")
def test_the_kernels_ipv4_routes_are_read() -> None:
    table = (
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "br-lab\t0007D50A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    )
    assert read_routes4(table) == [
        ("eth0", ipaddress.ip_network("0.0.0.0/0")),
        ("br-lab", ipaddress.ip_network("10.213.7.0/24")),
    ]


def test_the_kernels_ipv6_routes_are_read() -> None:
    zero = "0" * 32
    table = (
        f"fd000213000700000000000000000000 40 {zero} 00 {zero} 00000100 00000001 00000000 00000001   br-lab\n"
    )
    assert read_routes6(table) == [("br-lab", ipaddress.ip_network("fd00:213:7::/64"))]


def test_this_machines_own_routes_can_be_read() -> None:
    assert all(link and target.version in {4, 6} for link, target in machine_routes())


def owned(routes: list[tuple[str, Network]]) -> list[str]:
    return [str(taken.network) for taken in taken_by_others([LAB, OTHER], routes, "socketlab")]


def test_the_labs_own_network_and_its_bridges_route_are_nobody_elses() -> None:
    assert owned([("br-lab", LAB.subnets[0]), ("br-other", OTHER.subnets[0])]) == ["10.9.0.0/16"]


def test_a_route_of_the_machine_is_somebody_elses() -> None:
    assert owned([("tun0", LAB.subnets[0])]) == ["10.9.0.0/16", "10.213.7.0/24"]
