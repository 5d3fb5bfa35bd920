"""rtnetlink: neighbours built and read back."""

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.netlink.attributes import attribute, parse
from services.netlink.errors import MalformedError
from services.netlink.neighbour import (
    Neighbour,
    delete_neighbour,
    neighbour_of,
    put_back,
    set_neighbour,
)

MAC = b"\x02\x42\x0a\0\0\x0a"


@given(st.integers(1, 2**31 - 1), st.ip_addresses(), st.binary(min_size=6, max_size=6))
def test_a_neighbour_is_read_as_it_was_built(
    link: int, address: ipaddress.IPv4Address | ipaddress.IPv6Address, hardware: bytes
) -> None:
    made = set_neighbour(link, address, hardware)
    assert neighbour_of(made.payload) == Neighbour(link, address, hardware, is_permanent=True)
    deleted = neighbour_of(delete_neighbour(link, address).payload)
    assert deleted == Neighbour(link, address, b"", is_permanent=False)


def told(flags: int = 0, state: int = 0x80) -> bytes:
    head = struct.pack("=BxxxiHBB", 2, 3, state, flags, 1)
    address, cache, probes = (
        attribute(1, bytes([10, 0, 0, 9])),
        attribute(3, bytes(16)),
        attribute(4, bytes(4)),
    )
    return head + address + attribute(2, MAC) + cache + probes + attribute(12, b"\x04")


def test_an_entry_is_put_back_without_what_the_kernel_counts() -> None:
    again = put_back(told(flags=0x20)).payload
    assert again[:12] == told(flags=0x20)[:12]
    assert set(dict(parse(again[12:]))) == {1, 2, 12}


def test_what_the_host_only_answers_for_is_no_neighbour() -> None:
    assert neighbour_of(told(flags=0x08)) is None
    found = neighbour_of(told(state=0x02))
    assert found is not None
    assert not found.is_permanent


@pytest.mark.parametrize("payload", [b"", bytes(11), struct.pack("=BxxxiHBB", 2, 3, 0x80, 0, 1)])
def test_what_is_no_neighbour_is_refused(payload: bytes) -> None:
    with pytest.raises(MalformedError):
        neighbour_of(payload)
