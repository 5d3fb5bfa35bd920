import ipaddress
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.machine.errors import UsageError
from scripts.machine.subnet import (
    FAMILIES,
    IPV4,
    IPV6,
    Family,
    Taken,
    find_clashes,
    free_prefix,
    read_prefix,
    wanted_networks,
)


def taken(network: str, *, is_route: bool = False) -> Taken:
    return Taken(ipaddress.ip_network(network), "somebody", is_route)


@pytest.mark.parametrize(
    ("family", "prefix", "network"),
    [
        (IPV4, "10.213.7", "10.213.7.0/24"),
        (IPV4, "172.16.0", "172.16.0.0/24"),
        (IPV4, "172.31.255", "172.31.255.0/24"),
        (IPV4, "192.168.0", "192.168.0.0/24"),
        (IPV6, "fd00:213:7:0", "fd00:213:7::/64"),
        (IPV6, "FD00:0:0:ABCD", "fd00:0:0:abcd::/64"),
    ],
)
def test_a_private_prefix_without_a_mask_is_a_network(family: Family, prefix: str, network: str) -> None:
    assert read_prefix(family, prefix) == ipaddress.ip_network(network)


@pytest.mark.parametrize(
    ("family", "seen"),
    [
        *(
            (IPV4, seen)
            for seen in ("10.213.7.0/24", "10.213.7.0", "10.213", "10.213.7.", "10.213.256", "10.213.07")
        ),
        *(
            (IPV4, seen)
            for seen in (" 10.213.7", "10.213.7\n", "lab", "10.213.-7", "fd00:213:7:0", "\u0661\u0660.213.7")
        ),
        *(
            (IPV6, seen)
            for seen in ("fd00:213:7:0::/64", "fd00:213:7", "fd00::7:0", "fd00:213:7:0::", "10.213.7")
        ),
        *((IPV6, seen) for seen in ("fd00:213:7:12345", "fd00:213:7:g", "")),
    ],
)
def test_what_is_no_prefix_is_refused_and_quoted(family: Family, seen: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_prefix(family, seen)
    assert refused.value.code == "machine.prefix"
    assert refused.value.details == {
        "variable": family.variable,
        "expected": family.default,
        "seen": repr(seen),
    }


@pytest.mark.parametrize(
    ("family", "seen"),
    [(IPV4, "8.8.8"), (IPV4, "172.32.0"), (IPV4, "127.0.0"), (IPV6, "2001:db8:0:0"), (IPV6, "fe80:0:0:0")],
)
def test_a_public_prefix_is_refused(family: Family, seen: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_prefix(family, seen)
    assert refused.value.code == "machine.prefix-public"


@given(st.sampled_from(FAMILIES), st.text(max_size=30))
def test_no_text_does_more_than_be_refused(family: Family, text: str) -> None:
    try:
        network = read_prefix(family, text)
    except UsageError:
        return
    assert network == ipaddress.ip_network(f"{text}{family.rest}")


@pytest.mark.parametrize("settings", [{}, {"LAB_NET": "", "LAB_NET6": ""}])
def test_a_variable_that_is_not_set_or_empty_means_the_default(settings: Mapping[str, str]) -> None:
    assert wanted_networks(settings) == {
        "LAB_NET": ipaddress.ip_network("10.213.7.0/24"),
        "LAB_NET6": ipaddress.ip_network("fd00:213:7::/64"),
    }


@pytest.mark.parametrize(
    ("others", "free"),
    [
        ([taken("10.213.7.0/24")], {"LAB_NET": "10.213.8"}),
        ([taken("10.213.7.64/26")], {"LAB_NET": "10.213.8"}),
        ([taken("10.213.0.0/20")], {"LAB_NET": "10.213.16"}),
        ([taken("10.0.0.0/8")], {"LAB_NET": "172.30.7"}),
        ([taken("10.213.0.0/16", is_route=True)], {"LAB_NET": "172.30.7"}),
        ([taken("fd00:213::/32")], {"LAB_NET6": None}),
        (
            [taken("10.213.7.9/32"), taken("fd00:213:7::/48")],
            {"LAB_NET": "10.213.8", "LAB_NET6": "fd00:213:8:0"},
        ),
    ],
)
def test_a_clash_is_noticed_and_a_free_prefix_proposed(
    others: list[Taken], free: Mapping[str, str | None]
) -> None:
    found = find_clashes(wanted_networks({}), others)
    assert {clash.family.variable: clash.free for clash in found} == free


@pytest.mark.parametrize(
    "other",
    [
        taken("10.213.6.0/24"),
        taken("10.213.8.0/24"),
        taken("172.17.0.0/16"),
        taken("fd00:213:8::/64"),
        taken("0.0.0.0/0", is_route=True),
        taken("0.0.0.0/1", is_route=True),
        taken("10.0.0.0/8", is_route=True),
        taken("::/0", is_route=True),
        taken("fd00::/8", is_route=True),
    ],
    ids=lambda other: str(other.network),
)
def test_a_neighbour_or_a_way_to_everywhere_is_no_clash(other: Taken) -> None:
    assert find_clashes(wanted_networks({}), [other]) == []


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(9, 24)), max_size=30))
def test_what_is_proposed_is_a_prefix_that_nobody_has(blocks: list[tuple[int, int]]) -> None:
    others = [
        taken(str(ipaddress.ip_network(f"10.213.{third}.0/{length}", strict=False)))
        for third, length in blocks
    ]
    prefix = free_prefix(IPV4, others)
    assert prefix is not None
    assert not any(read_prefix(IPV4, prefix).overlaps(other.network) for other in others)
