"""Which kernel settings a host gets."""

from services.nursery.identity import has_user, last_user
from services.nursery.sysctls import of_host, of_link
from socketlab.wire.nursery import HostSetup, Port


def _host(role: str = "host", *sysctls: tuple[str, str]) -> HostSetup:
    return HostSetup("client", role, (Port("eth0", 0, "10.0.0.10/24", None),), (), sysctls)


def test_a_router_forwards_and_nobody_else() -> None:
    assert dict(of_host(_host("router"), 10001))["net.ipv4.ip_forward"] == "1"
    assert dict(of_host(_host(), 10001))["net.ipv4.ip_forward"] == "0"


def test_a_name_server_may_have_its_port() -> None:
    assert dict(of_host(_host("names"), 10001))["net.ipv4.ip_unprivileged_port_start"] == "53"
    assert dict(of_host(_host(), 10001))["net.ipv4.ip_unprivileged_port_start"] == "1024"


def test_groups_of_echo_sockets_are_those_that_the_map_has() -> None:
    maps = ("0 0 1\n10001 10001 1\n", "0 1000 1\n", "0 0 4294967295\n", "0 100000 65536\n")
    ranges = [dict(of_host(_host(), last_user(each)))["net.ipv4.ping_group_range"] for each in maps]
    assert ranges == ["0 10001", "0 0", "0 2147483647", "0 65535"]


def test_the_plan_has_the_last_word() -> None:
    wanted = ("net.ipv4.ip_unprivileged_port_start", "0")
    assert of_host(_host("host", wanted), 10001)[-1] == wanted


def test_what_belongs_to_a_link_waits_for_it() -> None:
    first, second = ("net.ipv4.conf.eth0.rp_filter", "1"), ("net.ipv6.neigh.eth1.retrans_time_ms", "5")
    host = _host("host", first, second)
    assert not {first, second} & set(of_host(host, 10001))
    assert of_link(host, "eth0", ipv6=True) == [first]
    assert of_link(host, "eth1", ipv6=False) == [("net.ipv6.conf.eth1.disable_ipv6", "1"), second]


def test_users_that_a_map_has() -> None:
    assert has_user("         0          0 4294967295\n", 10001)
    assert has_user("0 1000 1\n1 100000 65536\n", 10001)
    assert not has_user("0 1000 1\n", 10001)
    assert not has_user("0 0 10001\n", 10001)
    assert has_user("0 0 10002\n", 10001)
