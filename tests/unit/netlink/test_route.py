"""rtnetlink: routes built and read back."""

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.netlink.attributes import attribute
from services.netlink.errors import MalformedError
from services.netlink.message import ACK, CREATE, EXCL, REQUEST
from services.netlink.route import THROW, Entry, delete_route, entry_of, new_route

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
    assert request.payload == head + attribute(1, bytes([10, 213, 7, 224]))


@given(NETWORKS, st.integers(0, 255), st.integers(0, 255), st.integers(0, 2**32 - 1))
def test_a_route_is_read_as_it_was_built(
    to: ipaddress.IPv4Network | ipaddress.IPv6Network, type_: int, protocol: int, priority: int
) -> None:
    entry = Entry(to, type_, protocol, priority)
    assert entry_of(new_route(entry).payload) == entry
    assert delete_route(entry).payload == new_route(entry).payload


@pytest.mark.parametrize(("family", "table"), [(7, 254), (2, 255)], ids=["family", "table"])
def test_a_route_that_is_not_of_the_main_table(family: int, table: int) -> None:
    assert entry_of(struct.pack("=BBBBBBBBI", family, 0, 0, 0, table, 2, 0, 1, 0)) is None


def test_a_table_beyond_255_stands_in_an_attribute() -> None:
    payload = struct.pack("=BBBBBBBBI", 2, 0, 0, 0, 254, 2, 0, 1, 0)
    assert entry_of(payload + attribute(15, struct.pack("=I", 1000))) is None


@given(st.binary(max_size=120))
def test_any_bytes_are_a_route_or_malformed(data: bytes) -> None:
    try:
        entry_of(data)
    except MalformedError:
        return
