"""What of a foreign compose project is a host, and the plan that its hosts make."""

import ipaddress
from typing import Any

import pytest

from socketlab.errors import SpecError
from socketlab.hosts.docker import adopted_plan
from socketlab.hosts.docker.adopted_plan import NETWORK, NUMBER, ONE_OFF, SERVICE, moment

NETWORKS = [
    {
        "Id": "n1",
        "Name": "shop_default",
        "Labels": {NETWORK: "default"},
        "IPAM": {"Config": [{"Subnet": "172.20.0.0/16"}, {"Subnet": "fd00:20::/64"}]},
    },
    {"Id": "n2", "Name": "shared", "Labels": None, "IPAM": {"Config": [{"Subnet": "100.64.1.0/24"}]}},
    {"Id": "n3", "Name": "host", "Labels": {}, "IPAM": {"Config": []}},
]


def container(
    identity: str, service: str, number: int = 1, mode: str = "shop_default", **more: Any
) -> dict[str, Any]:
    """A container, as the engine inspects it."""
    state = more.pop("state", "running")
    labels = {SERVICE: service, NUMBER: str(number), ONE_OFF: more.pop("one_off", "False")}
    labels["org.opencontainers.image.title"] = more.pop("title", "")
    places = more.pop("places", {"shop_default": ("n1", f"172.20.0.{int(identity) + 1}", 16)})
    return {
        "Id": identity,
        "State": {"StartedAt": "2026-01-01T00:00:00.5Z", "Status": state, "Running": state != "exited"},
        "Config": {"Labels": labels},
        "HostConfig": {"NetworkMode": mode},
        "NetworkSettings": {
            "Networks": {
                name: {"NetworkID": network, "IPAddress": address, "IPPrefixLen": length}
                for name, (network, address, length) in places.items()
            }
        },
    }


def test_a_service_is_a_host_and_its_second_container_another() -> None:
    told = [container("2", "web", 2), container("1", "web"), container("3", "my_db")]
    assert {host: each.container for host, each in adopted_plan.found(told, "shop").items()} == {
        "my_db": "3",
        "web": "1",
        "web-2": "2",
    }


def test_the_only_container_of_a_service_has_its_name_whatever_its_number() -> None:
    assert list(adopted_plan.found([container("1", "web", 3)], "shop")) == ["web"]


def test_what_has_no_network_of_its_own_is_no_host() -> None:
    told = [
        container("1", "web"),
        container("2", "monitor", mode="host"),
        container("3", "sealed", mode="none"),
        container("4", "helper", mode="container:1"),
        container("5", "web", 1, one_off="True"),
    ]
    assert list(adopted_plan.found(told, "shop")) == ["web"]
    for service in ("monitor", "sealed", "helper"):
        with pytest.raises(SpecError, match=service):
            adopted_plan.found(told, "shop", [service])


def test_an_agent_of_ours_beside_a_service_is_its_agent() -> None:
    told = [
        container("1", "server"),
        container(
            "2",
            "server-agent",
            mode="container:1",
            title="socketlab agent",
        ),
    ]
    assert adopted_plan.found(told, "shop")["server"].agent == "2"


@pytest.mark.parametrize(
    ("told", "services", "says"),
    [
        ([], [], "docker compose ls"),
        ([container("1", "web")], ["wep"], "Expected one of: web"),
        ([container("1", "a"), container("2", "a", 2), container("3", "a-2")], [], "--service"),
    ],
    ids=["no project", "no such service", "one name for two"],
)
def test_nonsense_is_refused(told: list[Any], services: list[str], says: str) -> None:
    with pytest.raises(SpecError, match=says):
        adopted_plan.found(told, "shop", services)


def test_a_plan_has_the_addresses_of_the_moment() -> None:
    places = {"shop_default": ("n1", "172.20.0.9", 16), "shared": ("n2", "100.64.1.9", 24)}
    told = [container("1", "web"), container("2", "my_db", places=places)]
    hosts = adopted_plan.found(told, "shop")
    plan = adopted_plan.plan("shop", hosts.values(), told, NETWORKS)
    assert {network.name: str(network.subnet) for network in plan.networks} == {
        "shared": "100.64.1.0/24",
        "default": "172.20.0.0/16",
    }
    assert plan.networks[-1].subnet6 == ipaddress.IPv6Network("fd00:20::/64")
    assert [(each.network, str(each.address)) for each in plan.host("my_db").interfaces] == [
        ("shared", "100.64.1.9/24"),
        ("default", "172.20.0.9/16"),
    ]
    assert plan.offload, "somebody else's offloads stay on"


def test_who_is_away_keeps_its_place() -> None:
    told = [container("1", "web"), container("2", "db")]
    hosts = adopted_plan.found(told, "shop")
    old = adopted_plan.plan("shop", hosts.values(), told, NETWORKS)
    moved = container("7", "web")
    new = adopted_plan.plan("shop", adopted_plan.found([moved], "shop").values(), [moved], NETWORKS)
    now = adopted_plan.renewed(old, new)
    assert [host.name for host in now.hosts] == ["db", "web"]
    assert str(now.host("web").interfaces[0].address.ip) == "172.20.0.8"
    assert now.host("db") == old.host("db")


def test_nothing_that_runs_is_no_lab() -> None:
    with pytest.raises(SpecError, match="docker compose up"):
        adopted_plan.plan("shop", [], [], NETWORKS)


def test_times_are_compared_though_the_engine_cuts_their_zeros() -> None:
    texts = ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.12Z", "2026-01-01T00:00:00.123Z")
    assert sorted(texts, key=moment) == list(texts)
    assert moment("2026-01-01T00:00:01Z") > moment("2026-01-01T00:00:00.999999999Z")


def test_a_place_is_given_back_with_its_addresses_and_names() -> None:
    told = container("1", "web")
    told["NetworkSettings"]["Networks"]["shop_default"] |= {"Aliases": ["web", "1"], "GlobalIPv6Address": ""}
    place = adopted_plan.place(told, "shop_default")
    assert place["IPAMConfig"] == {"IPv4Address": "172.20.0.2"}
    assert place["Aliases"] == ["web"], "the engine gives its short id itself"
