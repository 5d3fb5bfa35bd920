"""A plan as the engine takes it."""

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import yaml

from scripts.machine import ROOT
from socketlab.hosts.docker import recipe
from socketlab.hosts.plan import LabPlan
from socketlab.hosts.resolve import resolve
from socketlab.hosts.spec import HostSpec, LabSpec, NetworkSpec, Plug

PAIRS = [
    (IPv4Network(f"10.214.{number}.0/24"), IPv6Network(f"fd00:214:{number}::/64")) for number in range(2)
]


def plan(*hosts: HostSpec, networks: tuple[str, ...] = ("lab",), **more: Any) -> LabPlan:
    spec = LabSpec(
        name="demo", hosts=hosts, networks=tuple(NetworkSpec(name=name) for name in networks), **more
    )
    return resolve(spec, PAIRS[: len(networks)])


def body(of: LabPlan, name: str) -> Mapping[str, Any]:
    names = {network.name: f"socketlab-{network.name}" for network in of.networks}
    return recipe.container(of, of.host(name), names, {"some": "label"})


PAIR = plan(HostSpec(name="client"), HostSpec(name="server"))


def test_hosts_and_agents_are_hardened_as_in_compose() -> None:
    hardened = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["x-hardened"]
    for made in (body(PAIR, "client"), recipe.agent("1234", {})):
        settings = made["HostConfig"]
        assert settings["ReadonlyRootfs"] is hardened["read_only"]
        assert settings["CapDrop"] == hardened["cap_drop"]
        assert settings["SecurityOpt"] == hardened["security_opt"]
        assert settings["Init"] is hardened["init"]
        assert settings["Memory"] == int(hardened["mem_limit"].removesuffix("m")) << 20
        assert settings["PidsLimit"] > 0
        assert "User" not in made, "the image's own"
        assert "Privileged" not in settings
    assert "CapAdd" not in body(PAIR, "client")["HostConfig"]
    assert recipe.agent("1234", {})["HostConfig"]["CapAdd"] == ["NET_ADMIN", "NET_RAW"]


def test_host_has_its_place_and_knows_the_others() -> None:
    made = body(PAIR, "server")
    assert made["Hostname"] == "server"
    assert made["HostConfig"]["NetworkMode"] == "socketlab-lab"
    endpoint = made["NetworkingConfig"]["EndpointsConfig"]["socketlab-lab"]
    assert endpoint["IPAMConfig"] == {"IPv4Address": "10.214.0.11", "IPv6Address": "fd00:214::11"}
    assert made["HostConfig"]["ExtraHosts"] == ["client:10.214.0.10", "client:fd00:214::10"]
    assert "Dns" not in made["HostConfig"]


def test_networks_are_internal_but_where_routers_stand() -> None:
    network = PAIR.networks[0]
    made = recipe.network("n", network, {}, routed=False)
    assert (made["Internal"], made["EnableIPv6"]) == (True, True)
    assert [pool["Subnet"] for pool in made["IPAM"]["Config"]] == ["10.214.0.0/24", "fd00:214::/64"]
    routed = recipe.network("n", network, {}, routed=True)
    assert not routed["Internal"]
    assert routed["Options"] == {"com.docker.network.bridge.enable_ip_masquerade": "false"}


def test_ipv4_only() -> None:
    of = plan(HostSpec(name="client"), ipv6=False)
    assert not recipe.network("n", of.networks[0], {}, routed=False)["EnableIPv6"]
    assert not any("ipv6" in name for name in body(of, "client")["HostConfig"]["Sysctls"])
    assert "IPv6Address" not in recipe.endpoint(of.hosts[0], of.hosts[0].interfaces[0])["IPAMConfig"]


def test_plan_has_the_last_word_on_sysctls() -> None:
    of = plan(HostSpec(name="client", sysctls={"net.ipv4.ip_unprivileged_port_start": 0}))
    assert recipe.sysctls(of, of.hosts[0])["net.ipv4.ip_unprivileged_port_start"] == "0"
    assert recipe.sysctls(PAIR, PAIR.hosts[0])["net.ipv4.ip_unprivileged_port_start"] == "1024"


def test_routers_forward_and_others_get_ways() -> None:
    of = plan(
        HostSpec(name="client", plugs=(Plug(network="left"),)),
        HostSpec(name="server", plugs=(Plug(network="right"),)),
        HostSpec(name="middle", role="router"),
        networks=("left", "right"),
    )
    assert recipe.has_routers(of)
    assert not recipe.has_routers(PAIR)
    assert recipe.sysctls(of, of.host("middle"))["net.ipv4.ip_forward"] == "1"
    assert "net.ipv4.ip_forward" not in recipe.sysctls(of, of.host("client"))
    assert recipe.wishes(of, of.host("client"))[:2] == ("--no-offload", "--ways")
    assert str(PAIRS[1][0]) in recipe.wishes(of, of.host("client"))[2]
    assert recipe.wishes(PAIR, PAIR.hosts[0]) == ("--no-offload",)
    assert recipe.wishes(plan(HostSpec(name="client"), offload=True), PAIR.hosts[0]) == ()


def test_name_server_is_everybodys() -> None:
    of = plan(HostSpec(name="client"), HostSpec(name="dns", role="names"))
    assert body(of, "client")["HostConfig"]["Dns"] == [str(of.nameserver)]
