"""From what is asked for to a plan: defaults, routes, and everything that is refused."""

import dataclasses
from ipaddress import IPv4Network, IPv6Network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from socketlab.errors import SpecError
from socketlab.hosts.plan import LabPlan, Record, Role
from socketlab.hosts.resolve import check, resolve, subnet6_like, subnets_wanted
from socketlab.hosts.spec import HostSpec, LabSpec, NetworkSpec, Plug

PAIRS = [(IPv4Network(f"10.213.{n}.0/24"), IPv6Network(f"fd00:213:{n}::/64")) for n in range(7, 40)]


def a_lab(*hosts: HostSpec | str, networks: tuple[NetworkSpec | str, ...] = (), ipv6: bool = True) -> LabSpec:
    return LabSpec(
        name="demo",
        hosts=tuple(HostSpec(name=each) if isinstance(each, str) else each for each in hosts),
        networks=tuple(NetworkSpec(name=each) if isinstance(each, str) else each for each in networks),
        ipv6=ipv6,
    )


def on(name: str, *networks: str, role: Role = "host") -> HostSpec:
    return HostSpec(name=name, role=role, plugs=tuple(Plug(network=each) for each in networks))


def addresses(plan: LabPlan, host: str) -> list[str]:
    return [
        str(each)
        for interface in plan.host(host).interfaces
        for each in (interface.address, interface.address6)
        if each
    ]


def ways(plan: LabPlan, host: str) -> dict[str, str]:
    return {str(way.to): str(way.via) for way in plan.host(host).ways}


def test_the_least_lab() -> None:
    plan = resolve(a_lab("client", "server"), PAIRS)
    assert [network.name for network in plan.networks] == ["lab"]
    assert addresses(plan, "client") == ["10.213.7.10/24", "fd00:213:7::10/64"]
    assert addresses(plan, "server") == ["10.213.7.11/24", "fd00:213:7::11/64"]
    assert [each.device for each in plan.host("server").interfaces] == ["eth0"]
    assert plan.nameserver is None
    assert plan.host("server").ways == ()


def test_without_ipv6() -> None:
    plan = resolve(a_lab("client", ipv6=False), PAIRS)
    assert addresses(plan, "client") == ["10.213.7.10/24"]
    asked = NetworkSpec(name="lab", subnet6="fd00:9::/64")
    assert addresses(resolve(a_lab("client", networks=(asked,), ipv6=False), PAIRS), "client")[1:] == [
        "fd00:9::10/64"
    ]


def test_an_address_that_was_asked_for_is_nobody_elses() -> None:
    late = HostSpec(
        name="late", plugs=(Plug(network="lab", address="10.213.7.10", address6="fd00:213:7::11"),)
    )
    plan = resolve(a_lab("client", "server", late), PAIRS)
    assert addresses(plan, "late") == ["10.213.7.10/24", "fd00:213:7::11/64"]
    assert addresses(plan, "client") == ["10.213.7.11/24", "fd00:213:7::1011/64"]
    assert addresses(plan, "server") == ["10.213.7.12/24", "fd00:213:7::12/64"]


def test_subnets_go_to_the_networks_without_one() -> None:
    own = NetworkSpec(name="own", subnet="192.168.5.0/28")
    spec = a_lab(on("one", "a", "own", "b"), networks=("a", own, "b"))
    assert subnets_wanted(spec) == 2
    assert addresses(resolve(spec, PAIRS), "one") == [
        "10.213.7.10/24",
        "fd00:213:7::10/64",
        "192.168.5.10/28",
        "fd92:168:5::10/64",
        "10.213.8.10/24",
        "fd00:213:8::10/64",
    ]


def test_two_routers_in_a_row() -> None:
    spec = a_lab(
        on("west", "a"),
        on("east", "c"),
        on("one", "a", "b", role="router"),
        on("two", "b", "c", role="router"),
        networks=("a", "b", "c"),
    )
    plan = resolve(spec, PAIRS)
    assert addresses(plan, "two")[0] == "10.213.8.3/24"
    assert addresses(plan, "west")[0] == "10.213.7.10/24"  # routers have places of their own
    assert ways(plan, "west") == {
        "10.213.8.0/24": "10.213.7.2",
        "10.213.9.0/24": "10.213.7.2",
        "fd00:213:8::/64": "fd00:213:7::2",
        "fd00:213:9::/64": "fd00:213:7::2",
    }
    assert ways(plan, "one") == {"10.213.9.0/24": "10.213.8.3", "fd00:213:9::/64": "fd00:213:8::3"}


def test_the_way_with_the_fewest_routers() -> None:
    spec = a_lab(
        on("long", "a", "b", role="router"),
        on("longer", "b", "c", role="router"),
        on("short", "a", "c", role="router"),
        on("west", "a"),
        networks=("a", "b", "c"),
    )
    assert ways(resolve(spec, PAIRS), "west")["10.213.9.0/24"] == "10.213.7.3"


def test_no_way_where_no_router_leads() -> None:
    plan = resolve(a_lab(on("west", "a"), on("both", "a", "b"), networks=("a", "b")), PAIRS)
    assert ways(plan, "west") == {}


def test_no_ipv6_way_over_a_network_without() -> None:
    pairs = [PAIRS[0], (PAIRS[1][0], None)]
    spec = a_lab(on("west", "a"), HostSpec(name="r", role="router"), networks=("a", "b"))
    assert list(ways(resolve(spec, pairs), "west")) == ["10.213.8.0/24"]


def test_a_name_server_knows_all_hosts() -> None:
    asked = (
        Record(name="www.lab.test.", kind="A", value="server"),
        Record(name="gone.example.com", kind="NXDOMAIN"),
        Record(name="10.213.7.99", kind="PTR", value="nobody.lab.test"),
        Record(name="client.lab.test", kind="A", value="10.9.9.9"),
    )
    names = HostSpec(name="names", role="names", records=asked)
    plan = resolve(a_lab("client", "server", names), PAIRS)
    assert str(plan.nameserver) == "10.213.7.12"
    assert ("net.ipv4.ip_unprivileged_port_start", "53") in plan.host("names").sysctls
    known = {(each.name, each.kind): each.value for each in plan.host("names").records}
    assert known["www.lab.test", "A"] == "10.213.7.11"
    assert known["server.lab.test", "AAAA"] == "fd00:213:7::11"
    assert known["11.7.213.10.in-addr.arpa", "PTR"] == "server.lab.test"
    assert known["99.7.213.10.in-addr.arpa", "PTR"] == "nobody.lab.test"
    assert known["gone.example.com", "NXDOMAIN"] == ""
    assert known["client.lab.test", "A"] == "10.9.9.9"  # the user's word goes before ours
    assert ("client.lab.test", "AAAA") not in known


def with_plug(**options: str) -> LabSpec:
    return a_lab(HostSpec(name="one", plugs=(Plug(network="lab", **options),)), "two")


def with_records(*records: Record) -> LabSpec:
    return a_lab("server", HostSpec(name="dns", role="names", records=records), ipv6=False)


REFUSED: list[tuple[str, str, LabSpec]] = [
    ("lab.name", "name", dataclasses.replace(a_lab("one"), name="a b")),
    ("lab.name", "name", dataclasses.replace(a_lab("one"), name="x" * 41)),
    ("lab.no-hosts", "hosts", a_lab()),
    ("lab.hosts", "hosts", a_lab(*(f"h{number}" for number in range(255)))),
    ("lab.hostname", "hosts", a_lab("under_score")),
    ("lab.hostname", "hosts", a_lab("10")),
    ("lab.hostname", "hosts", a_lab("0x7f")),
    ("lab.hostname", "hosts", a_lab("")),
    ("lab.hostname", "hosts", a_lab("end-")),
    ("lab.hostname", "hosts", a_lab("a" * 41)),
    ("lab.hostname-taken", "hosts.localhost", a_lab("localhost")),
    ("lab.host-twice", "hosts.one", a_lab("one", "one")),
    ("lab.host-twice", "hosts.ONE", a_lab("one", "ONE")),
    ("lab.role", "hosts.one.role", a_lab(HostSpec(name="one", role="boss"))),  # type: ignore[arg-type]
    ("lab.networks", "", a_lab("one", networks=tuple(f"n{number}" for number in range(33)))),
    ("lab.network-twice", "networks.a", a_lab("one", networks=("a", "a"))),
    (
        "lab.subnet",
        "networks.a.subnet",
        a_lab("one", networks=(NetworkSpec(name="a", subnet="10.1.2.3/24"),)),
    ),
    (
        "lab.subnet-public",
        "networks.a.subnet",
        a_lab("one", networks=(NetworkSpec(name="a", subnet="8.8.8.0/24"),)),
    ),
    (
        "lab.subnet-size",
        "networks.a.subnet",
        a_lab("one", networks=(NetworkSpec(name="a", subnet="10.1.2.0/30"),)),
    ),
    (
        "lab.subnet6",
        "networks.a.subnet6",
        a_lab("one", networks=(NetworkSpec(name="a", subnet6="10.1.2.0/24"),)),
    ),
    (
        "lab.subnet-public",
        "networks.a.subnet6",
        a_lab("one", networks=(NetworkSpec(name="a", subnet6="2001::/64"),)),
    ),
    (
        "lab.subnet6-size",
        "networks.a.subnet6",
        a_lab("one", networks=(NetworkSpec(name="a", subnet6="fd00::/96"),)),
    ),
    (
        "lab.overlap",
        "networks.b.subnet",
        a_lab(
            "one",
            networks=(
                NetworkSpec(name="a", subnet="10.1.0.0/16"),
                NetworkSpec(name="b", subnet="10.1.2.0/24"),
            ),
        ),
    ),
    (
        "lab.overlap",
        "networks.b.subnet6",
        a_lab(
            "one",
            networks=(NetworkSpec(name="a", subnet6="fd00::/48"), NetworkSpec(name="b", subnet6="fd00::/64")),
        ),
    ),
    (
        "lab.subnet-full",
        "networks.a.subnet",
        a_lab(*"bcdefg", networks=(NetworkSpec(name="a", subnet="10.1.2.0/29"),)),
    ),
    ("lab.unknown-network", "hosts.one.networks", a_lab(on("one", "nowhere"))),
    ("lab.plugged-twice", "hosts.one.networks.lab", a_lab(on("one", "lab", "lab"))),
    ("lab.lone-router", "hosts.r.networks", a_lab(on("r", "lab", role="router"))),
    ("lab.address", "hosts.one.networks.lab.address", with_plug(address="10.0.0.300")),
    ("lab.address", "hosts.one.networks.lab.address", with_plug(address="10.0.0.3/24")),
    ("lab.address-outside", "hosts.one.networks.lab.address", with_plug(address="10.9.0.3")),
    ("lab.address-outside", "hosts.one.networks.lab.address6", with_plug(address6="fd00::3")),
    *(
        ("lab.address-reserved", "hosts.one.networks.lab.address", with_plug(address=f"10.0.0.{last}"))
        for last in (0, 1, 255)
    ),
    ("lab.address-reserved", "hosts.one.networks.lab.address6", with_plug(address6="fd00:5ab::1")),
    (
        "lab.address-twice",
        "hosts.two.networks.lab.address",
        a_lab(
            *(
                HostSpec(name=each, plugs=(Plug(network="lab", address="10.0.0.9"),))
                for each in ("one", "two")
            )
        ),
    ),
    (
        "lab.no-ipv6",
        "hosts.one.networks.lab.address6",
        dataclasses.replace(with_plug(address6="fd00::9"), ipv6=False),
    ),
    (
        "lab.two-nameservers",
        "hosts.b.role",
        a_lab(HostSpec(name="a", role="names"), HostSpec(name="b", role="names")),
    ),
    (
        "lab.records-role",
        "hosts.one.records",
        a_lab(HostSpec(name="one", records=(Record(name="a.test", kind="NODATA"),))),
    ),
    ("lab.record-kind", "hosts.dns.records.a.test", with_records(Record(name="a.test", kind="MX"))),  # type: ignore[arg-type]
    ("lab.record-name", "hosts.dns.records.a..test", with_records(Record(name="a..test", kind="NODATA"))),
    (
        "lab.record-name",
        "hosts.dns.records.a.test",
        with_records(Record(name="a.test", kind="CNAME", value="")),
    ),
    (
        "lab.record-address",
        "hosts.dns.records.a.test",
        with_records(Record(name="a.test", kind="A", value="fd00::1")),
    ),
    (
        "lab.record-no-ipv6",
        "hosts.dns.records.a.test",
        with_records(Record(name="a.test", kind="AAAA", value="server")),
    ),
    (
        "lab.record-value",
        "hosts.dns.records.a.test",
        with_records(Record(name="a.test", kind="NODATA", value="1")),
    ),
    (
        "lab.record-alone",
        "hosts.dns.records.a.test",
        with_records(
            Record(name="a.test", kind="CNAME", value="b.test"),
            Record(name="a.test", kind="A", value="10.0.0.9"),
        ),
    ),
    *(
        (code, f"hosts.one.sysctls.{name}", a_lab(HostSpec(name="one", sysctls={name: value})))
        for code, name, value in (
            ("lab.sysctl", "kernel.hostname", "x"),
            ("lab.sysctl", "net.core.rmem_max", 1),
            ("lab.sysctl", "net.ipv4.neigh.default.gc_thresh1", 1),
            ("lab.sysctl", "net.ipv4.conf.../../../kernel.x", 1),
            ("lab.sysctl-alike", "net.ipv4.tcp_syn_retry", 1),
            ("lab.sysctl-value", "net.ipv4.tcp_syn_retries", "1\n2"),
            ("lab.sysctl-value", "net.ipv4.tcp_syn_retries", True),
            ("lab.sysctl-value", "net.ipv4.tcp_syn_retries", ""),
        )
    ),
]


@pytest.mark.parametrize(
    ("code", "where", "spec"), REFUSED, ids=[f"{code}-{n}" for n, (code, _, _) in enumerate(REFUSED)]
)
def test_what_makes_no_sense_is_refused(code: str, where: str, spec: LabSpec) -> None:
    with pytest.raises(SpecError) as raised:
        check(spec)
    assert (raised.value.code, raised.value.details.get("where", "")) == (code, where)
    assert where in str(raised.value)


@pytest.mark.parametrize(
    "name",
    [
        "net.ipv4.tcp_syn_retries",
        "net.ipv4.conf.eth0.rp_filter",
        "net.ipv4.neigh.eth1.retrans_time_ms",
        "net.ipv6.conf.all.disable_ipv6",
        "net.core.somaxconn",
        "net.netfilter.nf_conntrack_tcp_loose",
    ],
)
def test_settings_that_a_host_may_have(name: str) -> None:
    check(a_lab(HostSpec(name="one", sysctls={name: 1})))


def test_too_few_subnets_are_our_mistake() -> None:
    with pytest.raises(ValueError, match="subnets"):
        resolve(a_lab("one"), [])


NAMES = st.integers(0, 300).map(lambda number: f"h{number}")
SUBNETS = st.builds(
    lambda number, prefix: IPv4Network((10 << 24 | number << 8, prefix), strict=False),
    st.integers(0, 65535),
    st.integers(20, 29),
)


@settings(max_examples=60)
@given(
    shape=st.lists(st.lists(st.sampled_from("abcd"), unique=True, min_size=1), min_size=1, max_size=12),
    routers=st.sets(st.integers(0, 11)),
)
def test_every_plan_holds_together(shape: list[list[str]], routers: set[int]) -> None:
    hosts = [
        on(f"h{number}", *networks, role="router" if number in routers and len(networks) > 1 else "host")
        for number, networks in enumerate(shape)
    ]
    plan = resolve(a_lab(*hosts, networks=("a", "b", "c", "d")), PAIRS)
    subnets = {network.name: network for network in plan.networks}
    given_out = [
        (each.network, address.ip)
        for host in plan.hosts
        for each in host.interfaces
        for address in (each.address, each.address6)
        if address
    ]
    assert len(set(given_out)) == len(given_out)
    for host in plan.hosts:
        own = {each.network for each in host.interfaces}
        for each in host.interfaces:
            assert each.address.network == subnets[each.network].subnet
            assert each.address.ip not in {
                each.address.network[0],
                each.address.network[1],
                each.address.network[-1],
            }
        # Every way begins at a router on a network of the host's own, and leads to one that is not.
        nearby = {
            address.ip
            for router in plan.hosts
            if router.role == "router" and router is not host
            for each in router.interfaces
            if each.network in own
            for address in (each.address, each.address6)
            if address
        }
        for way in host.ways:
            assert way.via in nearby
            assert all(way.to not in {subnets[name].subnet, subnets[name].subnet6} for name in own)
        assert len({way.to for way in host.ways}) == len(host.ways)


@given(one=SUBNETS, other=SUBNETS)
def test_subnets_that_do_not_overlap_have_ipv6_subnets_that_do_not(
    one: IPv4Network, other: IPv4Network
) -> None:
    if not one.overlaps(other):
        assert not subnet6_like(one).overlaps(subnet6_like(other))
