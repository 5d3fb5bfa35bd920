"""rtnetlink: routes built and read back."""

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.netlink.attributes import attribute, nested, parse
from services.netlink.errors import MalformedError
from services.netlink.message import ACK, CREATE, EXCL, REQUEST
from services.netlink.route import (
    THROW,
    UNICAST,
    Entry,
    delete_route,
    entry_of,
    new_narrow_route,
    new_route,
    way_of,
)

NETWORKS = st.one_of(
    st.ip_addresses(v=4).flatmap(
        lambda address: st.integers(0, 32).map(
            lambda bits: ipaddress.ip_network((address, bits), strict=False)
        )
    ),
    st.ip_addresses(v=6).flatmap(
        lambda address: st.integers(0, 128).map(
            lambda bits: ipaddress.ip_network((address, bits), strict=False)
        )
    ),
)


def test_the_bytes_of_a_route() -> None:
    request = new_route(Entry(ipaddress.ip_network("10.213.7.224/27"), THROW, 213, 0))
    assert (request.type, request.flags) == (24, REQUEST | ACK | CREATE | EXCL)
    head = bytes([2, 27, 0, 0, 254, 213, 0, 9]) + bytes(4)
    table = attribute(15, struct.pack("=I", 254))
    assert request.payload == head + attribute(1, bytes([10, 213, 7, 224])) + table


@given(NETWORKS, st.integers(0, 255), st.integers(0, 255), st.integers(0, 2**32 - 1))
def test_a_route_is_read_as_it_was_built(
    to: ipaddress.IPv4Network | ipaddress.IPv6Network, type_: int, protocol: int, priority: int
) -> None:
    entry = Entry(to, type_, protocol, priority)
    assert entry_of(new_route(entry).payload) == entry
    deleted = delete_route(entry).payload
    assert entry_of(deleted) == entry
    assert deleted[6] == 255  # of whatever scope: the kernel chose it where a route was made


def test_a_route_that_is_of_no_family_of_ours() -> None:
    assert entry_of(struct.pack("=BBBBBBBBI", 7, 0, 0, 0, 254, 2, 0, 1, 0)) is None


def test_a_table_beyond_255_stands_in_an_attribute() -> None:
    payload = struct.pack("=BBBBBBBBI", 2, 0, 0, 0, 252, 2, 0, 1, 0)
    found = entry_of(payload + attribute(15, struct.pack("=I", 1000)))
    assert found is not None
    assert found.table == 1000
    assert entry_of(new_route(found).payload) == found


def told(*attributes: bytes) -> bytes:
    return struct.pack("=BBBBBBBBI", 2, 24, 0, 0, 254, 2, 253, UNICAST, 0) + b"".join(attributes)


def test_a_route_with_a_smaller_mtu_leads_where_the_other_does() -> None:
    link, source = attribute(4, struct.pack("=I", 3)), attribute(7, bytes([10, 0, 0, 2]))
    metrics = nested(
        8, attribute(1, struct.pack("=I", 1 << 8)), attribute(2, bytes(4)), attribute(8, b"\1\0\0\0")
    )
    way = way_of(told(attribute(1, bytes([10, 0, 0, 0])), link, source, metrics, attribute(12, bytes(32))))
    assert (way.type, way.table, way.scope, way.link, way.is_direct) == (UNICAST, 254, 253, 3, True)
    assert way.attributes == link + source
    entry = Entry(ipaddress.ip_network("10.0.0.9/32"), UNICAST, 213, 0)
    made = new_narrow_route(entry, way, 600).payload
    fields = dict(parse(made[12:]))
    assert entry_of(made) == entry
    assert made[6] == 253
    assert (fields[4], fields[7]) == (struct.pack("=I", 3), bytes([10, 0, 0, 2]))
    locked = struct.pack("=I", 1 << 8 | 1 << 2)
    assert dict(parse(fields[8])) == {1: locked, 2: struct.pack("=I", 600), 8: b"\1\0\0\0"}


@pytest.mark.parametrize(
    ("attributes", "left"),
    [
        ((attribute(5, bytes(4)), attribute(4, bytes(4))), {4, 5}),
        ((attribute(9, bytes(8)),), {9}),
        ((attribute(30, bytes(4)), attribute(5, bytes(4)), attribute(4, bytes(4))), {30}),
    ],
)
def test_a_way_by_a_gateway_is_not_direct(attributes: tuple[bytes, ...], left: set[int]) -> None:
    way = way_of(told(*attributes))
    assert not way.is_direct
    assert {number for number, _data in parse(way.attributes)} == left


@given(st.binary(max_size=120))
def test_any_bytes_are_a_route_or_malformed(data: bytes) -> None:
    try:
        entry_of(data)
        way_of(data)
    except MalformedError:
        return
