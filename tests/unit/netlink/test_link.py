"""Links, addresses and routes as netlink messages: against what the kernel itself makes of them and says."""

import ipaddress
import struct

import pytest

from services.netlink import address, link
from services.netlink.attributes import attribute, nested, parse
from services.netlink.errors import MalformedError
from services.netlink.message import Reply

_HEAD = struct.Struct("=BxHiII")


def _told(index: int, flags: int, *attributes: bytes) -> bytes:
    return _HEAD.pack(0, 1, index, flags, 0) + b"".join(attributes)


def test_a_link_is_read() -> None:
    slave = nested(5, attribute(1, b"\3"))
    mtu = attribute(4, struct.pack("=I", 1400))
    told = _told(7, 0x11043, attribute(3, b"h0p0\0"), mtu, nested(18, attribute(1, b"veth\0"), slave))
    assert link.link_of(told) == link.Link(7, "h0p0", is_up=True, forwards=True, mtu=1400, kind="veth")
    learning = nested(18, nested(5, attribute(1, b"\2")))
    assert link.link_of(_told(8, 0, attribute(3, b"eth0\0"), learning)) == link.Link(
        8, "eth0", is_up=False, forwards=False
    )


@pytest.mark.parametrize("payload", [b"", bytes(15), _told(1, 0, b"\xff\xff\0\0")])
def test_a_link_that_is_none_is_refused(payload: bytes) -> None:
    with pytest.raises(MalformedError):
        link.link_of(payload)


def test_a_pair_is_made_with_its_other_end_elsewhere() -> None:
    request = link.new_veth("h0p0", 1000, 213, 2, link.Peer("eth0", 4711, b"\x02\x42\x0a\0\0\x0a"))
    _family, _kind, index, flags, change = _HEAD.unpack_from(request.payload)
    assert (index, flags, change) == (1000, 1, 1)
    fields = dict(parse(request.payload[_HEAD.size :]))
    assert (fields[3], fields[10], fields[27]) == (b"h0p0\0", struct.pack("=I", 2), struct.pack("=I", 213))
    info = dict(parse(fields[18]))
    assert info[1] == b"veth\0"
    peer = dict(parse(info[2]))[1]
    assert _HEAD.unpack_from(peer)[3] == 0  # no end can be up before both are there
    assert dict(parse(peer[_HEAD.size :])) == {
        3: b"eth0\0",
        1: b"\x02\x42\x0a\0\0\x0a",
        19: struct.pack("=I", 4711),
    }


def test_an_address_is_at_once_in_use() -> None:
    request = address.new_address(3, ipaddress.IPv6Interface("fd00::10/64"))
    assert struct.unpack_from("=BBBBI", request.payload) == (10, 64, 0x02, 0, 3)
    four = address.new_address(3, ipaddress.IPv4Interface("10.0.0.10/24"))
    assert dict(parse(four.payload[8:]))[4] == bytes([10, 0, 0, 255])
    assert 4 not in dict(parse(address.new_address(3, ipaddress.IPv4Interface("10.0.0.0/31")).payload[8:]))


def test_what_a_link_is_told() -> None:
    mtu = link.set_mtu(7, 1400)
    assert _HEAD.unpack_from(mtu.payload) == (0, 0, 7, 0, 0)
    assert dict(parse(mtu.payload[_HEAD.size :])) == {4: struct.pack("=I", 1400)}
    made = dict(parse(link.new_ifb("sl-ifb0", 5).payload[_HEAD.size :]))
    assert (made[3], made[27]) == (b"sl-ifb0\0", struct.pack("=I", 5))
    assert dict(parse(made[18])) == {1: b"ifb\0"}


def _route(by: int, index: int, table: int = 254) -> Reply:
    head = struct.pack("=BBBBBBBBI", 2, 24, 0, 0, table, by, 0, 1, 0x10)
    fields = attribute(1, bytes([10, 0, 1, 0])) + attribute(4, struct.pack("=I", index))
    return Reply(24, 2, 1, head + fields + attribute(12, bytes(32)) + attribute(5, bytes([10, 0, 0, 2])))


def test_a_route_is_kept_as_it_was() -> None:
    kept = address.kept_route(_route(4, 3), 3)
    assert kept is not None
    assert kept.by_gateway
    assert struct.unpack_from("=BBBBBBBBI", kept.request.payload) == (2, 24, 0, 0, 254, 4, 0, 1, 0)
    assert set(dict(parse(kept.request.payload[12:]))) == {1, 4, 5}


@pytest.mark.parametrize("other", [_route(2, 3), _route(4, 5), _route(4, 3, table=255)])
def test_what_the_kernel_makes_itself_is_not_kept(other: Reply) -> None:
    assert address.kept_route(other, 3) is None


def test_a_route_that_has_several_ways_is_kept() -> None:
    hops = struct.pack("=HBBi", 16, 0, 0, 3) + attribute(5, bytes(4)) + struct.pack("=HBBi", 8, 0, 0, 5)
    reply = Reply(24, 2, 1, struct.pack("=BBBBBBBBI", 2, 0, 0, 0, 254, 3, 0, 1, 0) + attribute(9, hops))
    for index in (3, 5):
        kept = address.kept_route(reply, index)
        assert kept is not None
        assert kept.by_gateway
    assert address.kept_route(reply, 4) is None


def test_a_route_of_a_maker_that_sees_to_its_own_is_not_kept() -> None:
    assert address.kept_route(_route(213, 3), 3) is not None
    assert address.kept_route(_route(213, 3), 3, frozenset({213})) is None


def test_addresses_of_the_link_only_are_kept() -> None:
    def told(index: int, flags: int) -> Reply:
        head = struct.pack("=BBBBI", 10, 64, flags & 0xFF, 0, index)
        more = attribute(1, bytes(16)) + attribute(6, bytes(16)) + attribute(8, struct.pack("=I", flags))
        return Reply(20, 2, 1, head + more)

    for flags, again in ((0x80, 0), (0x282, 0x202), (0xC8, 0)):  # permanent, tentative, failed: the kernel's
        kept = address.kept_address(told(3, flags), 3)
        assert kept is not None
        assert struct.unpack_from("=BBBBI", kept.request.payload) == (10, 64, again & 0xFF, 0, 3)
        fields = dict(parse(kept.request.payload[8:]))
        assert (set(fields), fields[8]) == ({1, 6, 8}, struct.pack("=I", again))
    assert address.kept_address(told(4, 0x80), 3) is None


def test_cut_off_messages_are_refused() -> None:
    cut = Reply(20, 2, 1, b"\0")
    with pytest.raises(MalformedError):
        address.kept_address(cut, 1)
    with pytest.raises(MalformedError):
        address.kept_route(cut, 1)
